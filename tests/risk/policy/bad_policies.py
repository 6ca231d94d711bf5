"""Policies that are wrong in one way each, with the line, the rule and the words by which that is told."""

from __future__ import annotations

import re
from typing import NamedTuple

from suyuan.risk.policy.texts import Wrong
from tests.risk.policy.writing import LISTS, band, rule, text

REFUSE = {"action": "refuse", "reason": "cannot_be_taken"}
REVIEW = {"action": "review", "reason": "a_person_looks_at_it"}
GOOD = rule("good", "hour < 6", **REFUSE)
LONG_SUM = " + ".join(["hour"] * 20)


class Case(NamedTuple):
    """A bad policy, and what is said of it; `at` is the number of its line."""

    wrong: Wrong
    text: str
    at: int
    rule: str
    says: str


def one(wrong: Wrong, when: str, says: str, at: int = 5) -> Case:
    """A rule with a bad expression, after two lines of the file and its heading."""
    return Case(wrong, text(rule("bad", when, **REFUSE)), at, "bad", says)


def two(wrong: Wrong, first: str, second: str, says: str) -> Case:
    return Case(wrong, text(first, second), 2 + first.count("\n") + 1, re.findall("id = '(.*)'", second)[0], says)


CASES = [
    Case(Wrong.text_begins_with_a_mark, "\ufeff" + text(GOOD), 1, "", "byte-order mark"),
    Case(Wrong.text_is_too_large, text(GOOD) + "# " + "x" * 65_536, 0, "", "more than 65536 bytes"),
    Case(Wrong.text_has_hidden_characters, text(GOOD) + "# \u202e\n", 10, "", "(U+202E)"),
    Case(Wrong.text_has_hidden_characters, text(GOOD) + "# \0\n", 10, "", "(U+0000)"),
    Case(Wrong.text_is_not_toml, text(GOOD) + "[[rules\n", 10, "", "this is not TOML: Expected ']]'"),
    Case(Wrong.text_is_not_toml, text("x = " + "[" * 5_000), 2, "", "this is not TOML: RecursionError"),
    Case(Wrong.table_has_no_heading, 'name = "x"\nrules = [{id = "a"}]\n', 2, "", "a heading [[rules]] of its own"),
    Case(Wrong.key_is_unknown, text(rule("bad", "hour < 6", pionts=3, **REFUSE)), 8, "bad", "the nearest is `points`"),
    Case(Wrong.key_is_unknown, text(GOOD) + "\n[qqqq]\n", 11, "", "`qqqq`; see docs/policy.md"),
    Case(Wrong.key_is_missing, "".join(text(GOOD).splitlines(keepends=True)[1:]), 0, "", "`name` is missing"),
    Case(Wrong.key_is_missing, text(rule("bad", "hour < 6", en=None, **REFUSE)), 3, "bad", "`en` is missing"),
    Case(
        Wrong.value_has_the_wrong_type,
        text(rule("bad", "hour < 6", points=True)),
        8,
        "bad",
        "`points` is not a whole number",
    ),
    Case(
        Wrong.value_has_the_wrong_type,
        text(rule("bad", "hour < 6", points=0.5)),
        8,
        "bad",
        "`points` is not a whole number",
    ),
    Case(Wrong.value_has_the_wrong_type, text(GOOD) + "\n[bands]\n", 11, "", "`bands` is not a list of tables"),
    Case(Wrong.value_is_out_of_range, text(rule("bad", "hour < 6", limit_percent=0)), 8, "bad", "not between 1 and 99"),
    Case(Wrong.value_is_out_of_range, text(rule("bad", "hour < 6", points=10**30)), 8, "bad", "not between -10000 and"),
    Case(Wrong.value_is_malformed, text(rule("Bad One", "hour < 6", **REFUSE)), 4, "Bad One", "`id` is not at most 40"),
    Case(Wrong.value_is_malformed, text(GOOD.replace("'说明'", '"\\u001b[31m"')), 6, "good", "`zh` is not one visible"),
    Case(Wrong.rules_are_too_many, text(), 0, "", "there are 0 rules, and at least 1"),
    Case(Wrong.rules_are_too_many, text(*["\n[[rules]]\nid='a'\n"] * 501), 3, "", "there are 501 rules"),
    two(
        Wrong.id_is_doubled, rule("same", "hour < 6", **REFUSE), rule("same", "hour > 6", **REVIEW), "on line 3 already"
    ),
    Case(Wrong.id_is_doubled, text(LISTS, LISTS, GOOD), 15, "", "`hot_cards` stands on line 3 already"),
    Case(
        Wrong.word_is_unknown,
        text(rule("bad", "hour < 6", action="refuze")),
        8,
        "bad",
        "`refuze` is no action; the nearest is `refuse`",
    ),
    Case(
        Wrong.word_is_unknown,
        text(rule("bad", "hour < 6", lane="blok", **REFUSE)),
        8,
        "bad",
        "`blok` is no lane; the nearest is `block`",
    ),
    Case(
        Wrong.word_is_unknown,
        text(rule("bad", "hour < 6", action="refuse", reason="cannot_take")),
        9,
        "bad",
        "is no public reason",
    ),
    Case(
        Wrong.word_is_unknown,
        text(LISTS.replace('"card"', '"kard"'), GOOD),
        5,
        "",
        "`kard` is no key that lists have entries by; the nearest is `card`",
    ),
    Case(Wrong.reason_is_missing, text(rule("bad", "hour < 6", action="refuse")), 3, "bad", "gives no reason"),
    Case(
        Wrong.reason_does_not_fit,
        text(rule("bad", "hour < 6", action="refuse", reason="confirm_it_is_you")),
        9,
        "bad",
        "of `refuse`; use one of source_needs_proof",
    ),
    Case(
        Wrong.delay_does_not_fit,
        text(rule("bad", "hour < 6", action="delay", reason="payment_comes_later")),
        3,
        "bad",
        "`delay_s` goes with",
    ),
    Case(
        Wrong.delay_does_not_fit, text(rule("bad", "hour < 6", delay_s=600, **REFUSE)), 8, "bad", "`delay_s` goes with"
    ),
    Case(Wrong.rule_does_nothing, text(rule("bad", "hour < 6")), 3, "bad", "`points = 0` only watches"),
    Case(
        Wrong.block_needs_an_action,
        text(rule("bad", "hour < 6", lane="block", points=5)),
        3,
        "bad",
        "needs an `action`",
    ),
    Case(
        Wrong.override_does_more,
        text(rule("bad", "hour < 6", lane="override", points=5)),
        9,
        "bad",
        "take out `points`",
    ),
    Case(
        Wrong.override_does_more,
        text(rule("bad", "hour < 6", action="approve")),
        8,
        "bad",
        "only it does; take out `action`",
    ),
    one(Wrong.expression_is_too_large, "hour < 6 or " * 400 + "hour > 7", "more than 4000 characters"),
    one(Wrong.expression_is_not_allowed, "hour < 5.5", "`5.5` is not part of the language"),
    one(Wrong.expression_is_not_allowed, "hour ** 2 > 5", "`hour ** 2` is not part"),
    one(Wrong.expression_is_malformed, "hour < < 5", "cannot be read: invalid syntax"),
    one(Wrong.expression_is_malformed, "hour < 5) or (hour > 7", "cannot be read: unmatched"),
    one(Wrong.expression_is_too_deep, f"{LONG_SUM} > 5", "nested more than 12 deep"),
    one(Wrong.expression_is_too_deep, "(" * 30 + "hour < 6" + ")" * 30, "nested more than 12 deep"),
    one(Wrong.number_is_too_large, "face_fen < 9223372036854775808", "does not fit into 64 bits"),
    one(
        Wrong.name_is_unknown,
        "sellr_count_1h > 5",
        "no input is called `sellr_count_1h`; the nearest is `seller_count_1h`",
    ),
    one(Wrong.name_is_unknown, "hour < 6 and missing(qqqq)", "`qqqq`; see docs/policy.md"),
    Case(
        Wrong.list_is_unknown,
        text(LISTS, rule("bad", 'listed("hot_crads", card)', **REFUSE)),
        17,
        "bad",
        "`hot_crads`; the nearest is `hot_cards`, or declare it",
    ),
    Case(
        Wrong.list_is_not_about_this,
        text(LISTS, rule("bad", 'listed("hot_cards", seller)', **REFUSE)),
        17,
        "bad",
        "no entries by `seller`; it is declared with card",
    ),
    one(
        Wrong.type_is_wrong,
        "is_money",
        "`is_money` is a number where a yes or no is needed; compare it, as in `is_money == 1`",
    ),
    one(Wrong.type_is_wrong, "(hour < 6) + 1 > 1", "`hour < 6` is a yes or no where a number is needed"),
    one(Wrong.type_is_wrong, "hour in (tier,)", "where constants in parentheses is needed"),
    one(Wrong.type_is_wrong, "missing(hour + 1)", "where a name is needed"),
    one(Wrong.type_is_wrong, "listed(hour, card)", "where the name of a list in quotes is needed"),
    one(Wrong.divides_by_zero, "hour // (3 - 3) > 1", "divides by zero"),
    one(
        Wrong.result_may_leave_64_bits,
        "face_fen * paid > 5",
        "`face_fen * paid` may be as much as 1208925819614629174706176",
    ),
    one(Wrong.comparison_is_constant, "tier < 2 and hour > 23", "`hour > 23` is false for every value"),
    one(Wrong.comparison_is_constant, "face_fen >= 0", "`face_fen >= 0` is true for every value"),
    one(Wrong.comparison_is_constant, "1 == 1", "`1 == 1` is true for every value"),
    one(Wrong.comparison_is_constant, "tier in (1, 3)", "`tier in (1, 3)` is false"),
    one(Wrong.rule_never_fires, "hour > 10 and hour < 6", "can never fire", 3),
    one(Wrong.rule_never_fires, "missing(tier) and tier == 1", "can never fire", 3),
    one(Wrong.rule_never_fires, "hour > 10 and (hour < 6 or hour * 2 < 9)", "can never fire", 3),
    one(Wrong.rule_always_fires, "missing(hour) or hour < 6 or hour >= 6", "fires on every attempt", 3),
    two(
        Wrong.rule_is_repeated,
        rule("one", "hour < 6 and tier == 1", **REFUSE),
        rule("two", "1 == tier and 6 > hour", **REFUSE),
        "rule `one` on line 3",
    ),
    two(
        Wrong.rules_contradict,
        rule("one", "hour < 6 or tier == 1", **REFUSE),
        rule("two", "tier == 1 or hour < 6", **REVIEW),
        "rule `one` on line 3 says `refuse` and this one `review`",
    ),
    two(
        Wrong.rule_is_shadowed,
        rule("one", "hour < 6", **REFUSE),
        rule("two", "hour < 3 and tier == 0", **REVIEW),
        "`one` on line 3 goes before it",
    ),
    two(
        Wrong.rule_is_shadowed,
        rule("one", "hour < 6", lane="override"),
        rule("two", "hour < 3", points=50),
        "`one` on line 3 goes before it",
    ),
    Case(
        Wrong.bands_are_out_of_order,
        text(rule("good", "hour < 6", points=90), band(20, **REVIEW), band(10, **REFUSE)),
        14,
        "",
        "let scores rise",
    ),
    Case(
        Wrong.bands_are_out_of_order,
        text(rule("good", "hour < 6", points=90), band(10, **REFUSE), band(20, **REVIEW)),
        14,
        "",
        "never grow milder",
    ),
    Case(
        Wrong.band_is_never_reached,
        text(rule("good", "hour < 6", points=40), band(50, **REVIEW)),
        10,
        "",
        "no score reaches 50: all points together are 40",
    ),
]
