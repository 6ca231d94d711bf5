"""Signed requests to test with: one write, in both dialects, and ways to change it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from suyuan.base import crypto
from suyuan.base.clock import SECOND, Micros
from suyuan.base.refusals import Reason, Refusal
from suyuan.settle.request import Claim, RawRequest, parse, sign_like_wechat, sign_request

NOW = Micros(1_700_000_000 * SECOND)
URI = "https://api.example.com/v1/redemptions?draft=0"
BODY = b'{"serial":"10001","face_fen":10000}'
NONCE = "wqe5Uk0S7Pz1nR2vX8yTgA"
ALGORITHMS = ["ed25519", "sm2-sm3"]
SIGNERS = {name: crypto.suite(name).signer(b"\x07" * 32) for name in ALGORITHMS}


@dataclass(frozen=True)
class Registered:
    """A key as the platform has it."""

    id: str
    algorithm: str
    public_key: bytes


KEYS = {name: Registered("key_1", name, signer.public) for name, signer in SIGNERS.items()}


def rfc(algorithm: str = "ed25519", **changes: Any) -> dict[str, str]:
    """The headers of the standard write, signed by RFC 9421."""
    words: dict[str, Any] = {"key_id": "key_1", "signer": SIGNERS[algorithm], "nonce": NONCE, "now": NOW}
    return sign_request("POST", URI, BODY, **(words | {"idempotency_key": "order-7"} | changes))


def wechat(algorithm: str = "ed25519", **changes: Any) -> dict[str, str]:
    """The headers of the standard write, signed like WeChat Pay v3."""
    words: dict[str, Any] = {"key_id": "key_1", "signer": SIGNERS[algorithm], "nonce": NONCE, "now": NOW}
    return sign_like_wechat(
        "POST", URI, BODY, **(words | {"merchant_id": "1900001", "idempotency_key": "order-7"} | changes)
    )


DIALECTS: dict[str, Callable[..., dict[str, str]]] = {"rfc9421": rfc, "wechat": wechat}


def pairs(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as a server hands them over, between others that mean nothing here."""
    named = [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
    return [(b"host", b"api.example.com"), *named, (b"accept", b"*/*")]


def post(headers: dict[str, str], /, **changes: Any) -> RawRequest:
    return replace(RawRequest("POST", URI, pairs(headers), BODY), **changes)


def claimed(raw: RawRequest, now: Micros = NOW) -> Claim:
    claim = parse(raw, now=now)
    assert isinstance(claim, Claim), claim
    return claim


def refused(raw: RawRequest, now: Micros = NOW) -> Reason:
    refusal = parse(raw, now=now)
    assert isinstance(refusal, Refusal), refusal
    return refusal.reason


def signed_with(tail: str, covers: str = '"@method" "@target-uri" "content-digest" "idempotency-key"') -> RawRequest:
    """A request whose signature is good over parameters that a caller wrote himself."""
    headers = rfc()
    lines = {
        '"@method"': "POST",
        '"@target-uri"': URI,
        '"content-digest"': headers["content-digest"],
        '"idempotency-key"': headers["idempotency-key"],
    }
    covered = "".join(f"{name}: {lines[name]}\n" for name in covers.split(" ") if name in lines)
    signed = f'{covered}"@signature-params": ({covers}){tail}'.encode()
    signature = base64.b64encode(SIGNERS["ed25519"].sign(signed)).decode()
    return post(headers | {"signature-input": f"s=({covers}){tail}", "signature": f"s=:{signature}:"})


TAIL = f';created=1700000000;keyid="key_1";nonce="{NONCE}";tag="suyuan-v1"'


def changed(dialect: Callable[..., dict[str, str]], name: str, old: str, new: str) -> RawRequest:
    headers = dialect()
    assert old in headers[name], (old, headers[name])
    return post(headers | {name: headers[name].replace(old, new)})
