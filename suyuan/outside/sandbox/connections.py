"""What a well-behaved server cannot do to a connection, and a faulty one does: break it, or answer on it twice.

ASGI gives no access to the connection, so uvicorn's protocol is subclassed to remember each one by the address at its
other end, which is what a request's scope names.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_open: dict[tuple[str, int], asyncio.Transport] = {}


class RememberedConnection(HttpToolsProtocol):
    """uvicorn's own protocol; only its transport can be found again."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        if self.client is not None:
            _open[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client is not None:
            _open.pop(self.client, None)
        super().connection_lost(exc)


async def until_gone(request: Request) -> None:
    """Waits, without a word, until the asker has given up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def break_off(request: Request) -> None:
    """Ends the connection without an answer."""
    _transport(request.scope).abort()
    await until_gone(request)


class AnswerTwice(Response):
    """Sends the same answer twice on one connection, the second unasked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(self.body)}\r\n\r\n"
        _transport(scope).write(head.encode() + bytes(self.body))


def _transport(scope: Scope) -> asyncio.Transport:
    return _open[scope["client"]]
