"""How the API shows what was decided automatically about a redemption, and how to put it before a person.

The sentences are the closed list of `risk.reasons`; nothing of rules, values or lists is shown to anybody outside.
"""

from __future__ import annotations

import msgspec

from suyuan.faces.http.answers import Reply, reply
from suyuan.flows.ask_review import ReviewStands
from suyuan.flows.show_decision import ShownDecision
from suyuan.risk.decisions_kept import NOT_ASKED, OPEN_REVIEWS
from suyuan.risk.reasons import sentence


class HowToAsk(msgspec.Struct, frozen=True):
    """How a person is asked to look at it: a signed request with an empty object as its body."""

    method: str
    path: str
    sentence: str
    sentence_zh: str


class DecisionShown(msgspec.Struct, frozen=True):
    """A decision that was made automatically: what was done, and why, in plain words.

    `action` is approve, delay, step_up, review, refuse or freeze; `outcome` the refusal with which the attempt ended,
    or nothing. `review` is how a person stands to it: nothing, waits, asked, pay, refuse, upheld or overturned. `ask`
    says how to put it before a person, null where nothing was decided against the seller. Instants are micros, 0 none.
    """

    redemption: str
    at: int
    action: str
    outcome: str
    reason: str
    sentence: str
    sentence_zh: str
    release_at: int
    review: str
    asked_at: int
    ask: HowToAsk | None


class ReviewShown(msgspec.Struct, frozen=True):
    """How a person stands to a decision; `asked_at` is micros."""

    redemption: str
    review: str
    asked_at: int
    sentence: str
    sentence_zh: str


def decision(shown: ShownDecision) -> Reply:
    """200: what was decided."""
    kept = shown.kept
    body = DecisionShown(
        redemption=kept.redemption,
        at=kept.at,
        action=kept.action,
        outcome=kept.outcome,
        reason=kept.reason,
        sentence=sentence(kept.reason, "en"),
        sentence_zh=sentence(kept.reason, "zh"),
        release_at=shown.release_at,
        review=kept.review,
        asked_at=kept.asked_at,
        ask=_how(kept.redemption) if kept.was_against and kept.review in (NOT_ASKED, *OPEN_REVIEWS) else None,
    )
    return reply(200, body)


def review(stands: ReviewStands) -> Reply:
    """202: a person will look, or has looked."""
    is_open = stands.review in OPEN_REVIEWS
    english = "A person will look at this decision." if is_open else "A person has looked at this decision."
    chinese = "将由工作人员人工复核。" if is_open else "工作人员已完成复核。"
    return reply(202, ReviewShown(stands.redemption, stands.review, stands.asked_at, english, chinese))


def _how(redemption: str) -> HowToAsk:
    return HowToAsk(
        method="POST",
        path=f"/v1/redemptions/{redemption}/review",
        sentence="You need not accept what was decided by machine alone: ask, and a person looks at it.",
        sentence_zh="您可不接受仅由系统自动作出的决定：提出申请后，将由工作人员复核。",
    )
