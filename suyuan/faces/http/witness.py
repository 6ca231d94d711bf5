"""A witness over HTTP (C2SP tlog-witness). It needs no platform, no database and no account: whoever asks is answered.

    POST /add-checkpoint              a log's checkpoint: the cosignature, or why not (`evidence.witness.cosigning`)
    GET  /<origin hash>/checkpoint    the newest cosigned checkpoint of a log, for monitors and for the log itself
    GET  /                            who this is, for people

One prefix is for submission and monitoring alike. What a request says never reaches the log of this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from suyuan.base.clock import Clock
from suyuan.evidence.log.note import vkey_text
from suyuan.evidence.witness.cosigning import TEXT, Answer, MemoryIsDamaged, Witness
from suyuan.evidence.witness.request import REQUEST_BYTES_MAX

BODY_S = 10.0
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_TOO_LARGE = Answer(413, TEXT, b"a request has at most %d bytes\n" % REQUEST_BYTES_MAX)
_TOO_SLOW = Answer(408, TEXT, b"the request came too slowly\n")
_GONE = Answer(400, TEXT, b"the request has no end\n")
_FAULT = Answer(500, TEXT, b"this witness has a fault; its operator finds it in the log\n")
_UNKNOWN = Answer(404, TEXT, b"this witness has cosigned nothing for this log\n")
_CLOSES = {408, 413}

ABOUT = """\
This is a witness of transparency logs: it cosigns checkpoints that go on from the last one it saw, and nothing else.
It sees sizes and hashes, never what was logged. Protocol: https://c2sp.org/tlog-witness
本服务是透明日志的见证方：仅对与其上次所见一致的检查点联署。它只看到条数与哈希，从不接触日志内容。

key · 公钥
    {vkey}
submission and monitoring prefix · 提交与查询前缀
    POST add-checkpoint · GET <SHA-256 of the origin, hexadecimal>/checkpoint
logs · 所见证的日志
{origins}
"""

log = structlog.get_logger()


def build_witness(witness: Witness, clock: Clock) -> Starlette:
    """The application over a witness."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        if isinstance(body, Answer):
            return _response(body)
        return _response(await run_in_threadpool(_answered, lambda: witness.add_checkpoint(body, clock.now())))

    async def latest(request: Request) -> Response:
        note = await run_in_threadpool(witness.latest, request.path_params["log_hash"])
        return _response(_UNKNOWN if note is None else Answer(200, TEXT, note))

    async def about(_: Request) -> Response:
        origins = "\n".join(f"    {origin}" for origin in witness.origins())
        page = ABOUT.format(vkey=vkey_text(witness.vkey), origins=origins)
        return _response(Answer(200, TEXT, page.encode()))

    app = Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{log_hash}/checkpoint", latest, methods=["GET"]),
            Route("/", about, methods=["GET"]),
        ]
    )
    # A redirect is no answer of this protocol.
    app.router.redirect_slashes = False
    return app


def _answered(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except MemoryIsDamaged as damage:
        log.critical("memory_is_damaged", why=str(damage))
    except Exception as fault:
        # Only the kind: the text of an error may quote what somebody sent.
        log.error("witness_fault", fault=type(fault).__name__)
    return _FAULT


async def _body(request: Request) -> bytes | Answer:
    """The whole body, within its bounds of size and time."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > REQUEST_BYTES_MAX:
                    return _TOO_LARGE
    except TimeoutError:
        return _TOO_SLOW
    except ClientDisconnect:
        return _GONE
    return bytes(body)


def _response(answer: Answer) -> Response:
    headers = {**_HEADERS, "content-type": answer.content_type}
    if answer.status in _CLOSES:
        # What remains unread of a request ends the connection with it.
        headers["connection"] = "close"
    return Response(answer.body, answer.status, headers)
