"""A leaked list is laid beside a real history: reads and exports of officers in the database, rows as they were found.

One platform with 300 sellers of two partners. Three exports of 200 sellers each, and two officers who have read some
on their screens. The clock of the house moves on a day between the first two exports and the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import pytest
from msgspec import structs
from psycopg.rows import TupleRow

from suyuan.base import db
from suyuan.base.clock import DAY_S
from suyuan.flows import read_fields
from suyuan.flows.attribute_leak import LeakedCells, attribute_leak, candidates_of
from suyuan.flows.read_fields import read_to_perform
from suyuan.history.store import count_events
from suyuan.privacy.authority import LegalDuty
from suyuan.privacy.marks import mark_key
from suyuan.privacy.purposes import REGISTER_SELLER, SELLER_NAME, SELLER_NUMBER
from tests.flows.house import House, insert, open_house, seller
from tests.privacy import leaking
from tests.privacy.leaking import Row, World, part

READ_BY_FIRST, READ_BY_SECOND = slice(0, 60), slice(50, 300)


class Leaking:
    """The house and the people whose data leaks from it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.world = World(seed=5, people=300, exports=3, rows=200, key=mark_key(house.vault))
        self.people = sorted(self.world.registered)
        with db.connect(house.url, autocommit=True) as connection:
            for number, person in enumerate(self.people):
                known = seller(person, f"ptn_{1 + number % 2}")
                insert(connection, "seller", structs.replace(known, registered_at=self.world.registered[person]))
        first, second, third = self.world.candidates
        self._read("ofc_1", first.id, sorted(first.subjects))
        self._read("ofc_1", second.id, sorted(second.subjects)[:100])
        self._read("ofc_1", second.id, sorted(second.subjects)[100:])
        house.clock.advance(DAY_S)
        self.next_day = house.clock.now()
        self._read("ofc_2", third.id, sorted(third.subjects))
        self._read("ofc_1", "a question on the phone", self.people[READ_BY_FIRST])
        self._read("ofc_2", "a question on the phone", self.people[READ_BY_SECOND])
        self.of_one_partner = self.people[1::2]
        self._read("ofc_3", "all sellers of one partner", self.of_one_partner)
        self._read("completer", "", self.people)

    def _read(self, reader: str, reference: str, people: Sequence[str]) -> None:
        told = read_to_perform(
            self.house.line, REGISTER_SELLER, people, (SELLER_NAME, SELLER_NUMBER), reader=reader, reference=reference
        )
        with pytest.MonkeyPatch.context() as patch:
            # Reads of officers and of exports get into history here without the signatures that they take.
            patch.setattr(read_fields, "OFFICER", "nobody")
            patch.setattr(read_fields, "OWN_REFERENCES", ())
            assert isinstance(self.house.run(told), LegalDuty)

    def cells(self, rows: Sequence[Row]) -> list[LeakedCells]:
        return [
            LeakedCells(line, seller=row.subject, name=row.name, number=row.number, registered_at=row.registered_at)
            for line, row in enumerate(rows, 2)
        ]


@pytest.fixture(scope="module")
def leaking_house(module_database: str) -> Iterator[Leaking]:
    with open_house(module_database) as house:
        yield Leaking(house)


