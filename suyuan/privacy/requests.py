"""Requests of people about their own data: the nine kinds, their clock, and the closed list of reasons to refuse one.

Owns the tables `subject_request` and `open_request`. A request holds pseudonyms, codes and instants. The only values
in it are the new name or number of a correction: sealed under the person's own data keys, and gone with the decision.
Which request of a person is open is found under its slot, so there is one of each kind at a time.

    know, access, copy, port, explain   answered by the platform at once; the bundle may be fetched for a week
    restrict                            in force at once
    correct, delete, heir, explain with a human review   `in_review` until an officer accepts or refuses

A request is due at the end of the 15th working day, and never later than 30 days after it came. The version of the
privacy notice that it is answered by is fixed when it comes, so nobody changes the rules under it.

Law: 个人信息保护法 2021, art. 44-50; 网络数据安全管理条例 2024, art. 23-25; 电子商务法 2018, art. 24.

>>> REFUSALS["statutory_term_runs"].basis
Citation(law='电子商务法', version='2018', article='31')
>>> due_at(0) <= plus(0, OUTER_LIMIT_S)
True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, Micros, plus
from suyuan.base.db import Fetch
from suyuan.privacy.notice_texts import ANSWER_WORKING_DAYS
from suyuan.privacy.purposes import Citation
from suyuan.privacy.working_days import last_instant

TABLE = "subject_request"
OPEN_TABLE = "open_request"

KNOW, RESTRICT, ACCESS, COPY, PORT = "know", "restrict", "access", "copy", "port"
CORRECT, DELETE, EXPLAIN, HEIR = "correct", "delete", "explain", "heir"
KINDS = (KNOW, RESTRICT, ACCESS, COPY, PORT, CORRECT, DELETE, EXPLAIN, HEIR)
WITH_BUNDLE = frozenset({KNOW, ACCESS, COPY, PORT, EXPLAIN, HEIR})
WITH_VALUES = frozenset({ACCESS, COPY, PORT, HEIR})
# What is kept under a number alone may be looked at, by whoever proves that number; it is nobody's account to change.
OF_A_NUMBER = frozenset({KNOW, ACCESS, COPY, PORT, HEIR})

BY_KEY, BY_PARTNER, BY_NUMBER = "key", "partner", "number"
IN_REVIEW, ANSWERED, REFUSED = "in_review", "answered", "refused"
PLATFORM = "platform"

OUTER_LIMIT_S = 30 * DAY_S
OPEN_S = 7 * DAY_S
# A bundle comes in pages, each of them one read; whoever needs more than this in a week is no longer asking.
READS_MAX = 200
# As long as a claim about the answer may be brought; then the request store forgets, like every other store.
KEPT_S = 3 * 366 * DAY_S


class RightRefusal(NamedTuple):
    """A reason for which a request may be refused: the rule that allows it, and what the person is told."""

    basis: Citation
    en: str
    zh: str


_PIPL = "个人信息保护法"
_DATA_RULES = "网络数据安全管理条例"

# That a secret investigation stands in the way is no reason here: what belongs to one is left out, and nobody is told.
REFUSALS: dict[str, RightRefusal] = {
    "identity_is_not_proven": RightRefusal(
        Citation(_DATA_RULES, "2024", "25"),
        "We could not tell that you are the person whom this concerns; prove your number again or come to us.",
        "无法核实您就是该信息的本人，请重新验证号码或到场办理。",
    ),
    "business_is_unfinished": RightRefusal(
        Citation(_PIPL, "2021", "47(1)(1)"),
        "Money of yours is still on its way or owed, so the data is needed; ask again once that is settled.",
        "您仍有款项在途或未结清，相关信息仍为必要，请结清后再次提出。",
    ),
    "statutory_term_runs": RightRefusal(
        Citation("电子商务法", "2018", "31"),
        "The law makes us keep records of trades for three years; until then they are only stored and protected.",
        "法律要求交易信息至少保存三年；期满之前仅作存储和安全保护，不作其他处理。",
    ),
    "concerns_somebody_else": RightRefusal(
        Citation(_PIPL, "2021", "44"),
        "This data is about somebody else, who alone may ask about it.",
        "该信息属于他人，只能由其本人提出请求。",
    ),
    "is_not_shown_to_be_wrong": RightRefusal(
        Citation(_PIPL, "2021", "46"),
        "What we keep agrees with the register that we checked; show us a document that says otherwise.",
        "经核实，现存信息与权威登记一致；如有不同，请提供证明材料。",
    ),
    "kinship_is_not_shown": RightRefusal(
        Citation(_PIPL, "2021", "49"),
        "The papers do not show that you are a close relative, or the deceased had arranged otherwise.",
        "材料不足以证明近亲属关系，或死者生前另有安排。",
    ),
}
REMEDY_EN = "You may ask us for a human review, complain to the authority, or bring the matter before a people's court."
REMEDY_ZH = "您可以要求人工复核、向主管部门投诉，或依法向人民法院提起诉讼。"


class SubjectRequest(msgspec.Struct, gc=False):
    """One request. Texts that do not apply are empty; instants are micros."""

    id: str
    kind: str
    seller: str  # Whom it is about; nothing for somebody who never registered.
    number: str  # The pseudonym of the number that was proven; nothing where a key signed.
    proof: str
    state: str
    policy: str
    received_at: int
    due_at: int
    open_until: int  # How long the bundle may be fetched; 0 where there is none.
    reads: int
    closed_at: int | None
    outcome: str
    refusal: str
    decided_by: str
    sealed_name: str  # A correction's new values, until it is decided.
    sealed_number: str
    paper_sha256: str  # An heir's papers.
    code_digest: bytes  # Of the code that an officer has handed to an heir.

    @property
    def is_waiting(self) -> bool:
        """Whether an officer has still to decide."""
        return self.state == IN_REVIEW

    def holds_its_slot(self, at: int) -> bool:
        """Whether asking for the same again gives this one."""
        return self.is_waiting or at < self.open_until

    def is_forgettable(self, at: int) -> bool:
        """Whether it was closed so long ago that nobody needs to know of it."""
        return self.closed_at is not None and plus(self.closed_at, KEPT_S) <= at

    def opens_values(self, at: int) -> bool:
        """Whether values may be read for it now."""
        is_open = self.state == ANSWERED and at < self.open_until
        return is_open and self.kind in WITH_VALUES and self.reads < READS_MAX


CHANGING = (
    "state", "open_until", "reads", "closed_at", "outcome", "refusal", "decided_by", "sealed_name", "sealed_number",
    "code_digest",
)  # fmt: skip


class OpenRequest(msgspec.Struct, gc=False):
    """The newest request of one person and kind."""

    slot: str
    request: str


def slot_of(kind: str, *, seller: str, number: str, proof: str) -> str:
    """Where a person's request of one kind stands. One that a partner passed on is not the person's own.

    >>> slot_of("know", seller="slr_1", number="", proof="key")
    'know/slr_1'
    >>> slot_of("heir", seller="slr_1", number="num_1", proof="number")
    'heir/num_1'
    """
    whose = number if kind == HEIR else seller or number
    return f"{kind}/{whose}" + (f"/{BY_PARTNER}" if proof == BY_PARTNER else "")


def due_at(received_at: int) -> Micros:
    """Until when a request has to be answered."""
    return min(last_instant(received_at, working_days=ANSWER_WORKING_DAYS), plus(received_at, OUTER_LIMIT_S))


# --- reading -------------------------------------------------------------------------------------


async def find(fetch: Fetch, request_id: str) -> SubjectRequest | None:
    """One request. `fetch` is `base.db.ReadPool.fetch`."""
    rows = await fetch(_ONE, [request_id])
    return SubjectRequest(*rows[0]) if rows else None


async def numbers_open(connection: psycopg.AsyncConnection[TupleRow], numbers: Sequence[str], *, now: int) -> set[str]:
    """Those of these numbers whose holder has a request that waits, or a bundle to fetch."""
    found = await connection.execute(_NUMBERS_OPEN, (list(numbers), now))
    return {row[0] for row in await found.fetchall()}


class Waiting(NamedTuple):
    """How many requests are past their day, and the day of the oldest."""

    overdue: int
    oldest_due_at: int


async def overdue(connection: psycopg.AsyncConnection[TupleRow], *, now: int) -> Waiting:
    """What should have been answered by now."""
    row = await (await connection.execute(_OVERDUE, (now,))).fetchone()
    assert row is not None, "a count is always one row"
    return Waiting(int(row[0]), int(row[1] or 0))


async def expired(connection: psycopg.AsyncConnection[TupleRow], *, now: int, rows_max: int) -> list[str]:
    """The requests that were closed so long ago that they are to be forgotten."""
    found = await connection.execute(_EXPIRED, (plus(now, -KEPT_S), rows_max))
    return [row[0] for row in await found.fetchall()]


def newest(connection: psycopg.Connection[TupleRow], *, only_waiting: bool, rows_max: int) -> list[SubjectRequest]:
    """The requests, those that wait first, the most urgent of them first."""
    rows = connection.execute(_NEWEST, {"only_waiting": only_waiting, "rows_max": rows_max}).fetchall()
    return [SubjectRequest(*row) for row in rows]


def find_now(connection: psycopg.Connection[TupleRow], request_id: str) -> SubjectRequest | None:
    """One request, for an officer's command."""
    row = connection.execute(_ONE, (request_id,)).fetchone()
    return None if row is None else SubjectRequest(*row)


_COLUMNS = ", ".join(SubjectRequest.__struct_fields__)
_ONE = f"SELECT {_COLUMNS} FROM subject_request WHERE id = %s"
_OVERDUE = "SELECT count(*), min(due_at) FROM subject_request WHERE closed_at IS NULL AND due_at < %s"
_NUMBERS_OPEN = """
SELECT number FROM subject_request WHERE number = ANY(%s) AND number <> '' AND (closed_at IS NULL OR open_until > %s)
"""
_EXPIRED = "SELECT id FROM subject_request WHERE closed_at <= %s ORDER BY closed_at LIMIT %s"
_NEWEST = f"""
SELECT {_COLUMNS} FROM subject_request WHERE closed_at IS NULL OR NOT %(only_waiting)s
ORDER BY closed_at IS NOT NULL, due_at LIMIT %(rows_max)s
"""
