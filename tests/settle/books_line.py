"""The real line over a real database, driven step by step: for tests of what the books do, whoever asks.

`BooksLine` runs `history.line.Line` with the platform's own appliers on an event loop of its own; `submit` puts
commands in one batch and gives their answers. It can be restarted, which drops the working set, and told to let the
next commit fail before, or just after, it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import asyncpg
import msgspec

from suyuan.base import db
from suyuan.base.clock import SECOND, SetClock, shanghai_day
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows import change_terms, keep_house, record_outcome, sell_on, take_redemption
from suyuan.flows.shelves import Shelves
from suyuan.history.events import SwitchTurned, TierRaised
from suyuan.history.leader import take_lead
from suyuan.history.line import Applier, Decided, Line, Turn
from suyuan.privacy.classes import BlindIndex, Privacy, Sealed
from suyuan.privacy.subject_keys import SubjectKey, key_id
from suyuan.settle.account import FOR_EVER, Contract, Key, Partner, Seller, Switch
from suyuan.settle.limits import LimitRules
from suyuan.settle.payout import Disposition
from tests.risk.policies import quiet_risk

NOON = 1_795_320_000 * SECOND  # 2026-11-22, 12:00 in Shanghai.
PARTNER, PARTNER_KEY = "ptn_1", "key_partner"


class RaiseToday(msgspec.Struct, frozen=True):
    """A face check was passed."""

    seller: str


class Turned(msgspec.Struct, frozen=True):
    """A kill switch is to stop or open something."""

    target: str
    stopped: bool


class Done(msgspec.Struct, frozen=True):
    """It was done; `fen` says how much where there is an amount."""

    fen: int = 0


def _want_raise(shelves: Shelves, command: RaiseToday, now: int) -> bool:
    shelves.limits.want_raise(command.seller, shanghai_day(now))
    return True


def _raise(shelves: Shelves, command: RaiseToday, turn: Turn) -> Decided:
    raised_fen = shelves.limits.raise_today(turn, command.seller, shanghai_day(turn.at))
    if raised_fen is None:
        return Decided(Refusal(Reason.step_up_was_granted_before))
    event = TierRaised("stp", command.seller, shanghai_day(turn.at), raised_fen, "reference")
    return Decided(Done(raised_fen), (event,))


def _want_switch(shelves: Shelves, command: Turned, now: int) -> bool:
    shelves.register.switches.want(command.target)
    return True


def _turn_switch(shelves: Shelves, command: Turned, turn: Turn) -> Decided:
    switch = shelves.register.switches.get(command.target)
    if switch is None:
        shelves.register.switches.add(Switch(command.target, command.stopped, turn.at))
    else:
        switch.stopped = command.stopped
        shelves.register.switches.change(switch.target, switch)
    kind, _, target = command.target.partition(":")
    return Decided(Done(), (SwitchTurned(kind, target, command.stopped, "ofc_1"),))


APPLIERS: dict[type, Applier] = {
    take_redemption.TakeRedemption: take_redemption.APPLIER,
    record_outcome.RecordOutcome: record_outcome.APPLIER,
    record_outcome.TakeBack: record_outcome.TAKE_BACK_APPLIER,
    sell_on.SellOn: sell_on.APPLIER,
    keep_house.ReleaseHolds: keep_house.APPLIER,
    **change_terms.APPLIERS,
    RaiseToday: Applier(_want_raise, _raise),
    Turned: Applier(_want_switch, _turn_switch),
}


class CommitFailed(Exception):
    """What an injected failure raises."""


class _Breakable:
    """The line's connection, whose next COMMIT may be made to fail before or after it is done."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self.next_commit: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str, *arguments: object) -> object:
        if query != "COMMIT" or self.next_commit is None:
            return await self._connection.execute(query, *arguments)
        how, self.next_commit = self.next_commit, None
        if how == "refused":
            raise CommitFailed("the database refused this commit")
        await self._connection.execute("COMMIT" if how == "lost after" else "ROLLBACK")
        raise ConnectionResetError("the connection to the database was lost")


Act = Callable[[Shelves, Turn], Any]


