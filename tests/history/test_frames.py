"""Callers reach the line over one socket: whatever comes torn, foreign or late, an answer is never given to another.

The line here is a list of what was submitted, which a test answers when it wants; the sockets are real.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from suyuan.base.refusals import Reason, Refusal
from suyuan.history import frames
from suyuan.history.frames import FRAME_BYTES_MAX, LineCaller, UnsafeFolder
from tests.history.small_line import Add, Peek, Told, is_refused

encode = msgspec.msgpack.encode


class SlowLine:
    """Takes commands and answers when told."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Any, asyncio.Future[Any]]] = []
        self._came = asyncio.Event()

    is_ready = True

    def submit(self, command: Any) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append((command, answer))
        self._came.set()
        return answer

    def answer_all(self, *, backwards: bool = False) -> None:
        """Answers each with the number that it came with in its name."""
        for command, answer in self.waiting[:: -1 if backwards else 1]:
            answer.set_result(Told(int(command.name), 0, 0))
        self.waiting.clear()

    async def has(self, commands: int) -> None:
        async with asyncio.timeout(5):
            while len(self.waiting) < commands:
                self._came.clear()
                await self._came.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder / "line.sock"


def tell(path: Path, story: Callable[[SlowLine, LineCaller], Awaitable[None]]) -> None:
    """Runs a story with one line and one caller."""

    async def run() -> None:
        line = SlowLine()
        server = await frames.serve(line, (Add, Peek), path)
        caller = LineCaller(path, (Told,))
        try:
            assert await caller.connect(within_s=5)
            async with asyncio.timeout(20):
                await story(line, caller)
        finally:
            caller.close()
            server.close()
            await asyncio.sleep(0)

    asyncio.run(run())


