"""A record says nothing until somebody opens a member of it, and then it says that member and nothing else."""

from __future__ import annotations

import hashlib
import itertools
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.evidence.records.commitment import (
    NOBODY,
    OPEN_GROUP,
    UnknownKind,
    commit,
    commitments_of,
    digest_of,
    record_of,
    salts_of,
)
from suyuan.history.events import (
    DeviceBound,
    Event,
    PayoutPaid,
    RedemptionRefused,
    RedemptionTaken,
    decode,
    encode,
    kind_of_type,
)
from suyuan.history.fact import Fact
from suyuan.history.privacy_events import FieldsRead, SubjectsShredded
from suyuan.history.right_events import RequestReceived
from suyuan.history.store import Kept
from tests.history.test_events import WRITTEN

EXAMPLES = [decode(line) for line in WRITTEN]
AT = 1_800_000_000_000_000


def kept(event: Fact, seq: int = 7) -> Kept:
    return Kept(seq, AT + seq, kind_of_type(type(event)), encode(event))


def keys_for(groups: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % number).digest() for number in range(groups)]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: kind_of_type(type(event)))
def test_every_event_makes_a_record_that_its_openings_make_again(event: Event) -> None:
    """Whoever holds the texts and the salts comes to the entry of the log without us."""
    record = record_of(kept(event))
    keys = keys_for(1 + len(record.subjects))
    salts: dict[int, bytes] = {}
    for group, key in enumerate(keys):
        salts |= salts_of(record, group, key)
    assert sorted(salts) == list(range(len(record.texts)))
    assert len(set(salts.values())) == len(salts), "no two members share a salt"
    assert commitments_of(record, keys) == [commit(record.texts[at], salts[at]) for at in sorted(salts)]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: kind_of_type(type(event)))
def test_a_record_says_all_that_its_event_says_and_in_its_words(event: Event) -> None:
    """The texts, put together again, are the event as history has it, with its place and instant."""
    record = record_of(kept(event))
    said = {name: value for text in record.texts for name, value in msgspec.json.decode(b"{%s}" % text).items()}
    assert said.pop("seq") == 7
    assert said.pop("at") == AT + 7
    lists: dict[str, list[str]] = {}
    for name in [name for name in said if "/" in name]:
        lists.setdefault(name.partition("/")[0], []).append(said.pop(name))
    assert said | lists == msgspec.json.decode(encode(event))


def test_no_event_has_a_member_that_is_called_as_its_place_or_instant() -> None:
    for event in get_args(Event):
        assert not {"seq", "at"} & set(event.__struct_fields__)
        assert not any("/" in name for name in event.__struct_fields__)


def taken() -> RedemptionTaken:
    (example,) = [event for event in EXAMPLES if isinstance(event, RedemptionTaken)]
    return example


def test_a_redemption_is_about_its_seller_its_card_and_nobody() -> None:
    """The card's members die with the redemption, the seller's with the seller; what it cost is open."""
    event = taken()
    record = record_of(kept(event))
    assert record.subjects == [event.seller, event.redemption] or record.subjects == [event.redemption, event.seller]
    about = {text.partition(b":")[0]: group for group, text in zip(record.groups, record.texts, strict=True)}
    seller, card = (1 + record.subjects.index(name) for name in (event.seller, event.redemption))
    assert about[b'"seller"'] == about[b'"device"'] == about[b'"ip_prefix"'] == seller
    assert about[b'"source_index"'] == about[b'"sealed_serial"'] == about[b'"sealed_secret"'] == card
    assert about[b'"face_fen"'] == about[b'"paid"'] == about[b'"redemption"'] == OPEN_GROUP


def test_what_a_person_is_named_by_without_a_registration_is_never_opened() -> None:
    """A number that asked about itself: no data key is of it, so what opens the number would outlive everything."""
    (example,) = [event for event in EXAMPLES if isinstance(event, RequestReceived)]
    event = msgspec.structs.replace(example, seller=None, number="num_1")
    record = record_of(kept(event))
    assert record.subjects == [NOBODY]
    (place,) = [at for at, text in enumerate(record.texts) if text == b'"number":"num_1"']
    assert record.groups[place] == 1


