"""Retention at work: what has come due on the agenda is restricted, given back to use, or shredded.

Each round takes what is due, asks the rule what state it should be in now (`privacy.retention.plan`), and has the line
make the change:

- the sealed source of a redemption loses its data key, unless its card is still in stock, a payout is under way, or a
  case holds the seller; then it is looked at again a day later;
- a paper whose term is over is deleted, unless a case holds the seller;
- a seller who has not sold for the time of ordinary use is restricted, and is given back to use by the next sale;
- a seller whose term is over is forgotten as one who asked for it (`forget_subject`).

The agenda is kept beside the line, and a keeper that dies between the line's answer and the agenda asks again: each of
these commands may be repeated.
"""

from __future__ import annotations

from itertools import groupby

import msgspec

from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Refusal
from suyuan.flows.forget_subject import Shredder, fingerprint_of, forget_keys, intend, want_intent
from suyuan.flows.hold_records import is_held
from suyuan.flows.keep_papers import RETENTION_ENDED
from suyuan.flows.restrict_subject import restrict, resume, want_restriction
from suyuan.flows.shelves import Shelves
from suyuan.flows.tidy_papers import drop_papers
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.privacy_events import TermEnded
from suyuan.privacy import papers, retention
from suyuan.privacy.retention import (
    ACTIVE,
    APPLICANT,
    OF_PAPERS,
    OF_REDEMPTIONS,
    ONLINE,
    RESTRICTED,
    SHREDDED,
    Entry,
    Plan,
    Rule,
    category_of,
)
from suyuan.privacy.standing import NO_LONGER_NEEDED
from suyuan.privacy.subject_keys import key_ids
from suyuan.settle.redemption import SETTLED

ENTRIES_AT_ONCE = 500
BY_RULE = "retention"
TERM_IS_OVER = "the retention term is over"
# How soon what could not be shredded yet is looked at again.
AGAIN_S = DAY_S


class EndTerm(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to forget the data keys of these redemptions' sources, each with its fingerprint.

    The line has the rules itself, so it ends only terms that are over, whatever the agenda believes.
    """

    redemptions: tuple[str, ...]
    fingerprints: dict[str, bytes]


class MoveSeller(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to bring a seller's data into a state of retention."""

    seller: str
    state: str


class TermsEnded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """For these the state is as asked; the others have to wait."""

    done: tuple[str, ...]


async def keep_retention(shredder: Shredder, *, now: int) -> int:
    """One round over what is due now. Returns how many entries were looked at."""
    due = await retention.due(shredder.connection, now=now, rows_max=ENTRIES_AT_ONCE)
    for (channel, category), group in groupby(sorted(due, key=_kind), key=_kind):
        rule = shredder.rules.rule(channel, category)
        planned = {entry: retention.plan(rule, began_at=entry.began_at, now=now) for entry in group}
        if category in OF_REDEMPTIONS:
            await _end_terms(shredder, [entry for entry, plan in planned.items() if plan.state == SHREDDED], now)
            planned = {entry: plan for entry, plan in planned.items() if plan.state != SHREDDED}
        if category in OF_PAPERS:
            await _end_papers(shredder, [entry for entry, plan in planned.items() if plan.state == SHREDDED], now)
            continue
        for entry, plan in planned.items():
            await _follow_plan(shredder, entry, plan, now)
    return len(due)


def _kind(entry: Entry) -> tuple[str, str]:
    return entry.channel, entry.category


async def _end_terms(shredder: Shredder, entries: list[Entry], now: int) -> None:
    keys = await shredder.subject_keys([place for entry in entries for place in key_ids(entry.id)])
    command = EndTerm(
        redemptions=tuple(entry.id for entry in entries),
        fingerprints={place: fingerprint_of(shredder.vault, key) for place, key in keys.items()},
    )
    answer = await shredder.line.submit(command) if entries else TermsEnded(())
    done = answer.done if isinstance(answer, TermsEnded) else ()
    waiting = [entry.id for entry in entries if entry.id not in done]
    await retention.move(shredder.connection, done, SHREDDED, now)
    await retention.move(shredder.connection, waiting, ACTIVE, plus(now, AGAIN_S))


async def _end_papers(shredder: Shredder, entries: list[Entry], now: int) -> None:
    names = [entry.id for entry in entries]
    refusal = await drop_papers(shredder.line, names, reason=RETENTION_ENDED)
    kept = names if refusal is not None else await papers.kept_among(shredder.connection, names)
    await retention.move(shredder.connection, [name for name in names if name not in kept], SHREDDED, now)
    await retention.move(shredder.connection, kept, ACTIVE, plus(now, AGAIN_S))


async def _follow_plan(shredder: Shredder, entry: Entry, plan: Plan, now: int) -> None:
    is_seller = entry.id == entry.owner
    if is_seller and plan.state != entry.state:
        answer = await shredder.line.submit(MoveSeller(entry.id, plan.state))
        if isinstance(answer, Refusal):
            await retention.move(shredder.connection, [entry.id], entry.state, plus(now, AGAIN_S))
            return
    # A seller is shredded only once the keys are gone, and whoever forgets them says so on the agenda.
    state = RESTRICTED if is_seller and plan.state == SHREDDED else plan.state
    await retention.move(shredder.connection, [entry.id], state, plan.changes_at or plus(now, AGAIN_S))


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: EndTerm, now: int) -> bool:
    """Which rows are needed; who is held, and which rule it is, is asked once the redemptions are known."""
    redemptions = shelves.redemptions.shelf
    redemptions.want_all(command.redemptions)
    shelves.subject_keys.want_all(command.fingerprints)
    known = [redemptions.peek(name) for name in command.redemptions]
    shelves.holds.want_all(redemption.seller for redemption in known if redemption is not None)
    shelves.cards.shelf.want_all(redemption.card for redemption in known if redemption is not None)
    shelves.register.partners.want_all(redemption.partner for redemption in known if redemption is not None)
    return all(
        redemption is not None or redemptions.is_absent(name)
        for name, redemption in zip(command.redemptions, known, strict=True)
    )