@pytest.fixture
def connection(leaking_house: Leaking) -> Iterator[psycopg.Connection[TupleRow]]:
    with db.connect(leaking_house.house.url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = on")
        yield connection


def test_the_export_that_leaked_is_named_and_its_people_are_to_be_told(
    leaking_house: Leaking, connection: psycopg.Connection[TupleRow]
) -> None:
    """Forty rows of it; the second export stands in two reads, and still is one."""
    world, vault = leaking_house.world, leaking_house.house.vault
    for source in world.candidates:
        leak = part(world.chance, world.file(source), 0.2)
        found = attribute_leak(connection, vault, leaking_house.cells(leak))
        assert found.named == (source.id,)
        assert found.told == tuple(sorted(row.subject for row in leak if row.subject in world.registered))
        assert found.weighed[0].candidate.asked_by == ("ofc_2" if source is world.candidates[2] else "ofc_1")


def test_without_pseudonyms_the_second_of_the_registration_finds_the_people(
    leaking_house: Leaking, connection: psycopg.Connection[TupleRow]
) -> None:
    world = leaking_house.world
    leak = leaking.without_pseudonyms(world.chance, part(world.chance, world.file(world.candidates[0]), 0.2))
    found = attribute_leak(connection, leaking_house.house.vault, leaking_house.cells(leak))
    assert found.named == (world.candidates[0].id,)
    assert len(found.told) + found.strangers == len(leak)


def test_the_candidates_are_exports_and_officers_never_the_platform_itself(
    leaking_house: Leaking, connection: psycopg.Connection[TupleRow]
) -> None:
    world = leaking_house.world
    candidates = {it.id: it for it in candidates_of(connection)}
    exports = [candidate.id for candidate in world.candidates]
    assert list(candidates) == [*exports, "ofc_1", "ofc_2", "ofc_3"]
    assert candidates[exports[1]].subjects == world.candidates[1].subjects
    assert [candidates[name].is_marked for name in candidates] == [True] * 3 + [False] * 3
    assert candidates["ofc_1"].subjects == frozenset(leaking_house.people[READ_BY_FIRST])


def test_what_was_read_after_the_list_was_seen_is_no_candidate(
    leaking_house: Leaking, connection: psycopg.Connection[TupleRow]
) -> None:
    world = leaking_house.world
    earlier = candidates_of(connection, before=leaking_house.next_day)
    assert [it.id for it in earlier] == [candidate.id for candidate in world.candidates[:2]]
    cells = leaking_house.cells(part(world.chance, world.file(world.candidates[2]), 0.2))
    found = attribute_leak(connection, leaking_house.house.vault, cells, seen_at=leaking_house.next_day)
    assert found.named == ()


def test_what_an_officer_alone_has_read_is_a_lead(
    leaking_house: Leaking, connection: psycopg.Connection[TupleRow]
) -> None:
    """Exactly the sixty that one officer has read on a screen: it says who could have, and names nobody."""
    rows = [Row(person) for person in leaking_house.people[READ_BY_FIRST]]
    found = attribute_leak(connection, leaking_house.house.vault, leaking_house.cells(rows))
    assert (found.named, found.leads) == ((), ("ofc_1",))


def test_numbers_that_no_reader_saw_whole_take_the_lead_away(
    leaking_house: Leaking, connection: psycopg.Connection[TupleRow]
) -> None:
    """The reads of this house showed masks; one odd cell among masked ones says nothing, a column does."""
    masked = [LeakedCells(2, seller=person, payee="**0001") for person in leaking_house.people[READ_BY_FIRST]]
    odd = [*masked[1:], masked[0]._replace(payee="6222020000000001")]
    whole = [row._replace(payee="6222020000000001") for row in masked]
    vault = leaking_house.house.vault
    leads = [attribute_leak(connection, vault, rows).leads for rows in (masked, odd, whole)]
    assert leads == [("ofc_1",), ("ofc_1",), ()]


def test_a_list_of_one_partners_sellers_points_at_nobody_who_read_them(
    leaking_house: Leaking, connection: psycopg.Connection[TupleRow]
) -> None:
    """An officer has read all of that partner's sellers and nobody else; so has the partner itself."""
    cells = leaking_house.cells([Row(person) for person in leaking_house.of_one_partner[::3]])
    found = attribute_leak(connection, leaking_house.house.vault, cells)
    assert (found.named, found.leads) == ((), ())
    assert {it.candidate.id: it.share for it in found.weighed}["ofc_3"] == 1


def test_a_list_from_elsewhere_is_nobodys(leaking_house: Leaking, connection: psycopg.Connection[TupleRow]) -> None:
    rows = [LeakedCells(line, str(line), number="13800000001", name="王芳", registered_at="gone") for line in range(50)]
    found = attribute_leak(connection, leaking_house.house.vault, rows)
    assert (found.named, found.leads, found.told, found.strangers) == ((), (), (), 50)
    assert attribute_leak(connection, leaking_house.house.vault, []).told == ()


def test_attributing_leaves_no_trace_and_opens_nothing(
    leaking_house: Leaking, connection: psycopg.Connection[TupleRow]
) -> None:
    """The sellers' sealed fields of this house are no seals at all, and the connection may write nothing."""
    before = count_events(connection)
    cells = leaking_house.cells(leaking_house.world.file(leaking_house.world.candidates[0]))
    assert attribute_leak(connection, leaking_house.house.vault, cells).named
    assert count_events(connection) == before
