"""A time-stamping authority over HTTP (RFC 3161, section 3.4), whose tokens are checked before anybody gets them.

    POST <tsa_url>   content-type: application/timestamp-query    the request, DER
                ->   200, application/timestamp-reply              the answer, DER

Plain http is taken: a token is signed and answers a nonce, and what is sent is one digest. Invariants: `stamp` raises
nothing; what it returns as bytes `evidence.timestamp.check_token` has believed, about this digest, this request and
this minute; a call ends by its deadline even when the answer drips in; no proxy, redirect or variable of the
environment leads it elsewhere; no word of an answer stands in a sentence.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import httpx

from suyuan.base.clock import SECOND, Clock
from suyuan.evidence.bundle.timestamp import (
    CLOCKS_APART_S,
    LONG_AGO,
    NONCE_BYTES,
    BadToken,
    Unstamped,
    check_token,
    request,
    roots_of,
)
from suyuan.outside.lanes import AnswerIsTooLong, Lanes

CONNECT_S = 2.0
DEADLINE_S = 10.0
TOKEN_BYTES_MAX = 64 * 1024

_HEADERS = {"content-type": "application/timestamp-query", "accept": "application/timestamp-reply"}
_HEADERS |= {"accept-encoding": "identity", "user-agent": "suyuan"}
_REPLY = b"application/timestamp-reply"

# fmt: off
BAD_URL = Unstamped(
    "tsa_url is not the http:// or https:// address of a time-stamping authority; correct it",
    "tsa_url 不是时间戳机构的 http:// 或 https:// 地址，请更正。")
NOT_REACHABLE = Unstamped(
    "the time-stamping authority cannot be reached; correct tsa_url, or try again later",
    "无法连接时间戳机构，请更正 tsa_url 或稍后再试。")
TIMED_OUT = Unstamped(
    "the time-stamping authority did not answer in time; try again later",
    "时间戳机构未在时限内应答，请稍后再试。")
LOST = Unstamped(
    "the connection to the time-stamping authority broke before its answer was complete; try again",
    "与时间戳机构的连接在应答完成前中断，请重试。")
TOO_LONG = Unstamped(
    "what answers at tsa_url sends more than any token has; correct tsa_url",
    "tsa_url 处的应答超出时间戳令牌应有的长度，请更正 tsa_url。")
NO_TOKEN = Unstamped(
    "what answers at tsa_url is no time-stamping authority; correct tsa_url, or look at the proxy between",
    "tsa_url 处的应答不是时间戳应答，请更正 tsa_url 或检查中间的代理。")
REFUSED = Unstamped(
    "the time-stamping authority refuses with HTTP {status}; ask it why, or correct tsa_url",
    "时间戳机构以 HTTP {status} 拒绝，请向其询问或更正 tsa_url。")
# fmt: on


class HttpTsa:
    """Asks one authority. It keeps no connection, because a token is asked for now and then."""

    def __init__(
        self,
        url: str,
        roots_pem: bytes,
        *,
        clock: Clock,
        chance: Callable[[int], bytes],
        deadline_s: float = DEADLINE_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Raises `BadToken` for an address or roots with which no token could be had."""
        self._url = _checked(url)
        self._roots = roots_of(roots_pem)
        self._clock, self._chance, self._deadline_s, self._tls = clock, chance, deadline_s, tls

    async def stamp(self, digest: bytes) -> bytes | Unstamped:
        """The authority's answer about a SHA-256 digest, or why there is none that may be believed."""
        # The first two bits are set so, because the request's DER has one length.
        nonce = int.from_bytes(self._chance(NONCE_BYTES), "big") >> 2 | 1 << 62
        said = await self._exchange(request(digest, nonce))
        if isinstance(said, Unstamped):
            return said
        now = self._clock.now()
        try:
            stamped = check_token(said, digest, self._roots, now=now, nonce=nonce)
        except BadToken as bad:
            return bad.why
        return said if stamped.at >= now - CLOCKS_APART_S * SECOND else LONG_AGO

    async def _exchange(self, content: bytes) -> bytes | Unstamped:
        lanes = Lanes(self._url, connect_s=CONNECT_S, lanes_max=1, tls=self._tls)
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                httpx.AsyncClient(transport=lanes, headers=_HEADERS, trust_env=False) as client,
            ):
                said = await client.post(self._url, content=content)
                said.extensions["drop"]()
                return _token_in(said)
        except (TimeoutError, httpx.TimeoutException):
            return TIMED_OUT
        except httpx.ConnectError:
            return NOT_REACHABLE
        except AnswerIsTooLong:
            return TOO_LONG
        except httpx.RemoteProtocolError:
            return NO_TOKEN
        except (httpx.HTTPError, OSError):
            return LOST


def _token_in(said: httpx.Response) -> bytes | Unstamped:
    if said.status_code != httpx.codes.OK:
        return Unstamped(*(text.format(status=said.status_code) for text in REFUSED))
    kinds = [value for name, value in said.extensions["headers"] if name.lower() == b"content-type"]
    if [kind.partition(b";")[0].strip().lower() for kind in kinds] != [_REPLY]:
        return NO_TOKEN
    return said.content if len(said.content) <= TOKEN_BYTES_MAX else TOO_LONG


def _checked(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise BadToken(BAD_URL) from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.fragment:
        raise BadToken(BAD_URL)
    return url
