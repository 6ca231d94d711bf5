"""Sellers who go on selling through every crash, and remember each acknowledgement that they got.

Each client sells one card after the other through the SDK. Where no answer comes it asks again with the same
idempotency key until the platform has decided; some ask again even then, and must get the very same answer.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Self

from suyuan.base.clock import monotonic_s
from suyuan.faces.sdk import AsyncPlatform, Pending, Refused, Trouble
from suyuan.faces.sdk.records import UNDECIDED
from tests.crash.house import CONTRACT, FACE_FEN, House, card

ASKS_AGAIN_SHARE = 0.1
TRY_AGAIN_S = 0.05
# Clients catch their breath, because these tests ask what survives, not how much goes through.
PAUSE_S_MAX = 0.3
GIVE_UP_S = 120.0


class Load:
    """A crowd of clients. `acknowledged` is the truth that the platform is held to."""

    def __init__(self, house: House, rng: Random, *, clients: int, cards: int) -> None:
        self._house = house
        self._rng = rng
        self._clients = clients
        self._cards = iter(range(cards))
        self._resting = False
        self.acknowledged: dict[int, Pending] = {}
        self.lost_answers = 0

    async def __aenter__(self) -> Self:
        self._platform = await self._house.as_partner().__aenter__()
        self._tasks = [asyncio.create_task(self._sell_on()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._platform.__aexit__(None, None, None)

    async def rest(self) -> None:
        """Ends the selling; whatever was asked for is brought to its end, whatever it takes."""
        self._resting = True
        await asyncio.gather(*self._tasks)

    async def grows(self, by: int, *, within_s: float) -> None:
        """Waits for so many new acknowledgements: the platform lives."""
        goal, until_s = len(self.acknowledged) + by, monotonic_s() + within_s
        while len(self.acknowledged) < goal:
            for task in self._tasks:
                assert not task.done(), task.exception() or "all cards are sold"
            assert monotonic_s() < until_s, f"no sale got through for {within_s} s\n{self._house.logs()}"
            await asyncio.sleep(0.02)

    async def _sell_on(self) -> None:
        while not self._resting and (number := next(self._cards, None)) is not None:
            first = await self._sell(self._platform, number)
            self.acknowledged[number] = first
            if self._rng.random() < ASKS_AGAIN_SHARE:
                assert await self._sell(self._platform, number) == first, "a retry gets the first answer"
            await asyncio.sleep(self._rng.random() * PAUSE_S_MAX)

    async def _sell(self, platform: AsyncPlatform, number: int) -> Pending:
        sold = card(number)
        seller = self._house.sellers[number % len(self._house.sellers)]
        until_s = monotonic_s() + GIVE_UP_S
        while monotonic_s() < until_s:
            try:
                answer = await platform.redeem_card(
                    contract=CONTRACT, seller=seller, operator=sold.operator, serial=sold.serial, pin=sold.pin,
                    face_fen=FACE_FEN, idempotency_key=f"sale-{number}",
                )  # fmt: skip
            except Trouble:
                self.lost_answers += 1
            else:
                if isinstance(answer, Pending):
                    return answer
                assert isinstance(answer, Refused)
                assert answer.code in UNDECIDED, f"card {number} was refused: {answer}"
            await asyncio.sleep(TRY_AGAIN_S)
        raise AssertionError(f"card {number} was never decided")
