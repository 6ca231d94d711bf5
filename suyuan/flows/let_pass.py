"""A person has found that a machine was wrong to refuse: the same attempt then passes once, without asking the machine.

It has to be the same card, or number, of the same seller for the same amount, within a week. The pass is an entry on a
list that only the line writes and no policy can name (`risk.lists` has no such kind); it goes as it is used.
"""

from __future__ import annotations

from suyuan.base.clock import DAY_S, plus
from suyuan.base.crypto import sha256
from suyuan.base.refusals import Refusal
from suyuan.flows.keep_lists import Listing, drop, put_unchecked
from suyuan.flows.shelves import Shelves
from suyuan.history.fact import Fact
from suyuan.risk.deployed import LISTS
from suyuan.risk.lists import PASSED
from suyuan.risk.row import Row

PASS_S = 7 * DAY_S
LINE = "line"
_MARK_LENGTH = 32


def want_pass(shelves: Shelves, attempt: Row) -> None:
    """Asks for the pass of an attempt, so that it can be given or used."""
    shelves.risk.deployments.want(LISTS)
    shelves.risk.list_entries.want(_listing(attempt).id)


def let_pass(shelves: Shelves, attempt: Row, *, by: str, at: int) -> tuple[Fact, ...] | Refusal:
    """Gives an attempt its pass."""
    return put_unchecked(shelves, _listing(attempt), "review", plus(at, PASS_S), by=by, at=at)


def may_pass(shelves: Shelves, attempt: Row, *, at: int) -> bool:
    """Whether a person has let this attempt pass."""
    return shelves.risk.lists.holds(*_listing(attempt), at=at)


def spend_pass(shelves: Shelves, attempt: Row) -> tuple[Fact, ...]:
    """Uses the pass; it must have been wanted."""
    return drop(shelves, _listing(attempt), by=LINE) or ()


def _listing(attempt: Row) -> Listing:
    key = "number" if attempt.card is None else "card"
    thing = attempt.number if attempt.card is None else attempt.card
    mark = sha256(f"{attempt.seller} {thing} {attempt.face_fen}".encode()).hex()[:_MARK_LENGTH]
    return Listing(PASSED, key, mark)
