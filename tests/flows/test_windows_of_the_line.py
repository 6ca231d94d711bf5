"""The windows of the line are what history says: whoever's applier made an event, after a crash, and after a failed
commit, of which no trace is left."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from suyuan.base import db
from suyuan.base.clock import DAY_S
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.count_strangers import CountStrangers, Tally
from suyuan.flows.record_outcome import RecordOutcome, TakeBack
from suyuan.flows.step_up import step_up
from suyuan.flows.take_redemption import Taken
from suyuan.history.store import next_seq
from suyuan.risk.catalogue import load_catalogue
from suyuan.risk.decide import Engine
from suyuan.risk.memory import Risk, catalogue_here
from suyuan.risk.online.snapshot import write_snapshot
from suyuan.risk.online.windows import Windows
from suyuan.risk.row import ATTEMPT, Row, id64
from suyuan.risk.tail import SNAPSHOT, begin, catch_up
from tests.flows.consents import give
from tests.flows.decisions import decided, sell, taken
from tests.flows.house import House, written
from tests.flows.office import people
from tests.risk.policies import QUIET, read_policy, rule
from tests.settle.books_line import BooksLine, Knock, a_contract, a_key, a_partner, a_seller

SECOND_ATTEMPT = rule("seller_count_1h >= 1", action="refuse", reason="cannot_be_taken")


@pytest.fixture
def line(database: str) -> Iterator[BooksLine]:
    """A line by itself, whose next commit can be told to fail."""
    with BooksLine(database) as line:
        line.register(a_partner(), a_seller("slr_1"), a_contract(), a_key())
        yield line


def by_policy(line: BooksLine, text: str) -> None:
    risk = line.shelves.risk
    engine = Engine(load_catalogue(), read_policy(text))
    risk._now = risk._committed = risk._now._replace(engine=engine)


@pytest.mark.parametrize("how", ["refused", "lost"])
def test_a_failed_commit_leaves_no_trace_in_the_windows(line: BooksLine, how: str) -> None:
    """The card is refused as a second attempt only where the first one is in history."""
    by_policy(line, SECOND_ATTEMPT)
    line.break_next_commit(how)
    first = line.submit(Knock(1, face_fen=10_00).command())[0]
    assert isinstance(first, Refusal)
    was_kept = _attempts(line)
    if how == "lost":
        # Whoever is unsure starts again, and reads what is committed.
        return
    assert was_kept == 0
    second = line.submit(Knock(2, face_fen=10_00).command())[0]
    assert isinstance(second, Taken), second
    third = line.submit(Knock(3, face_fen=10_00).command())[0]
    assert third == Refusal(Reason.redemption_was_declined, "rdm_000003")


def _attempts(line: BooksLine) -> int:
    with db.connect(line.url) as connection:
        row = connection.execute("SELECT count(*) FROM event WHERE kind = 'decision_made/1'").fetchone()
    assert row is not None
    return int(row[0])


def test_what_a_failed_batch_had_deployed_or_listed_decides_nothing(line: BooksLine) -> None:
    risk = line.shelves.risk
    before = risk._now
    line.break_next_commit("refused")
    risk.enlist("blocked/seller/slr_1", 1 << 60)
    risk.rings.publish([(5, 3, 1, 800)])
    line.submit(Knock(1, face_fen=10_00).command())
    assert risk._now is before
    assert len(risk.lists) == 0
    assert risk.rings.of(5) == (None, None, None)


# --- the law: the line's windows and history's are the same ----------------------------------------


def probes(house: House) -> list[Row]:
    """Attempts that might come now, by every name that history has."""
    ((last_at,),) = house.rows("SELECT max(at) FROM event")
    at, rows = last_at + 1, []
    for number, event in enumerate(decided(house)[-40:]):
        rows.append(
            Row(
                1 << 40, at + number, ATTEMPT,
                seller=id64(event.seller), identity=id64(event.identity), device=id64(event.device),
                prefix=id64(event.ip_prefix), number=id64(event.number), batch=id64(event.batch),
                payee=id64(event.payee), merchant=id64(event.merchant), contract=id64(event.contract),
                agent=id64(event.agent), partner=id64(event.partner), key=id64(event.key),
                operator=id64(event.operator), card=id64(event.card), face_fen=event.face_fen, paid=event.paid,
                ratio_bp=8_000, hour=12,
            )
        )  # fmt: skip
    return rows


def measured(windows: Windows, rows: list[Row]) -> list[list[int | None]]:
    found = [list(windows.measure(row)) for row in rows]
    windows.forget()
    return found


def from_history(house: House, windows: Windows | None = None) -> Windows:
    read = windows or Windows(catalogue_here())
    with db.connect(house.url, autocommit=True) as connection:
        catch_up(connection, read, next_seq(connection))
    return read


def live(house: House, rng: random.Random, acts: int) -> None:
    """Some acts of everybody: sales that pass and fail, verdicts, reversals, face checks, strangers."""
    redemptions: list[str] = []
    for number in range(acts):
        house.clock.advance(rng.choice([0, 1, 60, 3_600]))
        act = rng.randrange(8)
        if act < 4:
            seller, face_fen = rng.choice(["slr_1", "slr_3"]), rng.choice([10_00, 50_00, 100_00])
            answer = sell(house, rng.randrange(acts), seller=seller, face_fen=face_fen)
            redemptions += [answer.redemption] if isinstance(answer, Taken) else []
        elif act == 4 and redemptions:
            redemption = rng.choice(redemptions)
            kind = rng.choice(["consumed", "rejected"])
            submit(house, RecordOutcome(redemption, f"{redemption}-c", kind, "word"))
        elif act == 5 and redemptions:
            redemption = rng.choice(redemptions)
            submit(house, RecordOutcome(redemption, f"{redemption}-p", "paid", "B-1"))
            submit(house, TakeBack(redemption, "C-1", "cmcc"))
        elif act == 6:
            wish = written({"seller": "slr_1", "capture": "capture-1"})
            house.run(step_up(house.desk, house.knock("POST", "/v1/step-ups", wish)))
        else:
            submit(
                house,
                CountStrangers([Tally("key_1", "203.0.113.0/24", house.clock.now(), "signature_is_wrong", 1 + number)]),
            )


def submit(house: House, command: Any) -> Any:
    async def go() -> Any:
        return await house.line.submit(command)

    return house.run(go())


@pytest.mark.parametrize("seed", [1, 2])
def test_the_windows_of_the_line_are_those_of_history(house: House, seed: int) -> None:
    """After a hundred acts of every kind, the line measures what whoever reads history measures, to the last cell."""
    give(house)
    people(house, 2)
    house.decide_by(rule("seller_count_1h >= 4", action="refuse", reason="cannot_be_taken"))
    live(house, random.Random(seed), 100)
    kinds = {event["kind"].partition("/")[0] for event in house.events()}
    assert kinds >= {"decision_made", "redemption_refused", "source_rejected", "source_reversed", "strangers_counted"}
    assert kinds >= {"tier_raised", "seller_registered"}
    rows = probes(house)
    assert measured(house.risk.windows, rows) == measured(from_history(house), rows)


def test_a_card_that_turns_out_bad_counts_though_its_decision_is_long_out_of_memory(house: House) -> None:
    """The line has decided thousands of others meanwhile, so it looks the attempt up again."""
    house.decide_by(QUIET)
    answer = taken(house)
    house.run(_let_go_of(house))
    assert house.risk.decisions.peek(answer.redemption) is None
    submit(house, RecordOutcome(answer.redemption, f"{answer.redemption}-c", "rejected", "word"))
    taken(house, 2)
    place = house.risk.windows.catalogue.names.index("seller_bad_90d")
    assert decided(house)[-1].inputs.split(",")[place] == "1"


async def _let_go_of(house: House) -> None:
    house.risk.decisions.forget()


def test_a_restart_gives_the_same_next_decision_with_a_snapshot_or_without(house: House, tmp_path: Any) -> None:
    """From the beginning of history, and from a snapshot that was written halfway."""
    house.decide_by(QUIET)
    live(house, random.Random(3), 30)
    write_snapshot(from_history(house), tmp_path / SNAPSHOT)
    live(house, random.Random(4), 30)
    rows = probes(house)
    before = measured(house.risk.windows, rows)
    house.start_again()
    assert measured(house.risk.windows, rows) == before
    house.snapshot = tmp_path / SNAPSHOT
    house.start_again()
    assert house.risk.windows.next_seq == len(house.events())
    assert measured(house.risk.windows, rows) == before


def test_a_snapshot_of_another_history_is_left_out(house: House, tmp_path: Any, database: str) -> None:
    """The database was put back from a backup, and history went on otherwise: what the snapshot saw never happened."""
    for number in range(5):
        taken(house, number)
    write_snapshot(from_history(house), tmp_path / SNAPSHOT)
    house.run(house._close())
    with db.connect(house.url, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE card, redemption, outbox, idempotency, nonce, account, transfer, subject_key, decision"
        )
        connection.execute("DELETE FROM event WHERE seq >= 4")
        connection.execute("UPDATE line_head SET next_seq = 4, last_at = (SELECT max(at) FROM event)")
        # Ahead of history.
        assert begin(connection, tmp_path / SNAPSHOT, catalogue_here()).next_seq == 0
    house.clock.advance(DAY_S)
    house.desk = house.run(house._open())
    for number in range(10, 20):
        taken(house, number)
    with db.connect(house.url, autocommit=True) as connection:
        # As long as history by now, and of another one.
        assert begin(connection, tmp_path / SNAPSHOT, catalogue_here()).next_seq == 0


def test_a_torn_snapshot_is_left_out(house: House, tmp_path: Any) -> None:
    taken(house)
    file = tmp_path / SNAPSHOT
    write_snapshot(from_history(house), file)
    whole = file.read_bytes()
    for torn in (b"", whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        file.write_bytes(torn)
        with db.connect(house.url, autocommit=True) as connection:
            assert begin(connection, file, catalogue_here()).next_seq == 0


def test_a_platform_without_a_policy_decides_by_the_one_that_comes_with_it() -> None:
    assert Risk().engine.policy.name == "default"
