"""The reference pages that are written from the code, so that they cannot fall behind it.

`docs/refusals.md`, `docs/features.md` and `docs/rules.md` hold exactly what `PAGES` give; a test compares them, and
`python3 -m suyuan.faces.reference refusals > docs/refusals.md` writes one again.

>>> refusals_page().splitlines()[0]
'# Refusals · 拒绝'
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from suyuan.base.refusals import TEXTS
from suyuan.risk import reasons
from suyuan.risk.catalogue import load_catalogue
from suyuan.risk.features import FeatureSpec
from suyuan.risk.inputs import FACTS
from suyuan.risk.policy.names import names_of
from suyuan.risk.policy.policy import load_policy, shipped_text
from suyuan.risk.policy.rules import Rule

_REFUSALS = """# Refusals · 拒绝

Every refusal of the platform in its order of precedence: where several apply, the first in this list is given. The code
is stable; programs go by it. Over HTTP a refusal is a problem document (RFC 9457) with this code and both sentences.
平台的全部拒绝，按先后次序排列：同时有多项时，给出列表中最靠前的一项。代码稳定不变，供程序使用。
HTTP 以问题文档（RFC 9457）返回代码和两种语言的说明。

| code | HTTP | English | 中文 |
|---|--:|---|---|
"""

_FEATURES = """# What decisions look at · 决策所看的内容

Features look back over history, before the attempt and never at it; facts are what is known of the attempt itself. All
are whole numbers, or missing. Rules name them (`docs/policy.md`), the model sees them in this order, and each decision
keeps all of them, so that it can be computed again. How each aggregate counts stands in `suyuan/risk/features.py`.
特征回看本次请求之前的历史，从不包括本次；事实是对本次请求本身的已知情况。二者皆为整数或缺失。规则引用它们的名称
（见 `docs/policy.md`），模型按此顺序使用，每个决定都会保存全部取值，以便重算。

## Features · 特征

| name | about | window | English | 中文 |
|---|---|---|---|---|
"""

_FACTS = """
## Facts · 事实

| name | English | 中文 |
|---|---|---|
"""

_RULES = """# The default policy · 默认策略

The rules that a platform has until its officers deploy a policy of their own (`docs/policy.md`). A `block` rule holds
whatever else fires; an `override` rule takes back what `overridable` ones ask for; points of all rules add up, and the
bands say what a sum asks for. What a person is told is one of the public reasons below, and nothing else.
平台负责人部署自有策略之前适用的规则（见 `docs/policy.md`）。`block` 规则不可豁免；`override` 规则豁免 `overridable`
规则；分数累加，按分数段采取措施。对当事人只说明下列公开理由之一，不透露其他内容。

## Rules · 规则

| rule | lane | asks for | English | 中文 |
|---|---|---|---|---|
"""

_BANDS = """
## Bands · 分数段

| from a score of | asks for |
|--:|---|
"""

_REASONS = """
## Public reasons · 公开理由

| code | English | 中文 |
|---|---|---|
"""


def refusals_page() -> str:
    """The page of all refusals, as Markdown."""
    return _REFUSALS + _rows((f"`{reason}`", text.status, text.en, text.zh) for reason, text in TEXTS.items())


def features_page() -> str:
    """The page of all features and facts."""
    features = ((f"`{it.name}`", *_scope(it), it.en, it.zh) for it in load_catalogue().features)
    return _FEATURES + _rows(features) + _FACTS + _rows((f"`{it.name}`", it.en, it.zh) for it in FACTS)


def rules_page() -> str:
    """The page of the default policy and of all public reasons."""
    policy = load_policy(shipped_text(), names_of(load_catalogue().features))
    rules = ((f"`{rule.id}`", rule.lane, _asked(rule), rule.en, rule.zh) for rule in policy.rules)
    bands = ((band.score_min, band.action.value) for band in policy.bands)
    told = ((f"`{code}`", text.en, text.zh) for code, text in reasons.TEXTS.items())
    return _RULES + _rows(rules) + _BANDS + _rows(bands) + _REASONS + _rows(told)


PAGES = {"refusals": refusals_page, "features": features_page, "rules": rules_page}


def _rows(rows: Iterable[tuple[object, ...]]) -> str:
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def _scope(spec: FeatureSpec) -> tuple[str, str]:
    """Whom a feature is about, and how far back it looks."""
    if spec.of:
        return " / ".join(f"`{name}`" for name in spec.of), ""
    return ", ".join(spec.key), _time(spec.window_s) + (f", but for the last {_time(spec.lag_s)}" if spec.lag_s else "")


def _time(seconds: int) -> str:
    """A window as the catalogue writes it.

    >>> _time(600), _time(86_400), _time(30 * 86_400)
    ('10m', '24h', '30d')
    """
    if seconds % 86_400 == 0 and seconds > 86_400:
        return f"{seconds // 86_400}d"
    return f"{seconds // 3_600}h" if seconds % 3_600 == 0 else f"{seconds // 60}m"


def _asked(rule: Rule) -> str:
    parts = [rule.action.value if rule.weight else "", f"{rule.points:+d}" if rule.points else ""]
    parts.append(f"limits at {rule.limit_percent} %" if rule.limit_percent != 100 else "")
    return ", ".join(part for part in parts if part) or "nothing, it only watches"


if __name__ == "__main__":
    print(PAGES[sys.argv[1]](), end="")
