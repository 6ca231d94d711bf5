"""What keeps the house in order while nobody looks: reversals, expired holds, the vault's epochs, old nonces.

1. Each operator is asked what it took back since the last time; each reversal is booked (`TakeBack`). One whose
   payout is still under way is asked for again, so the place in the operator's list moves only past settled ones;
   those behind it are booked all the same, or one payout that hangs would hold up the debts of everybody else.
2. Limit holds that expired are released by the line even where their seller never comes back.
3. Nonces that are older than any fresh signature are deleted. Nobody decides on them any more, so this alone goes
   around the line.
4. History is followed to its end (`follow_history`); what its retention term asks for is done (`keep_retention`); who
   was to be forgotten loses their keys (`forget_subject`); and the vault's epoch is rolled (`roll_epoch`), so that
   nothing of them comes back from a backup.
5. The sealed files of deleted papers are taken away, and what a crash left of others (`tidy_papers`).
6. Requests of people about their own data that are overdue are said, and old ones forgotten (`keep_requests`); so is
   what leads to numbers that nobody bears any more (`forget_numbers`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.finish_payout import Completer
from suyuan.flows.follow_history import follow_history
from suyuan.flows.forget_numbers import BEGINNING, Swept, forget_numbers
from suyuan.flows.forget_subject import Shredder, finish_shreddings
from suyuan.flows.keep_requests import keep_requests
from suyuan.flows.keep_retention import keep_retention
from suyuan.flows.record_outcome import CONSUME_SUFFIX, TakeBack
from suyuan.flows.roll_epoch import roll_epoch
from suyuan.flows.shelves import Shelves
from suyuan.flows.tidy_papers import PaperTidying, tidy_papers
from suyuan.history.events import HoldsReleased
from suyuan.history.line import Applier, Decided, Turn
from suyuan.settle import limits, once
from suyuan.settle.providers import Operator, Unknown

ACCOUNTS_PER_SWEEP_MAX = 500


class ReleaseHolds(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to release what has expired on these limit accounts."""

    accounts: tuple[str, ...]


class Released(msgspec.Struct, frozen=True, array_like=True, tag=True):
    holds: int
    released_fen: int


@dataclass(slots=True)
class HouseKeeping:
    """How far each operator's list of reversals has been read, and when overdue requests were last said.

    Lost on a restart, and then simply read, and said, again.
    """

    papers: PaperTidying
    cursors: dict[str, str] = field(default_factory=dict)
    overdue_said_at: int = 0
    numbers: Swept = BEGINNING


async def keep_house(
    completer: Completer, connection: psycopg.AsyncConnection[TupleRow], keeping: HouseKeeping
) -> None:
    """One round through the house."""
    # (1) What operators took back.
    for name, operator in completer.operators.items():
        keeping.cursors[name] = await _book_reversals(completer, name, operator, keeping.cursors.get(name, ""))
    # (2) Holds nobody came back for.
    now = completer.clock.now()
    expired = await limits.accounts_with_expired_holds(connection, now=now, rows_max=ACCOUNTS_PER_SWEEP_MAX)
    if expired:
        await completer.line.submit(ReleaseHolds(tuple(expired)))
    # (3) Nonces that can no longer be replayed.
    await once.forget_nonces(connection, before=plus(now, -once.NONCE_TTL_S))
    # (4) Terms, and the vault's keys.
    shredder = Shredder(completer.line, completer.vault, completer.subject_keys, connection, completer.rules)
    if await follow_history(connection, completer.rules):
        await keep_retention(shredder, now=now)
        await finish_shreddings(shredder, now=now)
    await roll_epoch(completer.line, completer.vault, connection, now=now, chance=completer.chance)
    # (5) The files of papers.
    await tidy_papers(keeping.papers, connection, now=now)
    # (6) Requests that wait too long, and those that nobody asks about any more.
    keeping.overdue_said_at = await keep_requests(completer.line, connection, now=now, said_at=keeping.overdue_said_at)
    keeping.numbers = await forget_numbers(connection, keeping.numbers, now=now)


async def _book_reversals(completer: Completer, name: str, operator: Operator, cursor: str) -> str:
    """Books what came after the cursor. Returns the cursor behind the last reversal that is settled."""
    reversals = await operator.reversals(cursor)
    if isinstance(reversals, Unknown):
        return cursor
    is_settled = True
    for reversal in reversals:
        command = TakeBack(reversal.order_no.removesuffix(CONSUME_SUFFIX), reversal.reference, name)
        answer = await completer.line.submit(command)
        is_settled &= not isinstance(answer, Refusal) or answer.reason in _SETTLED
        if is_settled:
            cursor = reversal.cursor
    return cursor


_SETTLED = frozenset({Reason.redemption_is_settled_already, Reason.redemption_is_unknown})


def want(shelves: Shelves, command: ReleaseHolds, now: int) -> bool:
    """Which rows are needed."""
    shelves.limits.want_holds(command.accounts)
    return True


def apply(shelves: Shelves, command: ReleaseHolds, turn: Turn) -> Decided:
    """Releases what has expired, as much as one turn may."""
    released = shelves.limits.release(turn, command.accounts)
    if not released:
        return Decided(Released(0, 0))
    event = HoldsReleased(len(released), sum(released))
    return Decided(Released(event.holds, event.released_fen), (event,))


APPLIER = Applier(want, apply)
