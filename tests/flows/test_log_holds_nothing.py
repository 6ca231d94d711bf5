"""The public log holds no value that anybody ever gave, in whatever form, and no digest of one either.

Distinctive values come in through the front door; everything is sealed, with a witness, over the end of a year; and
then every file below the log's folder is searched for them, and for every stretch of any event's own text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from binascii import a2b_base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from suyuan.base import crypto
from suyuan.evidence.records.commitment import record_of
from suyuan.flows.publish_log import publish_log
from suyuan.flows.redeem_card import redeem_card
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.history.store import Kept
from tests.flows.house import House, card, open_house, written
from tests.flows.sealing import seal, sealer_of, sell
from tests.flows.test_forget_subject import hear

YEAR_S = 60 * 86_400
WINDOW_BYTES = 16
PEOPLE = [
    {"name": name, "identity_number": identity, "number": number, "payee": f"6222029900{place:06d}",
     "seller": f"slr_planted_{place}"}
    for place, (name, identity, number) in enumerate([
        ("欧阳示例", "110101199001011237", "13812345678"), ("司马样本", "110101199001012010", "13987654321"),
    ])
]  # fmt: skip


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    """Sellers, cards that were paid, one that was refused, and a year that ended."""
    with open_house(database, log_folder=tmp_path / "log") as house:
        for person in PEOPLE:
            answer = house.run(register_seller(house.desk, house.knock("POST", "/v1/sellers", written(person))))
            assert isinstance(answer, Registered)
        for number, person in enumerate(PEOPLE, 7_000):
            body = written(card(number) | {"seller": person["seller"]})
            house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", body)))
            house.run(redeem_card(house.desk, house.knock("POST", "/v1/redemptions", body)))
        hear(house, sell(house, 7_010), "consumed", "paid")
        sealer = sealer_of(house, house.log_folder)
        seal(house, sealer)
        house.clock.advance(YEAR_S)
        sell(house, 7_011)
        seal(house, sealer)
        publish_log(sealer)
        sealer.close()
        sealer.connection.close()
        yield house


def history(house: House) -> list[Kept]:
    return [Kept(*row) for row in house.rows("SELECT seq, at, kind, body FROM event ORDER BY seq")]


def planted(house: House) -> set[str]:
    """What was given, what the platform made of it, and whatever else the members say that is long enough to tell."""
    values = {value for person in PEOPLE for value in person.values()}
    values |= {f"{number:0{digits}d}" for number in (7_000, 7_001, 7_010, 7_011) for digits in (17, 18)}
    values |= {name for (name,) in house.rows("SELECT name FROM partner")} - {"ptn_1", "ptn_2"}
    for kept in history(house):
        values |= {str(value) for value in json.loads(kept.body).values() if len(str(value)) >= 6}
    return values


def forms(value: bytes) -> Iterator[bytes]:
    """As somebody might have written it: as it is, backwards, in hex, and inside of base64, wherever that begins."""
    yield from (value, value[::-1], value.hex().encode(), value.hex().upper().encode())
    for shift in range(3):
        for text in (base64.b64encode(bytes(shift) + value), base64.urlsafe_b64encode(bytes(shift) + value)):
            # What the neighbours change is left out.
            yield text[-(-8 * shift // 6) : (8 * (shift + len(value)) // 6)]


def spellings(value: str) -> Iterator[bytes]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030"):
        yield from forms(value.encode(encoding))


def digests(content: bytes) -> Iterator[bytes]:
    for made in (hashlib.sha256(content).digest(), hashlib.sha1(content).digest(), hashlib.md5(content).digest(),
                 crypto.sm3(content), hashlib.sha256(b"\0" + content).digest()):  # fmt: skip
        yield from (made, made.hex().encode(), base64.b64encode(made)[:20])


def unfolded(content: bytes) -> bytes:
    """A file, and after it whatever base64 in it means."""
    decoded = []
    for word in content.split():
        try:
            decoded.append(a2b_base64(word, strict_mode=True))
        except ValueError:
            continue
    return b"\n".join([content, *decoded])


class Search:
    """All that is looked for in a file, made ready once."""

    def __init__(self, house: House) -> None:
        events = history(house)
        self._tried = {one: value for value in planted(house) for one in (*spellings(value), *digests(value.encode()))}
        for kept in events:
            for text in (kept.body, *record_of(kept).texts):
                self._tried |= dict.fromkeys(digests(text), f"a digest of event {kept.seq}")
        self._windows = {window for kept in events for window in _windows(kept.body)}

    def hits(self, content: bytes) -> set[str]:
        """What of it stands there."""
        whole = unfolded(content)
        hits = {value for one, value in self._tried.items() if one in whole}
        return hits | {str(one) for one in (*_windows(whole), *_windows(whole[::-1])) if one in self._windows}


def _windows(content: bytes) -> Iterator[bytes]:
    return (content[at : at + WINDOW_BYTES] for at in range(len(content) - WINDOW_BYTES + 1))


def test_no_value_and_no_part_of_an_event_stands_in_any_file_of_the_log(house: House) -> None:
    search = Search(house)
    assert len(planted(house)) > 40
    files = [file for file in house.log_folder.rglob("*") if file.is_file()]
    names = {str(file.relative_to(house.log_folder)).rpartition("/")[2] for file in files}
    assert {"checkpoint", "link", "next", "shards.json", "policy.tlog-policy"} <= names
    assert {str(file): search.hits(file.read_bytes()) for file in files if search.hits(file.read_bytes())} == {}


def test_the_search_would_find_what_a_careless_log_would_hold(house: House) -> None:
    """Each form of a value, a digest of it, of a member or of an event, and a stretch of one, between other bytes."""
    search, kept, value = Search(house), history(house)[0], PEOPLE[0]["number"].encode()
    careless = [*forms(value), *digests(value), *digests(kept.body), *digests(record_of(kept).texts[3])]
    for made in (*careless, kept.body[100:116], kept.body[100:116][::-1], base64.b64encode(kept.body[100:130])):
        assert search.hits(b"\x07" * 33 + made + b"\x07" * 11) or search.hits(b"\n" + made + b"\n"), made
    assert search.hits(b"\x07" * 100) == set()
