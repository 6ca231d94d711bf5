"""What can happen in the sandbox, and the journal that remembers it.

Format of the journal: one JSON object a line, its kind under `type`; appended with one unbuffered `os.write` before the
answer leaves, so that a killed sandbox comes back knowing whatever it has told anybody. A last line without its line
break was never answered for and is cut off; any other line that cannot be read stops the start with a sentence.

PINs and captures stand here as digests only: the twin needs to compare them, nobody needs to read them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from suyuan.outside.sandbox.faults import FaultPlan

HolderAnswer = Literal["confirms", "declines", "silent"]
PayeeState = Literal["open", "closed", "unknown"]


class Card(msgspec.Struct, frozen=True):
    """A card as it is issued through the control side."""

    operator: str
    serial: str
    pin: str
    face_fen: int


class CardName(msgspec.Struct, frozen=True):
    operator: str
    serial: str


class Balance(msgspec.Struct, frozen=True):
    """A number with credit, and what its holder does some time after being asked to confirm a debit."""

    operator: str
    number: str
    balance_fen: int
    answer: HolderAnswer = "confirms"
    after_ms: int = 0


class Merchant(msgspec.Struct, frozen=True):
    channel: str
    merchant_id: str


class Payee(msgspec.Struct, frozen=True):
    """A payee's account at a channel. Accounts that nobody spoke of are open."""

    channel: str
    payee: str
    state: PayeeState


class Person(msgspec.Struct, frozen=True):
    """A registered person and the capture that shows them."""

    person: str
    capture: str


class TransitKey(msgspec.Struct, frozen=True):
    """A key of the KMS, and the token that may use it. Its versions derive from `seed`, so it outlives the process."""

    name: str
    token: str
    seed: str = ""
    mount: str = "transit"
    namespace: str = ""
    latest: int = 1
    oldest: int = 1  # Below it nothing is decrypted any more, as with `min_decryption_version`.


class IssuedCard(msgspec.Struct, frozen=True, array_like=True):
    operator: str
    serial: str
    pin_digest: str
    face_fen: int


class CardsIssued(msgspec.Struct, frozen=True, tag=True):
    cards: list[IssuedCard]


class CardsSpent(msgspec.Struct, frozen=True, tag=True):
    """Their holders used the PINs themselves – perhaps after selling them."""

    cards: list[CardName]


class BalancesOpened(msgspec.Struct, frozen=True, tag=True):
    balances: list[Balance]


class MerchantsRegistered(msgspec.Struct, frozen=True, tag=True):
    merchants: list[Merchant]


class PayeesChanged(msgspec.Struct, frozen=True, tag=True):
    payees: list[Payee]


class PeopleEnrolled(msgspec.Struct, frozen=True, tag=True):
    """Captures as digests."""

    people: list[Person]


class TransitKeySet(msgspec.Struct, frozen=True, tag=True):
    """The token as its digest."""

    key: TransitKey


class KmsAsked(msgspec.Struct, frozen=True, tag=True):
    """Whoever held the token had a key wrapped or unwrapped, or was refused."""

    verb: Literal["wrap", "unwrap"]


class FaultsSet(msgspec.Struct, frozen=True, tag=True):
    plan: FaultPlan


class OrderTaken(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """An order came for the first time, and this is what became of it at once."""

    target: str
    order_no: str
    body_digest: str
    state: str
    subject: str
    amount: int = 0
    code: str = ""
    merchant_id: str = ""
    value_kind: str = ""
    holder_says: HolderAnswer = "silent"
    holder_at: int = 0
    reversed_at: int = 0
    sent_at: int = 0


class HolderAnswered(msgspec.Struct, frozen=True, tag=True):
    """A waiting order ended. An empty code says that the balance was debited."""

    target: str
    order_no: str
    code: str


class CodeTried(msgspec.Struct, frozen=True, tag=True):
    """Somebody gave a wrong code back."""

    target: str
    order_no: str


class OrderReversed(msgspec.Struct, frozen=True, tag=True):
    target: str
    order_no: str
    at: int


class Strange(msgspec.Struct, frozen=True, tag=True):
    """Something that honest platforms do not send."""

    target: str
    what: Literal["conflict", "bad_signature"]


Fact: TypeAlias = (
    CardsIssued
    | CardsSpent
    | BalancesOpened
    | MerchantsRegistered
    | PayeesChanged
    | PeopleEnrolled
    | TransitKeySet
    | KmsAsked
    | FaultsSet
    | OrderTaken
    | HolderAnswered
    | CodeTried
    | OrderReversed
    | Strange
)


class JournalIsDamaged(Exception):
    """The journal holds a line that nobody can have answered for; the sandbox refuses to guess."""


class JournalIsTaken(Exception):
    """Another sandbox writes to this journal."""


def secret_digest(name: str, secret: str) -> str:
    """A secret as the journal holds it, bound to whose secret it is."""
    return hashlib.sha256(f"{name}\n{secret}".encode()).hexdigest()


class Journal:
    """The facts of one state file, in order. Only one process may hold it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # Two sandboxes on one journal would each pay the same order once.
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise JournalIsTaken(f"another sandbox is writing to {path}; stop it or name another state file") from None
        self._encoder = msgspec.json.Encoder()

    def append(self, fact: Fact) -> None:
        """Writes the fact; when this returns, it survives the end of this process."""
        line = self._encoder.encode(fact) + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]

    def replay(self) -> Iterator[Fact]:
        """Every fact so far. Cuts off a last line that was torn by a kill."""
        decoder = msgspec.json.Decoder(Fact)
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        os.ftruncate(self._fd, whole)
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise JournalIsDamaged(f"{self._path}, line {number}: {error}") from error

    def close(self) -> None:
        os.close(self._fd)
