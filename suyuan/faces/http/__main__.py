"""One API worker: `python -m suyuan.faces.http api DATA LIFELINE LISTENING`. The supervisor starts it; not for people.

All workers of a platform accept from one socket, which the supervisor holds, so a worker that dies turns nobody away.
"""

from __future__ import annotations

import functools
import os
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import uvicorn

from suyuan.app import lifeline
from suyuan.app.appliers import ANSWERS
from suyuan.app.keys import load_keys
from suyuan.app.notices import notice_of
from suyuan.app.supervisor import database_url
from suyuan.base import db
from suyuan.base.clock import SystemClock
from suyuan.base.crypto import PlatformKey
from suyuan.config import Settings, load_settings
from suyuan.faces.http import build
from suyuan.faces.http.listening import listening
from suyuan.flows.desk import Desk
from suyuan.history.frames import LineCaller
from suyuan.history.recall import event_at
from suyuan.outside.caller import Caller
from suyuan.outside.identity import HttpFaceCheck, HttpNumberProof
from suyuan.outside.operators import HttpOperator
from suyuan.privacy import consent
from suyuan.privacy.subject_keys import look_up_keys
from suyuan.settle.card import load_formats
from suyuan.settle.limits import LimitRules
from suyuan.settle.lookup import Lookup
from suyuan.settle.seen_reads import SeenReads

FACE_CHECK, NUMBER_PROOF = "face", "number"


async def serve(settings: Settings, listens: socket.socket) -> None:
    """Lays the desk and serves until told to stop."""
    async with AsyncExitStack() as stack:
        desk = await _lay_desk(settings, _origin(settings, listens), stack)
        app = build(desk, trusted_proxies=settings.trusted_proxies)
        await uvicorn.Server(listening(app)).serve(sockets=[listens])


async def _lay_desk(settings: Settings, origin: str, stack: AsyncExitStack) -> Desk:
    keys, clock = load_keys(settings), SystemClock()
    pool = db.ReadPool(database_url(settings))
    stack.push_async_callback(pool.close)
    line = LineCaller(settings.line_socket, ANSWERS)
    stack.callback(line.close)
    callers: dict[str, Caller] = {}
    for url in {*settings.operators.values(), settings.face_check_url, settings.number_proof_url} - {""}:
        callers[url] = await stack.enter_async_context(
            Caller(url, keys.signer, deadline_s=settings.provider_deadline_s)
        )
    face_check = HttpFaceCheck(FACE_CHECK, callers[settings.face_check_url]) if settings.face_check_url else None
    number_url = settings.number_proof_url
    return Desk(
        line=line,
        lookup=Lookup(pool.fetch, clock),
        fetch=pool.fetch,
        event_at=functools.partial(event_at, pool.fetch),
        consents=functools.partial(consent.of_seller, pool.fetch),
        subject_keys=functools.partial(look_up_keys, pool.fetch),
        notice=notice_of(settings),
        vault=keys.vault,
        clock=clock,
        chance=os.urandom,
        formats=functools.lru_cache(2)(load_formats),
        rules=LimitRules(),
        seller_age_min=settings.seller_age_min,
        operators={name: HttpOperator(name, callers[url]) for name, url in settings.operators.items()},
        asked_for_secrets=frozenset(settings.asks_about_secrets) & settings.operators.keys(),
        face_check=face_check,
        number_proof=HttpNumberProof(NUMBER_PROOF, callers[number_url]) if number_url else None,
        keys=(PlatformKey(keys.key_id, keys.signer),),
        seen_reads=SeenReads(began_at=clock.now()),
        origin=origin,
        log_folder=settings.log_folder,
        is_ready=line.is_ready,
    )


def _origin(settings: Settings, listens: socket.socket) -> str:
    """What callers sign: the public address, or where this platform listens, with the port that the system chose."""
    return settings.origin or f"http://{settings.host}:{listens.getsockname()[1]}"


def main() -> int:
    """Runs one worker."""
    _, _, data, held, listens = sys.argv
    lifeline.log_as_json()
    lifeline.hold(int(held))
    settings = load_settings(Path(data))
    return lifeline.run(serve(settings, socket.socket(fileno=int(listens))))


if __name__ == "__main__":
    sys.exit(main())
