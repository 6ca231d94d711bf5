"""A partner is told the masked number of a seller of theirs, where the seller has agreed that this partner is.

So a partner can recognise who calls without keeping numbers itself. The read stands in history, and the line leaves
out whoever has not agreed or has taken it back, so there is no moment in which a withdrawal does not count yet.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.desk import Desk
from suyuan.flows.read_fields import read_to_perform
from suyuan.flows.who_asks import Knock, who_asks
from suyuan.privacy.classes import Sealed
from suyuan.privacy.purposes import SELLER_NUMBER, TELL_PARTNER_NUMBER
from suyuan.privacy.subject_keys import key_id
from suyuan.settle.account import check_seller
from suyuan.settle.body import Reader, SellerName


class MaskedNumber(NamedTuple):
    """A seller's number, as much of it as may be shown."""

    seller: str
    number: str


class NumberWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose number."""

    seller: SellerName


WISHES = Reader(NumberWish)


async def tell_partner_number(desk: Desk, knock: Knock) -> MaskedNumber | Refusal:
    """The masked number of one seller. Raises `BadSignature`."""
    # (1) Which partner asks, and for whom. A seller knows the own number.
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    if asking.only_seller is not None:
        return Refusal(Reason.key_may_not_do_this)
    wish = WISHES.read_query(knock.claim.request.target_uri)
    if isinstance(wish, Refusal):
        return wish
    seller = await desk.lookup.seller(wish.seller)
    refusal = check_seller(seller, asking.partner)
    if refusal is not None or seller is None:
        return refusal or Refusal(Reason.seller_is_unknown, "seller")
    # (2) The read, which covers the seller only while the consent for this very partner is in force.
    authority = await read_to_perform(
        desk.line, TELL_PARTNER_NUMBER, [seller.id], [SELLER_NUMBER], reader=asking.partner, reference=asking.key.id
    )
    if isinstance(authority, Refusal):
        return authority
    place = key_id(seller.id, SELLER_NUMBER.key_class)
    key = (await desk.subject_keys([place])).get(place)
    if seller.id not in authority.subjects or key is None or key.is_forgotten:
        return Refusal(Reason.consent_is_needed, TELL_PARTNER_NUMBER.id)
    # (3) What the mask leaves.
    number = desk.vault.open(
        Sealed(seller.sealed_number), desk.vault.unlock(key), SELLER_NUMBER, authority, now=desk.clock.now()
    )
    return MaskedNumber(seller.id, number)
