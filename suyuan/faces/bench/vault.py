"""`suyuan bench vault`: what it costs to keep personal data closed.

1. Fields: sealing and opening a phone number beside the bare cipher call, in turns (A-B-A), in CPU time.
2. Keys: how many data keys a second are wrapped again through the real table, as the daily roll does.
3. A settle step with sealing and without, in turns: the CPU of making the key and two seals in the API worker, and the
   row of the key in the line's commit.
4. Recorded reads among redemptions: their p99 beside that of the redemptions they share commits with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import msgspec
import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from suyuan.app.line import spare_the_collector
from suyuan.base import db
from suyuan.base.clock import monotonic_s
from suyuan.faces.bench.laboratory import Laboratory, laboratory
from suyuan.faces.bench.line_run import Measured, Step, drive, run_line
from suyuan.faces.bench.machine import Machine, machine_now, rss_mb
from suyuan.faces.bench.traffic import Crowd, crowd_for, steps
from suyuan.faces.bench.turns import best_in_turns
from suyuan.flows.read_fields import RecordRead
from suyuan.flows.shelves import Shelves
from suyuan.privacy import subject_keys
from suyuan.privacy.authority import Contract
from suyuan.privacy.keyring import KEY_BYTES, NONCE_BYTES, Ring
from suyuan.privacy.purposes import CARD_PIN, CARD_SERIAL, CONSUME_CARD, PAY_SELLER, SELLER_PAYEE
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import KEY_CHANCE_BYTES, Vault
from suyuan.settle.limits import LimitRules

NUMBER = "13800000000"
BATCH_CALLS = 5_000
IN_FLIGHT = 256
STEP_RUNS = 3
READ_EVERY = 16

T = TypeVar("T")


class Cost(NamedTuple):
    """CPU microseconds a call, the best of the batches; a neighbour only ever makes a batch slower."""

    seal_us: float
    open_us: float
    raw_seal_us: float
    raw_open_us: float
    unlock_us: float
    new_key_us: float
    blind_index_us: float


class Overhead(NamedTuple):
    """Steps a second with the key's row and without it, in turns, and the CPU of sealing one redemption."""

    sealed: list[Measured]
    unsealed: list[Measured]
    seal_redemption_us: float

    @property
    def ratio(self) -> float:
        """What sealing adds to a step, as a share of the step without it."""
        with_row = min(run.seconds / run.steps for run in self.sealed)
        without = min(run.seconds / run.steps for run in self.unsealed)
        return (with_row + self.seal_redemption_us / 1e6) / without - 1


class Report(NamedTuple):
    """Everything that `bench vault` found."""

    before: Machine
    after: Machine
    cost: Cost
    rewrap_per_s: float
    overhead: Overhead
    reads: Measured

    def fields(self) -> dict[str, object]:
        """What machines read; the names are promised."""
        cost = self.cost
        return {
            "seal_us": cost.seal_us,
            "open_us": cost.open_us,
            "seal_over_raw": round(cost.seal_us / cost.raw_seal_us, 2),
            "open_over_raw": round(cost.open_us / cost.raw_open_us, 2),
            "blind_index_us": cost.blind_index_us,
            "rewrap_per_s": round(self.rewrap_per_s),
            "settle_step_overhead": round(self.overhead.ratio, 3),
            "raw_seal_us": cost.raw_seal_us,
            "raw_open_us": cost.raw_open_us,
            "unlock_us": cost.unlock_us,
            "new_key_us": cost.new_key_us,
            "seal_redemption_us": self.overhead.seal_redemption_us,
            "sealed_steps_per_s": [round(run.steps_per_s) for run in self.overhead.sealed],
            "unsealed_steps_per_s": [round(run.steps_per_s) for run in self.overhead.unsealed],
            "read_p99_ms": self.reads.read_p99_ms,
            "step_p99_ms_beside_reads": self.reads.p99_ms,
            "rss_mb": rss_mb(),
            "machine": self.before._asdict(),
            "load_1min_after": self.after.load_1min,
        }


class _Nowhere:
    """Takes the place of the keys' shelf where a step is measured without them."""

    def add(self, row: SubjectKey) -> None:
        """Keeps nothing."""


def measure(*, step_count: int, keys: int) -> Report:
    """Measures everything, with so many steps a run and so many keys wrapped again."""
    before = machine_now()
    spare_the_collector()
    vault = Vault(bytes(KEY_BYTES), Ring({1: os.urandom(KEY_BYTES), 2: os.urandom(KEY_BYTES)}))
    cost = _cost(vault)
    crowd = crowd_for(step_count)
    with laboratory() as bench:
        bench.prepare(crowd)
        overhead = _overhead(bench, vault, crowd, step_count)
        reads = _with_reads(bench, crowd, step_count)
        rewrapped = _rewrap_per_s(bench, keys)
    return Report(before, machine_now(), cost, rewrapped, overhead, reads)


