"""Minimisation at the door: a form that asks for something that no registered purpose needs cannot be served.

Each field of each form says in its type what it tells of a person: `Privacy.OPEN` for nothing, `Privacy.PSEUDONYM` for
the name that the platform itself has for somebody, or else the entry of the registry under which it is collected,
a `Field` or an `Unsealed`, which carries its purposes (个人信息保护法 2021, art. 6). The API checks every form when it
is built, so a careless one stops the start instead of collecting for years.

>>> from suyuan.privacy.purposes import SELLER_NUMBER
>>> fields = [("contract", Annotated[str, Privacy.OPEN]), ("number", Annotated[str, SELLER_NUMBER])]
>>> [entry.name for entry in collected_by(msgspec.defstruct("Wish", fields))]
['seller.number/1']
>>> collected_by(msgspec.defstruct("Careless", [*fields, ("birthday", str)]))
Traceback (most recent call last):
    ...
suyuan.privacy.minimal.CarelessForm: Careless.birthday does not say what it tells of a person, nor for which purpose
"""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

from suyuan.privacy.classes import Privacy
from suyuan.privacy.purposes import FIELDS, UNSEALED, Field, Unsealed

Collected: TypeAlias = Field | Unsealed
# Neither is collected from the person: the one says nothing of anybody, the other is a name that we gave.
_NOT_COLLECTED = frozenset({Privacy.OPEN, Privacy.PSEUDONYM})


class CarelessForm(Exception):
    """Raised for a form that collects without a purpose; it names the form and the field."""


def collected_by(form: type[msgspec.Struct]) -> list[Collected]:
    """What a form collects of a person, in the order of its fields. Raises `CarelessForm`."""
    return [entry for entry in _entries(form) if entry is not None]


def _entries(form: type[msgspec.Struct]) -> Iterator[Collected | None]:
    hints = get_type_hints(form, include_extras=True)
    for name in form.__struct_fields__:
        yield from _entry_of(hints[name], f"{form.__name__}.{name}")


def _entry_of(hint: Any, where: str) -> Iterator[Collected | None]:
    """The entry of one field, or those of the forms that it holds."""
    marks = [mark for part in _parts(hint) for mark in _marks(part)]
    inner = [form for part in _parts(hint) if (form := _form(part)) is not None]
    if inner and not marks:
        for form in inner:
            yield from _entries(form)
        return
    if len(set(map(id, marks))) != 1:
        raise CarelessForm(f"{where} does not say what it tells of a person, nor for which purpose")
    yield _checked(marks[0], where)


def _checked(mark: Privacy | Collected, where: str) -> Collected | None:
    if isinstance(mark, Privacy):
        if mark not in _NOT_COLLECTED:
            raise CarelessForm(f"{where} is {mark} and names no purpose; name its entry in privacy.purposes")
        return None
    if mark not in (*FIELDS, *UNSEALED) or not mark.purposes:
        raise CarelessForm(f"{where} is collected as {mark.name}, which is not in privacy.purposes")
    return mark


def _parts(hint: Any) -> tuple[Any, ...]:
    """The choices of a union, but for null; any other type is its only choice."""
    if get_origin(hint) is Annotated or not get_args(hint):
        return (hint,)
    return tuple(part for part in get_args(hint) if part is not NoneType)


def _marks(part: Any) -> list[Privacy | Collected]:
    if get_origin(part) is not Annotated:
        return []
    return [mark for mark in get_args(part)[1:] if isinstance(mark, Privacy | Field | Unsealed)]


def _form(part: Any) -> type[msgspec.Struct] | None:
    kind = get_args(part)[0] if get_origin(part) is Annotated else part
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None
