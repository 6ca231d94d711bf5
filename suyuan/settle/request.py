"""Signed requests, both sides: what a partner signs, and what the platform demands before it believes a word.

Two dialects say the same thing. *RFC 9421* with the profile `suyuan-v1`, whose lines are fixed:

    "@method": POST
    "@target-uri": https://api.example.com/v1/redemptions
    "content-digest": sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:
    "idempotency-key": order-7
    "@signature-params": ("@method" "@target-uri" "content-digest" "idempotency-key");created=1700000000;
                         keyid="key_…";nonce="…";tag="suyuan-v1"            (one line)

GET and HEAD carry no body and cover the first two. `expires` and `alg` may be there; `alg` decides nothing.
*Like WeChat Pay v3*, for partners who have that code already:

    Authorization: SUYUAN-ED25519 mchid="…",nonce_str="…",timestamp="…",serial_no="key_…",signature="…"
    signed: METHOD\\n  URL\\n  TIMESTAMP\\n  NONCE\\n  IDEMPOTENCY-KEY\\n  BODY\\n

(or `SUYUAN-SM2-WITH-SM3`). It differs from WeChat's in two lines: URL is whole, with scheme and host, because one key
may be known to a test platform and a real one; and writes have the line of the idempotency key, because changing that
key turns one act into two. `mchid` is not signed: whoever uses it compares it with the key's owner.

Order: size, headers, form, nonce, idempotency key, time; then the caller looks the key up; then its algorithm, the
digest, the signature. The nonce is spent later, in the line, by requests whose signature was good.
Invariants: `parse` never raises; `check` raises `BadSignature` and returns `Signed` for nothing but a good one.

>>> signer = crypto.suite("ed25519").signer(bytes(32))
>>> now = Micros(1_700_000_000_000_000)
>>> uri = "https://api.example.com/v1/redemptions/rdm_1"
>>> signed = sign_request("GET", uri, b"", key_id="key_1", signer=signer, nonce="n" * 22, now=now)
>>> signed["signature-input"]
'suyuan=("@method" "@target-uri");created=1700000000;keyid="key_1";nonce="nnnnnnnnnnnnnnnnnnnnnn";tag="suyuan-v1"'
>>> pairs = [(name.encode(), value.encode()) for name, value in signed.items()]
>>> parse(RawRequest("GET", uri, pairs, b""), now=now).key_id
'key_1'
>>> parse(RawRequest("GET", uri, pairs, b""), now=plus(now, 301))
Refusal(reason=<Reason.signature_is_too_old: 'signature_is_too_old'>, where='created')
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from suyuan.base import crypto
from suyuan.base.clock import SECOND, Micros, plus
from suyuan.base.refusals import Reason, Refusal

BODY_BYTES_MAX = 16 * 1024
HEADER_BYTES_MAX = 2 * 1024
FRESH_S = 300
NONCE_LIVES_S = 2 * FRESH_S
"""How long a nonce must be remembered: a signature from 300 s ahead of our clock stays fresh for 600 s."""

TAG = "suyuan-v1"
READS = frozenset({"GET", "HEAD"})
SCHEMES = {"SUYUAN-ED25519": "ed25519", "SUYUAN-SM2-WITH-SM3": "sm2-sm3"}

_OURS = {
    name.encode(): name
    for name in ("authorization", "content-digest", "idempotency-key", "signature", "signature-input")
}
_READ_COVERS = '"@method" "@target-uri"'
_WRITE_COVERS = _READ_COVERS + ' "content-digest" "idempotency-key"'

_PRINTABLE = re.compile(r"[ -~]*")
_METHOD = re.compile(r"[A-Z]{1,16}")
_TARGET = re.compile(r"https?://[\w.:\[\]-]+/[!-~]*", re.ASCII)
_KEY_ID = re.compile(r"[\w.:~-]{1,128}", re.ASCII)
_NONCE = re.compile(r"[\w-]{22,44}", re.ASCII)
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")

_LABEL = r"([a-z*][a-z0-9_.*-]{0,31})"
_SIGNATURE_INPUT = re.compile(_LABEL + r'=(\(([^()]*)\)((?:;[a-z]+=(?:[0-9]{1,15}|"[^"\\]*"))*))')
_RFC_PARAMETER = re.compile(r';([a-z]+)=(?:([0-9]{1,15})|"([^"\\]*)")')
_RFC_NUMBERS = frozenset({"created", "expires"})
_RFC_TEXTS = frozenset({"keyid", "alg", "nonce", "tag"})
_RFC_SIGNATURE = re.compile(_LABEL + r"=:([A-Za-z0-9+/]{1,128}={0,2}):")

_AUTHORIZATION = re.compile(r'(SUYUAN-[A-Z0-9-]{1,32}) ([a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*)')
_AUTHORIZATION_PARAMETER = re.compile(r'([a-z_]+)="([^"\\]*)"')
_AUTHORIZATION_FORMS = {
    "mchid": _KEY_ID,
    "nonce_str": _PRINTABLE,  # Its own reason, `nonce_is_malformed`, is given later.
    "timestamp": re.compile(r"[0-9]{1,15}"),
    "serial_no": _KEY_ID,
    "signature": re.compile(r"[A-Za-z0-9+/]{1,128}={0,2}"),
}


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came. `target_uri` is the platform's configured public origin and the raw path with its query,
    so that a proxy in front changes nothing; `headers` are all the pairs in order, so that a doubled one shows."""

    method: str
    target_uri: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says about itself, well formed and fresh, and not yet believed."""

    request: RawRequest
    key_id: str
    algorithm: str
    """The algorithm that the header names, or nothing. It is compared with the key's and otherwise unused."""
    merchant_id: str
    """The `mchid` of the WeChat-like dialect, not signed; nothing in the other one."""
    nonce: str
    created_at: Micros
    expires_at: Micros | None
    idempotency_key: str | None
    """None for reads, which act on nothing."""
    content_digest: str | None
    """The header's text; None where the body itself is among the signed bytes."""
    signature: bytes
    signed: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A request that the holder of the key did sign. Whether it was seen before is for the line to say."""

    key_id: str
    merchant_id: str
    nonce: str
    created_at: Micros
    idempotency_key: str | None
    method: str
    target_uri: str
    body: bytes
    fingerprint: bytes
    """SHA-256 of method, target and body: the same for a retry, which has a nonce and a signature of its own."""


class Key(Protocol):
    """What is needed to know of a registered key."""

    @property
    def id(self) -> str: ...

    @property
    def algorithm(self) -> str: ...

    @property
    def public_key(self) -> bytes: ...


# --- The platform's side ----------------------------------------------------------------------------------------------


def parse(raw: RawRequest, *, now: Micros, body_bytes_max: int = BODY_BYTES_MAX) -> Claim | Refusal:
    """Reads the claim of a request, or says what is wrong with its form or its time. Never raises."""
    # (1) Size, before anything costs more than its length.
    if len(raw.body) > body_bytes_max:
        return Refusal(Reason.body_is_too_large, "body")
    headers = _headers(raw.headers)
    if isinstance(headers, Refusal):
        return headers
    # (2) Form. A line break in the method or the target would add lines to what was signed.
    if not _METHOD.fullmatch(raw.method):
        return Refusal(Reason.method_is_not_allowed)
    if not _TARGET.fullmatch(raw.target_uri):
        return Refusal(Reason.route_is_unknown)
    claim = _parse_dialect(raw, headers)
    if isinstance(claim, Refusal):
        return claim
    # (3) The nonce, the idempotency key and the time.
    return _refuse_claim(claim, now) or claim


def check(claim: Claim, key: Key) -> Signed | Refusal:
    """Believes a claim, or not, by the key that it names and that the caller found. Raises `BadSignature`."""
    assert key.id == claim.key_id, "the key that the claim names is the one to check it with"
    # (4) The algorithm is the key's; a header that names another one is a confusion or an attack on it.
    if claim.algorithm and claim.algorithm != key.algorithm:
        return Refusal(Reason.signature_algorithm_is_not_the_keys, "alg")
    # (5) The digest stands for the body in what was signed, so it must be this body's.
    request = claim.request
    if claim.content_digest is not None and claim.content_digest != content_digest(request.body):
        return Refusal(Reason.content_digest_is_wrong, "content-digest")
    # (6) The signature.
    crypto.checker(key.algorithm, key.public_key).check(claim.signed, claim.signature)
    return Signed(
        key_id=claim.key_id,
        merchant_id=claim.merchant_id,
        nonce=claim.nonce,
        created_at=claim.created_at,
        idempotency_key=claim.idempotency_key,
        method=request.method,
        target_uri=request.target_uri,
        body=request.body,
        fingerprint=crypto.sha256(f"{request.method}\n{request.target_uri}\n".encode() + request.body),
    )


def content_digest(body: bytes) -> str:
    """The one form of RFC 9530's Content-Digest that the profile takes."""
    return f"sha-256=:{b64(crypto.sha256(body))}:"


