"""The books: accounts with four counters, and transfers that never change.

A transfer moves `fen` (or units of coupon or points) from `payer` to `payee` within one ledger. It is *posted* at
once, or *pending* and then resolved once by a `post`, `void` or `expire` that names it. This module owns the tables
`account` and `transfer`, and the view `value_flow`, which it publishes for tracing.

Invariants, each repeated by a CHECK or UNIQUE in the database:
1. Within each ledger debits equal credits, posted and pending apart, because every transfer adds to both sides.
2. An account bound by `credit` never spends more than it received plus its allowance, and never promises more than
   it was promised. One bound by `debit` is never repaid more than it owes. Operators' and the world's accounts are
   bound by nothing.
3. A pending transfer is resolved at most once, for its full amount.
4. Each posted transfer between value accounts carries `out_pos`, what the payer had paid out before it, and
   `in_pos`, what the payee had received before it; both are the posted counters, so first-in-first-out tracing is
   interval arithmetic.

Keys read `<ledger>/<kind>/<whose>`, for example `money/seller/slr_…` or `limit/seller/slr_…/day/2026-11-22`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from suyuan.base.money import is_amount
from suyuan.history.line import Turn
from suyuan.history.working_set import Connection, Journal, Shelf

Bound = Literal["credit", "debit", "none"]
Resolution = Literal["post", "void", "expire"]

_FOR_GOOD = frozenset({"posted", "post"})

COUNTERS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")


class OutOfBounds(Exception):
    """Raised when a transfer would break an account's bound: who posts must have checked before."""


class ResolvedTwice(Exception):
    """Raised when a pending transfer that is posted, voided or expired already is to be resolved again."""


class Account(msgspec.Struct, gc=False):
    """One account. The shelf owns it; only `Books` changes its counters."""

    key: str
    id: int
    ledger: str
    bound: str
    allowance_fen: int
    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int
    released_at: int  # Every hold on it that expired up to here has been released.


# A plain tuple, because every step writes eleven of them and nobody reads them back.
Transfer: TypeAlias = tuple[
    int, int, int, str, str, str, int, int, int, int | None, int | None, int | None, int | None
]  # fmt: skip
TRANSFER_COLUMNS = (
    "id", "seq", "at", "ledger", "state", "kind", "payer", "payee", "fen", "resolves", "expires_at", "out_pos",
    "in_pos",
)  # fmt: skip


class Booked(msgspec.Struct, gc=False):
    """A transfer as it is read back to be resolved or reversed, with the keys of its accounts."""

    id: int
    state: str
    kind: str
    payer: str
    payee: str
    fen: int
    resolved: bool


