"""A whole platform behind one door, for tests: the real line, the real PostgreSQL, and an operator and a face check
that answer what a test tells them.

`House` runs on an event loop of its own, so tests are ordinary functions. The clock is set to noon in Shanghai. The
register holds two partners, so that each test can ask what one sees of the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import msgspec
import psycopg

from suyuan.app.appliers import APPLIERS
from suyuan.app.notices import kept_of
from suyuan.base import crypto, db, wire
from suyuan.base.clock import SECOND, SetClock, plus
from suyuan.base.crypto import PlatformKey
from suyuan.base.refusals import Refusal
from suyuan.flows.desk import Desk
from suyuan.flows.shelves import Shelves
from suyuan.flows.who_asks import Knock
from suyuan.history.leader import take_lead
from suyuan.history.line import Applier, Line
from suyuan.history.recall import event_at
from suyuan.privacy import consent
from suyuan.privacy.classes import Sealed
from suyuan.privacy.keyring import Ring
from suyuan.privacy.notice import Controller, write_notice
from suyuan.privacy.purposes import Field
from suyuan.privacy.retention import RetentionRules, load_rules
from suyuan.privacy.subject_keys import SubjectKey, key_id, look_up_keys
from suyuan.privacy.vault import Vault
from suyuan.risk.memory import catalogue_here, remember
from suyuan.risk.tail import begin, catch_up
from suyuan.settle.account import FOR_EVER, Contract, Key, Partner, Seller
from suyuan.settle.card import load_formats
from suyuan.settle.limits import LimitRules
from suyuan.settle.lookup import Lookup
from suyuan.settle.providers import (
    CardSecret,
    CodeOrder,
    CodeRefused,
    CodeSent,
    CodeVerdict,
    ConsumeOrder,
    ConsumeVerdict,
    FaceMatched,
    FaceOrder,
    FaceVerdict,
    NotFound,
    Reversal,
    SecretVerdict,
    SendVerdict,
    Unknown,
)
from suyuan.settle.request import RawRequest, parse, sign_like_wechat, sign_request
from suyuan.settle.seen_reads import SeenReads
from tests.privacy.authorities import whole
from tests.risk.policies import QUIET, read_policy

NOON = 1_795_320_000 * SECOND  # 2026-11-22, 12:00 in Shanghai.
ORIGIN = "https://api.example.com"
ADDRESS = "203.0.113.77"
SIGNERS = {name: crypto.suite("ed25519").signer(bytes([number]) * 32) for number, name in enumerate(
    ("key_1", "key_2", "key_seller", "key_next", "key_revoked", "key_bound", "key_device"), 0xA1
)}  # fmt: skip
SIGNERS["key_sm2"] = crypto.suite("sm2-sm3").signer(b"\x21" * 32)
PLATFORM = PlatformKey("platform-1", crypto.suite("ed25519").signer(b"\x51" * 32))
PLATFORM_KEYS = {PLATFORM.id: crypto.PublicKey("ed25519", PLATFORM.signer.public)}
NOTICE = write_notice(Controller("示例回收有限公司", "privacy@example.com"), {}, kept_of(load_rules()))
TABLES = (
    "event",
    "nonce",
    "idempotency",
    "card",
    "redemption",
    "outbox",
    "account",
    "transfer",
    "seller",
    "signing_key",
    "subject_key",
)

T = TypeVar("T")
_numbers = itertools.count(1)


@dataclass
class ToldOperator:
    """Says of every secret what a test tells it to."""

    verdict: SecretVerdict = None
    asked: list[CardSecret] = field(default_factory=list)

    async def check_secret(self, card: CardSecret) -> SecretVerdict:
        self.asked.append(card)
        return self.verdict

    async def consume(self, order: ConsumeOrder) -> ConsumeVerdict:
        return Unknown("not_told")

    async def ask(self, order_no: str) -> ConsumeVerdict | NotFound:
        return NotFound()

    async def reversals(self, since: str) -> list[Reversal] | Unknown:
        return []


@dataclass
class ToldFaceCheck:
    """Says of every capture what a test tells it to."""

    verdict: FaceVerdict = FaceMatched("F-1")  # noqa: RUF009 - the verdict is frozen, so sharing it is harmless.
    asked: list[FaceOrder] = field(default_factory=list)

    async def check(self, order: FaceOrder) -> FaceVerdict:
        self.asked.append(order)
        return self.verdict

    async def ask(self, order_no: str) -> FaceVerdict | NotFound:
        return NotFound()


@dataclass
class Phones:
    """Plays the provider of codes and the phones: each number shows the last code that it got."""

    shows: dict[str, str] = field(default_factory=dict)
    sent: list[CodeOrder] = field(default_factory=list)
    is_silent: bool = False
    loses_answers: bool = False
    refuses: bool = False

    async def begin(self, order: CodeOrder) -> SendVerdict:
        if self.is_silent or self.refuses:
            return Unknown("timed_out") if self.is_silent else CodeRefused()
        self.sent.append(order)
        self.shows[order.number] = f"{len(self.sent):06d}"
        return Unknown("connection_lost") if self.loses_answers else CodeSent(f"N-{order.order_no}")

    async def ask(self, order_no: str) -> SendVerdict | NotFound:
        return CodeSent(f"N-{order_no}") if order_no in [order.order_no for order in self.sent] else NotFound()

    async def check(self, reference: str, code: str) -> CodeVerdict | Unknown:
        if self.is_silent:
            return Unknown("timed_out")
        (place,) = [place for place, order in enumerate(self.sent, 1) if f"N-{order.order_no}" == reference]
        return CodeVerdict.PROVEN if code == f"{place:06d}" else CodeVerdict.WRONG


def without_terms() -> RetentionRules:
    """The retention rules of a country whose laws make nobody keep anything: who asks is forgotten at once."""
    rules = load_rules().rules
    return RetentionRules({name: msgspec.structs.replace(rule, min_d=0) for name, rule in rules.items()})


class House:
    """The platform. Close it after use."""

    def __init__(
        self,
        url: str,
        vault: Vault | None = None,
        log_folder: Path = Path("not-sealed"),
        appliers: Mapping[type, Applier] = APPLIERS,
    ) -> None:
        self.url = url
        self._appliers = appliers
        self.log_folder = log_folder
        self.vault = vault or Vault(bytes(32), Ring({1: bytes(32)}))
        self.clock = SetClock(NOON)
        self.operator = ToldOperator()
        self.face_check = ToldFaceCheck()
        self.phones = Phones()
        self.snapshot: Path | None = None
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        with db.connect(url, autocommit=True) as connection:
            fill_register(connection)
        self.desk = self.run(self._open())

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the house's loop."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(story, self.loop)
        return future.result(30)

    async def _open(self) -> Desk:
        self._connection = await asyncpg.connect(db.for_asyncpg(self.url))
        await self._connection.execute("SET enable_seqscan = off; SET jit = off")
        lead = await take_lead(self._connection)
        assert lead is not None
        with db.connect(self.url, autocommit=True) as connection:
            windows = begin(connection, self.snapshot, catalogue_here())
            catch_up(connection, windows, lead.next_seq)
            self.risk = remember(connection, windows)
        if not self.rows("SELECT digest FROM deployment WHERE stage = 'active'"):
            # Most stories are about something else, and none should change when a threshold does.
            self.decide_by(QUIET)
        self.line = Line(self._connection, Shelves(LimitRules(), risk=self.risk), self._appliers, lead, self.clock)
        self._running = asyncio.create_task(self.line.run())
        self._pool = db.ReadPool(self.url)
        return Desk(
            line=self.line,
            lookup=Lookup(self._pool.fetch, self.clock),
            fetch=self._pool.fetch,
            event_at=functools.partial(event_at, self._pool.fetch),
            consents=functools.partial(consent.of_seller, self._pool.fetch),
            subject_keys=functools.partial(look_up_keys, self._pool.fetch),
            notice=NOTICE,
            vault=self.vault,
            clock=self.clock,
            chance=_chance,
            formats=load_formats,
            rules=LimitRules(),
            seller_age_min=18,
            operators={"telecom": self.operator, "cmcc": self.operator},
            asked_for_secrets=frozenset({"telecom"}),
            face_check=self.face_check,
            number_proof=self.phones,
            keys=(PLATFORM,),
            seen_reads=SeenReads(began_at=self.clock.now()),
            origin=ORIGIN,
            log_folder=self.log_folder,
            is_ready=self._is_ready,
        )

    async def _is_ready(self) -> bool:
        return not self._running.done()

    def close(self) -> None:
        """Stops the line and closes every connection."""
        self.run(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    async def _close(self) -> None:
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await self._connection.close()
        await self._pool.close()

    # --- asking ---

    def knock(self, method: str, target: str, body: bytes = b"", **changes: Any) -> Knock:
        """A signed and well-formed request at the door."""
        headers = self.sign(method, target, body, **changes)
        pairs = [(name.encode(), text.encode()) for name, text in headers.items()]
        claim = parse(RawRequest(method, ORIGIN + target, pairs, body), now=self.clock.now())
        assert not isinstance(claim, Refusal), claim
        route = f"{method} {target.partition('?')[0]}"
        return Knock(claim, ADDRESS, route, takes_query="?" in target)

    def sign(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        key: str = "key_1",
        idempotency_key: str | None = None,
        nonce: str = "",
        age_s: int = 0,
        signer: crypto.Signer | None = None,
        merchant_id: str | None = None,
    ) -> dict[str, str]:
        """The headers of a signed request, with a new nonce unless one is given, and a key for each write."""
        number = next(_numbers)
        is_read = method in ("GET", "HEAD")
        words: dict[str, Any] = {
            "key_id": key, "signer": signer or SIGNERS[key], "nonce": nonce or f"{number:022d}",
            "now": plus(self.clock.now(), -age_s),
            "idempotency_key": None if is_read else idempotency_key or f"order-{number}",
        }  # fmt: skip
        if merchant_id is not None:
            return sign_like_wechat(method, ORIGIN + target, body, merchant_id=merchant_id, **words)
        return sign_request(method, ORIGIN + target, body, **words)

    def start_again(self) -> None:
        """A new line and a new desk, as after the database was put back."""
        self.run(self._close())
        self.desk = self.run(self._open())

    def decide_by(self, text: str) -> None:
        """Lets another policy decide from now on, as if two officers had deployed it."""
        policy = read_policy(text)
        self.rows("INSERT INTO policy VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING digest", policy.digest, text)
        standing = self.risk._now
        engine = dataclasses.replace(standing.engine, policy=policy)
        self.risk._now = self.risk._committed = standing._replace(engine=engine)

    def look_again(self) -> None:
        """Has the line read its rows anew, after a test has changed some behind its back."""
        self.loop.call_soon_threadsafe(self.line._working_set.forget)

    # --- looking ---

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with db.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def opened(self, sealed: str, field: Field, subject: str) -> str:
        """A sealed field, to an authority for its subject and its first purpose."""
        place = key_id(subject, field.key_class)
        ((*row,),) = self.rows("SELECT id, epoch, wrapped, fingerprint FROM subject_key WHERE id = %s", place)
        vault, now = self.desk.vault, self.clock.now()
        authority = whole(field, [subject], at=now)
        return vault.open(Sealed(sealed), vault.unlock(SubjectKey(*row)), field, authority, now=now)

    def counts(self) -> dict[str, int]:
        """How many rows each table has that a request might change."""
        return {table: self.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}

    def events(self) -> list[dict[str, Any]]:
        """History, oldest first."""
        return [json.loads(bytes(body)) for (body,) in self.rows("SELECT body FROM event ORDER BY seq")]


def _chance(count: int) -> bytes:
    """Different every time and the same in every run."""
    return hashlib.shake_256(str(next(_numbers)).encode()).digest(count)


@contextlib.contextmanager
def open_house(
    url: str,
    vault: Vault | None = None,
    log_folder: Path = Path("not-sealed"),
    appliers: Mapping[type, Applier] = APPLIERS,
) -> Iterator[House]:
    """A house for the length of a test. Its history is sealed by whoever wants it to be."""
    house = House(url, vault, log_folder, appliers)
    try:
        yield house
    finally:
        house.close()


# --- bodies ---


def card(number: int = 1, face_fen: int = 100_00, operator: str = "cmcc", **changes: Any) -> dict[str, Any]:
    """A wish to redeem a card; each number is another card."""
    source = {"type": "card", "operator": operator, "serial": f"{number:017d}", "pin": f"{number:018d}"}
    return {"contract": "ctr_1", "seller": "slr_1", "source": source | {"face_fen": face_fen}} | changes


def written(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


# --- the register ---


def fill_register(connection: psycopg.Connection[Any]) -> None:
    """Two partners, each with a seller and keys."""
    for partner in ("ptn_1", "ptn_2"):
        insert(connection, "partner", Partner(partner, partner, "active", ""))
    insert(connection, "seller", seller("slr_1", "ptn_1"))
    insert(connection, "seller", seller("slr_2", "ptn_2"))
    insert(connection, "seller", seller("slr_3", "ptn_1"))
    insert(connection, "contract", contract("ctr_1", "ptn_1"))
    insert(connection, "contract", contract("ctr_2", "ptn_2"))
    insert(connection, "contract", contract("ctr_balance", "ptn_1", source="balance"))
    insert(connection, "signing_key", key("key_1", "ptn_1"))
    insert(connection, "signing_key", key("key_2", "ptn_2"))
    insert(connection, "signing_key", key("key_seller", "slr_1", owner_kind="seller"))
    insert(connection, "signing_key", key("key_next", "ptn_1", state="next"))
    insert(connection, "signing_key", key("key_revoked", "ptn_1", state="revoked"))
    insert(connection, "signing_key", key("key_bound", "ptn_1", networks="10.0.0.0/8"))
    insert(connection, "signing_key", key("key_sm2", "ptn_1"))


def insert(connection: psycopg.Connection[Any], table: str, row: msgspec.Struct) -> None:
    values = msgspec.structs.asdict(row)
    columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})".encode(), list(values.values()))


def seller(seller_id: str, partner: str) -> Seller:
    index = f"index-of-{seller_id}"
    return Seller(seller_id, partner, "active", 1, index, index, index, "n", "i", "p", "sealed-payee", 1, 0)


def contract(contract_id: str, partner: str, source: str = "card") -> Contract:
    return Contract(
        contract_id, partner, source, "money", 10, 8, "bank_transfer", "m-1", "consume_then_pay", 0, 0, FOR_EVER
    )


def key(
    key_id: str, owner: str, owner_kind: str = "partner", state: str = "active", networks: str = ""
) -> Key:  # fmt: skip
    signer = SIGNERS[key_id]
    return Key(key_id, owner_kind, owner, signer.algorithm, wire.b64(signer.public), state, None, networks, FOR_EVER)
