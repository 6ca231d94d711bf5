"""The other end of the sandbox: its control side in typed calls, and the sandbox as a process that can be killed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import msgspec

from suyuan.base.crypto import PublicKey
from suyuan.outside.sandbox.control_side import (
    BalancesBody,
    CardsBody,
    MerchantsBody,
    PayeesBody,
    PeopleBody,
    SpendBody,
    TransitKeysBody,
)
from suyuan.outside.sandbox.facts import Balance, Card, CardName, Merchant, Payee, Person, TransitKey
from suyuan.outside.sandbox.faults import FaultPlan
from suyuan.outside.sandbox.world import Tally

CONTROL_TIMEOUT_S = 30.0
STOP_S = 5.0


class ControlRefused(Exception):
    """The control side did not take what it was told; the message is its own sentence."""


class Control:
    """Plays the world. Used by tests, the demo and the simulator, never by the platform."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=CONTROL_TIMEOUT_S, trust_env=False)

    def issue_cards(self, cards: Sequence[Card]) -> int:
        return self._post("cards", CardsBody(list(cards)))

    def spend(self, cards: Sequence[CardName]) -> int:
        """Their holders use the PINs. Counts those that were still good."""
        return self._post("spend", SpendBody(list(cards)))

    def open_balances(self, balances: Sequence[Balance]) -> int:
        return self._post("balances", BalancesBody(list(balances)))

    def register_merchants(self, merchants: Sequence[Merchant]) -> int:
        return self._post("merchants", MerchantsBody(list(merchants)))

    def change_payees(self, payees: Sequence[Payee]) -> int:
        return self._post("payees", PayeesBody(list(payees)))

    def enrol_people(self, people: Sequence[Person]) -> int:
        return self._post("people", PeopleBody(list(people)))

    def set_transit_keys(self, keys: Sequence[TransitKey]) -> int:
        return self._post("transit_keys", TransitKeysBody(list(keys)))

    def set_faults(self, plan: FaultPlan) -> None:
        self._post("faults", plan)

    def heal(self, target: str) -> None:
        """Ends every fault of one twin."""
        self._post("faults", FaultPlan(target))

    def tally(self, *, sums_only: bool = False) -> Tally:
        """The truth."""
        answer = self._http.get("/control/tally", params={"detail": "sums"} if sums_only else None)
        return msgspec.json.decode(answer.raise_for_status().content, type=Tally)

    def close(self) -> None:
        self._http.close()

    def _post(self, name: str, body: msgspec.Struct) -> int:
        answer = self._http.post(f"/control/{name}", content=msgspec.json.encode(body))
        if answer.status_code != httpx.codes.OK:
            raise ControlRefused(answer.text.strip())
        count: int = answer.json()["count"]
        return count


class RunningSandbox:
    """A running sandbox. Leave the `with` and it is stopped; `kill` and `start` it as often as a test wants."""

    def __init__(self, state_file: Path, platform_public_key: PublicKey, *, port: int = 0) -> None:
        self._state_file = state_file
        self._key = platform_public_key
        self._port = port
        self.url = ""
        self.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Starts it, on the port that it had before, and returns once it listens."""
        command = [sys.executable, "-m", "suyuan.outside.sandbox", "--state", str(self._state_file)]
        command += ["--key", self._key.text(), "--port", str(self._port)]
        # Complaints go to a file and not to a pipe: nobody reads along, and a full pipe would stop the sandbox.
        with tempfile.TemporaryFile() as complaints:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints)
            assert self._process.stdout is not None, "its output was asked for"
            self.url = self._process.stdout.readline().decode().strip()
            if not self.url:
                self.wait()
                complaints.seek(0)
                raise RuntimeError(complaints.read().decode(errors="replace").strip())
        self._port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Waits for it to go down by itself and gives its exit status."""
        self._process.communicate()
        return self._process.returncode

    def stop(self) -> None:
        """Asks it to stop; insists after some seconds."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
