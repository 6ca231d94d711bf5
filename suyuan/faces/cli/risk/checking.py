"""`suyuan risk check FILE`: reads a policy as the platform would, and says what is wrong with it or what it is.

Nothing is changed, and no platform is needed. A policy with a mistake, or one that costs more than a policy may, ends
with exit code 1. A sample is a file of inputs as decisions keep them, one a line; without it one is made up from the
policy's own constants, which says what the rules cost and nothing of how often they fire.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from suyuan.base.clock import thread_cpu_s
from suyuan.base.refusals import Language
from suyuan.faces.cli.speaking import Json, Lang, language_of, print_table
from suyuan.faces.cli.terminal import as_json, fail, tell
from suyuan.faces.policy_file import cost_of, read_policy
from suyuan.risk.policy.cost import COST_US_MAX, Cost, check_cost, measure_cost
from suyuan.risk.policy.mistakes import BadPolicy, Mistake
from suyuan.risk.policy.policy import Policy
from suyuan.risk.policy.reading import ListTable
from suyuan.risk.policy.resolve import LIMIT_PERCENT
from suyuan.risk.policy.rules import Rule
from suyuan.risk.policy.tree import lists_in
from suyuan.risk.vector import BadInputs, read_inputs

SAMPLE_ROWS_MAX = 10_000
SAID: dict[Language, dict[str, str]] = {
    "en": {
        "right": "{name} can be used: {rules} rules, digest {digest}.",
        "cost": "One attempt costs {us} µs on {rows} inputs ({sample}); a policy may cost {most}.",
        "made_up": "made up from its constants, so how often rules fire is not shown",
        "given": "of the sample",
    },
    "zh": {
        "right": "策略 {name} 可用：{rules} 条规则，摘要 {digest}。",
        "cost": "在 {rows} 组输入上（{sample}）每笔耗时 {us} 微秒，上限为 {most} 微秒。",
        "made_up": "由策略中的常数生成，因此不显示触发频率",
        "given": "来自样本",
    },
}


@dataclass(frozen=True, slots=True)
class _Checked:
    """A policy that can be read, and what it cost."""

    policy: Policy
    cost: Cost
    is_made_up: bool


def check(
    file: Annotated[Path, typer.Argument(help="the policy, a TOML file", dir_okay=False)],
    sample: Annotated[Path | None, typer.Option(help="inputs of decisions, one a line, to measure cost on")] = None,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Says what is wrong with a policy, or its rules, digest, cost and lists. Exit status 1 for a bad one."""
    language = language_of(lang)
    try:
        policy = read_policy(file)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except BadPolicy as bad:
        _tell_mistakes(bad.mistakes, language, is_for_machines)
    found = _measured(policy, sample)
    if is_for_machines:
        as_json(_fields(found))
    else:
        _show(found, language)
    if dear := check_cost(found.cost):
        _tell_mistakes((dear,), language, is_for_machines=False)


def _measured(policy: Policy, sample: Path | None) -> _Checked:
    if sample is None:
        return _Checked(policy, cost_of(policy), is_made_up=True)
    return _Checked(policy, measure_cost(policy, _sampled(sample, policy), cpu_s=thread_cpu_s), is_made_up=False)


def _sampled(sample: Path, policy: Policy) -> list[list[int | None]]:
    """The inputs of a file; hits on lists are left out, because they belong to the policy that decided then."""
    rows, inputs = [], len(policy.inputs) - len(policy.lists)
    try:
        with sample.open(encoding="ascii") as lines:
            for number, line in enumerate(lines, 1):
                values = read_inputs(line.rstrip("\n"))[:inputs]
                if len(values) < inputs:
                    fail(f"{sample}: line {number} has {len(values)} inputs, not {inputs} or more")
                rows.append([*values, *[0] * len(policy.lists)])
                if len(rows) == SAMPLE_ROWS_MAX:
                    break
    except (OSError, UnicodeDecodeError, BadInputs) as error:
        fail(f"{sample}: {error}")
    if not rows:
        fail(f"{sample}: there are no inputs in it")
    return rows


def _tell_mistakes(mistakes: tuple[Mistake, ...], language: Language, is_for_machines: bool) -> NoReturn:
    if is_for_machines:
        as_json({"mistakes": [_mistake(mistake) for mistake in mistakes]})
    else:
        for mistake in mistakes:
            tell(mistake.sentence(language))
    raise typer.Exit(1)


def _mistake(mistake: Mistake) -> dict[str, object]:
    sentences = {"en": mistake.sentence("en"), "zh": mistake.sentence("zh")}
    return {"code": mistake.wrong.value, "line": mistake.line, "rule": mistake.rule, **sentences}


def _fields(found: _Checked) -> dict[str, object]:
    policy = found.policy
    dear = check_cost(found.cost)
    return {
        "name": policy.name,
        "digest": policy.digest,
        "rules": [_rule(rule, found) for rule in policy.rules],
        "lists": [{**listed._asdict(), "rules": _rules_asking(policy, listed)} for listed in policy.declared],
        "cost_us": found.cost.us,
        "sample_rows": found.cost.rows,
        "sample_is_made_up": found.is_made_up,
        "mistakes": [_mistake(dear)] if dear else [],
    }


def _rule(rule: Rule, found: _Checked) -> dict[str, object]:
    return {
        "id": rule.id, "lane": rule.lane, "action": rule.action.value, "points": rule.points,
        "limit_percent": rule.limit_percent, "delay_s": rule.delay_s, "zh": rule.zh, "en": rule.en,
        "fired": None if found.is_made_up else found.cost.fired[rule.id],
    }  # fmt: skip


def _rules_asking(policy: Policy, listed: ListTable) -> list[str]:
    return [rule.id for rule in policy.rules if any(asked.list == listed.name for asked in lists_in(rule.condition))]


def _show(found: _Checked, language: Language) -> None:
    policy = found.policy
    print_table(
        ("rule", "lane", "action", "points", "limit %", "fired", "what"),
        [
            (
                rule.id, rule.lane, rule.action.value, rule.points or "",
                "" if rule.limit_percent == LIMIT_PERCENT else rule.limit_percent,
                "" if found.is_made_up else f"{found.cost.fired[rule.id] / found.cost.rows:.2%}",
                rule.zh if language == "zh" else rule.en,
            )
            for rule in policy.rules
        ],
    )  # fmt: skip
    print_table(
        ("from score", "action", "delay_s"),
        [(band.score_min, band.action.value, band.delay_s or "") for band in policy.bands],
    )
    print_table(
        ("list", "keys", "what", "asked by"),
        [
            (
                listed.name, ", ".join(listed.keys), listed.zh if language == "zh" else listed.en,
                ", ".join(_rules_asking(policy, listed)),
            )
            for listed in policy.declared
        ],
    )  # fmt: skip
    said = SAID[language]
    print(said["right"].format(name=policy.name, rules=len(policy.rules), digest=policy.digest))
    sample = said["made_up" if found.is_made_up else "given"]
    print(said["cost"].format(us=found.cost.us, rows=found.cost.rows, sample=sample, most=COST_US_MAX))
