"""The privacy class of every field that is kept: what it says of a person, and so how it must be kept.

A record's field says its class in its type: `serial: Annotated[Sealed, Privacy.CARD_SECRET]`. A field of a personal
class holds a `Sealed` text, or a blind index, never a value; a test reads every event and refuses a field without
a class. The shorthands below are for the many fields that say nothing of a person.

>>> from typing import get_args
>>> get_args(Open[int])
(<class 'int'>, <Privacy.OPEN: 'open'>)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NewType, TypeVar

Sealed = NewType("Sealed", str)
BlindIndex = NewType("BlindIndex", str)

T = TypeVar("T")


class Privacy(StrEnum):
    """From what anyone may see to what only an authority opens."""

    OPEN = "open"  # Says nothing of a person: amounts, codes, times, ids of partners.
    PSEUDONYM = "pseudonym"  # Stands for one person or thing without naming it; still personal information by law.
    IDENTITY = "identity"
    CONTACT = "contact"
    FINANCE = "finance"
    DEVICE = "device"
    BIOMETRIC = "biometric"  # A face, or a photo that shows one.
    CARD_SECRET = "card_secret"  # A bearer secret: who reads it holds the money.


SEALED_CLASSES = frozenset(
    {Privacy.IDENTITY, Privacy.CONTACT, Privacy.FINANCE, Privacy.BIOMETRIC, Privacy.CARD_SECRET},
)
KEY_CLASSES = (*sorted(SEALED_CLASSES), Privacy.DEVICE)

Open = Annotated[T, Privacy.OPEN]
Pseudonym = Annotated[T, Privacy.PSEUDONYM]
