"""A provider that says exactly the bytes it is told to say, and remembers exactly the bytes it was sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

HANG = b""
"""Instead of an answer: nothing, while the connection stays open."""


class Script:
    """One answer for each request, in order, on however many connections; then connections are closed.

    A `drip_s` sends answers byte by byte, a `stray` follows the first answer after that many seconds of silence.
    """

    def __init__(
        self,
        answers: Sequence[bytes],
        *,
        close_after: bool = False,
        drip_s: float = 0.0,
        stray: tuple[float, bytes] = (0, b""),
    ) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self._close_after = close_after
        self._drip_s = drip_s
        self._stray_after_s, self._stray = stray
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.requests.append(await one_request(reader))
                if not self.answers:
                    break
                await self._answer(writer, self.answers.pop(0))
                if self._close_after:
                    break
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        for part in [answer] if not self._drip_s else [bytes([byte]) for byte in answer]:
            writer.write(part)
            await asyncio.sleep(self._drip_s)
        if self._stray:
            stray, self._stray = self._stray, b""
            await asyncio.sleep(self._stray_after_s)
            writer.write(stray)
        await writer.drain()

    async def end(self) -> None:
        """Hangs up on everybody."""
        for writer in self._writers:
            writer.transport.abort()
        # One turn of the loop for the connections to be lost, one for their readers to notice.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def one_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    return head + await reader.readexactly(int(length.partition(b":")[2]))


@contextlib.asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[str]:
    """The address at which the script is played."""
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await script.end()


def http(body: bytes | str, status: str = "200 OK", *, headers: str = "") -> bytes:
    """An answer as it goes over the line."""
    content = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status}\r\n{headers}content-length: {len(content)}\r\n\r\n".encode() + content
