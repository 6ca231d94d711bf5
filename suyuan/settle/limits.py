"""Limits are accounts: who redeems takes from every limit that concerns it, or from none.

There is one account per subject, rule and window. Subjects are the seller, the person behind it (blind index), the
device, the payee, the partner and the IP prefix, so that splitting one sum over accounts is caught by what they
share. A take is a hold on the account, whose allowance is the cap; giving back voids the hold. In a `day` window the
account is of one calendar day in Asia/Shanghai and holds end with it; in the rolling `24h` window there is a single
account, and a hold on it expires by itself. The account's bound repeats the cap in the database.

A step-up raises today's limit of the seller alone, once a day. The rolling cap has room for one raise, so that two
raises around midnight do not add up.

Invariants: what a subject takes within a window never exceeds its cap plus the raise; a refused redemption takes
nothing; a rejected one gives everything back, once.

A cap depends on the tier: 0 for whoever's device is newer than a day, 1 after verification, 2 by contract. A decision
may tighten all limits for one attempt, to a `percent` of what they are; nothing ever loosens them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.history.line import Turn
from suyuan.history.working_set import SHELF_ROWS_MAX, Connection
from suyuan.settle.ledger import Account, Booked, Books

SPENT = "limit/spent"
RAISED = "limit/raised"
TAKE = "limit"
RAISE = "raise"
# A seller who comes back after a long time may have many expired holds; no single turn pays for all of them.
RELEASES_PER_TAKE_MAX = 256
# Busy sellers have hundreds of holds a day, so not only the accounts are counted.
HOLDS_MAX = 200_000
# Who wanted a redemption's limits a moment ago decides over the same ones now.
TAKES_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit: whose, over which window (`day` or `24h`), at most how much by tier."""

    subject: str
    window: str
    cap_fen: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LimitRules:
    """All limits of a platform. Ceilings are facts of settle; no policy can loosen them."""

    transaction_fen_max: tuple[int, int, int] = (500_00, 1_000_00, 5_000_00)
    step_up_raise_fen: int = 5_000_00
    rules: tuple[Rule, ...] = (
        Rule("seller", "day", (500_00, 5_000_00, 20_000_00)),
        Rule("seller", "24h", (500_00, 10_000_00, 25_000_00)),
        Rule("identity", "day", (10_000_00, 10_000_00, 30_000_00)),
        Rule("device", "day", (10_000_00, 10_000_00, 30_000_00)),
        Rule("payee", "day", (10_000_00, 10_000_00, 30_000_00)),
        Rule("ip_prefix", "day", (1_000_000_00, 1_000_000_00, 1_000_000_00)),
        Rule("partner", "day", (100_000_000_00, 100_000_000_00, 100_000_000_00)),
    )


class Take(NamedTuple):
    """What one rule asks of one redemption: the limit account, and the cap that counts today."""

    rule: Rule
    key: str
    cap_fen: int


class _Hold(NamedTuple):
    transfer: int
    expires_at: int
    fen: int


