"""What the privacy notice says beside the registries: the rights of people, each with its rule and the way to use it.

A right's way out is the same for all of them, since nobody should have to know which right theirs is: a request about
one's own data, the contact that the notice names, or the partner that registered the seller.

>>> [right.basis.article for right in RIGHTS][:3]
['44', '45', '45(3)']
"""

from __future__ import annotations

import msgspec

from suyuan.privacy.purposes import Citation, Words

ANSWER_WORKING_DAYS = 15


class Right(msgspec.Struct, frozen=True):
    """What a person may demand, by which rule, and how."""

    id: str
    words: Words
    basis: Citation
    way: Words


class Statement(msgspec.Struct, frozen=True):
    """Something that holds for all purposes."""

    id: str
    words: Words
    basis: Citation


_WAY = Words(
    "Ask at POST /v1/subject-requests with your own key or a code to your phone, write to the contact above, or ask the"
    " partner that registered you. After your identity is verified you are"
    f" answered within {ANSWER_WORKING_DAYS} working days; a refusal names its reason.",
    "可使用本人密钥或手机验证码向 POST /v1/subject-requests 提出，或联系上述联系方式，或通过为您办理登记的合作方提出。"
    f"核验身份后 {ANSWER_WORKING_DAYS} 个工作日内答复；拒绝的，说明理由。",
)
_WITHDRAW = Words(
    "One call, as for giving it: POST /v1/consents with the decision `withdraw`, by your own key or through your"
    " partner, even while your account is suspended. What was done before stays lawful.",
    "与同意同样便捷：使用本人密钥或通过合作方向 POST /v1/consents 提交 `withdraw`，账户停用期间亦可。"
    "撤回不影响此前处理的效力。",
)


def _pipl(article: str) -> Citation:
    return Citation("个人信息保护法", "2021", article)


RIGHTS = (
    Right(
        "know_and_decide",
        Words(
            "Know how your data is handled, decide about it, restrict or refuse it.",
            "知情、决定、限制或拒绝对您个人信息的处理。",
        ),
        _pipl("44"), _WAY,
    ),
    Right(
        "access_and_copy",
        Words("See what is kept of you and get a copy.", "查阅、复制您的个人信息。"),
        _pipl("45"), _WAY,
    ),
    Right(
        "port",
        Words("Have it transferred to another handler that you name.", "将个人信息转移至您指定的处理者。"),
        _pipl("45(3)"), _WAY,
    ),
    Right("correct", Words("Have it corrected or completed.", "更正、补充。"), _pipl("46"), _WAY),
    Right(
        "erase",
        Words(
            "Have it erased, and your account closed: your keys are destroyed, so that nothing of it opens any more."
            " What a law makes us keep is closed to everything else until its term ends.",
            "删除个人信息、注销账户：销毁您的密钥，此后无法打开。法律要求保存的，在期限届满前停止其他一切处理。",
        ),
        _pipl("47"), _WAY,
    ),
    Right("explain", Words("Have these rules explained.", "要求解释说明本规则。"), _pipl("48"), _WAY),
    Right(
        "heirs",
        Words(
            "Next of kin may exercise these rights for a person who has died, where they have a lawful interest.",
            "自然人死亡的，其近亲属为自身合法、正当利益，可以行使上述权利。",
        ),
        _pipl("49"), _WAY,
    ),
    Right("withdraw", Words("Withdraw a consent at any time.", "随时撤回同意。"), _pipl("15"), _WITHDRAW),
    Right(
        "explanation_of_decisions",
        Words(
            "Have a decision that a machine made explained, and refuse one that a machine alone made where it weighs"
            " heavily on you.",
            "要求说明自动化决策，并拒绝仅通过自动化决策作出的对您权益有重大影响的决定。",
        ),
        _pipl("24"), _WAY,
    ),
    Right(
        "complain",
        Words(
            "Complain to the authorities in charge of personal data, or sue where a request of yours was refused.",
            "向履行个人信息保护职责的部门投诉、举报；请求被拒绝的，可以向人民法院提起诉讼。",
        ),
        _pipl("50, 65"), _WAY,
    ),
)  # fmt: skip

STATEMENTS = (
    Statement(
        "source",
        Words(
            "Your data comes from you, or from the partner that registers you at your wish.",
            "您的个人信息来自您本人，或应您要求为您办理登记的合作方。",
        ),
        _pipl("17"),
    ),
    Statement(
        "refusing",
        Words(
            "You may refuse what is asked by consent; nothing but what needs it is withheld. After a refusal a partner"
            " does not ask again for 180 days.",
            "对征求同意的事项您可以拒绝，除确需该信息的功能外不影响其他服务。拒绝后 180 天内合作方不得再次征求。",
        ),
        _pipl("16"),
    ),
    Statement(
        "automated_decisions",
        Words(
            "Limits per sale and day are applied by fixed rules, the same for everybody in a tier; a refusal always"
            " names its reason.",
            "单笔与每日限额按固定规则执行，同一等级一视同仁；拒绝时一律说明理由。",
        ),
        _pipl("24"),
    ),
    Statement(
        "minors",
        Words(
            "Nobody under 14 is registered; by default nobody under 18.",
            "不为未满十四周岁的人办理登记；默认不为未满十八周岁的人办理。",
        ),
        _pipl("31"),
    ),
    Statement(
        "security",
        Words(
            "Personal data is encrypted under a key for each person, which can be destroyed; staff see masked values,"
            " and every opening is recorded.",
            "个人信息以每人独立、可销毁的密钥加密；工作人员只见脱敏信息，每次打开均留痕。",
        ),
        _pipl("51"),
    ),
    Statement(
        "abroad",
        Words(
            "It is kept on the controller's own servers; the platform itself provides nothing abroad.",
            "保存于处理者自有服务器；平台本身不向境外提供。",
        ),
        _pipl("38-40"),
    ),
    Statement(
        "changes",
        Words(
            "A change of this notice has another version; where purpose, means or kinds of data of a consent change,"
            " you are asked again.",
            "本声明变更即产生新版本；同意事项的目的、方式或信息种类变更的，将重新征求您的同意。",
        ),
        _pipl("14"),
    ),
)
