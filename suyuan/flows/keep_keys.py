"""Data keys in the line: they are kept in the commit that keeps what they close, unless their epoch is closed.

An API worker makes the keys of what it seals and sends them along, wrapped under the newest epoch that it knows. One
that has slept through the beginning of a new epoch is refused, as if the platform were busy: nothing was done, and
its next try is sealed anew. So once an epoch is closed, the keys that hang on it can only become fewer.
"""

from __future__ import annotations

import msgspec

from suyuan.flows.shelves import Shelves
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.privacy_events import EpochClosed, EpochDestroyed
from suyuan.privacy.pseudonyms import Marks, Pseudonym
from suyuan.privacy.subject_keys import VAULT, SubjectKey, VaultEpoch


def want_epoch(shelves: Shelves) -> None:
    """Asks how far the epochs have come."""
    shelves.vault_epoch.want(VAULT)


def are_of_closed_epochs(shelves: Shelves, *keys: SubjectKey | Marks) -> bool:
    """Whether any of these keys or marks comes too late: its epoch's key may be destroyed at any moment."""
    epoch = shelves.vault_epoch.get(VAULT)
    return epoch is not None and any(key.epoch <= epoch.closed for key in keys)


def want_pseudonym(shelves: Shelves, marks: Marks) -> None:
    """Asks whether this value has a pseudonym, under whichever of its marks."""
    shelves.pseudonyms.want_all(marks.marks)


def known_pseudonym(shelves: Shelves, marks: Marks) -> str | None:
    """The pseudonym that this value has, if it has one."""
    rows = (shelves.pseudonyms.get(mark) for mark in marks.marks)
    return next((row.pseudonym for row in rows if row is not None), None)


def pseudonym_of(shelves: Shelves, marks: Marks) -> str:
    """The pseudonym that this value has, or from now on has."""
    known = known_pseudonym(shelves, marks)
    if known is not None:
        return known
    shelves.pseudonyms.add(Pseudonym(marks.marks[0], marks.fresh, marks.epoch))
    return marks.fresh


class CloseEpoch(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to take no more data keys of this epoch, or of one before it."""

    epoch: int


class RecordDestroyed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Tells the line that the keys of this epoch, and of all before it, are destroyed."""

    epoch: int


class EpochsAre(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How far the epochs have come now."""

    closed: int
    destroyed: int


def want(shelves: Shelves, command: CloseEpoch | RecordDestroyed, now: int) -> bool:
    """Which rows are needed."""
    want_epoch(shelves)
    return True


def apply_closing(shelves: Shelves, command: CloseEpoch, turn: Turn) -> Decided:
    """Closes an epoch, once."""
    epoch = _epoch(shelves)
    if command.epoch <= epoch.closed:
        return Decided(EpochsAre(epoch.closed, epoch.destroyed))
    epoch.closed = command.epoch
    shelves.vault_epoch.change(VAULT, epoch)
    return Decided(EpochsAre(epoch.closed, epoch.destroyed), (EpochClosed(command.epoch),))


def apply_destroyed(shelves: Shelves, command: RecordDestroyed, turn: Turn) -> Decided:
    """Keeps that an epoch is destroyed, once. One that was never closed cannot be."""
    epoch = _epoch(shelves)
    if not epoch.destroyed < command.epoch <= epoch.closed:
        return Decided(EpochsAre(epoch.closed, epoch.destroyed))
    epoch.destroyed = command.epoch
    shelves.vault_epoch.change(VAULT, epoch)
    return Decided(EpochsAre(epoch.closed, epoch.destroyed), (EpochDestroyed(command.epoch),))


def _epoch(shelves: Shelves) -> VaultEpoch:
    epoch = shelves.vault_epoch.get(VAULT)
    if epoch is None:
        epoch = VaultEpoch(VAULT, 0, 0)
        shelves.vault_epoch.add(epoch)
    return epoch


CLOSE_APPLIER = Applier(want, apply_closing)
DESTROYED_APPLIER = Applier(want, apply_destroyed)
