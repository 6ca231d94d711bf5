"""Sealed fields are opened for an officer: the one way to see them on a screen.

1. The read stands in history: signed by the officer, counted, and refused where it is too much for one alone.
2. Only then the authority is minted, for these fields of those of them who are not closed.
3. The data keys are looked up; whose key is gone, or broken, shows nothing, and the others still do.
4. The vault opens each field to the authority: masked, unless a warrant names it.

Nothing here can be called in another order, since each step takes what the one before gives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.base.refusals import Refusal
from suyuan.flows.read_fields import ReadAsOfficer, read_as_officer
from suyuan.history.frames import Commands
from suyuan.privacy.authority import Authority
from suyuan.privacy.classes import Sealed
from suyuan.privacy.purposes import (
    BALANCE_NUMBER,
    CARD_SERIAL,
    SELLER_IDENTITY,
    SELLER_NAME,
    SELLER_NUMBER,
    SELLER_PAYEE,
    Field,
    fields_of,
)
from suyuan.privacy.subject_keys import fetch_keys, key_id
from suyuan.privacy.vault import BrokenSeal, OpenKey, Vault
from suyuan.settle.account import Seller
from suyuan.settle.exported import sellers_of, sources_of

Connection = psycopg.AsyncConnection[TupleRow]


class Opened(NamedTuple):
    """What an officer may see of one subject: by the name of the field; None where nothing opens any more."""

    subject: str
    fields: Mapping[str, str | None]


Texts = Mapping[Field, str]
"""The sealed texts of one subject."""


async def open_fields(
    line: Commands, vault: Vault, connection: Connection, command: ReadAsOfficer, *, now: Callable[[], int]
) -> list[Opened] | Refusal:
    """The fields that an officer has asked for. Raises `NoAuthority`."""
    # (1), (2) The read, and what it entitles to.
    authority = await read_as_officer(line, command)
    if isinstance(authority, Refusal):
        return authority
    fields = fields_of(command.fields)
    assert fields is not None, "the line records no read of fields that do not exist"
    # (3) The sealed texts and the keys.
    texts = await _texts(connection, sorted(authority.subjects), fields)
    keys = await keys_of(vault, connection, texts, fields)
    # (4) One by one.
    return [
        Opened(subject, shown(vault, subject, texts[subject], keys, authority=authority, now=now()))
        for subject in texts
    ]


async def keys_of(
    vault: Vault, connection: Connection, subjects: Iterable[str], fields: Iterable[Field]
) -> dict[str, OpenKey]:
    """The data keys, by their places, of these fields of these subjects, as far as they are there and whole."""
    classes = {field.key_class for field in fields}
    rows = await fetch_keys(connection, [key_id(subject, key_class) for subject in subjects for key_class in classes])
    return {key.row.id: key for key in vault.unlock_whole(rows.values())}


def shown(
    vault: Vault, subject: str, texts: Texts, keys: Mapping[str, OpenKey], *, authority: Authority, now: int
) -> dict[str, str | None]:
    """A subject's fields as the authority shows them, by name. Raises `NoAuthority`."""
    opened: dict[str, str | None] = {}
    for field, text in texts.items():
        key = keys.get(key_id(subject, field.key_class))
        opened[field.name] = None
        if key is not None and text:
            with contextlib.suppress(BrokenSeal):
                opened[field.name] = vault.open(Sealed(text), key, field, authority, now=now)
    return opened


def texts_of(seller: Seller, fields: Iterable[Field]) -> dict[Field, str]:
    """The sealed texts of a seller, as far as these fields are a seller's."""
    texts = {
        SELLER_NAME: seller.sealed_name, SELLER_IDENTITY: seller.sealed_identity,
        SELLER_NUMBER: seller.sealed_number, SELLER_PAYEE: seller.sealed_payee,
    }  # fmt: skip
    return {field: texts[field] for field in fields if field in texts}


async def _texts(connection: Connection, subjects: list[str], fields: tuple[Field, ...]) -> dict[str, Texts]:
    """The sealed texts of sellers, and of what redemptions were made of: an order may name either."""
    texts: dict[str, Texts] = {}
    for name, seller in (await sellers_of(connection, subjects)).items():
        texts[name] = texts_of(seller, fields)
    for redemption, source in (await sources_of(connection, subjects)).items():
        field = CARD_SERIAL if source.kind == "card" else BALANCE_NUMBER
        texts[redemption] = {field: source.sealed_serial} if field in fields else {}
    return texts
