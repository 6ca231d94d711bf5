"""Foreign photos are parsed in a process of their own: no key, no database, little memory, no core dump, a short life.

Whoever finds a fault in a decoder gets a process that holds the photo they brought, and nothing else to take away.
The process gets its task on standard input, answers on standard output, and writes no file: what it may use is bounded
by the system (`setrlimit`), so a photo that unpacks to more than it claims only ends its own process. What ends without
an answer is refused as torn.

>>> clean(b"GIF89a")
Refusal(reason=<Reason.photo_format_is_not_taken: 'photo_format_is_not_taken'>, where='')
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterable

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.privacy.photo_marks import Reading, score
from suyuan.privacy.photos import BadPhoto
from suyuan.privacy.photos import clean as clean_here

MEMORY_BYTES_MAX = 3 * 1024**3
PROCESSOR_S_MAX = 120
PATIENCE_S = 300
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH")


class _Clean(msgspec.Struct, frozen=True, tag=True):
    content: bytes


class _Score(msgspec.Struct, frozen=True, tag=True):
    content: bytes
    key: bytes
    recipients: tuple[str, ...]


class _Done(msgspec.Struct, frozen=True, tag=True):
    answer: msgspec.Raw


class _Refused(msgspec.Struct, frozen=True, tag=True):
    reason: Reason


def clean(content: bytes) -> bytes | Refusal:
    """The photo as it is kept (`photos.clean`)."""
    answer = _ask(_Clean(content))
    return answer if isinstance(answer, Refusal) else msgspec.msgpack.decode(answer.answer, type=bytes)


def read_marks(content: bytes, key: bytes, recipients: Iterable[str]) -> Reading | Refusal:
    """Whose marks a photo carries (`photo_marks.score`)."""
    answer = _ask(_Score(content, key, tuple(recipients)))
    return answer if isinstance(answer, Refusal) else msgspec.msgpack.decode(answer.answer, type=Reading)


def _ask(task: _Clean | _Score) -> _Done | Refusal:
    variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    try:
        ran = subprocess.run(
            [sys.executable, "-I", "-m", "suyuan.faces.confined"],
            input=msgspec.msgpack.encode(task), capture_output=True, timeout=PATIENCE_S, check=True,
            # One thread, because each more takes address space for itself.
            env={**variables, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        answer = msgspec.msgpack.decode(ran.stdout, type=_Done | _Refused)
    except (subprocess.SubprocessError, msgspec.MsgspecError):
        return Refusal(Reason.paper_is_torn)
    return Refusal(answer.reason) if isinstance(answer, _Refused) else answer


# --- inside --------------------------------------------------------------------------------------


def _confine() -> None:
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_CPU, PROCESSOR_S_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


def _answer(task: _Clean | _Score) -> _Done | _Refused:
    try:
        done = clean_here(task.content) if isinstance(task, _Clean) else _scored(task)
    except BadPhoto as bad:
        return _Refused(bad.reason)
    except MemoryError:
        return _Refused(Reason.photo_has_too_many_pixels)
    return _Done(msgspec.Raw(msgspec.msgpack.encode(done)))


def _scored(task: _Score) -> Reading:
    return score(task.content, key=task.key, recipients=task.recipients)


def _serve() -> None:
    _confine()
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=_Clean | _Score)
    sys.stdout.buffer.write(msgspec.msgpack.encode(_answer(task)))


if __name__ == "__main__":
    _serve()
