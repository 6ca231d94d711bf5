"""`suyuan demo`: the whole platform in small, for real, and a report that a manager can read.

A sandbox of operators and payout channels runs in a process of its own; PostgreSQL, the line, the API and the
completer are those of `suyuan serve`; traffic comes through the public SDK. A second platform without traffic runs
beside it, so that the two witness each other's logs, with a neutral third. Exit status 0 means that no attack got
through, no limit was passed, the books are balanced, history has no gaps, and others have cosigned all of it.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from suyuan.app.appliers import ANSWERS
from suyuan.app.keys import PlatformKeys, load_keys, make_keys
from suyuan.app.supervisor import Supervisor, database_url
from suyuan.base import db
from suyuan.base.clock import monotonic_s
from suyuan.config import FILE, load_settings
from suyuan.faces.cli import demo_report
from suyuan.faces.cli.audit import audit_place
from suyuan.faces.cli.serve import settings_text
from suyuan.faces.cli.speaking import Json, Lang, language_of
from suyuan.faces.cli.terminal import as_json, fail
from suyuan.faces.sdk import SigningKey, write_key_file
from suyuan.faces.simulate.day import Day, Place, Progress, live_through
from suyuan.faces.simulate.deeds import Plan
from suyuan.faces.simulate.neighbourhood import CosignedLog, Neighbourhood
from suyuan.faces.simulate.plan import make_plan
from suyuan.faces.simulate.search import planted_by, search
from suyuan.faces.simulate.stage import SceneFailed
from suyuan.faces.simulate.witnesses import circle
from suyuan.history.frames import LineCaller
from suyuan.outside.sandbox.client import Control, RunningSandbox
from suyuan.outside.sandbox.world import CHANNELS, OPERATORS
from suyuan.settle import roll
from suyuan.settle.audit import Audit

SANDBOX_FILE = "sandbox.jsonl"
POLICY_FILE = "witnesses.tlog-policy"
REDEMPTIONS = 4_000
IN_FLIGHT = 48
READY_S = 60.0
PAYOUTS_WAIT_S = 45.0
PAYOUTS_PER_S_MIN = 100
PROVIDER_DEADLINE_S = 2.0
INTERRUPTED = 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the caller of the demo chose."""

    redemptions: int
    seed: int
    workers: int


@app.command()
def demo(
    *,
    redemptions: Annotated[int, typer.Option(min=1, help="how many redemptions are asked for")] = REDEMPTIONS,
    seed: Annotated[int, typer.Option(help="the same seed gives the same plan")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="how many API processes")] = 1,
    data: Annotated[Path | None, typer.Option(help="a new folder for the platform; else a temporary one")] = None,
    is_kept: Annotated[bool, typer.Option("--keep", help="leave the platform running until Ctrl-C")] = False,
    is_for_machines: Json = False,
    lang: Lang = None,
) -> None:
    """Runs the platform in a sandbox with ordinary sellers and every known attack, and reports."""
    language = language_of(lang)
    choices = Choices(redemptions, seed, workers)
    began_s = monotonic_s()
    try:
        with _folder(data) as folder, _neighbourhood(folder, choices) as (neighbourhood, sandbox):
            platform = neighbourhood.platform
            with demo_report.shown_progress(language) as progress:
                day = asyncio.run(_spend_day(choices, neighbourhood, sandbox, progress))
                progress("audit", 0, 1)
                audit = audit_place(folder)
                progress("audit", 1, 1)
                progress("cosign", 0, 1)
                logs = neighbourhood.wait_until_cosigned(audit.history_events)
                progress("cosign", 1, 1)
                progress("search", 0, 1)
                planted, url = planted_by(day.witnessed.plan), database_url(platform.settings)
                in_clear = search(planted, folder, url, besides=frozenset({SANDBOX_FILE}))
                progress("search", 1, 1)
            facts = facts_of(day, audit, in_clear, logs, seconds=monotonic_s() - began_s)
            if not is_for_machines:
                demo_report.show(facts, language)
            else:
                as_json(facts)
            if is_kept:
                write_keys(folder / "people", day.witnessed.plan)
                demo_report.show_address(platform.settings, sandbox.url, language)
                platform.run()
    except (SceneFailed, db.DatabaseTrouble, OSError) as trouble:
        fail(str(trouble), code=1)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(0 if is_sound(facts) else 1)


def facts_of(
    day: Day, audit: Audit, in_clear: Mapping[str, int], logs: tuple[CosignedLog, CosignedLog], *, seconds: float
) -> dict[str, Any]:
    """The report for machines: the verdict, whose docstring says what each count means, and what the audit found.

    `found_in_clear` says where how many planted personal values or card secrets were found (`simulate.search`),
    `cosigned_events` how many events of history are under a checkpoint that the witnesses `cosigned_by` have signed,
    `neighbour_cosigned_events` the same of the second platform.
    """
    own, neighbours = logs
    verdict: dict[str, Any] = msgspec.to_builtins(day.verdict)
    return verdict | {
        "books_balanced": audit.balanced,
        "history_gapless": audit.invariants["history_is_in_order"],
        "findings": audit.findings,
        "found_in_clear": in_clear,
        "cosigned_events": own.events,
        "cosigned_by": own.by,
        "neighbour_cosigned_events": neighbours.events,
        "postings": audit.postings,
        "history_events": audit.history_events,
        "redemptions_per_s": round(day.verdict.offered / day.traffic_s, 1),
        "traffic_s": round(day.traffic_s, 2),
        "seconds": round(seconds, 2),
    }


