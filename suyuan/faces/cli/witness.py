"""`suyuan witness`: a witness of other people's logs, which needs no platform.

It cosigns what goes on from the last checkpoint it saw (C2SP tlog-witness), so that no log can show two histories to
two readers. `docs/witness.md` says how a partner sets one up, and what to do when a log contradicts itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvicorn

from suyuan.base import clock
from suyuan.evidence.check import BadEvidence, Vkey, check_signatures, read_checkpoint, read_note
from suyuan.evidence.log.note import ed25519_fits, vkey_text
from suyuan.evidence.witness.cosigning import Witness
from suyuan.evidence.witness.key import load_witness_key, make_witness_key
from suyuan.evidence.witness.memory import Fork, Memory
from suyuan.evidence.witness.watched_logs import BadLogs, WatchedLogs
from suyuan.faces.cli.terminal import as_json, fail, language, sentence_of
from suyuan.privacy.keyring import KEY_BYTES, KeyTrouble

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Watch other people's logs and cosign them.")

BACKLOG = 512
Data = Annotated[Path, typer.Option("--data", help="the witness's own folder")]
Json = Annotated[bool, typer.Option("--json", help="for machines")]


@app.command()
def key(
    data: Data,
    name: Annotated[str, typer.Option(help="what stands in its cosignatures, such as partner.example/witness")],
    json: Json = False,
) -> None:
    """Make the witness's key (mode 0600) unless it is there, and print its vkey for the logs that it is to watch."""
    try:
        cosigner = make_witness_key(data, name, chance=os.urandom(KEY_BYTES))
    except KeyTrouble as trouble:
        fail(sentence_of(trouble))
    except OSError as error:
        fail(str(error))
    text = vkey_text(cosigner.vkey)
    if json:
        as_json({"name": name, "vkey": text})
    else:
        print(text)


@app.command()
def serve(
    data: Data,
    logs: Annotated[Path, typer.Option(help="a file with the vkeys of the logs to watch, one a line")],
    host: Annotated[str, typer.Option(help="the address to listen on; TLS belongs to a proxy in front")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="the port to listen on; 0 takes a free one")] = 8630,
) -> None:
    """Cosign checkpoints until told to stop. The first line of output is the address."""
    from suyuan.app.lifeline import log_as_json
    from suyuan.faces.http.listening import listening
    from suyuan.faces.http.witness import build_witness

    log_as_json()
    try:
        witness = Witness(data, load_witness_key(data), WatchedLogs(logs))
        listens = _listen(host, port)
    except KeyTrouble as trouble:
        fail(sentence_of(trouble))
    except (BadLogs, OSError) as error:
        fail(str(error))
    # Asked to stop, the server finishes what it has begun; uvicorn then raises the signal again, for nobody.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{listens.getsockname()[1]}", flush=True)
    server = uvicorn.Server(listening(build_witness(witness, clock.SystemClock())))
    asyncio.run(server.serve(sockets=[listens]))


@app.command()
def show(data: Data, json: Json = False) -> None:
    """Show what was cosigned last for each log, and what speaks against one. Leaves with 1 when something does."""
    try:
        vkey = load_witness_key(data).vkey
    except KeyTrouble as trouble:
        fail(sentence_of(trouble))
    memory = Memory(data)
    try:
        logs = [shown for log_hash in memory.logs() if (shown := _shown(memory, log_hash, vkey)) is not None]
    except BadEvidence as damage:
        fail(damage.zh if language() == "zh" else str(damage), code=1)
    if json:
        as_json({"logs": logs})
    for one in [] if json else logs:
        print(f"{one.origin}  {one.size}  {clock.text(one.at)}")
        for fork in one.forks:
            print(f"    {_WORDS[language()][fork.is_proof]}: {fork.file}")
    raise typer.Exit(1 if any(one.forks for one in logs) else 0)


class _Fork(msgspec.Struct, frozen=True):
    file: str
    is_proof: bool


class _Log(msgspec.Struct, frozen=True):
    """What is remembered of one log; of one that never had a checkpoint cosigned, size and time are 0."""

    origin: str
    size: int
    at: int
    forks: list[_Fork]


_WORDS = {
    "en": {True: "the log contradicts itself", False: "the log did not show that it goes on from what it was"},
    "zh": {True: "该日志自相矛盾", False: "该日志未能证明其延续此前的历史"},
}


def _shown(memory: Memory, log_hash: str, vkey: Vkey) -> _Log | None:
    files = memory.forks(log_hash)
    forks = [(file, msgspec.json.decode(file.read_bytes(), type=Fork)) for file in files]
    found = [_Fork(str(file), fork.is_proof) for file, fork in forks]
    note = memory.newest(log_hash)
    if note is not None:
        read = read_note(note)
        (signed,) = check_signatures(read, [vkey], verify=ed25519_fits)
        checkpoint = read_checkpoint(read.text)
        return _Log(checkpoint.origin, checkpoint.size, (signed.at or 0) * clock.SECOND, found)
    origins = [fork.refused.partition("\n")[0] for _, fork in forks]
    return _Log(origins[0], 0, 0, found) if origins else None


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    # A witness that was killed comes back on its old port at once.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(BACKLOG)
    return listening