class Books:
    """The accounts in memory, and the transfers on their way into the journal."""

    def __init__(self) -> None:
        self.accounts = Shelf("account", Account, changing=("allowance_fen", *COUNTERS, "released_at"))
        self.journal = Journal[Transfer]("transfer", TRANSFER_COLUMNS)
        self._next_account = 0
        self._next_transfer = 0
        self._knows_its_place = False
        self._wanted: set[tuple[int, int]] = set()
        self._booked: dict[tuple[int, int], list[Booked]] = {}

    # --- before the batch ---

    def want(self, key: str) -> None:
        """Asks for an account to be in memory."""
        self.accounts.want(key)

    def want_group(self, first: int, count: int) -> bool:
        """Asks for the transfers of one group, and then for their accounts. Returns whether that was all."""
        group = self._booked.get((first, count))
        if group is None:
            self._wanted.add((first, count))
            return False
        for booked in group:
            self.accounts.want(booked.payer)
            self.accounts.want(booked.payee)
        return True

    async def load(self, connection: Connection) -> bool:
        """Loads what was wanted, and at first where the numbering stands."""
        if not self._knows_its_place:
            (row,) = await connection.fetch(_NEXT_NUMBERS)
            self._next_account, self._next_transfer = _whole(row[0]), _whole(row[1])
            self._knows_its_place = True
        return await self.accounts.load(connection) | await self._load_groups(connection)

    # --- deciding ---

    @property
    def next_transfer(self) -> int:
        """The number that the next transfer will have."""
        return self._next_transfer

    def account(self, key: str, *, ledger: str, bound: Bound = "credit", allowance_fen: int = 0) -> Account:
        """The account of this key, opened now where there is none."""
        account = self.accounts.peek(key)
        if account is None:
            assert self.accounts.get(key) is None, "what is not in memory was looked for"
            account = Account(key, self._next_account, ledger, bound, allowance_fen, 0, 0, 0, 0, 0)
            self._next_account += 1
            self.accounts.add(account)
        return account

    def group(self, first: int, count: int) -> list[Booked]:
        """The transfers of one group, in order."""
        group = self._booked[first, count]
        # Of a group that this very batch has booked nothing is found yet; the batch is then served one by one.
        assert len(group) == count, "a group is resolved only after it was committed"
        return group

    def post(self, turn: Turn, payer: Account, payee: Account, fen: int, *, kind: str) -> None:
        """Moves value for good."""
        self._enter(turn, "posted", payer, payee, fen, kind=kind)

    def pend(
        self, turn: Turn, payer: Account, payee: Account, fen: int, *, kind: str, expires_at: int | None = None
    ) -> None:
        """Promises value. With `expires_at` it is our own hold, which ends by itself; without, it never does."""
        # Written out rather than left to `_enter`: a step has a dozen of these, and they are half of deciding it.
        ledger = payer.ledger
        assert ledger == payee.ledger, "value does not change its kind on the way"
        assert is_amount(fen), "a transfer moves a whole, positive number within bounds"
        payer.debits_pending += fen
        payee.credits_pending += fen
        # A promise can only break the bound of a payer that spends its own, or of a debt that is repaid.
        keeps = payer.bound != "credit" or _is_within_bounds(payer)
        if not (keeps and (payee.bound != "debit" or _is_within_bounds(payee))):
            payer.debits_pending -= fen
            payee.credits_pending -= fen
            raise OutOfBounds(f"a transfer of kind {kind} would break its account's bound")
        number = self._next_transfer
        self._next_transfer = number + 1
        seq, at = turn
        self.journal.append(
            (number, seq, at, ledger, "pending", kind, payer.id, payee.id, fen, None, expires_at, None, None)
        )
        self.accounts.change(payer.key, payer)
        self.accounts.change(payee.key, payee)

    def resolve(self, turn: Turn, booked: Booked, resolution: Resolution) -> None:
        """Ends a pending transfer: posts it, voids it, or lets an expired hold go."""
        if booked.state != "pending" or booked.resolved:
            raise ResolvedTwice("a pending transfer is resolved once; read the redemption's state")
        booked.resolved = True
        payer, payee = self._known(booked.payer), self._known(booked.payee)
        self._enter(turn, resolution, payer, payee, booked.fen, kind=booked.kind, resolves=booked.id)

    def _enter(
        self,
        turn: Turn,
        state: str,
        payer: Account,
        payee: Account,
        fen: int,
        *,
        kind: str,
        resolves: int | None = None,
    ) -> None:
        """Checks, counts and journals one transfer; on an error nothing has changed."""
        ledger = payer.ledger
        assert is_amount(fen), "a transfer moves a whole, positive number within bounds"
        assert ledger == payee.ledger, "value does not change its kind on the way"
        out_pos = in_pos = None
        if state in _FOR_GOOD and ledger != "limit":
            out_pos, in_pos = payer.debits_posted, payee.credits_posted
        _count(payer, payee, fen, state)
        if not (_is_within_bounds(payer) and _is_within_bounds(payee)):
            _count(payer, payee, -fen, state)
            raise OutOfBounds(f"a transfer of kind {kind} would break its account's bound")
        number = self._next_transfer
        self._next_transfer = number + 1
        seq, at = turn
        self.journal.append(
            (number, seq, at, ledger, state, kind, payer.id, payee.id, fen, resolves, None, out_pos, in_pos)
        )
        self.accounts.change(payer.key, payer)
        self.accounts.change(payee.key, payee)

    def _known(self, key: str) -> Account:
        account = self.accounts.get(key)
        assert account is not None, "a booked transfer's accounts exist"
        return account

    # --- after the batch ---

    async def flush(self, connection: Connection, *, rows_min: int = 0) -> None:
        """Writes accounts, then transfers."""
        await self.accounts.flush(connection, rows_min=rows_min)
        await self.journal.flush(connection, rows_min=rows_min)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to write."""
        return self.accounts.is_clean and self.journal.is_clean

    def settle(self) -> None:
        """After the commit."""
        self.accounts.settle()
        self.journal.settle()
        self._booked.clear()

    def forget(self) -> None:
        """After a failed commit: also forgets the numbering, which ran ahead."""
        self.accounts.forget()
        self.journal.forget()
        self._booked.clear()
        self._wanted.clear()
        self._knows_its_place = False

    async def _load_groups(self, connection: Connection) -> bool:
        if not self._wanted:
            return False
        wanted, self._wanted = list(self._wanted), set()
        firsts, counts = [first for first, _ in wanted], [count for _, count in wanted]
        found = await connection.fetch(_GROUPS, firsts, counts)
        self._booked.update({group: [] for group in wanted})
        for first, count, *values in found:
            self._booked[_whole(first), _whole(count)].append(Booked(*values))  # type: ignore[arg-type]  # The query names their types.
        return True


def _is_within_bounds(account: Account) -> bool:
    """The account's bound; the same three constraints stand in the database."""
    if account.bound == "none":
        return True
    if account.bound == "debit":
        return account.credits_pending + account.credits_posted <= account.debits_posted
    received = account.credits_posted + account.allowance_fen - account.debits_posted
    return received >= 0 and account.debits_pending <= account.credits_pending + received


def _count(payer: Account, payee: Account, fen: int, state: str) -> None:
    """Moves the four counters as a transfer in this state does."""
    if state in _FOR_GOOD:
        payer.debits_posted += fen
        payee.credits_posted += fen
    if state == "pending":
        payer.debits_pending += fen
        payee.credits_pending += fen
    elif state != "posted":
        payer.debits_pending -= fen
        payee.credits_pending -= fen


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


_NEXT_NUMBERS = """
SELECT (SELECT coalesce(max(id) + 1, 0) FROM account), (SELECT coalesce(max(id) + 1, 0) FROM transfer)
"""
# Each part is fenced (`OFFSET 0`, `LIMIT 1`), so that only a walk by keys is left to the planner. Guessing at the size
# of a range it would rather hash the whole journal, and the line would grow slower with every transfer.
_GROUPS = """
SELECT wanted.first, wanted.count, t.id, t.state, t.kind, payer.key, payee.key, t.fen, t.resolved
FROM unnest($1::bigint[], $2::bigint[]) AS wanted (first, count)
CROSS JOIN LATERAL (
    SELECT t.id, t.state, t.kind, t.payer, t.payee, t.fen,
           (SELECT true FROM transfer r WHERE r.resolves = t.id LIMIT 1) IS NOT NULL AS resolved
    FROM transfer t WHERE t.id >= wanted.first AND t.id < wanted.first + wanted.count OFFSET 0
) t
CROSS JOIN LATERAL (SELECT key FROM account WHERE id = t.payer LIMIT 1) payer
CROSS JOIN LATERAL (SELECT key FROM account WHERE id = t.payee LIMIT 1) payee
ORDER BY t.id
"""
