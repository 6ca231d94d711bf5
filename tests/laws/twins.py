"""A sandbox process with everybody around it: its control side, the platform, a hasty platform and a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from suyuan.base.crypto import PublicKey, Signer, suite
from suyuan.outside.caller import Caller
from suyuan.outside.sandbox.client import Control, RunningSandbox
from suyuan.outside.sandbox.facts import Merchant

PATIENCE_S = 20.0
HASTE_S = 0.3
LATE_MS = 600

Outcome = TypeVar("Outcome")


def platform_signer() -> Signer:
    return suite("ed25519").signer(b"p" * 32)


class Twins:
    """All callers share one event loop, as they do in the platform."""

    def __init__(self, folder: Path) -> None:
        signer = platform_signer()
        self.sandbox = RunningSandbox(folder / "sandbox.jsonl", PublicKey("ed25519", signer.public))
        self.control = Control(self.sandbox.url)
        self.platform = Caller(self.sandbox.url, signer, deadline_s=PATIENCE_S)
        # The same platform with no patience, for faults that would make it wait.
        self.hasty = Caller(self.sandbox.url, signer, deadline_s=HASTE_S)
        self.stranger = Caller(self.sandbox.url, suite("ed25519").signer(b"s" * 32), deadline_s=PATIENCE_S)
        self._loop = asyncio.Runner()
        merchants = [Merchant(channel, "m-1") for channel in ("bank_transfer", "coupon_hall", "points_bank")]
        self.control.register_merchants(merchants)

    def run(self, story: Coroutine[Any, Any, Outcome]) -> Outcome:
        return self._loop.run(story)

    def close(self) -> None:
        for caller in (self.platform, self.hasty, self.stranger):
            self.run(caller.close())
        self._loop.close()
        self.control.close()
        self.sandbox.stop()
