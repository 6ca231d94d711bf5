"""`suyuan history`: what the platform remembers – shown event by event, or exported as Parquet for analytics.

Both only read, and may run beside a serving platform. Sealed fields stay sealed.

    suyuan history show --data DIR --from 1000 --limit 20
    suyuan history export FOLDER --data DIR
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from suyuan.base import clock
from suyuan.base.refusals import Language
from suyuan.config import BadSettings, Settings, load_settings
from suyuan.faces.cli.reading import reading
from suyuan.faces.cli.speaking import Json, Lang, language_of
from suyuan.faces.cli.terminal import as_json, fail
from suyuan.history.store import HistoryIsBroken, Recorded, follow, next_seq, replay

POLL_S = 0.5

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="What the platform remembers: shown, or exported as Parquet.",
)

Data = Annotated[Path, typer.Option(help="the platform's data folder")]
Database = Annotated[str, typer.Option("--database-url", help="the database, where it is not the folder's")]

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "exporting": "exporting",
        "exported": "{files} files written with {events} events; the next export goes on at event {next}",
    },
    "zh": {
        "exporting": "正在导出",
        "exported": "写入 {files} 个文件，共 {events} 个事件；下次导出从事件 {next} 开始",
    },
}


@app.callback()
def history() -> None:
    """What the platform remembers: shown, or exported as Parquet."""


@app.command()
def show(
    *,
    data: Data = Path("suyuan-data"),
    database: Database = "",
    start: Annotated[int | None, typer.Option("--from", min=0, help="begin at this event; else the last ones")] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many")] = 20,
    is_followed: Annotated[bool, typer.Option("--follow", help="go on with what comes, until interrupted")] = False,
    is_for_machines: Json = False,
) -> None:
    """Show events in order; with --json one JSON object a line."""
    with database_of(database or data) as connection:
        first = max(0, next_seq(connection) - limit) if start is None else start
        if is_followed:
            recorded = follow(connection, first, wait=lambda: time.sleep(POLL_S))
        else:
            recorded = islice(replay(connection, first), limit)
        for event in recorded:
            _print(event, is_for_machines=is_for_machines)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="where the Parquet files go; an earlier export there is continued")],
    *,
    data: Data = Path("suyuan-data"),
    database: Database = "",
    segment_events: Annotated[int, typer.Option(min=1, help="how many events a file holds")] = 100_000,
    full_only: Annotated[bool, typer.Option("--full-only", help="leave what fills no file for the next time")] = False,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Write history as Parquet files of seq, at, kind and body. Killed, it is simply started again."""
    from suyuan.history import segments

    words = WORDS[language_of(lang)]
    with database_of(database or data) as connection, _progress(words["exporting"], is_shown=not is_for_machines) as on:
        try:
            done = segments.export(
                connection, folder, segment_events=segment_events, full_only=full_only, on_progress=on
            )
        except segments.BrokenExport as error:
            fail(str(error), code=1)
    events = sum(segment.last - segment.first + 1 for segment in done.segments)
    if is_for_machines:
        as_json({"files": [str(it.file) for it in done.segments], "events": events, "next_seq": done.next_seq})
    else:
        print(words["exported"].format(files=len(done.segments), events=events, next=done.next_seq))


@contextmanager
def database_of(place: Path | str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that can write nothing, to a database by URL or to the one of a data folder."""
    try:
        settings = load_settings(place) if isinstance(place, Path) else Settings(data=Path(), database_url=place)
        with reading(settings) as connection:
            yield connection
    except BadSettings as trouble:
        fail(str(trouble))
    except HistoryIsBroken as broken:
        fail(str(broken), code=1)


@contextmanager
def _progress(title: str, *, is_shown: bool) -> Iterator[Any]:
    if not (is_shown and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _print(recorded: Recorded, *, is_for_machines: bool) -> None:
    if is_for_machines:
        as_json({"seq": recorded.seq, "at": recorded.at, "event": recorded.event})
        return
    from suyuan.history.events import encode

    print(recorded.seq, clock.text(recorded.at), encode(recorded.event).decode(), flush=True)
