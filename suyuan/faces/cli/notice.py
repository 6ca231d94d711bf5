"""`suyuan notice`: the privacy notice of this platform as it is served, or what has changed since an earlier version.

The notice is written from the settings and the registries, so it can be read before the platform is started; earlier
versions are kept in the database from the day on which they were first served.

    suyuan notice --data DIR --lang zh
    suyuan notice --data DIR --since 3f9a1c
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from suyuan.app.notices import notice_of
from suyuan.base import clock, db
from suyuan.base.refusals import Language
from suyuan.config import BadSettings, Settings, load_settings
from suyuan.faces.cli.speaking import Json, Lang, language_of
from suyuan.faces.cli.terminal import as_json, fail, no_platform, tell
from suyuan.faces.notice_page import markdown
from suyuan.privacy import notices
from suyuan.privacy.notice import Notice, read_notice
from suyuan.privacy.retention import BadRetention

LISTED_MAX = 10

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "incomplete": "Nobody can agree to this notice yet: set controller_name and controller_contact.",
        "same": "Nothing has changed since that version.",
        "none": "No notice was published here yet; start the platform first.",
        "unknown": "No version, or more than one, begins with {since}. Published were:\n{versions}",
    },
    "zh": {
        "incomplete": "尚不能据此取得同意：请设置 controller_name 和 controller_contact。",
        "same": "自该版本以来没有变化。",
        "none": "尚未发布过隐私声明，请先启动平台。",
        "unknown": "没有或有多个版本以 {since} 开头。已发布的版本：\n{versions}",
    },
}


@app.command()
def notice(
    *,
    data: Annotated[Path, typer.Option(help="the platform's data folder")] = Path("suyuan-data"),
    since: Annotated[str, typer.Option(help="show what changed since this version; its first characters do")] = "",
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Shows the privacy notice as it is served, or what has changed in it."""
    language = language_of(lang)
    try:
        settings = load_settings(data)
        present = notice_of(settings)
    except (BadSettings, BadRetention) as error:
        fail(str(error))
    if not settings.data.is_dir():
        fail(no_platform(settings.data, language))
    if since:
        _show_changes(_earlier(settings, since, language), present, language, is_for_machines=is_for_machines)
        return
    if is_for_machines:
        as_json(
            {"version": present.version, "is_complete": present.is_complete, "notice": msgspec.Raw(present.content)}
        )
    else:
        print(markdown(present, language), end="")
    if not present.is_complete:
        tell(WORDS[language]["incomplete"])


def _show_changes(earlier: Notice, present: Notice, language: Language, *, is_for_machines: bool) -> None:
    """Line by line, as the two versions read."""
    before, after = (markdown(one, language).splitlines() for one in (earlier, present))
    changes = [line for line in difflib.unified_diff(before, after, n=0, lineterm="") if line[:1] in "+-"][2:]
    removed = [line[1:] for line in changes if line.startswith("-")]
    added = [line[1:] for line in changes if line.startswith("+")]
    if is_for_machines:
        as_json({"from": earlier.version, "to": present.version, "removed": removed, "added": added})
    elif earlier.version == present.version:
        tell(WORDS[language]["same"])
    else:
        print("\n".join(changes))


def _earlier(settings: Settings, since: str, language: Language) -> Notice:
    """The published notice whose version begins so. Ends the command where there is none."""
    words, place = WORDS[language], settings.database_place
    if isinstance(place, Path) and not place.exists():
        fail(words["none"], code=1)
    try:
        with db.serving(place) as url, db.connect(url) as connection:
            found = notices.find(connection, since)
            listed = notices.newest(connection, rows_max=LISTED_MAX) if found is None else []
    except db.DatabaseTrouble as trouble:
        fail(str(trouble))
    if found is None:
        versions = "\n".join(f"{one.version}  {clock.text(one.published_at)}" for one in listed)
        fail(words["unknown"].format(since=since, versions=versions) if listed else words["none"], code=1)
    return read_notice(found.content)
