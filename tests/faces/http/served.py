"""The API of a `House`, served by a real uvicorn on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from suyuan.faces.http import build
from suyuan.faces.http.listening import listening
from suyuan.flows.publish_notice import publish_notice
from suyuan.settle.answer import check_answer
from tests.flows.house import ADDRESS, PLATFORM_KEYS, House, open_house, written

JSON = {"content-type": "application/json", "x-forwarded-for": ADDRESS}


@dataclass(frozen=True)
class Served:
    """A house, and a client that stands before its door. The client plays our own proxy, so its address is told."""

    house: House
    client: httpx.Client
    port: int

    def post(self, target: str, body: Any, **changes: Any) -> httpx.Response:
        """A signed write; `body` is bytes as they are, or what becomes JSON."""
        content = body if isinstance(body, bytes) else written(body)
        return self.checked("POST", target, content, self.house.sign("POST", target, content, **changes))

    def get(self, target: str, **changes: Any) -> httpx.Response:
        """A signed read."""
        return self.checked("GET", target, b"", self.house.sign("GET", target, **changes))

    def checked(self, method: str, target: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        """Sends a request as it is, and believes the answer only by the platform's signature."""
        answer = self.client.request(method, target, content=content, headers=JSON | headers)
        nonce = headers.get("signature-input", "").partition('nonce="')[2].partition('"')[0]
        check_answer(answer.status_code, answer.headers.raw, answer.content, keys=PLATFORM_KEYS, nonce=nonce)
        return answer


@contextlib.contextmanager
def served(url: str, log_folder: Path = Path("not-sealed")) -> Iterator[Served]:
    """Serves until the test is over."""
    with open_house(url, log_folder=log_folder) as house, socket.socket(proto=socket.IPPROTO_TCP) as listens:
        # Told what protocol it speaks, asyncio does not make each answer wait for the other side's acknowledgement.
        listens.bind(("127.0.0.1", 0))
        app = build(house.desk, trusted_proxies=("127.0.0.1",))
        server = uvicorn.Server(listening(app))
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]  # Signals belong to pytest.
        serving = asyncio.run_coroutine_threadsafe(server.serve(sockets=[listens]), house.loop)
        port = listens.getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
            # What it says to the line when it starts is said before a test counts events.
            house.run(publish_notice(house.desk))
            yield Served(house, client, port)
        server.should_exit = True
        serving.result(10)


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem document of a refusal, which must be whole, in both languages, and tell no more than it should."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document: dict[str, Any] = json.loads(answer.content)
    assert document.keys() == {"type", "title", "status", "code", "detail", "detail_zh", "where"}
    assert document["status"] == answer.status_code
    assert document["type"] == f"/refusals/{document['code']}"
    assert document["detail"].endswith(".")
    assert document["detail_zh"].endswith("。")
    assert answer.headers["content-language"] == "en"
    if answer.status_code in (429, 503):
        assert int(answer.headers["retry-after"]) > 0
    return document