def apply(shelves: Shelves, command: EndTerm, turn: Turn) -> Decided:
    """Forgets the sources that nobody needs any more; what is in stock, under way or held is left alone."""
    over = {name: rule for name in command.redemptions if (rule := _rule_that_is_over(shelves, name, turn.at))}
    for name in over:
        _forget_number(shelves, name)
    rules = list(dict.fromkeys(over.values()))
    events = [_end(shelves, command, rule, [name for name in over if over[name] is rule]) for rule in rules]
    return Decided(TermsEnded(tuple(over)), tuple(event for event in events if event is not None))


def _end(shelves: Shelves, command: EndTerm, rule: Rule, names: list[str]) -> TermEnded | None:
    """Forgets what one rule ends; nothing is told of what was forgotten before."""
    places = [place for name in names for place in key_ids(name) if place in command.fingerprints]
    rows = [row for place in places if (row := shelves.subject_keys.get(place)) is not None and not row.is_forgotten]
    if not rows:
        return None
    forget_keys(shelves, rows, command.fingerprints)
    return TermEnded(
        redemptions=tuple(sorted({row.subject for row in rows})),
        category=rule.category,
        channel=rule.channel,
        law=rule.law,
        version=rule.version,
        article=rule.article,
        fingerprints=tuple(command.fingerprints[row.id].hex() for row in rows),
        epoch=max(row.epoch for row in rows),
    )


def _forget_number(shelves: Shelves, name: str) -> None:
    """A balance whose term is over no longer says of whose number it was."""
    redemption = shelves.redemptions.shelf.get(name)
    card = None if redemption is None else shelves.cards.shelf.get(redemption.card)
    if redemption is not None and card is not None and redemption.source == "balance":
        card.serial_index = ""
        shelves.cards.shelf.change(card.id, card)


def _rule_that_is_over(shelves: Shelves, name: str, at: int) -> Rule | None:
    """The rule whose term is over for this redemption's source; None while anything still needs or keeps it."""
    redemption = shelves.redemptions.shelf.get(name)
    if redemption is None or redemption.state not in SETTLED or is_held(shelves, redemption.seller):
        return None
    partner = shelves.register.partners.get(redemption.partner)
    rule = shelves.terms.rule(ONLINE if partner is None else partner.trade_channel, category_of(redemption.source))
    return rule if plus(redemption.changed_at, rule.max_d * DAY_S) <= at else None


def want_move(shelves: Shelves, command: MoveSeller, now: int) -> bool:
    """Which rows are needed; the partner's, which says where it meets its sellers, once the seller is known."""
    want_intent(shelves, command.seller)
    want_restriction(shelves, command.seller)
    seller = shelves.register.sellers.peek(command.seller)
    if seller is None:
        return shelves.register.sellers.is_absent(command.seller)
    shelves.register.partners.want(seller.partner)
    return True


def apply_move(shelves: Shelves, command: MoveSeller, turn: Turn) -> Decided:
    """Restricts a seller, gives one back to use, or begins to forget one."""
    answer = TermsEnded((command.seller,))
    if command.state == SHREDDED and not _may_be_over(shelves, command.seller, turn.at):
        return Decided(TermsEnded(()))
    if command.state == SHREDDED:
        intended = intend(shelves, command.seller, TERM_IS_OVER, by=BY_RULE, at=turn.at)
        return Decided(intended) if isinstance(intended, Refusal) else Decided(answer, intended)
    if command.state == RESTRICTED:
        return Decided(answer, restrict(shelves, command.seller, NO_LONGER_NEEDED, at=turn.at))
    return Decided(answer, resume(shelves, command.seller, NO_LONGER_NEEDED))


def _may_be_over(shelves: Shelves, seller_id: str, at: int) -> bool:
    """Whether any term of a seller can be over yet. When they last sold, the agenda knows and the line does not."""
    seller = shelves.register.sellers.get(seller_id)
    partner = None if seller is None else shelves.register.partners.get(seller.partner)
    shortest = shelves.terms.rule(ONLINE if partner is None else partner.trade_channel, APPLICANT)
    return seller is not None and plus(seller.registered_at, shortest.max_d * DAY_S) <= at


APPLIER = Applier(want, apply)
MOVE_APPLIER = Applier(want_move, apply_move)
