"""Signed requests: a good one is believed, and what is believed is exactly what was signed."""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base import crypto
from suyuan.base.clock import SECOND, Micros, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.settle.request import FRESH_S, NONCE_LIVES_S, RawRequest, Signed, check, sign_like_wechat, sign_request
from tests.settle.signed_requests import (
    ALGORITHMS,
    BODY,
    DIALECTS,
    KEYS,
    NONCE,
    NOW,
    SIGNERS,
    TAIL,
    URI,
    changed,
    claimed,
    pairs,
    post,
    refused,
    rfc,
    signed_with,
    wechat,
)

# --- What a good request says -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_signed_write_is_believed(dialect: str, algorithm: str) -> None:
    claim = claimed(post(DIALECTS[dialect](algorithm)))
    signed = check(claim, KEYS[algorithm])
    assert isinstance(signed, Signed)
    assert (signed.key_id, signed.nonce, signed.created_at) == ("key_1", NONCE, NOW)
    assert (signed.method, signed.target_uri, signed.body) == ("POST", URI, BODY)
    assert signed.idempotency_key == "order-7"


@pytest.mark.parametrize("sign", [sign_request, sign_like_wechat])
def test_a_signed_read_is_believed_and_acts_on_nothing(sign: Callable[..., dict[str, str]]) -> None:
    merchant = {"merchant_id": "1900001"} if sign is sign_like_wechat else {}
    headers = sign("GET", URI, b"", key_id="key_1", signer=SIGNERS["ed25519"], nonce=NONCE, now=NOW, **merchant)
    signed = check(claimed(RawRequest("GET", URI, pairs(headers), b"")), KEYS["ed25519"])
    assert isinstance(signed, Signed)
    assert signed.idempotency_key is None


def test_a_read_in_wechats_dialect_is_signed_over_wechats_own_lines() -> None:
    """Five lines, the last one empty, just as WeChat's libraries write them; only the URL is whole."""
    headers = sign_like_wechat(
        "GET", URI, b"", key_id="key_1", merchant_id="m", signer=SIGNERS["ed25519"], nonce=NONCE, now=NOW
    )
    signed = f"GET\n{URI}\n1700000000\n{NONCE}\n\n".encode()
    assert claimed(RawRequest("GET", URI, pairs(headers), b"")).signed == signed


def fingerprint(headers: dict[str, str], **changes: Any) -> bytes:
    signed = check(claimed(post(headers, **changes)), KEYS["ed25519"])
    assert isinstance(signed, Signed)
    return signed.fingerprint


def test_a_retry_has_the_fingerprint_of_the_first_try() -> None:
    """Another nonce, time and dialect: the same act."""
    assert fingerprint(rfc()) == fingerprint(rfc(nonce="Z" * 22, now=plus(NOW, 60))) == fingerprint(wechat())


@pytest.mark.parametrize("changes", [{"method": "PUT"}, {"target_uri": f"{URI}&x=1"}, {"body": b"{}"}], ids=str)
def test_another_act_has_another_fingerprint(changes: dict[str, Any]) -> None:
    words: dict[str, Any] = {"method": "POST", "target_uri": URI, "body": BODY} | changes
    headers = sign_request(
        **words, key_id="key_1", signer=SIGNERS["ed25519"], nonce=NONCE, now=NOW, idempotency_key="order-7"
    )
    assert fingerprint(headers, **changes) != fingerprint(rfc())


def test_parameters_may_come_in_any_order() -> None:
    """RFC 9421 lets each library order them as it likes; WeChat says so of its own."""
    tail = f';tag="suyuan-v1";nonce="{NONCE}";expires=1700000060;keyid="key_1";alg="ed25519";created=1700000000'
    assert isinstance(check(claimed(signed_with(tail)), KEYS["ed25519"]), Signed)
    headers = wechat()
    scheme, _, texts = headers["authorization"].partition(" ")
    headers["authorization"] = f"{scheme} {','.join(reversed(texts.split(',')))}"
    assert isinstance(check(claimed(post(headers)), KEYS["ed25519"]), Signed)


def test_spaces_around_a_header_change_nothing() -> None:
    headers = {name: f" \t{text}  " for name, text in rfc().items()}
    assert isinstance(check(claimed(post(headers)), KEYS["ed25519"]), Signed)


# --- What another implementation says ---------------------------------------------------------------------------------


class TheirKeys:
    """Keys as `http_message_signatures` asks for them."""

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(SIGNERS["ed25519"].public)

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


COVERS = ("@method", "@target-uri", "content-digest", "idempotency-key")


