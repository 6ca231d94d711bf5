"""What a measurement was made on: the machine, how busy it is, and what processes have used of it.

Linux tells through `/proc`; elsewhere the figures that it alone knows are 0.

>>> machine_now().cores >= 1
True
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# In /proc/<pid>/stat, counted from behind the name, which may hold spaces.
_PARENT, _USER_TICKS, _SYSTEM_TICKS = 1, 11, 12


class Machine(NamedTuple):
    """The state of the machine at one moment."""

    processor: str
    cores: int
    load_1min: float
    memory_mb: int
    memory_free_mb: int
    python: str


def machine_now() -> Machine:
    """The machine, as it is now."""
    memory = _table(_PROC / "meminfo")
    processor = _table(_PROC / "cpuinfo").get("model name", platform.machine())
    return Machine(
        processor=processor,
        cores=os.cpu_count() or 1,
        load_1min=round(os.getloadavg()[0], 2),
        memory_mb=_kilobytes(memory.get("MemTotal", "")) // 1024,
        memory_free_mb=_kilobytes(memory.get("MemAvailable", "")) // 1024,
        python=platform.python_version(),
    )


def rss_mb(pid: int | str = "self") -> float:
    """The memory that a process holds."""
    return round(_kilobytes(_table(_PROC / str(pid) / "status").get("VmRSS", "")) / 1024, 1)


def cpu_s_of(pid: int) -> float:
    """The CPU seconds that a process has used, all threads, without its children."""
    fields = _stat(pid)
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / _TICKS_PER_S if fields else 0.0


def children_of(pid: int) -> list[int]:
    """The processes that this one has started and that still live."""
    numbers = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [number for number in numbers if (fields := _stat(number)) and int(fields[_PARENT]) == pid]


def cpu_s_of_all(pids: Iterable[int]) -> float:
    """The CPU seconds that these processes have used together."""
    return sum(cpu_s_of(pid) for pid in pids)


def on_disk(folder: Path) -> bool:
    """Whether what is written here reaches a disk; in memory every sync would be free and every figure a fable."""
    mounts = [line.split() for line in _text(_PROC / "mounts").splitlines()]
    holding = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    return not holding or max(holding, key=lambda mount: len(mount[1]))[2] not in ("tmpfs", "ramfs")


def _stat(pid: int) -> list[str]:
    return _text(_PROC / str(pid) / "stat").rpartition(")")[2].split()


def _table(file: Path) -> dict[str, str]:
    pairs = (line.partition(":") for line in reversed(_text(file).splitlines()))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        # A process may have ended meanwhile; then it uses nothing any more.
        return ""


def _kilobytes(text: str) -> int:
    return int(text.split(maxsplit=1)[0]) if text else 0
