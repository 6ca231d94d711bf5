"""Requests that are wrong: one reason for each way, in the order of the list, and never an exception."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base import crypto
from suyuan.base.clock import plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.settle.request import BODY_BYTES_MAX, FRESH_S, HEADER_BYTES_MAX, RawRequest, Signed, check, parse
from tests.settle.signed_requests import (
    KEYS,
    NONCE,
    NOW,
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


def doubled(name: str) -> RawRequest:
    headers = pairs(rfc())
    return post({}, headers=[*headers, *[pair for pair in headers if pair[0] == name.encode()]])


def without(dialect: Callable[..., dict[str, str]], *names: str) -> RawRequest:
    return post({name: text for name, text in dialect().items() if name not in names})


WRONG: list[tuple[Reason, RawRequest]] = [
    (Reason.route_is_unknown, post(rfc(), target_uri=URI + '\n"@method": GET')),
    (Reason.route_is_unknown, post(rfc(), target_uri=URI + "话费")),
    (Reason.route_is_unknown, post(rfc(), target_uri="/v1/redemptions")),
    (Reason.method_is_not_allowed, post(rfc(), method="post")),
    (Reason.method_is_not_allowed, post(rfc(), method="POST\n")),
    (Reason.body_is_too_large, post(rfc(), body=b"x" * (BODY_BYTES_MAX + 1))),
    (Reason.header_is_too_large, post(rfc() | {"signature": "s" * (HEADER_BYTES_MAX + 1)})),
    (Reason.header_is_too_large, post(rfc() | {"authorization": "Bearer " + "x" * 100_000})),
    *[(Reason.header_is_doubled, doubled(name)) for name in rfc()],
    (Reason.header_is_doubled, post({}, headers=[*pairs(rfc()), (b"Signature", b"x")])),
    (Reason.header_is_malformed, post(rfc() | {"signature-input": "话费".encode().decode("latin-1")})),
    (Reason.header_is_malformed, post(rfc() | {"idempotency-key": "order\u00b2"})),
    (Reason.header_is_malformed, post(rfc() | {"idempotency-key": "order\n7"})),
    (Reason.header_is_malformed, post(rfc() | {"content-digest": "sha-256=:\x00:"})),
    (Reason.signature_is_missing, post({})),
    (Reason.signature_is_missing, post({"authorization": "Bearer abc"})),
    (Reason.signature_is_missing, without(rfc, "signature")),
    (Reason.signature_is_missing, without(rfc, "signature-input")),
    *[
        (Reason.signature_header_is_malformed, request)
        for request in (
            post(rfc() | {"signature-input": ""}),
            post(rfc() | {"signature-input": "garbage"}),
            post(rfc() | {"signature-input": rfc()["signature-input"] + ", b=()"}),
            post(rfc() | {"signature": "suyuan=:not base64:"}),
            post(rfc() | {"signature": "suyuan=:QUJD=:"}),
            post(rfc() | {"signature": "suyuan=::"}),
            changed(rfc, "signature", "suyuan=", "other="),
            post(rfc() | wechat()),
            signed_with(TAIL.replace(";created=1700000000", "")),
            signed_with(TAIL.replace("1700000000", '"1700000000"')),
            signed_with(TAIL.replace("1700000000", "-1")),
            signed_with(TAIL.replace("1700000000", "1700000000.5")),
            signed_with(TAIL.replace("1700000000", "1" * 16)),
            signed_with(TAIL.replace(';keyid="key_1"', "")),
            signed_with(TAIL.replace('"key_1"', '""')),
            signed_with(TAIL.replace('"key_1"', '"key 1"')),
            signed_with(TAIL.replace('"key_1"', "1")),
            signed_with(TAIL + ";created=1700000000"),
            signed_with(TAIL + ';expires="1700000060"'),
            signed_with(TAIL + ";alg=1"),
            signed_with(TAIL + ';unknown="x"'),
            signed_with(TAIL, '"@target-uri" "@method" "content-digest" "idempotency-key"'),
            signed_with(TAIL, '"@method" "@target-uri" "content-digest" "idempotency-key" "accept"'),
            post(wechat() | {"authorization": "SUYUAN-RSA " + wechat()["authorization"].partition(" ")[2]}),
            post(wechat() | {"authorization": "SUYUAN-ED25519"}),
            post(wechat() | {"authorization": wechat()["authorization"] + ',extra="1"'}),
            post(wechat() | {"authorization": wechat()["authorization"] + ',mchid="2"'}),
            changed(wechat, "authorization", 'timestamp="1700000000"', 'timestamp="soon"'),
            changed(wechat, "authorization", 'timestamp="1700000000",', ""),
            changed(wechat, "authorization", 'serial_no="key_1"', 'serial_no=""'),
            changed(wechat, "authorization", 'signature="', 'signature="!'),
            changed(wechat, "authorization", ",", ", "),
        )
    ],
    (Reason.signature_covers_too_little, signed_with(TAIL, '"@method"')),
    (Reason.signature_covers_too_little, signed_with(TAIL, '"@method" "@target-uri"')),
    (Reason.signature_covers_too_little, signed_with(TAIL, '"@method" "@target-uri" "content-digest"')),
    (Reason.signature_covers_too_little, signed_with(TAIL, '"@method" "@target-uri" "idempotency-key"')),
    (
        Reason.signature_covers_too_little,
        signed_with(TAIL, '"@method" "@target-uri" "content-digest";req "idempotency-key"'),
    ),
    (Reason.signature_covers_too_little, replace(signed_with(TAIL, '"@method" "@target-uri"'), method="GET")),
    (Reason.signature_covers_too_little, post(wechat(), method="GET")),
    (Reason.signature_is_for_another_purpose, signed_with(TAIL.replace("suyuan-v1", "suyuan-answer-v1"))),
    (Reason.signature_is_for_another_purpose, signed_with(TAIL.replace(';tag="suyuan-v1"', ""))),
    (Reason.nonce_is_malformed, signed_with(TAIL.replace(f';nonce="{NONCE}"', ""))),
    (Reason.nonce_is_malformed, signed_with(TAIL.replace(NONCE, "short"))),
    (Reason.nonce_is_malformed, signed_with(TAIL.replace(NONCE, "n" * 45))),
    (Reason.nonce_is_malformed, signed_with(TAIL.replace(NONCE, "+" * 22))),
    (Reason.nonce_is_malformed, changed(wechat, "authorization", NONCE, "short")),
    (Reason.idempotency_key_is_missing, without(rfc, "idempotency-key")),
    (Reason.idempotency_key_is_missing, without(wechat, "idempotency-key")),
    (Reason.idempotency_key_is_missing, post(rfc() | {"idempotency-key": " "})),
    (Reason.idempotency_key_is_malformed, post(rfc() | {"idempotency-key": "two words"})),
    (Reason.idempotency_key_is_malformed, post(wechat() | {"idempotency-key": "k" * 256})),
    *[(Reason.signature_is_too_old, post(dialect(now=plus(NOW, -FRESH_S - 1)))) for dialect in (rfc, wechat)],
    *[(Reason.signature_is_from_the_future, post(dialect(now=plus(NOW, FRESH_S + 1)))) for dialect in (rfc, wechat)],
    (Reason.signature_is_from_the_future, signed_with(TAIL.replace("1700000000", "9" * 15))),
    (Reason.signature_has_expired, signed_with(TAIL + ";expires=1700000000")),
    (Reason.signature_has_expired, signed_with(TAIL + ";expires=0")),
]


@pytest.mark.parametrize(("reason", "raw"), WRONG, ids=lambda value: value.value if isinstance(value, Reason) else "")
def test_each_wrong_form_has_its_own_reason(reason: Reason, raw: RawRequest) -> None:
    assert refused(raw) is reason


def test_the_reasons_stand_in_the_order_of_the_list() -> None:
    """A request that is wrong in every way hears the first sentence; mended there, the next one, to the end."""
    uncovered = '"@method" "@target-uri"'
    bad_tail = ';created=0;keyid="key_1";nonce="x";tag="x"'
    mended = [
        post({}, body=bytes(BODY_BYTES_MAX + 1)),
        post({}, headers=[(b"signature", b"x" * 5000), (b"idempotency-key", b"\xff"), (b"idempotency-key", b"")]),
        post({}, headers=[(b"idempotency-key", b"\xff"), (b"idempotency-key", b"")]),
        post({"idempotency-key": "\xff"}),
        post({"idempotency-key": "a b"}),
        post({"idempotency-key": "a b", "signature-input": "?", "signature": "?"}),
        signed_with(bad_tail, uncovered),
        signed_with(bad_tail),
        signed_with(bad_tail.replace('tag="x"', 'tag="suyuan-v1"')),
        changed_pair(signed_with(TAIL.replace("1700000000", "0")), b"idempotency-key", b""),
        changed_pair(signed_with(TAIL.replace("1700000000", "0")), b"idempotency-key", b"a b"),
        signed_with(TAIL.replace("1700000000", "0") + ";expires=1"),
        signed_with(TAIL + ";expires=1"),
    ]
    heard = [list(Reason).index(refused(raw)) for raw in mended]
    assert heard == sorted(heard)
    assert len(set(heard)) == len(heard)


def changed_pair(raw: RawRequest, name: bytes, value: bytes) -> RawRequest:
    return replace(raw, headers=[(found, value if found == name else old) for found, old in raw.headers])


# --- Nothing raises ---------------------------------------------------------------------------------------------------

NAMES = ["authorization", "content-digest", "idempotency-key", "signature", "signature-input"]
PIECES = st.sampled_from(['"', "\\", ";", "=", ":", "(", ")", ",", " ", "@method", "created", "suyuan", "1", "é", "\n"])
TEXTS = st.one_of(st.binary(max_size=60), st.lists(PIECES).map(lambda pieces: "".join(pieces).encode()))


@given(st.lists(st.tuples(st.sampled_from([name.encode() for name in NAMES]), TEXTS)), st.text(max_size=8), st.binary())
def test_arbitrary_headers_are_refused_and_never_raise(
    headers: list[tuple[bytes, bytes]], method: str, body: bytes
) -> None:
    assert isinstance(parse(RawRequest("POST", URI, headers, body), now=NOW), Refusal)
    assert isinstance(parse(RawRequest(method, URI, headers, body), now=NOW), Refusal)


@given(st.sampled_from([rfc, wechat]), st.data())
def test_a_mutilated_good_request_is_refused_or_badly_signed(
    dialect: Callable[..., dict[str, str]], data: st.DataObject
) -> None:
    """One stretch of one header is cut out or replaced. What still passes has the very bytes that were signed."""
    headers = dialect()
    name = data.draw(st.sampled_from(sorted(headers)))
    start = data.draw(st.integers(0, len(headers[name]) - 1))
    end = data.draw(st.integers(start + 1, len(headers[name])))
    headers[name] = headers[name][:start] + data.draw(st.text(" -~é", max_size=5)) + headers[name][end:]
    claim = parse(post(headers), now=NOW)
    if isinstance(claim, Refusal):
        return
    try:
        signed = check(claim, replace(KEYS["ed25519"], id=claim.key_id))
    except crypto.BadSignature:
        return
    if isinstance(signed, Signed):
        original = claimed(post(dialect()))
        assert (claim.signed, claim.signature) == (original.signed, original.signature)


@given(st.integers(0, HEADER_BYTES_MAX), st.sampled_from([b'a=("', b"a=()", b"a=();a=1", b'SUYUAN-A a="', b";a="]))
def test_a_long_header_is_read_quickly(length: int, piece: bytes) -> None:
    """The forms are read in one pass; a header made to send a regular expression back and forth finds no way to."""
    text = (piece * HEADER_BYTES_MAX)[:length]
    headers = [(b"signature-input", text), (b"signature", text), (b"authorization", text)]
    assert isinstance(parse(RawRequest("POST", URI, headers, b""), now=NOW), Refusal)
