"""Connections to a provider: kept while they behave, thrown away at the first irregularity."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from suyuan.outside.lanes import Lanes
from tests.outside.scripted import HANG, Script, http, scripted


async def ask(url: str, lanes: Lanes, content: bytes = b"?") -> bytes:
    response = await lanes.handle_async_request(httpx.Request("POST", url, content=content))
    return response.content


def lanes_to(url: str, lanes_max: int = 4) -> Lanes:
    return Lanes(httpx.URL(url), connect_s=1.0, lanes_max=lanes_max)


def test_a_lane_is_used_again() -> None:
    """Ten questions one after the other take one connection."""

    async def story() -> int:
        script = Script([http(str(number)) for number in range(10)])
        async with scripted(script) as url:
            lanes = lanes_to(url)
            assert [await ask(url, lanes) for _ in range(10)] == [str(number).encode() for number in range(10)]
            await lanes.aclose()
        return script.connections

    assert asyncio.run(story()) == 1


def test_questions_beyond_the_limit_wait_for_their_turn() -> None:
    """Twenty at once over four lanes: four connections, twenty answers."""

    async def story() -> int:
        script = Script([http("ok")] * 20)
        async with scripted(script) as url:
            lanes = lanes_to(url, lanes_max=4)
            answers = await asyncio.gather(*(ask(url, lanes) for _ in range(20)))
            assert answers == [b"ok"] * 20
            await lanes.aclose()
        return script.connections

    assert asyncio.run(story()) == 4


def test_a_second_answer_closes_its_lane() -> None:
    """The first answer comes with another behind it; the next question goes out on a new connection."""

    async def story() -> int:
        script = Script([http("one") + http("stray"), http("two")])
        async with scripted(script) as url:
            lanes = lanes_to(url)
            assert await ask(url, lanes) == b"one"
            assert await ask(url, lanes) == b"two"
            await lanes.aclose()
        return script.connections

    assert asyncio.run(story()) == 2


def test_bytes_that_nobody_asked_for_close_a_resting_lane() -> None:
    """The stray answer comes later, while the lane rests."""

    async def story() -> int:
        script = Script([http("one"), http("two")], stray=(0.05, http("stray")))
        async with scripted(script) as url:
            lanes = lanes_to(url)
            assert await ask(url, lanes) == b"one"
            await asyncio.sleep(0.15)
            assert await ask(url, lanes) == b"two"
            await lanes.aclose()
        return script.connections

    assert asyncio.run(story()) == 2


def test_a_question_that_was_given_up_closes_its_lane() -> None:
    """The answer to it may still come, and must meet nobody else's question."""

    async def story() -> int:
        script = Script([HANG, http("two")])
        async with scripted(script) as url:
            lanes = lanes_to(url)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ask(url, lanes), 0.1)
            assert await ask(url, lanes) == b"two"
            await lanes.aclose()
        return script.connections

    assert asyncio.run(story()) == 2


def test_a_provider_that_hangs_up_is_called_again() -> None:
    """`connection: close` and an end of file both end a lane; the next question opens another."""

    async def story() -> int:
        script = Script([http("one", headers="connection: close\r\n"), http("two"), http("three")])
        async with scripted(script) as url:
            lanes = lanes_to(url)
            assert [await ask(url, lanes) for _ in range(3)] == [b"one", b"two", b"three"]
            await lanes.aclose()
        return script.connections

    assert asyncio.run(story()) == 2


def test_dropping_a_lane_is_for_that_lane_alone() -> None:
    async def story() -> int:
        script = Script([http("one"), http("two")])
        async with scripted(script) as url:
            lanes = lanes_to(url)
            response = await lanes.handle_async_request(httpx.Request("GET", url))
            response.extensions["drop"]()
            assert await ask(url, lanes) == b"two"
            await lanes.aclose()
        return script.connections

    assert asyncio.run(story()) == 2


def test_what_an_answer_claims_about_itself_is_not_followed() -> None:
    """No redirect, no cookie, no decompression: only status and bytes come through."""
    claims = "content-encoding: gzip\r\nset-cookie: a=b\r\nlocation: http://127.0.0.1:1/\r\n"

    async def story() -> httpx.Response:
        script = Script([http("not gzip at all", "307 Temporary Redirect", headers=claims)])
        async with scripted(script) as url, httpx.AsyncClient(transport=lanes_to(url)) as client:
            return await client.get(url)

    response = asyncio.run(story())
    assert (response.status_code, response.content) == (307, b"not gzip at all")


def test_a_line_break_cannot_smuggle_a_request() -> None:
    smuggled = httpx.Request("GET", "http://127.0.0.1:1/", headers={"x": "a\r\n\r\nGET /control/tally HTTP/1.1"})
    with pytest.raises(AssertionError, match="smuggle"):
        asyncio.run(lanes_to("http://127.0.0.1:1").handle_async_request(smuggled))
