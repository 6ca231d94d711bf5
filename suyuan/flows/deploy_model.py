"""A model comes to score: its bytes are handed in first, then two officers deploy it by its digest.

A model is too long to be read by whoever approves it, so what is signed is its digest and its card: what it was trained
on, what it reached, its threshold. Handing in takes one officer, tries the model once, and changes no decision.

| stage | |
|---|---|
| `champion` | its score is an input of every policy |
| `challenger` | only watches: what it would have said is kept beside each decision |
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.base.wire import canonical
from suyuan.flows.changing import Approval, Change, ChangeKind, Made
from suyuan.flows.officer_signature import check_signed_now, want_signed_now
from suyuan.flows.shelves import Shelves
from suyuan.history.decision_events import ModelDeployed
from suyuan.history.line import Applier, Decided, Turn
from suyuan.risk.deployed import CHALLENGER, CHAMPION, OFF, BadModel, ModelText, digest_of, unpack_model
from suyuan.risk.memory import scorer_of

CARD_LENGTH_MAX = 65_536
_DIGEST = re.compile(r"[0-9a-f]{64}")


class KeepModel(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One officer hands in a model, packed."""

    model: str
    packed: bytes
    at: int
    officer: str
    signature: bytes


class ModelKept(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The model is here; `subject` is its digest."""

    subject: str


class DeployModel(Change, frozen=True, tag="deploy_model"):
    """This model, with this card (canonical JSON), at this stage."""

    model: str
    card: str
    stage: Literal["champion", "challenger"]


class EndModel(Change, frozen=True, tag="end_model"):
    """A model scores, or watches, no more."""

    stage: Literal["champion", "challenger"]
    model: str


def keeping_subject(model: str, at: int) -> object:
    """What an officer signs who hands in a model."""
    return {"model": model, "at": at}


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: KeepModel, now: int) -> bool:
    """Which rows are needed."""
    want_signed_now(shelves, command.officer, command.signature)
    shelves.risk.models.want(command.model)
    return True


def apply(shelves: Shelves, command: KeepModel, turn: Turn) -> Decided:
    """Keeps a model that can be used here, once."""
    signed, subject = (command.signature, command.at), keeping_subject(command.model, command.at)
    refusal = check_signed_now(shelves, command.officer, "keep_model", subject, signed=signed, turn=turn)
    if refusal is not None:
        return Decided(refusal)
    if not _is_model(command):
        return Decided(Refusal(Reason.model_is_malformed, "model"))
    if shelves.risk.models.get(command.model) is None:
        shelves.risk.models.add(ModelText(command.model, command.packed, turn.at))
    return Decided(ModelKept(command.model))


def _is_model(command: KeepModel) -> bool:
    try:
        text = unpack_model(command.packed)
        return digest_of(text) == command.model and scorer_of(text) is not None
    except BadModel:
        return False


def _may_score(change: DeployModel) -> bool:
    if len(change.card) > CARD_LENGTH_MAX or _DIGEST.fullmatch(change.model) is None:
        return False
    card = msgspec.json.decode(change.card)
    return isinstance(card, dict) and canonical(card).decode() == change.card


def _may_end(change: EndModel) -> bool:
    return change.stage in (CHAMPION, CHALLENGER)


def _want_deploying(shelves: Shelves, change: DeployModel) -> bool:
    shelves.risk.models.want(change.model)
    shelves.risk.deployments.want_all((CHAMPION, CHALLENGER))
    return True


def _want_end(shelves: Shelves, change: EndModel) -> bool:
    shelves.risk.deployments.want(change.stage)
    return True


def _deploy(shelves: Shelves, change: DeployModel, approval: Approval) -> Made:
    risk = shelves.risk
    kept = risk.models.get(change.model)
    if kept is None:
        return None
    try:
        scorer = scorer_of(unpack_model(kept.packed))
    except BadModel:
        # It was usable when it was handed in, to an older suyuan with other features.
        return Refusal(Reason.model_is_malformed, "model")
    if change.stage == CHAMPION and risk.deployed(CHALLENGER) == change.model:
        risk.end(CHALLENGER)
    risk.deploy_model(change.stage, scorer, seq=approval.turn.seq + 1, at=approval.turn.at)
    return (ModelDeployed(change.model, change.card, change.stage, approval.approver),)


def _end(shelves: Shelves, change: EndModel, approval: Approval) -> Made:
    risk = shelves.risk
    if risk.deployed(change.stage) != change.model:
        return None
    risk.end(change.stage)
    return (ModelDeployed(change.model, "{}", OFF, approval.approver),)


APPLIER = Applier(want, apply)
CHANGES: dict[type[Change], ChangeKind] = {
    DeployModel: ChangeKind(_may_score, _want_deploying, _deploy),
    EndModel: ChangeKind(_may_end, _want_end, _end),
}
