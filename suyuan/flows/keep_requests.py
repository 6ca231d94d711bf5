"""The store of requests keeps order: what is overdue is said, what has been kept long enough is forgotten.

It would otherwise become the very heap of personal data that its requests are about. Proofs of numbers go after a day,
counts of codes after two, closed requests after three years; each in the line, which looks at the ages once more.
"""

from __future__ import annotations

import msgspec
import psycopg
import structlog
from psycopg.rows import TupleRow

from suyuan.base.clock import Micros, plus, text
from suyuan.flows.shelves import Shelves
from suyuan.history.frames import Commands
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy import number_proofs, requests
from suyuan.privacy.requests import slot_of

ROWS_PER_ROUND_MAX = 500
SAID_AGAIN_S = 3_600

log = structlog.get_logger()


class ForgetRequests(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to forget what is old enough of these."""

    requests: tuple[str, ...]
    proofs: tuple[str, ...]
    counts: tuple[str, ...]


class RequestsForgotten(msgspec.Struct, frozen=True, array_like=True, tag=True):
    rows: int


async def keep_requests(
    line: Commands, connection: psycopg.AsyncConnection[TupleRow], *, now: Micros, said_at: int
) -> int:
    """One round. Returns when it was last said that requests are overdue: once an hour, as long as any is."""
    proofs, counts = await number_proofs.expired(connection, now=now, rows_max=ROWS_PER_ROUND_MAX)
    closed = await requests.expired(connection, now=now, rows_max=ROWS_PER_ROUND_MAX)
    if proofs or counts or closed:
        await line.submit(ForgetRequests(tuple(closed), tuple(proofs), tuple(counts)))
    waiting = await requests.overdue(connection, now=now)
    if not waiting.overdue or now < plus(said_at, SAID_AGAIN_S):
        return said_at
    log.warning("subject_requests_overdue", requests=waiting.overdue, oldest_due_at=text(waiting.oldest_due_at))
    return now


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: ForgetRequests, now: int) -> bool:
    """Which rows are needed; the slot of a request is known once the request is."""
    shelves.requests.want_all(command.requests)
    shelves.number_proofs.want_all(command.proofs)
    shelves.code_counts.want_all(command.counts)
    known = [shelves.requests.peek(name) for name in command.requests]
    shelves.open_requests.want_all(_slot(request) for request in known if request is not None)
    return all(
        request is not None or shelves.requests.is_absent(name)
        for name, request in zip(command.requests, known, strict=True)
    )


def apply(shelves: Shelves, command: ForgetRequests, turn: Turn) -> Decided:
    """Forgets what is old enough, whatever the keeper believes."""
    rows = 0
    for name in command.requests:
        request = shelves.requests.get(name)
        if request is not None and request.is_forgettable(turn.at):
            opened = shelves.open_requests.get(_slot(request))
            if opened is not None and opened.request == request.id:
                shelves.open_requests.drop(opened)
            shelves.requests.drop(request)
            rows += 1
    for name in command.proofs:
        proof = shelves.number_proofs.get(name)
        if proof is not None and proof.is_forgettable(turn.at):
            shelves.number_proofs.drop(proof)
            rows += 1
    for name in command.counts:
        count = shelves.code_counts.get(name)
        if count is not None and count.ends_at < turn.at:
            shelves.code_counts.drop(count)
            rows += 1
    return Decided(RequestsForgotten(rows))


def _slot(request: requests.SubjectRequest) -> str:
    return slot_of(request.kind, seller=request.seller, number=request.number, proof=request.proof)


APPLIER = Applier(want, apply)
