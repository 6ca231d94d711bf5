"""The dialogue alone: the test plays the network with a list, so no second passes and nothing is sent."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from suyuan.base import crypto, wire
from suyuan.base.clock import SetClock
from suyuan.base.refusals import Reason
from suyuan.faces.sdk import calls
from suyuan.faces.sdk.exchange import Answer, Ask, Flow, Lost, Patience, Pause, Session
from suyuan.faces.sdk.records import UNDECIDED, BadAnswer, Pending, Refused, Unreachable
from suyuan.settle.answer import sign_answer
from suyuan.settle.request import Claim, RawRequest, parse
from tests.faces.sdk.twin_platform import PARTNER, PLATFORM, PLATFORM_KEYS, problem

NOW = 1_700_000_000_000_000
TAKEN: dict[str, Any] = {
    "redemption": "rdm_1", "state": "pending", "seq": 1, "at": 2, "face_fen": 100_00, "paid": 80_00,
    "fee_fen": 20_00, "rounding_fen": 0, "debt_fen": 0, "value_kind": "money",
}  # fmt: skip
PIN = "246813579246813579"
CARD: dict[str, Any] = {
    "contract": "ctr_1",
    "seller": "slr_1",
    "operator": "cmcc",
    "serial": "1" * 17,
    "face_fen": 100_00,
}


def session(**changes: Any) -> Session:
    numbers = itertools.count()
    words: dict[str, Any] = {
        "origin": "https://api.example.com", "key_id": PARTNER.id, "signer": PARTNER.signer, "keys": PLATFORM_KEYS,
        "clock": SetClock(NOW), "chance": lambda count: next(numbers).to_bytes(count),
    }  # fmt: skip
    return Session(**(words | changes))


def nonce_of(ask: Ask) -> str:
    claim = parse(raw(ask), now=SetClock(NOW).now())
    assert isinstance(claim, Claim)
    return claim.nonce


def raw(ask: Ask) -> RawRequest:
    pairs = [(name.encode(), value.encode()) for name, value in ask.headers.items()]
    return RawRequest(ask.method, "https://api.example.com" + ask.target, pairs, ask.content)


def signed(
    status: int, facts: dict[str, Any], nonce: str, *, signer: crypto.Signer = PLATFORM, more: tuple[Any, ...] = ()
) -> Answer:
    content = wire.canonical(facts)
    headers = sign_answer(status, content, key_id="platform-1", signer=signer, nonce=nonce, now=SetClock(NOW).now())
    return Answer(status, [(name.encode(), value.encode()) for name, value in headers.items()] + list(more), content)


class Played:
    """A flow that was played against a list of things that come: what it asked, how long it waited, what it said."""

    def __init__(self, flow: Flow[Any], comes: list[Any]) -> None:
        self.asks: list[Ask] = []
        self.waits: list[float] = []
        self.said: Any = None
        came: Any = None
        try:
            while True:
                step = flow.send(came)
                if isinstance(step, Pause):
                    self.waits.append(step.seconds)
                    came = None
                    continue
                self.asks.append(step)
                came = comes.pop(0)
                came = came(nonce_of(step)) if callable(came) else came
        except StopIteration as end:
            self.said = end.value


def taken(nonce: str) -> Answer:
    return signed(202, TAKEN, nonce)


def refused(reason: Reason) -> Any:
    return lambda nonce: signed(*problem(reason), nonce)


def redeem(**changes: Any) -> Flow[Pending | Refused]:
    return calls.redeem_card(session(**changes), **CARD, pin=PIN, idempotency_key="order-7")


def test_a_card_is_taken() -> None:
    played = Played(redeem(), [taken])
    assert played.said == Pending(**TAKEN)
    assert played.waits == []


def test_a_retry_changes_nothing_but_nonce_and_signature() -> None:
    """The connection breaks twice; the third try is the same act to the byte, under signatures of its own."""
    played = Played(redeem(), [Lost("the connection broke"), Lost("it did not answer in time"), taken])
    assert isinstance(played.said, Pending)
    assert {(ask.method, ask.target, ask.content, ask.headers["idempotency-key"]) for ask in played.asks} == {
        ("POST", "/v1/redemptions", played.asks[0].content, "order-7")
    }
    assert len({nonce_of(ask) for ask in played.asks}) == 3
    assert len({ask.headers["signature"] for ask in played.asks}) == 3


def test_an_idempotency_key_is_drawn_once_for_all_tries() -> None:
    played = Played(calls.redeem_card(session(), **CARD, pin=PIN), [Lost("x"), Lost("x"), taken])
    assert len({ask.headers["idempotency-key"] for ask in played.asks}) == 1


@pytest.mark.parametrize(
    "reason", [Reason.platform_is_busy, Reason.platform_is_starting, Reason.answer_is_not_known_yet]
)
def test_not_now_is_asked_again(reason: Reason) -> None:
    assert isinstance(Played(redeem(), [refused(reason), taken]).said, Pending)


@pytest.mark.parametrize(
    "reason", [Reason.platform_is_stopped, Reason.channel_is_stopped, Reason.daily_limit_is_reached]
)
def test_a_decision_is_not_asked_again(reason: Reason) -> None:
    """A closed channel answers 503 too, but that is a decision: asking louder will not open it."""
    played = Played(redeem(), [refused(reason)])
    assert (played.said.code, played.said.is_final, len(played.asks)) == (reason.value, True, 1)
    assert "。" in played.said.sentence_zh


def test_patience_ends() -> None:
    """After eight tries a platform that is busy stays refused, and one that is silent is unreachable."""
    busy = Played(redeem(), [refused(Reason.platform_is_busy)] * 8)
    assert (busy.said.code, busy.said.is_final, len(busy.asks)) == ("platform_is_busy", False, 8)
    with pytest.raises(Unreachable, match="8 tries"):
        Played(redeem(), [Lost("the connection broke")] * 8)


def test_waiting_grows_and_is_bounded() -> None:
    """Chance takes up to a half off, so a crowd does not come back as one."""
    patience = Patience(tries_max=6, first_wait_s=1, wait_max_s=4)
    for share, expected in ((b"\0\0", [1, 2, 4, 4, 4]), (b"\xff\xff", [0.5, 1, 2, 2, 2])):
        chance = lambda count, share=share: share if count == 2 else bytes(count)  # noqa: E731 - told once, here
        flow = redeem(patience=patience, chance=chance)
        played = Played(flow, [Lost("x")] * 5 + [taken])
        assert played.waits == pytest.approx(expected)


@pytest.mark.parametrize(("asked", "waits_s"), [(b"7", 7), (b"9999999", 60), (b"soon", 0.25), (b"-1", 0.25)])
def test_retry_after_is_kept_within_reason(asked: bytes, waits_s: float) -> None:
    def busy(nonce: str) -> Answer:
        return signed(*problem(Reason.platform_is_busy), nonce, more=((b"Retry-After", asked),))

    assert Played(redeem(chance=bytes), [busy, taken]).waits == [waits_s]


def test_a_gateway_that_says_not_now_needs_no_signature() -> None:
    played = Played(redeem(), [Answer(502, [], b"<html>"), Answer(429, [], b""), taken])
    assert isinstance(played.said, Pending)


def test_an_answer_of_somebody_else_is_never_believed() -> None:
    """Three in a row and we say so, instead of asking a thief until he tires."""
    somebody = crypto.suite("ed25519").signer(b"\x0a" * 32)
    forged = lambda nonce: signed(202, TAKEN, nonce, signer=somebody)  # noqa: E731 - shorter than a function
    with pytest.raises(BadAnswer, match="pinned keys"):
        Played(redeem(), [forged] * 3)
    played = Played(redeem(), [forged, taken])
    assert isinstance(played.said, Pending)
    assert played.asks[1].headers["connection"] == "close"


def test_an_old_answer_is_never_believed() -> None:
    old = signed(202, TAKEN, "n" * 22)
    with pytest.raises(BadAnswer, match="another request"):
        Played(redeem(), [old] * 3)


def test_an_old_decision_cannot_hide_that_a_card_was_taken() -> None:
    """Signed refusals may lack the nonce where the request was not readable; a decision about a card never does."""
    kept = signed(*problem(Reason.card_was_sold_before), "")
    with pytest.raises(BadAnswer, match="names no request"):
        Played(redeem(), [kept] * 3)
    at_the_door = signed(*problem(Reason.signature_is_too_old), "")
    assert Played(redeem(), [at_the_door]).said.code == "signature_is_too_old"


def test_signed_nonsense_is_raised() -> None:
    with pytest.raises(BadAnswer, match="no Pending"):
        Played(redeem(), [lambda nonce: signed(202, {"redemption": 7}, nonce)])
    with pytest.raises(BadAnswer, match="no _Problem"):
        Played(redeem(), [lambda nonce: signed(403, {"code": ["x"]}, nonce)])


def test_what_a_newer_platform_adds_is_passed_over() -> None:
    assert Played(redeem(), [lambda nonce: signed(202, TAKEN | {"new": 1}, nonce)]).said == Pending(**TAKEN)


def test_waiting_for_the_payout_ends_with_it_or_with_the_time() -> None:
    def state(word: str) -> Any:
        return lambda nonce: signed(200, TAKEN | {"state": word, "changed_at": 3, "reference": ""}, nonce)

    paid = Played(calls.wait_until_settled(session(), "rdm_1", 60), [state("pending")] * 3 + [state("paid")])
    assert (paid.said.state, len(paid.waits)) == ("paid", 3)
    still = Played(calls.wait_until_settled(session(), "rdm_1", 1.0), [state("pending")] * 9)
    assert still.said.state == "pending"
    assert sum(still.waits) == pytest.approx(1.0)


def test_a_hostile_id_stays_one_segment_of_the_path() -> None:
    played = Played(calls.redemption(session(), "../sellers?x=1"), [refused(Reason.redemption_is_unknown)])
    assert played.asks[0].target == "/v1/redemptions/..%2Fsellers%3Fx%3D1"


def test_no_secret_is_ever_shown() -> None:
    played = Played(redeem(), [taken])
    shown = repr(played.asks) + repr(session()) + repr(PARTNER) + str(played.asks[0])
    assert PIN not in shown
    assert "signature" not in shown
    assert PARTNER.secret.hex() not in shown
    assert repr(PARTNER.secret) not in shown


def test_undecided_refusals_are_the_ones_before_the_line() -> None:
    """The SDK names them itself, because a partner's SDK is not upgraded with the platform; both lists must agree."""
    reasons = list(Reason)
    body = set(reasons[reasons.index(Reason.body_is_not_utf8) : reasons.index(Reason.platform_is_busy)])
    before_the_line = set(reasons[: reasons.index(Reason.request_was_replayed) + 1]) - body
    assert {reason.value for reason in before_the_line} == UNDECIDED
