"""The books: every rule of a transfer, in the code and again in the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suyuan.base import db
from suyuan.flows.shelves import Shelves
from suyuan.history.line import Turn
from suyuan.settle.ledger import Account, Booked, Books, OutOfBounds, ResolvedTwice
from tests.settle.books_line import BooksLine

WORLD, SELLER, PAYEE, DEBT = "money/operator/cmcc", "money/seller/slr_1", "money/payee/p", "money/debt/slr_1"
KEYS = (WORLD, SELLER, PAYEE, DEBT, "coupon/seller/slr_1", "coupon/exchange")


@pytest.fixture
def line(database: str) -> Iterator[BooksLine]:
    with BooksLine(database) as line:
        yield line


def book(line: BooksLine, act: Any, *, group: tuple[int, int] | None = None, commit: bool = True) -> Any:
    """Runs `act(books, turn, accounts)` over the ordinary accounts."""

    def wants(shelves: Shelves) -> None:
        for key in KEYS:
            shelves.books.want(key)
        if group is not None:
            shelves.books.want_group(*group)

    def run(shelves: Shelves, turn: Turn) -> Any:
        return act(shelves.books, turn, _Accounts(shelves.books))

    return line.decide(run, wants=wants, commit=commit)


class _Accounts:
    """The accounts by what they are."""

    def __init__(self, books: Books) -> None:
        self.world = books.account(WORLD, ledger="money", bound="none")
        self.seller = books.account(SELLER, ledger="money")
        self.payee = books.account(PAYEE, ledger="money")
        self.debt = books.account(DEBT, ledger="money", bound="debit")
        self.coupons = books.account("coupon/seller/slr_1", ledger="coupon")
        self.mint = books.account("coupon/exchange", ledger="coupon", bound="none")


def counters(account: Account) -> tuple[int, int, int, int]:
    return account.debits_pending, account.debits_posted, account.credits_pending, account.credits_posted


def fetch(url: str, query: str) -> list[tuple[Any, ...]]:
    with db.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_positions_are_where_the_posting_begins(line: BooksLine) -> None:
    """The world gives 50 and 30, the seller passes 40 and 20 on: each posting starts where the last one ended, and a
    pending one has no place until it is posted."""

    def act(books: Books, turn: Turn, at: _Accounts) -> None:
        books.post(turn, at.world, at.seller, 50, kind="a")
        books.pend(turn, at.world, at.seller, 30, kind="b")
        books.post(turn, at.seller, at.payee, 40, kind="c")
        pending = Booked(1, "pending", "b", WORLD, SELLER, 30, resolved=False)
        books.resolve(turn, pending, "post")
        books.post(turn, at.seller, at.payee, 20, kind="d")

    book(line, act)
    places = fetch(line.url, "SELECT kind, out_pos, in_pos, fen FROM value_flow ORDER BY posting")
    assert places == [("a", 0, 0, 50), ("c", 0, 0, 40), ("b", 50, 50, 30), ("d", 40, 40, 20)]
    assert fetch(line.url, "SELECT out_pos, in_pos FROM transfer WHERE state = 'pending'") == [(None, None)]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ([], ("post", "seller", "payee", 1)),  # Nothing was received.
        ([("post", "world", "seller", 50)], ("post", "seller", "payee", 51)),
        ([("pend", "world", "seller", 50)], ("post", "seller", "payee", 1)),  # A promise is not money.
        ([("pend", "world", "seller", 50)], ("pend", "seller", "payee", 51)),  # Nor can more be promised on.
        ([("post", "world", "seller", 50), ("pend", "seller", "payee", 30)], ("post", "seller", "payee", 21)),
        ([("post", "debt", "world", 50)], ("post", "world", "debt", 51)),  # Nobody repays more than is owed.
        ([("post", "debt", "world", 50), ("pend", "world", "debt", 30)], ("pend", "world", "debt", 21)),
    ],
)
def test_an_account_keeps_its_bound(line: BooksLine, first: list[Any], then: Any) -> None:
    """What breaks a bound raises, and has changed nothing."""

    def act(books: Books, turn: Turn, at: _Accounts) -> None:
        for how, payer, payee, fen in first:
            getattr(books, how)(turn, getattr(at, payer), getattr(at, payee), fen, kind="value")
        how, payer, payee, fen = then
        before, number = [counters(getattr(at, side)) for side in (payer, payee)], books.next_transfer
        with pytest.raises(OutOfBounds, match="bound"):
            getattr(books, how)(turn, getattr(at, payer), getattr(at, payee), fen, kind="value")
        assert [counters(getattr(at, side)) for side in (payer, payee)] == before
        assert books.next_transfer == number

    book(line, act)
    assert len(fetch(line.url, "SELECT FROM transfer")) == len(first)


def test_to_the_last_fen_is_within_bounds(line: BooksLine) -> None:
    def act(books: Books, turn: Turn, at: _Accounts) -> None:
        books.post(turn, at.world, at.seller, 50, kind="value")
        books.post(turn, at.seller, at.payee, 50, kind="value")
        books.post(turn, at.debt, at.world, 7, kind="debt")
        books.post(turn, at.world, at.debt, 7, kind="debt")

    book(line, act)
    assert len(fetch(line.url, "SELECT FROM value_flow")) == 4


def test_a_kind_change_cannot_be_posted(line: BooksLine) -> None:
    """Money does not become coupons on the way, whoever asks for it."""

    def act(books: Books, turn: Turn, at: _Accounts) -> None:
        for how in (books.post, books.pend):
            with pytest.raises(AssertionError, match="does not change its kind"):
                how(turn, at.world, at.coupons, 50, kind="value")

    book(line, act)
    assert fetch(line.url, "SELECT FROM transfer") == []


@pytest.mark.parametrize("fen", [0, -1, 10**13 + 1, True, 1.5])
def test_only_whole_positive_amounts_move(line: BooksLine, fen: Any) -> None:
    def act(books: Books, turn: Turn, at: _Accounts) -> None:
        for how in (books.post, books.pend):
            with pytest.raises(AssertionError, match="whole, positive"):
                how(turn, at.world, at.seller, fen, kind="value")

    book(line, act)


@pytest.mark.parametrize("again", ["post", "void", "expire"])
@pytest.mark.parametrize("once", ["post", "void", "expire"])
def test_a_pending_transfer_is_resolved_once(line: BooksLine, once: Any, again: Any) -> None:
    """Also when the second resolution comes in a later batch, with everything forgotten in between."""
    book(line, lambda books, turn, at: books.pend(turn, at.world, at.seller, 50, kind="value"))

    def resolve(how: Any) -> Any:
        return lambda books, turn, at: books.resolve(turn, books.group(0, 1)[0], how)

    book(line, resolve(once), group=(0, 1))
    line.restart()
    with pytest.raises(ResolvedTwice, match="once"):
        book(line, resolve(again), group=(0, 1))
    with db.connect(line.url) as connection, pytest.raises(psycopg.errors.UniqueViolation, match="resolves_once"):
        connection.execute(
            "INSERT INTO transfer SELECT 99, seq, at, ledger, 'void', kind, payer, payee, fen, 0"
            " FROM transfer WHERE id = 0"
        )


def test_a_posted_transfer_is_not_resolved(line: BooksLine) -> None:
    book(line, lambda books, turn, at: books.post(turn, at.world, at.seller, 50, kind="value"))
    with pytest.raises(ResolvedTwice, match="once"):
        book(line, lambda books, turn, at: books.resolve(turn, books.group(0, 1)[0], "void"), group=(0, 1))


def test_forgetting_leaves_no_trace(line: BooksLine) -> None:
    """A batch that was never committed: accounts, counters and numbers are as before it."""
    book(line, lambda books, turn, at: books.post(turn, at.world, at.seller, 50, kind="value"))
    before = book(line, lambda books, turn, at: (counters(at.seller), books.next_transfer))
    book(line, lambda books, turn, at: books.post(turn, at.seller, at.payee, 50, kind="value"), commit=False)
    line.shelves.forget()
    assert book(line, lambda books, turn, at: (counters(at.seller), books.next_transfer)) == before
    assert len(fetch(line.url, "SELECT FROM transfer")) == 1


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE account SET debits_posted = 51, credits_pending = 9 WHERE key = %s", "account_spends_what_it_has"),
        ("UPDATE account SET debits_pending = 51 WHERE key = %s", "account_promises_what_it_was_promised"),
        ("UPDATE account SET bound = 'debit' WHERE key = %s", "account_repays_what_it_owes"),
        ("UPDATE account SET credits_pending = -1 WHERE key = %s", "credits_pending_check"),
        ("UPDATE account SET ledger = 'cash' WHERE key = %s", "ledger_check"),
    ],
)
def test_the_database_repeats_the_bounds(line: BooksLine, statement: str, constraint: str) -> None:
    book(line, lambda books, turn, at: books.post(turn, at.world, at.seller, 50, kind="value"))
    with db.connect(line.url) as connection, pytest.raises(psycopg.errors.CheckViolation, match=constraint):
        connection.execute(statement.encode(), (SELLER,))


@pytest.mark.parametrize(("column", "index"), [("out_pos", "transfer_out"), ("in_pos", "transfer_in")])
def test_the_database_keeps_positions_unique(line: BooksLine, column: str, index: str) -> None:
    def act(books: Books, turn: Turn, at: _Accounts) -> None:
        books.post(turn, at.world, at.seller, 50, kind="value")
        books.post(turn, at.world, at.seller, 50, kind="value")

    book(line, act)
    with db.connect(line.url) as connection, pytest.raises(psycopg.errors.UniqueViolation, match=index):
        connection.execute(f"UPDATE transfer SET {column} = 0".encode())


steps = st.lists(
    st.tuples(
        st.sampled_from(("post", "pend", "resolve")),
        st.permutations(("world", "seller", "payee", "debt")),
        st.integers(1, 60),
        st.sampled_from(("post", "void", "expire")),
    ),
    max_size=40,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_whatever_is_booked_balances(line: BooksLine, steps: list[Any]) -> None:
    """Any traffic, also the impossible: what raises changes nothing, debits equal credits, and nothing is negative."""

    def act(books: Books, turn: Turn, at: _Accounts) -> None:
        pending: list[Booked] = []
        for how, (payer, payee, *_), fen, resolution in steps:
            try:
                if how == "resolve" and pending:
                    books.resolve(turn, pending[fen % len(pending)], resolution)
                elif how == "pend":
                    sides = getattr(at, payer), getattr(at, payee)
                    books.pend(turn, *sides, fen, kind="value")
                    number = books.next_transfer - 1
                    pending.append(Booked(number, "pending", "value", sides[0].key, sides[1].key, fen, resolved=False))
                elif how == "post":
                    books.post(turn, getattr(at, payer), getattr(at, payee), fen, kind="value")
            except (OutOfBounds, ResolvedTwice):
                pass
        rows = [counters(account) for account in (at.world, at.seller, at.payee, at.debt)]
        assert min(min(row) for row in rows) >= 0
        assert sum(row[0] for row in rows) == sum(row[2] for row in rows)
        assert sum(row[1] for row in rows) == sum(row[3] for row in rows)

    book(line, act, commit=False)
    line.shelves.forget()
