"""A witness over real HTTP: statuses, types and paths of C2SP tlog-witness, and what a stranger may do to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import structlog
import uvicorn

from suyuan.base.clock import SystemClock
from suyuan.evidence.check import check_signatures, read_note
from suyuan.evidence.log.note import vkey_text
from suyuan.evidence.witness.memory import origin_hash
from suyuan.evidence.witness.request import REQUEST_BYTES_MAX, write_request
from suyuan.faces.http import witness as face
from suyuan.faces.http.listening import listening
from tests.evidence.small_log import SmallLog
from tests.evidence.witnesses import open_witness, own_cosigner

LOG = SmallLog()
HASH = origin_hash(LOG.origin)


class Served(NamedTuple):
    client: httpx.Client
    port: int
    folder: Path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    app = face.build_witness(open_witness(tmp_path, LOG), SystemClock())
    server = uvicorn.Server(listening(app))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]  # Signals belong to pytest.
    with socket.socket(proto=socket.IPPROTO_TCP) as listens:
        listens.bind(("127.0.0.1", 0))
        serving = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listens])))
        serving.start()
        port = listens.getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
            yield Served(client, port, tmp_path)
        server.should_exit = True
        serving.join(10)


def add(served: Served, body: bytes) -> httpx.Response:
    return served.client.post("/add-checkpoint", content=body)


def test_a_log_gets_its_cosignature(served: Served) -> None:
    """And anybody the checkpoint with both signatures, at the hash of its origin."""
    assert served.client.get(f"/{HASH}/checkpoint").status_code == 404
    answer = add(served, LOG.request(0, 3))
    assert answer.status_code == 200
    assert check_signatures(read_note(LOG.note(3) + answer.content), [own_cosigner().vkey])
    newest = served.client.get(f"/{HASH}/checkpoint")
    assert newest.content == LOG.note(3) + answer.content
    assert newest.headers["content-type"] == "text/plain; charset=utf-8"
    assert newest.headers["cache-control"] == "no-store"


def test_each_status_comes_over_the_line(served: Served) -> None:
    add(served, LOG.request(0, 3))
    for status, body in [
        (400, b"nonsense"),
        (404, SmallLog("other.example").request(0, 3)),
        (403, SmallLog(secret=b"s" * 32).request(0, 3)),
        (400, LOG.request(4, 3)),
        (409, LOG.request(0, 5)),
        (422, write_request(3, [], LOG.note(5))),
        (422, SmallLog(forked_at=1).request(3, 3)),
    ]:
        answer = add(served, body)
        assert answer.status_code == status
        expected = "text/x.tlog.size" if status == 409 else "text/plain; charset=utf-8"
        assert answer.headers["content-type"] == expected
        assert answer.content.endswith(b"\n")
    assert add(served, LOG.request(0, 5)).content == b"3\n"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/add-checkpoint", 405), ("PUT", "/add-checkpoint", 405), ("POST", "/add-checkpoint/", 404),
        ("POST", f"/{HASH}/checkpoint", 405), ("GET", f"/{HASH}", 404), ("GET", f"/{HASH}/lock", 404),
        ("GET", f"/{HASH}/forks", 404), ("GET", f"/{HASH.upper()}/checkpoint", 404), ("GET", "/../witness.key", 404),
        ("GET", "/%2e%2e/checkpoint", 404), ("GET", "/..%2fwitness.key/checkpoint", 404),
        ("POST", "/sign-subtree", 404),
    ],
)  # fmt: skip
def test_there_is_nothing_else(served: Served, method: str, path: str, status: int) -> None:
    """No redirect, no other method, no way into the folder."""
    add(served, LOG.request(0, 3))
    assert served.client.request(method, path, content=LOG.request(3, 5)).status_code == status


def test_it_says_what_it_is(served: Served) -> None:
    """With the key that logs and checkers need, and whom it watches, in both languages."""
    page = served.client.get("/").text
    assert vkey_text(own_cosigner().vkey) in page
    assert LOG.origin in page
    assert "见证方" in page


@pytest.mark.parametrize("is_declared", [True, False])
def test_too_large_a_request_is_not_read_to_its_end(served: Served, is_declared: bool) -> None:
    body = LOG.request(0, 3) + b"x" * REQUEST_BYTES_MAX
    answer = served.client.post("/add-checkpoint", content=body if is_declared else iter([body]))
    assert answer.status_code == 413
    assert add(served, LOG.request(0, 3)).status_code == 200


def test_who_hangs_up_or_dawdles_is_left(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was cosigned for half a request, and others are served meanwhile."""
    monkeypatch.setattr(face, "BODY_S", 0.05)
    head = b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: 500\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port)) as gone:
        gone.sendall(head + LOG.request(0, 3)[:50])
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as slow:
        slow.sendall(head + LOG.request(0, 3)[:50])
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
    assert served.client.get(f"/{HASH}/checkpoint").status_code == 404
    assert add(served, LOG.request(0, 3)).status_code == 200


def test_a_damaged_memory_is_said_without_its_content(served: Served) -> None:
    """The log of the process says what is wrong; who asks hears that it is not their fault."""
    add(served, LOG.request(0, 3))
    (served.folder / "witness" / "logs" / HASH / "checkpoint").write_bytes(b"SECRET")
    with structlog.testing.capture_logs() as told:
        answer = add(served, LOG.request(3, 5))
    assert answer.status_code == 500
    assert b"SECRET" not in answer.content
    assert [one["event"] for one in told] == ["memory_is_damaged"]


def test_an_unforeseen_fault_is_said_without_its_words(served: Served) -> None:
    (served.folder / "witness" / "logs").rename(served.folder / "elsewhere")
    with structlog.testing.capture_logs() as told:
        assert add(served, LOG.request(0, 3)).status_code == 500
    assert told == [{"event": "witness_fault", "fault": "FileNotFoundError", "log_level": "error"}]


def test_nothing_of_a_request_reaches_the_log(served: Served) -> None:
    """But the name of a log that is watched, and how large it has grown."""
    with structlog.testing.capture_logs() as told:
        add(served, SmallLog("PLANTED.example").request(0, 3))
        add(served, write_request(0, [], b"PLANTED"))
        add(served, LOG.request(0, 3) + "— PLANTED UExBTlRFRA==\n".encode())
        add(served, LOG.request(3, 3))
    assert "PLANTED" not in str(told)
    assert told[-1] == {
        "event": "checkpoint_was_answered", "origin": LOG.origin, "size": 3, "status": 200, "log_level": "info",
    }  # fmt: skip
