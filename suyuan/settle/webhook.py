"""Signed webhooks, both sides, as Standard Webhooks 1.0.0 writes them: what happened, told by the platform alone.

Format: `webhook-id` names the message and stays the same when it is sent again, so receivers use it as an idempotency
key; `webhook-timestamp` is the second of this try; `webhook-signature` holds one or more signatures with a space
between them, each `<version>,<base64>` over `<id>.<timestamp>.<body>`. While the platform changes keys it signs with
both. Versions: `v1a` is Ed25519 as the specification has it; `v1sm2` is SM2-SM3 and ours (DER, signer id
1234567812345678), which other receivers skip, since the specification lets them try each signature until one fits.

Invariants: an id has no full stop, so no id and time can be read as another id and time; a receiver believes keys that
he was given before, and nothing in the message chooses one. https://www.standardwebhooks.com

>>> signer = crypto.suite("ed25519").signer(bytes(32))
>>> now = Micros(1_700_000_000_000_000)
>>> headers = sign_webhook("whk_1", b"{}", signers=[signer], now=now)
>>> pairs = [(name.encode(), text.encode()) for name, text in headers.items()]
>>> check_webhook(pairs, b"{}", keys=[crypto.PublicKey("ed25519", signer.public)], now=now)
'whk_1'
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from suyuan.base import crypto
from suyuan.base.clock import SECOND, Micros, plus
from suyuan.settle.request import FRESH_S, b64, unb64

VERSIONS = {"ed25519": "v1a", "sm2-sm3": "v1sm2"}
SIGNATURES_MAX = 8

_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,15}")


def sign_webhook(webhook_id: str, body: bytes, *, signers: Sequence[crypto.Signer], now: Micros) -> dict[str, str]:
    """The headers of one try to deliver. Several signers sign while keys are being changed."""
    if not _ID.fullmatch(webhook_id):
        raise ValueError("a webhook's id has 1 to 64 letters, digits, `_` and `-`; above all no full stop")
    assert 1 <= len(signers) <= SIGNATURES_MAX
    timestamp = str(now // SECOND)
    signed = _signed(webhook_id, timestamp, body)
    signatures = [f"{VERSIONS[signer.algorithm]},{b64(signer.sign(signed))}" for signer in signers]
    return {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def check_webhook(
    headers: Sequence[tuple[bytes, bytes]], body: bytes, *, keys: Sequence[crypto.PublicKey], now: Micros
) -> str:
    """The id of a message that one of the platform's keys signed within five minutes. Raises `crypto.BadSignature`."""
    webhook_id, timestamp = _only(headers, b"webhook-id"), _only(headers, b"webhook-timestamp")
    if not (_ID.fullmatch(webhook_id) and _TIMESTAMP.fullmatch(timestamp)):
        raise crypto.BadSignature("the webhook has no id and time in the form of Standard Webhooks")
    tried_at = Micros(int(timestamp) * SECOND)
    if not plus(now, -FRESH_S) <= tried_at <= plus(now, FRESH_S):
        raise crypto.BadSignature("the webhook was signed more than five minutes away from now")
    entries = _only(headers, b"webhook-signature").split(" ")
    if len(entries) > SIGNATURES_MAX:
        raise crypto.BadSignature(f"the webhook has more than {SIGNATURES_MAX} signatures")
    signed = _signed(webhook_id, timestamp, body)
    if not any(_fits(entry, key, signed) for entry in entries for key in keys):
        raise crypto.BadSignature("no signature of the webhook fits it and a key of the platform")
    return webhook_id


def key_text(key: crypto.PublicKey) -> str:
    """A key as receivers are given it: `whpk_…` where the specification has a form, our own form else."""
    return f"whpk_{b64(key.raw)}" if key.algorithm == "ed25519" else key.text()


def _fits(entry: str, key: crypto.PublicKey, signed: bytes) -> bool:
    version, _, encoded = entry.partition(",")
    signature = unb64(encoded)
    if version != VERSIONS[key.algorithm] or signature is None:
        return False
    try:
        key.checker().check(signed, signature)
    except crypto.BadSignature:
        # Not this one: with two keys in force, one of the four pairs of signature and key is enough.
        return False
    return True


def _signed(webhook_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{webhook_id}.{timestamp}.".encode() + body


def _only(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str:
    found = [value for raw, value in headers if raw.lower() == name]
    if len(found) != 1:
        raise crypto.BadSignature(f"the webhook has the header {name.decode()} {len(found)} times, not once")
    return found[0].decode("latin-1").strip(" \t")
