"""A redemption from the claim to the voucher, and the outbox that says what is still to be done for it.

Owns the tables `redemption` and `outbox`. The states, by the disposition of the contract (`payout.Stage` in capitals):

    before             in_review REVIEW ──▶ pending, or declined (a person has decided)
    consume_then_pay   pending CONSUME ──▶ consumed PAY ──▶ paid
    hold_then_sell     pending PROVE ──▶ proven PAY ──▶ held HELD ──▶ selling CONSUME ──▶ paid
    at any time        rejected (the operator will not), payout_refused (the channel will not),
                       reversed (the operator took back what was paid for: the seller's debt)

Invariants: `face = paid + fee + rounding`; a redemption that has a question to ask has exactly one outbox row, which
goes only with a definite answer of the world; an unknown answer moves nothing but the time of asking again; one that
waits for a person has none; nobody is asked to pay before `release_at`, nor while the seller is frozen.

How 100.00 at 10 : 8 is booked, in this order; what is promised together is withdrawn together:

    money/operator/cmcc ──100.00──▶ money/card/… ──80.00──▶ money/seller/… ──80.00──▶ money/payee/…
                                        └──20.00──▶ money/fee

A held card is paid for from `money/stock` before it brings anything, and pays the stock back when it is sold on.
Where the contract pays coupons or points, value leaves the ledger of money for an exchange account, and as many
units come from the exchange account of the other ledger. What a seller owes is paid off first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.money import Split, ValueKind
from suyuan.history.line import Turn
from suyuan.history.working_set import Shelf
from suyuan.settle.ledger import Account, Booked, Books, Resolution
from suyuan.settle.payout import Disposition, Stage

PENDING, CONSUMED, PROVEN, PAID, HELD, SELLING = "pending", "consumed", "proven", "paid", "held", "selling"
REJECTED, PAYOUT_REFUSED, REVERSED = "rejected", "payout_refused", "reversed"
IN_REVIEW, DECLINED = "in_review", "declined"

MONEY = "money"
FEE = "money/fee"
ROUNDING = "money/rounding"
STOCK = "money/stock"


class Redemption(msgspec.Struct, gc=False):
    """The state of one redemption."""

    id: str
    seq: int
    partner: str
    agent: str | None
    contract: str
    seller: str
    source: str
    card: str
    operator: str
    face_fen: int
    paid: int
    fee_fen: int
    rounding_fen: int
    debt_fen: int
    value_kind: str
    channel: str
    merchant_id: str
    payee: str
    sealed_payee: str
    disposition: str
    state: str
    first_transfer: int
    transfers: int
    taken_at: int
    changed_at: int
    reference: str  # The channel's, once paid; else the provider's last word.
    release_at: int = 0  # Nobody is asked to pay before this; 0 where nothing is delayed.


class Due(msgspec.Struct, gc=False):
    """Work that is promised: ask the world for this redemption, or tell a partner about it, not before `due_at`."""

    id: str
    kind: str
    redemption: str
    due_at: int
    attempts: int
    body: bytes


class DueRedemption(NamedTuple):
    """A redemption whose time to ask has come, with what is sealed of its source."""

    redemption: Redemption
    attempts: int
    sealed_serial: str
    sealed_secret: str


class DueMessage(NamedTuple):
    """A message to a partner whose time has come."""

    id: str
    attempts: int
    body: bytes
    partner: str
    webhook_url: str


class Redemptions:
    """The redemptions and the outbox rows of a batch."""

    def __init__(self) -> None:
        changing = ("state", "changed_at", "reference", "release_at")
        self.shelf = Shelf("redemption", Redemption, changing=changing, rows_max=20_000)
        self.outbox = Shelf("outbox", Due, changing=("due_at", "attempts"), rows_max=20_000)

    def move(self, redemption: Redemption, state: str, reference: str, *, at: int) -> None:
        """Records the next state."""
        redemption.state, redemption.reference, redemption.changed_at = state, reference, at
        self.shelf.change(redemption.id, redemption)


PUBLIC_STATES = {PENDING: PENDING, CONSUMED: PENDING, PROVEN: PENDING, HELD: PAID, SELLING: PAID}
"""What a seller is told: whether the money came; how the platform fares with the card is its own affair."""

SETTLED = frozenset({PAID, REJECTED, PAYOUT_REFUSED, REVERSED, DECLINED})
"""Where nobody has anything to finish and no card is in stock."""

_STAGES = {
    (IN_REVIEW, Disposition.CONSUME_THEN_PAY): Stage.REVIEW,
    (IN_REVIEW, Disposition.HOLD_THEN_SELL): Stage.REVIEW,
    (PENDING, Disposition.CONSUME_THEN_PAY): Stage.CONSUME,
    (CONSUMED, Disposition.CONSUME_THEN_PAY): Stage.PAY,
    (PENDING, Disposition.HOLD_THEN_SELL): Stage.PROVE,
    (PROVEN, Disposition.HOLD_THEN_SELL): Stage.PAY,
    (HELD, Disposition.HOLD_THEN_SELL): Stage.HELD,
    (SELLING, Disposition.HOLD_THEN_SELL): Stage.CONSUME,
}


def stage_of(redemption: Redemption) -> Stage:
    """What has to happen next."""
    return _STAGES.get((redemption.state, Disposition(redemption.disposition)), Stage.DONE)


def due_at_of(redemption: Redemption, *, at: int) -> int:
    """When the present stage is asked about: at once, but for a payout that is delayed."""
    return max(at, redemption.release_at) if stage_of(redemption) is Stage.PAY else at


class Parts(NamedTuple):
    """What the booking of a redemption needs to know."""

    operator: str
    card: str
    seller: str
    payee: str
    split: Split
    face_fen: int
    debt_fen: int
    value_kind: str
    disposition: str


def account_keys(operator: str, card: str, seller: str, payee: str, value_kind: str) -> list[str]:
    """Every value account that a redemption may touch; an applier wants them all."""
    keys = [
        operator_key(operator), f"money/card/{card}", FEE, ROUNDING, STOCK, debt_key(seller),
        f"{value_kind}/seller/{seller}", f"{value_kind}/payee/{payee}",
    ]  # fmt: skip
    if value_kind != MONEY:
        keys += [f"money/exchange/{value_kind}", f"{value_kind}/exchange"]
    return keys


def operator_key(operator: str) -> str:
    """The account from which an operator's cards draw their face value."""
    return f"money/operator/{operator}"


