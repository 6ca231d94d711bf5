"""A backtest says of every attempt what the line says: the same features, the same rules, the same action."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from suyuan.faces import backtest_page
from suyuan.faces.bench.attempts import attempts as made_rows
from suyuan.risk.backtest import attempts, run
from suyuan.risk.backtest.foreign import ForeignRow
from suyuan.risk.backtest.tally import BAD, ORDER, Tally
from suyuan.risk.catalogue import Catalogue, load_catalogue
from suyuan.risk.online.windows import Windows
from suyuan.risk.policy.names import names_of
from suyuan.risk.policy.policy import Policy, load_policy, shipped_text
from suyuan.risk.row import ATTEMPT, Row

ROWS = 3_000


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def policy(catalogue: Catalogue) -> Policy:
    return load_policy(shipped_text(), names_of(catalogue.features))


@pytest.fixture(scope="module")
def history() -> list[Row]:
    return list(made_rows(ROWS, seed=5))


def stretches(history: list[Row], catalogue: Catalogue, policy: Policy) -> list[attempts.Stretch]:
    told = [ForeignRow(row, row.seq % 7 == 0) for row in history]
    return list(attempts.of_table(told, catalogue, refs=run.refs_of(policy)))


def as_in_the_line(history: list[Row], catalogue: Catalogue, policy: Policy) -> list[str]:
    """The actions of a line over these rows, one after the other, with the facts that such a row has."""
    windows, actions = Windows(catalogue), []
    for row in history:
        if row.kind == ATTEMPT:
            told = attempts.told_of_row(row)
            inputs = [*windows.measure(row), *told.facts, None, *[0] * len(policy.lists)]
            actions.append(policy.decide(inputs).action.value)
        windows.append(row)
        windows.settle()
    return actions


def test_every_action_is_the_one_that_the_line_takes(
    history: list[Row], catalogue: Catalogue, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In stretches so short that windows reach over many of them."""
    monkeypatch.setattr(attempts, "STRETCH_ROWS", 700)
    cut = stretches(history, catalogue, policy)
    assert len(cut) == -(-ROWS // 700)
    found = [run.verdicts(policy, run.measured(one, catalogue) | one.inputs).actions for one in cut]
    actions = [ORDER[place].value for of_stretch in found for place in of_stretch.tolist()]
    assert actions == as_in_the_line(history, catalogue, policy)
    assert len(set(actions)) > 2, "a history on which nothing happens would prove nothing"


def test_a_policy_against_itself_changes_nothing(history: list[Row], catalogue: Catalogue, policy: Policy) -> None:
    result = run.backtest(stretches(history, catalogue, policy), catalogue, policy, old=policy)
    figures = result.tally.figures()
    assert (figures["changed"], figures["prevented_fen"], figures["lost_fen"]) == (0, 0, 0)
    assert figures["old"] == figures["new"]
    assert result.examples == []


def test_a_rule_is_decisive_exactly_where_the_policy_without_it_acts_otherwise(
    history: list[Row], catalogue: Catalogue, policy: Policy
) -> None:
    cut = stretches(history, catalogue, policy)
    said = run.verdicts(policy, run.measured(cut[0], catalogue) | cut[0].inputs)
    rule = int(np.argmax(said.decisive.sum(axis=1)))
    without = load_policy(_without(policy.text, policy.rules[rule].id), names_of(catalogue.features))
    columns = run.measured(cut[0], catalogue) | cut[0].inputs
    for ref in without.lists:
        columns.setdefault(ref.name, cut[0].inputs["face_fen"])
    other = run.verdicts(without, columns).actions
    assert (said.decisive[rule] == (other != said.actions)).all()
    assert said.decisive[rule].any()


def _without(text: str, rule: str) -> str:
    head, *tables = re.split(r"(?m)^(?=\[\[)", text)
    kept = [table for table in tables if f'id = "{rule}"' not in table]
    assert len(kept) == len(tables) - 1
    return head + "".join(kept)


def test_examples_are_attempts_that_crossed_the_line_and_name_their_rules(
    history: list[Row], catalogue: Catalogue, policy: Policy
) -> None:
    result = run.backtest(stretches(history, catalogue, policy), catalogue, policy)
    assert 0 < len(result.examples) <= run.EXAMPLES_MAX
    assert all(one.old == "approve" and one.new != one.old and one.rules for one in result.examples)
    assert all(one.seq < other.seq for one, other in pairwise(result.examples))


def test_attempts_outside_the_span_are_looked_back_on_and_not_counted(
    history: list[Row], catalogue: Catalogue, policy: Policy
) -> None:
    middle, end = history[ROWS // 2].at, history[-1].at
    told = [ForeignRow(row, None) for row in history]
    late = attempts.of_table(told, catalogue, refs=run.refs_of(policy), span=attempts.Span(middle, end))
    result = run.backtest(late, catalogue, policy)
    judged = [row for row in history if row.kind == ATTEMPT and middle <= row.at < end]
    assert result.tally.figures()["attempts"] == len(judged)
    assert result.not_judged == len([row for row in history if row.kind == ATTEMPT and row.at < middle])


def test_the_page_tells_the_figures_in_both_languages_and_runs_nothing(
    history: list[Row], catalogue: Catalogue, policy: Policy
) -> None:
    result = run.backtest(stretches(history, catalogue, policy), catalogue, policy)
    page = backtest_page.html(result.tally, backtest_page.About("as recorded", "<b>new</b>", "history", ""))
    figures = result.tally.figures()
    assert "策略回测报告" in page
    assert "Backtest of a policy" in page
    assert page.count(f"{figures['attempts']:,}") >= 2
    assert "<script" not in page
    assert "<b>new</b>" not in page
    assert page.count("<svg") == 4
    assert result.tally.new.attempts[BAD + 1].sum() == figures["bad"]


def test_the_page_of_nothing_says_so() -> None:
    page = backtest_page.html(Tally(()), backtest_page.About("old", "new", "empty", ""))
    assert "nothing to count" in page
    assert "没有可数的请求" in page
