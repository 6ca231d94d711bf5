"""The log's files over HTTP: what strangers check with, to anybody, and nothing else of the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from suyuan.evidence import check
from suyuan.flows.publish_log import POLICY, publish_log
from tests.evidence.shards import ENTRIES, sealed, shard_in
from tests.faces.http.served import Served, served
from tests.flows.house import card
from tests.flows.sealing import seal, sealer_of

FOR_EVER, EACH_TIME = "public, max-age=31536000, immutable", "no-cache"


@pytest.fixture
def api(database: str, tmp_path: Path) -> Iterator[Served]:
    with served(database, tmp_path / "log") as api:
        yield api


def sealed_house(api: Served) -> str:
    """One redemption, in the log."""
    taken = api.post("/v1/redemptions", card(1))
    assert taken.status_code == 202, taken.text
    sealer = sealer_of(api.house, api.house.log_folder)
    seal(api.house, sealer)
    publish_log(sealer)
    sealer.close()
    sealer.connection.close()
    return str(taken.json()["redemption"])


def fetch(api: Served, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{api.port}/log/{path}")


def test_a_partner_proves_its_redemption_with_what_it_and_anybody_can_fetch(api: Served) -> None:
    redemption = sealed_house(api)
    event, decision = api.get(f"/v1/redemptions/{redemption}/proofs").json()["events"]
    # How narrowly it was decided, and by what, is not opened; what was done is.
    assert '"action":"approve"' in decision["record"]
    for name in ("score", "shadow", "limit_percent", "policy", "model", "lists", "inputs", "fired"):
        assert f'"{name}":' not in decision["record"]
        assert f'"{name}":[' not in decision["openings"]
    policy = check.read_policy(fetch(api, POLICY).content)
    entry = check.record_entry(event["record"].encode(), event["openings"].encode())
    assert check.check_proof(event["proof"].encode(), entry, policy).index == event["seq"]
    assert not event["is_cosigned"]
    assert "slr_1" not in event["record"]


def test_before_it_is_sealed_a_partner_is_told_to_ask_again_and_another_one_nothing(api: Served) -> None:
    redemption = api.post("/v1/redemptions", card(1)).json()["redemption"]
    assert api.get(f"/v1/redemptions/{redemption}/proofs").json()["code"] == "event_is_not_sealed_yet"
    others = api.get(f"/v1/redemptions/{redemption}/proofs", key="key_2").json()
    assert others["code"] == "redemption_is_unknown"


def test_only_full_tiles_under_a_signed_checkpoint_are_kept_for_ever(api: Served) -> None:
    """A tile that is on disk and not signed yet may be another one tomorrow, if the disk is lost tonight."""
    folder = api.house.log_folder
    folder.mkdir()
    shard = sealed(shard_in(folder), 300)
    (shard.folder).rename(folder / "2026")
    for path, kept in (
        ("2026/tile/0/000", FOR_EVER), ("2026/tile/entries/000", FOR_EVER), ("2026/tile/0/001.p/44", EACH_TIME),
        ("2026/checkpoint", EACH_TIME),
    ):  # fmt: skip
        answer = fetch(api, path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, kept), path
    full = folder / "2026" / "tile" / "0" / "001"
    full.write_bytes(b"".join(ENTRIES[0][:1] * 32 for _ in range(256)))
    assert fetch(api, "2026/tile/0/001").headers["cache-control"] == EACH_TIME


@pytest.mark.parametrize(
    "path",
    ["stopped", "2026/.staging/0", "2026/../../keys/vault.key", "2026/%2e%2e/%2e%2e/keys/vault.key", "2026/lock", "",
     "2026", "2026/tile/0/000.p/0", "2026/tile/0/1"],
)  # fmt: skip
def test_nothing_else_is_served(api: Served, path: str) -> None:
    sealed_house(api)
    (api.house.log_folder / "stopped").write_text("why", "utf-8")
    answer = fetch(api, path)
    assert answer.status_code == 404, path
