"""History goes to Parquet as it stands, in segments that never change, however often the export is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from suyuan.base import db
from suyuan.history import segments
from suyuan.history.segments import BrokenExport, export, read_segments
from suyuan.history.store import read
from tests.history.small_line import prepare
from tests.history.test_store import tell_events


@pytest.fixture
def url(database: str) -> str:
    prepare(database)
    return database


def run(url: str, folder: Path, **how: object) -> segments.Exported:
    with db.connect(url, autocommit=True) as connection:
        return export(connection, folder, **how)  # type: ignore[arg-type]  # Each test says what it means.


def in_duckdb(query: str) -> list[list[Any]]:
    """The rows of a query. DuckDB runs in a process of its own, because at its end it complains of other libraries."""
    code = "import duckdb, json, sys; print(json.dumps(duckdb.connect().execute(sys.argv[1]).fetchall()))"
    told = subprocess.run([sys.executable, "-c", code, query], capture_output=True, check=True)
    return msgspec.json.decode(told.stdout, type=list[list[Any]])


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_what_is_exported_is_what_is_kept(url: str, tmp_path: Path) -> None:
    """Twenty-five events in segments of ten; DuckDB, which is not ours, reads the same as the database holds."""
    tell_events(url, 25)
    done = run(url, tmp_path / "out", segment_events=10)
    assert done.next_seq == 25
    assert names(tmp_path / "out") == [
        "history-000000000000-000000000009.parquet",
        "history-000000000010-000000000019.parquet",
        "history-000000000020-000000000024.parquet",
    ]
    with db.connect(url) as connection:
        kept = list(read(connection))
    assert list(read_segments(tmp_path / "out")) == kept
    files = f"'{tmp_path}/out/*.parquet'"
    rows = in_duckdb(f'SELECT seq, "at", kind, body FROM {files} ORDER BY seq')
    types = in_duckdb(f"DESCRIBE SELECT * FROM {files}")
    assert [(seq, at, kind, body.encode()) for seq, at, kind, body in rows] == kept
    assert [(name, kind) for name, kind, *_ in types] == [
        ("seq", "BIGINT"), ("at", "BIGINT"), ("kind", "VARCHAR"), ("body", "VARCHAR"),
    ]  # fmt: skip


def test_an_export_goes_on_where_the_last_one_ended(url: str, tmp_path: Path) -> None:
    """Exported, then five more events: the first segment is left as it is, the next one follows it."""
    tell_events(url, 12)
    first = run(url, tmp_path, segment_events=10, full_only=True)
    assert [(it.first, it.last) for it in first.segments] == [(0, 9)]
    before = first.segments[0].file.read_bytes()
    assert run(url, tmp_path, segment_events=10, full_only=True).segments == []
    tell_events(url, 5, name="b")
    second = run(url, tmp_path, segment_events=10)
    assert [(it.first, it.last) for it in second.segments] == [(10, 16)]
    assert first.segments[0].file.read_bytes() == before
    assert run(url, tmp_path).segments == []


def test_a_killed_export_leaves_whole_segments_and_is_started_again(url: str, tmp_path: Path) -> None:
    """kill -9 in the middle of many small segments: each that has its name is whole; the next export does the rest."""
    tell_events(url, 3_000)
    command = (
        "import sys; from pathlib import Path; from suyuan.base import db; from suyuan.history.segments import export\n"
    )
    command += "with db.connect(sys.argv[1], autocommit=True) as it: export(it, Path(sys.argv[2]), segment_events=5)"
    with subprocess.Popen([sys.executable, "-c", command, url, str(tmp_path)]) as exporting:
        while len(list(tmp_path.glob("*.parquet"))) < 20:
            assert exporting.poll() is None
            time.sleep(0.005)
        os.kill(exporting.pid, signal.SIGKILL)
    (tmp_path / "history-000000000000-000000000004.torn").write_bytes(b"left behind")
    count = len(segments.segments(tmp_path))
    assert 20 <= count < 600
    run(url, tmp_path, segment_events=1_000)
    with db.connect(url) as connection:
        assert list(read_segments(tmp_path)) == list(read(connection))
    assert not list(tmp_path.glob("*.torn"))


def test_two_histories_never_share_a_folder(url: str, tmp_path: Path) -> None:
    """The folder was filled by another platform, whose events stand at other instants."""
    tell_events(url, 10)
    run(url, tmp_path)
    with db.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE event SET at = at + 1 WHERE seq = 9")
    with pytest.raises(BrokenExport, match="another history"):
        run(url, tmp_path)


def test_a_folder_with_a_gap_is_refused(url: str, tmp_path: Path) -> None:
    tell_events(url, 30)
    done = run(url, tmp_path, segment_events=10)
    done.segments[1].file.unlink()
    with pytest.raises(BrokenExport, match="does not begin at event 10"):
        run(url, tmp_path)


def test_two_exports_at_once_are_refused(url: str, tmp_path: Path) -> None:
    tell_events(url, 20)

    def start_another(done: int, of: int) -> None:
        with pytest.raises(BrokenExport, match="another export"):
            run(url, tmp_path)

    run(url, tmp_path, segment_events=10, on_progress=start_another)


def test_nobody_else_reads_the_segments(url: str, tmp_path: Path) -> None:
    tell_events(url, 3)
    done = run(url, tmp_path / "out")
    assert done.segments[0].file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
