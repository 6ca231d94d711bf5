"""The catalogue: every feature that decisions look at, as data (`catalogue.toml`), checked before anything runs.

In the file a feature's filter is one line, `where = "attempt and taken == 0"`: a kind of row by its name, or a column
compared (`==`, `!=`, `>=`, `<=`) with a whole number or, for a name, with text in quotes, which becomes its `id64`.
A window and a lag are written `10m`, `24h` or `30d`.

The catalogue's digest says what is computed, in which order. The lines for people are not in it, so that mending one
changes no decision and makes no snapshot useless.

>>> catalogue = load_catalogue()
>>> catalogue.names[0], len(catalogue.digest)
('seller_count_10m', 64)
>>> parse_where('attempt and taken == 0')
(Condition(column='kind', operator='eq', operand=1), Condition(column='taken', operator='eq', operand=0))
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import msgspec

from suyuan.base.wire import canonical, digest
from suyuan.risk import row
from suyuan.risk.features import CAP, WINDOW_S_MAX, Aggregate, Condition, FeatureSpec, Operator
from suyuan.risk.finalise import CAP_MAX, CAPS_MAX, FORMS
from suyuan.risk.row import AMOUNTS, COLUMNS, KEYS, id64

FEATURES_MAX = 256
KEY_COLUMNS_MAX = 2

KINDS = {
    "attempt": row.ATTEMPT,
    "bad": row.BAD,
    "registered": row.REGISTERED,
    "bound": row.BOUND,
    "stepped_up": row.STEPPED_UP,
    "forged": row.FORGED,
}
_OPERATORS: dict[str, Operator] = {"==": "eq", "!=": "ne", ">=": "ge", "<=": "le"}
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TEXTS = ("zh", "en")

# What an aggregate takes a value from. An amount may be added up; of a name only equality means anything.
_OF_AMOUNTS: frozenset[Aggregate] = frozenset({"sum", "sum_squares", "min", "max", "last", "mean", "spread", "ratio"})
_OF_ANYTHING: frozenset[Aggregate] = frozenset({"distinct", "new", "same"})
# Any number of 63 bits; and a sum of squares has up to 56.
_UNBOUNDED: frozenset[Aggregate] = frozenset({"min", "max", "last", "sum_squares"})
_MAY_BE_EMPTY: frozenset[Aggregate] = frozenset(
    {"min", "max", "last", "mean", "spread", "gap", "age", "ratio", "share"},
)


class BadCatalogue(ValueError):
    """Raised when a catalogue cannot be computed; its text has one line for each thing that is wrong."""


@dataclass(frozen=True)
class Catalogue:
    """The features that executors compute, in the order in which decisions keep them."""

    features: tuple[FeatureSpec, ...]

    def __post_init__(self) -> None:
        wrong = list(_findings(self.features))
        if wrong:
            raise BadCatalogue("\n".join(wrong))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all features, in order."""
        return tuple(spec.name for spec in self.features)

    @cached_property
    def digest(self) -> str:
        """What is computed, as SHA-256 in hexadecimal."""
        return digest(canonical([_computed(spec) for spec in self.features])).hex()

    def place(self, name: str) -> int:
        """Where a feature stands. Raises `ValueError` for an unknown name."""
        return self.names.index(name)


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A feature as the file writes it."""

    name: str
    zh: str
    en: str
    aggregate: Aggregate
    key: tuple[str, ...] = ()
    value: str = ""
    window: str = ""
    lag: str = ""
    where: str = ""
    of: tuple[str, ...] = ()
    empty: int | None = None
    cap: int = CAP


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    features: tuple[_Written, ...]


def load_catalogue() -> Catalogue:
    """The catalogue that comes with suyuan."""
    return read_catalogue(files("suyuan.risk").joinpath("catalogue.toml").read_text("utf-8"))


def read_catalogue(text: str) -> Catalogue:
    """The catalogue that a text writes. Raises `BadCatalogue`."""
    try:
        written = msgspec.convert(tomllib.loads(text), _File).features
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise BadCatalogue(str(fault)) from fault
    return Catalogue(tuple(_spec(feature) for feature in written))


def parse_where(text: str) -> tuple[Condition, ...]:
    """The conditions of a filter, all of which must hold. Raises `BadCatalogue`."""
    return tuple(_condition(part.strip()) for part in text.split(" and ")) if text else ()


def parse_seconds(text: str) -> int:
    """`90s`, `10m`, `24h` or `30d` as seconds; nothing is 0. Raises `BadCatalogue`."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d{1,7})([smhd])", text, re.ASCII)
    if found is None:
        raise BadCatalogue(f"`{text}` is no time: write 90s, 10m, 24h or 30d")
    return int(found[1]) * _SECONDS[found[2]]


def _spec(written: _Written) -> FeatureSpec:
    try:
        return FeatureSpec(
            name=written.name, zh=written.zh, en=written.en, aggregate=written.aggregate, key=written.key,
            value=written.value, window_s=parse_seconds(written.window), lag_s=parse_seconds(written.lag),
            where=parse_where(written.where), of=written.of, empty=written.empty, cap=written.cap,
        )  # fmt: skip
    except BadCatalogue as fault:
        raise BadCatalogue(f"{written.name}: {fault}") from None


