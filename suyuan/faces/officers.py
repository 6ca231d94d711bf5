"""Officers: the people who change the rule book, and what each of their signatures says.

A command of an officer carries a signature over exactly what is meant, so a stolen socket changes nothing. These
functions only make commands; `suyuan admin` and the simulator carry them to the line.

>>> officer = Officer("ofc_1", crypto.suite("ed25519").signer(bytes(32)))
>>> stop = switch(officer, "channel:bank_transfer", stopped=True)
>>> stop.target, stop.stopped, len(stop.signature)
('channel:bank_transfer', True, 64)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from suyuan.base import crypto, wire
from suyuan.base.clock import Micros
from suyuan.flows.change_terms import (
    AddOfficer,
    AnyChange,
    ApproveChange,
    ProposeChange,
    RegisterOfficer,
    TurnSwitch,
    encode_change,
    proposal_subject,
    switch_subject,
)
from suyuan.flows.decide_request import DecideRequest, decision_subject
from suyuan.flows.deploy_model import KeepModel, keeping_subject
from suyuan.flows.export_records import AgreeExport, agreement_subject
from suyuan.flows.freeze_seller import FreezeSeller, freeze_subject
from suyuan.flows.hold_records import PlaceHold, hold_subject
from suyuan.flows.keep_lists import EnterOnList, Listing, TakeOffList, entering_subject, leaving_subject
from suyuan.flows.keep_papers import AddPaper, DeletePaper, add_subject, delete_subject
from suyuan.flows.make_bundle import RecordBundle, bundle_subject
from suyuan.flows.make_export import BeginExport, RecordExport, beginning_subject, made_subject
from suyuan.flows.officer_signature import statement
from suyuan.flows.read_fields import ReadAsOfficer, read_subject
from suyuan.flows.review_case import DecideReview, review_subject
from suyuan.privacy.pseudonyms import Marks


class Content(NamedTuple):
    """What a signature says of a paper's content: how long it is, and its keyed digest."""

    size_bytes: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Officer:
    """An officer with the key to sign with."""

    id: str
    signer: crypto.Signer = field(repr=False)

    @property
    def as_change(self) -> AddOfficer:
        """What registers this officer, be it as one of the first two or by a proposal."""
        return AddOfficer(self.id, self.signer.algorithm, wire.b64(self.signer.public))

    def sign(self, verb: str, subject: object) -> bytes:
        """Signs what is meant."""
        return self.signer.sign(statement(verb, subject))


def register(officer: Officer) -> RegisterOfficer:
    """One of the first two officers steps forward."""
    change = officer.as_change
    signature = officer.sign("register", encode_change(change))
    return RegisterOfficer(change.id, change.algorithm, change.public_key, signature)


def propose(officer: Officer, proposal: str, change: AnyChange) -> ProposeChange:
    """Step one of a change."""
    text = encode_change(change)
    return ProposeChange(proposal, text, officer.id, officer.sign("propose", proposal_subject(proposal, text)))


def approve(officer: Officer, proposal: str, change: str) -> ApproveChange:
    """Step two, by another officer, who signs the whole text of the change and has read it."""
    return ApproveChange(proposal, officer.id, officer.sign("approve", proposal_subject(proposal, change)))


def switch(officer: Officer, target: str, *, stopped: bool, after: int = 0) -> TurnSwitch:
    """A kill switch, which takes one officer; `after` is when it was last turned."""
    subject = switch_subject(target, stopped=stopped, after=after)
    return TurnSwitch(target, stopped, after, officer.id, officer.sign("switch", subject))


def read(
    officer: Officer, purpose: str, reference: str, *, subjects: Iterable[str], fields: Iterable[str], now: Micros
) -> ReadAsOfficer:
    """A read of personal fields, which takes one officer and shows masks, or a warrant and shows what it names."""
    unsigned = ReadAsOfficer(purpose, officer.id, reference, tuple(subjects), tuple(fields), now, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("read", read_subject(unsigned)))


