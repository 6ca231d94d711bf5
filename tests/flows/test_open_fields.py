"""Nothing is opened that history does not tell of first, whichever way leads to the vault."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from suyuan.base import db
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.flows.forget_subject import ForgetSeller
from suyuan.flows.hold_warrants import AddWarrant
from suyuan.flows.make_export import Maker, WasMade, make_export
from suyuan.flows.open_fields import Opened, open_fields
from suyuan.privacy.purposes import (
    BALANCE_NUMBER,
    CARD_SERIAL,
    SELLER_IDENTITY,
    SELLER_NAME,
    SELLER_NUMBER,
    SELLER_PAYEE,
    Field,
)
from suyuan.privacy.vault import Vault
from tests.flows.house import House
from tests.flows.office import FIRST, Office, people
from tests.flows.test_make_export import approved, sold

PACKAGE = Path(__file__).resolve().parents[2] / "suyuan"
MASKED = (SELLER_NAME, SELLER_NUMBER, SELLER_PAYEE)


@pytest.fixture
def office(house: House) -> Office:
    return Office(house)


def see(office: Office, *subjects: str, fields: tuple[Field, ...] = MASKED, reference: str = "call 17") -> Any:
    """What an officer sees."""
    house, purpose = office.house, "answer_authority" if reference.startswith("wrt_") else "help_seller"
    house.clock.advance(1)
    names = [field.name for field in fields]
    read = officers.read(FIRST, purpose, reference, subjects=subjects, fields=names, now=house.clock.now())

    async def go() -> Any:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            return await open_fields(house.line, house.vault, connection, read, now=house.clock.now)

    return house.run(go())


def ordered(office: Office, subjects: tuple[str, ...], *fields: Field) -> str:
    """An order that is in force."""
    now = office.house.clock.now()
    office.decide(
        AddWarrant(
            "wrt_1",
            "某市公安局",
            "2026-17",
            "0" * 64,
            subjects,
            tuple(field.name for field in fields),
            now,
            now + 10**12,
        )
    )
    return "wrt_1"


def calls_of_open(module: ast.Module) -> Iterator[ast.AST]:
    """Calls that look like the vault's: `.open(sealed, key, field, authority, now=…)`."""
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Attribute(attr="open"), keywords=words) if "now" in {word.arg for word in words}:
                yield node


def test_a_few_stories_open_sealed_fields_and_no_other_module_does() -> None:
    """Payouts, a number told by consent, what officers see, export, judge or bundle, what a person is given of theirs.

    The bench measures beside the house.
    """
    found = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if list(calls_of_open(ast.parse(file.read_text("utf-8"))))
    }
    assert found - {"faces/bench/vault.py"} == {
        "flows/finish_payout.py",
        "flows/tell_partner_number.py",
        "flows/open_fields.py",
        "flows/decide_request.py",
        "flows/subject_bundle.py",
        "flows/make_bundle.py",
    }


def test_every_opening_finds_its_read_in_history_with_its_subject_and_field(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked at the vault itself, at the moment of opening, of the database as committed."""
    opened: list[tuple[str, str]] = []
    open_before = Vault.open

    def watched(vault: Vault, sealed: Any, key: Any, field: Field, authority: Any, *, now: int) -> str:
        ((body,),) = office.house.rows(
            "SELECT convert_from(body, 'UTF8')::jsonb FROM event WHERE seq = %s", authority.read_seq
        )
        assert body["kind"] == "fields_read/2"
        assert key.subject in body["subjects"]
        assert field.name in body["fields"]
        opened.append((body["reference"], key.subject))
        return open_before(vault, sealed, key, field, authority, now=now)

    monkeypatch.setattr(Vault, "open", watched)
    names, house = people(office.house, 3), office.house
    assert len(see(office, *names)) == 3
    export = approved(office, names, "name", "payee")

    async def go() -> Any:
        async with await psycopg.AsyncConnection.connect(house.url, autocommit=True) as connection:
            sign = functools.partial(officers.record_export, FIRST)
            maker = Maker(house.line, house.vault, connection, house.clock.now, sign)
            begin = officers.begin_export(FIRST, export.id, now=house.clock.now())
            return await make_export(maker, begin, tmp_path / "a")

    assert isinstance(house.run(go()), WasMade)
    assert opened.count(("call 17", names[0])) == 3
    assert opened.count((export.id, names[0])) == 2
    assert len(opened) == 3 * 3 + 3 * 2


def test_an_officer_sees_masks(office: Office) -> None:
    (name,) = people(office.house, 1)
    shown = {"seller.name/1": "王**", "seller.number/1": "138****0001", "seller.payee/1": "**0001"}
    assert see(office, name) == [Opened(name, shown)]


def test_what_is_refused_opens_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = people(office.house, 1)
    monkeypatch.setattr(Vault, "open", None)
    assert see(office, name, fields=(SELLER_IDENTITY,)) == Refusal(Reason.read_is_not_allowed, "fields")
    for reference in ("exp_1", "wrt_x"):
        assert isinstance(see(office, name, reference=reference), Refusal)
    office.decide(ForgetSeller(name, "subject asked"))
    assert see(office, name) == []


def test_an_order_opens_sellers_and_what_their_redemptions_were_made_of(office: Office) -> None:
    """Whole, and only the fields that it names; a card's field is none of a seller's."""
    (name,) = people(office.house, 1)
    redemption = sold(office, 7, name)
    warrant = ordered(office, (name, redemption), SELLER_IDENTITY, CARD_SERIAL, BALANCE_NUMBER)
    seen = see(office, name, redemption, fields=(SELLER_IDENTITY, CARD_SERIAL, BALANCE_NUMBER), reference=warrant)
    assert seen == [
        Opened(name, {"seller.identity_number/1": "11010119900102001X"}),
        Opened(redemption, {"card.serial/1": f"{7:017d}"}),
    ]


def test_a_broken_key_shows_nothing_and_spoils_nothing(office: Office) -> None:
    names = people(office.house, 2)
    with db.connect(office.house.url, autocommit=True) as connection:
        connection.execute(
            "UPDATE subject_key SET wrapped = decode(repeat('00', 60), 'hex') WHERE id = 'slr_p1/finance'"
        )
        connection.execute("UPDATE seller SET sealed_number = '2a.AAAA' WHERE id = 'slr_p2'")
    first, second = see(office, *names)
    assert first.fields == {"seller.name/1": "王**", "seller.number/1": "138****0001", "seller.payee/1": None}
    assert second.fields == {"seller.name/1": "王**", "seller.number/1": None, "seller.payee/1": "**0002"}
