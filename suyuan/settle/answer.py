"""Signed answers: how a partner knows that an answer came from the platform, and that it answers *this* request.

RFC 9421 again, with the profile `suyuan-answer-v1`; the signature's nonce repeats the nonce of the request:

    "@status": 201
    "content-digest": sha-256=:…:
    "@signature-params": ("@status" "content-digest");created=…;keyid="…";nonce="…";tag="suyuan-answer-v1"

Invariants: an answer that says *done* (below 400) without the request's nonce is refused, so an old answer cannot be
played again. A refusal may lack the nonce, because a request that could not be read has none that anybody knows.
The time is not checked: the nonce says more, and a partner whose clock is wrong must be able to read just that.

>>> signer = crypto.suite("ed25519").signer(bytes(32))
>>> keys = {"platform-1": crypto.PublicKey("ed25519", signer.public)}
>>> headers = sign_answer(201, b"{}", key_id="platform-1", signer=signer, nonce="n" * 22, now=Micros(10**15))
>>> pairs = [(name.encode(), text.encode()) for name, text in headers.items()]
>>> check_answer(201, pairs, b"{}", keys=keys, nonce="n" * 22)
1000000000000000
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from suyuan.base import crypto
from suyuan.base.clock import SECOND, Micros
from suyuan.settle.request import b64, content_digest, unb64

TAG = "suyuan-answer-v1"
DONE_BELOW = 400

_SIGNATURE_INPUT = re.compile(
    r'suyuan=(\("@status" "content-digest"\);created=([0-9]{1,15});keyid="([^"\\]{1,128})"(?:;nonce="([^"\\]*)")?'
    rf';tag="{TAG}")'
)
_SIGNATURE = re.compile(r"suyuan=:([A-Za-z0-9+/]{1,128}={0,2}):")


def sign_answer(
    status: int, body: bytes, *, key_id: str, signer: crypto.Signer, nonce: str, now: Micros
) -> dict[str, str]:
    """The headers that sign an answer. The nonce is the request's, or nothing where the request could not be read."""
    echo = f';nonce="{nonce}"' if nonce else ""
    parameters = f'("@status" "content-digest");created={now // SECOND};keyid="{key_id}"{echo};tag="{TAG}"'
    digest = content_digest(body)
    signature = b64(signer.sign(_lines(status, digest, parameters)))
    return {
        "content-digest": digest,
        "signature-input": f"suyuan={parameters}",
        "signature": f"suyuan=:{signature}:",
    }


def check_answer(
    status: int,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
    *,
    keys: Mapping[str, crypto.PublicKey],
    nonce: str,
) -> Micros:
    """When the platform signed this answer to the request with this nonce. Raises `crypto.BadSignature`."""
    described = _SIGNATURE_INPUT.fullmatch(_only(headers, b"signature-input"))
    encoded = _SIGNATURE.fullmatch(_only(headers, b"signature"))
    if described is None or encoded is None:
        raise crypto.BadSignature("the answer's signature is missing or not written as suyuan-answer-v1 says")
    parameters, created_s, key_id, echo = described.groups()
    if echo != nonce and (echo is not None or status < DONE_BELOW):
        raise crypto.BadSignature("the answer belongs to another request")
    if key_id not in keys:
        raise crypto.BadSignature("the answer is signed with a key that is not among the platform's")
    digest = content_digest(body)
    if _only(headers, b"content-digest") != digest:
        raise crypto.BadSignature("the answer's digest does not belong to its body")
    keys[key_id].checker().check(_lines(status, digest, parameters), unb64(encoded[1]) or b"")
    return Micros(int(created_s) * SECOND)


def _lines(status: int, digest: str, parameters: str) -> bytes:
    return f'"@status": {status}\n"content-digest": {digest}\n"@signature-params": {parameters}'.encode("latin-1")


def _only(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str:
    found = [value for raw, value in headers if raw.lower() == name]
    if len(found) > 1:
        raise crypto.BadSignature(f"the answer has the header {name.decode()} twice")
    return found[0].decode("latin-1").strip(" \t") if found else ""