def frame(content: bytes) -> bytes:
    return len(content).to_bytes(4) + content


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def dial(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(str(path))


# --- what comes in order -----------------------------------------------------------------------------


def test_thousands_outstanding_get_each_its_own_answer(path: Path) -> None:
    """5,000 commands are sent before any is answered; they are answered backwards."""

    async def story(line: SlowLine, caller: LineCaller) -> None:
        asked = [caller.submit(Add(str(number))) for number in range(5_000)]
        await line.has(5_000)
        line.answer_all(backwards=True)
        answers = await asyncio.gather(*asked)
        assert [answer.times for answer in answers] == list(range(5_000))  # type: ignore[attr-defined]  # They are Told.

    tell(path, story)


def test_a_line_gives_a_sign_of_life_even_while_it_answers_nothing(path: Path) -> None:
    async def story(line: SlowLine, caller: LineCaller) -> None:
        asked = caller.submit(Add("1"))
        assert await caller.is_alive()
        assert not asked.done()
        assert not await LineCaller(path.with_name("nobody"), (Told,)).is_alive(within_s=0.1)

    tell(path, story)


def test_refusals_come_through_with_what_they_concern(path: Path) -> None:
    async def story(line: SlowLine, caller: LineCaller) -> None:
        asked = caller.submit(Add("1"))
        await line.has(1)
        line.waiting[0][1].set_result(Refusal(Reason.daily_limit_is_reached, "seller"))
        assert await asked == Refusal(Reason.daily_limit_is_reached, "seller")

    tell(path, story)


# --- what comes torn or foreign ------------------------------------------------------------------------


def test_frames_that_come_torn_are_put_together(path: Path) -> None:
    """Twenty commands as one stream, cut at random places, often within a length."""
    stream = b"".join(frame(encode((number, Add(str(number))))) for number in range(20))
    cuts = sorted(random.Random(3).sample(range(1, len(stream)), 60))

    async def story(line: SlowLine, caller: LineCaller) -> None:
        reader, writer = await dial(path)
        for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            writer.write(stream[begin:end])
            await writer.drain()
            await asyncio.sleep(0.0005)
        await line.has(20)
        assert [command.name for command, _ in line.waiting] == [str(number) for number in range(20)]
        line.answer_all()
        length = int.from_bytes(await reader.readexactly(4))
        assert msgspec.msgpack.decode(await reader.readexactly(length)) == [0, ["Told", 0, 0, 0]]
        writer.close()

    tell(path, story)


FOREIGN = {
    "oversized": (FRAME_BYTES_MAX + 1).to_bytes(4),
    "http": b"GET / HTTP/1.1\r\nHost: suyuan\r\n\r\n",
    "noise": frame(random.Random(1).randbytes(200)),
    "empty": frame(b""),
    "no pair": frame(encode("hello")),
    "no number": frame(encode(("one", Add("1")))),
    "no command": frame(encode((1, 2))),
    "unknown command": frame(encode((1, ["Withdraw", "1"]))),
    "too few fields": frame(encode((1, ["Add"]))),
    "wrong type": frame(encode((1, ["Add", 7]))),
    "no utf-8": frame(b"\x92\x01\x92\xa3Add\xa2\xff\xfe"),
    "more behind": frame(encode((1, Add("1"))) + b"\x00"),
    "deep": frame(b"\x91" * 100_000),
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_a_frame_that_is_no_command_ends_its_connection_and_no_other(path: Path, foreign: bytes) -> None:
    """A good command follows right behind the foreign bytes and is not taken either. Another caller notices nothing."""

    async def story(line: SlowLine, caller: LineCaller) -> None:
        asked = caller.submit(Add("5"))
        await line.has(1)
        reader, writer = await dial(path)
        writer.write(foreign + frame(encode((2, Add("2")))))
        assert await reader.read() == b""
        writer.close()
        assert len(line.waiting) == 1, "the command behind the broken frame was not taken"
        line.answer_all()
        assert (await asked).times == 5  # type: ignore[attr-defined]  # It is Told.

    tell(path, story)


def test_a_caller_that_leaves_in_the_middle_of_a_frame_harms_nobody(path: Path) -> None:
    async def story(line: SlowLine, caller: LineCaller) -> None:
        _, writer = await dial(path)
        writer.write(frame(encode((1, Add("7")))) + frame(encode((2, Add("2"))))[:-1])
        await line.has(1)
        writer.transport.abort()
        await asyncio.sleep(0.01)
        line.answer_all()
        asked = caller.submit(Add("3"))
        await line.has(1)
        line.answer_all()
        assert (await asked).times == 3  # type: ignore[attr-defined]  # It is Told.

    tell(path, story)


def test_an_answer_that_nobody_can_read_ends_the_connection(path: Path) -> None:
    """Somebody who is no line listens there. Its caller is unsure, and does not fall."""

    async def run() -> None:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(4)
            writer.write(frame(b"\xc1\xc1"))
            await reader.read()
            writer.close()

        server = await asyncio.start_unix_server(babble, str(path))
        caller = LineCaller(path, (Told,))
        assert await caller.connect(within_s=5)
        answer = await asyncio.wait_for(caller.submit(Add("1")), 5)
        assert is_refused(answer, Reason.answer_is_not_known_yet)
        caller.close()
        server.close()

    asyncio.run(run())


# --- what breaks -------------------------------------------------------------------------------------


def test_before_the_line_is_there_its_callers_are_told_to_come_again(path: Path) -> None:
    """Nothing was sent, so the caller is told just that. Once somebody listens, it is found without being asked for."""

    async def run() -> None:
        caller = LineCaller(path, (Told,))
        assert is_refused(await caller.submit(Add("1")), Reason.platform_is_starting)
        assert not await caller.connect(within_s=0.1)
        line = SlowLine()
        server = await frames.serve(line, (Add,), path)
        assert await caller.connect(within_s=5)
        assert line.waiting == [], "what was refused was not sent later"
        caller.close()
        server.close()

    asyncio.run(run())


def test_a_connection_that_breaks_after_sending_leaves_its_callers_unsure(path: Path) -> None:
    """Two commands have left when the line dies: nobody knows, so each is told to ask again. Nothing is sent twice."""
    received: list[bytes] = []

    async def run() -> None:
        async def die_after_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await reader.read(10_000))
            writer.transport.abort()

        server = await asyncio.start_unix_server(die_after_reading, str(path))
        caller = LineCaller(path, (Told,))
        assert await caller.connect(within_s=5)
        asked = [caller.submit(Add("1")), caller.submit(Add("2"))]
        answers = await asyncio.wait_for(asyncio.gather(*asked), 5)
        assert all(is_refused(answer, Reason.answer_is_not_known_yet) for answer in answers)
        assert await caller.connect(within_s=5), "it finds the line again by itself"
        caller.close()
        server.close()
        await asyncio.sleep(0.01)

    asyncio.run(run())
    both = b"".join(frame(encode((number, Add(str(number))))) for number in (1, 2))
    assert received[0] == both
    assert received[1:] in ([], [b""]), "a command is never sent twice by itself"


def test_callers_leave_a_leader_that_hangs_once_another_listens(path: Path) -> None:
    """The old leader holds its connections and answers nothing, as a stopped process does; a standby took the name."""

    async def run() -> None:
        old, new = SlowLine(), SlowLine()
        old_server = await frames.serve(old, (Add,), path)
        caller = LineCaller(path, (Told,))
        assert await caller.connect(within_s=5)
        asked = caller.submit(Add("1"))
        await old.has(1)
        new_server = await frames.serve(new, (Add,), path)
        assert is_refused(await asyncio.wait_for(asked, 5), Reason.answer_is_not_known_yet)
        assert await caller.connect(within_s=5)
        again = caller.submit(Add("1"))
        await new.has(1)
        new.answer_all()
        assert (await again).times == 1  # type: ignore[attr-defined]  # It is Told.
        caller.close()
        old_server.close()
        new_server.close()

    asyncio.run(run())


def test_a_line_that_is_alive_and_not_ready_yet_is_waited_for(path: Path) -> None:
    """It has begun to lead and reads what it decides by; a standby must see it alive, and a caller waits."""

    async def story(line: SlowLine, caller: LineCaller) -> None:
        line.is_ready = False
        assert await caller.is_alive()
        assert not await caller.is_ready()
        assert not await caller.reach(within_s=0.1)
        line.is_ready = True
        assert await caller.reach(within_s=5)

    tell(path, story)


def test_a_socket_that_a_dead_line_left_behind_is_replaced(path: Path) -> None:
    """kill -9 takes nothing away: the name is there and nobody listens. The next line takes it over."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    path.with_name(f"{path.name}.{os.getpid()}").write_bytes(b"left by a process that had our number")

    async def story(line: SlowLine, caller: LineCaller) -> None:
        assert await caller.is_alive()

    async def before() -> None:
        caller = LineCaller(path, (Told,))
        assert not await caller.connect(within_s=0.1)
        caller.close()

    asyncio.run(before())
    tell(path, story)


# --- who may come ------------------------------------------------------------------------------------


def test_nobody_else_may_reach_the_line(path: Path) -> None:
    """Who reaches the socket commands the line, so it is ours alone, and its folder too."""

    async def story(line: SlowLine, caller: LineCaller) -> None:
        assert mode_of(path) == 0o600

    tell(path, story)
    path.parent.chmod(0o750)
    with pytest.raises(UnsafeFolder, match="chmod 700"):
        tell(path, story)


def test_a_frame_says_its_length_big_endian(path: Path) -> None:
    """The format that the module promises, written down by hand."""

    async def story(line: SlowLine, caller: LineCaller) -> None:
        reader, writer = await dial(path)
        content = b"\x92\x07\x92\xa3Add\xa14"
        writer.write(struct.pack(">I", len(content)) + content)
        await line.has(1)
        line.answer_all()
        assert await reader.readexactly(15) == b"\x00\x00\x00\x0b\x92\x07\x94\xa4Told\x04\x00\x00"
        writer.close()

    tell(path, story)
