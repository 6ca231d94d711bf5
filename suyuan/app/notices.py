"""The privacy notice of this platform: the registries and the retention rules, with what only its settings know.

>>> from suyuan.privacy.retention import load_rules
>>> kept_of(load_rules())["card.pin"].en
'30 days from the redemption is settled and its card no longer in stock; then destroyed (个人信息保护法 2021, 19)'
"""

from __future__ import annotations

from collections.abc import Iterator

from suyuan.config import Settings
from suyuan.privacy.notice import Controller, Notice, write_notice
from suyuan.privacy.purposes import CHANNEL, FACE_CHECK, NUMBER_PROOF, OPERATOR, Words
from suyuan.privacy.retention import (
    APPLICANT,
    BALANCE_NUMBER,
    CARD_SECRET,
    OF_PAPERS,
    ONLINE,
    SELLER,
    SHOP,
    RetentionRules,
    Rule,
)

_CATEGORIES = {
    "seller.name": (APPLICANT, SELLER),
    "seller.identity_number": (APPLICANT, SELLER),
    "seller.number": (APPLICANT, SELLER),
    "seller.payee": (APPLICANT, SELLER),
    "card.serial": (CARD_SECRET,),
    "card.pin": (CARD_SECRET,),
    "card.number": (BALANCE_NUMBER,),
    **{f"paper.{kind}": (kind,) for kind in OF_PAPERS},
}
_CHANNELS = {ONLINE: Words("online", "线上"), SHOP: Words("in shops", "线下门店")}
# What no retention rule ends, since it is not kept at all, or stands in a record that is only ever added to.
_OTHERS = {
    "face.capture": Words("not kept; only whether it matched", "不保存，仅保留是否一致的结果"),
    "number_proof.number": Words(
        "not kept; what leads to its pseudonym goes within a day after nobody has to find it",
        "不保存；通向其假名的线索在不再需要后一日内删除",
    ),
    "number_proof.identity_number": Words("not kept; only whom it matched", "不保存，仅保留核对结果"),
    "leaf.sealed_keys": Words(
        "as long as what it opens, then destroyed with it; from then on the public log says nothing of this person",
        "与其所开启的内容保存期相同；随本人其他数据一并销毁，此后公开日志不再说明其任何信息",
    ),
    "device.key": Words(
        "stays in the record of the platform, which nobody can change; it names nobody by itself",
        "留存于不可更改的平台记录中；其本身不指明任何人",
    ),
    "request.ip_prefix": Words(
        "stays in the record of the platform, which nobody can change, as a network of many addresses; the law asks for"
        " at least six months (网络安全法 2025, 23)",
        "以地址段形式留存于不可更改的平台记录中；法律要求不少于六个月（网络安全法 2025，23）",
    ),
}


def notice_of(settings: Settings) -> Notice:
    """The notice as it stands with these settings. Raises `BadRetention`."""
    listed = {OPERATOR: settings.operators, CHANNEL: settings.channels}
    names = {kind.id: [_named(settings, code) for code in sorted(codes)] for kind, codes in listed.items()}
    if settings.face_check_url:
        names[FACE_CHECK.id] = [_named(settings, FACE_CHECK.id)]
    if settings.number_proof_url:
        names[NUMBER_PROOF.id] = [_named(settings, NUMBER_PROOF.id)]
    controller = Controller(settings.controller_name, settings.controller_contact)
    return write_notice(controller, names, kept_of(settings.retention_rules))


def kept_of(rules: RetentionRules) -> dict[str, Words]:
    """How long each kind of data is kept, and what becomes of it then, as the rules in force say."""
    return {name: _words(rules, categories) for name, categories in _CATEGORIES.items()} | _OTHERS


def _words(rules: RetentionRules, categories: tuple[str, ...]) -> Words:
    told = [words for category in categories for words in _of_category(rules, category)]
    return Words("; ".join(words.en for words in told), "；".join(words.zh for words in told))


def _of_category(rules: RetentionRules, category: str) -> Iterator[Words]:
    """One sentence where all channels keep it alike, else one for each."""
    told = {channel: _term(rules.rule(channel, category)) for channel in _CHANNELS}
    if len(set(told.values())) == 1:
        yield told[ONLINE]
        return
    for channel, words in told.items():
        where = _CHANNELS[channel]
        yield Words(f"{where.en}, {words.en}", f"{where.zh}：{words.zh}")


def _term(rule: Rule) -> Words:
    cited = f"{rule.law} {rule.version}, {rule.article}"
    en, zh = f"{rule.max_d} days from {rule.begins.en}", f"自{rule.begins.zh.removesuffix('起')}起 {rule.max_d} 天"
    if rule.active_d < rule.max_d:
        en += f", of which {rule.active_d} in ordinary use, then closed to everything but what the law asks"
        zh += f"，其中 {rule.active_d} 天内正常使用，之后除法律要求外停止一切处理"
    return Words(f"{en}; then destroyed ({cited})", f"{zh}，期满销毁（{cited}）")


def _named(settings: Settings, code: str) -> str:
    """A recipient by name and contact, where the settings give them; the law asks for both."""
    return settings.recipients.get(code, code)
