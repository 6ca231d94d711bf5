"""Features as SQL: one text for DuckDB and Spark, which a small record for each turns into its own.

Engines only count, add and compare whole numbers over a table `rows`; the finaliser makes features of what they return.
What must be said the same way for both to say the same:

- A window is a `RANGE` frame over the instant, a BIGINT: from `window` PRECEDING to `lag` PRECEDING, both included.
- `ROWS` frames, time stamps, collation, hashes and floats never appear. Names are numbers before they get here.
- A filter is a CASE inside the aggregate: what is unknown makes it unknown, and an aggregate passes over NULL. Rows
  without a key are left out before any window, since SQL would take all unknown keys for one and the same.
- Sums are made in 128 bits or 38 digits and come back as BIGINT only where the feature is not saturated.
- Counts and sums over a window are the difference of two that begin with the key: an engine that computes a moving
  frame anew for each row (Spark) is linear on these, and the answer is the same.
- How many different values stand in a window is told by deltas: row i makes its value visible from `at + lag` until
  `at + window`, or until the next row with that value takes over. So +1 and -1 are added up in order of time. No engine
  needs `COUNT(DISTINCT)` over a moving frame, which one lacks and the other has had wrong.
- `LEAST` and `GREATEST` pass over NULL in both; they are used where nothing is unknown.

One query answers for all features of one key but `distinct`, which has one each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from suyuan.risk.batch.columns import Ints
from suyuan.risk.batch.parts import Answer, Asked, Features, bounds_of, grouped
from suyuan.risk.features import VALUE_MAX, Condition, FeatureSpec
from suyuan.risk.finalise import FORMS
from suyuan.risk.row import ATTEMPT, COLUMNS

if TYPE_CHECKING:
    import pyarrow

OPERATORS = {"eq": "=", "ne": "<>", "ge": ">=", "le": "<="}


class Dialect(NamedTuple):
    """What the engines write differently."""

    quote: str
    wide: str  # The type that no sum leaves.


DUCKDB = Dialect(quote='"', wide="HUGEINT")
SPARK = Dialect(quote="`", wide="DECIMAL(38,0)")


class Query(NamedTuple):
    """A text, and in which of its columns the parts of which feature come back, beside `seq`."""

    text: str
    parts: dict[FeatureSpec, dict[str, str]]


def queries(features: list[FeatureSpec], dialect: Dialect, *, first_seq: int = 0) -> Iterator[Query]:
    """What an engine is asked so that all these features can be made, for attempts from `first_seq` on."""
    for key, specs in grouped(features, lambda spec: spec.key).items():
        yield _of_key(key, specs, dialect, first_seq)
        yield from (_of_distinct(spec, dialect, first_seq) for spec in specs if spec.aggregate == "distinct")


def measure(answer: Answer, dialect: Dialect, run: Callable[[str], pyarrow.Table]) -> Features:
    """Runs all queries and makes the features."""
    seqs = answer.columns["seq"].values[answer.rows]
    if not len(seqs):
        return answer.whole()
    found: dict[FeatureSpec, dict[str, Ints]] = {spec: {} for spec in answer.measured}
    asked: dict[tuple[str, ...], Asked] = {}
    for query in queries(answer.measured, dialect, first_seq=int(seqs[0])):
        table = run(query.text).sort_by("seq")
        places = np.searchsorted(seqs, _ints(table, "seq"))
        for spec, names in query.parts.items():
            if spec.key not in asked:
                asked[spec.key] = answer.asked(places)
            found[spec] |= {part: _ints(table, name) for part, name in names.items()}
    for spec, parts in found.items():
        answer.put(spec, parts, asked[spec.key])
    return answer.whole()


def _ints(table: pyarrow.Table, name: str) -> Ints:
    ints: Ints = table[name].fill_null(0).to_numpy()
    return ints.astype(np.int64, casting="safe", copy=False)


class _Select:
    """The expressions of one query, each once."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.names: dict[str, str] = {}

    def add(self, expression: str) -> str:
        """The name that an expression goes by."""
        return self.names.setdefault(expression, f"x{len(self.names)}")

    def text(self) -> str:
        return ",\n    ".join(f"{expression} AS {name}" for expression, name in self.names.items())


def _of_key(key: tuple[str, ...], features: list[FeatureSpec], dialect: Dialect, first_seq: int) -> Query:
    inner, outer = _Select(dialect), _Select(dialect)
    parts: dict[FeatureSpec, dict[str, str]] = {}
    for spec in features:
        held = _part(spec, "held", inner)
        parts[spec] = {"held": outer.add(held)}
        for part in (part for part in FORMS[spec.aggregate].parts if part != "different"):
            # What is saturated may be more than a BIGINT holds, and nobody looks at it.
            parts[spec][part] = outer.add(f"CASE WHEN {held} > {spec.cap} THEN 0 ELSE {_part(spec, part, inner)} END")
    seq, kind, rows = _name("seq", dialect), _name("kind", dialect), _keyed(key, dialect)
    text = f"""SELECT {seq},
    {outer.text()}
FROM (
  SELECT {seq}, {kind},
    {inner.text()}
  FROM {rows}
) AS measured WHERE {kind} = {ATTEMPT} AND {seq} >= {first_seq}"""
    return Query(text, parts)


