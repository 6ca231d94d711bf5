"""A process of the platform lives no longer than its supervisor, and says in its log what ended it.

The supervisor holds the writing end of a pipe that nobody writes to. When it dies, even by SIGKILL, the reading end
that each process inherited comes to its end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any

import structlog
import uvloop

from suyuan.privacy.keyring import KeyTrouble

STOPPED, FAILED = 0, 1

log = structlog.get_logger()


def hold(lifeline: int) -> None:
    """Ends this process, like a request to stop, when the supervisor's end of the pipe closes."""

    def wait() -> None:
        while os.read(lifeline, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def log_as_json() -> None:
    """One JSON object a line, to standard error; from here on nothing else logs."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def run(work: Coroutine[Any, Any, None]) -> int:
    """Runs the work of a process until it ends or is told to stop. Returns the exit status."""
    try:
        uvloop.run(_until_told_to_stop(work))
    except KeyTrouble as trouble:
        log.error("keys_are_not_loaded", why=str(trouble))
        return FAILED
    except Exception as fault:
        # Only the kind: the text of a database error may quote a row.
        log.error("process_failed", fault=type(fault).__name__)
        return FAILED
    return STOPPED


async def _until_told_to_stop(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.info("process_stopped")
