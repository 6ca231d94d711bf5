"""Signed reads are answered once, across the life of a signature and across a restart."""

from __future__ import annotations

from suyuan.base.clock import SECOND, Micros, plus
from suyuan.base.refusals import Reason
from suyuan.settle.request import FRESH_S, NONCE_LIVES_S
from suyuan.settle.seen_reads import SeenReads

BEGAN = Micros(1_700_000_000 * SECOND + 300_000)


def reason(seen: SeenReads, mark: bytes, created_at: Micros, now: Micros) -> Reason | None:
    refusal = seen.refuse(mark, created_at=created_at, now=now)
    return None if refusal is None else refusal.reason


def test_a_nonce_is_remembered_as_long_as_its_signature_may_be_fresh() -> None:
    """Signed by a clock five minutes ahead, it is fresh for ten; a replay in the last second is still known."""
    seen = SeenReads(began_at=BEGAN)
    created_at = plus(BEGAN, FRESH_S)
    assert reason(seen, b"a", created_at, BEGAN) is None
    for later_s in range(0, 2 * FRESH_S + 1, 60):
        now = plus(BEGAN, later_s)
        assert reason(seen, b"a", created_at, now) is Reason.request_was_replayed
        assert reason(seen, str(later_s).encode(), now, now) is None


def test_what_was_signed_before_the_process_began_is_refused() -> None:
    seen = SeenReads(began_at=BEGAN)
    assert reason(seen, b"a", plus(BEGAN, -1), BEGAN) is Reason.signature_is_too_old
    # Signatures tell whole seconds: one of this very second seems older than it is.
    assert reason(seen, b"b", Micros(BEGAN // SECOND * SECOND), BEGAN) is None


def test_a_full_memory_refuses_rather_than_forgets() -> None:
    seen = SeenReads(began_at=BEGAN, nonces_max=2)
    assert [reason(seen, mark, BEGAN, BEGAN) for mark in (b"a", b"b")] == [None, None]
    assert reason(seen, b"c", BEGAN, BEGAN) is Reason.platform_is_busy
    later = plus(BEGAN, NONCE_LIVES_S + 1)
    assert reason(seen, b"c", later, later) is None