class Limits:
    """Checks and takes, over the books' limit accounts."""

    def __init__(self, books: Books, rules: LimitRules) -> None:
        self._books = books
        self.rules = rules
        # The open holds of each rolling account, oldest first.
        self._holds: dict[str, deque[_Hold]] = {}
        self._held = 0
        self._wanted: set[str] = set()
        # Holds that this batch has given back; whoever reads beside its transaction still finds them open.
        self._given_back: set[int] = set()
        self._remembered_takes = lru_cache(TAKES_REMEMBERED)(self._takes)

    # --- before the batch ---

    def takes(self, subjects: Mapping[str, str], tier: int, day: str) -> Sequence[Take]:
        """Which limits a redemption meets. A subject that is absent, as a device may be, has no limit."""
        return self._remembered_takes(tuple(subjects.items()), tier, day)

    def _takes(self, subjects: tuple[tuple[str, str], ...], tier: int, day: str) -> tuple[Take, ...]:
        whose = dict(subjects)
        return tuple(
            Take(rule, _key(rule, whose[rule.subject], day), rule.cap_fen[tier])
            for rule in self.rules.rules
            if rule.subject in whose
        )

    def want(self, takes: Iterable[Take]) -> None:
        """Asks for the accounts of these limits."""
        self._books.want(SPENT)
        self._books.accounts.want_all([take.key for take in takes])
        for take in takes:
            if take.rule.window == "24h" and take.key not in self._holds:
                self._wanted.add(take.key)

    def want_holds(self, keys: Iterable[str]) -> None:
        """Asks for rolling accounts and their holds."""
        self._books.want(SPENT)
        for key in keys:
            self._books.want(key)
            if key not in self._holds:
                self._wanted.add(key)

    def want_raise(self, seller: str, day: str) -> None:
        """Asks for the accounts that a step-up touches."""
        self._books.want(RAISED)
        for take in self._raisable(seller, day):
            self._books.want(take.key)

    async def load(self, connection: Connection) -> bool:
        """Loads the open holds of rolling accounts that were not in memory."""
        if not self._wanted:
            return False
        wanted, self._wanted = self._wanted, set()
        found = await connection.fetch(_HOLDS, list(wanted))
        self._holds.update({key: deque() for key in wanted})
        for key, *values in found:
            hold = _Hold(*values)  # type: ignore[arg-type]  # The query names their types.
            if hold.transfer not in self._given_back:
                self._hold(str(key), hold)
        return True

    # --- deciding ---

    def check(self, takes: Sequence[Take], fen: int, *, tier: int, at: int, percent: int = 100) -> Refusal | None:
        """Whether every limit has room, where only so many percent of each count. Changes nothing."""
        percent = max(0, min(percent, 100))
        if fen > self.rules.transaction_fen_max[tier] * percent // 100:
            return Refusal(Reason.transaction_limit_is_reached, "seller")
        for take in takes:
            account = self._books.accounts.get(take.key)
            room_fen = self._allowed_fen(take, account, tier) * percent // 100
            if account is not None:
                room_fen -= self._taken_fen(take, account, at)
            if fen > room_fen:
                return self._refuse(take, account, tier, missing_fen=fen - room_fen, percent=percent)
        return None

    def take(self, turn: Turn, takes: Sequence[Take], fen: int) -> None:
        """Takes from every limit; `check` has said that there is room."""
        spent = self._books.account(SPENT, ledger="limit", bound="none")
        for take in takes:
            account = self._books.account(take.key, ledger="limit", allowance_fen=take.cap_fen)
            expires_at = None
            if take.rule.window == "24h":
                expires_at = plus(turn.at, DAY_S)
                if self._has_expired(take.key, turn.at):
                    self._release_expired(turn, account, spent)
                self._hold(take.key, _Hold(self._books.next_transfer, expires_at, fen))
            # The cap may have changed with the tier since the account was opened; `check` went by today's.
            account.allowance_fen = max(take.cap_fen, account.allowance_fen)
            self._books.pend(turn, account, spent, fen, kind=TAKE, expires_at=expires_at)

    def give_back(self, turn: Turn, group: Iterable[Booked]) -> None:
        """Returns what a redemption took and did not use."""
        for taken in group:
            # The group may hold other takes' expiries, which were released on the way; they are no holds.
            if taken.kind == TAKE and taken.state == "pending" and not taken.resolved:
                self._books.resolve(turn, taken, "void")
                self._drop_hold(taken)

    def raise_today(self, turn: Turn, seller: str, day: str) -> int | None:
        """Raises today's limit of the seller, once. Returns by how much, None where it was raised before."""
        source = self._books.account(RAISED, ledger="limit", bound="none")
        accounts = [
            self._books.account(take.key, ledger="limit", allowance_fen=take.cap_fen)
            for take in self._raisable(seller, day)
        ]
        if any(_was_raised(account) for account in accounts):
            return None
        for account in accounts:
            self._books.post(turn, source, account, self.rules.step_up_raise_fen, kind=RAISE)
        return self.rules.step_up_raise_fen

    def _hold(self, key: str, hold: _Hold) -> None:
        self._holds[key].append(hold)
        self._held += 1

    def _drop_hold(self, taken: Booked) -> None:
        self._given_back.add(taken.id)
        holds = self._holds.get(taken.payer)
        if holds is not None:
            kept = deque(hold for hold in holds if hold.transfer != taken.id)
            self._held -= len(holds) - len(kept)
            self._holds[taken.payer] = kept

    def _raisable(self, seller: str, day: str) -> list[Take]:
        takes = self.takes({"seller": seller}, 0, day)
        return [take for take in takes if take.rule.window == "day"]

    def _allowed_fen(self, take: Take, account: Account | None, tier: int) -> int:
        """The cap and today's raise. A raise is not for a device newer than a day, whoever's face it showed."""
        return take.cap_fen + (account.credits_posted if account is not None and tier > 0 else 0)

    def _taken_fen(self, take: Take, account: Account, at: int) -> int:
        taken_fen = account.debits_pending + account.debits_posted
        if take.rule.window == "24h" and self._has_expired(take.key, at):
            taken_fen -= sum(hold.fen for hold in self._expired(take.key, at))
        return taken_fen

    def _has_expired(self, key: str, at: int) -> bool:
        holds = self._holds[key]
        return bool(holds) and holds[0].expires_at <= at

    def _expired(self, key: str, at: int) -> Iterable[_Hold]:
        """The holds that have expired, oldest first, as many as one turn may release."""
        for _, hold in zip(range(RELEASES_PER_TAKE_MAX), self._holds[key], strict=False):
            if hold.expires_at > at:
                return
            yield hold

    def release(self, turn: Turn, keys: Iterable[str]) -> list[int]:
        """Releases the expired holds of these accounts. Returns their amounts."""
        spent = self._books.account(SPENT, ledger="limit", bound="none")
        accounts = [account for key in keys if (account := self._books.accounts.get(key)) is not None]
        return [fen for account in accounts for fen in self._release_expired(turn, account, spent)]

    def _release_expired(self, turn: Turn, account: Account, spent: Account) -> list[int]:
        expired = list(self._expired(account.key, turn.at))
        for hold in expired:
            booked = Booked(hold.transfer, "pending", TAKE, account.key, spent.key, hold.fen, resolved=False)
            self._books.resolve(turn, booked, "expire")
            account.released_at = hold.expires_at
            self._holds[account.key].popleft()
            self._held -= 1
        return [hold.fen for hold in expired]

    def _refuse(self, take: Take, account: Account | None, tier: int, *, missing_fen: int, percent: int) -> Refusal:
        subject, window = take.rule.subject, take.rule.window
        if window == "24h":
            return Refusal(Reason.rolling_limit_is_reached, subject)
        raisable = subject == "seller" and tier > 0 and not (account and _was_raised(account))
        if raisable and missing_fen <= self.rules.step_up_raise_fen * percent // 100:
            return Refusal(Reason.step_up_is_needed, subject)
        return Refusal(Reason.daily_limit_is_reached, subject)

    # --- after the batch ---

    def settle(self) -> None:
        """After the commit: makes room."""
        self._given_back.clear()
        if self._held > HOLDS_MAX or len(self._holds) > SHELF_ROWS_MAX:
            # An eighth at a time, the accounts that came first; whoever wants them again finds them in the database.
            for key in list(self._holds)[: len(self._holds) // 8 + 1]:
                self._held -= len(self._holds.pop(key))

    def forget(self) -> None:
        """After a failed commit."""
        self._given_back.clear()
        self._holds.clear()
        self._held = 0
        self._wanted.clear()


def _key(rule: Rule, subject: str, day: str) -> str:
    window = f"day/{day}" if rule.window == "day" else rule.window
    return f"limit/{rule.subject}/{subject}/{window}"


def _was_raised(account: Account) -> bool:
    """Nothing but a raise is ever credited to a limit account for good."""
    return account.credits_posted > 0


async def accounts_with_expired_holds(
    connection: psycopg.AsyncConnection[TupleRow], *, now: int, rows_max: int
) -> list[str]:
    """Rolling accounts with holds that have expired and nobody has released."""
    found = await connection.execute(_EXPIRED, {"now": now, "rows_max": rows_max})
    return [row[0] for row in await found.fetchall()]


_EXPIRED = """
SELECT a.key FROM account a
WHERE a.ledger = 'limit' AND a.debits_pending > 0 AND a.key LIKE '%%/24h'
  AND EXISTS (SELECT FROM transfer t WHERE t.payer = a.id AND t.expires_at > a.released_at
              AND t.expires_at <= %(now)s
              -- One that was given back is no reason to come, or the sweeper would come for it for ever.
              AND NOT EXISTS (SELECT FROM transfer r WHERE r.resolves = t.id))
LIMIT %(rows_max)s
"""
# Holds up to `released_at` were all released; those that were voided since are left out one by one.
_HOLDS = """
SELECT a.key, t.id, t.expires_at, t.fen
FROM account a JOIN transfer t ON t.payer = a.id
WHERE a.key = ANY($1) AND t.expires_at > a.released_at
  AND NOT EXISTS (SELECT FROM transfer r WHERE r.resolves = t.id)
ORDER BY t.expires_at, t.id
"""
