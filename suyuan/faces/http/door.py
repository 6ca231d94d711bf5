"""The one way in: reads a request within bounds, tells its story, signs the answer.

In order: (1) the body, read to a limit and against a deadline; (2) the form of headers and signature; (3) the story,
which begins by believing the signature; (4) the answer, signed over status and body with the request's nonce.

Invariants: the signature is checked over the bytes as they came; at most `DRAINED_BYTES_MAX` of a body are ever read;
a fault inside becomes `platform_has_a_fault` and a line in the log that names the fault's kind and nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import structlog
from starlette.types import Receive, Scope, Send

from suyuan.base.crypto import BadSignature
from suyuan.base.db import DatabaseUnreachable
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces.http.answers import Reply, problem
from suyuan.faces.http.routes import REASONS, Endpoint, Lets
from suyuan.flows.count_strangers import Strangers
from suyuan.flows.desk import Desk
from suyuan.flows.who_asks import Knock, Visit, ip_prefix
from suyuan.settle.answer import sign_answer
from suyuan.settle.request import BODY_BYTES_MAX, READS, Claim, RawRequest, parse

BODY_S = 10.0
# A body that is only a little too large is read to its end, so that its sender hears the refusal and no broken pipe.
DRAINED_BYTES_MAX = 1 << 20

log = structlog.get_logger()

_NEVER_CACHED = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
_BEARER = b"bearer "
_TOKEN_BYTES_MAX = 128
# Who proves nothing is counted, once a minute, by network.
_OF_STRANGERS = frozenset(
    {
        Reason.key_is_unknown,
        Reason.number_proof_is_unknown,
        Reason.number_code_is_wrong,
        Reason.too_many_codes_were_sent,
    }
)
_LAST = (b"connection", b"close")


class Gone(Exception):
    """Raised when the caller hung up before it had said everything; there is nobody to answer."""


class Door:
    """All methods of one path, as an ASGI application."""

    def __init__(
        self, desk: Desk, endpoints: Mapping[str, Endpoint], strangers: Strangers, proxies: tuple[str, ...]
    ) -> None:
        self._desk = desk
        self._endpoints = dict(endpoints)
        if "GET" in endpoints:
            self._endpoints["HEAD"] = endpoints["GET"]
        self._allow = ", ".join(sorted(self._endpoints)).encode()
        self._strangers = strangers
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            reply = problem(Refusal(Reason.method_is_not_allowed))
            await send_reply(send, self._desk, reply._replace(headers=(*reply.headers, (b"allow", self._allow))))
            return
        nonce = ""
        try:
            headers = _Headers.of(scope)
            # (1) The body.
            body = await read_body(receive, headers)
            # (2) The form of the signature, where one is asked for.
            caller = body if isinstance(body, Refusal) else self._caller(scope, headers, body, endpoint)
            if isinstance(caller, Refusal):
                reply = problem(caller)
            else:
                # (3) The story.
                nonce = caller.claim.nonce if isinstance(caller, Knock) else ""
                reply = await self._told(endpoint, caller, scope.get("path_params", {}))
        except Gone:
            return
        except DatabaseUnreachable:
            reply = problem(Refusal(Reason.platform_is_starting))
        except Exception as fault:
            # Only the kind: the text of an error may quote what a caller sent, a PIN for one.
            log.error("door_fault", route=endpoint.path, fault=type(fault).__name__)
            reply = problem(Refusal(Reason.platform_has_a_fault))
        # (4) The answer.
        await send_reply(send, self._desk, reply, nonce)

    def _caller(self, scope: Scope, headers: _Headers, body: bytes, endpoint: Endpoint) -> Knock | Visit | Refusal:
        address = address_of(scope, headers.forwarded, self._proxies)
        is_unsigned = endpoint.lets is Lets.ANYBODY or (endpoint.lets is Lets.PROVEN and bool(headers.tokens))
        if is_unsigned:
            return self._visit(scope, headers, body, address)
        claim = self._claim(scope, headers, body)
        if isinstance(claim, Refusal):
            return claim
        route = f"{endpoint.method} {endpoint.path}"
        return Knock(claim, address, route, takes_query=endpoint.query is not None)

    def _visit(self, scope: Scope, headers: _Headers, body: bytes, address: str) -> Visit | Refusal:
        """What nobody signed: its body is JSON, and it shows one token or none."""
        if scope["method"] not in READS and (refusal := headers.refuse_content_type()) is not None:
            return refusal
        if len(headers.tokens) > 1:
            return Refusal(Reason.header_is_doubled, "authorization")
        if headers.tokens and headers.is_signed:
            # Two proofs in one request might disagree about who sends it.
            return Refusal(Reason.signature_header_is_malformed, "authorization")
        return Visit(body, self._target(scope), address, "".join(headers.tokens))

    def _claim(self, scope: Scope, headers: _Headers, body: bytes) -> Claim | Refusal:
        raw = RawRequest(scope["method"], self._target(scope), scope["headers"], body)
        claim = parse(raw, now=self._desk.clock.now())
        refusal = headers.refuse_content_type() if scope["method"] not in READS else None
        if refusal is None:
            return claim
        return refusal if isinstance(claim, Claim) else min(refusal, claim, key=_place)

    def _target(self, scope: Scope) -> str:
        query = scope["query_string"]
        path = scope["raw_path"].decode("latin-1")
        return f"{self._desk.origin}{path}?{query.decode('latin-1')}" if query else f"{self._desk.origin}{path}"

    async def _told(self, endpoint: Endpoint, caller: Knock | Visit, path: Mapping[str, str]) -> Reply:
        try:
            answer = await endpoint.story(self._desk, caller, path)
        except BadSignature:
            assert isinstance(caller, Knock), "only what is signed can be signed badly"
            self._count(caller, caller.claim.key_id, Reason.signature_is_wrong)
            return problem(Refusal(Reason.signature_is_wrong))
        if not isinstance(answer, Refusal):
            return answer
        if answer.reason in _OF_STRANGERS:
            # An id that no key has is the stranger's own invention, and is not kept.
            self._count(caller, "", answer.reason)
        return problem(answer)

    def _count(self, caller: Knock | Visit, key: str, reason: Reason) -> None:
        self._strangers.count(key, ip_prefix(caller.address), reason.value, at=self._desk.clock.now())


class _Headers(NamedTuple):
    """The few headers that the door reads itself."""

    content_types: list[bytes]
    content_length: bytes
    forwarded: bytes
    tokens: list[str]
    is_signed: bool

    @classmethod
    def of(cls, scope: Scope) -> _Headers:
        types: list[bytes] = []
        tokens: list[str] = []
        length, forwarded, is_signed = b"", b"", False
        for name, value in scope["headers"]:
            if name == b"content-type":
                types.append(value)
            elif name == b"content-length":
                length = value
            elif name == b"x-forwarded-for":
                forwarded = forwarded + b"," + value if forwarded else value
            elif name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
                tokens.append(value[len(_BEARER) :][:_TOKEN_BYTES_MAX].decode("latin-1"))
            elif name in (b"signature", b"signature-input"):
                is_signed = True
        return cls(types, length, forwarded, tokens, is_signed)

    def refuse_content_type(self) -> Refusal | None:
        if self.content_types == [b"application/json"]:
            return None
        if len(self.content_types) > 1:
            return Refusal(Reason.header_is_doubled, "content-type")
        kind, _, parameter = (self.content_types or [b""])[0].lower().partition(b";")
        is_json = kind.strip() == b"application/json" and parameter.strip() in (b"", b"charset=utf-8")
        return None if is_json else Refusal(Reason.content_type_is_not_json, "content-type")


async def read_body(receive: Receive, headers: _Headers) -> bytes | Refusal:
    """The whole body, or why it is not read. Raises `Gone`."""
    if headers.content_length.isdigit() and int(headers.content_length[:20]) > DRAINED_BYTES_MAX:
        return Refusal(Reason.body_is_too_large, "body")
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body if len(body) <= BODY_BYTES_MAX else Refusal(Reason.body_is_too_large, "body")
    try:
        async with asyncio.timeout(BODY_S):
            return await _read_rest(receive, body)
    except TimeoutError:
        return Refusal(Reason.body_came_too_slowly, "body")


async def _read_rest(receive: Receive, begun: bytes) -> bytes | Refusal:
    parts, length, is_more = [begun], len(begun), True
    while is_more and length <= DRAINED_BYTES_MAX:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        length += len(part)
        if length <= BODY_BYTES_MAX:
            parts.append(part)
        is_more = message.get("more_body", False)
    return b"".join(parts) if length <= BODY_BYTES_MAX else Refusal(Reason.body_is_too_large, "body")


async def send_reply(send: Send, desk: Desk, reply: Reply, nonce: str = "") -> None:
    """Sends a reply, signed. What remains unread of a request ends the connection with it."""
    key = desk.keys[0]
    signed = sign_answer(reply.status, reply.body, key_id=key.id, signer=key.signer, nonce=nonce, now=desk.clock.now())
    headers = [(b"content-type", reply.content_type), (b"content-length", str(len(reply.body)).encode())]
    headers += [*reply.headers, *_NEVER_CACHED]
    headers += [(name.encode(), text.encode("latin-1")) for name, text in signed.items()]
    if reply.status in (408, 413):
        headers.append(_LAST)
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _place(refusal: Refusal) -> int:
    return REASONS.index(refusal.reason)


def address_of(scope: Scope, forwarded: bytes, proxies: tuple[str, ...]) -> str:
    """Where a request comes from. X-Forwarded-For is believed from a trusted proxy only: anybody else may write it."""
    client: Any = scope.get("client")
    peer = client[0] if client else ""
    return _forwarded_for(peer, forwarded.decode("latin-1"), proxies) if forwarded and proxies else peer


@lru_cache(8192)
def _forwarded_for(peer: str, forwarded: str, proxies: tuple[str, ...]) -> str:
    """The nearest address that is not a proxy of ours, reading from our side.

    >>> _forwarded_for("127.0.0.1", "6.6.6.6, 203.0.113.7, 10.0.0.2", ("127.0.0.1", "10.0.0.0/8"))
    '203.0.113.7'
    >>> _forwarded_for("203.0.113.9", "6.6.6.6", ("127.0.0.1",))
    '203.0.113.9'
    """
    hops = [peer, *reversed([hop.strip() for hop in forwarded.split(",")])]
    return next((hop for hop in hops if not _is_trusted(hop, proxies)), hops[-1])


def _is_trusted(hop: str, proxies: tuple[str, ...]) -> bool:
    try:
        return any(ip_address(hop) in ip_network(proxy, strict=False) for proxy in proxies)
    except ValueError:
        return False