def _part(spec: FeatureSpec, part: str, select: _Select) -> str:
    """One part, as an expression over the names that it adds to the inner query."""
    dialect = select.dialect
    passes, value, at = _passes(spec.where, dialect), _name(spec.value, dialect), _name("at", dialect)
    window, lag = bounds_of(spec)
    has_value = f"{passes} AND {value} IS NOT NULL"
    match part:
        case "held":
            return _difference(f"COUNT(CASE WHEN {passes} THEN 1 END)", spec.key, (window, 1), select)
        case "rows":
            return _difference(f"COUNT(CASE WHEN {passes} THEN 1 END)", spec.key, (window, lag), select)
        case "n":
            return _difference(f"COUNT(CASE WHEN {has_value} THEN 1 END)", spec.key, (window, lag), select)
        case "equal":
            return _difference(f"COUNT(CASE WHEN {passes} THEN 1 END)", (*spec.key, spec.value), (window, lag), select)
        case "total" | "squares":
            cut = f"CASE WHEN {value} > {VALUE_MAX} THEN {VALUE_MAX} ELSE {value} END"
            term = cut if part == "total" else f"({cut}) * ({cut})"
            wide = f"SUM(CAST(CASE WHEN {passes} THEN {term} END AS {dialect.wide}))"
            return f"CAST({_difference(wide, spec.key, (window, lag), select)} AS BIGINT)"
        case "newest":
            return select.add(f"MAX(CASE WHEN {passes} THEN {at} END) OVER ({_frame(spec.key, None, lag, dialect)})")
        case "latest":
            latest = f"MAX_BY({value}, CASE WHEN {has_value} THEN {at} END)"
            return select.add(f"{latest} OVER ({_frame(spec.key, None, lag, dialect)})")
        case "oldest":
            return select.add(f"MIN(CASE WHEN {passes} THEN {at} END) OVER ({_frame(spec.key, window, lag, dialect)})")
        case "least" | "greatest":
            aggregate = "MIN" if part == "least" else "MAX"
            frame = _frame(spec.key, window, lag, dialect)
            return select.add(f"{aggregate}(CASE WHEN {passes} THEN {value} END) OVER ({frame})")
        case _:
            raise AssertionError(f"the finaliser asks {spec.aggregate} for a part {part!r} that nobody measures")


def _difference(aggregate: str, key: tuple[str, ...], bounds: tuple[int, int], select: _Select) -> str:
    """A count or sum over the window: of all rows up to its end, less those before its beginning."""
    window, lag = bounds
    ends = [select.add(f"{aggregate} OVER ({_frame(key, None, end, select.dialect)})") for end in (lag, window + 1)]
    return "(" + " - ".join(f"COALESCE({end}, 0)" for end in ends) + ")"


def _frame(key: tuple[str, ...], since: int | None, until: int, dialect: Dialect) -> str:
    first = "UNBOUNDED" if since is None else since
    return (
        f"PARTITION BY {_names(key, dialect)} ORDER BY {_name('at', dialect)} "
        f"RANGE BETWEEN {first} PRECEDING AND {until} PRECEDING"
    )


def _of_distinct(spec: FeatureSpec, dialect: Dialect, first_seq: int) -> Query:
    """Each row's value is visible until it is too old, or the next row with that value has come into the window."""
    window, lag = bounds_of(spec)
    keys, value = _names(spec.key, dialect), _name(spec.value, dialect)
    seq, kind, at, rows = (*(_name(name, dialect) for name in ("seq", "kind", "at")), _keyed(spec.key, dialect))
    passes = f"{_passes(spec.where, dialect)} AND {value} IS NOT NULL"
    text = f"""WITH stretches AS (
  SELECT {keys}, {at} + {lag} AS since, {at} + {window} + 1 AS until,
    LEAD({at}) OVER (PARTITION BY {keys}, {value} ORDER BY {at}) + {lag} AS taken_over
  FROM {rows} WHERE {passes}
), steps AS (
  SELECT {keys}, since AS moment, 1 AS step, CAST(NULL AS BIGINT) AS {seq} FROM stretches
  UNION ALL
  SELECT {keys}, LEAST(until, COALESCE(taken_over, until)), -1, CAST(NULL AS BIGINT) FROM stretches
  UNION ALL
  SELECT {keys}, {at}, 0, {seq} FROM {rows} WHERE {kind} = {ATTEMPT} AND {seq} >= {first_seq}
)
SELECT {seq}, CAST(different AS BIGINT) AS different FROM (
  SELECT {seq}, SUM(step) OVER (
    PARTITION BY {keys} ORDER BY moment RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS different FROM steps
) AS visible WHERE {seq} IS NOT NULL"""
    return Query(text, {spec: {"different": "different"}})


def _keyed(key: tuple[str, ...], dialect: Dialect) -> str:
    known = " AND ".join(f"{_name(name, dialect)} IS NOT NULL" for name in key)
    return f"(SELECT * FROM rows WHERE {known}) AS keyed"


def _passes(where: tuple[Condition, ...], dialect: Dialect) -> str:
    conditions = [f"{_name(part.column, dialect)} {OPERATORS[part.operator]} {part.operand}" for part in where]
    return " AND ".join(conditions) or "TRUE"


def _names(names: tuple[str, ...], dialect: Dialect) -> str:
    return ", ".join(_name(name, dialect) for name in names)


def _name(name: str, dialect: Dialect) -> str:
    # Names come from the closed list of columns, so none needs escaping, and none is anything else.
    assert not name or name in COLUMNS, f"{name} is no column"
    return f"{dialect.quote}{name}{dialect.quote}"
