"""A sealer of a house's history, with keys of its own and whatever witnesses a test gives it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suyuan.app.appliers import APPLIERS
from suyuan.base import crypto, db
from suyuan.evidence import check
from suyuan.evidence.log.note import LogSigner, ed25519_signer, sm2_signer
from suyuan.evidence.records.leaves import ShardStart
from suyuan.evidence.witness.cosigning import WitnessCaller
from suyuan.flows.prove_event import Proven, Publication, prove_event
from suyuan.flows.redeem_card import Taken, TakeRedemption, redeem_card
from suyuan.flows.seal_history import Round, Sealer, seal_history
from suyuan.flows.shelves import Shelves
from suyuan.history.decision_events import DecisionMade
from suyuan.history.line import Applier, Decided, Turn
from tests.flows.house import House, card, written

LOG_NAME = "api.example.com/log"


def _without_its_decision(shelves: Shelves, command: TakeRedemption, turn: Turn) -> Decided:
    decided = APPLIERS[TakeRedemption].apply(shelves, command, turn)
    return decided._replace(events=tuple(event for event in decided.events if not isinstance(event, DecisionMade)))


ONE_EVENT_A_SALE = {**APPLIERS, TakeRedemption: Applier(APPLIERS[TakeRedemption].want, _without_its_decision)}
"""For tests that count places in history: a sale is one event there, as it was before decisions were told."""


def signers(start: ShardStart) -> list[LogSigner]:
    """Keys that hang on the shard's name alone, so that every sealer of a test has the same."""
    secret = crypto.sha256(start.name.encode())
    return [
        ed25519_signer(start.origin, crypto.suite("ed25519").signer(secret)),
        sm2_signer(start.origin, crypto.suite("sm2-sm3").signer(secret)),
    ]


def sealer_of(
    house: House,
    folder: Path,
    *,
    witnesses: Sequence[WitnessCaller] = (),
    policy_text: bytes = b"",
    **changes: Any,
) -> Sealer:
    """A sealer; close it before another takes over."""
    parts: dict[str, Any] = {
        "connection": db.connect(house.url, autocommit=True), "vault": house.vault, "clock": house.clock,
        "chance": os.urandom, "log_name": LOG_NAME, "folder": folder, "second_copies": None, "signers": signers,
        "witnesses": lambda _: witnesses, "policy": check.read_policy(policy_text) if policy_text else None,
        "policy_text": policy_text,
    }  # fmt: skip
    return Sealer(**parts | changes)


def seal(house: House, sealer: Sealer) -> Round:
    """One round."""
    return house.run(seal_history(sealer))


def sell(house: House, number: int = 1) -> str:
    answer = house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", written(card(number)))))
    assert isinstance(answer, Taken), answer
    return answer.redemption


def proven(house: House, seq: int) -> Proven:
    """The proof of an event, which the platform has."""
    answer = house.run(prove_event(Publication(house.desk.fetch, house.log_folder), seq))
    assert isinstance(answer, Proven), answer
    return answer


def put_back(house: House, events: int) -> None:
    """The database as it was when it had so many events, and a platform that is started again on it."""
    with db.connect(house.url, autocommit=True) as connection:
        connection.execute("DELETE FROM event WHERE seq >= %s", (events,))
        connection.execute("DELETE FROM leaf WHERE seq >= %s", (events,))
        connection.execute("DELETE FROM shard WHERE first_seq >= %s", (events,))
        connection.execute("UPDATE line_head SET next_seq = %s", (events,))
        connection.execute("TRUNCATE card, redemption, outbox, idempotency, nonce")
    house.start_again()
