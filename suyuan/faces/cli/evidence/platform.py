"""`suyuan evidence prove`, `status`, `witness`, `rebuild` and `begin`: the public log, on the machine that writes it.

None of these opens what is about a person. `rebuild` and `begin` are for the day after a loss, and change nothing that
was signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from suyuan.app.keys import log_signers
from suyuan.app.sealer import STOPPED, read_log_policy
from suyuan.base import db
from suyuan.base.clock import SystemClock
from suyuan.base.refusals import Language, Refusal
from suyuan.config import BadSettings, Settings, load_settings
from suyuan.evidence.check import BadEvidence, decimal, read_checkpoint, read_note
from suyuan.evidence.log.rebuild import rebuild
from suyuan.evidence.log.shard import Shard
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.log.stops import LogStopped
from suyuan.evidence.records.leaves import ShardStart, entries, leaf_at, leaves_of, next_leaf, shards
from suyuan.evidence.records.opening import BrokenLeaf
from suyuan.faces.cli.reading import reading
from suyuan.faces.cli.speaking import Json, Lang, language_of, print_table, refuse
from suyuan.faces.cli.terminal import as_json, fail, no_platform, tell
from suyuan.flows.begin_shard import NothingIsLost, begin_again
from suyuan.flows.prove_event import EVENTS_OF_A_THING_MAX, Proven, Publication, prove_event
from suyuan.history.store import next_seq
from suyuan.outside.witnesses import HttpWitness
from suyuan.privacy.keyring import KeyTrouble

Data = Annotated[Path, typer.Option("--data", help="the platform's data folder")]
What = Annotated[list[str], typer.Argument(help="places in history, or ids of redemptions, exports, requests, …")]

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "proven": "{count} records in {folder}; check one with: suyuan evidence verify {folder}/{seq}/record.tlog-proof"
        " --policy {policy}",
        "nothing": "The log holds nothing of {what} yet; sealing takes two seconds; `suyuan evidence status` says what"
        " stops it.",
        "unknown": "History holds nothing of {what}; look it up with `suyuan history show`.",
        "is_there": "{folder} is there already; name a new folder.",
        "no_shard": "There is no shard {name}; see `suyuan evidence status`.",
        "no_shards": "Nothing is sealed yet; start the platform with `suyuan serve`, and look again in two seconds.",
        "rebuilt": "{count} files put right; {size} entries are as they were signed.",
        "begun": "Shard {name} begins with event {first_seq}; what the old one signed from there on counts as lost.",
        "no_witnesses": "No witnesses are configured; name them in a tlog-policy file (docs/witness.md).",
        "silent": "Where nothing is seen, the witness does not answer, or was not given this shard's key"
        " (/log/shards.json).",
        "ahead": "{witness} has seen more of shard {shard} than is signed here; docs/evidence.md says what to do.",
        "stopped": "Sealing stands still:",
    },
    "zh": {
        "proven": "{count} 条记录已存入 {folder}；核对方法：suyuan evidence verify {folder}/{seq}/record.tlog-proof"
        " --policy {policy}",
        "nothing": "日志中尚无 {what} 的内容，封存通常只需一两秒；若已停止，`suyuan evidence status` 会说明原因。",
        "unknown": "历史中没有 {what} 的内容，请用 `suyuan history show` 查对。",
        "is_there": "{folder} 已存在，请另取文件夹名。",
        "no_shard": "没有分片 {name}，请见 `suyuan evidence status`。",
        "no_shards": "尚未封存任何内容，请先用 `suyuan serve` 启动平台，一两秒后再看。",
        "rebuilt": "已修复 {count} 个文件；{size} 条均与签署时一致。",
        "begun": "分片 {name} 自第 {first_seq} 号事件开始；旧分片自该处起所签署的内容将公示为丢失。",
        "no_witnesses": "未配置见证方，请在 tlog-policy 文件中列明（见 docs/witness.md）。",
        "silent": "未显示所见者：该见证方无应答，或尚未取得此分片的公钥（/log/shards.json）。",
        "ahead": "{witness} 所见的分片 {shard} 多于此处所签署的，处理方法见 docs/evidence.md。",
        "stopped": "封存已停止：",
    },
}


def prove(
    what: What,
    *,
    out: Annotated[Path, typer.Option(help="a new folder for the records and their proofs")],
    data: Data = Path("suyuan-data"),
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Write records with their proofs: the open members, which say nothing of a person."""
    language = language_of(lang)
    settings = settings_of(data)
    if out.exists():
        fail(WORDS[language]["is_there"].format(folder=out))
    with reading(settings, language), _said(language):
        found = asyncio.run(_proven(settings, named(what)))
        if isinstance(found, str):
            fail(nothing_of(settings, found, language), code=1)
    if isinstance(found, Refusal):
        refuse(found, language)
    try:
        for one in found:
            _keep(one, out / str(one.seq))
    except OSError as trouble:
        fail(f"{trouble.filename}: {trouble.strerror}")
    policy = settings.log_folder / "policy.tlog-policy"
    if is_for_machines:
        as_json({"records": [{"seq": one.seq, "is_cosigned": one.is_cosigned} for one in found], "folder": str(out)})
    else:
        print("\n".join(f"{one.seq}: {'cosigned' if one.is_cosigned else 'not yet cosigned'}" for one in found))
        tell(WORDS[language]["proven"].format(count=len(found), folder=out, seq=found[0].seq, policy=policy))


