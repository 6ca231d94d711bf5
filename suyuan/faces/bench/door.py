"""The way through the door: signed HTTP requests against a whole platform, each process's CPU counted by itself.

A `Supervisor` runs database, line, one API worker and completer as `suyuan serve` does. The requests are signed
beforehand, and the client only writes bytes and counts answers, so that it takes little of the machine. The contract
holds payouts back, so what is measured ends where a redemption is pending. CPU is what the kernel has counted for the
API worker and the line; PostgreSQL is counted apart.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from suyuan.app.supervisor import Supervisor, database_url
from suyuan.base import crypto, db, wire
from suyuan.base.clock import SystemClock, monotonic_s
from suyuan.config import Settings
from suyuan.faces.bench.machine import children_of, cpu_s_of, cpu_s_of_all
from suyuan.faces.bench.traffic import FACE_FEN, STEPS_PER_SELLER, Crowd, settle_in
from suyuan.settle.request import sign_request

CONNECTIONS = 32
STARTS_WITHIN_S = 60.0
KEEP_RUNNING_EVERY_S = 0.1


class Door(NamedTuple):
    """What one load through the door came to."""

    redemptions: int
    per_s: float
    server_cpu_us: float
    api_cpu_us: float
    line_cpu_us: float
    database_cpu_us: float
    client_cpu_us: float


class _Platform(NamedTuple):
    supervisor: Supervisor
    database: db.Server

    def is_ready(self) -> bool:
        return {"line", "api-1", "completer"} <= set(self.supervisor.pids())


def measure_doors(folder: Path, redemptions: int, algorithms: tuple[str, ...]) -> dict[str, Door]:
    """The cost of so many redemptions for each signature algorithm, on one platform."""
    with _platform(folder, redemptions, algorithms) as platform:
        doors = {}
        for algorithm in algorithms:
            _drive(platform, algorithm, redemptions // 10, salt="warm")
            doors[algorithm] = _drive(platform, algorithm, redemptions, salt="load")
        return doors


@contextmanager
def _platform(folder: Path, redemptions: int, algorithms: tuple[str, ...]) -> Iterator[_Platform]:
    settings = Settings(data=folder, port=0, housekeeping_s=3600.0)
    supervisor = Supervisor(settings)
    with supervisor:
        with db.connect(database_url(settings), autocommit=True) as connection:
            for algorithm in algorithms:
                public_keys = [wire.b64(_signer(algorithm, seller).public) for seller in range(_sellers(redemptions))]
                settle_in(connection, Crowd(len(public_keys), algorithm), public_keys)
        leaving = threading.Event()
        keeper = threading.Thread(target=_keep_running, args=(supervisor, leaving))
        keeper.start()
        try:
            platform = _Platform(supervisor, db.Server(folder / "pg"))
            asyncio.run(_wait_until_open(platform))
            yield platform
        finally:
            leaving.set()
            keeper.join()


def _keep_running(supervisor: Supervisor, leaving: threading.Event) -> None:
    while not leaving.is_set():
        supervisor.keep_running()
        leaving.wait(KEEP_RUNNING_EVERY_S)


def _sellers(redemptions: int) -> int:
    return redemptions * 11 // 10 // STEPS_PER_SELLER + 1


def _signer(algorithm: str, seller: int) -> crypto.Signer:
    return crypto.suite(algorithm).signer(wire.digest(f"{algorithm}/{seller}".encode()))


async def _wait_until_open(platform: _Platform) -> None:
    until_s = monotonic_s() + STARTS_WITHIN_S
    asking = b"GET /v1/health HTTP/1.1\r\nhost: bench.example\r\n\r\n"
    while monotonic_s() < until_s:
        if platform.is_ready():
            try:
                async with asyncio.timeout(1.0):
                    reader, writer = await asyncio.open_connection("127.0.0.1", platform.supervisor.port)
                    writer.write(asking)
                    status = await _read_answer(reader)
                    writer.close()
                if status == 200:
                    return
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                pass
        await asyncio.sleep(KEEP_RUNNING_EVERY_S)
    raise TimeoutError(f"the platform has not opened its door within {STARTS_WITHIN_S:.0f} s; read its log folder")


def _drive(platform: _Platform, algorithm: str, redemptions: int, *, salt: str) -> Door:
    requests = _signed(platform.supervisor.port, algorithm, redemptions, salt)
    pids = platform.supervisor.pids()
    postmaster = platform.database.pid()
    assert postmaster is not None, "the platform's database is running"
    backends = [postmaster, *children_of(postmaster)]

    def used_s() -> tuple[float, float, float, float]:
        return cpu_s_of(pids["api-1"]), cpu_s_of(pids["line"]), cpu_s_of_all(backends), cpu_s_of(os.getpid())

    before, began_s = used_s(), monotonic_s()
    asyncio.run(_load(platform.supervisor.port, requests))
    seconds = monotonic_s() - began_s
    api, line, database, client = (
        round((after_s - before_s) / redemptions * 1e6, 1) for before_s, after_s in zip(before, used_s(), strict=True)
    )
    return Door(redemptions, round(redemptions / seconds, 1), round(api + line, 1), api, line, database, client)


async def _load(port: int, requests: list[bytes]) -> None:
    remaining = iter(requests)
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_call(port, remaining))


async def _call(port: int, remaining: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in remaining:
        writer.write(request)
        status = await _read_answer(reader)
        assert status == 202, f"ordinary traffic was answered with {status}"
    writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, length = head.partition(b"content-length:")
    await reader.readexactly(int(length.partition(b"\r\n")[0]))
    return int(head[9:12])


def _signed(port: int, algorithm: str, redemptions: int, salt: str) -> list[bytes]:
    """The requests as bytes, ready to be sent."""
    origin, now = f"http://127.0.0.1:{port}", SystemClock().now()
    signers = [_signer(algorithm, seller) for seller in range(_sellers(redemptions))]
    crowd, requests = Crowd(len(signers), algorithm), []
    for number in range(redemptions):
        seller = number % crowd.sellers
        mark = wire.digest(f"{algorithm}/{salt}/{number}".encode())
        body = _body(crowd, seller, int.from_bytes(mark))
        headers = sign_request(
            "POST", f"{origin}/v1/redemptions", body, key_id=crowd.key(seller), signer=signers[seller],
            nonce=mark.hex()[:32], now=now, idempotency_key=mark.hex()[32:],
        )  # fmt: skip
        headers |= {"host": f"127.0.0.1:{port}", "content-type": "application/json", "content-length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        requests.append(f"POST /v1/redemptions HTTP/1.1\r\n{lines}\r\n".encode() + body)
    return requests


def _body(crowd: Crowd, seller: int, digits: int) -> bytes:
    text = str(digits)
    source = {"type": "card", "operator": "cmcc", "serial": text[:17], "pin": text[17:35], "face_fen": FACE_FEN}
    return msgspec.json.encode({"contract": crowd.contract, "seller": crowd.seller(seller), "source": source})
