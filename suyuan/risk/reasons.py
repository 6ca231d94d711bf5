"""What a person is told of a decision: a closed list of sentences, each saying what they can do next.

A sentence says what happens to the redemption and what helps, never what was looked at: no number, no input, no list
and no rule, so whoever tries the platform out learns nothing from it. Each goes with certain actions only, so nobody
is told to confirm themselves where a person already looks at it. Where several fit, the first of this list is told.
Whoever is decided about by machine alone may ask for a person (个人信息保护法 2021, art. 24), and every sentence that
keeps something from them says so.

>>> TEXTS[PublicReason.confirm_it_is_you].en
'Please confirm that it is you: pass the face check, or send the request from your own bound device; then try again.'
>>> fitting(Action.DELAY)
[<PublicReason.payment_comes_later: 'payment_comes_later'>]
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from suyuan.base.refusals import Language
from suyuan.risk.decision import Action


class PublicReason(StrEnum):
    """Codes in the order of precedence; they are shown too, so they say no more than the sentences."""

    account_needs_attention = "account_needs_attention"
    source_needs_proof = "source_needs_proof"
    details_need_checking = "details_need_checking"
    cannot_be_taken = "cannot_be_taken"
    a_person_looks_at_it = "a_person_looks_at_it"
    confirm_it_is_you = "confirm_it_is_you"
    payment_comes_later = "payment_comes_later"


class Told:
    """A reason's sentences, and the actions that it can be told of."""

    __slots__ = ("actions", "en", "zh")

    def __init__(self, en: str, zh: str, actions: Iterable[Action]) -> None:
        self.en, self.zh, self.actions = en, zh, frozenset(actions)


# fmt: off
# One entry is one line of English above one of Chinese, so that the two can be read side by side.
TEXTS: dict[PublicReason, Told] = {
    PublicReason.account_needs_attention: Told(
        "This account cannot redeem for now; have your identity document and proof of where your cards come from ready, and ask for a person to look at it.",
        "此账户暂时不能兑换；请备好身份证件和卡的来源凭证，并申请人工复核。",
        {Action.FREEZE}),
    PublicReason.source_needs_proof: Told(
        "We cannot take this without more proof of where it comes from; keep it together with its receipt, and ask for a person to look at it.",
        "缺少来源凭证，暂时无法收取；请妥善保留原物和购买凭证，并申请人工复核。",
        {Action.REVIEW, Action.REFUSE, Action.FREEZE}),
    PublicReason.details_need_checking: Told(
        "Please look whether the details you registered are still true and are your own; have them corrected if not, or ask for a person to look at it.",
        "请核对登记的资料是否属实且属于本人；如有不符请申请更正，或申请人工复核。",
        {Action.REVIEW, Action.REFUSE, Action.FREEZE}),
    PublicReason.cannot_be_taken: Told(
        "We cannot take this redemption as it is; nothing was used up, and you can ask for a person to look at it.",
        "这笔兑换暂时无法受理；未使用您的卡或余额，您可以申请人工复核。",
        {Action.REFUSE}),
    PublicReason.a_person_looks_at_it: Told(
        "A person looks at this redemption before it goes on; you need not do anything, and you can ask how far it has come.",
        "这笔兑换将由人工查看后继续办理；您无需操作，可随时查询进度。",
        {Action.REVIEW}),
    PublicReason.confirm_it_is_you: Told(
        "Please confirm that it is you: pass the face check, or send the request from your own bound device; then try again.",
        "请确认是您本人操作：完成人脸核验，或用您本人绑定的设备发起，然后重试。",
        {Action.STEP_UP}),
    PublicReason.payment_comes_later: Told(
        "This redemption is accepted, and what you get for it comes later than usual; you need not do anything, and if you cannot wait you can ask for a person to look at it.",
        "这笔兑换已受理，付款会比平时晚；您无需操作，如急需可申请人工复核。",
        {Action.DELAY}),
}
# fmt: on


def fitting(action: Action) -> list[PublicReason]:
    """The reasons that can be told of an action."""
    return [reason for reason in PublicReason if action in TEXTS[reason].actions]


def sentence(code: str, language: Language) -> str:
    """What a person is told; nothing for a plain approval."""
    if not code:
        return ""
    told = TEXTS[PublicReason(code)]
    return told.zh if language == "zh" else told.en
