"""Cards: what one looks like, and that its PIN is claimed once, whoever offers it how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from suyuan.base import db
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.record_outcome import TakeBack
from suyuan.flows.take_redemption import Taken
from suyuan.settle.card import load_formats
from suyuan.settle.payout import Disposition
from tests.settle.books_line import BooksLine, Knock, a_contract, a_seller, lay, outcome

SOLD = Refusal(Reason.card_was_sold_before, "pin")
CARD = Knock(1, card="crd_one")


@pytest.fixture
def line(database: str) -> Iterator[BooksLine]:
    with lay(BooksLine(database)) as line:
        line.register(a_seller("slr_2"), a_contract("held", disposition=Disposition.HOLD_THEN_SELL))
        yield line


# --- forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "serial_digits", "pin_digits"), [("cmcc", 17, 18), ("unicom", 15, 19), ("telecom", 19, 18)]
)
def test_the_forms_of_the_three_operators(operator: str, serial_digits: int, pin_digits: int) -> None:
    formats = load_formats("2026-11-22")
    form = formats.operators[operator]
    assert (form.serial_digits, form.pin_digits) == (serial_digits, pin_digits)
    good = {"serial": "1" * serial_digits, "pin": "2" * pin_digits, "face_fen": 100_00}
    assert formats.check(operator, **good) is None  # type: ignore[arg-type]  # The values are of two types.


@pytest.mark.parametrize(
    ("operator", "serial", "pin", "face_fen", "reason"),
    [
        ("nobody", "1" * 17, "2" * 18, 100_00, Reason.card_kind_is_unknown),
        ("cmcc", "1" * 16, "2" * 18, 100_00, Reason.card_serial_is_malformed),
        ("cmcc", "1" * 18, "2" * 18, 100_00, Reason.card_serial_is_malformed),
        ("cmcc", "1" * 16 + "a", "2" * 18, 100_00, Reason.card_serial_is_malformed),
        ("cmcc", "1" * 17, "2" * 17 + "٢", 100_00, Reason.card_pin_is_malformed),
        ("cmcc", "1" * 17, " " + "2" * 17, 100_00, Reason.card_pin_is_malformed),
        ("cmcc", "1" * 17, "", 100_00, Reason.card_pin_is_malformed),
        ("cmcc", "1" * 17, "2" * 18, 99_99, Reason.card_face_is_not_offered),
        ("cmcc", "", "", 0, Reason.card_serial_is_malformed),  # The first that is wrong is named.
    ],
)
def test_a_wrong_form_is_named(operator: str, serial: str, pin: str, face_fen: int, reason: Reason) -> None:
    refusal = load_formats("2026-11-22").check(operator, serial=serial, pin=pin, face_fen=face_fen)
    assert refusal is not None
    assert refusal.reason is reason


def test_before_the_first_format_there_is_none() -> None:
    with pytest.raises(LookupError, match="clock"):
        load_formats("2000-01-01")


# --- claims --------------------------------------------------------------------------------------


def test_a_card_is_sold_once(line: BooksLine) -> None:
    """Two sellers offer the same PIN in one batch, and again later: the first has it."""
    other = replace(CARD, number=2, seller="slr_2")
    first, second = line.submit(CARD.command(), other.command())
    assert isinstance(first, Taken)
    assert second == SOLD
    line.restart()
    assert line.one(replace(other, number=3).command()) == SOLD


@pytest.mark.parametrize("verdicts", [(), ("consumed",), ("consumed", "paid"), ("consumed", "pay_refused")])
def test_a_card_in_any_hands_is_not_sold_again(line: BooksLine, verdicts: tuple[str, ...]) -> None:
    """Claimed, consumed, paid for, or consumed with the payout refused: the PIN is spent."""
    line.submit(CARD.command())
    for verdict in verdicts:
        line.submit(outcome(CARD.id, verdict))
    assert line.one(replace(CARD, number=2).command()) == SOLD


def test_a_card_that_was_taken_back_is_not_sold_again(line: BooksLine) -> None:
    line.submit(CARD.command())
    for verdict in ("consumed", "paid"):
        line.submit(outcome(CARD.id, verdict))
    line.submit(TakeBack(CARD.id, "ref", "cmcc"))
    assert line.one(replace(CARD, number=2).command()) == SOLD


def test_a_mistyped_card_may_be_offered_again(line: BooksLine) -> None:
    """The operator rejects it; the seller types it again, with the right serial, and it is claimed anew, once."""
    line.submit(CARD.command())
    line.submit(outcome(CARD.id, "rejected"))
    again, third = line.submit(replace(CARD, number=2).command(), replace(CARD, number=3).command())
    assert isinstance(again, Taken)
    assert third == SOLD
    with db.connect(line.url) as connection:
        rows = connection.execute("SELECT redemption, state FROM card").fetchall()
    assert rows == [(again.redemption, "claimed")]


def test_a_held_card_whose_payout_is_refused_goes_back(line: BooksLine) -> None:
    held = replace(CARD, contract="held")
    line.submit(held.command())
    for verdict in ("proven", "pay_refused"):
        line.submit(outcome(held.id, verdict))
    assert isinstance(line.one(replace(held, number=2).command()), Taken)


def test_a_secret_that_the_operator_does_not_know_takes_nothing(line: BooksLine) -> None:
    refused = line.one(replace(CARD, secret_is_valid=False).command())
    assert refused == Refusal(Reason.card_secret_is_wrong, "pin")
    with db.connect(line.url) as connection:
        assert connection.execute("SELECT FROM card").fetchall() == []
    assert isinstance(line.one(replace(CARD, number=2, secret_is_valid=True).command()), Taken)


def test_the_database_gives_a_redemption_one_card(line: BooksLine) -> None:
    line.submit(CARD.command())
    with db.connect(line.url) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "INSERT INTO card SELECT 'crd_two', operator, serial_index, sealed_serial, sealed_secret, face_fen,"
            " redemption, state, at FROM card"
        )
