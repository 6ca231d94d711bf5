"""The two faces of one SDK: `Platform` for ordinary programs, `AsyncPlatform` for those that run an event loop.

Both only carry what the flows of `calls` yield; each method is its flow, told to a driver, so the signatures and the
behaviour are the same. Either may be shared (threads, tasks): connections are pooled and nothing else is kept.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, Required, Self, TypedDict, TypeVar, Unpack

import httpx

from suyuan.base import clock as clocks
from suyuan.base.crypto import PublicKey, Signer
from suyuan.faces.sdk import calls
from suyuan.faces.sdk.exchange import Answer, Ask, Came, Chance, Flow, Lost, Patience, Session
from suyuan.outside.lanes import Lanes

ANSWER_BYTES_MAX = 4 * 1024 * 1024
CONNECT_S = 5.0
TIMEOUT_S = 10.0

Parameters = ParamSpec("Parameters")
Said = TypeVar("Said")
_HEADERS = {"accept": "application/json, application/problem+json", "accept-encoding": "identity"}
_HEADERS |= {"user-agent": "suyuan-sdk"}


class _TooMuch(Exception):
    """An answer is longer, or takes longer, than any that the platform gives."""


class Words(TypedDict, total=False):
    """What both faces are told, beside the address."""

    key_id: Required[str]
    signer: Required[Signer]
    keys: Mapping[str, PublicKey]
    """The platform's public keys by id. Without any, only `pin` and the privacy notice can be asked."""
    origin: str
    """The platform's public address where it is not the one that is called."""
    dialect: Literal["rfc9421", "wechat"]
    merchant_id: str
    patience: Patience
    timeout_s: float
    clock: clocks.Clock
    chance: Chance


class _Driver:
    """What both faces know: whom they ask, as whom, and how a lost answer is told."""

    def __init__(self, url: str, words: Words) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = words.get("timeout_s", TIMEOUT_S)
        self._session = Session(
            origin=words.get("origin", url).rstrip("/"),
            key_id=words["key_id"],
            signer=words["signer"],
            keys=dict(words.get("keys", {})),
            clock=words.get("clock") or clocks.SystemClock(),
            chance=words.get("chance", os.urandom),
            patience=words.get("patience", Patience()),
            dialect=words.get("dialect", "rfc9421"),
            merchant_id=words.get("merchant_id", ""),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r}, key_id={self._session.key_id!r})"

    @property
    def _settings(self) -> dict[str, Any]:
        """Of the httpx client. No variable of the environment leads requests that hold PINs to somebody's proxy."""
        timeout = httpx.Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s))
        return {"base_url": self._url, "headers": _HEADERS, "timeout": timeout, "trust_env": False}


def _lost(error: Exception) -> Lost:
    """Why no answer came, in words that hold nothing of the request."""
    if isinstance(error, httpx.TimeoutException | TimeoutError | _TooMuch):
        return Lost("it did not answer in time" if not isinstance(error, _TooMuch) else "its answer did not end")
    return Lost("it cannot be reached" if isinstance(error, httpx.ConnectError) else "the connection broke")


_NO_ANSWER = (httpx.TransportError, TimeoutError, _TooMuch, OSError)


def _sync(
    flow: Callable[Concatenate[Session, Parameters], Flow[Said]],
) -> Callable[Concatenate[Platform, Parameters], Said]:
    """A method of `Platform` that is this flow."""

    @functools.wraps(flow)
    def method(platform: Platform, /, *args: Parameters.args, **words: Parameters.kwargs) -> Said:
        return platform.run(flow(platform._session, *args, **words))

    return method


def _async(
    flow: Callable[Concatenate[Session, Parameters], Flow[Said]],
) -> Callable[Concatenate[AsyncPlatform, Parameters], Coroutine[Any, Any, Said]]:
    """A method of `AsyncPlatform` that is this flow."""

    @functools.wraps(flow)
    async def method(platform: AsyncPlatform, /, *args: Parameters.args, **words: Parameters.kwargs) -> Said:
        return await platform.run(flow(platform._session, *args, **words))

    return method


