"""The file of logs: read as a whole, looked at again when it changes, and never half believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from suyuan.base.crypto import suite
from suyuan.evidence.log.note import cosigner, sm2_signer, vkey_text
from suyuan.evidence.witness.watched_logs import FILE_BYTES_MAX, BadLogs, WatchedLogs
from tests.evidence.small_log import SmallLog

ONE, OTHER = SmallLog("one.example/log"), SmallLog("other.example/log", secret=b"o" * 32)
ROTATED = SmallLog("one.example/log", secret=b"r" * 32)


def written(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "logs.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_a_line_is_a_key(tmp_path: Path) -> None:
    """With what is for people, with a second key of a log, with an origin that is not the key's name."""
    keys = [vkey_text(log.vkey) for log in (ONE, ROTATED, OTHER)]
    text = f"# ours\n\n{keys[0]}\n  # and next year's\r\n{keys[1]} \n{keys[2]} go.sum database tree\n"
    logs = WatchedLogs(written(tmp_path, text))
    assert logs.origins() == ["go.sum database tree", "one.example/log"]
    assert logs.vkeys("one.example/log") == (ONE.vkey, ROTATED.vkey)
    assert logs.vkeys("go.sum database tree") == (OTHER.vkey,)
    assert logs.vkeys("other.example/log") == logs.vkeys("") == ()


def test_a_witness_may_begin_with_no_log(tmp_path: Path) -> None:
    assert WatchedLogs(written(tmp_path, "")).origins() == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense\n", "line 1"),
        (vkey_text(ONE.vkey) + "\n" + vkey_text(ONE.vkey)[:-2] + "\n", "line 2"),
        (vkey_text(ONE.vkey) + "\n" + vkey_text(ONE.vkey) + "\n", "line 2.*twice"),
        (vkey_text(cosigner("w.example", ONE.signer).vkey), "no Ed25519 key of a log"),
        (vkey_text(sm2_signer("s.example", suite("sm2-sm3").signer(b"\1" * 32)).vkey), "no Ed25519 key of a log"),
        (b"\xff\xfe", "cannot be read"),
        (b"#" * (FILE_BYTES_MAX + 1), "more than"),
    ],
)
def test_a_bad_line_stops_the_start(tmp_path: Path, text: str | bytes, says: str) -> None:
    """With its number, so that it is found."""
    with pytest.raises(BadLogs, match=says):
        WatchedLogs(written(tmp_path, text))


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadLogs, match="cannot be read"):
        WatchedLogs(tmp_path / "logs.txt")


def test_a_changed_file_counts_at_once(tmp_path: Path) -> None:
    """Replaced or written over, a partner's new log needs no restart."""
    file = written(tmp_path, vkey_text(ONE.vkey))
    logs = WatchedLogs(file)
    fresh = file.with_suffix(".new")
    fresh.write_text(vkey_text(OTHER.vkey))
    fresh.replace(file)
    assert logs.origins() == ["other.example/log"]
    written(tmp_path, vkey_text(ONE.vkey) + "\n" + vkey_text(OTHER.vkey))
    assert logs.vkeys("one.example/log") == (ONE.vkey,)


@pytest.mark.parametrize("harm", ["torn", "gone", "closed"])
def test_a_bad_change_changes_nothing(tmp_path: Path, harm: str) -> None:
    """A witness that forgot its logs for a typing mistake would be silent when it is needed."""
    file = written(tmp_path, vkey_text(ONE.vkey))
    logs = WatchedLogs(file)
    if harm == "torn":
        written(tmp_path, vkey_text(ONE.vkey)[:20])
    elif harm == "gone":
        file.unlink()
    else:
        file.unlink()
        file.symlink_to(tmp_path)
    assert logs.vkeys("one.example/log") == (ONE.vkey,)
    file.unlink(missing_ok=True)
    written(tmp_path, vkey_text(OTHER.vkey))
    assert logs.origins() == ["other.example/log"]