def _condition(text: str) -> Condition:
    if text in KINDS:
        return Condition("kind", "eq", KINDS[text])
    found = re.fullmatch(r'(\w+) *(==|!=|>=|<=) *(?:(-?\d{1,18})|"([^"]+)")', text, re.ASCII)
    if found is None:
        raise BadCatalogue(f"`{text}` is no condition: name a kind of row, or compare a column with a whole number")
    operand = int(found[3]) if found[3] else id64(found[4])
    assert operand is not None, "a text of one character or more has a number"
    return Condition(found[1], _OPERATORS[found[2]], operand)


def _findings(features: tuple[FeatureSpec, ...]) -> Iterator[str]:
    """Everything that is wrong, feature by feature."""
    by_name = {spec.name: spec for spec in features}
    if not 1 <= len(features) <= FEATURES_MAX:
        yield f"a catalogue has 1 to {FEATURES_MAX} features, not {len(features)}"
    for place, spec in enumerate(features):
        found = [*_of_words(spec), *(_of_share(spec, by_name) if spec.aggregate == "share" else _of_rows(spec))]
        if by_name[spec.name] is not features[place]:
            found.append("the name stands twice")
        yield from (f"{spec.name}: {finding}" for finding in found)


def _of_words(spec: FeatureSpec) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", spec.name, re.ASCII):
        yield "a name is of small letters, digits and `_`, 63 at most"
    if not spec.zh.strip() or not spec.en.strip():
        yield "a line in Chinese and one in English say what it is"
    if spec.empty is not None and spec.aggregate not in _MAY_BE_EMPTY:
        yield f"a {spec.aggregate} of nothing is settled; it takes no `empty`"


def _of_share(spec: FeatureSpec, by_name: dict[str, FeatureSpec]) -> Iterator[str]:
    if spec.key or spec.value or spec.window_s or spec.lag_s or spec.where or spec.cap != CAP:
        yield "a share looks at no rows: it takes `of` and `empty` alone"
    parts = [by_name.get(name) for name in spec.of]
    if len(parts) != 2 or any(part is None or part.aggregate == "share" for part in parts):
        yield "a share is `of` two other features of the catalogue, neither of them a share"
    elif parts[0] is not None and parts[0].aggregate in _UNBOUNDED:
        yield f"a thousand times a {parts[0].aggregate} may leave 64 bits; a share is of what has a bound"


def _of_rows(spec: FeatureSpec) -> Iterator[str]:
    if spec.of:
        yield "only a share is `of` others"
    if (
        not 1 <= len(spec.key) <= KEY_COLUMNS_MAX
        or not set(spec.key) <= set(KEYS)
        or len(set(spec.key)) < len(spec.key)
    ):
        yield f"a key is one column or a pair of {', '.join(KEYS)}"
    allowed = (
        AMOUNTS if spec.aggregate in _OF_AMOUNTS else (*KEYS, *AMOUNTS) if spec.aggregate in _OF_ANYTHING else ("",)
    )
    if spec.value not in allowed:
        yield f"a {spec.aggregate} takes " + (f"a value of {', '.join(allowed)}" if allowed[0] else "no value")
    if spec.value in spec.key:
        yield "a value that is part of the key is always the same"
    if not 1 <= spec.window_s <= WINDOW_S_MAX:
        yield f"a window is 1 s to {WINDOW_S_MAX // 86_400} d"
    if not 0 <= spec.lag_s < max(spec.window_s, 1):
        yield "a lag is shorter than its window"
    if not 1 <= spec.cap <= CAPS_MAX.get(spec.aggregate, CAP_MAX):
        yield f"a cap of a {spec.aggregate} is 1 to {CAPS_MAX.get(spec.aggregate, CAP_MAX)}"
    unknown = [condition.column for condition in spec.where if condition.column not in COLUMNS]
    if unknown:
        yield f"no row has a column {', '.join(unknown)}"


def _is_key(columns: tuple[str, ...]) -> bool:
    return 1 <= len(set(columns)) == len(columns) <= KEY_COLUMNS_MAX and set(columns) <= set(KEYS)


def _values_of(aggregate: Aggregate) -> tuple[str, ...]:
    if aggregate in _OF_AMOUNTS:
        return AMOUNTS
    return (*KEYS, *AMOUNTS) if aggregate in _OF_ANYTHING else ("",)


def _computed(spec: FeatureSpec) -> dict[str, Any]:
    """What of a feature says how it is computed. A name's number has 63 bits, more than canonical JSON may hold."""
    plain: dict[str, Any] = msgspec.to_builtins(spec)
    told = {name: value for name, value in plain.items() if name not in _TEXTS}
    return {**told, "where": [[column, operator, str(operand)] for column, operator, operand in plain["where"]]}


assert set(_MAY_BE_EMPTY) == {name for name, form in FORMS.items() if form.needs}, "what needs a part may lack it"