def hold(officer: Officer, seller: str, case: str, *, now: Micros) -> PlaceHold:
    """A legal hold, which takes one officer to place."""
    unsigned = PlaceHold(seller, case, now, officer.id, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("hold", hold_subject(unsigned)))


def add_paper(officer: Officer, paper: str, seller: str, kind: str, *, content: Content, now: Micros) -> AddPaper:
    """A paper of a seller's that is to be kept, which takes one officer."""
    unsigned = AddPaper(paper, seller, kind, content.size_bytes, content.digest, now, officer.id, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("add_paper", add_subject(unsigned)))


def delete_paper(officer: Officer, paper: str, reason: str, *, now: Micros) -> DeletePaper:
    """The end of a paper, which takes one officer, who says why."""
    unsigned = DeletePaper(paper, reason, now, officer.id, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("delete_paper", delete_subject(unsigned)))


def agree(officer: Officer, export: str, change: str) -> AgreeExport:
    """A third officer's agreement to an export, over the text that the first two signed."""
    return AgreeExport(export, officer.id, officer.sign("agree", agreement_subject(export, change)))


def begin_export(officer: Officer, export: str, *, now: Micros) -> BeginExport:
    """The officer who asked for an export makes it now."""
    return BeginExport(export, officer.id, now, officer.sign("begin_export", beginning_subject(export, now)))


def record_bundle(
    officer: Officer, manifest_sha256: str, records: Iterable[str], reference: str, *, now: Micros
) -> RecordBundle:
    """A bundle of evidence that an officer has made."""
    unsigned = RecordBundle(manifest_sha256, tuple(records), reference, now, officer.id, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("bundle", bundle_subject(unsigned)))


def record_export(officer: Officer, export: str, rows: int, sha256: str) -> RecordExport:
    """And says what came out."""
    signature = officer.sign("made_export", made_subject(export, rows, sha256))
    return RecordExport(export, officer.id, rows, sha256, signature)


def decide(
    officer: Officer,
    request: str,
    refusal: str = "",
    *,
    number: Marks | None = None,
    code_digest: bytes = b"",
    now: Micros,
) -> DecideRequest:
    """Accepts what a person asked about their own data, or refuses it for a reason of the closed list."""
    unsigned = DecideRequest(request, refusal, number, code_digest, now, officer.id, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("decide_request", decision_subject(unsigned)))


def review(
    officer: Officer, redemption: str, verdict: str, reason: str, *, is_bad: bool = False, now: Micros
) -> DecideReview:
    """An officer's word on what a machine had decided."""
    unsigned = DecideReview(redemption, verdict, is_bad, reason, now, officer.id, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("review", review_subject(unsigned)))


def freeze(officer: Officer, seller: str, reason: str, *, now: Micros) -> FreezeSeller:
    """A freeze, which takes one officer and acts at once."""
    unsigned = FreezeSeller(seller, reason, now, officer.id, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("freeze", freeze_subject(unsigned)))


def enter_on_list(officer: Officer, listing: Listing, reason: str, *, expires_at: int, now: Micros) -> EnterOnList:
    """An entry on a list that one officer may harden."""
    unsigned = EnterOnList(*listing, reason, expires_at, now, officer.id, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("enter_on_list", entering_subject(unsigned)))


def take_off_list(officer: Officer, listing: Listing, *, now: Micros) -> TakeOffList:
    """The end of an entry on a list that one officer may loosen."""
    unsigned = TakeOffList(*listing, now, officer.id, b"")
    return msgspec.structs.replace(unsigned, signature=officer.sign("take_off_list", leaving_subject(unsigned)))


def keep_model(officer: Officer, model: str, packed: bytes, *, now: Micros) -> KeepModel:
    """A model is handed in; deploying it takes two officers."""
    return KeepModel(model, packed, now, officer.id, officer.sign("keep_model", keeping_subject(model, now)))
