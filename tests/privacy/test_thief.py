"""A thief has the whole database and none of the keys, and a dictionary of all there is to guess."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator

import pytest

from suyuan.base import crypto
from suyuan.flows.redeem_card import Taken, redeem_card
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.privacy.pseudonyms import IDENTITY
from tests.flows.house import House, card, open_house, written
from tests.flows.test_forget_subject import PERSON

PIN, SERIAL = f"{7:018d}", f"{7:017d}"
PURPOSES = (b"idn", b"pye", b"identity", b"payee", b"card", b"serial", b"number")
# What somebody who has read our code, and has no key, would try.
GUESSES: dict[str, Callable[[bytes], bytes]] = {
    "sha-256": lambda value: hashlib.sha256(value).digest(),
    "sha-1": lambda value: hashlib.sha1(value).digest(),
    "md5": lambda value: hashlib.md5(value).digest(),
    "blake2b": lambda value: hashlib.blake2b(value, digest_size=32).digest(),
    "sm3": crypto.sm3,
    "hmac without a key": lambda value: hmac.digest(bytes(32), value, "sha256"),
}


@pytest.fixture
def robbed(database: str) -> Iterator[House]:
    with open_house(database) as house:
        answer = house.run(register_seller(house.desk, house.knock("POST", "/v1/sellers", written(PERSON))))
        assert isinstance(answer, Registered)
        sold = house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", written(card(7)))))
        assert isinstance(sold, Taken)
        yield house


def loot(house: House) -> str:
    """Every row of every table, as text; events and digests in hex beside it."""
    tables = [row[0] for row in house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    rows = "".join(str(house.rows(f"SELECT t::text FROM {table} t")) for table in tables)
    return rows + str(house.events())


def marks(text: str) -> set[str]:
    """All places of 32 hex digits: a blind index, a mark, or the beginning of a digest."""
    words = "".join(letter if letter in "0123456789abcdef" else " " for letter in text).split()
    return {word[:32] for word in words if len(word) >= 32}


def spellings(value: str, operator: str = "cmcc") -> Iterator[bytes]:
    for text in (value, f"{operator}|{value}"):
        plain = text.encode()
        yield plain
        for purpose in PURPOSES:
            yield purpose + b"|" + plain
            yield b"index/" + purpose + plain


def hits(stolen: set[str], values: Iterator[str]) -> list[str]:
    """The values that any guess confirms."""
    return [
        value
        for value in values
        if any(guess(plain).hex()[:32] in stolen for plain in spellings(value) for guess in GUESSES.values())
    ]


def dictionary(size: int) -> Iterator[str]:
    """The true values among many that are none."""
    yield from (PERSON["identity_number"], PERSON["number"], "6222020001", PERSON["payee"], PIN, SERIAL)
    for number in range(size):
        yield f"138{number:08d}"


def test_a_dictionary_confirms_nothing_without_the_keys(robbed: House) -> None:
    """Neither numbers nor cards; and the same loot gives way at once to whoever holds the index key."""
    stolen = marks(loot(robbed))
    assert len(stolen) >= 4
    assert hits(stolen, dictionary(1_000)) == []
    identity = robbed.vault.marks(PERSON["identity_number"], purpose=IDENTITY, now=0, fresh="")
    known = {
        identity.marks[0].hex()[:32],
        robbed.vault.index(f"cmcc|{PIN}", purpose="card"),
        robbed.vault.index(f"cmcc|{SERIAL}", purpose="serial"),
    }
    assert known <= stolen


@pytest.mark.nightly
def test_a_million_guesses_confirm_nothing(robbed: House) -> None:
    """Each in some 130 spellings and digests."""
    assert hits(marks(loot(robbed)), dictionary(1_000_000)) == []


def test_the_dictionary_would_find_an_index_that_had_no_key(robbed: House) -> None:
    """The test above, asked of a table that breaks its rule."""
    careless = {hashlib.sha256(f"cmcc|{PIN}".encode()).hexdigest()[:32]}
    assert hits(careless, dictionary(1)) == [PIN]