class Platform(_Driver):
    """A platform, as one partner's or seller's key sees it. Close it, or leave its `with`, when done.

    `http` brings a client of your own (a proxy, a client certificate); it is then yours to close.
    """

    def __init__(
        self,
        url: str,
        *,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
        **words: Unpack[Words],
    ) -> None:
        super().__init__(url, words)
        self._owns_http = http is None
        self._http = http or httpx.Client(**self._settings)
        self._sleep = sleep

    redeem_card = _sync(calls.redeem_card)
    redeem_balance = _sync(calls.redeem_balance)
    redemption = _sync(calls.redemption)
    redemptions = _sync(calls.redemptions)
    wait_until_settled = _sync(calls.wait_until_settled)
    decision = _sync(calls.decision)
    ask_review = _sync(calls.ask_review)
    voucher = _sync(calls.voucher)
    proofs = _sync(calls.proofs)
    register_seller = _sync(calls.register_seller)
    step_up = _sync(calls.step_up)
    privacy_notice = _sync(calls.privacy_notice)
    decide_consent = _sync(calls.decide_consent)
    consents = _sync(calls.consents)
    masked_number = _sync(calls.masked_number)
    contracts = _sync(calls.contracts)
    limits = _sync(calls.limits)
    ask_about_self = _sync(calls.ask_about_self)
    subject_request = _sync(calls.subject_request)
    bundle = _sync(calls.bundle)
    reads = _sync(calls.reads)
    pin = _sync(calls.pin)

    def run(self, flow: Flow[Said]) -> Said:
        """Carries a flow to its end."""
        came: Came = None
        while True:
            try:
                step = flow.send(came)
            except StopIteration as end:
                said: Said = end.value
                return said
            if isinstance(step, Ask):
                came = self._carry(step)
                continue
            came = None
            self._sleep(step.seconds)

    def _carry(self, ask: Ask) -> Answer | Lost:
        until_s = clocks.monotonic_s() + self._timeout_s
        try:
            with self._http.stream(ask.method, ask.target, headers=ask.headers, content=ask.content) as response:
                return Answer(response.status_code, response.headers.raw, _bounded(response.iter_raw(), until_s))
        except _NO_ANSWER as error:
            return _lost(error)

    def close(self) -> None:
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncPlatform(_Driver):
    """The same for an event loop. `connections_max` bounds how many requests travel at once."""

    def __init__(
        self, url: str, *, http: httpx.AsyncClient | None = None, connections_max: int = 64, **words: Unpack[Words]
    ) -> None:
        super().__init__(url, words)
        self._owns_http = http is None
        if http is None:
            # Not httpx's own pool, because at many requests in flight that costs more than signing and checking.
            lanes = Lanes(httpx.URL(self._url), connect_s=CONNECT_S, lanes_max=connections_max)
            http = httpx.AsyncClient(transport=lanes, **self._settings)
        self._http = http

    redeem_card = _async(calls.redeem_card)
    redeem_balance = _async(calls.redeem_balance)
    redemption = _async(calls.redemption)
    redemptions = _async(calls.redemptions)
    wait_until_settled = _async(calls.wait_until_settled)
    decision = _async(calls.decision)
    ask_review = _async(calls.ask_review)
    voucher = _async(calls.voucher)
    proofs = _async(calls.proofs)
    register_seller = _async(calls.register_seller)
    step_up = _async(calls.step_up)
    privacy_notice = _async(calls.privacy_notice)
    decide_consent = _async(calls.decide_consent)
    consents = _async(calls.consents)
    masked_number = _async(calls.masked_number)
    contracts = _async(calls.contracts)
    limits = _async(calls.limits)
    ask_about_self = _async(calls.ask_about_self)
    subject_request = _async(calls.subject_request)
    bundle = _async(calls.bundle)
    reads = _async(calls.reads)
    pin = _async(calls.pin)

    async def run(self, flow: Flow[Said]) -> Said:
        """Carries a flow to its end."""
        came: Came = None
        while True:
            try:
                step = flow.send(came)
            except StopIteration as end:
                said: Said = end.value
                return said
            if isinstance(step, Ask):
                came = await self._carry(step)
                continue
            came = None
            await asyncio.sleep(step.seconds)

    async def _carry(self, ask: Ask) -> Answer | Lost:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._http.stream(ask.method, ask.target, headers=ask.headers, content=ask.content) as response,
            ):
                pairs = response.extensions.get("headers", response.headers.raw)
                return Answer(response.status_code, pairs, await _bounded_async(response.aiter_bytes()))
        except _NO_ANSWER as error:
            return _lost(error)

    async def close(self) -> None:
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _bounded(parts: Iterable[bytes], until_s: float) -> bytes:
    """The whole answer. A platform that drips its answer, or never ends it, gives none."""
    content = b""
    for part in parts:
        content += part
        if len(content) > ANSWER_BYTES_MAX or clocks.monotonic_s() > until_s:
            raise _TooMuch
    return content


async def _bounded_async(parts: AsyncIterable[bytes]) -> bytes:
    content = b""
    async for part in parts:
        content += part
        if len(content) > ANSWER_BYTES_MAX:
            raise _TooMuch
    return content
