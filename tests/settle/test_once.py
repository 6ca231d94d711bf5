"""Acting once: a replay is refused, a retry hears the first answer for ever, a doubled key conflicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from suyuan.base import db
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.take_redemption import Taken
from suyuan.settle.once import NONCE_TTL_S, nonce_mark, request_mark
from suyuan.settle.request import FRESH_S
from tests.settle.books_line import PARTNER_KEY, BooksLine, Knock, RaiseToday, Turned, lay, outcome

FIRST = Knock(1, nonce="n1", idempotency="i1")
RETRY = replace(FIRST, number=2, nonce="n2", digest="i1")


@pytest.fixture
def line(database: str) -> Iterator[BooksLine]:
    with lay(BooksLine(database)) as line:
        yield line


def count(line: BooksLine, table: str) -> int:
    with db.connect(line.url) as connection:
        (found,) = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
    return int(found[0])


def test_a_replayed_request_is_refused(line: BooksLine) -> None:
    """The same signed bytes a second time, and a third time to another leader: one card, one event."""
    line.submit(FIRST.command())
    for _ in range(2):
        assert line.one(FIRST.command()) == Refusal(Reason.request_was_replayed)
        line.restart()
    assert (count(line, "redemption"), count(line, "event"), count(line, "nonce")) == (1, 2, 1)


def test_a_replay_within_one_batch_is_refused(line: BooksLine) -> None:
    first, second = line.submit(FIRST.command(), FIRST.command())
    assert isinstance(first, Taken)
    assert second == Refusal(Reason.request_was_replayed)


def test_a_nonce_of_another_request_is_refused(line: BooksLine) -> None:
    line.submit(FIRST.command())
    assert line.one(Knock(3, nonce="n1").command()) == Refusal(Reason.request_was_replayed)


def test_a_retry_hears_the_first_answer_byte_for_byte(line: BooksLine) -> None:
    """Signed anew with the same key: now, in the same batch, by the next leader, and after the card has moved on."""
    first, second = line.submit(FIRST.command(), RETRY.command())
    line.restart()
    third = line.one(replace(RETRY, nonce="n3").command())
    line.submit(outcome(first.redemption, "consumed"))
    line.submit(outcome(first.redemption, "paid"))
    fourth = line.one(replace(RETRY, nonce="n4").command())
    assert {msgspec.msgpack.encode(answer) for answer in (second, third, fourth)} == {msgspec.msgpack.encode(first)}
    assert (count(line, "redemption"), count(line, "event")) == (1, 4)


@pytest.mark.parametrize("batched", [True, False])
def test_a_key_with_another_body_conflicts(line: BooksLine, batched: bool) -> None:
    other = replace(RETRY, digest="another body", face_fen=50_00).command()
    answers = line.submit(FIRST.command(), other) if batched else [line.one(FIRST.command()), line.one(other)]
    assert answers[1] == Refusal(Reason.idempotency_key_was_used_for_another_request)
    assert count(line, "redemption") == 1


def test_a_refusal_never_flips(line: BooksLine) -> None:
    """Refused over the limit; then the limit is raised. The same request hears the same; a new one is taken."""
    line.submit(*[Knock(n, face_fen=1_000_00).command() for n in range(10, 15)])
    refused = line.one(FIRST.command())
    assert refused.reason is Reason.step_up_is_needed
    line.one(RaiseToday("slr_1"))
    line.restart()
    assert line.one(RETRY.command()) == refused
    assert isinstance(line.one(Knock(3).command()), Taken)


def test_a_failed_commit_remembers_neither_nonce_nor_key(line: BooksLine) -> None:
    """The database refused it, so nothing has happened, and the very same bytes may come again."""
    line.break_next_commit("refused")
    assert line.one(FIRST.command()) == Refusal(Reason.platform_has_a_fault)
    assert (count(line, "nonce"), count(line, "idempotency")) == (0, 0)
    assert isinstance(line.one(FIRST.command()), Taken)


@pytest.mark.parametrize(("how", "redemptions"), [("lost before", 0), ("lost after", 1)])
def test_a_lost_answer_is_heard_by_a_retry(line: BooksLine, how: str, redemptions: int) -> None:
    """Nobody knows whether the commit came through; the retry finds out, and the card is taken once either way."""
    line.break_next_commit(how)
    assert line.one(FIRST.command()) == Refusal(Reason.answer_is_not_known_yet)
    assert count(line, "redemption") == redemptions
    line.restart()
    assert line.one(RETRY.command()).redemption == (FIRST if redemptions else RETRY).id
    assert count(line, "redemption") == 1


def test_a_stopped_platform_still_repeats_its_answers(line: BooksLine) -> None:
    """A kill switch stops what is new; what was taken was taken, and its partner may learn it."""
    first = line.one(FIRST.command())
    line.submit(Turned("platform", stopped=True))
    assert line.one(RETRY.command()) == first
    assert line.one(Knock(3).command()) == Refusal(Reason.platform_is_stopped)


def test_a_revoked_key_is_not_even_told_what_it_knows(line: BooksLine) -> None:
    line.submit(FIRST.command())
    with db.connect(line.url, autocommit=True) as connection:
        connection.execute("UPDATE signing_key SET state = 'revoked' WHERE id = %s", (PARTNER_KEY,))
    line.restart()
    assert line.one(RETRY.command()) == Refusal(Reason.key_is_not_active)


def test_a_nonce_is_remembered_longer_than_a_signature_is_fresh() -> None:
    assert NONCE_TTL_S >= 2 * FRESH_S


def test_marks_tell_owners_routes_and_keys_apart() -> None:
    """Moving a character from one part to the next makes another mark, so no caller can meet another's."""
    marks = [
        request_mark("a", "b", "c"),
        request_mark("ab", "", "c"),
        request_mark("a", "bc", ""),
        nonce_mark("a", "b"),
    ]
    assert len({*marks}) == len(marks)
    assert {len(mark) for mark in marks} == {16}
