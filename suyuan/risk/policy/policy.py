"""A policy that may decide: read, checked as a whole, and compiled.

`load_policy` takes the text and the names that it may use, and raises `BadPolicy` with every mistake, or gives a
policy in which

- each rule is a typed tree (`tree`), and the Python form and the column form are made from that one tree;
- rules stand by their ids, so their order in the file changes nothing but the digest;
- `digest` is the SHA-256 of the text's bytes; whoever has the text has the policy.

>>> from suyuan.risk.catalogue import load_catalogue
>>> from suyuan.risk.policy.names import names_of
>>> names = names_of(load_catalogue().features)
>>> policy = load_policy('''
... name = "small"
... [[rules]]
... id = "many"
... when = "seller_count_1h >= 3 and face_fen > 100_00"
... action = "refuse"
... reason = "cannot_be_taken"
... zh = "一小时内多次大额"
... en = "many large ones in an hour"
... ''', names)
>>> inputs = dict.fromkeys(policy.inputs) | {"seller_count_1h": 5, "face_fen": 500_00}
>>> decision = policy.decide(list(inputs.values()))
>>> decision.action.value, decision.reason, decision.fired
('refuse', 'cannot_be_taken', (Fired(rule='many', saw=(('seller_count_1h', 5), ('face_fen', 50000))),))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from suyuan.risk.decision import Action, Decision
from suyuan.risk.finalise import Flags
from suyuan.risk.policy.checks import check_bands, check_rules
from suyuan.risk.policy.columns import ColumnForm, Columns, column_form
from suyuan.risk.policy.mistakes import BadPolicy, Mistake, Parts
from suyuan.risk.policy.names import FLAG, Names
from suyuan.risk.policy.parse import BadExpression, Scope, read_expression
from suyuan.risk.policy.python_form import Found, Judge, python_form
from suyuan.risk.policy.reading import ListTable, RuleTable, Tables, read_tables
from suyuan.risk.policy.resolve import LIMIT_PERCENT, Resolved, resolve, resolve_columns
from suyuan.risk.policy.rules import Band, Rule, weight_of
from suyuan.risk.policy.spans import Unsound, check_parts
from suyuan.risk.policy.texts import Wrong
from suyuan.risk.policy.tree import Listed, Truth, inputs_in, lists_in

CONFIRMED = "is_signed_by_device == 1 and device_age_s >= 86_400 or seller_stepups_24h >= 1"
"""Who has just shown that they are themselves: by a device bound for a day, or by a face check of the last day."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, checked and compiled."""

    name: str
    digest: str
    text: str
    rules: tuple[Rule, ...]
    bands: tuple[Band, ...]
    declared: tuple[ListTable, ...]
    lists: tuple[Listed, ...]
    inputs: tuple[str, ...]  # Everything that `judge` takes, in order: names, then one hit for each of `lists`.
    judge: Judge  # From inputs to the rules that fired, by their places in `rules`, with the values that they saw.
    columns: ColumnForm  # The same for columns, by input.
    _confirmed: Judge
    _confirmed_columns: ColumnForm

    def decide(self, inputs: Sequence[int | None]) -> Decision:
        """The decision for one attempt."""
        return self.resolve(self.judge(inputs), is_confirmed=self.is_confirmed(inputs))

    def is_confirmed(self, inputs: Sequence[int | None]) -> bool:
        """Whether a step-up is met already."""
        return bool(self._confirmed(inputs))

    def resolve(self, fired: list[Found], *, is_confirmed: bool) -> Decision:
        """What fired rules come to."""
        return resolve(self.rules, self.bands, fired, is_confirmed=is_confirmed)

    def decide_columns(self, columns: Columns) -> tuple[Flags, Resolved]:
        """Which rules fired, and the decisions, for many attempts."""
        fired = self.columns(columns)
        return fired, self.resolve_columns(fired, is_confirmed=self.are_confirmed(columns))

    def are_confirmed(self, columns: Columns) -> Flags:
        """Whose step-up is met already, of many attempts."""
        confirmed: Flags = self._confirmed_columns(columns)[0]
        return confirmed

    def resolve_columns(self, fired: Flags, *, is_confirmed: Flags) -> Resolved:
        """What fired rules come to, for many attempts."""
        return resolve_columns(self.rules, self.bands, fired, is_confirmed=is_confirmed)


