"""The traffic of the settle bench: ordinary sellers, each with a phone bound to its key, selling cards of 50 yuan.

Every seller meets all default limits: its own by day and by 24 hours, those of the person, the device, the payee, the
IP prefix and the partner. All caps are the defaults; there are as many sellers as it takes to stay below them. Names,
numbers and sealed fields are made up; only their lengths are real.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import psycopg

from suyuan.flows.take_redemption import TakeRedemption
from suyuan.privacy.classes import BlindIndex, Privacy
from suyuan.privacy.subject_keys import SubjectKey, key_id
from suyuan.settle.limits import LimitRules, Rule

FACE_FEN = 50_00
STEPS_PER_SELLER = 20
SELLERS_MIN = 200
PREFIXES = 997
CARDS_PER_LOT = 200
ROOM_FOR_ALL_FEN = 10**12
_SEALED_SERIAL = "2a." + "s" * 60
_SEALED_SECRET = "2a." + "p" * 60
_WRAPPED = bytes(60)


class Crowd(NamedTuple):
    """Who sells: so many sellers of one partner, who all sign by one algorithm."""

    sellers: int
    algorithm: str = "ed25519"

    @property
    def contract(self) -> str:
        """The partner's contract. Its payouts are held back for a day, so that nothing follows the claim."""
        return f"ctr_{self.algorithm}"

    def seller(self, number: int) -> str:
        """One of them."""
        return f"slr_{self.algorithm}_{number:020d}"

    def key(self, number: int) -> str:
        """The key on that seller's phone."""
        return f"key_{self.algorithm}_{number:020d}"


def crowd_for(steps: int) -> Crowd:
    """As many sellers as can sell so much within a day."""
    return Crowd(max(SELLERS_MIN, steps // STEPS_PER_SELLER))


def roomy(rules: LimitRules) -> LimitRules:
    """The same limits with room for everything that one hot seller does in a bench."""
    caps = (ROOM_FOR_ALL_FEN,) * 3
    return LimitRules(rules=tuple(Rule(rule.subject, rule.window, caps) for rule in rules.rules))


def settle_in(connection: psycopg.Connection[Any], crowd: Crowd, public_keys: Sequence[str] = ()) -> None:
    """Registers one partner, its contract and the crowd with its keys, which are made up where none are given."""
    keys = list(public_keys) or [f"{crowd.algorithm}-{number:020d}" for number in range(crowd.sellers)]
    facts = {"algorithm": crowd.algorithm, "keys": keys}
    for statement in _REGISTER:
        connection.execute(statement.encode(), facts)
    connection.execute(b"ANALYZE")


def steps(count: int, crowd: Crowd, *, salt: str) -> Iterator[TakeRedemption]:
    """So many redemptions, the sellers taking turns."""
    for number in range(count):
        yield _step(number, number % crowd.sellers, crowd, salt)


def _step(number: int, seller: int, crowd: Crowd, salt: str) -> TakeRedemption:
    marks = hashlib.sha512(f"{salt}/{number}".encode()).digest()
    text = marks.hex()
    return TakeRedemption(
        redemption=f"rdm_{text[:26]}",
        key=crowd.key(seller),
        nonce_mark=marks[:16],
        request_mark=marks[16:32],
        request_digest=marks[32:],
        contract=crowd.contract,
        seller=crowd.seller(seller),
        agent=None,
        ip_prefix=f"10.{seller % PREFIXES // 256}.{seller % PREFIXES % 256}.0/24",
        source="card",
        operator="cmcc",
        card=BlindIndex(text[26:69]),
        serial_index=BlindIndex(text[69:112]),
        batch_index=BlindIndex(f"lot-{number // CARDS_PER_LOT}"),
        number=None,
        sealed_serial=_SEALED_SERIAL,  # type: ignore[arg-type]  # Made up: only its length matters here.
        sealed_secret=_SEALED_SECRET,  # type: ignore[arg-type]  # Made up: only its length matters here.
        subject_key=SubjectKey(key_id(f"rdm_{text[:26]}", Privacy.CARD_SECRET), 1, _WRAPPED, b""),
        face_fen=FACE_FEN,
        expected_payout=None,
        secret_is_valid=None,
    )


_REGISTER = (
    "INSERT INTO partner (id, name, state, webhook_url) VALUES ('ptn_' || %(algorithm)s, 'bench', 'active', '')",
    """
    INSERT INTO contract VALUES ('ctr_' || %(algorithm)s, 'ptn_' || %(algorithm)s, 'card', 'money', 10, 8,
        'bank_transfer', 'mch_bench', 'consume_then_pay', 86400, 0, 4000000000000000000)
    """,
    """
    INSERT INTO seller
    SELECT 'slr_' || %(algorithm)s || '_' || lpad(n::text, 20, '0'), 'ptn_' || %(algorithm)s, 'active', 1,
        rpad('person' || n || %(algorithm)s, 43, 'x'), rpad('payee' || n || %(algorithm)s, 43, 'x'),
        rpad('1.', 60, 'n'), rpad('1.', 70, 'i'), rpad('1.', 60, 'm'), rpad('1.', 70, 'p'), 1, 1
    FROM generate_series(0, cardinality(%(keys)s::text[]) - 1) n
    """,
    """
    INSERT INTO signing_key
    SELECT 'key_' || %(algorithm)s || '_' || lpad(n::text, 20, '0'), 'seller',
        'slr_' || %(algorithm)s || '_' || lpad(n::text, 20, '0'), %(algorithm)s, (%(keys)s::text[])[n + 1], 'active',
        rpad('device' || n || %(algorithm)s, 30, 'x'), '', 4000000000000000000
    FROM generate_series(0, cardinality(%(keys)s::text[]) - 1) n
    """,
)
