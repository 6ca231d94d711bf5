"""A signed read is answered once: its nonce is kept in memory while its signature is fresh.

Reads change nothing, so their nonces are not worth a row in the database. What memory forgets at a restart is covered
by a fence: a signature made before this process began is refused, whether it was seen or not. Whoever signs anew is
served. The number of nonces is bounded; over it reads are refused for a while rather than believed unseen.

>>> seen = SeenReads(began_at=Micros(10 * SECOND))
>>> seen.refuse(b"mark", created_at=Micros(11 * SECOND), now=Micros(11 * SECOND)) is None
True
>>> seen.refuse(b"mark", created_at=Micros(11 * SECOND), now=Micros(12 * SECOND)).code
'request_was_replayed'
>>> seen.refuse(b"other", created_at=Micros(9 * SECOND), now=Micros(12 * SECOND)).code
'signature_is_too_old'
"""

from __future__ import annotations

from suyuan.base.clock import SECOND, Micros, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.settle.request import NONCE_LIVES_S

NONCES_MAX = 500_000


class SeenReads:
    """The nonces of the reads that this process has answered, in two generations, each as long as a nonce lives."""

    def __init__(self, *, began_at: Micros, nonces_max: int = NONCES_MAX) -> None:
        # Signatures tell whole seconds, so one made in our first second may seem to come before us.
        self._fence = Micros(began_at // SECOND * SECOND)
        self._nonces_max = nonces_max
        self._turned_at = began_at
        self._younger: set[bytes] = set()
        self._older: set[bytes] = set()

    def refuse(self, mark: bytes, *, created_at: Micros, now: Micros) -> Refusal | None:
        """Whether this read must be refused; if not, it is seen from now on."""
        if created_at < self._fence:
            return Refusal(Reason.signature_is_too_old, "created")
        if mark in self._younger or mark in self._older:
            return Refusal(Reason.request_was_replayed)
        if now > plus(self._turned_at, NONCE_LIVES_S):
            self._turned_at, self._older, self._younger = now, self._younger, set()
        if len(self._younger) >= self._nonces_max:
            return Refusal(Reason.platform_is_busy)
        self._younger.add(mark)
        return None
