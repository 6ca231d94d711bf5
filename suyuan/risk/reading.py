"""Reads history as rows: which events teach risk something, and what.

`row_of` is pure and sees one event; what an outcome is about it learns from `decided`, which gives the row of an
attempt by its redemption. The line asks its books; `rows_of` remembers attempts itself, for whoever reads history from
its beginning. Both give the same rows, for these reasons:

1. An attempt has one row: that of its decision, or, where it was refused before anything was decided, of its refusal.
2. An outcome has the keys and amounts of its attempt, and an instant of its own: what was not known yet counts nowhere.
3. Who signs a request may write any seller's name into it; the seller, and with them partner and contract, count as
   known only where they, or their partner, had asked. Otherwise a stranger could spoil another's record.
4. An outcome that comes more than `OUTCOME_S_MAX` after its attempt, or tells of none, teaches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from suyuan.base.clock import DAY_S, SECOND, SHANGHAI_AHEAD_S
from suyuan.base.refusals import Reason
from suyuan.history.decision_events import DecisionMade, ReviewDecided
from suyuan.history.events import (
    DeviceBound,
    Event,
    RedemptionRefused,
    SellerRegistered,
    SellerRegistered1,
    SourceRejected,
    SourceReversed,
    StrangersCounted,
    TierRaised,
)
from suyuan.history.store import Recorded
from suyuan.risk.row import ATTEMPT, BAD, BOUND, FORGED, REGISTERED, STEPPED_UP, Row, id64

OUTCOME_S_MAX = 90 * DAY_S
"""So that whoever reads all history need not remember all of its attempts."""

BASIS_POINTS = 10_000
_OF_STRANGERS = frozenset({Reason.seller_is_unknown.value, Reason.key_may_not_do_this.value})

Decided = Callable[[str], Row | None]


def row_of(seq: int, at: int, event: Event, decided: Decided) -> Row | None:
    """The row that an event comes to; `None` where it teaches nothing. `decided` finds the row of a redemption."""
    match event:
        case DecisionMade():
            return _attempt(seq, at, event)
        case RedemptionRefused():
            return None if decided(event.redemption) else _refused(seq, at, event)
        case SourceRejected() | SourceReversed():
            return _bad(seq, at, decided(event.redemption))
        case ReviewDecided():
            return _bad(seq, at, decided(event.redemption)) if event.is_bad else None
        case _:
            return _bystander(seq, at, event)


def rows_of(recorded: Iterable[Recorded]) -> Iterator[Row]:
    """The rows of a stretch of history; outcomes of attempts before it are not told."""
    attempts: dict[str, Row] = {}
    for seq, at, event in recorded:
        row = row_of(seq, at, event, attempts.get)
        if row is None:
            continue
        if isinstance(event, DecisionMade):
            attempts[event.redemption] = row
            _forget_before(attempts, at - OUTCOME_S_MAX * SECOND)
        yield row


def is_about_the_seller(event: RedemptionRefused) -> bool:
    """Whether the seller, or their partner, had asked. Anybody else may write any seller's name into a request."""
    return bool(event.partner) and event.reason not in _OF_STRANGERS


def hour_of(at: int) -> int:
    """The hour of the day in Shanghai.

    >>> hour_of(0), hour_of(16 * 3600 * SECOND - 1), hour_of(16 * 3600 * SECOND)
    (8, 23, 0)
    """
    return (at // SECOND + SHANGHAI_AHEAD_S) // 3600 % 24


def ratio_bp(paid: int, face_fen: int) -> int | None:
    """What is paid for a face value, in hundredths of a percent, rounded down.

    >>> ratio_bp(80_00, 100_00), ratio_bp(1, 0)
    (8000, None)
    """
    return paid * BASIS_POINTS // face_fen if face_fen else None


def _attempt(seq: int, at: int, event: DecisionMade) -> Row:
    return Row(
        seq=seq, at=at, kind=ATTEMPT,
        seller=id64(event.seller),
        identity=id64(event.identity),
        device=id64(event.device),
        prefix=id64(event.ip_prefix),
        number=id64(event.number),
        batch=id64(event.batch),
        payee=id64(event.payee),
        merchant=id64(event.merchant),
        contract=id64(event.contract),
        agent=id64(event.agent),
        partner=id64(event.partner),
        key=id64(event.key),
        operator=id64(event.operator),
        card=id64(event.card),
        face_fen=event.face_fen,
        paid=event.paid,
        ratio_bp=ratio_bp(event.paid, event.face_fen),
        hour=hour_of(at),
        taken=int(event.outcome == ""),
        reason=id64(event.outcome),
    )  # fmt: skip


def _refused(seq: int, at: int, event: RedemptionRefused) -> Row:
    """An attempt that ended before anybody asked who stands behind it."""
    is_theirs = is_about_the_seller(event)
    return Row(
        seq=seq, at=at, kind=ATTEMPT,
        seller=id64(event.seller) if is_theirs else None,
        device=id64(event.device),
        prefix=id64(event.ip_prefix),
        contract=id64(event.contract) if is_theirs else None,
        partner=id64(event.partner) if is_theirs else None,
        key=id64(event.key),
        operator=id64(event.operator),
        card=id64(event.source_index),
        face_fen=event.face_fen,
        hour=hour_of(at),
        taken=0,
        reason=id64(event.reason),
    )  # fmt: skip


def _bad(seq: int, at: int, attempt: Row | None) -> Row | None:
    if attempt is None or at - attempt.at > OUTCOME_S_MAX * SECOND:
        return None
    return attempt._replace(seq=seq, at=at, kind=BAD)


def _bystander(seq: int, at: int, event: Event) -> Row | None:
    """What is told of somebody outside any attempt."""
    match event:
        case SellerRegistered1():
            # What linked persons then is not what links them now.
            return Row(seq, at, REGISTERED, seller=id64(event.seller), partner=id64(event.partner))
        case SellerRegistered():
            return Row(
                seq=seq, at=at, kind=REGISTERED,
                seller=id64(event.seller),
                identity=id64(event.identity),
                number=id64(event.number),
                payee=id64(event.payee),
                partner=id64(event.partner),
            )  # fmt: skip
        case DeviceBound():
            return Row(seq, at, BOUND, seller=id64(event.seller), device=id64(event.device), key=id64(event.key))
        case TierRaised():
            return Row(seq, at, STEPPED_UP, seller=id64(event.seller))
        case StrangersCounted():
            return Row(seq, at, FORGED, key=id64(event.key), prefix=id64(event.ip_prefix), times=event.times)
        case _:
            return None


def _forget_before(attempts: dict[str, Row], at: int) -> None:
    """Attempts stand in the order of their instants, so the oldest stand first."""
    while attempts:
        oldest = next(iter(attempts))
        if attempts[oldest].at >= at:
            return
        del attempts[oldest]
