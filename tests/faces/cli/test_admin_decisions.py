"""What officers do about decisions through `suyuan admin`, and what `suyuan risk` shows, on a served platform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from suyuan.app.keys import load_keys
from suyuan.config import load_settings
from suyuan.faces.cli import risk
from suyuan.faces.sdk import Pending, Platform, Refused
from suyuan.faces.sdk.key_file import read_key_file
from tests.faces.cli.test_admin_exports import ORIGIN, Bureau, bureau
from tests.risk.policies import QUIET, rule

__all__ = ["bureau"]
REFUSE = rule("face_fen >= 1", action="refuse", reason="cannot_be_taken")
REVIEW = rule("face_fen >= 1", action="review", reason="a_person_looks_at_it")


@pytest.fixture(scope="module")
def office(bureau: Bureau) -> Bureau:
    """The same with a contract to sell under."""
    bureau.contract = bureau.made(
        "contract", "add", bureau.partner, "--source", "card", "--value-kind", "money", "--ratio", "10:8",
        "--channel", "bank_transfer", "--merchant-id", "m-1", "--disposition", "consume_then_pay",
    )  # fmt: skip
    return bureau


def deploy(office: Bureau, tmp_path: Path, text: str, *options: str) -> str:
    file = tmp_path / "policy.toml"
    file.write_text(text, "utf-8")
    return office.made("policy", "deploy", str(file), *(options or ("--stage", "active")))


def sell(office: Bureau, number: int) -> Pending | Refused:
    settings = load_settings(office.folder / "platform")
    key, platform_keys = read_key_file(office.folder / "partner.key"), load_keys(settings)
    keys = {platform_keys.key_id: platform_keys.public_key}
    with Platform(
        f"http://127.0.0.1:{office.port}", origin=ORIGIN, key_id=key.id, signer=key.signer, keys=keys
    ) as platform:
        return platform.redeem_card(
            contract=office.contract, seller=office.seller, operator="cmcc", serial=f"{number:017d}",
            pin=f"{number:018d}", face_fen=100_00,
        )  # fmt: skip


def asked(office: Bureau, *arguments: str, status: int = 0) -> Any:
    """What `suyuan risk` prints for machines."""
    where = ["--data", str(office.folder / "platform"), "--json"]
    ran = CliRunner().invoke(risk.app, [*arguments, *where])
    assert ran.exit_code == status, ran.output
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_held_redemption_is_listed_shown_and_decided(office: Bureau, tmp_path: Path) -> None:
    deploy(office, tmp_path, REVIEW)
    pending = sell(office, 1)
    assert isinstance(pending, Pending)
    (waiting,) = office.said("review", "list")
    assert (waiting["redemption"], waiting["review"]) == (pending.redemption, "waits")
    shown = office.said("review", "show", pending.redemption)
    assert shown["fired"] == [{"rule": "the_rule", "says": "rule", "saw": {"face_fen": 100_00}}]
    decided = office.said("review", "decide", pending.redemption, "refuse", "--reason", "no receipt", by="ann")
    assert decided == {"decided": pending.redemption, "verdict": "refuse"}
    assert office.said("review", "list") == []
    again = office.run("review", "decide", pending.redemption, "pay", "--reason", "changed", by="bob")
    assert "review_is_closed" in again.stderr


def test_a_policy_is_deployed_listed_shown_and_ended(office: Bureau, tmp_path: Path) -> None:
    active = deploy(office, tmp_path, QUIET)
    shadow = deploy(office, tmp_path, REFUSE, "--stage", "shadow")
    listed = {row["stage"]: row["digest"] for row in office.said("policy", "list")}
    assert listed == {"active": active, "shadow": shadow}
    assert office.said("policy", "show", shadow)["text"] == REFUSE
    assert isinstance(sell(office, 2), Pending)
    (line,) = asked(office, "shadow")
    assert (line["role"], line["decided"], line["watched"], line["attempts"]) == ("policy", "approve", "refuse", 1)
    ended = office.said("policy", "end", "shadow", by="ann")
    office.said("approve", ended["proposal"], by="bob")
    assert [row["stage"] for row in office.said("policy", "list")] == ["active"]


def test_a_policy_with_a_mistake_is_told_with_its_line_and_not_proposed(office: Bureau, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(REFUSE.replace("face_fen", "face_yuan"), "utf-8")
    before = office.said("proposals", "--all")
    ran = office.run("policy", "deploy", str(file), "--stage", "active", by="ann")
    assert ran.exit_code == 1
    assert "face_yuan" in ran.stderr
    assert office.said("proposals", "--all") == before
    ran = office.run("policy", "deploy", str(tmp_path / "none.toml"), by="ann")
    assert ran.exit_code == 2
    file.write_text(REFUSE, "utf-8")
    assert office.run("policy", "deploy", str(file), "--stage", "rollout", by="ann").exit_code == 2


def test_lists_take_a_value_or_a_redemption(office: Bureau, tmp_path: Path) -> None:
    deploy(office, tmp_path, QUIET)
    pending = sell(office, 3)
    assert isinstance(pending, Pending)
    words = ["--reason", "police report 7"]
    added = office.said("list", "add", "hot_cards", "card", pending.redemption, *words, by="ann")
    assert added["listed"].startswith("hot_cards/card/")
    office.said("list", "add", "blocked", "prefix", "203.0.113.0/24", *words, by="ann")
    assert {row["list"] for row in office.said("list", "show")} == {"hot_cards", "blocked"}
    assert [row["value"] for row in office.said("list", "show", "blocked")] == ["203.0.113.0/24"]
    proposed = office.said("list", "remove", "blocked", "prefix", "203.0.113.0/24", *words, by="ann")
    office.said("approve", proposed["proposal"], by="bob")
    allowed = office.said("list", "add", "allowed", "seller", office.seller, *words, by="ann")
    office.said("approve", allowed["proposal"], by="bob")
    office.said("list", "remove", "allowed", "seller", office.seller, *words, by="ann")
    assert [row["list"] for row in office.said("list", "show")] == ["hot_cards"]
    assert office.run("list", "add", "blocked", "card", "rdm_none", *words, by="ann").exit_code == 1


def test_a_freeze_acts_at_once_and_is_lifted_by_two(office: Bureau, tmp_path: Path) -> None:
    deploy(office, tmp_path, QUIET)
    office.said("freeze", "add", office.seller, "--reason", "police report 8", by="ann")
    refused = sell(office, 4)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.where) == ("seller_is_frozen", "seller")
    (frozen,) = office.said("freeze", "list")
    assert (frozen["id"], frozen["frozen_for"]) == (office.seller, "police report 8")
    proposed = office.said("freeze", "lift", office.seller, "--reason", "mistaken identity", by="ann")
    office.said("approve", proposed["proposal"], by="bob")
    assert office.said("freeze", "list") == []
    assert isinstance(sell(office, 5), Pending)


@pytest.mark.parametrize("words", [[], ["--from-history"]])
def test_a_decision_is_computed_again_on_the_command_line(office: Bureau, words: list[str]) -> None:
    newest, *_ = asked(office, "decisions", "--limit", "5")
    again = asked(office, "replay", newest["redemption"], *words)
    assert (again["outcome"], again["where"]) == ("same", [])
    ran = CliRunner().invoke(risk.app, ["replay", "rdm_none", "--data", str(office.folder / "platform")])
    assert ran.exit_code == 1
    assert "redemption_has_no_decision" in ran.output


def test_a_model_that_is_none_is_not_taken(office: Bureau, tmp_path: Path) -> None:
    file = tmp_path / "model.txt"
    file.write_text("tree\nversion=v4\n")
    ran = office.run("model", "keep", str(file), by="ann")
    assert ran.exit_code == 1
    card = tmp_path / "card.json"
    card.write_text("{}")
    proposed = office.said("model", "deploy", "0" * 64, "--card", str(card), by="ann")
    ran = office.run("approve", proposed["proposal"], by="bob")
    assert "proposal_is_impossible" in ran.stderr
    assert office.said("model", "list") == []
