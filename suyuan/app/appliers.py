"""Every command that the line serves, and every answer that it gives. A command that is not here does not exist."""

from __future__ import annotations

from suyuan.base.refusals import Refusal
from suyuan.flows import (
    change_terms,
    count_strangers,
    decide_consent,
    forget_subject,
    hold_records,
    keep_house,
    keep_keys,
    keep_papers,
    keep_retention,
    publish_notice,
    read_fields,
    record_outcome,
    redeem_card,
    register_seller,
    sell_on,
    step_up,
    tell_partner,
)
from suyuan.history.line import Applier

APPLIERS: dict[type, Applier] = {
    redeem_card.TakeRedemption: redeem_card.APPLIER,
    register_seller.RegisterSeller: register_seller.APPLIER,
    step_up.GrantStepUp: step_up.APPLIER,
    count_strangers.CountStrangers: count_strangers.APPLIER,
    record_outcome.RecordOutcome: record_outcome.APPLIER,
    record_outcome.TakeBack: record_outcome.TAKE_BACK_APPLIER,
    tell_partner.RecordDelivery: tell_partner.APPLIER,
    sell_on.SellOn: sell_on.APPLIER,
    forget_subject.Shred: forget_subject.APPLIER,
    forget_subject.PutOff: forget_subject.PUT_OFF_APPLIER,
    hold_records.PlaceHold: hold_records.APPLIER,
    keep_retention.EndTerm: keep_retention.APPLIER,
    keep_retention.MoveSeller: keep_retention.MOVE_APPLIER,
    keep_house.ReleaseHolds: keep_house.APPLIER,
    keep_keys.CloseEpoch: keep_keys.CLOSE_APPLIER,
    keep_keys.RecordDestroyed: keep_keys.DESTROYED_APPLIER,
    decide_consent.DecideConsent: decide_consent.APPLIER,
    publish_notice.PublishNotice: publish_notice.APPLIER,
    keep_papers.AddPaper: keep_papers.APPLIER,
    keep_papers.DeletePaper: keep_papers.DELETION_APPLIER,
    keep_papers.DropPapers: keep_papers.DROPPING_APPLIER,
    read_fields.RecordRead: read_fields.APPLIER,
    read_fields.ReadAsOfficer: read_fields.OFFICER_APPLIER,
    **change_terms.APPLIERS,
}

ANSWERS: tuple[type, ...] = (
    redeem_card.Taken,
    register_seller.Registered,
    step_up.Raised,
    count_strangers.Counted,
    record_outcome.Recorded,
    tell_partner.DeliveryRecorded,
    forget_subject.Forgotten,
    hold_records.HeldSubject,
    keep_retention.TermsEnded,
    keep_house.Released,
    keep_keys.EpochsAre,
    decide_consent.ConsentStands,
    publish_notice.NoticeStands,
    keep_papers.PapersAre,
    read_fields.ReadRecorded,
    change_terms.Changed,
    Refusal,
)
