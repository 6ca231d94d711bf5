"""Cards: what a serial and a PIN look like, and that each PIN is claimed once.

The formats of the three operators are dated TOML files beside this module (`formats/`): the newest one that has begun
is in force. A PIN is a bearer secret, so a card *is* its PIN: the card's id is the blind index of operator and PIN,
and whoever sends the same PIN with another serial meets the same claim. A serial alone claims nothing; otherwise a
stranger who has read one could block its holder. A phone balance is claimed once per redemption.

Owns the table `card`. Invariant: at most one redemption holds a card, or has consumed it; after the operator rejected
it, it may be claimed again (a PIN may have been mistyped the first time).

>>> formats = load_formats("2026-11-22")
>>> formats.check("cmcc", serial="1" * 17, pin="2" * 18, face_fen=100_00) is None
True
>>> formats.check("cmcc", serial="1" * 17, pin="2" * 17 + "\\n", face_fen=100_00)
Refusal(reason=<Reason.card_pin_is_malformed: 'card_pin_is_malformed'>, where='pin')
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.history.working_set import Shelf

CLAIMED, CONSUMED, RELEASED, REVERSED = "claimed", "consumed", "released", "reversed"


@dataclass(frozen=True, slots=True)
class CardFormat:
    """How one operator prints its cards."""

    serial_digits: int
    pin_digits: int
    faces_fen: frozenset[int]


@dataclass(frozen=True, slots=True)
class Formats:
    """The formats in force."""

    begins_on: str
    operators: Mapping[str, CardFormat]

    def check(self, operator: str, *, serial: str, pin: str, face_fen: int) -> Refusal | None:
        """Whether this can be a card at all. Changes nothing and asks nobody."""
        form = self.operators.get(operator)
        if form is None:
            return Refusal(Reason.card_kind_is_unknown, "operator")
        if not _is_digits(serial, form.serial_digits):
            return Refusal(Reason.card_serial_is_malformed, "serial")
        if not _is_digits(pin, form.pin_digits):
            return Refusal(Reason.card_pin_is_malformed, "pin")
        if face_fen not in form.faces_fen:
            return Refusal(Reason.card_face_is_not_offered, "face_fen")
        return None


def load_formats(day: str) -> Formats:
    """The newest formats that have begun on this day."""
    dated = sorted(file.name for file in files("suyuan.settle").joinpath("formats").iterdir())
    begun = [name for name in dated if name.removesuffix(".toml") <= day]
    if not begun:
        raise LookupError(f"no card formats have begun on {day}; set the clock of this machine")
    content = tomllib.loads(files("suyuan.settle").joinpath("formats", begun[-1]).read_text("utf-8"))
    return Formats(begun[-1].removesuffix(".toml"), {name: _format(form) for name, form in content.items()})


def _format(form: Mapping[str, object]) -> CardFormat:
    faces_yuan = form["faces_yuan"]
    serial_digits, pin_digits = form["serial_digits"], form["pin_digits"]
    assert isinstance(faces_yuan, list)
    assert isinstance(serial_digits, int)
    assert isinstance(pin_digits, int)
    return CardFormat(serial_digits, pin_digits, frozenset(yuan * 100 for yuan in faces_yuan))


def _is_digits(text: str, count: int) -> bool:
    # `isdigit` alone takes other scripts' digits, which an operator does not.
    return len(text) == count and text.isascii() and text.isdigit()


class Card(msgspec.Struct, gc=False):
    """A card, or a balance, that was claimed. Its secret stays sealed."""

    id: str
    operator: str
    serial_index: str  # Of a balance the pseudonym of its number, until the term of that is over.
    sealed_serial: str
    sealed_secret: str
    face_fen: int
    redemption: str
    state: str
    at: int


class Cards:
    """The cards of a batch, and those used last."""

    def __init__(self) -> None:
        self.shelf = Shelf(
            "card",
            Card,
            changing=("serial_index", "sealed_serial", "sealed_secret", "face_fen", "redemption", "state", "at"),
            rows_max=20_000,
        )

    def is_taken(self, card_id: str) -> bool:
        """Whether a redemption holds this card or has consumed it."""
        card = self.shelf.get(card_id)
        return card is not None and card.state != RELEASED

    def claim(self, card: Card) -> None:
        """Gives the card to a redemption; `is_taken` has said that it is free."""
        known = self.shelf.get(card.id)
        if known is None:
            self.shelf.add(card)
            return
        assert known.state == RELEASED, "a card that is held is not claimed again"
        for name in card.__struct_fields__:
            setattr(known, name, getattr(card, name))
        self.shelf.change(known.id, known)

    def move(self, card_id: str, state: str, *, at: int) -> None:
        """Records what became of a claimed card."""
        card = self.shelf.get(card_id)
        assert card is not None, "a redemption's card exists"
        card.state, card.at = state, at
        self.shelf.change(card.id, card)
