"""Forgetting a seller: the intent first, then the keys, and at the next roll nothing is left that could open anything.

1. Two officers decide it (`ForgetSeller`), or the retention term is over (`keep_retention`); that is the intent, and an
   event. From it on the seller is suspended and nothing of theirs is opened, even where all that follows fails. It is
   refused while money of theirs is on its way or owed, since then their data is still needed.
2. Where a law still makes us keep it, or a case holds it, the keys stay until that is over (`PutOff`, with the rule):
   closed to everybody but an authority's order.
3. The keeper of the house finishes what was intended (`finish_shreddings`): the seller's papers are deleted; the data
   keys of the seller, and of every redemption of theirs that is settled, are replaced by their fingerprints, the
   seller's row loses its sealed texts and pseudonyms, and nothing leads to these any more, unless another seller is
   the same person. A card that is still in stock keeps its secret: it is no longer about the seller.
4. The epoch that had wrapped the keys is destroyed at the next roll (`roll_epoch`). From there on no backup, log or
   dead row opens, with whatever keys.

All of it may be repeated after a crash: a step that is done answers as it did before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.changing import Approval, Change, ChangeKind, Made
from suyuan.flows.follow_history import follow_history
from suyuan.flows.hold_records import is_held
from suyuan.flows.keep_papers import FORGOTTEN
from suyuan.flows.shelves import Shelves
from suyuan.flows.tidy_papers import drop_papers
from suyuan.history.fact import Fact
from suyuan.history.frames import Commands
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.privacy_events import ShreddingIntended, ShreddingPutOff, SubjectsShredded
from suyuan.privacy import papers, pseudonyms, retention, shredding, standing
from suyuan.privacy.free_text import is_line
from suyuan.privacy.keyring import NoEpochKey
from suyuan.privacy.purposes import Citation
from suyuan.privacy.retention import OF_REDEMPTIONS, Entry, RetentionRules
from suyuan.privacy.shredding import Shredding
from suyuan.privacy.subject_keys import SubjectKey, key_ids
from suyuan.privacy.vault import FINGERPRINT_BYTES, BrokenSeal, Vault
from suyuan.settle import redemption as booking
from suyuan.settle.account import SUSPENDED, borne_by_nobody_else

SELLERS_PER_ROUND_MAX = 100
STATUTORY_TERM, LEGAL_HOLD = "statutory_term", "legal_hold"
# How soon one who is held is looked at again.
HELD_AGAIN_S = DAY_S
_HOLD = Citation("个人信息保护法", "2021", "47")
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


class PutOff(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to keep a seller's keys until an instant, because of this rule."""

    seller: str
    reason: str
    due_at: int
    law: str
    version: str
    article: str


