"""Each signed request acts once: nonces against replay, idempotency keys against doubled retries.

A nonce is remembered for longer than a signature is fresh (`NONCE_TTL_S` against twice `request.FRESH_S`), so a
replay is either refused as seen or as too old. An idempotency key is scoped to whoever signs with any of its keys
and is bound to the digest of the request: the same key with the same request gets the first answer, for ever the
same; with another request it conflicts. The digest is kept for ever, the answer until retention ends.

Owns the tables `nonce` and `idempotency`. Marks are 128 bits of SHA-256, so that neither table holds what a caller
chose to write into its keys.

>>> nonce_mark("key_1", "abc") == nonce_mark("key_1", "abc"), nonce_mark("key_1", "abc") == nonce_mark("key_2", "abc")
(True, False)
"""

from __future__ import annotations

import hashlib

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.refusals import Reason, Refusal
from suyuan.history.working_set import Shelf

NONCE_TTL_S = 1_200
MARK_BYTES = 16


class Nonce(msgspec.Struct, gc=False):
    mark: bytes
    seen_at: int


class Remembered(msgspec.Struct, gc=False):
    """A request that acted, or was refused, and the answer that it will always get."""

    mark: bytes
    request_digest: bytes
    answer: bytes
    at: int


class Once:
    """The nonces and idempotency keys of one batch. None is kept in memory: the database remembers them all."""

    def __init__(self) -> None:
        self.nonces = Shelf("nonce", Nonce, rows_max=0)
        self.requests = Shelf("idempotency", Remembered, rows_max=0)

    def want(self, nonce: bytes, request: bytes) -> None:
        """Asks whether this nonce and this request were seen."""
        self.nonces.want(nonce)
        self.requests.want(request)

    def is_replay(self, nonce: bytes, *, at: int) -> bool:
        """Whether the nonce was seen; from now on it is."""
        if self.nonces.get(nonce) is not None:
            return True
        self.nonces.add(Nonce(nonce, at))
        return False

    def recall(self, request: bytes, digest: bytes) -> bytes | Refusal | None:
        """The first answer to this request, a conflict with another one, or None for a new request."""
        remembered = self.requests.get(request)
        if remembered is None:
            return None
        if remembered.request_digest != digest:
            return Refusal(Reason.idempotency_key_was_used_for_another_request)
        return remembered.answer

    def remember(self, request: bytes, digest: bytes, answer: bytes, *, at: int) -> None:
        """Keeps an answer, in the same commit as what it tells of."""
        self.requests.add(Remembered(request, digest, answer, at))


async def forget_nonces(connection: psycopg.AsyncConnection[TupleRow], *, before: int) -> int:
    """Deletes the nonces last seen before an instant. Returns how many there were."""
    return (await connection.execute("DELETE FROM nonce WHERE seen_at < %s", (before,))).rowcount


def nonce_mark(key_id: str, nonce: str) -> bytes:
    """What a nonce is remembered by."""
    return hashlib.sha256(f"{key_id}\0{nonce}".encode()).digest()[:MARK_BYTES]


def request_mark(owner: str, route: str, idempotency_key: str) -> bytes:
    """What a request is remembered by: its signer, its route and the signer's key for it."""
    return hashlib.sha256(f"{owner}\0{route}\0{idempotency_key}".encode()).digest()[:MARK_BYTES]
