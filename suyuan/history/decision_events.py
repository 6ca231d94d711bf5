"""What risk decides, and what changes how it decides; `events` lists these with all others.

An attempt that was decided is told by two events of one commit: `decision_made` with everything that the decision
rested on, and `redemption_taken` before it or `redemption_refused` after it. What a decision saw of a seller is about
that seller, so its members are theirs in the public log, and forgotten with them.
"""

from __future__ import annotations

from typing import Annotated

from suyuan.history.fact import Fact
from suyuan.privacy.classes import BlindIndex, Open, Privacy, Pseudonym


class DecisionMade(Fact, frozen=True, tag="decision_made/1"):
    """What was decided about one attempt, and from what it can be computed again."""

    redemption: Open[str]
    partner: Open[str]
    agent: Open[str | None]
    key: Open[str]
    contract: Open[str]
    merchant: Open[str]
    operator: Open[str]
    source: Open[str]
    seller: Pseudonym[str]
    identity: Pseudonym[str]
    payee: Pseudonym[str]
    number: Pseudonym[str]  # The seller's, or the one whose balance is sold.
    device: Annotated[str | None, Privacy.DEVICE]
    ip_prefix: Annotated[str, Privacy.DEVICE]
    batch: Pseudonym[BlindIndex]  # Equal for cards whose serials begin alike; nothing for a balance.
    card: Pseudonym[BlindIndex]
    face_fen: Open[int]
    paid: Open[int]
    outcome: Open[
        str
    ]  # The code of the refusal with which the attempt ended, whoever refused; nothing if it was taken.
    action: Open[str]
    delay_s: Open[int]
    limit_percent: Open[int]
    score: Open[int]
    reason: Open[str]  # The public reason.
    inputs: Pseudonym[str]  # All that rules and model looked at, in the order of `risk.inputs`.
    saturated: Pseudonym[str]  # The features that are, by their places.
    fired: Pseudonym[str]  # Canonical JSON: the rules that fired, and the values that they saw.
    features: Open[str]
    policy: Open[str]
    model: Open[str]
    lists: Open[int]
    graph: Open[str]
    shadow: Open[str]  # Canonical JSON: what a policy or model that only watches would have said; else nothing.


class ReviewAsked(Fact, frozen=True, tag="review_asked/1"):
    """A person does not accept what was decided by machine alone, and wants a person to look."""

    redemption: Open[str]
    seller: Pseudonym[str]


class ReviewDecided(Fact, frozen=True, tag="review_decided/1"):
    """A person has looked at a decision: it is paid after all, or not. `is_bad` confirms that it was no honest one."""

    redemption: Open[str]
    seller: Pseudonym[str]
    verdict: Open[str]  # `pay` or `refuse` where it waited; `upheld` or `overturned` where it was refused before.
    is_bad: Open[bool]
    reason: Open[str]
    by: Open[str]


class SellerFrozen(Fact, frozen=True, tag="seller_frozen/1"):
    """A seller redeems nothing from here on, until two officers lift it."""

    seller: Pseudonym[str]
    redemption: Open[str]  # The attempt that was decided so; nothing where officers froze.
    reason: Open[str]
    by: Open[str]  # `policy`, or an officer.


class SellerUnfrozen(Fact, frozen=True, tag="seller_unfrozen/1"):
    """Two officers have lifted a freeze."""

    seller: Pseudonym[str]
    reason: Open[str]
    by: Open[str]


class PolicyDeployed(Fact, frozen=True, tag="policy_deployed/1"):
    """A policy decides from here on (`active`), for a part of the sellers (`rollout`), or only watches (`shadow`)."""

    policy: Open[str]
    text: Open[str]
    stage: Open[str]  # `off` ends a rollout or a shadow.
    percent: Open[int]
    by: Open[str]


class ModelDeployed(Fact, frozen=True, tag="model_deployed/1"):
    """A model scores from here on (`champion`), or only watches (`challenger`); `off` ends it."""

    model: Open[str]
    card: Open[str]  # Canonical JSON: what it was trained on, what it reached, and its threshold.
    stage: Open[str]
    by: Open[str]


class ListEntryAdded(Fact, frozen=True, tag="list_entry_added/1"):
    """Somebody or something stands on a list of the policy from here on, until `expires_at`."""

    list: Open[str]
    key: Open[str]  # What the list is about: a key column of `risk.row`.
    value: Pseudonym[str]
    reason: Open[str]
    expires_at: Open[int]
    by: Open[str]


class ListEntryRemoved(Fact, frozen=True, tag="list_entry_removed/1"):
    """It stands there no more."""

    list: Open[str]
    key: Open[str]
    value: Pseudonym[str]
    by: Open[str]


class GraphPublished(Fact, frozen=True, tag="graph_published/1"):
    """Signals of rings, computed from history up to `as_of`, count in decisions from here on."""

    graph: Open[str]
    as_of: Open[int]
    members: Open[int]


class DecisionsChecked(Fact, frozen=True, tag="decisions_checked/1"):
    """A part of the decisions of this stretch was computed again from history; differing ones are an alarm."""

    from_seq: Open[int]
    to_seq: Open[int]
    checked: Open[int]
    differing: Open[int]