async def _proven(settings: Settings, what: Named) -> list[Proven] | Refusal | str:
    """The records with their proofs, or the name under which nothing is sealed."""
    pool = db.ReadPool(url_of(settings))
    try:
        published = Publication(pool.fetch, settings.log_folder)
        places, missing = await look_up(pool.fetch, what)
        if missing is not None:
            return missing
        proven = []
        for seq in places:
            one = await prove_event(published, seq)
            if isinstance(one, Refusal):
                return one
            proven.append(one)
        return proven
    finally:
        await pool.close()


def _keep(one: Proven, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "record.json").write_bytes(one.opened.record)
    (folder / "openings.json").write_bytes(one.opened.openings)
    (folder / "leaf.bin").write_bytes(one.opened.entry)
    (folder / "record.tlog-proof").write_bytes(one.proof)


def status(*, data: Data = Path("suyuan-data"), is_for_machines: Json = False, lang: Lang = None) -> None:
    """Show how far history is sealed and cosigned, shard by shard, and what stops sealing."""
    language = language_of(lang)
    settings = settings_of(data)
    with reading(settings, language) as connection:
        events, leaves, known = next_seq(connection), next_leaf(connection), shards(connection)
    rows = [_shard_row(settings, start) for start in known]
    file = settings.log_folder / STOPPED
    stopped = file.read_text("utf-8").splitlines() if file.exists() else []
    if is_for_machines:
        as_json({"events": events, "leaves": leaves, "shards": rows, "stopped": stopped[0] if stopped else None})
    else:
        print(f"events: {events}\nleaves: {leaves}")
        if rows:
            print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
        tell_if = {"no_shards": not rows, "no_witnesses": bool(rows) and not settings.log_policy}
        for name in (name for name, holds in tell_if.items() if holds):
            tell(WORDS[language][name])
    if stopped:
        tell(f"{WORDS[language]['stopped']} {stopped[2 if language == 'zh' else 1]}")
    raise typer.Exit(1 if stopped else 0)


def _shard_row(settings: Settings, start: ShardStart) -> dict[str, Any]:
    tiles = Tiles(settings.log_folder / start.name)
    signed, cosigned = (_size(note) for note in (tiles.checkpoint(), tiles.cosigned()))
    return {"shard": start.name, "origin": start.origin, "first_seq": start.first_seq, "signed": signed,
            "cosigned": cosigned}  # fmt: skip


def _size(note: bytes | None) -> int:
    return 0 if note is None else read_checkpoint(read_note(note).text).size


def witness(*, data: Data = Path("suyuan-data"), is_for_machines: Json = False, lang: Lang = None) -> None:
    """Ask every witness of the policy how far it has seen each shard."""
    language = language_of(lang)
    settings = settings_of(data)
    with reading(settings, language) as connection:
        known = shards(connection)
    with _said(language):
        rows = asyncio.run(_asked(settings, known))
    ahead = [row for row in rows if row["seen"] is not None and row["seen"] > row["signed"]]
    if is_for_machines:
        as_json(rows)
    elif rows:
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
        if any(row["seen"] is None for row in rows):
            tell(WORDS[language]["silent"])
    else:
        tell(WORDS[language]["no_witnesses" if known else "no_shards"])
    for row in ahead:
        tell(WORDS[language]["ahead"].format(**row))
    raise typer.Exit(1 if ahead else 0)


async def _asked(settings: Settings, known: Sequence[ShardStart]) -> list[dict[str, Any]]:
    policy, _ = read_log_policy(settings)
    rows = []
    for start in known:
        vkeys = [signer.vkey for signer in log_signers(settings, start.name, start.origin, is_new=False)]
        for name, one in policy.witnesses.items() if policy else ():
            if not one.url:
                continue
            caller = HttpWitness(one.vkey, one.url, vkeys, SystemClock(), deadline_s=settings.witness_deadline_s)
            signed = _size(Tiles(settings.log_folder / start.name).checkpoint())
            seen = await caller.latest(start.origin)
            await caller.close()
            rows.append({"shard": start.name, "signed": signed, "witness": name, "seen": seen, "url": one.url})
    return rows


