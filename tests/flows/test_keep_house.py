"""What operators took back is booked, whenever it comes and whatever hangs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psycopg

from suyuan.base.clock import Micros
from suyuan.base.money import Fen
from suyuan.flows.finish_payout import Completer
from suyuan.flows.keep_house import HouseKeeping, keep_house
from suyuan.flows.record_outcome import RecordOutcome
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.tidy_papers import PaperTidying
from suyuan.privacy.paper_files import PaperFiles
from suyuan.privacy.retention import load_rules
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.settle.providers import Reversal, Unknown
from tests.flows.house import House, ToldOperator, card, written


class TakesBack(ToldOperator):
    """An operator that has taken cards back."""

    def __init__(self, *redemptions: str) -> None:
        super().__init__()
        self._orders = [f"{redemption}-c" for redemption in redemptions]

    async def reversals(self, since: str) -> list[Reversal] | Unknown:
        lines = [
            Reversal(str(place), order_no, f"R-{place}", Fen(100_00), Micros(1))
            for place, order_no in enumerate(self._orders, 1)
        ]
        return lines[int(since or "0") :]


def sell(house: House, number: int) -> str:
    answer = house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", written(card(number)))))
    assert isinstance(answer, Taken)
    return answer.redemption


def hear(house: House, redemption: str, kind: str) -> None:
    async def submit() -> object:
        order_no = redemption + ("-p" if kind == "paid" else "-c")
        return await house.line.submit(RecordOutcome(redemption, order_no, kind, "X-1"))

    house.run(submit())


def no_papers() -> PaperTidying:
    """The folder of a platform that keeps none."""
    return PaperTidying(PaperFiles(Path("there-are-none")))


async def no_keys(places: Iterable[str]) -> dict[str, SubjectKey]:
    """Nothing is opened in these stories."""
    return {}


def round_through(house: House, operator: ToldOperator, keeping: HouseKeeping) -> dict[str, str]:
    """One round; says how each redemption then stands."""

    async def go() -> None:
        completer = Completer(
            house.line, house.desk.vault, no_keys, house.clock, house.desk.chance, {"cmcc": operator}, {}, load_rules()
        )
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            await keep_house(completer, connection, keeping)

    house.run(go())
    return {str(row[0]): str(row[1]) for row in house.rows("SELECT id, state FROM redemption")}


def test_what_was_taken_back_before_we_heard_that_it_was_spent_is_booked(house: House) -> None:
    """The operator spends the card, its answer is lost, it takes the card back, and only then is asked again."""
    redemption, keeping = sell(house, 1), HouseKeeping(no_papers())
    operator = TakesBack(redemption)
    assert round_through(house, operator, keeping)[redemption] == "pending"
    hear(house, redemption, "consumed")
    hear(house, redemption, "paid")
    assert round_through(house, operator, keeping)[redemption] == "reversed"


def test_a_payout_that_hangs_holds_up_no_other_reversal(house: House) -> None:
    first, second, keeping = sell(house, 1), sell(house, 2), HouseKeeping(no_papers())
    for redemption in (first, second):
        hear(house, redemption, "consumed")
    hear(house, second, "paid")
    operator = TakesBack(first, second)
    assert round_through(house, operator, keeping) == {first: "consumed", second: "reversed"}
    hear(house, first, "paid")
    assert round_through(house, operator, keeping)[first] == "reversed"
    assert keeping.cursors == {"cmcc": "2"}
