"""Bad policies: each mistake has its sentence, with line and rule, in both languages; hostile text is only text."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.risk.policy.mistakes import BadPolicy, Mistake
from suyuan.risk.policy.policy import load_policy
from suyuan.risk.policy.reading import text_of
from suyuan.risk.policy.texts import TEXTS, Wrong
from tests.risk.policy.bad_policies import CASES, GOOD, REFUSE, REVIEW, Case
from tests.risk.policy.writing import LISTS, NAMES, rule, text

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("case", CASES, ids=[f"{case.wrong}-{place}" for place, case in enumerate(CASES)])
def test_a_mistake_is_told_with_its_line_its_rule_and_what_to_do(case: Case) -> None:
    with pytest.raises(BadPolicy) as raised:
        load_policy(case.text, NAMES)
    found = [mistake for mistake in raised.value.mistakes if mistake.wrong == case.wrong]
    assert found, raised.value
    first = found[0]
    assert (first.line, first.rule) == (case.at, case.rule)
    english, chinese = first.sentence("en"), first.sentence("zh")
    assert case.says in english
    assert english.endswith(".")
    assert chinese.endswith("。")
    assert CHINESE.search(chinese)
    for place, placed in ((english, f"line {case.at}"), (chinese, f"第 {case.at} 行")):
        assert place.startswith(placed) == (case.at > 0)
        assert case.rule in place
        assert "{" not in place
        assert "\x1b" not in place


def test_each_mistake_has_a_bad_policy() -> None:
    """Bytes and cost are looked at apart (below, and in test_cost); nodes take a policy of their own."""
    apart = {Wrong.text_is_not_utf8, Wrong.policy_is_too_dear, Wrong.policy_has_too_many_nodes}
    assert {case.wrong for case in CASES} | apart == set(Wrong)
    assert list(TEXTS) == list(Wrong)


def test_bytes_that_are_not_utf8_are_told_by_their_line() -> None:
    """As an editor for GBK saves it."""
    found = text_of(text(GOOD).encode("gbk"))
    assert isinstance(found, Mistake)
    assert found.sentence("en") == "line 6: the file is not UTF-8 text; save it as UTF-8."
    assert text_of("名".encode()) == "名"


def test_a_policy_with_too_many_parts_is_refused() -> None:
    """Under every other bound, and yet more than the line should carry."""
    members = "1," * 950
    many = [rule(f"r{place}", f"seller_count_24h in ({members}) and hour == {place}", points=1) for place in range(9)]
    with pytest.raises(BadPolicy, match=r"all expressions together have 8\d{3} parts, over 8000") as raised:
        load_policy(text(*many), NAMES)
    assert [mistake.wrong for mistake in raised.value.mistakes] == [Wrong.policy_has_too_many_nodes]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    bad = text(rule("a", "hour < 99", **REFUSE), rule("b", "huor < 6", **REFUSE), rule("c", "hour < 6", action="x"))
    with pytest.raises(BadPolicy) as raised:
        load_policy(bad, NAMES)
    assert [mistake.wrong for mistake in raised.value.mistakes] == [
        Wrong.comparison_is_constant, Wrong.name_is_unknown, Wrong.word_is_unknown
    ]  # fmt: skip
    lines = [mistake.line for mistake in raised.value.mistakes]
    assert lines == sorted(lines)
    assert raised.value.text("zh").count("\n") == len(lines) - 1


@pytest.mark.parametrize(("quotes", "line"), [('"""\n', 7), ('"""', 6)])
def test_the_line_is_right_within_an_expression_of_many_lines(quotes: str, line: int) -> None:
    """Whether or not the text begins on the line of its key."""
    written = f"""name = "x"
# [[rules]] in a comment, and one in a text: '[[rules]]'
[[rules]]
when = {quotes}hour < 6
  and tier == 1
  and huor < 7
  and paid > 5{chr(34) * 3}
