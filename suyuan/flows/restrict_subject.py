"""Restricting a person's data: it is stored and secured, and nothing else is done with it.

It happens because the person asks (`answer_subject`), or because nothing of the trade needs the data any more
(`keep_retention`). The first ends when the person says so, the second when the person sells again. A person who asked
stays restricted, whatever the agenda says.

Only what was promised before, the person's own request and an authority's order still open anything
(`Purpose.while_restricted`).
"""

from __future__ import annotations

from suyuan.flows.shelves import Shelves
from suyuan.history.fact import Fact
from suyuan.history.privacy_events import ProcessingRestricted, ProcessingResumed
from suyuan.privacy.standing import SUBJECT_ASKED, Restriction


def want_restriction(shelves: Shelves, subject: str) -> None:
    """Which row restricting needs."""
    shelves.restrictions.want(subject)


def restrict(shelves: Shelves, subject: str, reason: str, *, at: int) -> tuple[Fact, ...]:
    """Restricts a person's data from here on, once. What a person asked for outweighs what the agenda says."""
    known = shelves.restrictions.get(subject)
    if known is not None and known.reason in (reason, SUBJECT_ASKED):
        return ()
    if known is None:
        shelves.restrictions.add(Restriction(subject, reason, at))
    else:
        known.reason, known.since = reason, at
        shelves.restrictions.change(subject, known)
    return (ProcessingRestricted(subject, reason),)


def resume(shelves: Shelves, subject: str, reason: str) -> tuple[Fact, ...]:
    """Ends a restriction that stands for this reason, and no other."""
    known = shelves.restrictions.get(subject)
    if known is None or known.reason != reason:
        return ()
    shelves.restrictions.drop(known)
    return (ProcessingResumed(subject, reason),)