def debt_key(seller: str) -> str:
    """The account of what a seller owes."""
    return f"money/debt/{seller}"


def debt_of(books: Books, seller: str) -> int:
    """What the seller owes, in fen, less what is on its way to being repaid."""
    account = books.accounts.get(debt_key(seller))
    if account is None:
        return 0
    return account.debits_posted - account.credits_posted - account.credits_pending


def seller_keys(seller: str) -> tuple[str, ...]:
    """The accounts on which something of a seller's may be on its way or owed."""
    return (*(f"{kind}/seller/{seller}" for kind in ValueKind), debt_key(seller))


def has_unfinished_business(books: Books, seller: str) -> bool:
    """Whether anything is promised to the seller, waits to be paid out, or is owed by them."""
    accounts = [account for key in seller_keys(seller) if (account := books.accounts.get(key)) is not None]
    return any(
        account.debits_pending or account.credits_pending or account.debits_posted != account.credits_posted
        for account in accounts
    )


def pend(books: Books, turn: Turn, parts: Parts) -> None:
    """Promises the whole way of the value, from the operator to the payee."""
    split = parts.split
    operator = books.account(operator_key(parts.operator), ledger=MONEY, bound="none")
    card = books.account(f"money/card/{parts.card}", ledger=MONEY)
    books.pend(turn, operator, card, parts.face_fen, kind="face")
    if split.fee:
        books.pend(turn, card, books.account(FEE, ledger=MONEY), split.fee, kind="fee")
    if split.rounding:
        books.pend(turn, card, books.account(ROUNDING, ledger=MONEY), split.rounding, kind="rounding")
    source = card if parts.disposition == Disposition.CONSUME_THEN_PAY else _pend_to_stock(books, turn, card, split)
    seller = _pend_to_seller(books, turn, parts, source)
    if parts.debt_fen:
        debt = books.account(debt_key(parts.seller), ledger=MONEY, bound="debit")
        books.pend(turn, seller, debt, parts.debt_fen, kind="debt")
    if split.paid > parts.debt_fen:
        payee = books.account(f"{parts.value_kind}/payee/{parts.payee}", ledger=parts.value_kind)
        books.pend(turn, seller, payee, split.paid - parts.debt_fen, kind="payout")


