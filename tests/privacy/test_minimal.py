"""A form that collects without a purpose cannot be served."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import msgspec
import pytest

from suyuan.faces.http import building
from suyuan.faces.http.building import refuse_careless_forms
from suyuan.faces.http.notices import NoticeWish
from suyuan.faces.http.routes import ENDPOINTS
from suyuan.privacy.classes import Privacy
from suyuan.privacy.minimal import CarelessForm, collected_by
from suyuan.privacy.purposes import (
    ADDRESS_PREFIX,
    BALANCE_NUMBER,
    CARD_PIN,
    CARD_SERIAL,
    CLAIMED_IDENTITY,
    CLAIMED_NUMBER,
    DEVICE_KEY,
    FACE_CAPTURE,
    FIELDS,
    PAPER_FIELDS,
    RECORD_KEY,
    SELLER_FIELDS,
    SELLER_NAME,
    SELLER_NUMBER,
    UNSEALED,
)
from tests.flows.conftest import house
from tests.flows.house import House

__all__ = ["house"]
FORMS = [form for each in ENDPOINTS for form in (each.body, each.query) if form is not None]


def form(**fields: Any) -> type[msgspec.Struct]:
    return msgspec.defstruct("Careless", list(fields.items()))


def test_every_form_of_the_api_collects_for_registered_purposes() -> None:
    collected = {form.__name__: set(collected_by(form)) for form in FORMS}
    collected["NoticeWish"] = set(collected_by(NoticeWish))
    assert {name: entries for name, entries in collected.items() if entries} == {
        "RedemptionWish": {CARD_SERIAL, CARD_PIN, BALANCE_NUMBER},
        "SellerWish": {*SELLER_FIELDS, DEVICE_KEY},
        "StepUpWish": {FACE_CAPTURE},
        "ProofWish": {CLAIMED_NUMBER},
        "CodeWish": {CLAIMED_NUMBER, CLAIMED_IDENTITY},
        "RightWish": {SELLER_NAME, SELLER_NUMBER, CLAIMED_NUMBER, CLAIMED_IDENTITY},
    }


def test_every_sealed_field_comes_through_a_form() -> None:
    """What no form collects and no request carries would be a field that nobody knows the source of."""
    collected = {entry for form in FORMS for entry in collected_by(form)}
    come_otherwise = {ADDRESS_PREFIX, *PAPER_FIELDS, RECORD_KEY}
    assert {*FIELDS, *UNSEALED} - collected == come_otherwise, (
        "the address comes with a request, officers bring papers, and the platform itself draws the keys of records"
    )


@pytest.mark.parametrize(
    ("careless", "message"),
    [
        (form(birthday=str), "Careless.birthday does not say"),
        (form(birthday=str | None), "Careless.birthday does not say"),
        (form(birthday=Annotated[str, msgspec.Meta(max_length=8)]), "Careless.birthday does not say"),
        (form(tags=list[str]), "Careless.tags does not say"),
        (form(seller=Annotated[str, Privacy.CONTACT]), "Careless.seller is contact and names no purpose"),
        (form(seller=Annotated[str, Privacy.OPEN, SELLER_NUMBER]), "Careless.seller does not say"),
        (form(seller=Annotated[str, replace(SELLER_NUMBER, column="email")]), "not in privacy.purposes"),
        (form(seller=Annotated[str, replace(SELLER_NUMBER, purposes=())]), "not in privacy.purposes"),
        (form(inner=form(street=str)), "Careless.street does not say"),
        (form(inner=form(street=str) | None), "Careless.street does not say"),
        (form(inner=list[form(street=str)]), "Careless.street does not say"),  # type: ignore[misc]  # A made form.
    ],
)
def test_a_careless_form_stops_the_start(careless: type[msgspec.Struct], message: str) -> None:
    """As a body and as a query, wherever in it the field stands; the error names form and field."""
    for endpoint in (replace(ENDPOINTS[0], body=careless), replace(ENDPOINTS[0], query=careless)):
        with pytest.raises(CarelessForm, match=message):
            refuse_careless_forms([endpoint])


def test_the_api_is_not_built_with_a_careless_form(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "ENDPOINTS", (replace(ENDPOINTS[0], body=form(birthday=str)), *ENDPOINTS[1:]))
    with pytest.raises(CarelessForm, match="Careless"):
        building.build(house.desk)


def test_what_is_declared_is_served() -> None:
    careful = form(seller=Annotated[str, Privacy.PSEUDONYM], number=Annotated[str, SELLER_NUMBER] | None)
    refuse_careless_forms([replace(ENDPOINTS[0], body=careful)])