def _headers(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, str] | Refusal:
    """Our headers by name. All are looked at before one is refused, so that the order of reasons holds."""
    ours = [(name, value.strip(b" \t")) for raw, value in pairs if (name := raw.lower()) in _OURS]
    for name, value in ours:
        if len(value) > HEADER_BYTES_MAX:
            return Refusal(Reason.header_is_too_large, _OURS[name])
    headers: dict[str, str] = {}
    for name, value in ours:
        if _OURS[name] in headers:
            return Refusal(Reason.header_is_doubled, _OURS[name])
        headers[_OURS[name]] = value.decode("latin-1")
    for header, text in headers.items():
        if not _PRINTABLE.fullmatch(text):
            return Refusal(Reason.header_is_malformed, header)
    return headers


def _parse_dialect(raw: RawRequest, headers: Mapping[str, str]) -> Claim | Refusal:
    authorization = headers.get("authorization", "")
    missing = [name for name in ("signature-input", "signature") if name not in headers]
    # Another scheme of Authorization (a proxy's, say) is not ours to judge.
    if not authorization.startswith("SUYUAN-"):
        return Refusal(Reason.signature_is_missing, missing[0]) if missing else _parse_rfc(raw, headers)
    if len(missing) < 2:
        # Two signatures of one request might disagree about who sends it.
        return Refusal(Reason.signature_header_is_malformed, "authorization")
    return _parse_wechat(raw, headers, authorization)


