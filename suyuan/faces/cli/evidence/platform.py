"""`suyuan evidence prove`, `status`, `witness`, `rebuild` and `begin`: the public log, on the machine that writes it.

None of these opens what is about a person. `rebuild` and `begin` are for the day after a loss, and change nothing that
was signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from suyuan.app.keys import log_signers
from suyuan.app.sealer import STOPPED, read_log_policy
from suyuan.base import db
from suyuan.base.clock import SystemClock
from suyuan.base.refusals import Language, Refusal
from suyuan.config import BadSettings, Settings, load_settings
from suyuan.evidence.check import BadEvidence, read_checkpoint, read_note
from suyuan.evidence.leaves import ShardStart, entries, leaves_of, next_leaf, shards
from suyuan.evidence.log import Tiles
from suyuan.evidence.rebuild import rebuild
from suyuan.evidence.shard import Shard
from suyuan.evidence.stops import LogStopped
from suyuan.evidence.tiles import CHECKPOINT, replace_file
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
        "nothing": "The log holds nothing of {what} yet; sealing takes a second or two.",
        "no_shard": "There is no shard {name}; see `suyuan evidence status`.",
        "rebuilt": "{count} files put right; {size} entries are as they were signed.",
        "begun": "Shard {name} begins with event {first_seq}; what the old one signed from there on counts as lost.",
        "no_witnesses": "No witnesses are configured; name them in a tlog-policy file (docs/witness.md).",
        "stopped": "Sealing stands still:",
    },
    "zh": {
        "proven": "{count} 条记录已存入 {folder}；核对方法：suyuan evidence verify {folder}/{seq}/record.tlog-proof"
        " --policy {policy}",
        "nothing": "日志中尚无 {what} 的内容，载入通常只需一两秒。",
        "no_shard": "没有分片 {name}，请见 `suyuan evidence status`。",
        "rebuilt": "已修复 {count} 个文件；{size} 条均与签署时一致。",
        "begun": "分片 {name} 自第 {first_seq} 号事件开始；旧分片自该处起所签署的内容将公示为丢失。",
        "no_witnesses": "未配置见证方，请在 tlog-policy 文件中列明（见 docs/witness.md）。",
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
    with reading(settings, language):
        found = asyncio.run(_proven(settings, what))
    if isinstance(found, Refusal):
        refuse(found, language)
    if not found:
        fail(WORDS[language]["nothing"].format(what=", ".join(what)), code=1)
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


async def _proven(settings: Settings, what: Sequence[str]) -> list[Proven] | Refusal:
    pool = db.ReadPool(url_of(settings))
    try:
        published = Publication(pool.fetch, settings.log_folder)
        proven = []
        for seq in await places_of(pool.fetch, what):
            one = await prove_event(published, seq)
            if isinstance(one, Refusal):
                return one
            proven.append(one)
        return proven
    finally:
        await pool.close()


async def places_of(fetch: db.Fetch, what: Sequence[str]) -> list[int]:
    """The places in history that somebody named, by themselves or by what they are about."""
    places = {int(one) for one in what if one.isascii() and one.isdigit()}
    for thing in what:
        if not thing.isdigit():
            places.update(await leaves_of(fetch, thing, rows_max=EVENTS_OF_A_THING_MAX))
    return sorted(places)


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
        print_table(tuple(rows[0]) if rows else ("shard",), [tuple(row.values()) for row in rows])
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
    rows = asyncio.run(_asked(settings, known))
    if is_for_machines:
        as_json(rows)
    elif rows:
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    else:
        tell(WORDS[language]["no_witnesses"])


async def _asked(settings: Settings, known: Sequence[ShardStart]) -> list[dict[str, Any]]:
    policy, _ = read_log_policy(settings)
    rows = []
    for start in known:
        vkeys = [signer.vkey for signer in log_signers(settings, start.name, start.origin, is_new=False)]
        for name, one in policy.witnesses.items() if policy else ():
            if not one.url:
                continue
            caller = HttpWitness(one.vkey, one.url, vkeys, SystemClock(), deadline_s=settings.witness_deadline_s)
            seen = await caller.latest(start.origin)
            await caller.close()
            rows.append({"shard": start.name, "witness": name, "url": one.url, "seen": seen})
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
            folder = settings.log_folder / start.name
            if checkpoint is not None:
                folder.mkdir(parents=True, exist_ok=True)
                replace_file(folder / CHECKPOINT, checkpoint.read_bytes())
            behind = next((one.first_seq for one in shards(connection) if one.first_seq > start.first_seq), None)
            leaves = entries(connection, start.first_seq, behind or next_leaf(connection))
            done = rebuild(Shard(folder, start.origin, signers, copy), leaves)
    tell(WORDS[language]["rebuilt"].format(count=len(done.files), size=done.size))


def begin(
    *,
    witness_is_ahead: Annotated[
        bool, typer.Option("--witness-is-ahead", help="database and files agree, and only a witness knows of the loss")
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
        fresh = begin_again(
            connection, settings.log_folder, log_name=settings.log_prefix, witness_is_ahead=witness_is_ahead
        )
    tell(WORDS[language]["begun"].format(name=fresh.name, first_seq=fresh.first_seq))


# --- what these commands share -------------------------------------------------------------------


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
    except LogStopped as stopped:
        fail(stopped.zh if language == "zh" else str(stopped), code=1)
    except BadEvidence as bad:
        fail(bad.zh if language == "zh" else str(bad), code=1)
    except (NothingIsLost, KeyTrouble, db.DatabaseTrouble) as trouble:
        fail(str(trouble), code=1)
    except OSError as trouble:
        fail(f"{trouble.filename}: {trouble.strerror}", code=1)
