"""What people are told: in both languages, with what they can do next, and nothing that helps to get around a rule."""

from __future__ import annotations

import re

import pytest

from suyuan.risk.catalogue import load_catalogue
from suyuan.risk.decision import Action
from suyuan.risk.inputs import FACTS
from suyuan.risk.policy.policy import load_policy, shipped_text
from suyuan.risk.policy.reading import LANES
from suyuan.risk.reasons import TEXTS, PublicReason, fitting, sentence
from suyuan.risk.row import KEYS
from tests.risk.policy.writing import NAMES

CHINESE = re.compile(r"[\u4e00-\u9fff]")
# What a decision rests on, in words that an attacker would look for.
OF_THE_INSIDE = """
rule policy score point threshold limit list model feature signal risk fraud suspicious velocity frequency window hour
minute day often many count ip network address location ring gang shared pattern behaviour
规则 策略 评分 分数 阈值 限额 名单 模型 特征 风险 风控 欺诈 可疑 频率 频繁 次数 小时 分钟
网络 地址 定位 团伙 关联 异常
"""
NEXT_STEPS = re.compile(r"ask for a person|ask how far|try again")
NEXT_STEPS_ZH = re.compile(r"申请人工复核|查询进度|重试")


def everything_said() -> list[tuple[PublicReason, str]]:
    """Code and sentences, since all three are shown."""
    return [(reason, text) for reason, told in TEXTS.items() for text in (reason.value, told.en, told.zh)]


def stands_in(text: str, word: str) -> bool:
    """Whether a text has a word; Chinese ones stand without spaces around."""
    return re.search(rf"(?<![a-z]){re.escape(word.lower())}(?![a-z])", text.lower()) is not None


@pytest.mark.parametrize("reason", PublicReason)
def test_a_reason_says_what_to_do_next_in_both_languages(reason: PublicReason) -> None:
    told = TEXTS[reason]
    assert told.en.endswith(".")
    assert NEXT_STEPS.search(told.en)
    assert told.zh.endswith("。")
    assert CHINESE.search(told.zh)
    assert NEXT_STEPS_ZH.search(told.zh)
    assert (sentence(reason, "en"), sentence(reason, "zh")) == (told.en, told.zh)


@pytest.mark.parametrize("reason", [reason for reason in PublicReason if TEXTS[reason].actions - {Action.STEP_UP}])
def test_whoever_is_kept_from_something_hears_of_a_person(reason: PublicReason) -> None:
    """个人信息保护法 2021, art. 24: nobody need accept what a machine alone decided."""
    assert re.search("person", TEXTS[reason].en)
    assert re.search("人工", TEXTS[reason].zh)


def test_no_reason_reveals_an_input() -> None:
    """Neither a feature, nor a fact, nor how either is described to officers."""
    catalogue = load_catalogue()
    # People need these words to know what they should show or use.
    keys = set(KEYS) - {"identity", "device", "card"}
    inside = [*catalogue.names, *(fact.name for fact in FACTS), "model_bp", *keys]
    inside += [words for spec in catalogue.features for words in (spec.en, spec.zh)]
    inside += [words for fact in FACTS for words in (fact.en, fact.zh)]
    for reason, text in everything_said():
        assert [word for word in inside if stands_in(text, word)] == [], reason


def test_no_reason_reveals_a_rule_or_a_list_of_the_policy() -> None:
    """Not its id, its words, its lists, nor the lanes and points that it is made of."""
    policy = load_policy(shipped_text(), NAMES)
    inside = [*LANES, *(rule.id for rule in policy.rules), *(listed.name for listed in policy.declared)]
    inside += [words for rule in policy.rules for words in (rule.en, rule.zh)]
    inside += [words for listed in policy.declared for words in (listed.en, listed.zh)]
    for reason, text in everything_said():
        assert [word for word in inside if word.lower() in text.lower()] == [], reason


def test_no_reason_names_a_number_or_speaks_of_the_inside() -> None:
    """A digit would be a threshold, and "too often" an instruction."""
    for reason, text in everything_said():
        assert not re.search(r"[0-9０-９]|\b(?:two|three|five|ten|hundred)\b|[二三四五六七八九十百千]", text), reason
        assert [word for word in OF_THE_INSIDE.split() if stands_in(text, word) or stands_in(text, word + "s")] == [], (
            reason
        )


def test_every_action_but_approval_has_a_reason() -> None:
    assert [action for action in Action if not fitting(action)] == [Action.APPROVE]
    assert sentence("", "zh") == ""
    assert list(TEXTS) == list(PublicReason)
