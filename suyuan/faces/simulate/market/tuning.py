"""Chooses the thresholds of a policy by what they do to honest people, on months that nobody scores.

1. A knob is one number of one rule, with the values that somebody can defend, from the loosest to the strictest. The
   loosest is taken at which the rule hits no more of the honest than its action may (`HONEST_MAX`). A rule that is
   too broad even at its strictest is taken out.
2. A rule on trial that stops nothing in these months is taken out too: nobody would have written it who has never seen
   what it is for. On trial is every rule that stops something while all families are there (`useful_rules`); what the
   market does not play, such as lists and rings, is not.
3. What is left of the budgets is the model's: its thresholds are the lowest scores at which, together with the rules,
   no more of the honest are refused, reviewed and delayed than `BUDGETS` say. A step-up counts as a refusal for the
   few who do not pass or do not care to, a review for those about whom a person errs.

So tuning needs no knob for any family; taken over months without a family, it has never seen it (`rehearsal`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from suyuan.faces.simulate.market.rehearsal import Lessons
from suyuan.faces.simulate.market.teaching import Taught
from suyuan.risk.catalogue import Catalogue
from suyuan.risk.decision import Action
from suyuan.risk.finalise import Column, Flags, Integers
from suyuan.risk.inputs import MODEL_SCORE
from suyuan.risk.policy.names import names_of
from suyuan.risk.policy.policy import Policy, load_policy
from suyuan.risk.policy.rules import ACTIONS, hardness

HONEST_MAX: Mapping[Action, float] = MappingProxyType({
    Action.FREEZE: 0.001, Action.REFUSE: 0.0002, Action.REVIEW: 0.0025, Action.STEP_UP: 0.05, Action.DELAY: 0.01,
})  # fmt: skip
"""How much of what honest people offer one rule alone may hit, by its action."""


class Budgets(NamedTuple):
    """How much of what honest people offer all rules together may hit, and the model may fill up."""

    refused: float = 0.0055
    reviewed: float = 0.0165
    stepped_up: float = 0.065
    delayed: float = 0.075


FAILS_STEP_UP, FAILS_REVIEW = 0.035, 0.02
STOPS_MIN = 0.0005
"""The share of attack yuan below which a rule is of no use."""


class Knob(NamedTuple):
    """A number of a rule: the comparison that it belongs to, and its values, the loosest first."""

    rule: str
    name: str
    values: tuple[int, ...]


KNOBS: tuple[Knob, ...] = (
    Knob("bad_and_large", "seller_bad_fen_90d", (100_00, 200_00, 300_00, 500_00)),
    Knob("device_farm", "device_sellers_24h", (3, 4, 5, 6)),
    Knob("device_bound_often", "device_bound_30d", (2, 3, 4, 5)),
    Knob("device_pays_many", "device_payees_7d", (2, 3, 4, 5)),
    Knob("collecting_payee", "payee_sellers_7d", (3, 4, 5, 6)),
    Knob("payee_registered_often", "payee_registered_30d", (2, 3, 4)),
    Knob("wrong_secrets", "seller_wrong_secrets_24h", (3, 4, 5, 6)),
    Knob("young_sum", "seller_face_7d", (500_00, 700_00, 1_000_00, 1_500_00)),
    Knob("young_balance", "seller_face_7d", (200_00, 400_00, 600_00, 1_000_00)),
    Knob("fresh_phone", "seller_face_24h", (200_00, 300_00, 500_00)),
    Knob("stranger", "seller_face_24h", (100_00, 150_00, 200_00, 300_00, 500_00)),
    Knob("deep_chain", "agent_depth", (4, 5, 6)),
    Knob("agent_hoard", "agent_batch_count_24h", (4, 6, 8, 12)),
)
MODEL_RULES = ("model_sure", "model_high", "model_unproven", "model_raised")
_MODEL_ACTIONS = (Action.REFUSE, Action.REVIEW, Action.STEP_UP, Action.DELAY)
_ROUNDED_TO_BP = 25


class _Months(NamedTuple):
    """All months as one: inputs by name, and who was who."""

    columns: dict[str, Column]
    is_honest: Flags
    is_attack: Flags
    face_fen: Integers

    def honest_share(self, hits: Flags) -> float:
        """How much of what honest people offered this hits."""
        return float(hits[self.is_honest].mean())

    def attack_share(self, hits: Flags) -> float:
        """How much of the attackers' yuan this hits."""
        return float(self.face_fen[hits & self.is_attack].sum() / self.face_fen[self.is_attack].sum())


def tune(
    text: str,
    lessons: Sequence[Lessons],
    taught: Taught,
    catalogue: Catalogue,
    *,
    on_trial: Collection[str] = (),
) -> str:
    """The policy with its thresholds chosen on these months, and without the rules on trial that are of no use here."""
    months = _as_one(lessons)
    for knob in KNOBS:
        text = _turned(text, knob, months, catalogue)
    for rule in sorted(set(on_trial) & _ids(text, catalogue) - _useful(text, months, catalogue)):
        text = without_rule(text, rule)
    scores = np.concatenate([taught.fitted.scores(month.matrix()) for month in lessons])
    return _with_model(text, months, (scores * 10_000 + 0.5).astype(np.int64), catalogue)


def useful_rules(text: str, lessons: Sequence[Lessons], catalogue: Catalogue) -> frozenset[str]:
    """The rules, beside the model's, that hit more than a crumb of the attackers' yuan in these months."""
    return frozenset(_useful(text, _as_one(lessons), catalogue))


