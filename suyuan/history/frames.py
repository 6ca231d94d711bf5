"""How API workers reach the line: framed messages over one Unix socket.

A frame is four bytes of length (big endian) and that many bytes of msgpack: `[number, command]` one way,
`[number, answer]` back. The number is the caller's and only pairs the two. A frame longer than `FRAME_BYTES_MAX` ends
the connection. The socket has mode 0600 and stands in a folder of mode 0700: who may reach it may command the line.

A leader binds a fresh name and renames it over the well-known path, so callers find the newest leader, never a stale
one. Callers look every `WATCH_S` whether somebody else listens there by now, and leave a leader that hangs. A caller
whose connection breaks after sending learns `answer_is_not_known_yet`, before sending
`platform_is_starting`; it never sends a command twice by itself.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from suyuan.base.refusals import Reason, Refusal

FRAME_BYTES_MAX = 1 << 20
RECONNECT_S = 0.05
WATCH_S = 0.5
_LENGTH_BYTES = 4

Command = msgspec.Struct
Answer = msgspec.Struct


class UnsafeFolder(Exception):
    """Raised when others than the platform's own account could reach the line."""


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line for a sign of life; answered without queueing."""


class Pong(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The sign of life, and whether commands are decided already."""

    is_ready: bool = True


class Commands(Protocol):
    """Whoever takes commands: the line itself, or a `LineCaller` that reaches it."""

    def submit(self, command: Command) -> asyncio.Future[Answer]: ...


class Served(Commands, Protocol):
    """What listens: the line, or what stands in front of one that is starting."""

    @property
    def is_ready(self) -> bool: ...


class _Framed(asyncio.Protocol):
    """Cuts the stream into frames and gathers what is written within one turn of the loop into one write."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Every loop gives a writable transport here, though uvloop's does not derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        start = 0
        while len(received) - start >= _LENGTH_BYTES:
            length = int.from_bytes(received[start : start + _LENGTH_BYTES])
            if length > FRAME_BYTES_MAX:
                self.close()
                return
            end = start + _LENGTH_BYTES + length
            if len(received) < end:
                break
            self.frame_received(bytes(received[start + _LENGTH_BYTES : end]))
            if self._transport is None or self._transport.is_closing():
                # What follows a broken frame is not worth more than the frame was.
                return
            start = end
        del received[:start]

    def frame_received(self, frame: bytes) -> None:
        raise NotImplementedError("each side of the socket reads frames its own way")

    def write_frame(self, frame: bytes) -> None:
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._write_out)
        self._outgoing.append(len(frame).to_bytes(_LENGTH_BYTES) + frame)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Ends the connection without waiting for what is still to be written."""
        if self._transport is not None:
            self._transport.abort()

    def _write_out(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(outgoing))


class _Served(_Framed):
    """One caller, seen from the line."""

    def __init__(self, line: Served, decoder: msgspec.msgpack.Decoder[Any]) -> None:
        super().__init__()
        self._line = line
        self._decoder = decoder
        self._encoder = msgspec.msgpack.Encoder()

    def frame_received(self, frame: bytes) -> None:
        try:
            number, command = self._decoder.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.close()
            return
        if isinstance(command, Ping):
            self._answer(number, Pong(self._line.is_ready))
            return
        self._line.submit(command).add_done_callback(lambda done: self._answer(number, done.result()))

    def _answer(self, number: int, answer: Answer) -> None:
        self.write_frame(self._encoder.encode((number, answer)))


async def serve(line: Served, command_types: tuple[type, ...], path: Path) -> asyncio.Server:
    """Listens for callers of this line, in place of whoever listened there before. Raises `UnsafeFolder`."""
    if path.parent.stat().st_mode & 0o077:
        raise UnsafeFolder(
            f"others may enter the folder of {path.name}, and could command the line; run chmod 700 on it"
        )
    union: Any = Ping
    for command_type in command_types:
        union = union | command_type
    decoder = msgspec.msgpack.Decoder(tuple[int, union])
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    server = await asyncio.get_running_loop().create_unix_server(lambda: _Served(line, decoder), str(fresh))
    fresh.chmod(0o600)
    fresh.rename(path)
    return server


