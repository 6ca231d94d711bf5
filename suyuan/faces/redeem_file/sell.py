"""Sells the cards of a file, some at a time, each once, and stops when going on would be of no use.

(1) What is known from an earlier run is not asked again. (2) Each further card is noted in the journal, then sent,
then its answer is noted. (3) Where the platform is silent, or refuses for a reason that is not the card's, no further
card is begun; what is under way is heard out. (4) On wish, the payouts are waited for.

A card whose answer is missing stays open and is asked about by the next run, under the same idempotency key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from suyuan.base import clock
from suyuan.base.refusals import Reason
from suyuan.faces.redeem_file.cards import CardRow
from suyuan.faces.redeem_file.journal import Journal, JournalTrouble, Outcome
from suyuan.faces.redeem_file.result import REFUSED
from suyuan.faces.sdk import AsyncPlatform, Pending, RedemptionState, Refused, Trouble
from suyuan.faces.sdk.records import IN_REVIEW, PENDING

LOOK_S = 5.0
UNDER_WAY = frozenset({PENDING, IN_REVIEW})
"""States in which a card was taken and nobody has been paid yet."""

_REASONS = list(Reason)
NOT_THE_CARDS = frozenset(
    reason.value
    for reason in _REASONS[: _REASONS.index(Reason.card_kind_is_stopped)]
    # A retry that meets its own idempotency key under another body says something about this card only.
    if reason is not Reason.idempotency_key_was_used_for_another_request
)
"""Refusals that every other card of the file would meet as well."""


class Seen(Protocol):
    """Is told of each card whose state changes, for a progress bar."""

    def __call__(self, card: CardRow, outcome: Outcome) -> None: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms all cards of the file are sold."""

    contract: str
    seller: str
    agent: str | None = None


class Selling:
    """One run over a file. `stop` ends it early, from a signal or from within."""

    def __init__(self, platform: AsyncPlatform, terms: Terms, journal: Journal, *, at_once: int, seen: Seen) -> None:
        self._platform = platform
        self._terms = terms
        self._journal = journal
        self._at_once = at_once
        self._seen = seen
        self.under_way: set[int] = set()
        """Lines that were sent and have no answer."""
        self.sent = 0
        self.stopped_by: Trouble | Refused | JournalTrouble | OSError | None = None
        self.is_stopping = False

    def stop(self) -> None:
        """Begins no further card."""
        self.is_stopping = True

    async def sell(self, cards: Iterable[CardRow], *, again: bool) -> None:
        """Sells what is not sold yet; with `again`, also what was refused."""
        await self._each([card for card in cards if self._is_open(card, again)], self._sell)

    async def wait(self, cards: Sequence[CardRow], *, timeout_s: float) -> None:
        """Waits until no payout is under way, or so many seconds are over."""
        until_s = clock.monotonic_s() + timeout_s

        async def look(card: CardRow) -> None:
            while not self.is_stopping and clock.monotonic_s() < until_s and not await self._look(card, until_s):
                """Until it is settled."""

        await self._each([card for card in cards if self._state(card) in UNDER_WAY], look)

    async def _each(self, cards: list[CardRow], do: Callable[[CardRow], Awaitable[None]]) -> None:
        waiting = iter(cards)

        async def work() -> None:
            for card in waiting:
                if self.is_stopping:
                    return
                try:
                    await do(card)
                except (JournalTrouble, OSError) as error:
                    # A disk that is full: without its journal a run goes no further.
                    self._give_up(error)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._at_once, len(cards))):
                group.create_task(work())

    async def _sell(self, card: CardRow) -> None:
        key = self._journal.intend(card.line, again=self._state(card) == REFUSED)
        self.under_way.add(card.line)
        self.sent += 1
        try:
            answer = await self._platform.redeem_card(
                contract=self._terms.contract, seller=self._terms.seller, agent=self._terms.agent,
                operator=card.operator, serial=card.serial, pin=card.pin, face_fen=card.face_fen,
                idempotency_key=key,
            )  # fmt: skip
        except Trouble as trouble:
            self._give_up(trouble)
            return
        if isinstance(answer, Refused) and answer.code in NOT_THE_CARDS:
            self._give_up(answer)
        if isinstance(answer, Refused) and not answer.is_final:
            return
        self._conclude(card, outcome_of(answer))

    async def _look(self, card: CardRow, until_s: float) -> bool:
        outcome = self._journal.outcome(card.line)
        assert outcome is not None, "only what was taken is waited for"
        timeout_s = min(LOOK_S, max(0.0, until_s - clock.monotonic_s()))
        try:
            answer = await self._platform.wait_until_settled(outcome.redemption, timeout_s)
        except Trouble as trouble:
            self._give_up(trouble)
            return True
        if isinstance(answer, Refused):
            self._give_up(answer)
            return True
        if answer.is_settled:
            self._conclude(card, outcome_of(answer))
        return answer.is_settled

    def _conclude(self, card: CardRow, outcome: Outcome) -> None:
        self._journal.conclude(card.line, outcome)
        self.under_way.discard(card.line)
        self._seen(card, outcome)

    def _give_up(self, why: Trouble | Refused | JournalTrouble | OSError) -> None:
        self.stopped_by = self.stopped_by or why
        self.stop()

    def _is_open(self, card: CardRow, again: bool) -> bool:
        state = self._state(card)
        return not state or (again and state == REFUSED)

    def _state(self, card: CardRow) -> str:
        outcome = self._journal.outcome(card.line)
        return outcome.state if outcome else ""


def outcome_of(answer: Pending | RedemptionState | Refused) -> Outcome:
    """An answer of the platform as the journal keeps it."""
    if isinstance(answer, Refused):
        return Outcome(REFUSED, code=answer.code, sentence_en=answer.sentence_en, sentence_zh=answer.sentence_zh)
    return Outcome(answer.state, answer.redemption, answer.paid, answer.value_kind)
