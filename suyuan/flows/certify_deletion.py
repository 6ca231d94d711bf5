"""A person who was forgotten gets a certificate: what was forgotten, when, and when no copy anywhere opens any more.

1. What the register of shreddings says of the person; without it, or before it is done, there is nothing to certify.
2. The fingerprints that stand where the data keys were. A key that is still there is a fault, and no certificate.
3. Whether the epoch that had wrapped them is destroyed, and which events say all this.

Nothing of it opens a field, and it may be repeated: each certificate has a salt of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg.rows import TupleRow

from suyuan.base import wire
from suyuan.base.clock import plus
from suyuan.base.db import fetch_of
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.roll_epoch import FINAL_WITHIN_S
from suyuan.history.privacy_events import SubjectsShredded
from suyuan.history.recall import places_about
from suyuan.privacy import retention, shredding, subject_keys
from suyuan.privacy.certificate import FINAL, SALT_BYTES, SHREDDED, Certificate, commitment
from suyuan.privacy.subject_keys import fetch_keys, key_ids
from suyuan.settle import redemption as booking


class NotForgotten(Exception):
    """Raised where a data key is still there although the person was forgotten; somebody must look at once."""


async def certify_deletion(
    connection: psycopg.AsyncConnection[TupleRow], seller: str, *, origin: str, chance: Callable[[int], bytes]
) -> Certificate | Refusal:
    """What may be signed about a person who was forgotten. Raises `NotForgotten`."""
    # (1) The register of shreddings.
    row = await shredding.find(connection, seller)
    if row is None:
        return Refusal(Reason.seller_is_unknown, "seller")
    if row.shredded_at is None:
        return Refusal(Reason.subject_is_not_forgotten_yet, "seller")
    # (2) What is left of the keys.
    sold = [entry.id for entry in await retention.entries_of(connection, seller) if entry.id != seller]
    settled = await booking.settled_among(connection, sold)
    keys = await fetch_keys(connection, [place for subject in (seller, *settled) for place in key_ids(subject)])
    if any(not key.is_forgotten for key in keys.values()):
        raise NotForgotten("a data key of this person is still there; look at the logs of line and keeper")
    # (3) The epoch.
    epochs = await subject_keys.vault_epoch(connection)
    salt = chance(SALT_BYTES)
    return Certificate(
        commitment=commitment(seller, salt=salt),
        salt=wire.b64(salt),
        state=FINAL if row.epoch <= epochs.destroyed else SHREDDED,
        reason=row.reason,
        intended_at=row.intended_at,
        shredded_at=row.shredded_at,
        epoch=row.epoch,
        final_by=plus(row.shredded_at, FINAL_WITHIN_S),
        fingerprints=tuple(sorted(key.fingerprint.hex() for key in keys.values())),
        redemptions=len(settled),
        still_in_stock=len(sold) - len(settled),
        origin=origin,
        seqs=tuple(await places_about(fetch_of(connection), SubjectsShredded, seller)),
    )