class _Calling(_Framed):
    """The line, seen from one caller."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[Any], lost: Callable[[], None]) -> None:
        super().__init__()
        self._decoder = decoder
        self._lost = lost
        self._encoder = msgspec.msgpack.Encoder()
        self._number = 0
        self._open: dict[int, asyncio.Future[Answer]] = {}

    def submit(self, command: Command) -> asyncio.Future[Answer]:
        self._number += 1
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[self._number] = answer
        self.write_frame(self._encoder.encode((self._number, command)))
        return answer

    def frame_received(self, frame: bytes) -> None:
        try:
            number, answer = self._decoder.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.close()
            return
        waiting = self._open.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_result(Refusal(Reason.answer_is_not_known_yet))
        self._open.clear()
        self._lost()


class LineCaller:
    """A caller's side of the socket: finds the leader, and finds it again when it changes."""

    def __init__(self, path: Path, answer_types: tuple[type, ...]) -> None:
        self._path = path
        union: Any = Pong | Refusal
        for answer_type in answer_types:
            union = union | answer_type
        self._decoder = msgspec.msgpack.Decoder(tuple[int, union])
        self._calling: _Calling | None = None
        self._connecting: asyncio.Task[None] | None = None

    def submit(self, command: Command) -> asyncio.Future[Answer]:
        """Sends a command; the future gives the answer, or a refusal that says whether it was sent."""
        if self._calling is not None:
            return self._calling.submit(command)
        self._reconnect()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        answer.set_result(Refusal(Reason.platform_is_starting))
        return answer

    async def connect(self, *, within_s: float) -> bool:
        """Waits until somebody listens. Returns whether it was in time."""
        self._reconnect()
        assert self._connecting is not None
        await asyncio.wait([self._connecting], timeout=within_s)
        return self._calling is not None

    async def reach(self, *, within_s: float) -> bool:
        """Waits until the line decides: one that has just begun to lead reads what it decides by first."""
        until_s = asyncio.get_running_loop().time() + within_s
        while not (await self.connect(within_s=within_s) and await self.is_ready()):
            if asyncio.get_running_loop().time() > until_s:
                return False
            await asyncio.sleep(RECONNECT_S)
        return True

    async def is_alive(self, *, within_s: float = 1.0) -> bool:
        """Whether the line gives a sign of life in time, ready or not."""
        return await self._sign(within_s) is not None

    async def is_ready(self, *, within_s: float = 1.0) -> bool:
        """Whether it decides commands by now."""
        sign = await self._sign(within_s)
        return sign is not None and sign.is_ready

    async def _sign(self, within_s: float) -> Pong | None:
        try:
            sign = await asyncio.wait_for(self.submit(Ping()), within_s)
        except TimeoutError:
            return None
        return sign if isinstance(sign, Pong) else None

    def close(self) -> None:
        """Ends the connection and the search for a new one."""
        if self._connecting is not None:
            self._connecting.cancel()
        calling, self._calling = self._calling, None
        if calling is not None:
            calling.close()

    def _reconnect(self) -> None:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._find_leader())

    async def _find_leader(self) -> None:
        loop = asyncio.get_running_loop()
        while self._calling is None:
            listener = _listener(self._path)
            try:
                _, calling = await loop.create_unix_connection(
                    lambda: _Calling(self._decoder, self._lost), str(self._path)
                )
            except OSError:
                await asyncio.sleep(RECONNECT_S)
                continue
            if listener != _listener(self._path):
                # Another leader took the name just now, and nobody could say with whom this one speaks.
                calling.abort()
                continue
            self._calling = calling
            self._watch(calling, listener)

    def _watch(self, calling: _Calling, listener: tuple[int, int] | None) -> None:
        """Leaves a leader that was replaced and still holds its connections, as one does that hangs."""
        if self._calling is not calling:
            return
        if _listener(self._path) != listener:
            calling.abort()
            return
        asyncio.get_running_loop().call_later(WATCH_S, self._watch, calling, listener)

    def _lost(self) -> None:
        if self._calling is not None:
            self._calling = None
            self._reconnect()


def _listener(path: Path) -> tuple[int, int] | None:
    """Who listens there, by the number and birth of the socket's file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns
