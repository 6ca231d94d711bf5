"""What was written can be read for ever, and no field is kept without saying what it tells of a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from suyuan.base.wire import canonical
from suyuan.history import events
from suyuan.history.events import Event, SwitchTurned, decode, encode, kind_of
from suyuan.history.fact import Fact
from suyuan.privacy.classes import SEALED_CLASSES, BlindIndex, Privacy, Sealed

KINDS: tuple[type[Fact], ...] = get_args(Event)

# Synthetic, one line a kind as version 1 wrote it. Lines are added, never changed: this is what disks hold.
WRITTEN = Path(__file__).with_name("events_v1.jsonl").read_bytes().splitlines()

# What an event says that is none of its fields.
PLAIN = {str, int, bool, str | None, int | None, tuple[str, ...]}


def privacy_of(hint: Any) -> tuple[Any, Privacy | None]:
    """The type of a field, and its class if it says one."""
    if get_origin(hint) is not Annotated:
        return hint, None
    kind, *marks = get_args(hint)
    classes = [mark for mark in marks if isinstance(mark, Privacy)]
    return kind, classes[0] if len(classes) == 1 else None


def fields(kind: type[Fact]) -> dict[str, tuple[Any, Privacy | None]]:
    hints = get_type_hints(kind, vars(events), include_extras=True)
    return {name: privacy_of(hints[name]) for name in kind.__struct_fields__}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_says_what_it_tells_of_a_person(kind: type[Fact]) -> None:
    """A field of a personal class is sealed; one that is open or a pseudonym holds plain values or a blind index."""
    for name, (held, privacy) in fields(kind).items():
        assert privacy is not None, f"{kind.__name__}.{name} has no privacy class"
        if privacy in SEALED_CLASSES:
            assert held is Sealed, f"{kind.__name__}.{name} is {privacy} and must be sealed"
        else:
            assert held in PLAIN or held is BlindIndex, f"{kind.__name__}.{name} holds something unknown"


def test_a_field_without_a_class_is_found() -> None:
    """The test above, asked of an event that breaks its rule."""

    class Careless(Fact, frozen=True, tag="careless/1"):
        number: str

    assert privacy_of(Careless.__annotations__["number"]) != (str, Privacy.CONTACT)
    assert privacy_of(str) == (str, None)
    assert privacy_of(Annotated[str, "a note"]) == (str, None)


def test_every_kind_has_a_name_and_a_version() -> None:
    names = [str(kind.__struct_config__.tag) for kind in KINDS]
    assert len(set(names)) == len(names)
    for kind, name in zip(KINDS, names, strict=True):
        word, _, version = name.partition("/")
        assert version.isdigit(), name
        assert word.replace("_", "") == kind.__name__.rstrip("0123456789").lower(), name


@pytest.mark.parametrize("line", WRITTEN, ids=lambda line: msgspec.json.decode(line)["kind"])
def test_what_was_written_is_read_for_ever(line: bytes) -> None:
    """The bytes decode, and encode to the very same bytes, because commitments were made to them."""
    event = decode(line)
    assert encode(event) == line
    assert kind_of(event) == msgspec.json.decode(line)["kind"]


def test_every_kind_that_is_written_today_is_kept_among_the_old_ones() -> None:
    """Whoever adds a kind adds its line, and from then on it can only be superseded."""
    assert [msgspec.json.decode(line)["kind"] for line in WRITTEN] == [kind.__struct_config__.tag for kind in KINDS]


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "switch_turned/2", "target_kind": "key", "target": "k", "stopped": True, "by": "ofc_1"},
        {"kind": "switch_turned/1", "target_kind": "key", "target": "k", "stopped": True, "by": "ofc_1", "more": 1},
        {"kind": "switch_turned/1", "target_kind": "key", "target": "k", "stopped": True},
        {"kind": "switch_turned/1", "target_kind": "key", "target": "k", "stopped": "yes", "by": "ofc_1"},
        {"target_kind": "key", "target": "k", "stopped": True, "by": "ofc_1"},
    ],
    ids=["unknown version", "a field too many", "a field too few", "a wrong type", "no kind"],
)
def test_what_no_version_wrote_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(canonical(told))


def test_an_event_says_its_kind_in_its_own_bytes() -> None:
    event = SwitchTurned("key", "key_1", True, "ofc_1")
    assert msgspec.json.decode(encode(event))["kind"] == "switch_turned/1"
