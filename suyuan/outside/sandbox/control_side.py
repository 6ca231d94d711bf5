"""The side of whoever plays the world: what exists, what goes wrong, and what truly happened. Not signed.

| request | body |
|---|---|
| `POST /control/cards` | `{"cards": [Card]}` – issues cards; one that is known stays as it is |
| `POST /control/spend` | `{"cards": [CardName]}` – their holders use the PINs, perhaps after selling them |
| `POST /control/balances` | `{"balances": [Balance]}` – numbers with credit, and what their holders will say |
| `POST /control/merchants` | `{"merchants": [Merchant]}` – whom the channels pay for |
| `POST /control/payees` | `{"payees": [Payee]}` – accounts that are closed or do not exist |
| `POST /control/people` | `{"people": [Person]}` – whose capture shows whom |
| `POST /control/transit_keys` | `{"keys": [TransitKey]}` – keys of the KMS, and the token of each |
| `POST /control/faults` | `FaultPlan` – replaces the plan of one target |
| `GET /control/tally` | – the `Tally`; `?detail=sums` leaves out what grows with the number of orders |

Each answers `{"count": n}`: how many of the things named were new, or could be spent. A body that names an unknown
target or cannot be read gets 400 and a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from suyuan.base.clock import Clock
from suyuan.base.money import is_amount
from suyuan.outside.sandbox import facts
from suyuan.outside.sandbox.facts import Card, CardName, IssuedCard, Person, TransitKey, secret_digest
from suyuan.outside.sandbox.faults import OF_KMS, OF_KMS_ALONE, FaultPlan
from suyuan.outside.sandbox.world import CHANNELS, KMS, OPERATORS, TARGETS, Memory

Body = TypeVar("Body")


class CardsBody(msgspec.Struct, forbid_unknown_fields=True):
    cards: list[Card]


class SpendBody(msgspec.Struct, forbid_unknown_fields=True):
    cards: list[CardName]


class BalancesBody(msgspec.Struct, forbid_unknown_fields=True):
    balances: list[facts.Balance]


class MerchantsBody(msgspec.Struct, forbid_unknown_fields=True):
    merchants: list[facts.Merchant]


class PayeesBody(msgspec.Struct, forbid_unknown_fields=True):
    payees: list[facts.Payee]


class PeopleBody(msgspec.Struct, forbid_unknown_fields=True):
    people: list[Person]


class TransitKeysBody(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[TransitKey]


class ControlSide:
    """Lets a test, a demo or the simulator play the world."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._world = memory.world
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            self._setting("cards", CardsBody, self._issue),
            self._setting("spend", SpendBody, self._spend),
            self._setting("balances", BalancesBody, self._open_balances),
            self._setting("merchants", MerchantsBody, self._register),
            self._setting("payees", PayeesBody, self._change_payees),
            self._setting("people", PeopleBody, self._enrol),
            self._setting("transit_keys", TransitKeysBody, self._set_transit_keys),
            self._setting("faults", FaultPlan, self._set_faults),
            Route("/control/tally", self.get_tally, methods=["GET"]),
        ]

    async def get_tally(self, request: Request) -> Response:
        self._memory.catch_up(self._clock.now())
        tally = self._world.tally
        if request.query_params.get("detail") == "sums":
            tally = msgspec.structs.replace(tally, cards={}, numbers={}, payouts={}, checks={}, codes={})
        return Response(msgspec.json.encode(tally), media_type="application/json")

    def _setting(self, name: str, kind: type[Body], act: Callable[[Body], int]) -> Route:
        async def post(request: Request) -> Response:
            content = await request.body()
            try:
                count = act(msgspec.json.decode(content, type=kind))
            except (ValueError, msgspec.DecodeError) as error:
                return PlainTextResponse(f"{error}\n", 400)
            return Response(msgspec.json.encode({"count": count}), media_type="application/json")

        return Route(f"/control/{name}", post, methods=["POST"])

    def _issue(self, body: CardsBody) -> int:
        _must_be_known((card.operator for card in body.cards), OPERATORS)
        _must_be_amounts(card.face_fen for card in body.cards)
        new = [_sealed(card) for card in body.cards if not self._world.knows_card(card.operator, card.serial)]
        self._memory.record(facts.CardsIssued(new))
        return len(new)

    def _spend(self, body: SpendBody) -> int:
        unspent = [card for card in body.cards if self._world.is_unspent(card.operator, card.serial)]
        self._memory.record(facts.CardsSpent(unspent))
        return len(unspent)

    def _open_balances(self, body: BalancesBody) -> int:
        _must_be_known((balance.operator for balance in body.balances), OPERATORS)
        _must_be_amounts(balance.balance_fen for balance in body.balances)
        self._memory.record(facts.BalancesOpened(body.balances))
        return len(body.balances)

    def _register(self, body: MerchantsBody) -> int:
        _must_be_known((merchant.channel for merchant in body.merchants), CHANNELS)
        self._memory.record(facts.MerchantsRegistered(body.merchants))
        return len(body.merchants)

    def _change_payees(self, body: PayeesBody) -> int:
        _must_be_known((payee.channel for payee in body.payees), CHANNELS)
        self._memory.record(facts.PayeesChanged(body.payees))
        return len(body.payees)

    def _enrol(self, body: PeopleBody) -> int:
        people = [Person(person.person, secret_digest(person.person, person.capture)) for person in body.people]
        self._memory.record(facts.PeopleEnrolled(people))
        return len(people)

    def _set_transit_keys(self, body: TransitKeysBody) -> int:
        for key in body.keys:
            digest = secret_digest(KMS, key.token)
            self._memory.record(facts.TransitKeySet(msgspec.structs.replace(key, token=digest)))
        return len(body.keys)

    def _set_faults(self, plan: FaultPlan) -> int:
        _must_be_known([plan.target], TARGETS)
        misplaced = plan.shares.keys() - OF_KMS if plan.target == KMS else plan.shares.keys() & OF_KMS_ALONE
        if misplaced:
            raise ValueError(f"{plan.target} has no faults called {', '.join(sorted(misplaced))}")
        self._memory.record(facts.FaultsSet(plan))
        return len(plan.shares)


def _sealed(card: Card) -> IssuedCard:
    digest = secret_digest(f"{card.operator}/{card.serial}", card.pin)
    return IssuedCard(card.operator, card.serial, digest, card.face_fen)


def _must_be_known(names: Iterable[str], known: Iterable[str]) -> None:
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(f"the sandbox has no twin called {', '.join(sorted(unknown))}; it has {', '.join(known)}")


def _must_be_amounts(amounts: Iterable[int]) -> None:
    if not all(is_amount(amount) for amount in amounts):
        raise ValueError("an amount is a whole, positive number of fen within bounds")