def _cost(vault: Vault) -> Cost:
    key = vault.new_key("slr_1", SELLER_PAYEE.key_class, now=0, chance=os.urandom(KEY_CHANCE_BYTES))
    authority = Contract(PAY_SELLER, frozenset({"slr_1"}), frozenset({SELLER_PAYEE.name}), expires_at=1, read_seq=0)
    nonce, plain = os.urandom(NONCE_BYTES), NUMBER.encode()
    bound = key.bound + SELLER_PAYEE.bound
    raw = AESGCM(key.secret)
    closed, sealed = raw.encrypt(nonce, plain, bound), vault.seal(NUMBER, key, SELLER_PAYEE, chance=nonce)
    chance = os.urandom(KEY_CHANCE_BYTES)
    return Cost(
        *best_in_turns(
            lambda: vault.seal(NUMBER, key, SELLER_PAYEE, chance=nonce),
            lambda: vault.open(sealed, key, SELLER_PAYEE, authority, now=0),
            lambda: raw.encrypt(nonce, plain, bound),
            lambda: raw.decrypt(nonce, closed, bound),
            lambda: vault.unlock(key.row),
            lambda: vault.new_key("slr_1", SELLER_PAYEE.key_class, now=0, chance=chance),
            lambda: vault.index(NUMBER, purpose="number"),
            batch_calls=BATCH_CALLS,
        )
    )


def _overhead(bench: Laboratory, vault: Vault, crowd: Crowd, count: int) -> Overhead:
    chance = os.urandom(KEY_CHANCE_BYTES + 2 * NONCE_BYTES)

    def seal_redemption() -> None:
        key = vault.new_key("rdm_1", CARD_PIN.key_class, now=0, chance=chance[:KEY_CHANCE_BYTES])
        vault.seal("1" * 17, key, CARD_SERIAL, chance=chance[-NONCE_BYTES:])
        vault.seal("1" * 18, key, CARD_PIN, chance=chance[KEY_CHANCE_BYTES:-NONCE_BYTES])

    (sealing_us,) = best_in_turns(seal_redemption, batch_calls=BATCH_CALLS)
    unsealed, sealed = [_steps(bench, crowd, count, is_sealed=False)], []
    for _ in range(STEP_RUNS):
        sealed.append(_steps(bench, crowd, count, is_sealed=True))
        unsealed.append(_steps(bench, crowd, count, is_sealed=False))
    return Overhead(sealed, unsealed, sealing_us)


def _steps(bench: Laboratory, crowd: Crowd, count: int, *, is_sealed: bool) -> Measured:
    shelves = Shelves(LimitRules())
    if not is_sealed:
        shelves.subject_keys = _Nowhere()  # type: ignore[assignment]  # Only `add` is asked of it.
    commands = list(steps(count, crowd, salt="step"))
    with bench.fresh() as url:
        return drive(run_line(url, commands, count, in_flight=IN_FLIGHT, shelves=shelves))


def _with_reads(bench: Laboratory, crowd: Crowd, count: int) -> Measured:
    """Redemptions with a recorded read among every so many."""

    def mixed() -> Iterator[Step]:
        for number, step in enumerate(steps(count, crowd, salt="step")):
            is_read = number % READ_EVERY == 0
            yield RecordRead(CONSUME_CARD.id, "bench", "", (step.redemption,), (CARD_PIN.name,)) if is_read else step

    with bench.fresh() as url:
        return drive(run_line(url, list(mixed()), count, in_flight=IN_FLIGHT, shelves=Shelves(LimitRules())))


def _rewrap_per_s(bench: Laboratory, count: int) -> float:
    """Keys of epoch 1 in the real table, wrapped again under epoch 2."""
    first, second = os.urandom(KEY_BYTES), os.urandom(KEY_BYTES)
    old = Vault(bytes(KEY_BYTES), Ring({1: first}))
    both = Vault(bytes(KEY_BYTES), Ring({1: first, 2: second}))
    with bench.fresh() as url:
        _fill(url, old, count)
        return drive(_wrap_all_again(url, both, count))


def _fill(url: str, vault: Vault, count: int) -> None:
    copying = f"COPY {subject_keys.TABLE} ({', '.join(SubjectKey.__struct_fields__)}) FROM STDIN"
    with db.connect(url, autocommit=True) as connection, connection.cursor().copy(copying.encode()) as copy:
        for number in range(count):
            key = vault.new_key(f"s{number}", CARD_PIN.key_class, now=0, chance=os.urandom(KEY_CHANCE_BYTES))
            copy.write_row(msgspec.structs.astuple(key.row))


async def _wrap_all_again(url: str, vault: Vault, count: int) -> float:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        began_s, after_id, is_done = monotonic_s(), "", False
        while not is_done:
            stretch = await subject_keys.wrap_again(
                connection,
                lambda key: vault.wrap_again(key, chance=os.urandom(NONCE_BYTES)),
                until=1,
                after_id=after_id,
                rows_max=2_000,
            )
            after_id, is_done = stretch.last_id, stretch.is_done
        assert await subject_keys.count_of_epochs(connection, until=1) == 0, "every key is wrapped again"
        return count / (monotonic_s() - began_s)
