"""`suyuan leak attribute` as somebody runs it who has found a list: what it prints, for people and for machines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from suyuan.app.keys import load_keys, make_keys
from suyuan.base import db
from suyuan.base.clock import shanghai_day
from suyuan.config import load_settings
from suyuan.faces.cli import app
from tests.flows.house import NOON, open_house
from tests.flows.test_attribute_leak import Leaking
from tests.privacy import leaking
from tests.privacy.leaking import Row, part


@pytest.fixture(scope="module")
def found(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Leaking]]:
    """The folder of a platform that has exported, and its people."""
    data = tmp_path_factory.mktemp("platform")
    (data / "suyuan.toml").write_text(f'database_url = "{module_database}"\n', "utf-8")
    make_keys(load_settings(data))
    with open_house(module_database, load_keys(load_settings(data)).vault) as house:
        yield data, Leaking(house)


def write(file: Path, rows: list[Row], encoding: str = "utf-8-sig") -> Path:
    """As our own exports are headed."""
    with file.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["seller 卖卡人", "name 姓名", "number 手机号码", "registered at 登记时间"])
        writer.writerows([row.subject, row.name, row.number, row.registered_at] for row in rows)
    return file


def run(data: Path, file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["leak", "attribute", str(file), "--data", str(data), *options])


def test_a_leak_is_attributed_for_machines(found: tuple[Path, Leaking], tmp_path: Path) -> None:
    data, house = found
    source = house.world.candidates[1]
    leak = part(house.world.chance, house.world.file(source), 0.2)
    ran = run(data, write(tmp_path / "found.csv", leak), "--json")
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["named"] == [source.id]
    assert told["candidates"][0]["source"] == source.id
    assert told["candidates"][0]["false_accusation_max"] <= told["accusation_max"]
    assert told["candidates"][0]["signs"]["digits"]["hits"] == told["candidates"][0]["signs"]["digits"]["trials"]
    assert told["subjects_to_tell"] == sorted(row.subject for row in leak if row.subject in house.world.registered)
    assert told["rows"] == len(leak)


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
@pytest.mark.parametrize(
    ("lang", "sentences"),
    [
        ("en", ["The list is from exp_", "anybody innocent", "To be told", "Decision support, not a verdict"]),
        ("zh", ["该名单来自 exp_", "无辜者", "应告知", "仅供决策参考"]),
    ],
)
def test_a_leak_is_attributed_for_people(
    found: tuple[Path, Leaking], tmp_path: Path, encoding: str, lang: str, sentences: list[str]
) -> None:
    data, house = found
    leak = part(house.world.chance, house.world.file(house.world.candidates[0]), 0.3)
    ran = run(data, write(tmp_path / "found.csv", leak, encoding), "--lang", lang)
    assert ran.exit_code == 0, ran.output
    assert all(sentence in ran.stdout for sentence in sentences), ran.stdout


def test_what_is_missing_is_said_where_nobody_is_named(found: tuple[Path, Leaking], tmp_path: Path) -> None:
    data, house = found
    rows = [Row(person) for person in house.people[:60]]
    english, chinese = ["Not attributed", "A lead", "What is missing: "], ["无法归因", "线索", "缺少："]
    for lang, sentences in {"en": english, "zh": chinese}.items():
        ran = run(data, write(tmp_path / "found.csv", rows), "--lang", lang)
        assert ran.exit_code == 0, ran.output
        assert all(sentence in ran.stdout for sentence in sentences), ran.stdout


def test_reads_after_the_list_was_seen_are_left_out(found: tuple[Path, Leaking], tmp_path: Path) -> None:
    data, house = found
    leak = part(house.world.chance, house.world.file(house.world.candidates[2]), 0.2)
    file = write(tmp_path / "found.csv", leak)
    told = json.loads(run(data, file, "--json", "--seen", shanghai_day(NOON)).stdout)
    assert (told["named"], len(told["candidates"])) == ([], 2)


def test_it_shows_nothing_of_what_it_compares(found: tuple[Path, Leaking], tmp_path: Path) -> None:
    """Neither numbers nor names of the list, whoever they are of."""
    data, house = found
    leak = leaking.without_pseudonyms(house.world.chance, house.world.file(house.world.candidates[0])[:40])
    file = write(tmp_path / "found.csv", leak)
    for options in (["--json"], ["--lang", "zh"]):
        output = run(data, file, *options).output
        assert not [row for row in leak if row.number in output or row.name in output]


def test_ragged_rows_are_told_and_the_rest_is_used(found: tuple[Path, Leaking], tmp_path: Path) -> None:
    data, house = found
    file = write(tmp_path / "found.csv", house.world.file(house.world.candidates[0])[:40])
    file.write_text(file.read_text("utf-8-sig") + "a,b\n", "utf-8")
    ran = run(data, file, "--json", "--lang", "en")
    assert "found.csv, line 42: This row has more or fewer cells" in ran.stderr
    assert json.loads(ran.stdout)["rows_left_out"] == [42]
    assert json.loads(ran.stdout)["named"] == [house.world.candidates[0].id]


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"a,b\n1,2\n", [], "found.csv, line 1: No column is known"),
        (b"", [], "found.csv, line 1: The file holds no rows"),
        ('姓名\n"王\n'.encode(), [], "found.csv, line 2: This line cannot be read as CSV"),
        (b"name\nx\n", ["--encoding", "klingon"], "nobody knows an encoding"),
        (b"name\nx\n", ["--seen", "yesterday"], "YYYY-MM-DD"),
    ],
)
def test_what_cannot_be_read_is_a_sentence_with_its_place(
    found: tuple[Path, Leaking], tmp_path: Path, content: bytes, options: list[str], said: str
) -> None:
    file = tmp_path / "found.csv"
    file.write_bytes(content)
    ran = run(found[0], file, "--lang", "en", *options)
    assert (ran.exit_code, said in ran.output) == (2, True), ran.output


def test_no_file_and_no_platform_are_sentences(found: tuple[Path, Leaking], tmp_path: Path) -> None:
    gone = run(found[0], tmp_path / "gone.csv")
    assert (gone.exit_code, "No such file" in gone.output) == (2, True)
    file = write(tmp_path / "found.csv", [Row("slr_1")])
    nowhere = run(tmp_path, file)
    assert (nowhere.exit_code, "there is no platform in" in nowhere.output) == (2, True)


def test_a_platform_without_its_keys_says_so(module_database: str, tmp_path: Path) -> None:
    """The marks derive from `keys/vault.key`, so nothing can be told without it."""
    (tmp_path / "suyuan.toml").write_text(f'database_url = "{module_database}"\n', "utf-8")
    ran = run(tmp_path, write(tmp_path / "found.csv", [Row("slr_1")]))
    assert (ran.exit_code, "vault.key" in ran.output) == (2, True), ran.output


def test_what_the_database_refuses_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "suyuan.toml").write_text('database_url = "postgresql://127.0.0.1:1/none"\n', "utf-8")
    make_keys(load_settings(tmp_path))
    assert run(tmp_path, write(tmp_path / "found.csv", [Row("slr_1")])).exit_code == 2
    assert issubclass(db.DatabaseUnreachable, db.DatabaseTrouble)


def test_canary_cards_are_the_same_each_time_and_nobody_has_brought_one(found: tuple[Path, Leaking]) -> None:
    data, house = found
    export = house.world.candidates[0].id
    asked = ["leak", "cards", export, "--data", str(data), "--operator", "unicom", "--count", "2", "--json"]
    first, again = (CliRunner().invoke(app, asked) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.stdout == again.stdout
    cards = json.loads(first.stdout)
    assert [(card["export"], len(card["serial"]), len(card["pin"])) for card in cards] == [(export, 15, 19)] * 2
    assert json.loads(CliRunner().invoke(app, ["leak", "redeemed", "--data", str(data), "--json"]).stdout) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["exp_1", "--operator", "nokia"], "choose one of cmcc"), (["the-list"], "EXPORT: name what")],
)
def test_what_cannot_be_a_canary_card_is_a_sentence(
    found: tuple[Path, Leaking], arguments: list[str], said: str
) -> None:
    ran = CliRunner().invoke(app, ["leak", "cards", *arguments, "--data", str(found[0])])
    assert (ran.exit_code, said in ran.output) == (2, True), ran.output
