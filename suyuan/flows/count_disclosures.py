"""The counters of `privacy.disclosure` in the line: they are looked at before anything is shown, and move with it.

Two things feed them: what officers read one by one or page by page (`read_fields`), and exports (`export_records`),
which move the officer's counter and the recipient's. Both in the commit that keeps the read, so that a hundred small
jobs at once meet the same counter a hundred times, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.shelves import Shelves
from suyuan.privacy.disclosure import DisclosureCount, ItemClass, count_id, year_of

Items = Mapping[ItemClass, int]


def want_counts(shelves: Shelves, *counters: str) -> None:
    """Which rows counting needs."""
    shelves.disclosures.want_all([count_id(counter, item_class) for counter in counters for item_class in ItemClass])


def too_much_alone(shelves: Shelves, counter: str, items: Items, *, at: int) -> Refusal | None:
    """Why one officer may not see so many items with nobody else agreeing."""
    over = _over(shelves, counter, items, at=at, caps={kind: shelves.caps.alone(kind) for kind in ItemClass})
    return None if over is None else Refusal(Reason.reads_alone_are_used_up, over)


def too_much(shelves: Shelves, counters: Iterable[str], items: Items, *, at: int) -> Refusal | None:
    """Why nobody at all may let so many items go."""
    caps = {kind: shelves.caps.cap(kind) for kind in ItemClass}
    over = [over for counter in counters if (over := _over(shelves, counter, items, at=at, caps=caps))]
    return Refusal(Reason.disclosure_cap_is_reached, over[0]) if over else None


def needs_third(shelves: Shelves, counters: Iterable[str], items: Items, *, at: int) -> str | None:
    """The counter that these items would take above half of its cap; None where two may decide."""
    caps = {kind: shelves.caps.alone(kind) for kind in ItemClass}
    over = [over for counter in counters if (over := _over(shelves, counter, items, at=at, caps=caps))]
    return over[0].partition("=")[0] if over else None


def count_disclosures(shelves: Shelves, counter: str, items: Items, *, at: int, by_order: bool = False) -> None:
    """Moves a counter. A new year begins at nothing."""
    year = year_of(at)
    for item_class, count in items.items():
        place = count_id(counter, item_class)
        row = shelves.disclosures.get(place)
        if row is None:
            row = DisclosureCount(place, year, 0, 0)
            shelves.disclosures.add(row)
        if row.year != year:
            row.year, row.items, row.by_order = year, 0, 0
        if by_order:
            row.by_order += count
        else:
            row.items += count
        shelves.disclosures.change(place, row)


def _over(shelves: Shelves, counter: str, items: Items, *, at: int, caps: Items) -> str | None:
    """The first counter that would pass its cap, and how much is left on it, as a refusal names it."""
    for item_class, count in items.items():
        place = count_id(counter, item_class)
        row = shelves.disclosures.get(place)
        counted = row.items if row is not None and row.year == year_of(at) else 0
        if counted + count > caps[item_class]:
            return f"{place}={max(caps[item_class] - counted, 0)}"
    return None
