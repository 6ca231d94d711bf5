"""The door under fuzz: whatever comes, it answers or hangs up, never with a 500, and never keeps anybody waiting."""

from __future__ import annotations

import json
import select
import socket
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from suyuan.faces.http import document
from suyuan.flows.redeem_card import WISHES
from tests.faces.http.served import JSON, Served
from tests.flows.house import ORIGIN, card, written

PATIENCE_S, ANSWERED_S = 5, 0.05
SEEN_BY_CI, SEEN_BY_NIGHT = 150, 3_000
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


def say(api: Served, spoken: bytes) -> bytes:
    """Says these bytes, listens a moment, stops speaking, and hears everything until the door hangs up."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=PATIENCE_S) as connection:
        heard = b""
        try:
            connection.sendall(spoken)
            # Whoever stops speaking at once is not answered, so what is whole gets its time.
            if select.select([connection], [], [], ANSWERED_S)[0]:
                heard = connection.recv(65536)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                heard += part
        except TimeoutError:
            raise AssertionError("the door neither answers nor hangs up") from None
        except OSError:
            """Hanging up in the middle of what is said is an answer, too."""
    return heard


METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"PRI", b"\xff"])
PATHS = st.sampled_from([b"/v1/redemptions", b"/v1/sellers", b"/v1/limits?seller=%ff", b"/v1/redemptions/%2e%2e", b"*"])
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"content-length", b"transfer-encoding", b"signature", b"signature-input", b"authorization", b"expect",
             b"content-type", b"idempotency-key", b"x-forwarded-for", b"connection", b"content-digest", b"upgrade"]
        ),
        st.sampled_from([b"0", b"7", b"-1", b"99999999999999999999", b"chunked", b"100-continue", b"application/json",
                         b"suyuan=()", b'SUYUAN-ED25519 mchid="', b"\xff\xfe", b"close", b"websocket"])
        | st.binary(max_size=40),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=SEEN_BY_CI, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=METHODS, path=PATHS | st.binary(max_size=30), headers=HEADERS, body=st.binary(max_size=60))
def test_no_bytes_break_the_door(
    api: Served, method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    heard = say(api, method + b" " + path + b" HTTP/1.1\r\nhost: x\r\n" + lines + b"\r\n" + body)
    assert b"HTTP/1.1 5" not in heard, heard


def test_the_fuzz_is_heard(api: Served) -> None:
    """A whole request is answered within the moment that the fuzz listens, so its silence means something."""
    assert say(api, b"POST /v1/redemptions HTTP/1.1\r\nhost: x\r\n\r\n").startswith(b"HTTP/1.1 4")


@settings(max_examples=SEEN_BY_CI, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoken=st.binary(max_size=200))
def test_no_noise_breaks_the_door(api: Served, spoken: bytes) -> None:
    assert b"HTTP/1.1 5" not in say(api, spoken)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["contract", "seller", "source", "agent", "expected_payout", "payee", "ratio", "kind"])


@settings(max_examples=SEEN_BY_CI, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(NAMES, JSON_VALUES, min_size=1, max_size=3))
def test_no_signed_body_breaks_the_story(api: Served, changes: dict[str, Any]) -> None:
    """A partner whose program sends anything at all in place of what it should."""
    body = json.dumps(card(999) | changes).encode("utf-8", "surrogatepass")
    answer = api.client.post(
        "/v1/redemptions", content=body, headers=JSON | api.house.sign("POST", "/v1/redemptions", body)
    )
    assert answer.status_code < 500, answer.text


@given(st.binary(max_size=60), st.integers(0, 200))
def test_the_reader_never_raises(noise: bytes, at: int) -> None:
    """Noise spliced into a good body is read as the good body says, or refused."""
    good = written(card())
    WISHES.read(good[:at] + noise + good[at:])


def test_schemathesis_finds_nothing(api: Served) -> None:
    """Requests made from our own OpenAPI document, good and bad, signed as a partner signs, and what it promises held
    against what comes."""
    schema = schemathesis.openapi.from_dict(document(ORIGIN))
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # Our own document has no invalid operation.
        _try(api, operation)


def _try(api: Served, operation: Any) -> None:
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode))

    @settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(case=cases)
    def one(case: Any) -> None:
        request = case.as_transport_kwargs(base_url=str(api.client.base_url))
        _send(api, case, request)

    one()


def _send(api: Served, case: Any, request: dict[str, Any]) -> None:
    built = api.client.build_request(
        request["method"], request["url"], params=request.get("params"), json=request.get("json")
    )
    target = built.url.raw_path.decode()
    headers = api.house.sign(built.method, target, built.read()) if target.isprintable() and " " not in target else {}
    built.headers.update(headers)
    answer = api.client.send(built)
    case.validate_response(schemathesis.Response.from_httpx(answer, verify=False), checks=list(CHECKS))


@pytest.mark.nightly
@settings(max_examples=SEEN_BY_NIGHT, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoken=st.lists(st.sampled_from([b"GET ", b"POST ", b"/v1/redemptions", b" HTTP/1.1\r\n", b"\r\n", b": "])
                       | st.binary(max_size=20), max_size=20))  # fmt: skip
def test_no_pieces_of_http_break_the_door(api: Served, spoken: list[bytes]) -> None:
    assert b"HTTP/1.1 5" not in say(api, b"".join(spoken))
