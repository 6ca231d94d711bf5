"""What callers may see of their own: redemptions, vouchers, contracts, limits.

A partner's key sees what belongs to the partner, a seller's key what belongs to that seller, and what belongs to
somebody else is unknown, not forbidden: ids are not to be probed. Each story asks who, finds, and shows.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from suyuan.base import wire
from suyuan.base.clock import shanghai_day
from suyuan.base.ids import is_id
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.desk import Desk
from suyuan.flows.who_asks import Asking, Knock, who_asks
from suyuan.history.events import PayoutPaid
from suyuan.privacy.classes import Privacy
from suyuan.settle.account import Contract, check_seller, tier_of
from suyuan.settle.body import Reader, SellerName, form
from suyuan.settle.ledger import Books
from suyuan.settle.limits import Limits, Take
from suyuan.settle.lookup import Used
from suyuan.settle.redemption import PAID, PUBLIC_STATES, REVERSED, Redemption
from suyuan.settle.voucher import Voucher, sign_voucher

PAGE_ROWS = 50
PAGE_ROWS_MAX = 200


class Page(NamedTuple):
    """Redemptions in the order in which they were taken, and the cursor from which the list goes on."""

    redemptions: list[Redemption]
    next: str | None


class Left(NamedTuple):
    """One limit: its cap today, by how much it was raised, and what is left."""

    take: Take
    raised_fen: int
    left_fen: int


class Room(NamedTuple):
    """All limits of a seller that concern nobody else."""

    seller: str
    tier: int
    day: str
    transaction_fen_max: int
    limits: list[Left]


class PageWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the list."""

    cursor: Annotated[str, form("[A-Za-z0-9_-]+", length_max=200), Privacy.OPEN] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_ROWS_MAX), Privacy.OPEN] = PAGE_ROWS


class RoomWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose limits."""

    seller: SellerName


PAGE_WISHES = Reader(PageWish)
ROOM_WISHES = Reader(RoomWish)


async def show_redemption(desk: Desk, knock: Knock, redemption_id: str) -> Redemption | Refusal:
    """One redemption of the caller's. Raises `BadSignature`."""
    asking = await who_asks(desk, knock)
    return asking if isinstance(asking, Refusal) else await own_redemption(desk, asking, redemption_id)


async def list_redemptions(desk: Desk, knock: Knock) -> Page | Refusal:
    """The caller's redemptions, a page of them. Raises `BadSignature`."""
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    wish = PAGE_WISHES.read_query(knock.claim.request.target_uri)
    if isinstance(wish, Refusal):
        return wish
    after_seq = _after(asking, wish.cursor)
    if after_seq is None:
        return Refusal(Reason.cursor_is_malformed, "cursor")
    # One more than is shown tells whether the list goes on.
    found = await desk.lookup.redemptions(
        asking.partner, seller=asking.only_seller, after_seq=after_seq, limit=wish.limit + 1
    )
    shown = found[: wish.limit]
    return Page(shown, _cursor(asking, shown[-1].seq) if len(found) > len(shown) else None)


async def give_voucher(desk: Desk, knock: Knock, redemption_id: str) -> bytes | Refusal:
    """The signed receipt of a redemption that was paid. Raises `BadSignature`."""
    # (1) Who asks, and for which redemption of theirs.
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    redemption = await own_redemption(desk, asking, redemption_id)
    if isinstance(redemption, Refusal):
        return redemption
    # (2) What the books and history say of its payment.
    facts = await _voucher(desk, redemption)
    # (3) The signatures, one by each of the platform's keys.
    return Refusal(Reason.voucher_is_not_ready) if facts is None else sign_voucher(facts, desk.keys)


async def list_contracts(desk: Desk, knock: Knock) -> list[Contract] | Refusal:
    """The contracts under which the caller may redeem. Raises `BadSignature`."""
    asking = await who_asks(desk, knock)
    return asking if isinstance(asking, Refusal) else await desk.lookup.contracts(asking.partner)


async def show_room(desk: Desk, knock: Knock) -> Room | Refusal:
    """What is left of a seller's limits. Raises `BadSignature`."""
    # (1) Who asks, and for which seller of theirs.
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    wish = ROOM_WISHES.read_query(knock.claim.request.target_uri)
    if isinstance(wish, Refusal):
        return wish
    seller = await desk.lookup.seller(wish.seller)
    refusal = check_seller(seller, asking.partner)
    if refusal is not None or seller is None or asking.only_seller not in (None, seller.id):
        return refusal or Refusal(Reason.seller_is_unknown, "seller")
    # (2) The rules for the tier that counts now, and what has been taken from each.
    now = desk.clock.now()
    tier, day = tier_of(seller, asking.key, at=now), shanghai_day(now)
    subjects = {"seller": seller.id, "identity": seller.identity, "payee": seller.payee}
    takes = Limits(Books(), desk.rules).takes(subjects, tier, day)
    used = await desk.lookup.used([take.key for take in takes], now)
    limits = [_left(take, used.get(take.key, Used(0, 0))) for take in takes]
    return Room(seller.id, tier, day, desk.rules.transaction_fen_max[tier], limits)


async def own_redemption(desk: Desk, asking: Asking, redemption_id: str) -> Redemption | Refusal:
    """A redemption, to whoever may see it; what belongs to somebody else is unknown."""
    redemption = await desk.lookup.redemption(redemption_id) if is_id("rdm", redemption_id) else None
    if redemption is None or redemption.partner != asking.partner:
        return Refusal(Reason.redemption_is_unknown)
    is_own = asking.only_seller in (None, redemption.seller)
    return redemption if is_own else Refusal(Reason.redemption_is_unknown)


def _cursor(asking: Asking, seq: int) -> str:
    """A place in one caller's list. It is opaque, and means nothing to another caller."""
    return wire.b64(f"{asking.key.owner}\n{seq}".encode())


def _after(asking: Asking, cursor: str | None) -> int | None:
    if cursor is None:
        return -1
    try:
        owner, _, seq = wire.unb64(cursor).decode().partition("\n")
    except ValueError:
        return None
    is_whole = seq.isascii() and seq.isdigit() and len(seq) < 19
    return int(seq) if owner == asking.key.owner and is_whole else None


def _left(take: Take, used: Used) -> Left:
    return Left(take, used.raised_fen, max(0, take.cap_fen + used.raised_fen - used.taken_fen))


async def _voucher(desk: Desk, redemption: Redemption) -> Voucher | None:
    """The facts, or None as long as nothing was paid."""
    if PUBLIC_STATES.get(redemption.state, redemption.state) not in (PAID, REVERSED):
        return None
    payment = await desk.lookup.payment(redemption)
    if payment is None:
        return None
    event = await desk.event_at(payment.seq)
    # Where all of it settled an old debt no channel was asked, so there is no number of a channel's either.
    reference = event.reference if isinstance(event, PayoutPaid) else ""
    return Voucher(
        redemption=redemption.id,
        partner=redemption.partner,
        seller=redemption.seller,
        operator=redemption.operator,
        face_fen=redemption.face_fen,
        paid=redemption.paid,
        fee_fen=redemption.fee_fen,
        rounding_fen=redemption.rounding_fen,
        debt_fen=redemption.debt_fen,
        value_kind=redemption.value_kind,
        channel=redemption.channel,
        reference=reference,
        taken_seq=redemption.seq,
        taken_at=redemption.taken_at,
        paid_at=payment.at,
        origin=desk.origin,
    )
