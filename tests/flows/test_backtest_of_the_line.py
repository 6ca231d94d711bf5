"""A policy is tried over the history of a real line, and says of every attempt what the line said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from suyuan.base import db
from suyuan.base.clock import DAY_S
from suyuan.faces.cli.risk.backtest import backtest as command
from suyuan.history import segments
from suyuan.risk.backtest import attempts, past
from suyuan.risk.backtest.run import Result, backtest, refs_of
from suyuan.risk.catalogue import load_catalogue
from suyuan.risk.policy.policy import Policy, shipped_text
from tests.flows.decisions import decided, sell
from tests.flows.house import House
from tests.risk.policies import read_policy, rule

STRICT = rule("seller_count_1h >= 4 and face_fen >= 50_00", action="refuse", reason="cannot_be_taken")


def tried(kept: past.Kept, policy: Policy, old: Policy | None = None) -> Result:
    """The whole of a history under a policy."""
    catalogue = load_catalogue()
    truth = past.truth(kept, 7 * DAY_S)
    stretches = attempts.of_history(past.recorded(kept), catalogue, truth, refs=refs_of(policy, old))
    return backtest(stretches, catalogue, policy, old=old)


def trade(house: House) -> None:
    """A seller in a hurry, whose later cards the policy does not want."""
    for number in range(1, 10):
        house.clock.advance(60)
        sell(house, number, face_fen=100_00)


@pytest.mark.parametrize("text", [STRICT, shipped_text()], ids=["strict", "default"])
def test_the_policy_that_decided_decides_the_same_again(house: House, text: str) -> None:
    house.decide_by(text)
    trade(house)
    with db.connect(house.url, autocommit=True) as connection:
        result = tried(connection, read_policy(text))
    figures = result.tally.figures()
    assert figures["attempts"] == len(decided(house)) == 9
    assert figures["changed"] == 0
    assert {one.action for one in decided(house)} != {"approve"}, "where nothing is refused nothing is shown"


def test_a_stricter_policy_shows_whom_it_would_have_stopped(house: House) -> None:
    """By name, so that somebody can look at them; an export tells the same as the database."""
    trade(house)
    with db.connect(house.url, autocommit=True) as connection:
        result = tried(connection, read_policy(STRICT))
    stopped = [one.redemption for one in decided(house)][4:]
    assert [one.redemption for one in result.examples] == stopped
    assert {one.rules for one in result.examples} == {("the_rule",)}


def test_an_export_tells_the_same_as_the_database(house: House, tmp_path: Path) -> None:
    trade(house)
    with db.connect(house.url, autocommit=True) as connection:
        segments.export(connection, tmp_path / "history")
        of_database = tried(connection, read_policy(STRICT))
    of_export = tried(tmp_path / "history", read_policy(STRICT))
    assert of_export.tally.figures() == of_database.tally.figures()


def test_the_command_writes_a_report_of_an_export(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trade(house)
    with db.connect(house.url, autocommit=True) as connection:
        segments.export(connection, tmp_path / "history")
    policy, report = tmp_path / "strict.toml", tmp_path / "report.html"
    policy.write_text(STRICT, "utf-8")
    command(policy=policy, history=tmp_path / "history", report=report, is_for_machines=False, lang="en")
    said = capsys.readouterr().out
    assert "9 attempts judged" in said
    assert "Decision support" in said
    assert "Backtest of a policy" in report.read_text("utf-8")


def test_a_table_without_a_mapping_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "strict.toml"
    policy.write_text(STRICT, "utf-8")
    with pytest.raises(typer.Exit):
        command(policy=policy, table=tmp_path / "trades.csv", is_for_machines=True)
    assert "needs a mapping" in capsys.readouterr().err


def test_a_day_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "strict.toml"
    policy.write_text(STRICT, "utf-8")
    with pytest.raises(typer.Exit):
        command(policy=policy, from_day="tomorrow", history=tmp_path)
    assert "YYYY-MM-DD" in capsys.readouterr().err
