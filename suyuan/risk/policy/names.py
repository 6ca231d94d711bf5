"""The names that a policy may use, in the order of the inputs, and the values that each can have.

Spans are what makes static checks possible: a comparison that no value can pass is a mistake, and so is arithmetic
whose result might leave 64 bits. They follow from what a feature counts and from what a fact is; a fact beyond its
span counts as its bound (`Names.bounded`), so nothing that comes from outside can break what was checked.

>>> names = names_of(())
>>> names.order[0], names.spans["hour"], names.spans["model_bp"]
('face_fen', Span(least=0, most=23), Span(least=0, most=10000))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from suyuan.risk.features import VALUE_MAX, FeatureSpec
from suyuan.risk.inputs import FACTS, MODEL_SCORE

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
FACT_MAX = 1 << 40
"""Ten billion yuan in fen, or 34,000 years in seconds: what a fact says beyond it says nothing more."""
AMOUNT_MAX = 1 << 54
"""What a row may hold: paid / face in hundredths of a percent, where both are at most `FACT_MAX`."""
MODEL_BP_MAX = 10_000


class Span(NamedTuple):
    """The least and the most that a value can be, where it is not missing."""

    least: int
    most: int


FLAG = Span(0, 1)
HOUR = Span(0, 23)
_FACT_SPANS = {
    "hour": HOUR,
    "tier": Span(0, 2),
    **dict.fromkeys(("is_balance", "is_money", "is_held", "is_signed_by_device"), FLAG),
}
_VALUE_SPANS = {"hour": HOUR, "taken": FLAG, "reason": Span(0, INT64_MAX)}


@dataclass(frozen=True, slots=True)
class Names:
    """Every input but the hits of lists: name to span, in the order of the inputs; facts are bounded by theirs."""

    spans: Mapping[str, Span]
    facts: tuple[Span, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """The names in the order of the inputs."""
        return tuple(self.spans)

    def bounded(self, facts: Sequence[int | None]) -> list[int | None]:
        """The facts, each within its span."""
        pairs = zip(facts, self.facts, strict=True)
        return [None if fact is None else min(max(fact, span[0]), span[1]) for fact, span in pairs]


def names_of(features: Iterable[FeatureSpec]) -> Names:
    """Features of a catalogue, then facts, then the model's score."""
    listed = tuple(features)
    by_name = {feature.name: feature for feature in listed}
    spans = {feature.name: span_of(feature, by_name) for feature in listed}
    facts = tuple(_FACT_SPANS.get(fact.name, Span(0, FACT_MAX)) for fact in FACTS)
    spans |= dict(zip((fact.name for fact in FACTS), facts, strict=True))
    return Names({**spans, MODEL_SCORE: Span(0, MODEL_BP_MAX)}, facts)


def span_of(feature: FeatureSpec, by_name: Mapping[str, FeatureSpec]) -> Span:
    """What a feature can be; its `empty` value counts too."""
    most = _most_of(feature, by_name)
    empty = 0 if feature.empty is None else feature.empty
    return Span(min(0, empty), max(most, empty))


def _most_of(feature: FeatureSpec, by_name: Mapping[str, FeatureSpec]) -> int:
    match feature.aggregate:
        case "count" | "distinct" | "same":
            return feature.cap
        case "sum":
            return feature.cap * VALUE_MAX
        case "sum_squares":
            return feature.cap * VALUE_MAX * VALUE_MAX
        case "mean" | "spread":
            return VALUE_MAX
        case "gap" | "age":
            return feature.window_s
        case "new":
            return 1
        case "ratio":
            return 100 * VALUE_MAX * feature.cap
        case "share":
            return 1000 * span_of(by_name[feature.of[0]], by_name).most
    return _VALUE_SPANS.get(feature.value, Span(0, AMOUNT_MAX)).most