def test_another_implementation_accepts_our_signature() -> None:
    theirs = pytest.importorskip("http_message_signatures")
    message = SimpleNamespace(method="POST", url=URI, headers=rfc())
    verifier = theirs.HTTPMessageVerifier(signature_algorithm=theirs.algorithms.ED25519, key_resolver=TheirKeys())
    found = verifier.verify(message, max_age=None, expect_tag="suyuan-v1", require_components=COVERS, body=BODY)
    assert [result.nonce for result in found] == [NONCE]
    message.url = URI.replace("draft=0", "draft=1")
    with pytest.raises(theirs.InvalidSignature):
        verifier.verify(message, max_age=None, expect_tag="suyuan-v1")


def test_we_accept_the_signature_of_another_implementation() -> None:
    theirs = pytest.importorskip("http_message_signatures")
    message = SimpleNamespace(method="POST", url=URI, headers={"idempotency-key": "order-7"})
    signer = theirs.HTTPMessageSigner(signature_algorithm=theirs.algorithms.ED25519, key_resolver=TheirKeys())
    created = datetime.datetime.fromtimestamp(NOW // SECOND, datetime.UTC)
    expires = created + datetime.timedelta(minutes=2)
    words = {"key_id": "key_1", "created": created, "expires": expires, "nonce": NONCE, "tag": "suyuan-v1"}
    signer.sign(message, covered_component_ids=COVERS, body=BODY, **words)
    claim = claimed(post({name.lower(): text for name, text in message.headers.items()}))
    assert isinstance(check(claim, KEYS["ed25519"]), Signed)


# --- What is believed is what was signed ------------------------------------------------------------------------------


def tampered(dialect: Callable[..., dict[str, str]], **changes: Any) -> Signed | Refusal:
    return check(claimed(post(dialect(), **changes)), KEYS["ed25519"])


@pytest.mark.parametrize("dialect", [rfc, wechat])
@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"target_uri": URI.replace("draft=0", "draft=1")},
        {"target_uri": URI.replace("redemptions", "payouts")},
        {"target_uri": URI.replace("api.", "test.")},
        {"target_uri": URI.replace("https", "http")},
    ],
    ids=str,
)
def test_another_address_or_method_is_not_what_was_signed(
    dialect: Callable[..., dict[str, str]], changes: dict[str, str]
) -> None:
    with pytest.raises(crypto.BadSignature):
        tampered(dialect, **changes)


def test_another_body_is_refused_by_its_digest() -> None:
    """The thief changes 100 yuan to 900; the digest gives him away, and a digest of his own is not what was signed."""
    dearer = BODY.replace(b"10000", b"90000")
    assert tampered(rfc, body=dearer) == Refusal(Reason.content_digest_is_wrong, "content-digest")
    own_digest = {"content-digest": f"sha-256=:{base64.b64encode(crypto.sha256(dearer)).decode()}:"}
    with pytest.raises(crypto.BadSignature):
        check(claimed(post(rfc() | own_digest, body=dearer)), KEYS["ed25519"])
    with pytest.raises(crypto.BadSignature):
        tampered(wechat, body=dearer)


@pytest.mark.parametrize("digest", ["", "sha-512=:YQ==:", "sha-256=:YQ==:", "{digest}, sha-512=:YQ==:", "{digest};x"])
def test_a_digest_in_another_form_is_refused(digest: str) -> None:
    """One header, one digest, one way to write it: a second one could be the one that somebody else reads."""
    headers = rfc()
    headers["content-digest"] = digest.replace("{digest}", headers["content-digest"])
    assert check(claimed(post(headers)), KEYS["ed25519"]) == Refusal(Reason.content_digest_is_wrong, "content-digest")


@pytest.mark.parametrize("dialect", [rfc, wechat])
def test_a_captured_signature_does_not_cover_another_act(dialect: Callable[..., dict[str, str]]) -> None:
    """A thief who holds one signed request cannot give it another idempotency key and have it paid again."""
    with pytest.raises(crypto.BadSignature):
        check(claimed(post(dialect() | {"idempotency-key": "order-8"})), KEYS["ed25519"])


@pytest.mark.parametrize(
    ("old", "new"),
    [(NONCE, "A" * 22), ("1700000000", "1700000001"), ("key_1", "key_2"), ("suyuan=(", "other=(")],
)
def test_every_parameter_is_signed(old: str, new: str) -> None:
    """All but the label, which RFC 9421 leaves out; so the signature still fits under another label."""
    headers = {name: text.replace(old, new) if name == "signature-input" else text for name, text in rfc().items()}
    headers["signature"] = re.sub("^[a-z]+", headers["signature-input"].partition("=")[0], headers["signature"])
    claim = claimed(post(headers))
    if old == "suyuan=(":
        assert isinstance(check(claim, KEYS["ed25519"]), Signed)
        return
    with pytest.raises(crypto.BadSignature):
        check(claim, replace(KEYS["ed25519"], id=claim.key_id))


