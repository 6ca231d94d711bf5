"""A whole platform of real processes, and the means to kill any of them: `suyuan serve` and a sandbox, nothing faked.

    suyuan serve ── PostgreSQL · line (· standby) · api × 2 · completer · sealer        sandbox

A `House` is opened once (officers, a partner, a contract, sellers) and then lives on through any number of deaths:
`kill` takes one of `VICTIMS`, `bring_back` starts what nobody else starts again. It finds processes by the folder that
is theirs alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import msgspec

from suyuan.app.appliers import ANSWERS
from suyuan.app.keys import load_keys, make_keys
from suyuan.base import crypto, db, wire
from suyuan.base.clock import monotonic_s
from suyuan.base.refusals import Refusal
from suyuan.config import load_settings
from suyuan.faces import officers
from suyuan.faces.cli.serve import settings_text
from suyuan.faces.officers import Officer
from suyuan.faces.sdk import AsyncPlatform, Patience, Refused
from suyuan.flows.change_terms import AnyChange, encode_change
from suyuan.flows.deploy_policy import DeployPolicy
from suyuan.flows.trade_terms import AddContract, AddKey, AddPartner
from suyuan.history.frames import LineCaller
from suyuan.outside.sandbox.client import Control, RunningSandbox
from suyuan.outside.sandbox.facts import Card, Merchant
from tests.risk.policies import QUIET

VICTIMS = ("api", "line", "completer", "sandbox", "supervisor", "postgres", "sealer", "observer", "backend")
CONTRACT, PARTNER, PARTNER_KEY = "ctr_crash", "ptn_crash", "key_crash"
READY_S = 60.0
# Each may sell five hundred of these cards a day.
SELLERS = 48
FACE_FEN = 10_00
# A card is numbered; its serial and its PIN follow from the number.
CARDS_PER_REQUEST = 2_000

_signers = {name: crypto.suite("ed25519").signer(bytes([place]) * 32) for place, name in enumerate("abp")}


def card(number: int) -> Card:
    """The nth card of the operator."""
    return Card("cmcc", f"{number:017}", f"66{number:016}", FACE_FEN)


class House:
    """A platform and its world. Close it."""

    def __init__(
        self, data: Path, folder: Path, *, standby: bool = False, more: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self.data, self.folder = data, folder
        (data / "suyuan.toml").write_text(settings_text(dict(more)), "utf-8")
        make_keys(load_settings(data))
        self.keys = load_keys(load_settings(data))
        self.sandbox = RunningSandbox(folder / "world.jsonl", self.keys.public_key)
        self.control = Control(self.sandbox.url)
        self.control.register_merchants([Merchant("bank_transfer", "m-1")])
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        operators = dict.fromkeys(("cmcc", "unicom", "telecom"), self.sandbox.url)
        settings = {
            "port": self.port, "workers": 2, "standby": standby, "provider_deadline_s": 2.0, "housekeeping_s": 1.0,
            # As often as may be, so that most deaths fall into the middle of a round.
            "seal_s": 0.1,
            "operators": operators, "channels": {"bank_transfer": self.sandbox.url}, **more,
        }  # fmt: skip
        (data / "suyuan.toml").write_text(settings_text(settings), "utf-8")
        self._log = (folder / "serve.log").open("ab")
        self.sellers = [f"slr_{number}" for number in range(SELLERS)]
        self._start()

    @property
    def database_url(self) -> str:
        return db.Server(self.data / "pg").url()

    def _start(self) -> None:
        command = [sys.executable, "-m", "suyuan", "serve", "--data", str(self.data)]
        self.supervisor = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def close(self) -> None:
        self.supervisor.send_signal(signal.SIGTERM)
        try:
            self.supervisor.wait(30)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            self.supervisor.wait()
        self.control.close()
        self.sandbox.stop()
        self._log.close()
        db.Server(self.data / "pg").stop("immediate")

    # --- the first day ---

    async def open(self, *, cards: int) -> None:
        """Two officers, a partner with a key and a contract, its sellers, and cards that the operator has issued."""
        await self.ready()
        line = LineCaller(self.data / "run" / "line.sock", ANSWERS)
        try:
            assert await line.reach(within_s=READY_S)
            await self._register_terms(line)
        finally:
            line.close()
        for begin in range(0, cards, CARDS_PER_REQUEST):
            numbers = range(begin, min(begin + CARDS_PER_REQUEST, cards))
            await asyncio.to_thread(self.control.issue_cards, [card(number) for number in numbers])
        async with self.as_partner() as platform:
            for number, seller in enumerate(self.sellers):
                answer = await platform.register_seller(
                    name="王小明", identity_number=f"{number:06}19900101000X", number=f"138{number:08}",
                    payee=f"acct-{number}", seller=seller, idempotency_key=seller,
                )  # fmt: skip
                assert not isinstance(answer, Refused), answer

    async def _register_terms(self, line: LineCaller) -> None:
        ann, bob = Officer("ofc_a", _signers["a"]), Officer("ofc_b", _signers["b"])
        commands: list[msgspec.Struct] = [officers.register(ann), officers.register(bob)]
        public = wire.b64(_signers["p"].public)
        changes: tuple[AnyChange, ...] = (
            AddPartner(PARTNER, "crash"),
            AddKey(PARTNER_KEY, "partner", PARTNER, "ed25519", public),
            AddContract(CONTRACT, PARTNER, "card", "money", 10, 8, "bank_transfer", "m-1", "consume_then_pay"),
            # A load of hundreds a minute is what the shipped policy delays; here everything has to come to its end.
            DeployPolicy(QUIET, "active"),
        )
        for number, change in enumerate(changes):
            proposal = f"prp_{number}"
            approval = officers.approve(bob, proposal, encode_change(change))
            commands += [officers.propose(ann, proposal, change), approval]
        for command in commands:
            answer = await line.submit(command)
            assert not isinstance(answer, Refusal), answer

    def as_partner(self) -> AsyncPlatform:
        """The platform as its partner sees it, through the SDK."""
        return AsyncPlatform(
            self.url, key_id=PARTNER_KEY, signer=_signers["p"], keys={self.keys.key_id: self.keys.public_key},
            patience=Patience(tries_max=3, first_wait_s=0.05, wait_max_s=0.2), timeout_s=5.0,
        )  # fmt: skip

    # --- dying ---

    async def ready(self) -> None:
        """Waits until the API says that it is ready, which it is only with a line that leads."""
        until_s = monotonic_s() + READY_S
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=2) as http:
            while monotonic_s() < until_s:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("/v1/health")).status_code == httpx.codes.OK:
                        return
                assert self.supervisor.poll() is None, self.logs()
                await asyncio.sleep(0.05)
        raise AssertionError(f"the platform did not become ready\n{self.logs()}")

    def kill(self, victim: str) -> int:
        """kill -9; for `postgres` an immediate stop, which is a power cut to it. Counts whom it hit."""
        if victim == "sandbox":
            self.sandbox.kill()
            return 1
        if victim == "supervisor":
            self.supervisor.kill()
            self.supervisor.wait()
            return 1
        pids, how = list(self.pids(victim)), signal.SIGKILL
        if victim == "postgres":
            pid = db.Server(self.data / "pg").pid()
            pids, how = [] if pid is None else [pid], signal.SIGQUIT
        if victim == "backend":
            with contextlib.suppress(db.DatabaseTrouble), db.connect(self.database_url) as connection:
                pids = [pid for (pid,) in connection.execute("SELECT leader_pid FROM line_head")]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        return len(pids)

    def bring_back(self, victim: str) -> None:
        """Starts again what the supervisor does not: the sandbox, and the supervisor itself."""
        if victim == "sandbox":
            self.sandbox.start()
        elif victim == "supervisor":
            self._start()

    def pids(self, role: str) -> Iterator[int]:
        """The processes of one role of this platform alone."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"\0{role}\0{self.data}\0" in (folder / "cmdline").read_text():
                    yield int(folder.name)

    def leader(self) -> tuple[int, int]:
        """The process of the line that leads, and its epoch: the one whose log tells of the highest."""
        found = []
        for pid in self.pids("line"):
            log = Path(f"/proc/{pid}/fd/2").readlink()
            lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
            found += [(line["epoch"], pid) for line in lines if line["event"] == "line_leads"]
        epoch, pid = max(found)
        return pid, epoch

    def logs(self) -> str:
        """What the processes said last."""
        files = [self.folder / "serve.log", *sorted((self.data / "log").glob("*.log"))]
        return "\n".join(f"--- {file.name}\n{file.read_text()[-1_500:]}" for file in files if file.exists())
