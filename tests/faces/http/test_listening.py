"""Connections that never make sense: bounded in bytes and in time, and answered in our own words."""

from __future__ import annotations

import json
import socket
import time

import pytest

from suyuan.base.refusals import Reason
from tests.faces.http.served import Served


def heard(connection: socket.socket) -> bytes:
    """Everything until the door hangs up."""
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionError:
        """A door that hangs up on somebody who still speaks may cut its own words short."""
    return found


def code(answer: bytes) -> str:
    found: str = json.loads(answer.partition(b"\r\n\r\n")[2])["code"]
    return found


def test_what_is_no_http_is_refused_as_a_problem_document(api: Served) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = heard(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert code(answer) == Reason.header_is_malformed


@pytest.mark.parametrize("endless", [b"x: " + b"y" * 1_000 + b"\r\n", b"y" * 1_000])
def test_headers_without_end_are_refused(api: Served, endless: bytes) -> None:
    """Many headers, or one that never ends: after 32 KiB the door has heard enough."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as connection:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\nx: ")
        sent = 0
        try:
            while sent < 5_000_000:
                connection.sendall(endless)
                sent += len(endless)
        except ConnectionError:
            """The door has hung up."""
    assert sent < 5_000_000


@pytest.mark.parametrize("target", [b"/v1/health", b"/v1/redemptions"])
def test_trailers_without_end_are_cut_off(api: Served, target: bytes) -> None:
    """They are headers too, and the parser would keep them all, before the answer and after it."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as connection:
        connection.sendall(b"POST " + target + b" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n")
        sent = 0
        try:
            while sent < 50_000_000:
                connection.sendall(b"x: " + b"y" * 10_000 + b"\r\n")
                sent += 10_000
        except ConnectionError:
            """The door has hung up."""
    assert sent < 50_000_000


@pytest.mark.parametrize("rest", [b"1\r\na\r\n", b"0\r\n\r\n\r\n"], ids=["body", "empty_line"])
def test_what_comes_behind_an_answer_is_not_waited_for(
    api: Served, monkeypatch: pytest.MonkeyPatch, rest: bytes
) -> None:
    """An answer may go out before the body has come, and an empty line may follow it."""
    monkeypatch.setattr("suyuan.faces.http.listening.HEAD_S", 0.2)
    monkeypatch.setattr("suyuan.faces.http.listening.REST_S", 0.2)
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as connection:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        assert b" 200 " in connection.recv(65536)
        connection.sendall(rest)
        heard(connection)


def test_a_head_that_does_not_come_is_not_waited_for(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on a new connection nor on one that has been served before."""
    monkeypatch.setattr("suyuan.faces.http.listening.HEAD_S", 0.2)
    began = time.monotonic()
    for before in (b"", b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", api.port), timeout=5) as connection:
            if before:
                connection.sendall(before)
                assert b" 200 " in connection.recv(65536)
            connection.sendall(b"GET /v1/health HTTP/1.1\r\nx")
            heard(connection)
    assert time.monotonic() - began < 4


def test_many_requests_on_one_connection_are_served(api: Served) -> None:
    """The bounds count one head at a time: 2 MB of ordinary requests are no long head."""
    request = b"GET /v1/health HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 20_000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as connection:
        for _ in range(100):
            connection.sendall(request)
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            assert b'{"ready":true}' in answer