id = "bad"
zh = "说明 [[rules]]"
en = "x"
points = 1
"""
    with pytest.raises(BadPolicy, match=rf"^line {line}, rule bad: no input is called `huor`"):
        load_policy(written, NAMES)


# --- What is no mistake ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        (
            rule("one", "hour < 6", action="step_up", reason="confirm_it_is_you"),
            rule("two", "hour < 3", action="delay", delay_s=60, reason="payment_comes_later"),
        ),
        (rule("one", "hour < 6", **REFUSE), rule("two", "hour < 3", points=5)),
        (rule("one", "hour < 6", **REFUSE), rule("two", "hour < 3", points=0)),
        (rule("one", "hour < 3", **REFUSE), rule("two", "hour < 6", **REVIEW)),
        (rule("one", "hour < 6", **REVIEW), rule("two", "hour < 3", lane="block", **REVIEW)),
        (rule("one", "hour < 6", points=5), rule("two", "hour < 6", limit_percent=50)),
        (rule("one", "hour < 6 or missing(hour)", **REFUSE), rule("two", "hour < 3 or tier == 1", **REVIEW)),
        (rule("one", "tier != 1", **REFUSE), rule("two", "tier == 1 and hour < 3", **REVIEW)),
        (rule("one", "not tier == 1", **REFUSE), rule("two", "tier == 1 and hour < 3", **REVIEW)),
        (rule("one", "hour < 6", **REFUSE), rule("two", "not hour >= 3", **REVIEW)),
        (rule("one", "hour < 6 and tier == 1", **REFUSE), rule("two", "hour < 6 and tier >= 1", **REVIEW)),
        (rule("one", "hour not in (1, 2)", **REFUSE), rule("two", "hour in (1, 2)", **REVIEW)),
    ],
)
def test_what_may_matter_is_not_refused(parts: tuple[str, ...]) -> None:
    """A met step-up lets the milder one through; points and limits add up; a wider rule hides no harder one."""
    load_policy(text(*parts), NAMES)


# --- Hostile text ----------------------------------------------------------------------------------------------------

HOSTILE = r"""
__import__('os').system('true')
().__class__.__bases__
hour.__class__
lambda: 1
(lambda x: x)(1)
[1][0] > hour
{1: 2}
hour if hour else hour
hour < 6 if True else False
f'{hour}' > 1
'a' > 1
hour < 1e3
hour < 0x10
hour < 1j
hour < True
hour == None
hour is 6
hour := 5
await hour
yield
exec
print(hour)
eval('1')
open('x')
hour; hour
hour < 6 # and more
hour @ hour > 1
hour << 2 > 1
hour >> 1 > 1
hour & 1 == 1
~hour < 1
hour ^ 1 > 1
hour / 2 > 1
+hour > 1
*hour
missing(*hour)
missing(hour, hour)
missing()
listed('hot_cards')
listed('hot_cards', card, card)
listed(card, 'hot_cards')
listed('hot_cards', listed)
hour in hour
hour in ()
hour in (1)
1 < hour in (1, 2)
hour in (1, 2) in (1,)
hour in (1, (2, 3))
missing(5)
not
()
(hour < 6,)
hour <
and
hour < 6 and
hour hour
5 5
hour < 6)
((hour < 6)
hour < 1__0
hour < 1_
hour < 007
HOUR < 6
_ < 6
hour_ < 6
r0 < 6
fired
inputs[0]
low5 > 1
t1 > 1
true
null
hour!6
hour <> 6
hour = 6
hour === 6
hour && tier
hour || tier
!hour
$hour > 1
hour > @x
`hour`
hour?1:2
""".strip().splitlines()
UNSEEN = [
    '"hot_cards"',
    "hour < 6\\\n",
    "",
    "   ",
    "\uff10 < hour",
    "hour < \uff16",
    "\uff48our < 6",
    "h\u043eur < 6",
    "hour\xa0< 6",
    "hour < 6\u200b",
    "face\u200dfen > 1",
    "hour < 6\r",
    "\U0001d4f1our < 6",
    "hour \u2264 6",
]


@pytest.mark.parametrize("when", [*HOSTILE, *UNSEEN])
def test_hostile_text_is_refused_with_a_sentence(when: str) -> None:
    written = text(LISTS, rule("bad", "WHEN", **REFUSE)).replace("'WHEN'", _quoted(when))
    with pytest.raises(BadPolicy) as raised:
        load_policy(written, NAMES)
    assert all(mistake.rule == "bad" or not mistake.rule for mistake in raised.value.mistakes)


@pytest.mark.parametrize(
    "when",
    [
        "(" * 1_900 + "hour < 6" + ")" * 1_900,
        "not " * 900 + "hour < 6",
        "-" * 3_900 + "hour < 6",
        "hour < " + "9" * 3_900,
        "hour" + "+hour" * 790 + " < 6",
        "missing(" * 490 + "hour" + ")" * 490,
        "hour < 6" + " < 6" * 900,
        "(" * 3_990,
        "a" * 4_000,
        "_" * 4_000,
        "1_" * 1_999,
    ],
)
def test_what_is_deep_or_long_is_refused_at_once(when: str) -> None:
    """Within the bound on length, whatever a parser would make of it."""
    with pytest.raises(BadPolicy):
        load_policy(text(rule("bad", when, **REFUSE)), NAMES)


def test_a_million_parentheses_are_refused_unread() -> None:
    deep = text(rule("bad", "(" * 1_000_000 + "1" + ")" * 1_000_000, **REFUSE))
    with pytest.raises(BadPolicy, match="more than 65536 bytes"):
        load_policy(deep, NAMES)


@given(st.text(st.sampled_from(string.printable + "。０ｈо\u202e"), max_size=40) | st.text(max_size=40))
def test_any_expression_is_read_or_refused(when: str) -> None:
    """Nothing else ever comes out, neither another exception nor a warning."""
    assert _outcome(text(rule("r", "WHEN", points=0)).replace("'WHEN'", _quoted(when)))


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda content: content.decode("latin-1")))
def test_any_text_is_read_or_refused(content: str) -> None:
    for written in (content, text(GOOD) + content):
        assert _outcome(written)


def _outcome(written: str) -> str:
    """The name of a policy that is right, or what is wrong with it."""
    try:
        return load_policy(written, NAMES).name
    except BadPolicy as bad:
        return bad.text("zh")


def _quoted(value: str) -> str:
    """A TOML text of any characters."""
    escaped = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\' else f"\\U{ord(letter):08x}"
        for letter in value
        if not "\ud800" <= letter <= "\udfff"
    )
    return f'"{escaped}"'