def _useful(text: str, months: _Months, catalogue: Catalogue) -> set[str]:
    policy = _load(text, catalogue)
    fired = policy.columns(_asked(policy, months))
    return {rule.id for rule, hits in zip(policy.rules, fired, strict=True) if months.attack_share(hits) >= STOPS_MIN}


def _ids(text: str, catalogue: Catalogue) -> set[str]:
    return {rule.id for rule in _load(text, catalogue).rules}


def _as_one(lessons: Sequence[Lessons]) -> _Months:
    first = lessons[0]
    values = np.hstack([month.values for month in lessons])
    present = np.hstack([month.present for month in lessons])
    columns = {name: Column(values[place], present[place]) for place, name in enumerate(first.names)}
    nothing = np.zeros(values.shape[1], np.int64)
    columns[MODEL_SCORE] = Column(nothing, nothing > 0)
    return _Months(
        columns,
        np.concatenate([month.is_honest for month in lessons]),
        np.concatenate([month.is_attack for month in lessons]),
        np.concatenate([month.face_fen for month in lessons]),
    )


def _turned(text: str, knob: Knob, months: _Months, catalogue: Catalogue) -> str:
    for value in knob.values:
        turned = with_number(text, knob.rule, knob.name, value)
        alone = _load(f'name = "alone"\n{rule_of(turned, knob.rule)}', catalogue)
        hits = alone.columns(_asked(alone, months))[0]
        if months.honest_share(hits) <= HONEST_MAX[alone.rules[0].action]:
            return turned
    return without_rule(text, knob.rule)


def _with_model(text: str, months: _Months, score_bp: Integers, catalogue: Catalogue) -> str:
    """Lets the model fill up what the rules leave of the budgets, the hardest action first."""
    policy, budgets = _load(text, catalogue), Budgets()
    asked = _asked(policy, months)
    _, resolved = policy.decide_columns(asked)
    action = hardness(resolved.weight)
    used = _used(action, months, budgets)
    may_step_up = ~policy.are_confirmed(asked)
    is_above = np.zeros(len(action), np.bool_)
    for rule, what, budget in zip(MODEL_RULES, _MODEL_ACTIONS, budgets, strict=True):
        free = months.is_honest & (action < ACTIONS.index(what)) & ~is_above
        if what is Action.STEP_UP:
            free &= may_step_up
        allowed = max(0, int((budget - used[what]) * months.is_honest.sum()))
        threshold_bp = _threshold_bp(score_bp[free], allowed)
        text = with_number(text, rule, MODEL_SCORE, threshold_bp)
        # Who is stepped up and passes comes again, so a step-up takes nobody out of what a delay may hit.
        is_above |= (score_bp >= threshold_bp) & (what is not Action.STEP_UP)
    return text


def _used(action: Integers, months: _Months, budgets: Budgets) -> dict[Action, float]:
    """What the rules alone use of each budget; step-ups and reviews end in some refusals."""
    hit = {what: months.honest_share(action == ACTIONS.index(what)) for what in Action}
    refused = hit[Action.REFUSE] + hit[Action.FREEZE]
    refused += FAILS_STEP_UP * budgets.stepped_up + FAILS_REVIEW * budgets.reviewed
    return {**hit, Action.REFUSE: refused}


def _threshold_bp(score_bp: Integers, allowed: int) -> int:
    """The lowest score, rounded up, that no more than so many reach."""
    highest_first = np.sort(score_bp)[::-1]
    reached = int(highest_first[allowed]) + 1 if allowed < len(highest_first) else 0
    return min(10_000, -(-reached // _ROUNDED_TO_BP) * _ROUNDED_TO_BP)


def _load(text: str, catalogue: Catalogue) -> Policy:
    return load_policy(text, names_of(catalogue.features))


def _asked(policy: Policy, months: _Months) -> Mapping[str, Column]:
    """The inputs that a policy takes; nobody stands on any list."""
    nothing = np.zeros(len(months.face_fen), np.int64)
    return {**months.columns, **{listed.name: Column(nothing, nothing == 0) for listed in policy.lists}}


# --- The text of a policy ---------------------------------------------------------------------------------------------


def rule_of(text: str, rule: str) -> str:
    """The table of one rule, as it stands in the text. Raises `LookupError` for a rule that is not there."""
    begin, end = _place(text, rule)
    return text[begin:end]


def without_rule(text: str, rule: str) -> str:
    """The text without that rule."""
    begin, end = _place(text, rule)
    return text[:begin] + text[end:]


def with_number(text: str, rule: str, name: str, value: int) -> str:
    """The text with the number that the rule compares `name` with.

    Amounts are written as yuan and fen.

    >>> with_number('[[rules]]\\nid = "a"\\nwhen = "hour + 2 >= 1_000"\\n', "a", "hour", 70)
    '[[rules]]\\nid = "a"\\nwhen = "hour + 2 >= 70"\\n'
    """
    begin, end = _place(text, rule)
    is_amount = value >= 100 and {"face", "fen"} & set(name.split("_"))
    written = f"{value // 100:_}_{value % 100:02}" if is_amount else f"{value:_}"
    turned, count = re.subn(rf"(\b{name}\b[^<>=\n]*>= )[\d_]+", rf"\g<1>{written}", text[begin:end], count=1)
    if count != 1:
        raise LookupError(f"the rule {rule} compares no {name} with a number")
    return text[:begin] + turned + text[end:]


def _place(text: str, rule: str) -> tuple[int, int]:
    found = re.search(rf'\[\[rules\]\]\nid = "{rule}"\n(?:[^\[\n].*\n|\n(?!\[\[|#)|(?=\n)\n)*', text)
    if found is None:
        raise LookupError(f"the policy has no rule {rule}")
    return found.span()
