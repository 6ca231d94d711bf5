"""Carries out a plan against a running platform, and writes down what was answered.

Deeds start in the order of the day, so many at a time, each after the one it names. Nothing here judges: an answer is
kept as it came, and `truth` says what it means.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from suyuan.base import crypto
from suyuan.base.clock import Clock, SystemClock
from suyuan.faces.sdk import Pending, RedemptionState, Refused, SteppedUp, Trouble, calls
from suyuan.faces.sdk.exchange import Ask, Call, exchange
from suyuan.faces.simulate.deeds import Deed, Plan, Sale, SameDevice, SimCard, Spending, StepUp
from suyuan.faces.simulate.doors import TARGET, Door, Doors, body_of, recorded, thrown
from suyuan.faces.simulate.forging import Loot, forge
from suyuan.faces.simulate.stage import in_parallel
from suyuan.outside.sandbox.client import Control
from suyuan.outside.sandbox.facts import CardName
from suyuan.privacy.purposes import COMPARE_FACE

PAYOUT_WAIT_S = 20.0
PAGE_ROWS = 200

Said = Literal["taken", "granted", "refused", "unanswered", "done"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one deed."""

    said: Said
    code: str = ""
    taken: Pending | None = None
    asked_at: int = 0


class Traffic:
    """One run of a plan."""

    def __init__(
        self, plan: Plan, doors: Doors, control: Control, *, in_flight: int, on_answer: Callable[[Answered], None]
    ) -> None:
        self.answers: dict[int, Answered] = {}
        self._plan = plan
        self._doors = doors
        self._control = control
        self._in_flight = in_flight
        self._on_answer = on_answer
        self._clock: Clock = SystemClock()
        self._sales = {sale.n: sale for sale in plan.sales}
        self._over = {deed.after: asyncio.Event() for deed in plan.deeds if deed.after is not None}
        self._overheard: dict[int, list[Ask]] = {
            sale.repeats: [] for sale in plan.sales if sale.repeat == "replayed" and sale.repeats is not None
        }

    async def run(self) -> dict[int, Answered]:
        """Carries out all deeds. Gives the answers by the deeds' numbers."""
        patient: list[asyncio.Task[None]] = []

        async def work(deed: Deed) -> None:
            # Whoever waits for a payout waits for seconds, and must not keep others from selling meanwhile.
            if isinstance(deed, Spending) and deed.waits_for_payout:
                patient.append(asyncio.create_task(self._do(deed)))
            else:
                await self._do(deed)

        await in_parallel(self._plan.deeds, work, in_flight=self._in_flight)
        await asyncio.gather(*patient)
        return self.answers

    async def _do(self, deed: Deed) -> None:
        if deed.after is not None:
            await self._over[deed.after].wait()
        try:
            answer = await self._act(deed)
        except Trouble:
            answer = Answered("unanswered")
        self.answers[deed.n] = answer
        if deed.n in self._over:
            self._over[deed.n].set()
        if isinstance(deed, Sale):
            self._on_answer(answer)

    async def _act(self, deed: Deed) -> Answered:
        match deed:
            case Sale():
                return _answered(await self._sell(deed))
            case StepUp():
                return await self._step_up(deed)
            case SameDevice():
                return await self._enrol_again(deed)
            case Spending():
                return await self._spend(deed)

    async def _sell(self, sale: Sale) -> Pending | Refused | None:
        door = self._doors.of(sale)
        if sale.repeat == "replayed":
            return await self._replay(door, sale)
        call = Call("POST", TARGET, body_of(sale, self._plan.cast), sale.idempotency_key)
        if sale.forged:
            own = crypto.suite("ed25519").signer(self._plan.cast.stranger.secret)
            return await door.platform.run(thrown(forge(sale.forged, Loot(door.session, call, own))))
        if sale.n in self._overheard:
            return await door.platform.run(recorded(exchange(door.session, call, Pending), self._overheard[sale.n]))
        if sale.extras:
            return await door.platform.run(exchange(door.session, call, Pending))
        return await self._sell_honestly(door, sale)

    async def _sell_honestly(self, door: Door, sale: Sale) -> Pending | Refused:
        cast, source = self._plan.cast, sale.source
        contract, seller = cast.contracts[sale.contract].id, cast.sellers[sale.seller].id
        if isinstance(source, SimCard):
            return await door.platform.redeem_card(
                contract=contract, seller=seller, operator=source.operator, serial=source.serial, pin=source.pin,
                face_fen=source.face_fen, agent=sale.agent, expected_payout=sale.expected_payout,
                idempotency_key=sale.idempotency_key,
            )  # fmt: skip
        return await door.platform.redeem_balance(
            contract=contract, seller=seller, operator=source.operator, number=source.number,
            amount_fen=source.amount_fen, agent=sale.agent, expected_payout=sale.expected_payout,
            idempotency_key=sale.idempotency_key,
        )  # fmt: skip

    async def _replay(self, door: Door, sale: Sale) -> Pending | Refused | None:
        assert sale.repeats is not None, "a replay names what it repeats"
        overheard = self._overheard[sale.repeats]
        return await door.platform.run(thrown(overheard[-1])) if overheard else None

    async def _step_up(self, deed: StepUp) -> Answered:
        seller = self._plan.cast.sellers[deed.seller]
        address = self._plan.cast.partners[seller.partner].addresses[0]
        platform = self._doors.of_partner(seller.partner, address).platform
        # Nobody's face is compared before they were shown what becomes of it and have agreed.
        shown = await platform.privacy_notice()
        agreed = await platform.decide_consent(
            seller=seller.id, purpose=COMPARE_FACE.id, decision="give", notice=shown.version, language="zh"
        )
        if isinstance(agreed, Refused):
            return _answered(agreed)
        asked_at = self._clock.now()
        answer = await platform.step_up(
            seller=seller.id, capture=deed.capture, idempotency_key=f"step-up-{deed.n}-{os.urandom(4).hex()}"
        )
        return Answered("granted", asked_at=asked_at) if isinstance(answer, SteppedUp) else _answered(answer)

    async def _enrol_again(self, deed: SameDevice) -> Answered:
        first, second = self._plan.cast.sellers[deed.first], self._plan.cast.sellers[deed.second]
        assert first.device is not None, "the device to share is the first seller's"
        signer = first.device.signer
        answer = await self._doors.of_partner(second.partner, self._plan.cast.lair).platform.register_seller(
            name=second.name, identity_number=second.identity_number, number=second.number, payee=second.payee,
            key=crypto.PublicKey(signer.algorithm, signer.public),
        )  # fmt: skip
        return _answered(answer) if isinstance(answer, Refused) else Answered("granted")

    async def _spend(self, deed: Spending) -> Answered:
        if deed.waits_for_payout and deed.after is not None:
            sold = self.answers[deed.after].taken
            if sold is not None:
                platform = self._doors.of(self._sales[deed.after]).platform
                await platform.wait_until_settled(sold.redemption, PAYOUT_WAIT_S)
        await asyncio.to_thread(self._control.spend, [CardName(deed.card.operator, deed.card.serial)])
        return Answered("done")


