"""A policy comes to decide: one officer proposes its text, another approves, and from that event on it decides.

| stage | |
|---|---|
| `active` | decides about everybody |
| `rollout` | decides instead of the active one about so many percent of the sellers, always the same ones |
| `shadow` | only watches: what it would have said is kept beside each decision |

What is signed is the whole text, so nobody approves anything else than what they have read. A text that does not pass
every check of `risk.policy` cannot even be proposed; they bound its size, so that no policy can stall the line. A
policy that becomes the active one ends its own rollout or shadow; ending a rollout or a shadow takes two officers as
well.
"""

from __future__ import annotations

from typing import Literal

from suyuan.flows.changing import Approval, Change, ChangeKind, Made
from suyuan.flows.shelves import Shelves
from suyuan.history.decision_events import PolicyDeployed
from suyuan.risk.deployed import ACTIVE, OFF, POLICY_STAGES, ROLLOUT, SHADOW, PolicyText, digest_of
from suyuan.risk.memory import names_here
from suyuan.risk.policy.mistakes import BadPolicy
from suyuan.risk.policy.policy import load_policy

PERCENT_MAX = 100


class DeployPolicy(Change, frozen=True, tag="deploy_policy"):
    """This text, at this stage; `percent` is how many of the sellers, 100 but for a rollout."""

    text: str
    stage: Literal["active", "rollout", "shadow"]
    percent: int = PERCENT_MAX


class EndPolicy(Change, frozen=True, tag="end_policy"):
    """A rollout or a shadow ends; the active policy is replaced, never ended."""

    stage: Literal["rollout", "shadow"]
    policy: str


def _may_decide(change: DeployPolicy) -> bool:
    is_part = 0 < change.percent < PERCENT_MAX
    if is_part != (change.stage == ROLLOUT) or (not is_part and change.percent != PERCENT_MAX):
        return False
    try:
        load_policy(change.text, names_here())
    except BadPolicy:
        return False
    return True


def _may_end(change: EndPolicy) -> bool:
    return change.stage in (ROLLOUT, SHADOW)


def _want(shelves: Shelves, change: DeployPolicy) -> bool:
    shelves.risk.policies.want(digest_of(change.text))
    shelves.risk.deployments.want_all(POLICY_STAGES)
    return True


def _want_end(shelves: Shelves, change: EndPolicy) -> bool:
    shelves.risk.deployments.want(change.stage)
    return True


def _deploy(shelves: Shelves, change: DeployPolicy, approval: Approval) -> Made:
    risk = shelves.risk
    try:
        policy = load_policy(change.text, names_here())
    except BadPolicy:
        # It was sound when it was proposed, by an older suyuan with other features.
        return None
    if risk.policies.get(policy.digest) is None:
        risk.policies.add(PolicyText(policy.digest, change.text))
    if change.stage == ACTIVE:
        for stage in (ROLLOUT, SHADOW):
            if risk.deployed(stage) == policy.digest:
                risk.end(stage)
    # The event of the approval itself stands before this one.
    risk.deploy_policy(change.stage, policy, change.percent, seq=approval.turn.seq + 1, at=approval.turn.at)
    event = PolicyDeployed(policy.digest, change.text, change.stage, change.percent, approval.approver)
    return (event,)


def _end(shelves: Shelves, change: EndPolicy, approval: Approval) -> Made:
    risk = shelves.risk
    if risk.deployed(change.stage) != change.policy:
        return None
    risk.end(change.stage)
    return (PolicyDeployed(change.policy, "", OFF, 0, approval.approver),)


CHANGES: dict[type[Change], ChangeKind] = {
    DeployPolicy: ChangeKind(_may_decide, _want, _deploy),
    EndPolicy: ChangeKind(_may_end, _want_end, _end),
}
