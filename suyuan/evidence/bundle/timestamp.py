"""What a time-stamping authority is, and what its tokens prove: that a digest existed at an instant (RFC 3161).

A TSA signs the digest together with its own clock's time. It learns 32 bytes and nothing else. A token proves that the
digest was there at that time at the latest; not who had it, and not that what was digested is true. Chinese courts name
it beside signatures, digests and blockchains (最高人民法院关于互联网法院审理案件若干问题的规定 2018, 11).

    request   TimeStampReq: version 1, SHA-256 imprint, no policy, a nonce of 64 bits, certificate wanted
    answer    TimeStampResp, DER; kept whole as `timestamp.tsr`, which `openssl ts -verify -in` reads

A token is believed if and only if (1) it is granted, and DER in its one form, (2) its imprint is SHA-256 and the digest
asked about, (3) its nonce is the one that was sent, where one was, (4) its signer's certificate is for time-stamping
alone and leads to a trusted root, all certificates being valid at the time stamped, and (5) that time is not to come.

What is not looked at is revocation: an offline check cannot ask. Tokens over SM3 are refused, because `rfc3161-client`
knows SHA-2 only; a TSA of national cryptography is asked for the SHA-256 of the manifest, which lists SM3 digests too.

>>> request(bytes(32), nonce=1 << 62).hex()[:42]
'30430201013031300d060960864801650304020105'
"""

from __future__ import annotations

from datetime import UTC
from typing import Any, NamedTuple, Protocol

from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier
from rfc3161_client import PKIStatus, TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

from suyuan.base.clock import SECOND, Micros

DIGEST_BYTES = 32
NONCE_BYTES = 8
# Two clocks may differ by so much and both be kept well.
CLOCKS_APART_S = 300

_SHA256 = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_REQUEST = bytes.fromhex("30430201013031300d060960864801650304020105000420")
_NONCE, _WITH_CERTIFICATE = bytes.fromhex("0208"), bytes.fromhex("0101ff")


class Unstamped(NamedTuple):
    """Why there is no token, and what to do, in both languages."""

    en: str
    zh: str


class BadToken(Exception):
    """Raised for a token that proves nothing of this digest; `why` says what is wrong with it."""

    def __init__(self, why: Unstamped) -> None:
        super().__init__(why.en)
        self.why = why
        self.zh = why.zh


class TimeStamper(Protocol):
    """A time-stamping authority."""

    async def stamp(self, digest: bytes) -> bytes | Unstamped:
        """The answer of the authority about a SHA-256 digest, checked already, or why there is none."""


class Stamped(NamedTuple):
    """What a token proves."""

    at: Micros
    accuracy_us: int | None
    """How far the time may be off, where the authority says so."""
    authority: str
    """The subject of the certificate that signed."""
    serial: int
    policy: str


# fmt: off
TORN = Unstamped(
    "the time-stamp token is torn, or no RFC 3161 answer in DER; fetch it again",
    "时间戳令牌已损坏，或不是 DER 编码的 RFC 3161 应答，请重新获取。")
UNSORTED = Unstamped(
    "the time-stamp token lists its certificates out of order, which DER forbids; have the TSA send its own certificate"
    " only (`openssl ts -reply` without -chain), and put the ones between into tsa_ca_file",
    "时间戳令牌中的证书未按 DER 要求排序；请让时间戳机构只附自身证书（`openssl ts -reply` 不带 -chain），"
    "并将中间证书放入 tsa_ca_file。")
NOT_GRANTED = Unstamped(
    "the time-stamping authority did not grant the token; ask it why, or use another",
    "时间戳机构未签发令牌，请向其询问原因或改用其他机构。")
OTHER_DIGEST = Unstamped(
    "the time-stamp token is about another digest, or not about SHA-256; it is of another file, or one was altered",
    "时间戳令牌针对的是其他摘要，或不是 SHA-256；令牌属于其他文件，或文件已被改动。")
OTHER_NONCE = Unstamped(
    "the time-stamp token answers another request: its nonce is not the one that was sent; do not use this TSA",
    "时间戳令牌对应的是另一次请求（nonce 不符），请勿使用该时间戳机构。")