def _answered(answer: Pending | Refused | None) -> Answered:
    if answer is None:
        return Answered("unanswered")
    if isinstance(answer, Refused):
        return Answered("refused", answer.code)
    return Answered("taken", taken=answer)


async def list_states(doors: Doors, plan: Plan) -> dict[str, RedemptionState]:
    """How every redemption of every partner stands, by id, as each partner may read it."""
    states: dict[str, RedemptionState] = {}
    for place, partner in enumerate(plan.cast.partners):
        platform, cursor = doors.of_partner(place, partner.addresses[0]).platform, None
        while True:
            page = await platform.redemptions(cursor, PAGE_ROWS)
            if isinstance(page, Refused):
                raise Trouble(f"a partner may not read its own redemptions: {page.sentence_en}")
            states |= {state.redemption: state for state in page.redemptions}
            cursor = page.next
            if cursor is None:
                break
    return states


async def look_again(
    doors: Doors, plan: Plan, taken: Iterable[tuple[Sale, str]], states: dict[str, RedemptionState]
) -> None:
    """Reads those states anew that were pending still."""

    async def look(pair: tuple[Sale, str]) -> None:
        sale, redemption = pair
        address = plan.cast.partners[sale.signs].addresses[0]
        state = await doors.of_partner(sale.signs, address).platform.run(
            calls.redemption(doors.of_partner(sale.signs, address).session, redemption)
        )
        if not isinstance(state, Refused):
            states[redemption] = state

    await in_parallel(taken, look, in_flight=8)
