"""Both faces of the SDK against a real HTTP server that checks the signatures and misbehaves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suyuan.base import crypto
from suyuan.base.refusals import Reason
from suyuan.faces.sdk import AsyncPlatform, BadAnswer, Patience, Pending, Platform, Refused, SigningKey, Unreachable
from tests.faces.sdk.twin_platform import (
    HURRIED,
    NOTICE,
    PARTNER,
    PARTNER_SM2,
    PLATFORM_KEYS,
    Mischief,
    TwinPlatform,
    serving,
)

CARD: dict[str, Any] = {"contract": "ctr_1", "seller": "slr_1", "operator": "cmcc", "serial": "1" * 17}
CARD |= {"pin": "2" * 18, "face_fen": 100_00, "idempotency_key": "order-7"}
TEMPER = [mischief for mischief in Mischief if mischief not in (Mischief.SLOW, Mischief.FAULT)]


def faces(url: str, key: SigningKey = PARTNER, **words: Any) -> Platform:
    words = dict[str, Any](keys=PLATFORM_KEYS, patience=HURRIED, timeout_s=0.5) | words
    return Platform(url, key_id=key.id, signer=key.signer, **words)


@contextmanager
def met(*mischief: Mischief, **words: Any) -> Iterator[tuple[TwinPlatform, Platform]]:
    with serving(TwinPlatform(mischief)) as twin, faces(twin.url, **words) as platform:
        yield twin, platform


@pytest.mark.parametrize("key", [PARTNER, PARTNER_SM2], ids=lambda key: key.algorithm)
@pytest.mark.parametrize("dialect", ["rfc9421", "wechat"])
def test_a_card_is_sold_in_every_dialect_and_suite(key: SigningKey, dialect: str) -> None:
    with met(key=key, dialect=dialect, merchant_id="1900001") as (twin, platform):
        answer = platform.redeem_card(**CARD)
        assert isinstance(answer, Pending)
        assert (answer.face_fen, answer.paid, answer.fee_fen) == (100_00, 80_00, 20_00)
        assert len(twin.heard) == 1


@pytest.mark.parametrize("mischief", list(Mischief))
def test_no_mischief_sells_a_card_twice(mischief: Mischief) -> None:
    """Whatever becomes of the first answer, the card is taken once and the second try learns how it went."""
    with met(mischief) as (twin, platform):
        answer = platform.redeem_card(**CARD)
        if mischief is Mischief.FAULT:
            assert isinstance(answer, Refused)
            assert not answer.is_final
            return
        assert isinstance(answer, Pending)
        assert answer.redemption == twin.cards["2" * 18]["redemption"]
        assert {heard.signed.idempotency_key for heard in twin.heard} == {"order-7"}
        assert len({heard.signed.fingerprint for heard in twin.heard}) == 1
        calm = mischief in (Mischief.FINE, Mischief.TWICE, Mischief.OLD)
        assert len(twin.heard) == (1 if calm else 2)


@settings(max_examples=15)
@given(st.lists(st.sampled_from(TEMPER), max_size=12))
def test_any_weather_ends_with_each_card_sold_once_or_a_clear_doubt(weather: list[Mischief]) -> None:
    """Three cards through any weather: each answer is a card taken once, or an exception that says "ask again"."""
    with met(*weather) as (twin, platform):
        for number in range(3):
            card = CARD | {"pin": str(number) * 18, "idempotency_key": f"order-{number}"}
            answer = None
            for _ in range(13):
                try:
                    answer = platform.redeem_card(**card)
                except (BadAnswer, Unreachable):
                    continue
                if isinstance(answer, Pending):
                    break
            assert isinstance(answer, Pending)
            assert answer.redemption == twin.cards[card["pin"]]["redemption"]
        assert len(twin.redemptions) == 3


def test_both_faces_do_the_same() -> None:
    """One flow, two drivers: the same answers from an event loop, many at once."""

    async def sell() -> list[Any]:
        words: dict[str, Any] = {"keys": PLATFORM_KEYS, "patience": HURRIED, "timeout_s": 2.0}
        async with AsyncPlatform(twin.url, key_id=PARTNER.id, signer=PARTNER.signer, **words) as platform:
            cards = [CARD | {"pin": f"{number:018}", "idempotency_key": f"order-{number}"} for number in range(20)]
            answers = await asyncio.gather(*[platform.redeem_card(**card) for card in cards])
            assert isinstance(answers[0], Pending)
            settled = [await platform.wait_until_settled(answers[0].redemption, timeout_s=5)]
            return [*answers, *settled]

    weather = [Mischief.DROP_AFTER, Mischief.TWICE, Mischief.BUSY, Mischief.TORN, Mischief.GATEWAY]
    with serving(TwinPlatform(weather)) as twin:
        *answers, settled = asyncio.run(sell())
        assert {answer.redemption for answer in answers} == set(twin.redemptions)
        assert (settled.state, settled.reference) == ("paid", "bank-1")


def test_everything_that_can_be_asked_is_answered() -> None:
    with met() as (_, platform):
        assert platform.pin().by_id() == PLATFORM_KEYS
        taken = platform.redeem_balance(
            contract="ctr_1", seller="slr_1", operator="cmcc", number="13800000000", amount_fen=50_00
        )
        assert isinstance(taken, Pending)
        state = platform.redemption(taken.redemption)
        assert not isinstance(state, Refused)
        assert state.state == "pending"
        page = platform.redemptions(limit=10)
        assert not isinstance(page, Refused)
        assert [redemption.redemption for redemption in page.redemptions] == [taken.redemption]
        person = {"name": "测试", "identity_number": "11010519491231002X", "number": "13800000000", "payee": "6222"}
        seller = platform.register_seller(**person, key=PARTNER.public)
        assert not isinstance(seller, Refused)
        assert seller.seller == "slr_1"
        step = platform.step_up(seller="slr_1", capture="face")
        assert not isinstance(step, Refused)
        assert step.raised_fen == 100_00
        shown = platform.privacy_notice()
        assert (shown.version, shown.content) == (NOTICE.version, NOTICE.content)
        agreed = platform.decide_consent(
            seller="slr_1", purpose="compare_face", decision="give", notice=shown.version, language="zh"
        )
        consents, number = platform.consents("slr_1"), platform.masked_number("slr_1")
        assert not isinstance(agreed, Refused)
        assert agreed.state == "given"
        assert not isinstance(consents, Refused)
        assert consents.consents[0].state == "not_asked"
        assert not isinstance(number, Refused)
        assert number.number == "138****0001"
        contracts, limits = platform.contracts(), platform.limits("slr_1")
        assert not isinstance(contracts, Refused)
        assert contracts.contracts[0].ratio_value == 8
        assert not isinstance(limits, Refused)
        assert limits.transaction_fen_max == 500_00


def test_an_unknown_redemption_is_refused_not_raised() -> None:
    with met() as (_, platform):
        refused = platform.redemption("rdm_0")
        assert isinstance(refused, Refused)
        assert refused.code == Reason.redemption_is_unknown


def test_a_platform_with_other_keys_is_not_believed() -> None:
    """The card is taken all the same, and the message says what to do about it."""
    others = {"platform-1": crypto.PublicKey("ed25519", crypto.suite("ed25519").signer(b"\x0b" * 32).public)}
    with met(keys=others) as (twin, platform):
        with pytest.raises(BadAnswer, match="pinned keys"):
            platform.redeem_card(**CARD)
        assert len(twin.redemptions) == 1


def test_nobody_there_is_said_within_bounds() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with faces(url, patience=Patience(tries_max=2, first_wait_s=0.01)) as platform:
            with pytest.raises(Unreachable, match="cannot be reached"):
                platform.redeem_card(**CARD)
            with pytest.raises(Unreachable):
                platform.pin()


def test_a_platform_in_use_shows_no_secret() -> None:
    with met() as (twin, platform):
        assert repr(platform) == f"Platform('{twin.url}', key_id='key_partner')"
