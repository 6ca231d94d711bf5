"""The journal: what it keeps, what it refuses, and that it tells nobody a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from suyuan.faces.redeem_file.journal import Heading, Journal, JournalTrouble, Names, Outcome

NAMES = Names(b"\x07" * 32)
HEADING = Heading("digest", "https://api.example.com", "ctr_1", "slr_1", "")
PAID = Outcome("paid", "rdm_1", 80_00, "money")


def opened(folder: Path, **changes: Any) -> Journal:
    return Journal(folder / "j", msgspec.structs.replace(HEADING, **changes), NAMES)


def test_what_was_concluded_is_known_again(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        first, second = journal.intend(2), journal.intend(3)
        journal.conclude(2, PAID)
    with opened(tmp_path) as journal:
        assert (journal.outcome(2), journal.outcome(3)) == (PAID, None)
        assert journal.intend(3) == second != first
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600


def test_keys_follow_from_the_run_and_need_no_journal(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        keys = [journal.intend(line) for line in (2, 3)]
    (tmp_path / "j").unlink()
    with opened(tmp_path) as journal:
        assert [journal.intend(line) for line in (2, 3)] == keys
    changes: list[dict[str, str]] = [{"file": "x"}, {"contract": "ctr_2"}, {"seller": "slr_2"}, {"agent": "agt_1"}]
    for number, change in enumerate(changes):
        (tmp_path / str(number)).mkdir()
        with opened(tmp_path / str(number), **change) as journal:
            assert journal.intend(2) not in keys


def test_a_refused_card_is_offered_anew_under_a_new_key(tmp_path: Path) -> None:
    """Killed right after it was offered anew, the next run repeats that second offer and makes no third."""
    with opened(tmp_path) as journal:
        first = journal.intend(2)
        journal.conclude(2, Outcome("refused", code="daily_limit_is_reached"))
        second = journal.intend(2, again=True)
    with opened(tmp_path) as journal:
        assert journal.outcome(2) is None
        assert journal.intend(2) == second != first


def test_a_journal_torn_at_any_byte_is_read_up_to_its_last_line(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.intend(2)
        journal.conclude(2, PAID)
        key = journal.intend(3)
    whole = (tmp_path / "j").read_bytes()
    for cut in range(len(whole)):
        (tmp_path / "j").write_bytes(whole[:cut])
        with opened(tmp_path) as journal:
            assert journal.outcome(2) in (None, PAID)
            assert journal.intend(3) == key
        with opened(tmp_path) as journal:
            assert journal.outcome(3) is None


def test_the_journal_of_another_run_is_left_alone(tmp_path: Path) -> None:
    opened(tmp_path).close()
    before = (tmp_path / "j").read_bytes()
    with pytest.raises(JournalTrouble, match=r"another run \(contract, seller differs\)"):
        opened(tmp_path, contract="ctr_2", seller="slr_2")
    assert (tmp_path / "j").read_bytes() == before


@pytest.mark.parametrize(
    "damage", [lambda text: b"x" + text, lambda text: text + b"{}\n", lambda text: text.replace(b"r", b"\xff")]
)
def test_a_damaged_journal_is_refused_with_the_way_out(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    opened(tmp_path).close()
    (tmp_path / "j").write_bytes(damage((tmp_path / "j").read_bytes()))
    with pytest.raises(JournalTrouble, match="none is sold twice"):
        opened(tmp_path)


def test_two_runs_do_not_share_a_journal(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(JournalTrouble, match="right now"):
        opened(tmp_path)


def test_names_say_nothing_without_the_secret() -> None:
    """A PIN has few digits, so a plain digest of a file with one card could be guessed; this one needs the key."""
    assert NAMES.file(b"x") == Names(b"\x07" * 32).file(b"x") != Names(b"\x08" * 32).file(b"x")