def is_sound(facts: dict[str, Any]) -> bool:
    """Whether everything that the platform promises was kept."""
    is_safe = facts["attacks_got_through"] == 0 and facts["over_limit_fen"] == 0 and not facts["found_in_clear"]
    is_witnessed = facts["cosigned_events"] >= facts["history_events"] and facts["neighbour_cosigned_events"] > 0
    return bool(is_safe and facts["books_balanced"] and facts["history_gapless"] and is_witnessed)


def write_keys(folder: Path, plan: Plan) -> None:
    """The key files of the officers and partners of a demo, for whoever keeps it and wants to try things."""
    folder.mkdir(mode=0o700)
    cast = plan.cast
    people = {"officer-1": cast.officers[0], "officer-2": cast.officers[1]}
    people |= {f"partner-{partner.name}": partner.key for partner in cast.partners}
    for name, keys in people.items():
        write_key_file(folder / f"{name}.key", SigningKey(keys.id, keys.algorithm, keys.secret))


async def _spend_day(
    choices: Choices, neighbourhood: Neighbourhood, sandbox: RunningSandbox, progress: Progress
) -> Day:
    """Spends the day while the supervisors keep looking after their processes."""
    watching = asyncio.create_task(_keep_running(neighbourhood))
    settings = neighbourhood.platform.settings
    keys = load_keys(settings)
    line = LineCaller(settings.line_socket, ANSWERS)
    control = Control(sandbox.url)
    try:
        if not await line.reach(within_s=READY_S):
            raise SceneFailed(f"the line did not start; its log is in {settings.data / 'log'}")
        await _wait_for_api(settings.public_origin)
        await neighbourhood.introduce()
        place = Place(
            settings.public_origin, {keys.key_id: keys.public_key}, control, line,
            lambda seller: _person(database_url(settings), seller),
        )  # fmt: skip
        plan = make_plan(choices.seed, choices.redemptions)
        wait_s = PAYOUTS_WAIT_S + choices.redemptions / PAYOUTS_PER_S_MIN
        return await live_through(plan, place, in_flight=IN_FLIGHT, payouts_wait_s=wait_s, progress=progress)
    finally:
        watching.cancel()
        line.close()
        control.close()


def _person(url: str, seller: str) -> str:
    with db.connect(url) as connection:
        return roll.identity_of(connection, seller)


async def _keep_running(neighbourhood: Neighbourhood) -> None:
    while True:
        neighbourhood.keep_running()
        await asyncio.sleep(0.1)


async def _wait_for_api(url: str) -> None:
    import httpx

    until_s = monotonic_s() + READY_S
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        while monotonic_s() < until_s:
            with suppress(httpx.TransportError):
                if (await http.get("/v1/health")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.05)
    raise SceneFailed(f"the API at {url} did not become ready")


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """The data folder: the one that was named, which must be new, or a temporary one."""
    if data is not None:
        if data.exists() and any(data.iterdir()):
            raise SceneFailed(f"{data} is not empty; a demo begins with a new folder")
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        yield data.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="suyuan-demo-"))
    # Started as root, the database runs under another account, which has to pass through here to its own folder.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _neighbourhood(data: Path, choices: Choices) -> Iterator[tuple[Neighbourhood, RunningSandbox]]:
    """A sandbox, a platform that knows it, its neighbour and their witnesses.

    All of them end with the context, also when this process is asked to stop.
    """
    # Asked to stop, the demo ends as with Ctrl-C, so that nothing of it is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plain = load_settings(data)
    make_keys(plain)
    keys: PlatformKeys = load_keys(plain)
    with RunningSandbox(data / SANDBOX_FILE, keys.public_key) as sandbox, circle(data / "witnesses") as witnesses:
        _write_settings(data, _settings(sandbox.url, choices), witnesses.policy())
        with Supervisor(load_settings(data)) as platform:
            neighbour = data / "neighbour"
            _write_settings(neighbour, _neighbours_settings(platform), witnesses.policy(of_neighbour=True))
            with Supervisor(load_settings(neighbour)) as beside:
                yield Neighbourhood(platform, beside, witnesses), sandbox


def _write_settings(data: Path, settings: dict[str, Any], policy: str) -> None:
    # Others may pass through it, as through any data folder (`Supervisor`).
    data.mkdir(mode=0o711, exist_ok=True)
    (data / POLICY_FILE).write_text(policy, "utf-8")
    (data / FILE).write_text(settings_text(settings | {"log_policy": POLICY_FILE}), "utf-8")


def _neighbours_settings(platform: Supervisor) -> dict[str, Any]:
    """A platform with a database of its own, in the server of the first, so that no second one has to start."""
    with db.connect(database_url(platform.settings), autocommit=True) as connection:
        connection.execute("CREATE DATABASE neighbour STRATEGY file_copy")
    return {
        "port": _free_port(),
        "database_url": db.Server(platform.settings.data / "pg").url("neighbour"),
        "log_name": "neighbour.example/log",
        "controller_name": "示例邻居平台 (a demo, run by nobody)",
        "controller_contact": "privacy@example.com",
    }


def _settings(sandbox_url: str, choices: Choices) -> dict[str, Any]:
    return {
        "port": _free_port(),
        "log_name": "platform.example/log",
        "workers": choices.workers,
        # The simulator plays callers from many networks, so what it says of their addresses is believed.
        "trusted_proxies": ["127.0.0.1"],
        "face_check_url": sandbox_url,
        "controller_name": "示例回收平台 (a demo, run by nobody)",
        "controller_contact": "privacy@example.com",
        "number_proof_url": sandbox_url,
        "provider_deadline_s": PROVIDER_DEADLINE_S,
        "housekeeping_s": 1.0,
        "operators": dict.fromkeys(OPERATORS, sandbox_url),
        "channels": dict.fromkeys(CHANNELS, sandbox_url),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
