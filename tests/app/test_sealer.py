"""The process that seals: what stops it is said, in both languages, and once it is put right sealing goes on by itself.

No process ends over what a person has to put right, since the next one would only come upon the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from suyuan.app.keys import make_keys
from suyuan.base import db
from suyuan.base.crypto import suite
from suyuan.config import load_settings
from suyuan.evidence.log.note import cosigner, vkey_text
from suyuan.evidence.log.shard_list import signed_size
from suyuan.faces.cli.serve import settings_text
from tests.flows.house import open_house
from tests.flows.sealing import sell

WITHIN_S = 30.0
POLICY = f"witness w {vkey_text(cosigner('w.example', suite('ed25519').signer(bytes(32))).vkey)}\nquorum none\n"


class Running:
    """A sealer on a database, with a data folder of its own."""

    def __init__(self, data: Path, url: str) -> None:
        self.data, self.log = data, data / "public-log"
        (data / "suyuan.toml").write_text(
            settings_text({"database_url": url, "log_policy": "witnesses.txt", "seal_s": 0.1}), "utf-8"
        )
        make_keys(load_settings(data))
        self._lifeline, self._held = os.pipe()
        command = [sys.executable, "-m", "suyuan.app", "sealer", str(data), str(self._lifeline)]
        with (data / "sealer.log").open("wb") as said:
            self.process = subprocess.Popen(command, stderr=said, pass_fds=[self._lifeline])

    def close(self) -> None:
        os.close(self._held)
        os.close(self._lifeline)
        self.process.terminate()
        assert self.process.wait(WITHIN_S) == 0

    def wait_for(self, what: Callable[[], bool]) -> None:
        until = time.monotonic() + WITHIN_S
        while not what():
            assert self.process.poll() is None, (self.data / "sealer.log").read_text()
            assert time.monotonic() < until, (self.data / "sealer.log").read_text()
            time.sleep(0.02)

    def stops(self, code: str, en: str, zh: str, *, times: int = 1) -> None:
        """Says this, with a sentence in each language, and once; `times` counts other reasons of the same code."""
        file = self.log / "stopped"
        self.wait_for(lambda: file.exists() and code in (said := file.read_text("utf-8")) and en in said)
        said = file.read_text("utf-8").splitlines()
        assert said[0] == code
        assert en in said[1], said
        assert zh in said[2], said
        assert len(said) == 3
        assert (self.data / "sealer.log").read_text("utf-8").count(f'"code": "{code}"') == times

    def goes_on(self) -> None:
        self.wait_for(lambda: not (self.log / "stopped").exists())


@pytest.fixture
def running(database: str, tmp_path: Path) -> Iterator[Running]:
    with open_house(database) as house:
        sell(house)
    running = Running(tmp_path, database)
    yield running
    running.close()


def test_what_stops_sealing_is_said_and_ends_with_it(running: Running, database: str) -> None:
    """Five things go wrong one after the other, in one process."""
    # (1) A policy that is not there, and one that cannot be read as one.
    running.stops("policy_cannot_be_read", "No such file", "witnesses.txt")
    (running.data / "witnesses.txt").write_text("witness w nonsense\n")
    running.stops("policy_cannot_be_read", "is not a verifier key", "witnesses.txt", times=2)
    (running.data / "witnesses.txt").write_text(POLICY)
    running.goes_on()
    running.wait_for(lambda: signed_size(running.log, "2026") == 2)
    # (2) A disk that refuses, here because a folder stands in the way.
    listed = (running.log / "shards.json").read_bytes()
    (running.log / "shards.json").unlink()
    (running.log / "shards.json").mkdir()
    running.stops("disk_refused", "The disk refused", "磁盘拒绝操作")
    (running.log / "shards.json").rmdir()
    running.goes_on()
    running.wait_for((running.log / "shards.json").exists)
    assert (running.log / "shards.json").read_bytes() == listed
    # (3) The ring of keys is torn.
    ring = (running.data / "keys" / "epochs.key").read_bytes()
    (running.data / "keys" / "epochs.key").write_bytes(ring[:-9])
    running.stops("key_cannot_be_read", "epochs.key is torn; restore it", "epochs.key")
    (running.data / "keys" / "epochs.key").write_bytes(ring)
    running.goes_on()
    # (4) An event that a newer version has written.
    with db.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO event (seq, at, kind, body) SELECT 2, at + 1, 'strange/1', body FROM event WHERE seq = 1"
        )
        running.stops("history_is_broken", "event 2 is of the kind strange/1", "历史无法封存")
        connection.execute("DELETE FROM event WHERE seq = 2")
        running.goes_on()
        # (5) A database of an older day.
        connection.execute("TRUNCATE event, leaf")
        running.stops("history_is_older", "2026 has sealed 2 entries", "数据库仅有 0 条")
