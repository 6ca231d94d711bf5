"""Vouchers through the whole life of a redemption: the same bytes, whatever becomes of the card afterwards."""

from __future__ import annotations

from typing import Any

from suyuan.base import db
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.record_outcome import CONSUME_SUFFIX, PAY_SUFFIX, RecordOutcome, TakeBack
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.show_records import give_voucher
from suyuan.settle.account import Contract
from suyuan.settle.voucher import Voucher, check_voucher
from tests.flows.house import PLATFORM_KEYS, House, card, contract, insert, written


def sell(house: House, number: int, **changes: Any) -> Taken:
    answer = house.run(
        redeem_card(house.desk, house.knock("POST", "/v1/redemptions", written(card(number, **changes))))
    )
    assert isinstance(answer, Taken), answer
    return answer


def tell(house: House, command: Any) -> None:
    async def submit() -> Any:
        return await house.line.submit(command)

    answer = house.run(submit())
    assert not isinstance(answer, Refusal), answer


def outcome(house: House, redemption: str, kind: str, word: str) -> None:
    suffix = PAY_SUFFIX if kind == "paid" else CONSUME_SUFFIX
    tell(house, RecordOutcome(redemption, redemption + suffix, kind, word))


def paper(house: House, redemption: str) -> bytes | Refusal:
    target = f"/v1/redemptions/{redemption}/voucher"
    return house.run(give_voucher(house.desk, house.knock("GET", target), redemption))


def voucher(house: House, redemption: str) -> Voucher:
    found = paper(house, redemption)
    assert isinstance(found, bytes), found
    return check_voucher(found, PLATFORM_KEYS)


def hold_then_sell() -> Contract:
    held = contract("ctr_held", "ptn_1")
    held.disposition, held.hold_s = "hold_then_sell", 60
    return held


def test_a_voucher_stays_what_it_was_when_a_held_card_goes_on(house: House) -> None:
    """Paid from the stock, the card held, sold on later: the seller's receipt is the same, byte for byte."""
    with db.connect(house.url, autocommit=True) as connection:
        insert(connection, "contract", hold_then_sell())
    redemption = sell(house, 1, contract="ctr_held").redemption
    assert paper(house, redemption) == Refusal(Reason.voucher_is_not_ready)
    outcome(house, redemption, "proven", "secret")
    outcome(house, redemption, "paid", "B-1")
    first = paper(house, redemption)
    assert voucher(house, redemption).reference == "B-1"
    house.rows("UPDATE redemption SET state = 'selling', changed_at = changed_at + 9, reference = 'x' RETURNING id")
    assert paper(house, redemption) == first


def test_a_payout_that_was_taken_back_keeps_its_voucher(house: House) -> None:
    """That it was paid stays true; and what the seller then owes is settled by the next card, for which no channel
    is asked."""
    first = sell(house, 1).redemption
    outcome(house, first, "consumed", "C-1")
    outcome(house, first, "paid", "B-1")
    given = paper(house, first)
    tell(house, TakeBack(first, "R-1", "cmcc"))
    assert paper(house, first) == given
    second = sell(house, 2)
    assert second.debt_fen == 80_00
    outcome(house, second.redemption, "consumed", "C-2")
    found = voucher(house, second.redemption)
    assert (found.debt_fen, found.paid, found.reference) == (80_00, 80_00, "")


def test_what_was_taken_back_before_it_was_paid_has_no_voucher(house: House) -> None:
    redemption = sell(house, 1).redemption
    outcome(house, redemption, "consumed", "C-1")
    assert paper(house, redemption) == Refusal(Reason.voucher_is_not_ready)
