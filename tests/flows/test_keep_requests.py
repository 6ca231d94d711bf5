"""The store of requests forgets, and what is overdue is said: once an hour, with no word about anybody."""

from __future__ import annotations

import psycopg
import pytest

from suyuan.base.clock import DAY_S, Micros
from suyuan.flows.answer_subject import Shown
from suyuan.flows.keep_requests import ForgetRequests, RequestsForgotten, keep_requests
from suyuan.privacy.requests import KEPT_S
from tests.flows.rights_house import WANG, Rights


def keep(rights: Rights, said_at: int = 0) -> int:
    async def go() -> int:
        async with await psycopg.AsyncConnection.connect(rights.house.url, autocommit=True) as connection:
            now = rights.house.clock.now()
            return await keep_requests(rights.house.line, connection, now=now, said_at=said_at)

    return rights.house.run(go())


def counts(rights: Rights) -> dict[str, int]:
    tables = ("subject_request", "open_request", "number_proof", "code_count")
    return {table: rights.house.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def test_overdue_requests_are_said_once_an_hour_without_a_word_about_anybody(
    rights: Rights, capsys: pytest.CaptureFixture[str]
) -> None:
    request = rights.stands(kind="delete").standing.request
    rights.stands(kind="copy")
    assert keep(rights) == 0
    rights.house.clock.advance(20 * DAY_S)
    capsys.readouterr()
    said_at = keep(rights)
    assert said_at == rights.house.clock.now()
    told = capsys.readouterr().out
    assert "subject_requests_overdue" in told
    assert "requests=1" in told
    assert "2026-12-11" in told
    assert not any(word in told for word in (request, "slr_wang", *WANG.values()))
    assert keep(rights, said_at) == said_at
    rights.house.clock.advance(3_600)
    assert keep(rights, said_at) > said_at
    rights.decide(request, "statutory_term_runs")
    assert keep(rights, 0) == 0


def test_proofs_go_after_a_day_and_requests_three_years_after_they_were_closed(rights: Rights) -> None:
    """One that waits is kept for as long as it waits. Its slot goes with a request, so the person may ask again."""
    rights.ask_by_number(rights.token("13700000007"), kind="know")
    rights.stands(kind="copy")
    rights.stands(kind="delete")
    assert counts(rights) == {"subject_request": 3, "open_request": 3, "number_proof": 1, "code_count": 2}
    rights.house.clock.advance(DAY_S + 1)
    keep(rights)
    assert counts(rights) == {"subject_request": 3, "open_request": 3, "number_proof": 0, "code_count": 2}
    rights.house.clock.advance(DAY_S)
    keep(rights)
    assert counts(rights)["code_count"] == 0
    rights.house.clock.advance(KEPT_S - 3 * DAY_S)
    keep(rights)
    assert counts(rights)["subject_request"] == 3
    rights.house.clock.advance(2 * DAY_S)
    keep(rights)
    assert counts(rights) == {"subject_request": 1, "open_request": 1, "number_proof": 0, "code_count": 0}
    assert isinstance(rights.ask(kind="copy"), Shown)


def test_the_line_forgets_nothing_that_is_younger_whatever_it_is_told(rights: Rights) -> None:
    token = rights.token("13700000007")
    request = rights.stands(kind="copy").standing.request
    waiting = rights.stands(kind="delete").standing.request
    ((proof,),) = rights.house.rows("SELECT id FROM number_proof")
    names = tuple(name for (name,) in rights.house.rows("SELECT id FROM code_count"))
    command = ForgetRequests((request, waiting, "req_nobody"), (proof, "npf_nobody"), (*names, "nothing"))
    assert rights.submit(command) == RequestsForgotten(0)
    assert isinstance(rights.ask_by_number(token, kind="know"), Shown)


def test_a_slot_that_a_newer_request_holds_stays(rights: Rights) -> None:
    first = rights.stands(kind="copy").standing.request
    rights.house.clock.advance(KEPT_S + 1)
    second = rights.stands(kind="copy").standing.request
    keep(rights)
    assert rights.house.rows("SELECT id FROM subject_request") == [(second,)]
    assert rights.stands(kind="copy").standing.request == second != first


def test_the_keepers_clock_is_its_own_and_the_line_looks_again(rights: Rights) -> None:
    """A keeper whose clock runs years ahead asks for everything; the line looks at its own."""
    rights.stands(kind="copy")

    async def go() -> None:
        async with await psycopg.AsyncConnection.connect(rights.house.url, autocommit=True) as connection:
            ahead = Micros(rights.house.clock.now() + 10 * KEPT_S * 1_000_000)
            await keep_requests(rights.house.line, connection, now=ahead, said_at=0)

    rights.house.run(go())
    assert counts(rights)["subject_request"] == 1
