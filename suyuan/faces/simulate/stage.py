"""Sets the scene for a plan: the world in the sandbox, the terms by two officers, the sellers through the API.

A day that is over in seconds is decided by a policy of its own (`short_day.toml`); the shipped one only watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from itertools import islice
from typing import TypeVar

import msgspec

from suyuan.base import wire
from suyuan.base.crypto import PublicKey
from suyuan.base.refusals import Refusal
from suyuan.faces import officers
from suyuan.faces.officers import Officer
from suyuan.faces.sdk import Refused
from suyuan.faces.simulate.cast import Cast, Terms
from suyuan.faces.simulate.deeds import Plan, SimBalance, SimCard
from suyuan.faces.simulate.doors import Doors
from suyuan.flows import trade_terms as terms
from suyuan.flows.change_terms import AnyChange, encode_change
from suyuan.flows.deploy_policy import DeployPolicy
from suyuan.history.frames import Commands
from suyuan.outside.sandbox.client import Control
from suyuan.outside.sandbox.facts import Balance, Card, Merchant, Person
from suyuan.outside.sandbox.faults import Fault, FaultPlan
from suyuan.risk.deployed import ACTIVE, SHADOW
from suyuan.risk.memory import default_policy

CARDS_PER_REQUEST = 2_000
TROUBLE = {
    Fault.LOSES_ANSWER: 0.010, Fault.UNKNOWN_CODE: 0.010, Fault.DOES_BUT_FAILS: 0.005, Fault.FAILS: 0.005,
    Fault.DELIVERED_TWICE: 0.010, Fault.ANSWERS_LATE: 0.003, Fault.NEVER_ANSWERS: 0.002,
}  # fmt: skip
"""How often operators and channels misbehave in a simulated day. None of it may cost anybody a fen."""
TROUBLED_OPERATORS = ("cmcc", "unicom")
TROUBLED_CHANNELS = ("bank_transfer", "coupon_hall", "points_bank")
TAKEN_BACK = 0.003
"""How often an operator takes a card back, a second after it was consumed and perhaps paid for."""

Item = TypeVar("Item")


class SceneFailed(Exception):
    """The scene could not be set, so nothing of the plan was tried."""


def furnish_world(control: Control, plan: Plan) -> None:
    """Issues the cards, opens the balances, registers merchants, and lets providers misbehave."""
    sources = [sale.source for sale in plan.sales]
    sources += [deed.card for deed in plan.deeds if hasattr(deed, "card")]
    cards = {source.name: source for source in sources if isinstance(source, SimCard) and source.true_pin}
    for some in _some(cards.values(), CARDS_PER_REQUEST):
        control.issue_cards([Card(card.operator, card.serial, card.true_pin or "", card.face_fen) for card in some])
    balances = {(one.operator, one.number): one for one in sources if isinstance(one, SimBalance)}
    for batch in _some(balances.values(), CARDS_PER_REQUEST):
        control.open_balances([Balance(b.operator, b.number, b.has_fen, b.answer, b.after_ms) for b in batch])
    contracts = plan.cast.contracts
    control.register_merchants([Merchant(contract.channel, contract.merchant_id) for contract in contracts])
    for target in TROUBLED_CHANNELS:
        control.set_faults(FaultPlan(target, TROUBLE, seed=plan.seed))
    for target in TROUBLED_OPERATORS:
        control.set_faults(FaultPlan(target, TROUBLE | {Fault.REVERSES_LATER: TAKEN_BACK}, seed=plan.seed))


def enrol_faces(control: Control, cast: Cast, person_of: Callable[[str], str]) -> None:
    """Shows the face check who is who; `person_of` gives the reference under which the platform asks for a seller."""
    people = [Person(person_of(seller.id), seller.capture) for seller in cast.sellers]
    for faces in _some(people, CARDS_PER_REQUEST):
        control.enrol_people(faces)


def calm_world(control: Control) -> None:
    """Ends all trouble; what an operator has decided to take back still comes, within a second."""
    for target in (*TROUBLED_OPERATORS, *TROUBLED_CHANNELS):
        control.heal(target)


async def register_terms(line: Commands, cast: Cast) -> None:
    """Two officers step forward; one proposes every partner, agent, contract and key, the other approves."""
    first, second = (Officer(keys.id, keys.signer) for keys in cast.officers)
    for officer in (first, second):
        await _submit(line, officers.register(officer))
    for number, change in enumerate(_changes(cast)):
        proposal = f"prp_{number}"
        await _submit(line, officers.propose(first, proposal, change))
        await _submit(line, officers.approve(second, proposal, encode_change(change)))


async def register_sellers(doors: Doors, cast: Cast, *, in_flight: int, on_registered: Callable[[], None]) -> None:
    """Every partner registers its sellers through the API."""

    async def register(place: int) -> None:
        seller = cast.sellers[place]
        partner = cast.partners[seller.partner]
        device = None if seller.device is None else seller.device.signer
        answer = await doors.of_partner(seller.partner, partner.addresses[0]).platform.register_seller(
            name=seller.name, identity_number=seller.identity_number, number=seller.number, payee=seller.payee,
            seller=seller.id, idempotency_key=f"register-{seller.id}",
            key=None if device is None else PublicKey(device.algorithm, device.public),
        )  # fmt: skip
        if isinstance(answer, Refused):
            raise SceneFailed(f"a seller could not be registered: {answer.code} {answer.where}")
        if answer.device_key:
            doors.device_keys[place] = answer.device_key
        on_registered()

    await in_parallel(range(len(cast.sellers)), register, in_flight=in_flight)


async def in_parallel(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], *, in_flight: int) -> None:
    """Works through the items in order, so many at a time. The first fault ends it all."""
    waiting = iter(items)

    async def take() -> None:
        for item in waiting:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(take())


def _changes(cast: Cast) -> Iterator[AnyChange]:
    yield DeployPolicy(files("suyuan.faces.simulate").joinpath("short_day.toml").read_text("utf-8"), ACTIVE)
    yield DeployPolicy(default_policy().text, SHADOW)
    for partner in cast.partners:
        yield terms.AddPartner(partner.id, partner.name)
        public = wire.b64(partner.key.signer.public)
        yield terms.AddKey(partner.key.id, "partner", partner.id, partner.key.algorithm, public)
    above: str | None = None
    for agent in cast.agents:
        yield terms.AddAgent(agent, cast.partners[0].id, above)
        above = agent
    for contract in cast.contracts:
        yield _contract(cast, contract)


def _contract(cast: Cast, contract: Terms) -> terms.AddContract:
    return terms.AddContract(
        contract.id, cast.partners[contract.partner].id, contract.source, contract.value_kind.value,
        contract.ratio.face, contract.ratio.value, contract.channel, contract.merchant_id,
        contract.disposition.value, contract.hold_s,
    )  # fmt: skip


async def _submit(line: Commands, command: msgspec.Struct) -> None:
    answer = await line.submit(command)
    if isinstance(answer, Refusal):
        raise SceneFailed(f"{type(command).__name__} was refused: {answer.sentence('en')}")


def _some(items: Iterable[Item], count: int) -> Iterator[Sequence[Item]]:
    """The items in portions."""
    rest = iter(items)
    while portion := list(islice(rest, count)):
        yield portion
