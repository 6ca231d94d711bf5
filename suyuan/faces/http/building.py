"""Puts the API together: doors on their paths, the open addresses, and the minute's count of strangers.

The open addresses need no signature and tell nothing about anybody: `/v1/health`, `/v1/platform`,
`/v1/privacy-notice`, `/openapi.json`, and the files of the public log at `/log/`. A form that asks for something that
no registered purpose needs stops the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from suyuan.base.crypto import PublicKey
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces.http import answers
from suyuan.faces.http.answers import Reply, problem, reply
from suyuan.faces.http.door import Door, send_reply
from suyuan.faces.http.notices import answer_notice
from suyuan.faces.http.openapi import document
from suyuan.faces.http.public_log import PublicLog
from suyuan.faces.http.routes import ENDPOINTS, Endpoint
from suyuan.flows.count_strangers import Strangers
from suyuan.flows.desk import Desk, ask_line
from suyuan.flows.publish_notice import publish_notice
from suyuan.privacy.minimal import collected_by

HANDED_ON_S = 5.0
PUBLISH_AGAIN_S = 0.5


def build(desk: Desk, *, trusted_proxies: tuple[str, ...] = ()) -> Starlette:
    """The API over a desk. `trusted_proxies` are addresses or networks whose X-Forwarded-For is believed."""
    refuse_careless_forms(ENDPOINTS)
    strangers = Strangers()
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    doors = [Route(path, Door(desk, methods, strangers, trusted_proxies)) for path, methods in by_path.items()]
    app = Starlette(
        routes=[*doors, *_open_routes(desk), Mount("/log", PublicLog(desk.log_folder))],
        lifespan=lambda _: _counting(desk, strangers),
        exception_handlers={404: _Unknown(desk)},
    )
    # A redirect to the same path with or without a slash would be an answer that nobody signed.
    app.router.redirect_slashes = False
    return app


def refuse_careless_forms(endpoints: Iterable[Endpoint]) -> None:
    """Every body and query is collected for purposes that are registered. Raises `CarelessForm`."""
    for endpoint in endpoints:
        for form in (endpoint.body, endpoint.query):
            if form is not None:
                collected_by(form)


class _Open:
    """An address that anybody may read."""

    def __init__(self, desk: Desk, tell: Callable[[Scope], Awaitable[Reply]]) -> None:
        self._desk = desk
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            told = await self._tell(scope)
        else:
            refusal = problem(Refusal(Reason.method_is_not_allowed))
            told = refusal._replace(headers=(*refusal.headers, (b"allow", b"GET, HEAD")))
        await send_reply(send, self._desk, told)


def _open_routes(desk: Desk) -> list[Route]:
    written = Reply(200, msgspec.json.encode(document(desk.origin)))
    keys = [answers.KeyShown(key.id, PublicKey(key.signer.algorithm, key.signer.public).text()) for key in desk.keys]
    shown = reply(200, answers.PlatformShown(desk.origin, keys))

    async def health(_: Scope) -> Reply:
        is_ready = await desk.is_ready()
        return reply(200, answers.Health(True)) if is_ready else problem(Refusal(Reason.platform_is_starting))

    async def platform(_: Scope) -> Reply:
        return shown

    async def openapi(_: Scope) -> Reply:
        return written

    async def privacy_notice(scope: Scope) -> Reply:
        return answer_notice(desk.notice, scope)

    tells = {
        "/v1/health": health, "/v1/platform": platform, "/v1/privacy-notice": privacy_notice, "/openapi.json": openapi,
    }  # fmt: skip
    return [Route(path, _Open(desk, tell)) for path, tell in tells.items()]


class _Unknown:
    """There is nothing at this address: Starlette's own answer would be neither a problem document nor signed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, request: Request, fault: Exception) -> Any:
        return _Nothing(self._desk)


class _Nothing:
    """The response that Starlette sends for it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(send, self._desk, problem(Refusal(Reason.route_is_unknown)))


@asynccontextmanager
async def _counting(desk: Desk, strangers: Strangers) -> AsyncIterator[None]:
    """While the API serves, hands on the strangers of each minute that is over; first, what notice it serves."""
    tasks = [asyncio.create_task(_hand_on(desk, strangers)), asyncio.create_task(_publish(desk))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _publish(desk: Desk) -> None:
    """Until it stands in history nobody can agree to it, so a line that is away is asked again."""
    while True:
        if not isinstance(await publish_notice(desk), Refusal):
            return
        await asyncio.sleep(PUBLISH_AGAIN_S)


async def _hand_on(desk: Desk, strangers: Strangers) -> None:
    while True:
        await asyncio.sleep(HANDED_ON_S)
        if (command := strangers.finished(at=desk.clock.now())) is not None:
            # A line that is away loses a count of nobodies; keeping it would let them fill our memory.
            await ask_line(desk, command)