def test_many_people_in_one_record_are_opened_one_by_one() -> None:
    """Each with a key of their own, in time that grows with their number and not with its square."""
    (example,) = [event for event in EXAMPLES if isinstance(event, FieldsRead)]
    people = tuple(f"slr_{number}" for number in range(20_000))
    record = record_of(kept(msgspec.structs.replace(example, subjects=people)))
    assert record.subjects == list(people)
    keys = keys_for(1 + len(people))
    (place,) = salts_of(record, 5_001, keys[5_001])
    assert record.texts[place] == b'"subjects/5000":"slr_5000"'
    assert len(set(commitments_of(record, keys))) == len(record.texts)


def test_nobody_in_a_list_is_a_member_too() -> None:
    record = record_of(kept(SubjectsShredded((), (), 3)))
    assert b'"subjects":[]' in record.texts
    assert record.subjects == []


def test_one_persons_key_says_nothing_of_another_in_the_same_record() -> None:
    """The other party of a record, who has its own openings, tries every candidate for its neighbour and finds none."""
    (example,) = [event for event in EXAMPLES if isinstance(event, SubjectsShredded)]
    people = ("slr_known", "slr_hidden")
    record = record_of(kept(msgspec.structs.replace(example, subjects=people)))
    keys = keys_for(3)
    hidden = record.texts.index(b'"subjects/1":"slr_hidden"')
    salts = salts_of(record, OPEN_GROUP, keys[0]) | salts_of(record, 1, keys[1])
    assert hidden not in salts
    commitment = commit(record.texts[hidden], salts_of(record, 2, keys[2])[hidden])
    streams = [hashlib.shake_256(key).digest(32 * 64) for key in keys[:2]]
    known = [stream[at : at + 32] for stream in streams for at in range(0, len(stream), 32)]
    guesses = [f'"subjects/1":"slr_{name}"'.encode() for name in ("hidden", "known", "other")]
    assert all(commit(text, salt) != commitment for text, salt in itertools.product(guesses, known))


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.binary(min_size=32, max_size=32))
def test_two_records_with_one_key_differ_wherever_their_events_do(first: int, second: int, key: bytes) -> None:
    event = PayoutPaid("rdm_1", "B-1", 8_000, "money")
    records = [record_of(kept(event, seq)) for seq in (first, second)]
    digests = [digest_of(record, commitments_of(record, [key])) for record in records]
    assert (digests[0] == digests[1]) == (first == second)


def test_an_event_of_a_later_suyuan_is_not_sealed_by_guess() -> None:
    with pytest.raises(UnknownKind, match="event 3 is of the kind tip_given/1, which this version does not know"):
        record_of(Kept(3, AT, "tip_given/1", b'{"kind":"tip_given/1","whom":"slr_1"}'))


def test_refused_requests_are_about_whom_they_name() -> None:
    (event,) = [event for event in EXAMPLES if isinstance(event, RedemptionRefused)]
    assert record_of(kept(event)).subjects == [event.seller]


def open_names(event: Event) -> set[str]:
    record = record_of(kept(event))
    members = zip(record.groups, record.texts, strict=True)
    return {text.partition(b":")[0].decode().strip('"') for group, text in members if group == OPEN_GROUP}


@pytest.mark.parametrize("kind", [RedemptionTaken, RedemptionRefused], ids=lambda kind: kind.__name__)
def test_a_key_on_a_persons_device_is_theirs_and_a_partners_is_nobodys(kind: type[Event]) -> None:
    """It signs all that they sell, so an open one would link them to each other, and to their phone, for ever."""
    (event,) = [event for event in EXAMPLES if isinstance(event, kind)]
    assert "key" in open_names(msgspec.structs.replace(event, device=None))
    assert "key" not in open_names(msgspec.structs.replace(event, device="dev_1"))


def test_the_binding_of_a_device_says_nothing_of_it_in_the_open() -> None:
    (event,) = [event for event in EXAMPLES if isinstance(event, DeviceBound)]
    assert open_names(event) == {"seq", "at", "kind", "algorithm"}