def _pend_to_stock(books: Books, turn: Turn, card: Account, split: Split) -> Account:
    stock = books.account(STOCK, ledger=MONEY, bound="none")
    books.pend(turn, card, stock, split.paid, kind="stock")
    return stock


def _pend_to_seller(books: Books, turn: Turn, parts: Parts, source: Account) -> Account:
    kind, paid = parts.value_kind, parts.split.paid
    seller = books.account(f"{kind}/seller/{parts.seller}", ledger=kind)
    if kind == MONEY:
        books.pend(turn, source, seller, paid, kind="value")
        return seller
    books.pend(turn, source, books.account(f"money/exchange/{kind}", ledger=MONEY), paid, kind="exchange")
    books.pend(turn, books.account(f"{kind}/exchange", ledger=kind, bound="none"), seller, paid, kind="value")
    return seller


def post_consumed(books: Books, turn: Turn, group: Sequence[Booked], disposition: str) -> None:
    """The operator consumed the source."""
    _resolve(books, turn, group, _POSTED_WHEN_CONSUMED[disposition], "post")


def post_paid(books: Books, turn: Turn, group: Sequence[Booked], disposition: str) -> None:
    """The channel paid."""
    _resolve(books, turn, group, _POSTED_WHEN_PAID[disposition], "post")


def void_rest(books: Books, turn: Turn, group: Sequence[Booked]) -> None:
    """Withdraws every promise that still stands, the last one first."""
    _resolve(books, turn, group[::-1], _VALUE, "void")


def book_reversal(books: Books, turn: Turn, redemption: Redemption) -> int:
    """The operator took back a card it had consumed: what we passed on goes back. Returns what the seller now owes.

    A seller who was paid owes it; one whose payout was refused loses the claim, and owes only what had repaid a debt.
    """
    operator = books.account(operator_key(redemption.operator), ledger=MONEY, bound="none")
    owed_fen = redemption.paid
    if redemption.state == PAYOUT_REFUSED:
        owed_fen = redemption.debt_fen
        _withdraw_claim(books, turn, redemption, operator)
    if owed_fen:
        debt = books.account(debt_key(redemption.seller), ledger=MONEY, bound="debit")
        books.post(turn, debt, operator, owed_fen, kind="debt")
    if redemption.fee_fen:
        books.post(turn, books.account(FEE, ledger=MONEY), operator, redemption.fee_fen, kind="fee")
    if redemption.rounding_fen:
        books.post(turn, books.account(ROUNDING, ledger=MONEY), operator, redemption.rounding_fen, kind="rounding")
    return owed_fen


def _withdraw_claim(books: Books, turn: Turn, redemption: Redemption, operator: Account) -> None:
    kind, claim = redemption.value_kind, redemption.paid - redemption.debt_fen
    seller = books.account(f"{kind}/seller/{redemption.seller}", ledger=kind)
    if kind == MONEY:
        books.post(turn, seller, operator, claim, kind="value")
        return
    books.post(turn, seller, books.account(f"{kind}/exchange", ledger=kind, bound="none"), claim, kind="value")
    books.post(turn, books.account(f"money/exchange/{kind}", ledger=MONEY), operator, claim, kind="exchange")


_VALUE = frozenset({"face", "fee", "rounding", "stock", "exchange", "value", "debt", "payout"})
_POSTED_WHEN_CONSUMED: dict[str, frozenset[str]] = {
    Disposition.CONSUME_THEN_PAY: _VALUE - {"payout"},
    Disposition.HOLD_THEN_SELL: frozenset({"face", "fee", "rounding", "stock"}),
}
_POSTED_WHEN_PAID: dict[str, frozenset[str]] = {
    Disposition.CONSUME_THEN_PAY: frozenset({"payout"}),
    Disposition.HOLD_THEN_SELL: frozenset({"exchange", "value", "debt", "payout"}),
}


def _resolve(books: Books, turn: Turn, group: Sequence[Booked], kinds: frozenset[str], how: Resolution) -> None:
    for booked in group:
        if booked.kind in kinds and booked.state == "pending" and not booked.resolved:
            books.resolve(turn, booked, how)


