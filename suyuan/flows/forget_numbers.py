"""What leads to a number goes within a day after nobody has to find it any more.

Numbers are borne by sellers, by balances whose term is not over, and for a while by whoever proved one or has a request
open. They stop in many ways: a number is corrected, a term ends, a bundle's week is over, a stranger proved a number
that is kept nowhere. Rather than have each of these remember it, the keeper looks through all marks of numbers, a
stretch in each round, and through all of them once a day.

A number that somebody begins to bear in the instant between looking and deleting gets a new pseudonym the next time.
"""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, Micros, plus
from suyuan.privacy import number_proofs, pseudonyms, requests
from suyuan.settle.account import numbers_borne

NUMBERS_AT_ONCE = 1_000


class Swept(NamedTuple):
    """How far the keeper has looked, and when it begins anew."""

    after: str
    again_at: int


BEGINNING = Swept("", 0)


async def forget_numbers(connection: psycopg.AsyncConnection[TupleRow], swept: Swept, *, now: Micros) -> Swept:
    """Looks through one stretch, and forgets what leads to those that nobody bears."""
    if now < swept.again_at:
        return swept
    numbers = await pseudonyms.numbers_after(connection, swept.after, rows_max=NUMBERS_AT_ONCE)
    needed = await numbers_borne(connection, numbers)
    needed |= await requests.numbers_open(connection, numbers, now=now)
    needed |= await number_proofs.numbers_proven(connection, numbers)
    unborne = [number for number in numbers if number not in needed]
    if unborne:
        await pseudonyms.forget(connection, unborne)
    is_last = len(numbers) < NUMBERS_AT_ONCE
    return Swept("", plus(now, DAY_S)) if is_last else Swept(numbers[-1], 0)