def _refuse_claim(claim: Claim, now: Micros) -> Refusal | None:
    """What both dialects ask of a claim."""
    if not _NONCE.fullmatch(claim.nonce):
        return Refusal(Reason.nonce_is_malformed, "nonce")
    if claim.idempotency_key == "":
        return Refusal(Reason.idempotency_key_is_missing, "idempotency-key")
    if claim.idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(claim.idempotency_key):
        return Refusal(Reason.idempotency_key_is_malformed, "idempotency-key")
    if now > plus(claim.created_at, FRESH_S):
        return Refusal(Reason.signature_is_too_old, "created")
    if now < plus(claim.created_at, -FRESH_S):
        return Refusal(Reason.signature_is_from_the_future, "created")
    if claim.expires_at is not None and now >= claim.expires_at:
        return Refusal(Reason.signature_has_expired, "expires")
    return None


# --- RFC 9421 ---------------------------------------------------------------------------------------------------------


def _parse_rfc(raw: RawRequest, headers: Mapping[str, str]) -> Claim | Refusal:
    described = _SIGNATURE_INPUT.fullmatch(headers["signature-input"])
    if described is None:
        return Refusal(Reason.signature_header_is_malformed, "signature-input")
    label, parameters_text, covers, parameters_tail = described.groups()
    parameters = _rfc_parameters(parameters_tail)
    if parameters is None:
        return Refusal(Reason.signature_header_is_malformed, "signature-input")
    signature = _rfc_signature(headers["signature"], label)
    if signature is None:
        return Refusal(Reason.signature_header_is_malformed, "signature")
    if (refusal := _refuse_covers(raw, covers)) is not None:
        return refusal
    if parameters.tag != TAG:
        return Refusal(Reason.signature_is_for_another_purpose, "tag")
    is_read = raw.method in READS
    digest, idempotency_key = headers.get("content-digest", ""), headers.get("idempotency-key", "")
    return Claim(
        request=raw,
        key_id=parameters.key_id,
        algorithm=parameters.algorithm,
        merchant_id="",
        nonce=parameters.nonce,
        created_at=parameters.created_at,
        expires_at=parameters.expires_at,
        idempotency_key=None if is_read else idempotency_key,
        content_digest=None if is_read else digest,
        signature=signature,
        signed=_rfc_lines(raw.method, raw.target_uri, digest, idempotency_key, parameters_text),
    )


