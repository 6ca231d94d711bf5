"""`suyuan risk train|card|drift`: from a history to a model and its card, and to the day when it has aged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from suyuan.base import db
from suyuan.faces.cli.risk import app
from suyuan.history import segments
from suyuan.history.events import encode, kind_of_type
from suyuan.history.store import Recorded
from suyuan.risk.model.card import read_card
from suyuan.risk.model.scorer import Scorer
from tests.history.small_line import prepare
from tests.risk.model.history import recorded

QUICK = ("--label-delay-d", "3")


def run(*arguments: str | Path) -> tuple[int, str, str]:
    ran = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})
    return ran.exit_code, ran.stdout, ran.stderr


def told(out: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(out.splitlines()[-1])
    return found


def remember(url: str, events: list[Recorded]) -> None:
    """Writes a history as the line would have."""
    with db.connect(url, autocommit=True) as connection:
        with connection.cursor().copy("COPY event (seq, at, kind, body) FROM STDIN") as copy:
            for it in events:
                copy.write_row((it.seq, it.at, kind_of_type(type(it.event)), encode(it.event)))
        connection.execute("UPDATE line_head SET next_seq = %s, last_at = %s", (len(events), events[-1].at))


@pytest.fixture
def url(database: str) -> str:
    prepare(database)
    remember(database, list(recorded()))
    return database


@pytest.fixture
def exported(url: str, tmp_path: Path) -> Path:
    folder = tmp_path / "history"
    with db.connect(url, autocommit=True) as connection:
        segments.export(connection, folder, segment_events=1_000)
    return folder


def test_a_database_and_its_export_give_the_same_model_and_card(url: str, exported: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    code, out, err = run("train", first, "--database-url", url, *QUICK, "--lang", "en")
    assert (code, err.count("Officers put a model into service")) == (0, 1)
    assert run("train", second, "--history", exported, *QUICK, "--json")[0] == 0
    assert first.read_bytes() == second.read_bytes()
    card = read_card(first.with_name("first.card.json").read_bytes())
    assert card == read_card(second.with_name("second.card.json").read_bytes())
    assert Scorer(first.read_text("ascii")).digest == card.model
    assert f"Model {card.model}" in out


def test_a_card_is_shown_in_both_languages_and_for_machines(exported: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.txt"
    assert run("train", model, "--history", exported, *QUICK)[0] == 0
    card = tmp_path / "model.card.json"
    assert "may ask for a person" in run("card", card, "--lang", "en")[1]
    assert "人工复核" in run("card", card, "--lang", "zh")[1]
    assert told(run("card", card, "--json")[1])["held_out"]["examples"] > 100
    challenger = tmp_path / "challenger.txt"
    code, out, _ = run("train", challenger, "--history", exported, *QUICK, "--seed", "2", "--champion", model, "--json")
    assert (code, told(out)["card"]["champion"]["reach"]["auc_bp"] > 9_000) == (0, True)


def test_drift_is_said_by_exit_status(exported: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.txt"
    assert run("train", model, "--history", exported, *QUICK)[0] == 0
    code, out, _ = run("drift", tmp_path / "model.card.json", "--history", exported, "--lang", "en")
    assert (code, out) == (0, "Nothing was decided since this model was trained.\n")
    card = msgspec.json.decode((tmp_path / "model.card.json").read_bytes())
    younger = msgspec.json.encode({**card, "as_of": card["as_of"] - 20 * 86_400_000_000}, order="sorted")
    (tmp_path / "younger.card.json").write_bytes(younger)
    code, out, _ = run("drift", tmp_path / "younger.card.json", "--history", exported, "--json")
    found = told(out)
    assert (code, found["rows"] > 1_000) == (int(found["is_alarm"]), True)


def test_a_model_is_never_written_over(exported: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.txt"
    model.write_text("mine")
    code, _, err = run("train", model, "--history", exported, *QUICK, "--lang", "en")
    assert (code, "is there already" in err, model.read_text()) == (2, True, "mine")


def test_too_few_outcomes_end_with_a_sentence_and_no_file(database: str, tmp_path: Path) -> None:
    prepare(database)
    remember(database, list(recorded(3)))
    code, _, err = run("train", tmp_path / "model.txt", "--database-url", database, *QUICK)
    assert (code, "Train when more outcomes are known" in err) == (1, True)
    assert not list(tmp_path.glob("model*"))


def test_what_is_no_history_no_card_and_no_model_is_a_sentence(exported: Path, tmp_path: Path) -> None:
    empty, torn, bad = tmp_path / "empty", tmp_path / "torn", tmp_path / "bad.txt"
    empty.mkdir()
    torn.mkdir()
    (torn / "history-000000000000-000000000009.parquet").write_bytes(b"PAR1 torn")
    bad.write_text("tree\n")
    model = tmp_path / "model.txt"
    for arguments, status, sentence in (
        (("train", model, "--history", empty), 2, "holds no exported history"),
        (("train", model, "--history", tmp_path / "nowhere"), 2, "holds no exported history"),
        (("train", model, "--history", torn), 1, "cannot be read as history"),
        (("train", model, "--history", exported, "--champion", bad), 2, "`end of trees`"),
        (("train", model, "--history", exported, "--champion", tmp_path / "none.txt"), 2, "No such file"),
        (("card", bad), 2, "no card of a model"),
        (("card", tmp_path / "none"), 2, "No such file"),
        (("drift", bad, "--history", exported), 2, "no card of a model"),
    ):
        code, out, err = run(*arguments, "--lang", "en") if arguments[0] != "card" else run(*arguments)
        assert (code, out, sentence in err) == (status, "", True), (arguments, err)
    assert not model.exists()
