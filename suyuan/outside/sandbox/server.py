"""Starts the sandbox: one process, one event loop, one journal, on the loopback only."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.routing import Router

from suyuan.base.clock import SystemClock
from suyuan.base.crypto import PublicKey
from suyuan.outside.sandbox.connections import RememberedConnection
from suyuan.outside.sandbox.control_side import ControlSide
from suyuan.outside.sandbox.facts import Journal
from suyuan.outside.sandbox.kms_side import KmsSide
from suyuan.outside.sandbox.provider_side import ProviderSide
from suyuan.outside.sandbox.world import Memory

BACKLOG = 2048
# Longer than the platform's callers keep a connection, so that it is never the server who drops one in their hands.
KEEP_ALIVE_S = 75


def run(
    host: str,
    port: int,
    state_file: Path,
    platform_public_key: PublicKey,
    *,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serves until the process is told to stop. Port 0 takes a free one; `announce` hears the address once it listens.

    Raises `ValueError` for an address that others can reach, `JournalIsTaken` and `JournalIsDamaged`.
    """
    listener = _listen(_loopback(host), port)
    journal = Journal(state_file)
    memory = Memory(journal)
    clock = SystemClock()
    # A bare router, because the twins are asked thousands of times a second and need no middleware.
    application = Router(
        [
            *ProviderSide(memory, platform_public_key.checker(), clock).routes(),
            *KmsSide(memory).routes(),
            *ControlSide(memory, clock).routes(),
        ]
    )
    config = uvicorn.Config(
        application,
        http=RememberedConnection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_S,
        # An asker who waits for a fault that never answers must not keep the sandbox from stopping.
        timeout_graceful_shutdown=1,
    )
    if announce is not None:
        announce(_url(listener))
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        journal.close()
        listener.close()


def _loopback(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ValueError(f"the sandbox listens on a loopback address such as 127.0.0.1, and {host!r} is none") from None
    if not address.is_loopback:
        raise ValueError(
            f"the sandbox listens on the loopback only, not on {host}: its control side has no lock, "
            "so whoever reaches it could issue cards and change the truth"
        )
    return address


def _listen(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    # A sandbox that was killed comes back on its old port at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"the sandbox cannot listen on {address}, port {port}: {error.strerror}") from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}"