@dataclass(frozen=True, slots=True)
class _RfcParameters:
    key_id: str
    algorithm: str
    nonce: str
    tag: str
    created_at: Micros
    expires_at: Micros | None


def _rfc_parameters(text: str) -> _RfcParameters | None:
    """The signature's parameters, in any order, each at most once, each of its type."""
    found = _RFC_PARAMETER.findall(text)
    numbers = {name: int(number) for name, number, _ in found if number}
    texts = {name: value for name, number, value in found if not number}
    is_clean = len(numbers) + len(texts) == len(found) and numbers.keys() <= _RFC_NUMBERS and texts.keys() <= _RFC_TEXTS
    if not is_clean or "created" not in numbers or not _KEY_ID.fullmatch(texts.get("keyid", "")):
        return None
    expires_s = numbers.get("expires")
    return _RfcParameters(
        key_id=texts["keyid"],
        algorithm=texts.get("alg", ""),
        nonce=texts.get("nonce", ""),
        tag=texts.get("tag", ""),
        created_at=Micros(numbers["created"] * SECOND),
        expires_at=None if expires_s is None else Micros(expires_s * SECOND),
    )


def _rfc_signature(text: str, label: str) -> bytes | None:
    found = _RFC_SIGNATURE.fullmatch(text)
    return unb64(found[2]) if found is not None and found[1] == label else None


def _refuse_covers(raw: RawRequest, covers: str) -> Refusal | None:
    """The profile's components, all of them, nothing else, in its order; and no body that none of them covers."""
    wanted = _READ_COVERS if raw.method in READS else _WRITE_COVERS
    if not set(wanted.split(" ")) <= set(covers.split(" ")):
        return Refusal(Reason.signature_covers_too_little, "signature-input")
    if covers != wanted:
        return Refusal(Reason.signature_header_is_malformed, "signature-input")
    if raw.method in READS and raw.body:
        return Refusal(Reason.signature_covers_too_little, "body")
    return None


def _rfc_lines(method: str, target_uri: str, digest: str, idempotency_key: str, parameters_text: str) -> bytes:
    """The signature base of RFC 9421 §2.5."""
    body = "" if method in READS else f'"content-digest": {digest}\n"idempotency-key": {idempotency_key}\n'
    return f'"@method": {method}\n"@target-uri": {target_uri}\n{body}"@signature-params": {parameters_text}'.encode()


# --- Like WeChat Pay v3 -----------------------------------------------------------------------------------------------


def _parse_wechat(raw: RawRequest, headers: Mapping[str, str], authorization: str) -> Claim | Refusal:
    malformed = Refusal(Reason.signature_header_is_malformed, "authorization")
    described = _AUTHORIZATION.fullmatch(authorization)
    if described is None or described[1] not in SCHEMES:
        return malformed
    found = _AUTHORIZATION_PARAMETER.findall(described[2])
    texts = dict(found)
    if len(found) != len(_AUTHORIZATION_FORMS) or not _have_their_forms(texts):
        return malformed
    signature = unb64(texts["signature"])
    if signature is None:
        return malformed
    if raw.method in READS and raw.body:
        return Refusal(Reason.signature_covers_too_little, "body")
    idempotency_key = None if raw.method in READS else headers.get("idempotency-key", "")
    return Claim(
        request=raw,
        key_id=texts["serial_no"],
        algorithm=SCHEMES[described[1]],
        merchant_id=texts["mchid"],
        nonce=texts["nonce_str"],
        created_at=Micros(int(texts["timestamp"]) * SECOND),
        expires_at=None,
        idempotency_key=idempotency_key,
        content_digest=None,
        signature=signature,
        signed=_wechat_lines(raw.method, raw.target_uri, raw.body, texts, idempotency_key),
    )


