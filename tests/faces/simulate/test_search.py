"""The search after the demo finds what it is meant to find, wherever a careless change would leave it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from suyuan.base import db
from suyuan.faces.simulate.deeds import SimCard
from suyuan.faces.simulate.plan import make_plan
from suyuan.faces.simulate.search import CHUNK_BYTES, planted_by, search

PLAN = make_plan(7, 40)
PLANTED = planted_by(PLAN)
SELLER = PLAN.cast.sellers[0]
CARD = next(sale.source for sale in PLAN.sales if isinstance(sale.source, SimCard))
SECRETS = [SELLER.name, SELLER.identity_number, SELLER.number, SELLER.payee, SELLER.capture, CARD.serial, CARD.pin]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_value_in_a_table_is_found(database: str, tmp_path: Path, secret: str) -> None:
    """Also where a row is so large that the database keeps it compressed."""
    body = f'{{"note":"{"x " * 9_000}{secret}"}}'.encode()
    with db.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO event (seq, at, kind, body) VALUES (0, 1, 'careless/1', %s)", (body,))
    assert search(PLANTED, tmp_path, database, besides=frozenset()) == {"table event": 1}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("at", [0, CHUNK_BYTES - 5], ids=["at its beginning", "across two chunks"])
def test_a_value_in_a_file_is_found(database: str, tmp_path: Path, secret: str, at: int) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "line.log").write_bytes(b" " * at + secret.encode() + b"\n")
    (tmp_path / "sandbox.jsonl").write_text(secret)
    found = search(PLANTED, tmp_path, database, besides=frozenset({"sandbox.jsonl"}))
    assert found == {"log/line.log": 1}


def test_what_nobody_handed_in_is_not_found(database: str, tmp_path: Path) -> None:
    """Random bytes, random digits, and words of the platform's own."""
    chance = random.Random(3)
    (tmp_path / "noise").write_bytes(chance.randbytes(1 << 20))
    (tmp_path / "digits").write_text("".join(chance.choices("0123456789", k=1 << 16)))
    (tmp_path / "law").write_text("个人信息保护法 2021, art. 47")
    assert search(PLANTED, tmp_path, database, besides=frozenset()) == {}