class Forgotten(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The keys are gone; the destruction of this epoch makes it final."""

    seller: str
    epoch: int


class Waits(NamedTuple):
    """Why and until when a seller's keys stay."""

    reason: str
    until: int
    rule: Citation


@dataclass(frozen=True, slots=True)
class Shredder:
    """What forgetting needs: the line, the vault and its keys, the agenda's connection, and the rules."""

    line: Commands
    vault: Vault
    subject_keys: Callable[[Iterable[str]], Awaitable[dict[str, SubjectKey]]]
    connection: psycopg.AsyncConnection[TupleRow]
    rules: RetentionRules


async def finish_shreddings(shredder: Shredder, *, now: int) -> list[Forgotten]:
    """Forgets the keys of all who were to be forgotten by now. What fails now waits for the next round.

    The agenda says what a seller has sold and when, so history is followed once more behind the intents: a sale that
    was settled just before would otherwise be missed, and with it the law that makes us keep it.
    """
    line, connection = shredder.line, shredder.connection
    done: list[Forgotten] = []
    intended = await shredding.unfinished(connection, now=now, rows_max=SELLERS_PER_ROUND_MAX)
    if not intended or not await follow_history(connection, shredder.rules):
        return done
    for seller in intended:
        entries = await retention.entries_of(connection, seller)
        waits = _kept_by_law(seller, entries, shredder.rules, now)
        if waits is not None:
            await line.submit(PutOff(seller, waits.reason, waits.until, *astuple(waits.rule)))
            continue
        # What leads to a person is kept with everything else of theirs; the line would refuse the keys alone.
        if await standing.is_held(connection, seller):
            await _hold_back(line, seller, now)
            continue
        # Nothing new can come since the intent, so what is found now is all there is.
        kept = await papers.of_subject(connection, seller)
        if await drop_papers(line, kept, reason=FORGOTTEN) is not None:
            continue
        sold = [entry.id for entry in entries if entry.category in OF_REDEMPTIONS]
        subjects = [seller, *await booking.settled_among(connection, sold)]
        # What leads to their pseudonyms goes first: whoever dies in between finds the intent and does it again.
        await pseudonyms.forget(connection, await borne_by_nobody_else(connection, seller, sold))
        answer = await _shred(shredder, seller, subjects)
        if isinstance(answer, Forgotten):
            await retention.move(connection, subjects, retention.SHREDDED, now)
            done.append(answer)
        elif answer.reason is Reason.subject_is_held:
            await _hold_back(line, seller, now)
    return done


async def _hold_back(line: Commands, seller: str, now: int) -> None:
    await line.submit(PutOff(seller, LEGAL_HOLD, plus(now, HELD_AGAIN_S), *astuple(_HOLD)))


def _kept_by_law(seller: str, entries: Sequence[Entry], rules: RetentionRules, now: int) -> Waits | None:
    own = next((entry for entry in entries if entry.id == seller), None)
    if own is None:
        return None
    rule = rules.rule(own.channel, own.category)
    until = retention.kept_until(rule, began_at=own.began_at)
    # Where no law makes us keep anything, the line's clock may still be ahead of ours by an instant.
    return Waits(STATUTORY_TERM, until, rule.citation) if rule.min_d and now < until else None


async def _shred(shredder: Shredder, seller: str, subjects: Sequence[str]) -> Forgotten | Refusal:
    keys = await shredder.subject_keys([place for subject in subjects for place in key_ids(subject)])
    fingerprints = {place: fingerprint_of(shredder.vault, key) for place, key in keys.items() if not key.is_forgotten}
    places = list(fingerprints)
    stretches = [places[start : start + KEYS_AT_ONCE] for start in range(0, len(places), KEYS_AT_ONCE)]
    answer: Forgotten | Refusal = Forgotten(seller, 0)
    # A seller without a key is forgotten by a command as well.
    for number, stretch in enumerate(stretches or [[]], 1):
        chosen = {place: fingerprints[place] for place in stretch}
        said = await shredder.line.submit(Shred(seller, chosen, is_last=number >= len(stretches)))
        assert isinstance(said, Forgotten | Refusal), "the line answers a shredding with nothing else"
        answer = said
        if isinstance(answer, Refusal):
            break
    return answer


def fingerprint_of(vault: Vault, key: SubjectKey) -> bytes:
    """A key that somebody has broken opens nothing any more, and is forgotten all the same."""
    try:
        return vault.fingerprint(key)
    except (BrokenSeal, NoEpochKey):
        return BROKEN


# --- in the line ---------------------------------------------------------------------------------


def want_intent(shelves: Shelves, seller: str) -> None:
    """Asks for the seller, and for everything that could still be owed."""
    shelves.shreddings.want(seller)
    shelves.register.sellers.want(seller)
    shelves.books.accounts.want_all(booking.seller_keys(seller))


def intend(shelves: Shelves, seller_id: str, reason: str, *, by: str, at: int) -> tuple[Fact, ...] | Refusal:
    """Closes everything of a seller for good, unless there is business to finish."""
    if shelves.shreddings.get(seller_id) is not None:
        return ()
    seller = shelves.register.sellers.get(seller_id)
    if seller is None:
        return Refusal(Reason.seller_is_unknown, "seller")
    if booking.has_unfinished_business(shelves.books, seller_id):
        return Refusal(Reason.subject_has_unfinished_business, "seller")
    seller.state = SUSPENDED
    shelves.register.sellers.change(seller.id, seller)
    shelves.shreddings.add(Shredding(seller_id, reason, at, None, 0, 0))
    return (ShreddingIntended(seller_id, reason, by),)


def _is_sound(change: ForgetSeller) -> bool:
    return is_line(change.reason)


def _want_change(shelves: Shelves, change: ForgetSeller) -> bool:
    want_intent(shelves, change.id)
    return True


def _make(shelves: Shelves, change: ForgetSeller, approval: Approval) -> Made:
    return intend(shelves, change.id, change.reason, by=approval.approver, at=approval.turn.at)


def want_put_off(shelves: Shelves, command: PutOff, now: int) -> bool:
    """Which rows are needed."""
    shelves.shreddings.want(command.seller)
    return True


def put_off(shelves: Shelves, command: PutOff, turn: Turn) -> Decided:
    """Keeps the keys of somebody who is to be forgotten for as long as a rule says."""
    intent = shelves.shreddings.get(command.seller)
    if intent is None:
        return Decided(Refusal(Reason.seller_is_unknown, "seller"))
    if intent.shredded_at is not None or command.due_at <= intent.due_at:
        return Decided(Forgotten(command.seller, intent.epoch))
    intent.due_at = command.due_at
    shelves.shreddings.change(intent.subject, intent)
    event = ShreddingPutOff(*msgspec.structs.astuple(command))
    return Decided(Forgotten(command.seller, intent.epoch), (event,))


def want(shelves: Shelves, command: Shred, now: int) -> bool:
    """Which rows are needed."""
    shelves.shreddings.want(command.seller)
    shelves.holds.want(command.seller)
    shelves.register.sellers.want(command.seller)
    shelves.subject_keys.want_all(command.fingerprints)
    return True


def apply(shelves: Shelves, command: Shred, turn: Turn) -> Decided:
    """Forgets the keys, and what the seller's row says of a person. Without an intent nobody is forgotten.

    A hold is looked at here, in the line, so that no hold is placed too late by an instant.
    """
    intent = shelves.shreddings.get(command.seller)
    seller = shelves.register.sellers.get(command.seller)
    if intent is None or seller is None:
        return Decided(Refusal(Reason.seller_is_unknown, "seller"))
    if intent.shredded_at is not None:
        return Decided(Forgotten(command.seller, intent.epoch))
    if is_held(shelves, command.seller):
        return Decided(Refusal(Reason.subject_is_held, "seller"))
    rows = [row for place in command.fingerprints if (row := shelves.subject_keys.get(place)) is not None]
    forget_keys(shelves, rows, command.fingerprints)
    seller.sealed_name = seller.sealed_identity = seller.sealed_number = seller.sealed_payee = ""
    seller.identity = seller.payee = seller.number = ""
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


def forget_keys(shelves: Shelves, rows: Iterable[SubjectKey], fingerprints: Mapping[str, bytes]) -> None:
    """Replaces data keys by their fingerprints, which also keeps anybody from ever making another in their place."""
    for row in rows:
        shelves.subject_keys.drop(row)
        shelves.subject_keys.add(SubjectKey(row.id, row.epoch, b"", fingerprints[row.id]))


APPLIER = Applier(want, apply)
PUT_OFF_APPLIER = Applier(want_put_off, put_off)

CHANGES: dict[type[Change], ChangeKind] = {ForgetSeller: ChangeKind(_is_sound, _want_change, _make)}
