"""From the text of a policy to its tables, each value of its type and within its bounds, and the line of each.

    name = "shop-2026-11"

    [[lists]]
    name = "hot_cards"
    keys = ["card"]
    zh = "已报失的卡"
    en = "cards reported as stolen"

    [[rules]]
    id = "hot_card"
    when = 'listed("hot_cards", card)'
    lane = "block"
    action = "refuse"
    reason = "source_needs_proof"
    zh = "卡已报失"
    en = "the card was reported as stolen"

    [[bands]]
    score_min = 60
    action = "review"
    reason = "a_person_looks_at_it"

TOML's own parser reads it; lines come from a second look at the text in which strings and comments are blanked out, so
whatever stands in them is no heading. Where the two disagree about how many tables there are, the text is refused.

>>> lines = Lines('a = 1\\n[[rules]]\\nid = "x"\\n# [[rules]]\\n[[rules]]\\n"q" = 2\\n')
>>> lines.count("rules"), lines.of("rules", 0, "id"), lines.of("rules", 1, "q"), lines.of("", 0, "a")
(2, 3, 5, 1)
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from suyuan.risk.decision import Action
from suyuan.risk.policy.mistakes import Mistake, nearest, shown
from suyuan.risk.policy.texts import Text, Wrong
from suyuan.risk.reasons import TEXTS, PublicReason, fitting
from suyuan.risk.row import KEYS

TEXT_BYTES_MAX = 64 * 1024
RULES_MAX = 500
BLOCK, OVERRIDE, OVERRIDABLE = LANES = ("block", "override", "overridable")
POINTS_MAX = 10_000
SCORE_MAX = POINTS_MAX * RULES_MAX
DELAY_S_MAX = 7 * 86_400
WORDS_MAX = 300

_HIDDEN = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u00ad\\u200b-\\u200f\\u2028-\\u202f\\u2060-\\u206f\\ufeff\\ud800-\\udfff]"
)
_STRING_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^\\])*?"""+|\'\'\'.*?\'\'\'+|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL
)
_HEADING = re.compile(r"\s*\[(\[?)\s*([\w-]+)\s*\]\]?\s*")
_KEY = re.compile(r"\s*([\w-]+)\s*=")
_OPENS = re.compile(r"=\s*(?:\"{3}|'{3})\r?$")
_TOML_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")

_AN_ID = Text("at most 40 small letters, digits and _, a letter first", "至多 40 个小写字母、数字或下划线，以字母开头")
_WORDS = Text("one visible line of at most 300 characters", "至多 300 字的一行可见文字")
_TYPES = {
    str: Text("a text", "文本"), int: Text("a whole number", "整数"), list: Text("a list of texts", "文本列表"),
}  # fmt: skip
_TABLES = Text("a list of tables", "表的列表")


class ListTable(NamedTuple):
    """A list that rules may ask, by which keys it has entries, and what it is for."""

    name: str
    keys: tuple[str, ...]
    zh: str
    en: str


class RuleTable(NamedTuple):
    """A rule as it is written; `when` is still text."""

    id: str
    when: str
    lane: str
    action: Action
    points: int | None
    delay_s: int
    limit_percent: int
    reason: str
    zh: str
    en: str
    line: int


class BandTable(NamedTuple):
    """From which score on which action is taken."""

    score_min: int
    action: Action
    delay_s: int
    reason: str
    line: int


@dataclass(frozen=True, slots=True)
class Tables:
    """A policy as it is written."""

    name: str
    lists: tuple[ListTable, ...]
    rules: tuple[RuleTable, ...]
    bands: tuple[BandTable, ...]
    lines: Lines


