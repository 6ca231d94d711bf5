"""Digests: the vectors of GB/T 32905 and RFC 4231, and GmSSL as a second opinion on HMAC-SM3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.crypto import hmac_sha256, hmac_sm3, sha256, sm3


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_gives_the_standards_digests(message: bytes, digest: str) -> None:
    assert sm3(message).hex() == digest


def test_sha256_gives_the_standards_digest() -> None:
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_hmac_sha256_gives_the_digest_of_rfc_4231() -> None:
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hmac_sha256(b"Jefe", b"what do ya want for nothing?").hex() == expected


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=200))
def test_hmac_sm3_agrees_with_gmssl(key: bytes, content: bytes) -> None:
    gmssl_pyx = pytest.importorskip("gmssl_pyx", reason="!! HMAC-SM3 IS NOT COMPARED: gmssl_pyx is not installed")
    assert hmac_sm3(key, content) == gmssl_pyx.sm3_hmac(key, content)