@pytest.mark.parametrize(("old", "new"), [(NONCE, "A" * 22), ('timestamp="1700000000"', 'timestamp="1700000001"')])
def test_every_parameter_of_the_other_dialect_is_signed(old: str, new: str) -> None:
    with pytest.raises(crypto.BadSignature):
        check(claimed(changed(wechat, "authorization", old, new)), KEYS["ed25519"])


def test_the_merchant_id_is_passed_on_and_not_believed() -> None:
    """`mchid` is not among the signed lines, as at WeChat; the account part compares it with the key's owner."""
    claim = claimed(changed(wechat, "authorization", 'mchid="1900001"', 'mchid="shell-company"'))
    signed = check(claim, KEYS["ed25519"])
    assert isinstance(signed, Signed)
    assert signed.merchant_id == "shell-company"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_header_does_not_choose_the_algorithm(algorithm: str) -> None:
    """A header that names another algorithm than the key's is refused; one that names the key's own changes nothing."""
    other = next(name for name in ALGORITHMS if name != algorithm)
    named = SIGNERS["ed25519"]
    tail = f'{TAIL};alg="{algorithm}"'
    refusal = Refusal(Reason.signature_algorithm_is_not_the_keys, "alg")
    assert check(claimed(signed_with(tail)), KEYS[other]) == refusal
    assert check(claimed(post(wechat(algorithm))), KEYS[other]) == refusal
    assert check(claimed(signed_with(f'{TAIL};alg="none"')), KEYS["ed25519"]) == refusal
    assert isinstance(check(claimed(signed_with(f'{TAIL};alg="{named.algorithm}"')), KEYS["ed25519"]), Signed)


@pytest.mark.parametrize("dialect", [rfc, wechat])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_key_of_the_same_algorithm_does_not_fit(algorithm: str, dialect: Callable[..., dict[str, str]]) -> None:
    another = replace(KEYS[algorithm], public_key=crypto.suite(algorithm).public_of(b"\x08" * 32))
    with pytest.raises(crypto.BadSignature):
        check(claimed(post(dialect(algorithm))), another)


@given(st.integers(0, 511))
def test_a_flipped_bit_of_the_signature_is_never_believed(bit: int) -> None:
    headers = rfc()
    signature = bytearray(base64.b64decode(headers["signature"].removeprefix("suyuan=:").removesuffix(":")))
    signature[bit // 8] ^= 1 << bit % 8
    headers["signature"] = f"suyuan=:{base64.b64encode(signature).decode()}:"
    with pytest.raises(crypto.BadSignature):
        check(claimed(post(headers)), KEYS["ed25519"])


# --- Time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [rfc, wechat])
def test_a_signature_is_fresh_for_five_minutes_either_way(dialect: Callable[..., dict[str, str]]) -> None:
    raw = post(dialect())
    assert claimed(raw, plus(NOW, FRESH_S)) == claimed(raw, plus(NOW, -FRESH_S))
    assert refused(raw, Micros(plus(NOW, FRESH_S) + 1)) is Reason.signature_is_too_old
    assert refused(raw, Micros(plus(NOW, -FRESH_S) - 1)) is Reason.signature_is_from_the_future


def test_a_nonce_is_remembered_as_long_as_its_signature_can_live() -> None:
    """A signature dated five minutes ahead is accepted at once and still fresh ten minutes later, not longer."""
    raw = post(rfc())
    first_seen = plus(NOW, -FRESH_S)
    claimed(raw, first_seen)
    claimed(raw, plus(first_seen, NONCE_LIVES_S))
    assert refused(raw, Micros(plus(first_seen, NONCE_LIVES_S) + 1)) is Reason.signature_is_too_old


# --- The signing side -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"key_id": 'a"b'},
        {"key_id": ""},
        {"nonce": "short"},
        {"nonce": "n" * 21 + "\n"},
        {"idempotency_key": ""},
        {"idempotency_key": "two words"},
        {"idempotency_key": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("dialect", [rfc, wechat])
def test_a_signer_hears_at_once_what_would_be_refused(
    dialect: Callable[..., dict[str, str]], wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="key"):
        dialect(**wrong)
