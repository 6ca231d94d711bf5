"""Every command that the line serves, and every answer that it gives. A command that is not here does not exist."""

from __future__ import annotations

from suyuan.base.refusals import Refusal
from suyuan.flows import (
    change_terms,
    keep_house,
    record_outcome,
    redeem_card,
    sell_on,
    tell_partner,
)
from suyuan.history.line import Applier

APPLIERS: dict[type, Applier] = {
    redeem_card.TakeRedemption: redeem_card.APPLIER,
    record_outcome.RecordOutcome: record_outcome.APPLIER,
    record_outcome.TakeBack: record_outcome.TAKE_BACK_APPLIER,
    tell_partner.RecordDelivery: tell_partner.APPLIER,
    sell_on.SellOn: sell_on.APPLIER,
    keep_house.ReleaseHolds: keep_house.APPLIER,
    **change_terms.APPLIERS,
}

ANSWERS: tuple[type, ...] = (
    redeem_card.Taken,
    record_outcome.Recorded,
    tell_partner.DeliveryRecorded,
    keep_house.Released,
    change_terms.Changed,
    Refusal,
)
