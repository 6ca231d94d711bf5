"""How many items of personal information each officer has seen, and each recipient was given, this year.

Owns the table `disclosure_count`. 刑法 253-1 with 法释〔2017〕10号 (art. 5) draws the lines of the crime: 50 items of
location, communication, credit or property, 500 of trade, health or lodging, 5,000 of any other kind; half of it for
somebody who came by them at work; and amounts add up, whoever the recipients were. So a counter stands for an officer,
or a recipient, and one kind of item; it starts anew with the calendar year in Shanghai and no job escapes it by being
small. Up to half a cap the two who decide may go; above it a third person must agree; above the cap nobody can.

One item is one person's information of one kind in one act. What is read for a lawful authority's order is counted
beside, as `by_order`, and refused to nobody.

Invariants, which the table checks again: items never exceed the cap of their kind; a counter's year only grows.

>>> caps = DisclosureCaps()
>>> caps.cap(ItemClass.PROPERTY), caps.alone(ItemClass.PROPERTY)
(50, 25)
>>> items_of([ItemClass.OTHER, ItemClass.OTHER, ItemClass.PROPERTY], people=3)
{<ItemClass.OTHER: 'other'>: 3, <ItemClass.PROPERTY: 'property'>: 3}
>>> year_of(1_798_732_800_000_000 - 1), year_of(1_798_732_800_000_000)
(2026, 2027)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import shanghai_day
from suyuan.privacy.classes import Privacy

TABLE = "disclosure_count"


class ItemClass(StrEnum):
    """The three kinds of items that the law counts apart."""

    PROPERTY = "property"  # And location, communication, credit.
    TRADE = "trade"  # And health, lodging.
    OTHER = "other"


CAPS = {ItemClass.PROPERTY: 50, ItemClass.TRADE: 500, ItemClass.OTHER: 5_000}

# What one sealed field of a person is an item of. A device's address tells where somebody is, and a card's secret is
# money, so both stand in the strictest kind.
_OF_FIELDS = {
    Privacy.IDENTITY: ItemClass.OTHER,
    Privacy.CONTACT: ItemClass.OTHER,
    Privacy.FINANCE: ItemClass.PROPERTY,
    Privacy.CARD_SECRET: ItemClass.PROPERTY,
    Privacy.DEVICE: ItemClass.PROPERTY,
    Privacy.BIOMETRIC: ItemClass.TRADE,
}


@dataclass(frozen=True, slots=True)
class DisclosureCaps:
    """The caps of this platform: the law's, or tighter ones."""

    property_items_max: int = CAPS[ItemClass.PROPERTY]
    trade_items_max: int = CAPS[ItemClass.TRADE]
    other_items_max: int = CAPS[ItemClass.OTHER]

    def __post_init__(self) -> None:
        """Nobody loosens the law by a setting."""
        assert all(0 <= self.cap(item_class) <= CAPS[item_class] for item_class in ItemClass), "caps only tighten"

    def cap(self, item_class: ItemClass) -> int:
        """How many items a year a counter holds at most, whoever agrees."""
        caps = {
            ItemClass.PROPERTY: self.property_items_max,
            ItemClass.TRADE: self.trade_items_max,
            ItemClass.OTHER: self.other_items_max,
        }
        return caps[item_class]

    def alone(self, item_class: ItemClass) -> int:
        """Up to how many items no third person is needed: the half that the law sets for insiders."""
        return self.cap(item_class) // 2


class DisclosureCount(msgspec.Struct, gc=False):
    """One counter: `<officer or recipient>/<id>/<item class>`."""

    id: str
    year: int
    items: int
    by_order: int


def officer_counter(officer: str) -> str:
    """The counter of what an officer has seen or taken out."""
    return f"officer/{officer}"


def recipient_counter(recipient: str) -> str:
    """The counter of what a recipient was given."""
    return f"recipient/{recipient}"


def count_id(counter: str, item_class: ItemClass) -> str:
    """Where a counter keeps one kind of item."""
    return f"{counter}/{item_class.value}"


def item_class_of(key_class: Privacy) -> ItemClass:
    """What a sealed field of this class is an item of. Raises `KeyError` for a class that seals nothing."""
    return _OF_FIELDS[key_class]


def items_of(item_classes: Iterable[ItemClass], *, people: int) -> dict[ItemClass, int]:
    """How many items it is to show these kinds of so many people: several fields of one kind are one item."""
    return dict.fromkeys(item_classes, people)


def year_of(at: int) -> int:
    """The calendar year in Shanghai."""
    return int(shanghai_day(at)[:4])


def counts(connection: psycopg.Connection[TupleRow], *, year: int) -> list[DisclosureCount]:
    """The counters of a year that is not over, by their names."""
    return [DisclosureCount(*row) for row in connection.execute(_OF_YEAR, (year,)).fetchall()]


_OF_YEAR = "SELECT id, year, items, by_order FROM disclosure_count WHERE year = %s ORDER BY id"
