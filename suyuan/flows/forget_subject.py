"""Forgetting a seller: the intent first, then the keys, and at the next roll nothing is left that could open anything.

1. The intent is an event. From it on the seller is suspended and nothing of theirs is opened, even where all that
   follows fails; it is refused while money of theirs is on its way or owed, since then their data is still needed.
2. The data keys of the seller, and of every redemption of theirs that is settled, are replaced by their fingerprints,
   and the seller's row loses its sealed texts and blind indexes. A card that is still in stock keeps its secret: it is
   no longer about the seller.
3. The epoch that had wrapped the keys is destroyed at the next roll (`roll_epoch`). From there on no backup, log or
   dead row opens, with whatever keys.

All of it may be repeated after a crash: a step that is done answers as it did before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.shelves import Shelves
from suyuan.history.events import ShreddingIntended, SubjectsShredded
from suyuan.history.frames import Commands
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy.shredding import Shredding
from suyuan.privacy.subject_keys import SubjectKey, key_ids
from suyuan.privacy.vault import Vault
from suyuan.settle import redemption as booking
from suyuan.settle.account import SUSPENDED


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What forgetting needs: the line, the vault, and two look-ups."""

    line: Commands
    vault: Vault
    settled_redemptions: Callable[[str], Awaitable[Sequence[str]]]
    """The redemptions of a seller whose secrets nobody needs any more."""
    subject_keys: Callable[[Iterable[str]], Awaitable[dict[str, SubjectKey]]]


class IntendShredding(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to close everything of a seller for good."""

    request: str
    seller: str
    reason: str
    by: str


class Shred(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to forget these data keys, each with its fingerprint."""

    request: str
    seller: str
    fingerprints: dict[str, bytes]


class Forgotten(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How far it has come. `epoch` is the one whose destruction makes it final; 0 while keys are still there."""

    seller: str
    epoch: int


async def forget_subject(
    forgetting: Forgetting, seller: str, *, request: str, reason: str, by: str
) -> Forgotten | Refusal:
    """Forgets a seller, or says why that must wait."""
    # (1) Fail closed first: whatever happens from here, nothing of theirs is opened any more.
    intended = await forgetting.line.submit(IntendShredding(request, seller, reason, by))
    if isinstance(intended, Refusal):
        return intended
    # (2) Nothing new can come, so what is found now is all there is.
    subjects = [seller, *await forgetting.settled_redemptions(seller)]
    keys = await forgetting.subject_keys(place for subject in subjects for place in key_ids(subject))
    fingerprints = {
        place: forgetting.vault.fingerprint(key) for place, key in keys.items() if not key.is_forgotten
    }  # fmt: skip
    answer = await forgetting.line.submit(Shred(request, seller, fingerprints))
    assert isinstance(answer, Forgotten | Refusal), "the line answers a shredding with nothing else"
    return answer


# --- in the line ---------------------------------------------------------------------------------


def want_intent(shelves: Shelves, command: IntendShredding, now: int) -> bool:
    """Which rows are needed: the seller, and everything that could still be owed."""
    shelves.shreddings.want(command.seller)
    shelves.register.sellers.want(command.seller)
    shelves.books.accounts.want_all(booking.seller_keys(command.seller))
    return True


def apply_intent(shelves: Shelves, command: IntendShredding, turn: Turn) -> Decided:
    """Closes the seller, unless there is business to finish."""
    known = shelves.shreddings.get(command.seller)
    if known is not None:
        return Decided(Forgotten(command.seller, known.epoch))
    seller = shelves.register.sellers.get(command.seller)
    if seller is None:
        return Decided(Refusal(Reason.seller_is_unknown, "seller"))
    if booking.has_unfinished_business(shelves.books, command.seller):
        return Decided(Refusal(Reason.subject_has_unfinished_business, "seller"))
    seller.state = SUSPENDED
    shelves.register.sellers.change(seller.id, seller)
    shelves.shreddings.add(Shredding(command.seller, command.reason, turn.at, None, 0))
    event = ShreddingIntended(command.request, (command.seller,), command.reason, command.by)
    return Decided(Forgotten(command.seller, 0), (event,))


def want_shred(shelves: Shelves, command: Shred, now: int) -> bool:
    """Which rows are needed."""
    shelves.shreddings.want(command.seller)
    shelves.register.sellers.want(command.seller)
    shelves.subject_keys.want_all(command.fingerprints)
    return True


def apply_shred(shelves: Shelves, command: Shred, turn: Turn) -> Decided:
    """Forgets the keys, and what the seller's row says of a person."""
    shredding = shelves.shreddings.get(command.seller)
    seller = shelves.register.sellers.get(command.seller)
    assert shredding is not None, "the intent comes first"
    assert seller is not None, "only a registered seller is forgotten"
    rows = [row for place in command.fingerprints if (row := shelves.subject_keys.get(place)) is not None]
    alive = [row for row in rows if not row.is_forgotten]
    if shredding.shredded_at is not None and not alive:
        return Decided(Forgotten(command.seller, shredding.epoch))
    for row in alive:
        shelves.subject_keys.drop(row)
        shelves.subject_keys.add(SubjectKey(row.id, row.epoch, b"", command.fingerprints[row.id]))
    seller.sealed_name = seller.sealed_identity = seller.sealed_number = seller.sealed_payee = ""
    seller.identity_index = seller.payee_index = ""
    shelves.register.sellers.change(seller.id, seller)
    shredding.shredded_at = turn.at
    shredding.epoch = max((row.epoch for row in alive), default=shredding.epoch)
    shelves.shreddings.change(shredding.subject, shredding)
    return Decided(Forgotten(command.seller, shredding.epoch), (_shredded(command, alive, shredding),))


def _shredded(command: Shred, forgotten: Sequence[SubjectKey], shredding: Shredding) -> SubjectsShredded:
    return SubjectsShredded(
        request=command.request,
        subjects=tuple(sorted({command.seller, *(row.subject for row in forgotten)})),
        fingerprints=tuple(command.fingerprints[row.id].hex() for row in forgotten),
        epoch=shredding.epoch,
    )


INTENT_APPLIER = Applier(want_intent, apply_intent)
SHRED_APPLIER = Applier(want_shred, apply_shred)
