"""Canary cards are laid among cards that somebody is given, and named by whoever tries to redeem one.

1. For an export, or whatever else goes by an `exp_` id, as many cards are made as are asked for; they derive from key,
   export and number, so nothing of them is kept.
2. At the door such a card is recognised by its PIN and refused as a wrong one is (`redeem_card`), so whoever brings it
   learns nothing; the refusal stands in history with the card's blind index.
3. Who has brought one is found by making all cards of all exports again and looking their indexes up.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from suyuan.history.events import RedemptionRefused, RedemptionTaken
from suyuan.history.store import about_sources
from suyuan.privacy.canary import CARDS_MAX, canary_card
from suyuan.privacy.marks import mark_key
from suyuan.privacy.vault import Vault
from suyuan.settle.card import Formats


class CanaryCard(NamedTuple):
    """A card that no operator issued."""

    export: str
    operator: str
    number: int
    serial: str
    pin: str


class Met(NamedTuple):
    """A canary card that came back: which, and who brought it."""

    seq: int
    brought_at: int
    export: str
    operator: str
    number: int
    partner: str
    seller: str
    redemption: str


def canary_cards(vault: Vault, formats: Formats, export: str, operator: str, count: int) -> list[CanaryCard]:
    """The first canary cards of an export, in the operator's form. Raises `KeyError` for an unknown operator."""
    assert count <= CARDS_MAX
    key, form = mark_key(vault), formats.operators[operator]
    cards = []
    for number in range(count):
        serial, pin = canary_card(
            key, operator, export, number, serial_digits=form.serial_digits, pin_digits=form.pin_digits
        )
        cards.append(CanaryCard(export, operator, number, serial, pin))
    return cards


def canary_cards_met(
    connection: psycopg.Connection[TupleRow], vault: Vault, formats: Formats, exports: Collection[str]
) -> list[Met]:
    """Every attempt to redeem a canary card of these exports, oldest first."""
    cards = {
        vault.index(f"{operator}|{card.pin}", purpose="card"): card
        for export in exports for operator in formats.operators
        for card in canary_cards(vault, formats, export, operator, CARDS_MAX)
    }  # fmt: skip
    met = []
    for seq, at, event in about_sources(connection, (RedemptionTaken, RedemptionRefused), list(cards)):
        assert isinstance(event, RedemptionTaken | RedemptionRefused), "other kinds were not asked for"
        card = cards[event.source_index]
        told = (event.partner, event.seller, event.redemption)
        met.append(Met(seq, at, card.export, card.operator, card.number, *told))
    return met