NOT_TRUSTED = Unstamped(
    "the time-stamp token is not signed by a time-stamping certificate that leads to a trusted root and was valid at"
    " the time stamped; name the authority's root in tsa_ca_file, or take the token for altered",
    "时间戳令牌并非由可追溯至受信任根、且在所载时间有效的时间戳证书签署；请在 tsa_ca_file 中指定其根证书，"
    "否则应视令牌为被改动。")
TO_COME = Unstamped(
    "the time-stamp token is of a time still to come; one of the two clocks is wrong",
    "时间戳令牌所载时间晚于当前时间，两侧时钟有一个不准。")
LONG_AGO = Unstamped(
    "the time-stamping authority stamps a time that is past; one of the two clocks is wrong",
    "时间戳机构签发的时间早于当前时间，两侧时钟有一个不准。")
NO_ROOTS = Unstamped(
    "tsa_ca_file holds no readable PEM certificate; name the certificate of the authority that the TSA's own is from",
    "tsa_ca_file 无法读取或不是 PEM 证书，请指定签发时间戳证书的机构证书。")
# fmt: on


def request(digest: bytes, nonce: int) -> bytes:
    """The request for a token about a SHA-256 digest. The nonce is of 63 bits, with the first of them set."""
    assert len(digest) == DIGEST_BYTES
    # So its DER is always eight bytes long: no leading zero to add, none to leave out.
    assert nonce >> 62 == 1
    return _REQUEST + digest + _NONCE + nonce.to_bytes(NONCE_BYTES, "big") + _WITH_CERTIFICATE


def roots_of(pem: bytes) -> list[x509.Certificate]:
    """The certificates to trust tokens by, and those between. Raises `BadToken`."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise BadToken(NO_ROOTS) from None


def check_token(
    answer: bytes, digest: bytes, roots: list[x509.Certificate], *, now: Micros, nonce: int | None = None
) -> Stamped:
    """What the token proves of the digest. Raises `BadToken`."""
    token = _read(answer)
    if token.status != PKIStatus.GRANTED:
        raise BadToken(NOT_GRANTED)
    try:
        info = token.tst_info
        imprint = info.message_imprint
        if imprint.hash_algorithm != _SHA256 or imprint.message != digest:
            raise BadToken(OTHER_DIGEST)
        if nonce is not None and info.nonce != nonce:
            raise BadToken(OTHER_NONCE)
        # Only self-signed ones among them become anchors; the others lead there.
        VerifierBuilder(roots=roots).build().verify(token, digest)
        at = Micros(round(info.gen_time.replace(tzinfo=UTC).timestamp()) * SECOND)
        stamped = Stamped(at, _accuracy_us(token), _signer(token), info.serial_number, info.policy.dotted_string)
    except (VerificationError, ValueError, TypeError, OverflowError):
        raise BadToken(NOT_TRUSTED) from None
    if stamped.at > now + CLOCKS_APART_S * SECOND:
        raise BadToken(TO_COME)
    return stamped


def _read(answer: bytes) -> TimeStampResponse:
    try:
        return decode_timestamp_response(answer)
    except ValueError as error:
        raise BadToken(UNSORTED if "InvalidSetOrdering" in str(error) else TORN) from None


def _accuracy_us(token: TimeStampResponse) -> int | None:
    # The library's types promise one, but an authority may leave it out, and then there is None.
    accuracy: Any = token.tst_info.accuracy
    if accuracy is None:
        return None
    return (accuracy.seconds or 0) * SECOND + (accuracy.millis or 0) * 1000 + (accuracy.micros or 0)


def _signer(token: TimeStampResponse) -> str:
    """The name in the certificate that signed, which `verify` has found to be exactly one."""
    (signer,) = token.signed_data.signer_infos
    for encoded in token.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(encoded)
        if (certificate.issuer, certificate.serial_number) == (signer.issuer, signer.serial_number):
            return certificate.subject.rfc4514_string()
    return ""