class BooksLine:
    """One line, on a loop of its own."""

    def __init__(self, url: str, rules: LimitRules | None = None, clock: SetClock | None = None) -> None:
        self.url = url
        self.rules = rules or LimitRules()
        self.clock = clock or SetClock(NOON)
        self._runner = asyncio.Runner()
        self._reading: Any = None
        self._run(self._start())

    def submit(self, *commands: msgspec.Struct) -> list[Any]:
        """The answers to these commands, decided in one batch."""
        answers: list[Any] = self._run(self._submit(commands))
        return answers

    def one(self, command: msgspec.Struct) -> Any:
        """The answer to one command."""
        return self.submit(command)[0]

    @property
    def next_at(self) -> int:
        """The instant of whatever is decided next."""
        return max(self.clock.now(), self._line._last_at + 1)

    def restart(self, rules: LimitRules | None = None) -> None:
        """Another leader takes over, with nothing in memory, and under these rules from now on."""
        self.rules = rules or self.rules
        self._run(self._stop())
        self._run(self._start())

    def break_next_commit(self, how: str) -> None:
        """`refused`: the database says no. `lost before`, `lost after`: the connection breaks around the commit."""
        self._connection.next_commit = how

    def decide_in_parts(self) -> None:
        """Until the next restart each command is a part of its own, looked up beside the batch's transaction."""
        self._reading = self._run(asyncpg.connect(db.for_asyncpg(self.url)))
        self._line._reading, self._line._part_sizes = self._reading, (1, 1)

    def register(self, *rows: msgspec.Struct) -> None:
        """Puts rows into the register as they are, as if officers had approved them."""
        self._run(self._register(rows))

    def decide(
        self, act: Callable[[Shelves, Turn], Any], *, wants: Callable[[Shelves], Any], commit: bool = True
    ) -> Any:
        """Runs one act over the working set, as an applier would, and commits what it changed."""
        return self._run(self._decide(act, wants, commit))

    def close(self) -> None:
        self._run(self._stop())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Any) -> Any:
        return self._runner.run(work)

    async def _start(self) -> None:
        self._connection = _Breakable(await asyncpg.connect(db.for_asyncpg(self.url)))
        await self._connection.execute("SET enable_seqscan = off; SET jit = off")
        lead = await take_lead(self._connection)
        assert lead is not None
        self.shelves = Shelves(self.rules, risk=quiet_risk())
        line: Line[Shelves] = Line(self._connection, self.shelves, APPLIERS, lead, self.clock)
        self._line = line
        self._running = asyncio.create_task(line.run())

    async def _stop(self) -> None:
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionResetError):
            await self._running
        await self._connection.close()
        if self._reading is not None:
            await self._reading.close()

    async def _submit(self, commands: tuple[msgspec.Struct, ...]) -> list[Any]:
        return await asyncio.gather(*[self._line.submit(command) for command in commands])

    async def _register(self, rows: tuple[msgspec.Struct, ...]) -> None:
        register = self.shelves.register
        shelf_of: dict[type, Any] = {
            Partner: register.partners,
            Seller: register.sellers,
            Contract: register.contracts,
            Key: register.keys,
        }
        for row in rows:
            shelf_of[type(row)].add(row)
        await self._write()

    async def _decide(self, act: Act, wants: Callable[[Shelves], Any], commit: bool) -> Any:
        wants(self.shelves)
        while await self.shelves.load(self._connection):
            wants(self.shelves)
        outcome = act(self.shelves, Turn(0, self.clock.now()))
        if commit:
            await self._write()
        return outcome

    async def _write(self) -> None:
        async with self._connection.transaction():
            await self.shelves.flush(self._connection)
        self.shelves.settle()


@dataclass(frozen=True)
class Knock:
    """One request to redeem, in the words of a story; `command` makes it what the line gets."""

    number: int
    seller: str = "slr_1"
    contract: str = "money"
    face_fen: int = 100_00
    card: str = ""
    key: str = PARTNER_KEY
    ip_prefix: str = "203.0.113.0/24"
    nonce: str = ""
    idempotency: str = ""
    digest: str = ""
    operator: str = "cmcc"
    source: str = "card"
    expected_payout: int | None = None
    secret_is_valid: bool | None = None

    @property
    def id(self) -> str:
        return f"rdm_{self.number:06}"

    def command(self) -> take_redemption.TakeRedemption:
        card = self.card or f"crd_{self.number}"
        return take_redemption.TakeRedemption(
            redemption=self.id,
            key=self.key,
            nonce_mark=_mark(f"nonce {self.nonce or self.number}", 16),
            request_mark=_mark(f"request {self.idempotency or self.number}", 16),
            request_digest=_mark(f"digest {self.digest or self.idempotency or self.number}", 32),
            contract=self.contract,
            seller=self.seller,
            agent=None,
            ip_prefix=self.ip_prefix,
            source=self.source,
            operator=self.operator,
            card=BlindIndex(card),
            serial_index=BlindIndex(f"serial of {card}"),
            batch_index=BlindIndex("batch"),
            number=None,
            sealed_serial=Sealed("2a.sealed"),
            sealed_secret=Sealed("2a.sealed"),
            subject_key=SubjectKey(key_id(self.id, Privacy.CARD_SECRET), 1, bytes(60), b""),
            face_fen=self.face_fen,
            expected_payout=self.expected_payout,
            secret_is_valid=self.secret_is_valid,
        )


def _mark(text: str, size: int) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:size]


def outcome(redemption: str, kind: str, word: str = "word") -> record_outcome.RecordOutcome:
    """A provider's verdict on one of the two orders; `pay_unknown` is a channel that does not answer."""
    is_paying = kind in ("paid", "pay_refused", "pay_unknown")
    suffix = record_outcome.PAY_SUFFIX if is_paying else record_outcome.CONSUME_SUFFIX
    return record_outcome.RecordOutcome(
        redemption, redemption + suffix, "unknown" if kind == "pay_unknown" else kind, word, 1, 1
    )


def a_partner(name: str = PARTNER, webhook_url: str = "") -> Partner:
    return Partner(name, f"name of {name}", "active", webhook_url)


def a_seller(name: str = "slr_1", **facts: Any) -> Seller:
    seller = Seller(
        name, PARTNER, "active", 1, f"identity of {name}", f"payee of {name}", f"number of {name}",
        "1.name", "1.identity", "1.number", "1.payee", NOON - 1, 0,
    )  # fmt: skip
    return msgspec.structs.replace(seller, **facts)


def a_contract(name: str = "money", **terms: Any) -> Contract:
    contract = Contract(
        id=name, partner=PARTNER, source="card", value_kind="money", ratio_face=10, ratio_value=8,
        channel="bank_transfer", merchant_id="m-1", disposition=Disposition.CONSUME_THEN_PAY, hold_s=0, begins_at=0,
        ends_at=FOR_EVER,
    )  # fmt: skip
    return msgspec.structs.replace(contract, **terms)


def a_key(name: str = PARTNER_KEY, **facts: Any) -> Key:
    key = Key(name, "partner", PARTNER, "ed25519", f"public key of {name}", "active", None, "", FOR_EVER)
    return msgspec.structs.replace(key, **facts)


def lay(line: BooksLine) -> BooksLine:
    """The ordinary register: one partner with its key, one seller, one contract of money."""
    line.register(a_partner(), a_key(), a_seller(), a_contract())
    return line
