"""Forgetting a seller: the intent first, then the keys, and at the next roll nothing is left that could open anything.

1. Two officers decide it (`ForgetSeller`); their decision is the intent, and an event. From it on the
   seller is suspended and nothing of theirs is opened, even where all that follows fails. It is refused while money of
   theirs is on its way or owed, since then their data is still needed.
2. The keeper of the house finishes what was intended (`finish_shreddings`): the data keys of the seller, and of every
   redemption of theirs that is settled, are replaced by their fingerprints, and the seller's row loses its sealed
   texts and blind indexes. A card that is still in stock keeps its secret: it is no longer about the seller.
3. The epoch that had wrapped the keys is destroyed at the next roll (`roll_epoch`). From there on no backup, log or
   dead row opens, with whatever keys.

All of it may be repeated after a crash: a step that is done answers as it did before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.changing import Approval, Change, ChangeKind, Made, is_always_sound
from suyuan.flows.shelves import Shelves
from suyuan.history.events import ShreddingIntended, SubjectsShredded
from suyuan.history.frames import Commands
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy import shredding
from suyuan.privacy.keyring import NoEpochKey
from suyuan.privacy.shredding import Shredding
from suyuan.privacy.subject_keys import SubjectKey, key_ids
from suyuan.privacy.vault import FINGERPRINT_BYTES, BrokenSeal, Vault
from suyuan.settle import redemption as booking
from suyuan.settle.account import SUSPENDED

SELLERS_PER_ROUND_MAX = 100
# A seller may have sold tens of thousands of cards, and a command has to fit into a frame.
KEYS_AT_ONCE = 2_000
BROKEN = bytes(FINGERPRINT_BYTES)


class ForgetSeller(Change, frozen=True, tag="forget_seller"):
    """Everything of a seller is closed and then forgotten, which nobody can undo."""

    id: str
    reason: str


class Shred(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to forget these data keys of a seller's, each with its fingerprint."""

    seller: str
    fingerprints: dict[str, bytes]
    is_last: bool


class Forgotten(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The keys are gone; the destruction of this epoch makes it final."""

    seller: str
    epoch: int


async def finish_shreddings(
    line: Commands,
    vault: Vault,
    look_up_keys: Callable[[Iterable[str]], Awaitable[dict[str, SubjectKey]]],
    connection: psycopg.AsyncConnection[TupleRow],
) -> list[Forgotten]:
    """Forgets the keys of all who were to be forgotten and are not yet. What fails now waits for the next round."""
    done = []
    for seller in await shredding.unfinished(connection, rows_max=SELLERS_PER_ROUND_MAX):
        # Nothing new can come since the intent, so what is found now is all there is.
        subjects = [seller, *await booking.settled_of_seller(connection, seller)]
        keys = await look_up_keys([place for subject in subjects for place in key_ids(subject)])
        fingerprints = {place: _fingerprint(vault, key) for place, key in keys.items() if not key.is_forgotten}
        answer = await _shred(line, seller, fingerprints)
        if isinstance(answer, Forgotten):
            done.append(answer)
    return done


async def _shred(line: Commands, seller: str, fingerprints: dict[str, bytes]) -> Forgotten | Refusal:
    places = list(fingerprints)
    stretches = [places[start : start + KEYS_AT_ONCE] for start in range(0, len(places), KEYS_AT_ONCE)]
    answer: Forgotten | Refusal = Forgotten(seller, 0)
    # A seller without a key is forgotten by a command as well.
    for number, stretch in enumerate(stretches or [[]], 1):
        chosen = {place: fingerprints[place] for place in stretch}
        said = await line.submit(Shred(seller, chosen, is_last=number >= len(stretches)))
        assert isinstance(said, Forgotten | Refusal), "the line answers a shredding with nothing else"
        answer = said
        if isinstance(answer, Refusal):
            break
    return answer


def _fingerprint(vault: Vault, key: SubjectKey) -> bytes:
    """A key that somebody has broken opens nothing any more, and is forgotten all the same."""
    try:
        return vault.fingerprint(key)
    except (BrokenSeal, NoEpochKey):
        return BROKEN


# --- in the line ---------------------------------------------------------------------------------


def want_intent(shelves: Shelves, change: ForgetSeller) -> bool:
    """Asks for the seller, and for everything that could still be owed."""
    shelves.shreddings.want(change.id)
    shelves.register.sellers.want(change.id)
    shelves.books.accounts.want_all(booking.seller_keys(change.id))
    return True


def intend(shelves: Shelves, change: ForgetSeller, approval: Approval) -> Made:
    """Closes everything of a seller for good, unless there is business to finish."""
    seller_id = change.id
    if shelves.shreddings.get(seller_id) is not None:
        return ()
    seller = shelves.register.sellers.get(seller_id)
    if seller is None:
        return Refusal(Reason.seller_is_unknown, "seller")
    if booking.has_unfinished_business(shelves.books, seller_id):
        return Refusal(Reason.subject_has_unfinished_business, "seller")
    seller.state = SUSPENDED
    shelves.register.sellers.change(seller.id, seller)
    shelves.shreddings.add(Shredding(seller_id, change.reason, approval.turn.at, None, 0))
    return (ShreddingIntended(seller_id, change.reason, approval.approver),)


def want(shelves: Shelves, command: Shred, now: int) -> bool:
    """Which rows are needed."""
    shelves.shreddings.want(command.seller)
    shelves.register.sellers.want(command.seller)
    shelves.subject_keys.want_all(command.fingerprints)
    return True


def apply(shelves: Shelves, command: Shred, turn: Turn) -> Decided:
    """Forgets the keys, and what the seller's row says of a person. Without an intent nobody is forgotten."""
    intent = shelves.shreddings.get(command.seller)
    seller = shelves.register.sellers.get(command.seller)
    if intent is None or seller is None:
        return Decided(Refusal(Reason.seller_is_unknown, "seller"))
    if intent.shredded_at is not None:
        return Decided(Forgotten(command.seller, intent.epoch))
    rows = [row for place in command.fingerprints if (row := shelves.subject_keys.get(place)) is not None]
    for row in rows:
        shelves.subject_keys.drop(row)
        shelves.subject_keys.add(SubjectKey(row.id, row.epoch, b"", command.fingerprints[row.id]))
    seller.sealed_name = seller.sealed_identity = seller.sealed_number = seller.sealed_payee = ""
    seller.identity_index = seller.payee_index = ""
    shelves.register.sellers.change(seller.id, seller)
    intent.epoch = max([intent.epoch, *(row.epoch for row in rows)])
    intent.shredded_at = turn.at if command.is_last else None
    shelves.shreddings.change(intent.subject, intent)
    return Decided(Forgotten(command.seller, intent.epoch), (_shredded(command, rows, intent),))


def _shredded(command: Shred, forgotten: Sequence[SubjectKey], intent: Shredding) -> SubjectsShredded:
    return SubjectsShredded(
        subjects=tuple(sorted({command.seller, *(row.subject for row in forgotten)})),
        fingerprints=tuple(command.fingerprints[row.id].hex() for row in forgotten),
        epoch=intent.epoch,
    )


APPLIER = Applier(want, apply)

CHANGES: dict[type[Change], ChangeKind] = {ForgetSeller: ChangeKind(is_always_sound, want_intent, intend)}
