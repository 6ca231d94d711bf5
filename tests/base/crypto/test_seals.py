"""Seals: the published vectors, and nothing opens with another key, place, nonce or byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.crypto import BadSeal, aead
from suyuan.base.crypto.seals import KEY_BYTES, NONCE_BYTES

NAMES = sorted(KEY_BYTES)
NONCE = bytes(NONCE_BYTES)

# RFC 8998 appendix A.1 for SM4-GCM; test case 16 of McGrew and Viega's GCM specification for AES-256-GCM.
VECTORS = {
    "sm4-gcm": (
        "0123456789ABCDEFFEDCBA9876543210",
        "00001234567800000000ABCD",
        (
            "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD"
            "EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA"
        ),
        "FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2",
        (
            "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
            "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
            "83DE3541E4C2B58177E065A9BF7B62EC"
        ),
    ),
    "aes-256-gcm": (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        (
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ),
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        (
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b"
        ),
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_published_vector_is_sealed_and_opened(name: str) -> None:
    key, nonce, plain, bound, sealed = (bytes.fromhex(part) for part in VECTORS[name])
    assert aead(name, key).encrypt(nonce, plain, bound) == sealed
    assert aead(name, key).decrypt(nonce, sealed, bound) == plain


@pytest.mark.parametrize("name", NAMES)
def test_a_seal_opens_in_its_own_place_only(name: str) -> None:
    """A PIN sealed for card 1 is copied into the row of card 2 and does not open there."""
    box = aead(name, bytes(KEY_BYTES[name]))
    sealed = box.encrypt(NONCE, b"PIN 1234", b"card/1")
    assert b"1234" not in sealed
    assert box.decrypt(NONCE, sealed, b"card/1") == b"PIN 1234"
    with pytest.raises(BadSeal):
        box.decrypt(NONCE, sealed, b"card/2")
    with pytest.raises(BadSeal):
        box.decrypt(b"\x01" * NONCE_BYTES, sealed, b"card/1")
    with pytest.raises(BadSeal):
        aead(name, b"\x01" * KEY_BYTES[name]).decrypt(NONCE, sealed, b"card/1")


@pytest.mark.parametrize("name", NAMES)
@given(content=st.binary(max_size=64), bit=st.integers(0))
def test_a_changed_bit_never_opens(name: str, content: bytes, bit: int) -> None:
    box = aead(name, bytes(KEY_BYTES[name]))
    sealed = bytearray(box.encrypt(NONCE, content, b"here"))
    sealed[bit // 8 % len(sealed)] ^= 1 << bit % 8
    with pytest.raises(BadSeal):
        box.decrypt(NONCE, bytes(sealed), b"here")


@pytest.mark.parametrize("name", NAMES)
@given(sealed=st.binary(max_size=48))
def test_arbitrary_bytes_only_raise_bad_seal(name: str, sealed: bytes) -> None:
    with pytest.raises(BadSeal):
        aead(name, bytes(KEY_BYTES[name])).decrypt(NONCE, sealed, b"")


@pytest.mark.parametrize("name", NAMES)
def test_a_key_of_another_length_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="bytes, not"):
        aead(name, bytes(KEY_BYTES[name] - 1))


def test_an_unknown_algorithm_is_named() -> None:
    with pytest.raises(ValueError, match="'rot13'"):
        aead("rot13", bytes(16))