def shipped_text() -> str:
    """The text of the policy that comes with suyuan."""
    return files("suyuan.risk.policy").joinpath("default.toml").read_text("utf-8")


def load_policy(text: str, names: Names) -> Policy:
    """The policy that a text holds. Raises `BadPolicy`."""
    mistakes: list[Mistake] = []
    tables = read_tables(text, mistakes)
    if tables is None:
        raise BadPolicy(tuple(mistakes))
    scope = Scope(names.spans, {table.name: table.keys for table in tables.lists})
    mistakes += _doubled_lists(tables)
    rules = [rule for place in range(len(tables.rules)) for rule in _rules(place, tables, scope, mistakes)]
    bands = [
        Band(band.score_min, band.action, band.delay_s, _weight(band.action, band.reason), band.line)
        for band in tables.bands
    ]
    mistakes += check_rules(rules, names.spans)
    mistakes += check_bands(bands, [rule.points or 0 for rule in tables.rules])
    if mistakes:
        raise BadPolicy(tuple(sorted(mistakes, key=lambda mistake: mistake.line)))
    return _compiled(text, names, tables, rules, bands)


def _doubled_lists(tables: Tables) -> list[Mistake]:
    places: dict[str, int] = {}
    found = []
    for place, table in enumerate(tables.lists):
        first = places.setdefault(table.name, place)
        if first != place:
            parts: Parts = {"name": table.name, "other": tables.lines.of("lists", first)}
            found.append(Mistake(Wrong.id_is_doubled, tables.lines.of("lists", place), "", parts))
    return found


def _rules(place: int, tables: Tables, scope: Scope, mistakes: list[Mistake]) -> list[Rule]:
    """The rule of a table, or none where its condition cannot be read."""
    table, begins = tables.rules[place], tables.lines.text_begins("rules", place, "when")
    try:
        condition = read_expression(table.when, scope)
        check_parts(condition, scope.spans)
    except BadExpression as bad:
        mistakes.append(Mistake(bad.wrong, begins + bad.line - 1, table.id, bad.parts))
        return []
    except Unsound as bad:
        mistakes.append(Mistake(bad.wrong, begins, table.id, bad.parts))
        return []
    return [_rule(table, condition)]


def _rule(table: RuleTable, condition: Truth) -> Rule:
    return Rule(
        id=table.id, condition=condition, lane=table.lane, action=table.action, points=table.points or 0,
        delay_s=table.delay_s, limit_percent=table.limit_percent, weight=_weight(table.action, table.reason),
        asks=table.action != Action.APPROVE or table.limit_percent < LIMIT_PERCENT, saw=tuple(inputs_in(condition)),
        zh=table.zh, en=table.en, line=table.line,
        only_watches=table.points == 0 and table.action == Action.APPROVE,
    )  # fmt: skip


def _weight(action: Action, reason: str) -> int:
    # Without a reason the policy is refused already; this only lets the other checks go on.
    return weight_of(action, reason) if reason else 0


def _compiled(text: str, names: Names, tables: Tables, rules: list[Rule], bands: list[Band]) -> Policy:
    lists = tuple(dict.fromkeys(listed for rule in rules for listed in lists_in(rule.condition)))
    inputs = (*names.order, *(listed.name for listed in lists))
    spans = {**names.spans, **{listed.name: FLAG for listed in lists}}
    by_id = tuple(sorted(rules, key=lambda rule: rule.id))
    conditions = [rule.condition for rule in by_id]
    confirmed = [read_expression(CONFIRMED, Scope(names.spans, {}))]
    return Policy(
        name=tables.name, digest=digest_of(text), text=text, rules=by_id, bands=tuple(bands), declared=tables.lists,
        lists=lists, inputs=inputs, judge=python_form(conditions, inputs),
        columns=column_form(conditions, inputs, spans), _confirmed=python_form(confirmed, inputs),
        _confirmed_columns=column_form(confirmed, inputs, spans),
    )  # fmt: skip


def digest_of(text: str) -> str:
    """The digest by which history names a policy."""
    return sha256(text.encode()).hexdigest()