class Lines:
    """On which line of a text each table and each of its keys stands."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, int, str], int] = {}
        self._counts: dict[str, int] = {}
        blank = _STRING_OR_COMMENT.sub(lambda found: "''" + "\n" * found.group().count("\n"), text)
        self._opens = text.split("\n")
        table, place = "", 0
        for number, line in enumerate(blank.split("\n"), 1):
            if heading := _HEADING.fullmatch(line):
                table, place = heading[2], self._counts.get(heading[2], 0)
                # Only the headings of one among many are counted.
                self._counts[table] = place + bool(heading[1])
                self._lines[table, place, ""] = number
            elif key := _KEY.match(line):
                self._lines.setdefault((table, place, key[1]), number)

    def count(self, table: str) -> int:
        """How many headings a table has."""
        return self._counts.get(table, 0)

    def of(self, table: str, place: int, key: str = "") -> int:
        """The line of a key, or of its own heading, or else of its table."""
        found = (self._lines.get(at) for at in ((table, place, key), (key, 0, ""), (table, place, "")))
        return next((line for line in found if line), 0)

    def text_begins(self, table: str, place: int, key: str) -> int:
        """The line on which the first line of a text stands: the next one where its quotes end the line."""
        line = self.of(table, place, key)
        return line + (_OPENS.search(self._opens[line - 1]) is not None) if line else 0


@dataclass(slots=True)
class _Table:
    """One table while it is read: hands out checked values, and notes what is wrong."""

    kind: str
    place: int
    content: Mapping[str, Any]
    lines: Lines
    mistakes: list[Mistake]
    rule: str = ""
    seen: set[str] = field(default_factory=set)

    def note(self, wrong: Wrong, key: str = "", **parts: str | int | Text) -> None:
        self.mistakes.append(Mistake(wrong, self.lines.of(self.kind, self.place, key), self.rule, parts))

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """The value of a key, of exactly this type; the default where it is missing or wrong, both noted."""
        self.seen.add(key)
        if key not in self.content:
            if default is None:
                self.note(Wrong.key_is_missing, name=key)
            return kind() if default is None else default
        value = self.content[key]
        is_list_of_texts = kind is list and type(value) is list and all(type(item) is str for item in value)
        if type(value) is kind and (kind is not list or is_list_of_texts):
            return value
        self.note(Wrong.value_has_the_wrong_type, key, name=key, what=_TYPES[kind])
        return kind() if default is None else default

    def whole(self, key: str, least: int, most: int, default: int | None = None) -> int:
        value: int = self.take(key, int, default)
        if key in self.content and type(self.content[key]) is int and not least <= value <= most:
            self.note(Wrong.value_is_out_of_range, key, name=key, least=least, most=most)
        return value

    def words(self, key: str) -> str:
        value: str = self.take(key, str)
        is_text = type(self.content.get(key)) is str
        if is_text and not (value.strip() and value.isprintable() and len(value) <= WORDS_MAX):
            self.note(Wrong.value_is_malformed, key, name=key, what=_WORDS)
        return value

    def id(self, key: str) -> str:
        value: str = self.take(key, str)
        if type(self.content.get(key)) is str and not _ID.fullmatch(value):
            self.note(Wrong.value_is_malformed, key, name=key, what=_AN_ID)
            return ""
        return value

    def one_of(self, key: str, known: list[str], what: Text, default: str | None = None) -> str:
        value: str = self.take(key, str, default)
        if type(self.content.get(key)) is str and value not in known:
            self.note(Wrong.word_is_unknown, key, name=shown(value), what=what, near=nearest(value, known))
            return default or ""
        return value

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        self.seen.add(key)
        value = self.content.get(key, [])
        if not (type(value) is list and all(isinstance(item, dict) for item in value)):
            self.note(Wrong.value_has_the_wrong_type, key, name=key, what=_TABLES)
            return []
        if len(value) != self.lines.count(key):
            self.note(Wrong.table_has_no_heading, key, table=key)
            return []
        return value

    def check_nothing_is_left(self) -> None:
        for key in self.content:
            if key not in self.seen:
                self.note(Wrong.key_is_unknown, key, name=shown(key), near=nearest(key, sorted(self.seen)))


_A_LANE = Text("lane", "通道")
_AN_ACTION = Text("action", "动作")
_A_REASON = Text("public reason", "公开理由")
_A_KEY = Text("key that lists have entries by", "可登记名单的键")


def text_of(content: bytes) -> str | Mistake:
    """The text of a file as it was saved, or what is wrong with its bytes."""
    if len(content) > TEXT_BYTES_MAX:
        return Mistake(Wrong.text_is_too_large, 0, "", {"most": TEXT_BYTES_MAX})
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        return Mistake(Wrong.text_is_not_utf8, 1 + content.count(b"\n", 0, error.start), "", {})


def read_tables(text: str, mistakes: list[Mistake]) -> Tables | None:
    """The tables of a policy; what is wrong with them is noted. Nothing where they cannot be read at all."""
    parsed = _toml(text, mistakes)
    if parsed is None:
        return None
    lines = Lines(text)
    top = _Table("", 0, parsed, lines, mistakes)
    name = top.words("name")
    lists = tuple(
        _list(_Table("lists", place, content, lines, mistakes)) for place, content in enumerate(top.tables("lists"))
    )
    written = top.tables("rules")
    if not 1 <= len(written) <= RULES_MAX:
        top.note(Wrong.rules_are_too_many, "rules", count=len(written), least=1, most=RULES_MAX)
    rules = tuple(
        _rule(_Table("rules", place, content, lines, mistakes)) for place, content in enumerate(written[:RULES_MAX])
    )
    bands = tuple(
        _band(_Table("bands", place, content, lines, mistakes)) for place, content in enumerate(top.tables("bands"))
    )
    top.check_nothing_is_left()
    return Tables(name, lists, rules, bands, lines)


def _toml(text: str, mistakes: list[Mistake]) -> dict[str, Any] | None:
    if text.startswith("\ufeff"):
        mistakes.append(Mistake(Wrong.text_begins_with_a_mark, 1, "", {}))
        return None
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        mistakes.append(Mistake(Wrong.text_is_too_large, 0, "", {"most": TEXT_BYTES_MAX}))
        return None
    if hidden := _HIDDEN.search(text):
        parts = {"shown": f"U+{ord(hidden.group()):04X}"}
        mistakes.append(Mistake(Wrong.text_has_hidden_characters, 1 + text.count("\n", 0, hidden.start()), "", parts))
        return None
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        place = _TOML_LINE.search(why)
        line = int(place[1]) if place and place[1] else 1 + text.count("\n")
        mistakes.append(Mistake(Wrong.text_is_not_toml, line, "", {"why": shown(_TOML_LINE.sub("", why))}))
        return None


def _list(table: _Table) -> ListTable:
    keys: list[str] = table.take("keys", list)
    for key in keys:
        if key not in KEYS:
            table.note(Wrong.word_is_unknown, "keys", name=shown(key), what=_A_KEY, near=nearest(key, list(KEYS)))
    name = table.id("name")
    found = ListTable(name, tuple(key for key in keys if key in KEYS), table.words("zh"), table.words("en"))
    table.check_nothing_is_left()
    return found


def _rule(table: _Table) -> RuleTable:
    table.rule = shown(str(table.content.get("id", "")))
    rule_id = table.id("id")
    lane = table.one_of("lane", list(LANES), _A_LANE, OVERRIDABLE)
    action = _action(table, "action", is_needed=False)
    points = table.whole("points", -POINTS_MAX, POINTS_MAX, 0) if "points" in table.content else None
    limit_percent = table.whole("limit_percent", 1, 99, 100) if "limit_percent" in table.content else 100
    delay_s, reason = _delay_and_reason(table, action)
    found = RuleTable(
        rule_id, table.take("when", str), lane, action, points, delay_s, limit_percent, reason, table.words("zh"),
        table.words("en"), table.lines.of("rules", table.place),
    )  # fmt: skip
    table.seen |= {"points", "limit_percent"}
    _check_lane(table, found)
    table.check_nothing_is_left()
    return found


def _check_lane(table: _Table, rule: RuleTable) -> None:
    """Each lane takes what it can do something with."""
    if rule.lane == BLOCK and rule.action == Action.APPROVE:
        table.note(Wrong.block_needs_an_action, "action")
    if rule.lane == OVERRIDE:
        extra = [key for key in ("points", "limit_percent") if key in table.content]
        extra += ["action"] if rule.action != Action.APPROVE else []
        for key in extra:
            table.note(Wrong.override_does_more, key, name=key)
    if rule.lane == OVERRIDABLE and rule.action == Action.APPROVE:
        if table.content.get("action") == Action.APPROVE:
            table.note(Wrong.override_does_more, "action", name="action")
        elif not {"action", "points", "limit_percent"} & set(table.content):
            table.note(Wrong.rule_does_nothing)


def _band(table: _Table) -> BandTable:
    score_min = table.whole("score_min", 1, SCORE_MAX)
    action = _action(table, "action", is_needed=True)
    delay_s, reason = _delay_and_reason(table, action)
    found = BandTable(score_min, action, delay_s, reason, table.lines.of("bands", table.place))
    table.check_nothing_is_left()
    return found


def _action(table: _Table, key: str, *, is_needed: bool) -> Action:
    known = [action.value for action in Action]
    value = table.one_of(key, known, _AN_ACTION, None if is_needed else Action.APPROVE)
    return Action(value or Action.APPROVE)


def _delay_and_reason(table: _Table, action: Action) -> tuple[int, str]:
    is_delayed = "delay_s" in table.content
    delay_s = table.whole("delay_s", 60, DELAY_S_MAX, 0) if is_delayed else 0
    if is_delayed != (action == Action.DELAY):
        table.note(Wrong.delay_does_not_fit, "delay_s")
    reason = table.one_of("reason", [reason.value for reason in PublicReason], _A_REASON, "")
    table.seen |= {"delay_s", "reason"}
    is_known = reason in PublicReason.__members__
    if action != Action.APPROVE and "reason" not in table.content:
        table.note(Wrong.reason_is_missing)
    elif is_known and action not in TEXTS[PublicReason(reason)].actions:
        codes = ", ".join(fitting(action)) or "–"
        table.note(Wrong.reason_does_not_fit, "reason", name=reason, action=action.value, fitting=codes)
    return delay_s, reason