# --- reading, for the completer and the face -----------------------------------------------------


async def due_redemptions(
    connection: psycopg.AsyncConnection[TupleRow], *, now: int, besides: Collection[str], rows_max: int
) -> list[DueRedemption]:
    """The redemptions to ask the world about now, the longest waiting first, without those in hand already.

    What a kill switch stops waits, and so does what a frozen seller is promised: nothing of it is consumed or paid, and
    no promise is withdrawn.
    """
    found = await connection.execute(_DUE_REDEMPTIONS, {"now": now, "besides": list(besides), "rows_max": rows_max})
    return [
        DueRedemption(Redemption(*row[3:]), attempts=row[0], sealed_serial=row[1], sealed_secret=row[2])
        for row in await found.fetchall()
    ]


async def due_messages(
    connection: psycopg.AsyncConnection[TupleRow], *, now: int, besides: Collection[str], rows_max: int
) -> list[DueMessage]:
    """The messages to send to partners now."""
    found = await connection.execute(_DUE_MESSAGES, {"now": now, "besides": list(besides), "rows_max": rows_max})
    return [DueMessage(*row) for row in await found.fetchall()]


async def redemption_by_id(connection: psycopg.AsyncConnection[TupleRow], redemption_id: str) -> Redemption | None:
    """One redemption, as committed."""
    row = await (await connection.execute(_BY_ID, (redemption_id,))).fetchone()
    return Redemption(*row) if row is not None else None


async def settled_among(connection: psycopg.AsyncConnection[TupleRow], ids: Collection[str]) -> list[str]:
    """Those of these redemptions that nobody has to finish and whose card is not in stock."""
    found = await connection.execute(_SETTLED, (list(ids), list(SETTLED)))
    return [row[0] for row in await found.fetchall()]


async def sellers_of(connection: psycopg.AsyncConnection[TupleRow], ids: Collection[str]) -> dict[str, str]:
    """Who sold what these redemptions are about; other ids are left out."""
    return dict(await (await connection.execute(_SELLERS, (list(ids),))).fetchall())


async def redemptions_of(
    connection: psycopg.AsyncConnection[TupleRow], partner: str, *, after_seq: int, rows_max: int
) -> list[Redemption]:
    """A partner's redemptions behind a place in history, oldest first."""
    found = await connection.execute(_OF_PARTNER, (partner, after_seq, rows_max))
    return [Redemption(*row) for row in await found.fetchall()]


_COLUMNS = ", ".join(f"r.{name}" for name in Redemption.__struct_fields__)
_DUE_REDEMPTIONS = f"""
SELECT o.attempts, c.sealed_serial, c.sealed_secret, {_COLUMNS}
FROM outbox o JOIN redemption r ON r.id = o.redemption JOIN card c ON c.id = r.card
WHERE o.kind = 'settle' AND o.due_at <= %(now)s AND o.id <> ALL(%(besides)s)
  AND NOT EXISTS (SELECT FROM seller s WHERE s.id = r.seller AND s.state = 'frozen')
  AND NOT EXISTS (
    SELECT FROM kill_switch k WHERE k.stopped AND k.target IN (
      'platform', 'channel:' || r.channel, 'partner:' || r.partner, 'card_kind:' || r.operator))
ORDER BY o.due_at LIMIT %(rows_max)s
"""
_DUE_MESSAGES = """
SELECT o.id, o.attempts, o.body, p.id, p.webhook_url
FROM outbox o JOIN redemption r ON r.id = o.redemption JOIN partner p ON p.id = r.partner
WHERE o.kind = 'webhook' AND o.due_at <= %(now)s AND o.id <> ALL(%(besides)s)
ORDER BY o.due_at LIMIT %(rows_max)s
"""
_SETTLED = "SELECT id FROM redemption WHERE id = ANY(%s) AND state = ANY(%s) ORDER BY seq"
_SELLERS = "SELECT id, seller FROM redemption WHERE id = ANY(%s)"
_BY_ID = f"SELECT {_COLUMNS} FROM redemption r WHERE r.id = %s"
_OF_PARTNER = f"SELECT {_COLUMNS} FROM redemption r WHERE r.partner = %s AND r.seq > %s ORDER BY r.seq LIMIT %s"
