"""Ed25519: RFC 8032's vector, Debian's `openssl` both ways, weak keys and malformed signatures refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.crypto import BadSignature
from suyuan.base.crypto.ed25519 import Ed25519Suite

# RFC 8032 §7.1, test 3.
SECRET = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
PUBLIC = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
MESSAGE = bytes.fromhex("af82")
SIGNATURE = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)
ORDER = 2**252 + 27742317777372353535851937790883648493

SPKI = bytes.fromhex("302a300506032b6570032100")
PKCS8 = bytes.fromhex("302e020100300506032b657004220420")

suite = Ed25519Suite()


def test_the_vector_of_the_rfc_is_signed_and_accepted() -> None:
    signer = suite.signer(SECRET)
    assert signer.public == suite.public_of(SECRET) == PUBLIC
    assert signer.sign(MESSAGE) == SIGNATURE
    suite.checker(PUBLIC).check(MESSAGE, SIGNATURE)


S_PLUS_ORDER = SIGNATURE[:32] + (int.from_bytes(SIGNATURE[32:], "little") + ORDER).to_bytes(32, "little")


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:-1], SIGNATURE + b"\x00", bytes(64), b"\xff" * 64, S_PLUS_ORDER])
def test_a_malformed_signature_is_refused(signature: bytes) -> None:
    """The last one is the same equation with s + L: accepted, it would be a second signature that nobody made."""
    with pytest.raises(BadSignature):
        suite.checker(PUBLIC).check(MESSAGE, signature)


def test_a_key_that_fits_every_message_is_refused() -> None:
    """With the neutral point as key, one signature fits two messages for the library; we never load such a key."""
    neutral = b"\x01" + bytes(31)
    any_message = neutral + bytes(32)
    raw = Ed25519PublicKey.from_public_bytes(neutral)
    raw.verify(any_message, b"pay 100 fen")
    raw.verify(any_message, b"pay 9,999,900 fen")
    for sign_bit in (0, 0x80):
        with pytest.raises(BadSignature, match="small order"):
            suite.checker(neutral[:-1] + bytes([sign_bit]))


@pytest.mark.parametrize("public", [b"", PUBLIC[:-1], PUBLIC + b"\x00"])
def test_a_public_key_of_another_length_is_refused(public: bytes) -> None:
    with pytest.raises(BadSignature):
        suite.checker(public)


def test_a_secret_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        suite.signer(b"short")


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80))
def test_arbitrary_keys_and_signatures_only_raise_bad_signature(public: bytes, signature: bytes) -> None:
    with pytest.raises(BadSignature):
        suite.checker(public).check(MESSAGE, signature)


@given(st.binary(), st.integers(0, 511))
def test_a_flipped_bit_is_refused(message: bytes, bit: int) -> None:
    signer = suite.signer(SECRET)
    signature = bytearray(signer.sign(message))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadSignature):
        suite.checker(signer.public).check(message, bytes(signature))


def openssl(*words: str | Path) -> bytes:
    """What the command prints; a failure fails the test."""
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, check=True).stdout


@pytest.fixture
def openssl_3() -> None:
    try:
        version = openssl("version").decode()
    except FileNotFoundError:
        pytest.skip("!! ED25519 IS NOT TESTED AGAINST OPENSSL: there is no openssl command here")
    if not version.startswith(("OpenSSL 3", "OpenSSL 4")):
        pytest.skip(f"!! ED25519 IS NOT TESTED AGAINST OPENSSL: {version} is older than 3.0")


@pytest.mark.usefixtures("openssl_3")
def test_openssl_and_we_accept_each_other(tmp_path: Path) -> None:
    message = b"a card becomes money once"
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "secret").write_bytes(PKCS8 + SECRET)
    (tmp_path / "public").write_bytes(SPKI + PUBLIC)
    (tmp_path / "signature").write_bytes(suite.signer(SECRET).sign(message))
    words = ("-rawin", "-keyform", "DER", "-in", tmp_path / "message", "-inkey")
    openssl("pkeyutl", "-verify", "-pubin", *words, tmp_path / "public", "-sigfile", tmp_path / "signature")
    suite.checker(PUBLIC).check(message, openssl("pkeyutl", "-sign", *words, tmp_path / "secret"))
