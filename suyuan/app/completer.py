"""The process that finishes what was taken, tells partners, and keeps the house.

There is one at a time, by an advisory lock: two would only ask the same questions twice. What it has in hand it knows
only by itself; after a restart every row that is older than the process may have been sent, and is asked about first.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import structlog
from psycopg.rows import TupleRow

from suyuan.app.alone import be_the_only_one
from suyuan.app.appliers import ANSWERS
from suyuan.app.keys import PlatformKeys, load_keys
from suyuan.base.clock import SystemClock
from suyuan.base.refusals import Refusal
from suyuan.config import Settings
from suyuan.flows.finish_payout import Completer, Opening, finish_payout, may_open, wait_for_key
from suyuan.flows.keep_house import HouseKeeping, keep_house
from suyuan.flows.tell_partner import RecordDelivery
from suyuan.flows.tidy_papers import PaperTidying
from suyuan.history.frames import LineCaller
from suyuan.outside.caller import Caller
from suyuan.outside.channels import HttpChannel
from suyuan.outside.operators import HttpOperator
from suyuan.outside.webhooks import CHANCE_BELOW, Sender, is_endpoint, wait_s
from suyuan.outside.webhooks import Outcome as WebhookOutcome
from suyuan.privacy.keyring import KeyTrouble
from suyuan.privacy.paper_files import PaperFiles
from suyuan.privacy.subject_keys import fetch_keys
from suyuan.settle.redemption import DueMessage, DueRedemption, due_messages, due_redemptions

COMPLETER_LOCK = 0x73757975_00000002
IDLE_S = 0.05
REFUSED_PAUSE_S = 0.5
FAULT_PAUSE_S = 5.0
MESSAGES_IN_FLIGHT_MAX = 16
LINE_WAIT_S = 30.0

log = structlog.get_logger()


async def run_completer(settings: Settings, database_url: str) -> None:
    """Works until its database is gone."""
    keys = load_keys(settings)
    line = LineCaller(settings.line_socket, ANSWERS)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(
            await psycopg.AsyncConnection.connect(database_url, autocommit=True)
        )
        await be_the_only_one(connection, COMPLETER_LOCK)
        await line.reach(within_s=LINE_WAIT_S)
        completer = await _completer(settings, keys, line, connection, stack)
        sender = Sender()
        stack.push_async_callback(sender.close)
        # The house is kept on a connection of its own, lest a payout wait for a look through a whole table.
        keeping = await stack.enter_async_context(await psycopg.AsyncConnection.connect(database_url, autocommit=True))
        await _Rounds(settings, completer, connection, keeping=keeping, sender=sender, keys=keys).run()


async def _completer(
    settings: Settings,
    keys: PlatformKeys,
    line: LineCaller,
    connection: psycopg.AsyncConnection[TupleRow],
    stack: AsyncExitStack,
) -> Completer:
    callers: dict[str, Caller] = {}
    for url in {*settings.operators.values(), *settings.channels.values()}:
        callers[url] = await stack.enter_async_context(
            Caller(
                url,
                keys.signer,
                deadline_s=settings.provider_deadline_s,
                connections_max=settings.completions_in_flight_max,
            )
        )
    return Completer(
        line=line,
        vault=keys.vault,
        subject_keys=functools.partial(fetch_keys, connection),
        clock=SystemClock(),
        chance=os.urandom,
        operators={name: HttpOperator(name, callers[url]) for name, url in settings.operators.items()},
        channels={name: HttpChannel(name, callers[url]) for name, url in settings.channels.items()},
        rules=settings.retention_rules,
    )


class _Rounds:
    """What is in hand, and the loop that takes more."""

    def __init__(
        self,
        settings: Settings,
        completer: Completer,
        connection: psycopg.AsyncConnection[TupleRow],
        *,
        keeping: psycopg.AsyncConnection[TupleRow],
        sender: Sender,
        keys: PlatformKeys,
    ) -> None:
        self._settings = settings
        self._completer = completer
        self._connection = connection
        self._keeping = keeping
        self._sender = sender
        self._keys = keys
        self._began_at = completer.clock.now()
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        # Messages have places of their own: a partner whose receiver hangs must not hold up anybody's payout.
        self._telling: dict[str, asyncio.Task[None]] = {}
        # Redemptions whose verdict the line may not have kept: the order may have been sent.
        self._doubtful: set[str] = set()

    async def run(self) -> None:
        """Works until it is cancelled or something is gone that it cannot do without."""
        async with asyncio.TaskGroup() as together:
            together.create_task(self._keep_house())
            together.create_task(self._work())

    async def _work(self) -> None:
        while True:
            took = await self._take_due()
            took |= await self._take_messages()
            await asyncio.sleep(0 if took else IDLE_S)

    async def _keep_house(self) -> None:
        """Beside the work, since a slow operator may take its time to list what it took back."""
        keeping = HouseKeeping(PaperTidying(PaperFiles(self._settings.papers)))
        while True:
            try:
                await keep_house(self._completer, self._keeping, keeping)
            except psycopg.OperationalError:
                raise
            except KeyTrouble as trouble:
                log.error("housekeeping_lacks_keys", why=str(trouble))
            except Exception as fault:
                # What the house lacks is said in every round; nobody's payout waits for it.
                log.error("housekeeping_fault", fault=type(fault).__name__)
            await asyncio.sleep(self._settings.housekeeping_s)

    async def _take_due(self) -> bool:
        """Takes as much of what is due as there is room for. Returns whether there was anything."""
        room = self._settings.completions_in_flight_max - len(self._in_hand)
        if room <= 0:
            await asyncio.wait(self._in_hand.values(), return_when=asyncio.FIRST_COMPLETED)
            return True
        now = self._completer.clock.now()
        due = await due_redemptions(self._connection, now=now, besides=self._in_hand, rows_max=room)
        if not due:
            return False
        openings = await may_open(self._completer, due)
        if isinstance(openings, Refusal):
            await asyncio.sleep(REFUSED_PAUSE_S)
            return True
        for one in due:
            name = one.redemption.id
            self._start(name, self._finish(one, openings.get(name)), self._in_hand)
        return True

    async def _take_messages(self) -> bool:
        room = MESSAGES_IN_FLIGHT_MAX - len(self._telling)
        if room <= 0:
            return False
        now = self._completer.clock.now()
        messages = await due_messages(self._connection, now=now, besides=self._telling, rows_max=room)
        for message in messages:
            self._start(message.id, self._tell(message), self._telling)
        return bool(messages)

    def _start(self, name: str, work: Coroutine[Any, Any, None], in_hand: dict[str, asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(self._calmly(name, work))
        in_hand[name] = task
        task.add_done_callback(lambda _: in_hand.pop(name))

    async def _calmly(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Does one piece of work. One that fails is let lie for a while, since it would fail at once again."""
        try:
            await work
        except Exception as fault:
            self._doubtful.add(name)
            log.error("completion_fault", work=name, fault=type(fault).__name__)
            await asyncio.sleep(FAULT_PAUSE_S)

    async def _finish(self, due: DueRedemption, opening: Opening | None) -> None:
        name = due.redemption.id
        if opening is None:
            log.error("subject_key_is_missing", work=name)
            await wait_for_key(self._completer, due)
            return
        is_older = due.redemption.changed_at <= self._began_at
        is_doubtful = is_older or name in self._doubtful
        answer = await finish_payout(self._completer, due, opening, may_have_been_sent=is_doubtful)
        if isinstance(answer, Refusal):
            self._doubtful.add(name)
            # The line is busy, away or at fault; asking at once again would only make it busier.
            await asyncio.sleep(REFUSED_PAUSE_S)
        else:
            self._doubtful.discard(name)

    async def _tell(self, message: DueMessage) -> None:
        """Makes one try to tell a partner, and has the line keep what came of it."""
        tries = message.attempts + 1
        again_in_s = None
        if is_endpoint(message.webhook_url):
            delivery = await self._sender.deliver(
                message.webhook_url,
                message.id,
                message.body,
                signers=[self._keys.signer],
                now=self._completer.clock.now(),
            )
            if delivery.outcome is WebhookOutcome.TRY_AGAIN:
                again_in_s = wait_s(tries, chance=int.from_bytes(os.urandom(4)) % CHANCE_BELOW)
        await self._completer.line.submit(RecordDelivery(message.id, again_in_s is None, again_in_s or 0))
