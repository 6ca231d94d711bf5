"""Signed answers: a partner believes an answer of the platform to his own request, and no other."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base import crypto
from suyuan.base.clock import SECOND, Micros
from suyuan.settle.answer import TAG, check_answer, sign_answer

NOW = Micros(1_700_000_000 * SECOND)
NONCE = "wqe5Uk0S7Pz1nR2vX8yTgA"
BODY = b'{"voucher":"..."}'
ALGORITHMS = ["ed25519", "sm2-sm3"]
SIGNERS = {name: crypto.suite(name).signer(b"\x09" * 32) for name in ALGORITHMS}
KEYS = {name: crypto.PublicKey(name, signer.public) for name, signer in SIGNERS.items()}


def answer(status: int = 201, algorithm: str = "ed25519", nonce: str = NONCE) -> dict[str, str]:
    return sign_answer(status, BODY, key_id=algorithm, signer=SIGNERS[algorithm], nonce=nonce, now=NOW)


def pairs(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.title().encode(), text.encode("latin-1")) for name, text in headers.items()]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_answer_of_the_platform_is_believed(algorithm: str) -> None:
    headers = answer(algorithm=algorithm)
    assert check_answer(201, pairs(headers), BODY, keys=KEYS, nonce=NONCE) == NOW


def test_another_implementation_accepts_our_answer() -> None:
    theirs = pytest.importorskip("http_message_signatures")
    keys = SimpleNamespace(resolve_public_key=lambda _: Ed25519PublicKey.from_public_bytes(SIGNERS["ed25519"].public))
    verifier = theirs.HTTPMessageVerifier(signature_algorithm=theirs.algorithms.ED25519, key_resolver=keys)
    message = SimpleNamespace(status_code=201, headers=answer(), request=None)
    found = verifier.verify(message, max_age=None, expect_tag=TAG, require_components=("@status",), body=BODY)
    assert found[0].parameters["created"] == datetime.datetime.fromtimestamp(NOW // SECOND, datetime.UTC).timestamp()


def test_another_status_or_body_is_not_what_was_signed() -> None:
    with pytest.raises(crypto.BadSignature):
        check_answer(200, pairs(answer()), BODY, keys=KEYS, nonce=NONCE)
    with pytest.raises(crypto.BadSignature, match="digest"):
        check_answer(201, pairs(answer()), BODY + b" ", keys=KEYS, nonce=NONCE)


def test_an_old_answer_cannot_be_played_again() -> None:
    """Yesterday's `201 paid` is a good signature; it repeats yesterday's nonce and not today's."""
    with pytest.raises(crypto.BadSignature, match="another request"):
        check_answer(201, pairs(answer()), BODY, keys=KEYS, nonce="Z" * 22)
    with pytest.raises(crypto.BadSignature, match="another request"):
        check_answer(400, pairs(answer(400)), BODY, keys=KEYS, nonce="Z" * 22)


def test_only_a_refusal_may_lack_the_nonce() -> None:
    """A request that could not be read has no nonce to repeat, and never leads to `done`."""
    check_answer(401, pairs(answer(401, nonce="")), BODY, keys=KEYS, nonce=NONCE)
    with pytest.raises(crypto.BadSignature, match="another request"):
        check_answer(201, pairs(answer(201, nonce="")), BODY, keys=KEYS, nonce=NONCE)


def test_a_key_that_is_not_the_platforms_is_refused() -> None:
    with pytest.raises(crypto.BadSignature, match="not among"):
        check_answer(201, pairs(answer()), BODY, keys={}, nonce=NONCE)
    swapped = {"ed25519": crypto.PublicKey("ed25519", crypto.suite("ed25519").public_of(bytes(32)))}
    with pytest.raises(crypto.BadSignature, match="does not fit"):
        check_answer(201, pairs(answer()), BODY, keys=swapped, nonce=NONCE)


def test_a_request_signature_is_no_answer() -> None:
    """The tag is part of the form: what a partner signed as a request cannot come back to him as an answer."""
    headers = answer()
    headers["signature-input"] = headers["signature-input"].replace(TAG, "suyuan-v1")
    with pytest.raises(crypto.BadSignature, match=TAG):
        check_answer(201, pairs(headers), BODY, keys=KEYS, nonce=NONCE)


@pytest.mark.parametrize("name", ["content-digest", "signature", "signature-input"])
def test_a_missing_or_doubled_header_is_refused(name: str) -> None:
    with pytest.raises(crypto.BadSignature):
        check_answer(201, pairs({n: t for n, t in answer().items() if n != name}), BODY, keys=KEYS, nonce=NONCE)
    with pytest.raises(crypto.BadSignature, match="twice"):
        check_answer(201, [*pairs(answer()), (name.encode(), b"x")], BODY, keys=KEYS, nonce=NONCE)


@given(
    st.sampled_from(["content-digest", "signature", "signature-input"]), st.binary(max_size=80), st.integers(100, 599)
)
def test_arbitrary_headers_only_raise_bad_signature(name: str, text: bytes, status: int) -> None:
    headers = [(found, text if found == name.encode() else old) for found, old in pairs(answer(status))]
    headers = [(found, text if found.lower() == name.encode() else old) for found, old in headers]
    with pytest.raises(crypto.BadSignature):
        check_answer(status, headers, BODY, keys=KEYS, nonce=NONCE)