def _have_their_forms(texts: Mapping[str, str]) -> bool:
    return all(name in texts and form.fullmatch(texts[name]) for name, form in _AUTHORIZATION_FORMS.items())


def _wechat_lines(
    method: str, target_uri: str, body: bytes, texts: Mapping[str, str], idempotency_key: str | None
) -> bytes:
    head = f"{method}\n{target_uri}\n{texts['timestamp']}\n{texts['nonce_str']}\n"
    act = "" if idempotency_key is None else f"{idempotency_key}\n"
    return f"{head}{act}".encode() + body + b"\n"


# --- The partner's side -----------------------------------------------------------------------------------------------


def sign_request(
    method: str,
    target_uri: str,
    body: bytes,
    *,
    key_id: str,
    signer: crypto.Signer,
    nonce: str,
    now: Micros,
    idempotency_key: str | None = None,
) -> dict[str, str]:
    """The headers that sign a request by RFC 9421. Writes name an idempotency key, reads none."""
    _demand_forms(method, target_uri, key_id, nonce, idempotency_key)
    covers = _READ_COVERS if idempotency_key is None else _WRITE_COVERS
    parameters = f'({covers});created={now // SECOND};keyid="{key_id}";nonce="{nonce}";tag="{TAG}"'
    digest = content_digest(body)
    lines = _rfc_lines(method, target_uri, digest, idempotency_key or "", parameters)
    headers = {"signature-input": f"suyuan={parameters}", "signature": f"suyuan=:{b64(signer.sign(lines))}:"}
    if idempotency_key is None:
        return headers
    return {"content-digest": digest, "idempotency-key": idempotency_key} | headers


def sign_like_wechat(
    method: str,
    target_uri: str,
    body: bytes,
    *,
    key_id: str,
    merchant_id: str,
    signer: crypto.Signer,
    nonce: str,
    now: Micros,
    idempotency_key: str | None = None,
) -> dict[str, str]:
    """The headers that sign a request in the dialect shaped like WeChat Pay v3."""
    _demand_forms(method, target_uri, key_id, nonce, idempotency_key)
    texts = {"mchid": merchant_id, "nonce_str": nonce, "timestamp": str(now // SECOND), "serial_no": key_id}
    texts["signature"] = b64(signer.sign(_wechat_lines(method, target_uri, body, texts, idempotency_key)))
    scheme = next(scheme for scheme, algorithm in SCHEMES.items() if algorithm == signer.algorithm)
    headers = {"authorization": scheme + " " + ",".join(f'{name}="{text}"' for name, text in texts.items())}
    return headers if idempotency_key is None else {"idempotency-key": idempotency_key} | headers


def _demand_forms(method: str, target_uri: str, key_id: str, nonce: str, idempotency_key: str | None) -> None:
    """A signer hears at once what the platform would refuse later."""
    if not (_METHOD.fullmatch(method) and _TARGET.fullmatch(target_uri)):
        raise ValueError("a request has a method in capitals and a whole, percent-encoded address")
    if not (_KEY_ID.fullmatch(key_id) and _NONCE.fullmatch(nonce)):
        raise ValueError("a key id has 1 to 128 characters and a nonce 22 to 44, both of base64url's alphabet")
    if (method in READS) != (idempotency_key is None):
        raise ValueError("a write names an idempotency key and a read does not")
    if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise ValueError("an idempotency key has 1 to 255 visible ASCII characters")


def b64(content: bytes) -> str:
    """Padded base64, the form of bytes in HTTP's structured fields."""
    return base64.b64encode(content).decode()


def unb64(text: str) -> bytes | None:
    """The bytes of padded base64, or nothing for text that `b64` would not have written."""
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return content if b64(content) == text else None
