"""Who was forgotten gets a paper that says so, which anybody can check and nobody can alter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from suyuan.base import crypto
from suyuan.base.clock import plus
from suyuan.base.crypto import BadPaper, BadSignature
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.certify_deletion import NotForgotten, certify_deletion
from suyuan.flows.roll_epoch import FINAL_WITHIN_S
from suyuan.privacy.certificate import FINAL, SHREDDED, Certificate, check_certificate, sign_certificate
from tests.flows.house import ORIGIN, PLATFORM, PLATFORM_KEYS, House
from tests.flows.test_forget_subject import forget, hear, intend, keys, roll_whole, rolling, sell

__all__ = ["rolling"]  # The fixture of a house whose epochs lie in a file.


def certified(house: House, seller: str = "slr_new") -> Certificate | Refusal:
    async def go() -> Certificate | Refusal:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            return await certify_deletion(connection, seller, origin=ORIGIN, chance=house.desk.chance)

    return house.run(go())


def good(house: House) -> Certificate:
    certificate = certified(house)
    assert isinstance(certificate, Certificate)
    return certificate


def test_a_certificate_says_what_is_gone_and_when_no_copy_opens_any_more(rolling: House) -> None:
    """First shredded, with the day on which it will be final; after the roll final. The fingerprints are the keys'."""
    hear(rolling, sell(rolling, 1), "consumed", "paid")
    forget(rolling)
    first = good(rolling)
    assert (first.state, first.redemptions, first.still_in_stock) == (SHREDDED, 1, 0)
    assert first.final_by == plus(first.shredded_at, FINAL_WITHIN_S)
    assert set(first.fingerprints) == {key.fingerprint.hex() for key in keys(rolling).values() if key.is_forgotten}
    roll_whole(rolling)
    final = good(rolling)
    assert final.state == FINAL
    assert rolling.clock.now() <= final.final_by
    assert final.fingerprints == first.fingerprints
    told = [rolling.events()[seq] for seq in final.seqs]
    assert {event["kind"] for event in told} == {"subjects_shredded/1"}
    assert {one for event in told for one in event["fingerprints"]} == set(final.fingerprints)


def test_a_certificate_names_its_person_to_whoever_knows_the_pseudonym_alone(rolling: House) -> None:
    """Two certificates of one person cannot be joined by anybody else."""
    forget(rolling)
    first, second = good(rolling), good(rolling)
    assert first.is_about("slr_new")
    assert not first.is_about("slr_1")
    assert first.commitment != second.commitment
    assert "slr_new" not in sign_certificate(first, [PLATFORM]).decode()


def test_nothing_is_certified_before_it_is_done(rolling: House) -> None:
    assert certified(rolling) == Refusal(Reason.seller_is_unknown, "seller")
    intend(rolling)
    assert certified(rolling) == Refusal(Reason.subject_is_not_forgotten_yet, "seller")


def test_a_key_that_came_back_is_an_alarm_and_no_certificate(rolling: House) -> None:
    """Somebody restored one row from a backup: the register says forgotten, the key says otherwise."""
    forget(rolling)
    with psycopg.connect(rolling.url, autocommit=True) as connection:
        connection.execute(
            "UPDATE subject_key SET wrapped = decode(repeat('00', 60), 'hex'), fingerprint = '' WHERE id = %s",
            ("slr_new/contact",),
        )
    with pytest.raises(NotForgotten):
        certified(rolling)


def paper_of(house: House) -> bytes:
    forget(house)
    return sign_certificate(good(house), [PLATFORM])


def test_a_certificate_is_checked_with_the_platforms_key_alone(rolling: House) -> None:
    assert check_certificate(paper_of(rolling), PLATFORM_KEYS).state == SHREDDED


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"state": "final"}, BadSignature),
        ({"shredded_at": 1}, BadPaper),
        ({"fingerprints": []}, BadSignature),
        ({"still_in_stock": 5}, BadSignature),
        ({"state": "perhaps"}, BadPaper),
        ({"more": 1}, BadPaper),
    ],
    ids=str,
)
def test_an_altered_certificate_is_refused(rolling: House, change: dict[str, Any], refused: type[Exception]) -> None:
    paper = json.loads(paper_of(rolling))
    paper["certificate"] |= change
    with pytest.raises(refused):
        check_certificate(msgspec.json.encode(paper, order="sorted"), PLATFORM_KEYS)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 5_000, b'{"certificate":{}}'], ids=repr)
def test_what_is_no_certificate_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(BadPaper):
        check_certificate(content, PLATFORM_KEYS)


def test_another_platforms_signature_is_not_believed(rolling: House, tmp_path: Path) -> None:
    stranger = crypto.suite("ed25519").signer(b"\x61" * 32)
    with pytest.raises(BadSignature):
        check_certificate(paper_of(rolling), {PLATFORM.id: crypto.PublicKey("ed25519", stranger.public)})
