"""The catalogue that comes with suyuan, and what a bad one is told."""

from __future__ import annotations

import msgspec
import pytest

from suyuan.risk.catalogue import BadCatalogue, Catalogue, load_catalogue, parse_seconds, read_catalogue
from suyuan.risk.features import Aggregate, FeatureSpec
from suyuan.risk.row import id64

FEATURE = """
[[features]]
name = "seller_count_1h"
zh = "次数"
en = "how often"
aggregate = "count"
key = ["seller"]
window = "1h"
where = "attempt"
"""


def test_the_catalogue_has_what_this_trade_needs_in_both_languages() -> None:
    features = load_catalogue().features
    assert len(features) >= 60
    assert all(spec.zh.strip() and spec.en.strip() for spec in features)
    assert len({spec.zh for spec in features}) == len({spec.en for spec in features}) == len(features)


def test_every_kind_of_key_is_looked_at_and_pairs_too() -> None:
    keys = {spec.key for spec in load_catalogue().features}
    named = {column for key in keys for column in key}
    assert {"seller", "identity", "device", "prefix", "number", "batch", "payee", "merchant", "agent"} <= named
    assert any(len(key) == 2 for key in keys)


def test_a_name_says_its_key_and_its_window() -> None:
    for spec in load_catalogue().features:
        window = {600: "10m", 3_600: "1h", 86_400: "24h", 604_800: "7d", 30 * 86_400: "30d", 90 * 86_400: "90d"}
        if spec.aggregate != "share":
            assert spec.name.startswith("_".join(spec.key))
            assert spec.name.endswith("_" + window[spec.window_s])


def test_mending_a_line_for_people_changes_no_digest() -> None:
    before = read_catalogue(FEATURE)
    after = read_catalogue(FEATURE.replace("how often", "how many times"))
    assert before.digest == after.digest


@pytest.mark.parametrize(
    ("word", "other"),
    [("1h", "2h"), ("attempt", "bad"), ("attempt", "attempt and taken == 0"), ('"seller"', '"payee"')],
)
def test_whatever_is_computed_is_in_the_digest(word: str, other: str) -> None:
    assert read_catalogue(FEATURE).digest != read_catalogue(FEATURE.replace(word, other)).digest


def test_the_order_of_features_is_in_the_digest() -> None:
    features = load_catalogue().features
    assert Catalogue(features).digest != Catalogue((*features[1:], features[0])).digest


def test_a_name_in_quotes_is_compared_by_its_number() -> None:
    text = FEATURE.replace('"attempt"', "'attempt and reason == \"card_secret_is_wrong\"'")
    condition = read_catalogue(text).features[0].where[1]
    assert (condition.column, condition.operator, condition.operand) == ("reason", "eq", id64("card_secret_is_wrong"))


@pytest.mark.parametrize(
    ("word", "other", "sentence"),
    [
        ("attempt", "atempt", "seller_count_1h: `atempt` is no condition"),
        ("attempt", "attempt and colour == 3", "no row has a column colour"),
        ("attempt", "attempt or bad", "is no condition"),
        ("attempt", "hour == 1_0", "is no condition"),
        ('"seller"', '"sellr"', "a key is one column or a pair"),
        ('"seller"', '"face_fen"', "a key is one column or a pair"),
        ('"seller"', '"seller", "seller"', "a key is one column or a pair"),
        ('"seller"', '"seller", "payee", "device"', "a key is one column or a pair"),
        ("1h", "91d", "a window is 1 s to 90 d"),
        ("1h", "0s", "a window is 1 s to 90 d"),
        ("1h", "1w", "`1w` is no time"),
        ("1h", "١h", "is no time"),
        ('aggregate = "count"', 'aggregate = "median"', "median"),
        ('aggregate = "count"', 'aggregate = "sum"', "a sum takes a value"),
        ('aggregate = "count"', 'aggregate = "sum"\nvalue = "payee"', "a sum takes a value"),
        ('aggregate = "count"', 'aggregate = "distinct"\nvalue = "seller"', "part of the key"),
        ('aggregate = "count"', 'aggregate = "count"\nvalue = "paid"', "a count takes no value"),
        ('aggregate = "count"', 'aggregate = "count"\nempty = 1', "takes no `empty`"),
        ('aggregate = "count"', 'aggregate = "count"\ncap = 65_537', "a cap of a count is 1 to 65536"),
        ('aggregate = "count"', 'aggregate = "spread"\nvalue = "paid"\ncap = 2_049', "a cap of a spread is 1 to 2048"),
        ('aggregate = "count"', 'aggregate = "count"\nlag = "1h"', "a lag is shorter than its window"),
        ('aggregate = "count"', 'aggregate = "count"\nof = ["a", "b"]', "only a share is `of` others"),
        ('aggregate = "count"', 'aggregate = "count"\ncolour = 1', "colour"),
        ('"次数"', '" "', "a line in Chinese"),
        ("seller_count_1h", "Seller", "a name is of small letters"),
        ("[[features]]", "[[features", "Expected"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(word: str, other: str, sentence: str) -> None:
    with pytest.raises(BadCatalogue, match=sentence):
        read_catalogue(FEATURE.replace(word, other))


def test_two_features_of_one_name_are_refused() -> None:
    with pytest.raises(BadCatalogue, match="the name stands twice"):
        read_catalogue(FEATURE + FEATURE)


def test_a_share_of_what_is_not_there_or_of_a_share_is_refused() -> None:
    def with_share(first: str, second: str) -> Catalogue:
        made = {"zh": "比例", "en": "share", "aggregate": "share"}
        specs = (
            *read_catalogue(FEATURE).features,
            msgspec.convert({"name": "a", "of": ("seller_count_1h", "seller_count_1h"), **made}, FeatureSpec),
            msgspec.convert({"name": "b", "of": (first, second), **made}, FeatureSpec),
        )
        return Catalogue(specs)

    assert with_share("seller_count_1h", "seller_count_1h").place("b") == 2
    for parts in (("seller_count_1h", "nobody"), ("a", "seller_count_1h")):
        with pytest.raises(BadCatalogue, match="a share is `of` two other features"):
            with_share(*parts)


@pytest.mark.parametrize("aggregate", ["min", "max", "last", "sum_squares"])
def test_a_share_of_what_has_no_bound_is_refused(aggregate: Aggregate) -> None:
    """A thousand times the latest amount leaves 64 bits where the amount is large enough: columns would wrap."""
    spec = msgspec.structs.replace(read_catalogue(FEATURE).features[0], name="a", aggregate=aggregate, value="paid")
    counted = read_catalogue(FEATURE).features[0]
    made = FeatureSpec(name="b", zh="比例", en="share", aggregate="share", of=("a", counted.name))
    with pytest.raises(BadCatalogue, match=f"b: a thousand times a {aggregate} may leave 64 bits"):
        Catalogue((spec, counted, made))
    Catalogue((spec, counted, msgspec.structs.replace(made, of=(counted.name, "a"))))


def test_an_empty_catalogue_and_one_without_end_are_refused() -> None:
    spec = read_catalogue(FEATURE).features[0]
    many = tuple(msgspec.structs.replace(spec, name=f"f{number}") for number in range(257))
    for features in ((), many):
        with pytest.raises(BadCatalogue, match="1 to 256 features"):
            Catalogue(features)


def test_times_are_read_in_their_units() -> None:
    assert [parse_seconds(text) for text in ("", "90s", "10m", "24h", "30d")] == [0, 90, 600, 86_400, 2_592_000]
