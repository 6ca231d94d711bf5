"""Forged requests: what a thief can build who has seen a partner's traffic and has the documents, but no key.

Each forgery starts from an honest signature, or from the thief's own, and changes what a careless platform would not
notice. `forge` gives the request to send; the platform must answer every one with a refusal.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace

from suyuan.base import wire
from suyuan.base.clock import SECOND, Micros
from suyuan.base.crypto import Signer
from suyuan.faces.sdk.exchange import NONCE_BYTES, Ask, Call, Session
from suyuan.settle.request import TAG, b64, content_digest, sign_like_wechat, sign_request

LONG_S = 3600
MERCHANT_OF_ANOTHER = "merchant_of_another"


@dataclass(frozen=True, slots=True)
class Loot:
    """What the thief works with: the session that would be honest, the call, and a key of the thief's own."""

    session: Session
    call: Call
    own: Signer


def _signed(loot: Loot, *, signer: Signer | None = None, ahead_s: int = 0, key_id: str = "") -> Ask:
    session, call = loot.session, loot.call
    headers = sign_request(
        call.method, session.origin + call.target, call.body, key_id=key_id or session.key_id,
        signer=signer or session.signer, nonce=wire.b64(session.chance(NONCE_BYTES)),
        now=Micros(session.clock.now() + ahead_s * SECOND), idempotency_key=call.idempotency_key,
    )  # fmt: skip
    return Ask(call.method, call.target, headers | {"content-type": "application/json"}, call.body)


def _with(ask: Ask, **headers: str) -> Ask:
    return replace(ask, headers={**ask.headers, **{name.replace("_", "-"): text for name, text in headers.items()}})


def _random(loot: Loot) -> Ask:
    return _with(_signed(loot), signature=f"suyuan=:{b64(loot.session.chance(64))}:")


def _other_key(loot: Loot) -> Ask:
    return _signed(loot, signer=loot.own)


def _unknown_key(loot: Loot) -> Ask:
    return _signed(loot, signer=loot.own, key_id="key_" + "0" * 26)


def _altered_body(loot: Loot) -> Ask:
    return replace(_signed(loot), content=_richer(loot.call.body))


def _body_under_its_digest(loot: Loot) -> Ask:
    """The digest is made to fit the other body; the signature is not."""
    body = _richer(loot.call.body)
    return replace(_with(_signed(loot), content_digest=content_digest(body)), content=body)


def _altered_address(loot: Loot) -> Ask:
    return replace(_signed(loot), target=loot.call.target + "?n=1")


def _altered_key_of_the_act(loot: Loot) -> Ask:
    return _with(_signed(loot), idempotency_key=wire.b64(loot.session.chance(NONCE_BYTES)))


def _stale(loot: Loot) -> Ask:
    return _signed(loot, ahead_s=-LONG_S)


def _future(loot: Loot) -> Ask:
    return _signed(loot, ahead_s=LONG_S)


def _hmac_by_the_public_key(loot: Loot) -> Ask:
    """Algorithm confusion: what everybody knows is used as if it were a shared secret."""
    return _with_algorithm(
        loot, "hmac-sha256", lambda lines: hmac.digest(loot.session.signer.public, lines, "sha256") * 2
    )


def _other_algorithm(loot: Loot) -> Ask:
    return _with_algorithm(loot, "sm2-sm3", loot.session.signer.sign)


def _with_algorithm(loot: Loot, algorithm: str, sign: Callable[[bytes], bytes]) -> Ask:
    covers = '"@method" "@target-uri" "content-digest" "idempotency-key"'
    return _by_hand(loot, covers, f';alg="{algorithm}"', sign)


def _covers_too_little(loot: Loot) -> Ask:
    """A signature that is good, over all but the body."""
    return _by_hand(loot, '"@method" "@target-uri"', "", loot.session.signer.sign)


def _by_hand(loot: Loot, covers: str, more: str, sign: Callable[[bytes], bytes]) -> Ask:
    session, call = loot.session, loot.call
    honest = _signed(loot)
    nonce = wire.b64(session.chance(NONCE_BYTES))
    created = session.clock.now() // SECOND
    parameters = f'({covers});created={created};keyid="{session.key_id}";nonce="{nonce}"{more};tag="{TAG}"'
    lines = [f'"@method": {call.method}', f'"@target-uri": {session.origin}{call.target}']
    if "content-digest" in covers:
        lines += [f'"{name}": {honest.headers[name]}' for name in ("content-digest", "idempotency-key")]
    lines.append(f'"@signature-params": {parameters}')
    signature = sign("\n".join(lines).encode())
    return _with(honest, signature_input=f"suyuan={parameters}", signature=f"suyuan=:{b64(signature)}:")


def _unsigned(loot: Loot) -> Ask:
    honest = _signed(loot)
    bare = {name: text for name, text in honest.headers.items() if not name.startswith("signature")}
    return replace(honest, headers=bare)


def _merchant_of_another(loot: Loot) -> Ask:
    """The dialect like WeChat's names a merchant that is not signed, so it must be compared with the key's owner."""
    session, call = loot.session, loot.call
    headers = sign_like_wechat(
        call.method, session.origin + call.target, call.body, key_id=session.key_id, merchant_id="m-shell",
        signer=session.signer, nonce=wire.b64(session.chance(NONCE_BYTES)), now=session.clock.now(),
        idempotency_key=call.idempotency_key,
    )  # fmt: skip
    return Ask(call.method, call.target, headers | {"content-type": "application/json"}, call.body)


def _richer(body: bytes) -> bytes:
    """The same request for a card of another face value."""
    return body.replace(b'"face_fen":', b'"face_fen":1') if b'"face_fen":' in body else body + b" "


_WAYS: dict[str, Callable[[Loot], Ask]] = {
    "random": _random,
    "other_key": _other_key,
    "unknown_key": _unknown_key,
    "altered_body": _altered_body,
    "body_under_its_digest": _body_under_its_digest,
    "altered_address": _altered_address,
    "altered_key_of_the_act": _altered_key_of_the_act,
    "stale": _stale,
    "future": _future,
    "hmac_by_the_public_key": _hmac_by_the_public_key,
    "other_algorithm": _other_algorithm,
    "covers_too_little": _covers_too_little,
    "unsigned": _unsigned,
}
FORGERIES = tuple(_WAYS)


def forge(name: str, loot: Loot) -> Ask:
    """The forged request of this name."""
    way = _merchant_of_another if name == MERCHANT_OF_ANOTHER else _WAYS[name]
    return way(loot)
