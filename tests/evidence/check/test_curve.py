"""Ed25519 by RFC 8032's vectors, its hostile corners, and against the library that the platform signs with."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from suyuan.evidence.check import ed25519_verify


class Signed(NamedTuple):
    """A key, a message and a signature."""

    key: bytes
    message: bytes
    signature: bytes


ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19

# RFC 8032 §7.1: key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
            "3dca179c138ac17ad9bef1177331a704"
        ),
    ),
]

# From C2SP/CCTV ed25519/ed25519vectors.json: number, key, signature, message, whether it is accepted here.
MIXED_KEY = "10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f"
CCTV = [
    (0, "00" * 32, "00" * 64, "ed25519vectors 3", False),
    (1, "00" * 32, "00" * 64, "ed25519vectors 11", False),
    (
        3,
        "00" * 32,
        (
            "36684ea91032ba5b1dbab2d02f4debc74c3327f2b3802e2e4d371aa42b12b56b05ba9a796274d80437afa36f1236563f"
            "2f3b0aa84cecddc3d20914615ba4fe02"
        ),
        "ed25519vectors 3",
        False,
    ),
    (
        5,
        MIXED_KEY,
        (
            "0000000000000000000000000000000000000000000000000000000000000000"
            "9472a69cd9a701a50d130ed52189e2455b23767db52cacb8716fb896ffeeac09"
        ),
        "ed25519vectors 3",
        False,
    ),
    (
        6,
        MIXED_KEY,
        (
            "36684ea91032ba5b1dbab2d02f4debc74c3327f2b3802e2e4d371aa42b12b56bc02e2b9e63e385c058bf62b14b3a2b29"
            "ccefe8e38ddb536bc3f9865320a3d801"
        ),
        "ed25519vectors 10",
        False,
    ),
    (
        7,
        MIXED_KEY,
        (
            "36684ea91032ba5b1dbab2d02f4debc74c3327f2b3802e2e4d371aa42b12b56bbbfd00bd9c259d8d222d15e67a3d8228"
            "585050dbb9b9585be20d8fadc721da03"
        ),
        "ed25519vectors",
        True,
    ),
    (9, "ed" + "ff" * 30 + "7f", "00" * 64, "ed25519vectors 6", False),
    (
        11,
        "ed" + "ff" * 30 + "7f",
        (
            "36684ea91032ba5b1dbab2d02f4debc74c3327f2b3802e2e4d371aa42b12b56b05ba9a796274d80437afa36f1236563f"
            "2f3b0aa84cecddc3d20914615ba4fe02"
        ),
        "ed25519vectors",
        False,
    ),
    (
        17,
        MIXED_KEY,
        (
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
            "ad7a355469b5c87e550469f6b2de409ee723acd584bf35f86b80c384e8ceb702"
        ),
        "ed25519vectors 3",
        False,
    ),
    (
        29,
        MIXED_KEY,
        (
            "b797b156efcd45a4e2454d2fd0b21438b3ccd80d4c7fd1d1b2c8e55bd4ed4a94732d9e0279fe001d90327efa319816e3"
            "e4506b78432b8b4e1f2fdc4b960d700f"
        ),
        "ed25519vectors 2",
        True,
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_the_standards_signatures_are_good_and_none_that_differs_in_a_bit(
    key: str, message: str, signature: str
) -> None:
    good = Signed(*(bytes.fromhex(one) for one in (key, message, signature)))
    assert ed25519_verify(*good)
    for name, part in good._asdict().items():
        for bit in range(0, len(part) * 8, 29):
            broken = (int.from_bytes(part, "big") ^ 1 << bit).to_bytes(len(part), "big")
            assert not ed25519_verify(*good._replace(**{name: broken}))


@pytest.mark.parametrize(("number", "key", "signature", "message", "is_accepted"), CCTV)
def test_points_of_small_order_and_double_spellings_are_refused(
    number: int, key: str, signature: str, message: str, is_accepted: bool
) -> None:
    """Two of these are accepted: their key has a part of small order, which R's makes up for."""
    verified = ed25519_verify(bytes.fromhex(key), message.encode(), bytes.fromhex(signature))
    assert verified == is_accepted


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_whatever_the_library_signs_is_good(seed: bytes, message: bytes) -> None:
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = secret.public_key().public_bytes_raw(), secret.sign(message)
    assert ed25519_verify(key, message, signature)
    assert not ed25519_verify(key, message + b"\0", signature)


def test_a_signature_has_one_spelling() -> None:
    """S and S + L satisfy the same equation; only the smaller one is a signature (RFC 8032 §5.1.7, step 1)."""
    key, message, signature = (bytes.fromhex(one) for one in RFC_8032[1])
    larger = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519_verify(key, message, signature[:32] + larger.to_bytes(32, "little"))


def test_a_key_has_one_spelling() -> None:
    """y and y + p are one number; a key that is written as the larger, or as x = 0 with a sign, is none."""
    for y in range(19):
        for sign in (0, 1 << 255):
            assert not ed25519_verify((y + PRIME | sign).to_bytes(32, "little"), b"", bytes(64))
    assert not ed25519_verify((1 | 1 << 255).to_bytes(32, "little"), b"", bytes(64))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_and_signatures_of_other_lengths_are_refused(length: int) -> None:
    key, message, signature = (bytes.fromhex(one) for one in RFC_8032[0])
    assert not ed25519_verify((key * 2)[:length], message, signature)
    assert not ed25519_verify(key, message, (signature * 2)[: length + (length == 64)])


def test_no_byte_can_be_moved_between_key_and_message_or_hang_on_behind() -> None:
    """What is hashed is R, key and message in a row, and a zero behind S changes no number."""
    secret = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key, signature = secret.public_key().public_bytes_raw(), secret.sign(b"\0message")
    assert ed25519_verify(key, b"\0message", signature)
    assert not ed25519_verify(key + b"\0", b"message", signature)
    assert not ed25519_verify(key, b"\0message", signature + b"\0")


def test_bytes_that_are_no_point_are_no_key() -> None:
    _, message, signature = (bytes.fromhex(one) for one in RFC_8032[0])
    assert not ed25519_verify((2).to_bytes(32, "little"), message, signature)