def rebuild_shard(
    shard: Annotated[str, typer.Argument(help="the shard whose files are lost or damaged, such as 2026")],
    *,
    checkpoint: Annotated[
        Path | None, typer.Option(help="its last checkpoint, from a witness or another copy, where it is lost too")
    ] = None,
    data: Data = Path("suyuan-data"),
    lang: Lang = None,
) -> None:
    """Make a shard's files again from the database, if that gives the tree that was signed."""
    language = language_of(lang)
    settings = settings_of(data)
    with reading(settings, language) as connection:
        start = next((one for one in shards(connection) if one.name == shard), None)
        if start is None:
            fail(WORDS[language]["no_shard"].format(name=shard))
        with _said(language):
            copy = None if settings.log_copies is None else settings.log_copies / f"{shard}.checkpoint"
            signers = log_signers(settings, start.name, start.origin, is_new=False)
            given = None if checkpoint is None else checkpoint.read_bytes()
            behind = next((one.first_seq for one in shards(connection) if one.first_seq > start.first_seq), None)
            leaves = entries(connection, start.first_seq, behind or next_leaf(connection))
            folder = settings.log_folder / start.name
            done = rebuild(Shard(folder, start.origin, signers, copy), leaves, copy=given)
    tell(WORDS[language]["rebuilt"].format(count=len(done.files), size=done.size))


def begin(
    *,
    witness_is_ahead: Annotated[
        bool,
        typer.Option("--witness-is-ahead", help="only a witness knows of the loss, or the files are gone for good"),
    ] = False,
    data: Data = Path("suyuan-data"),
    lang: Lang = None,
) -> None:
    """Begin a new shard after a loss that is for good; the link between the two says so to everybody."""
    language = language_of(lang)
    settings = settings_of(data)
    place = settings.database_place
    if isinstance(place, Path) and not place.exists():
        fail(no_platform(settings.data, language))
    with _said(language), db.serving(place) as url, db.connect(url, autocommit=True) as connection:
        if not shards(connection):
            fail(WORDS[language]["no_shards"], code=1)
        fresh = begin_again(
            connection,
            settings.log_folder,
            log_name=settings.log_prefix,
            second_copies=settings.log_copies,
            witness_is_ahead=witness_is_ahead,
        )
    tell(WORDS[language]["begun"].format(name=fresh.name, first_seq=fresh.first_seq))


# --- what these commands share -------------------------------------------------------------------


class Named(NamedTuple):
    """What somebody named: events by their places, and all of things by their ids."""

    places: tuple[int, ...]
    things: tuple[str, ...]


def named(what: Sequence[str]) -> Named:
    """
    >>> named(["17", "rdm_1", "１", "9" * 20])
    Named(places=(17,), things=('rdm_1', '１', '99999999999999999999'))
    """
    places = {one: decimal(one) for one in what}
    return Named(
        tuple(place for place in places.values() if place is not None),
        tuple(one for one, place in places.items() if place is None),
    )


async def look_up(fetch: db.Fetch, what: Named) -> tuple[list[int], str | None]:
    """The places in history that were named, and the first name under which nothing is sealed, if there is one."""
    places = set(what.places)
    for place in what.places:
        if await leaf_at(fetch, place) is None:
            return [], str(place)
    for thing in what.things:
        found = await leaves_of(fetch, thing, rows_max=EVENTS_OF_A_THING_MAX)
        if not found:
            return [], thing
        places.update(found)
    return sorted(places), None


def nothing_of(settings: Settings, name: str, language: Language) -> str:
    """Why the log holds nothing of this: it is not sealed yet, or nobody ever heard of it."""
    with reading(settings, language) as connection:
        is_behind = next_leaf(connection) < next_seq(connection)
    return WORDS[language]["nothing" if is_behind else "unknown"].format(what=name)


def settings_of(data: Path) -> Settings:
    """The settings of a data folder. Ends the command where they cannot be read."""
    try:
        return load_settings(data)
    except BadSettings as bad:
        fail(str(bad))


def url_of(settings: Settings) -> str:
    """Where the database is, while it is being served."""
    return settings.database_url or db.Server(settings.data / "pg").url()


@contextmanager
def _said(language: Language) -> Iterator[None]:
    """Ends the command with a sentence for what its work may come upon."""
    try:
        yield
    except (BadEvidence, LogStopped, KeyTrouble, NothingIsLost) as trouble:
        fail(trouble.zh if language == "zh" else str(trouble), code=1)
    except (BrokenLeaf, db.DatabaseTrouble) as trouble:
        fail(str(trouble), code=1)
    except OSError as trouble:
        fail(f"{trouble.filename}: {trouble.strerror}", code=1)
