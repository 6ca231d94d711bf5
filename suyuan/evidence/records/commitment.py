"""What of an event goes into the public log: one salted digest, which says nothing, and can be opened member by member.

A *record* is the ordered list of members of an event: `seq`, `at`, then those of its canonical JSON body, in its order.
A member's text is `"name":value`, byte for byte as it is stored. A tuple of a personal class has a member for each
element, `subjects/0` and so on, so that each can be opened, and forgotten, by itself.

    commitment of a member   c = SHA-256(salt ‖ text)                     salt: 32 bytes
    digest of a record           SHA-256("suyuan record 1\\n" ‖ the names, a line each ‖ "\\n" ‖ c_1 ‖ … ‖ c_n)
    salts of a group             SHAKE-256(r), cut into pieces of 32 bytes, one a member, in order

Members fall into groups by whom they are about: group 0 holds the open ones, and each subject has a group of its own.
Each group has its own r, 32 fresh random bytes. So whoever can open what a record says of one person learns nothing of
another person in it, not even by guessing; and where r is gone, the digest stays and means nothing. The names are bound
as well, each once, so that a record cannot hold one member twice and show each party another.

What a member is about stands in its type (`privacy.classes`): an open one is about nobody, any other about the event's
`seller` or `subject`, except what `_OF_CARDS` names, which is about the card and forgotten with its redemption. A key
that lives on a person's device is about that person. The network from which strangers called is about nobody whom
anyone could forget, so it is open.

>>> from suyuan.history.events import PayoutPaid, encode
>>> kept = Kept(7, 1_700_000_000_000_000, "payout_paid/1", encode(PayoutPaid("rdm_1", "B-1", 8000, "money")))
>>> record = record_of(kept)
>>> record.texts[0], record.texts[4], record.subjects
(b'"seq":7', b'"redemption":"rdm_1"', [])
>>> salts = salts_of(record, OPEN_GROUP, bytes(32))
>>> commitments_of(record, [bytes(32)]) == [commit(record.texts[place], salts[place]) for place in range(7)]
True
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple, get_args, get_type_hints

import msgspec

from suyuan.history.events import Event, RedemptionTaken, kind_of_type
from suyuan.history.fact import Fact
from suyuan.history.store import Kept
from suyuan.privacy.classes import Privacy

SALT_BYTES = 32
GROUP_KEY_BYTES = 32
OPEN_GROUP = 0
# Whom a personal member is about where the event names nobody; nobody has keys, so it is never opened.
NOBODY = ""
_PREFIX = b"suyuan record 1\n"
_OF_CARDS: dict[type[Fact], tuple[str, ...]] = {RedemptionTaken: ("source_index", "sealed_serial", "sealed_secret")}
# Where the device is named, the key is the one that was made on it, and else a partner's.
_DEVICE, _OF_DEVICES = "device", ("key", "public_key")
_NAMING = ("seller", "subject")
_THINGS = ("redemption", "export", "request", "warrant", "paper", "proposal")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str | None)


class UnknownKind(Exception):
    """Raised for an event of a kind that this suyuan does not know: whom its members are about is unknown too."""


class Record(NamedTuple):
    """The members of an event, and the group of each; `subjects` names those of the groups from 1 on.

    `thing` is what the event happened to, a redemption, an export or the like; events of one thing belong together.
    """

    texts: list[bytes]
    groups: list[int]
    subjects: list[str]
    thing: str
    salting: _Salting
    heading: bytes
    """The names of the members, as the digest begins with them."""


class _Salting(NamedTuple):
    """Where each member's salt stands: its group, and the piece of what the group's key is drawn out to, in bytes."""

    places: list[tuple[int, slice]]
    drawn_bytes: list[int]


class _Kind(NamedTuple):
    """What the records of a kind of event have in common; made once, because every event of history passes here."""

    names: tuple[str, ...]
    openings: tuple[bytes, ...]
    """What each member's text begins with: its name, quoted, and a colon."""
    groups: list[int]
    """The group of each member, `seq` and `at` first; for kinds without lists of people, as the following."""
    salting: _Salting
    heading: bytes
    naming: tuple[str, ...]
    """The members that name the subjects of the groups from 1 on."""
    lists: frozenset[str]
    thing: str | None
    by_device: _Kind | None = None
    """The same for events in which a person's own device signed; None where none can."""


def record_of(kept: Kept) -> Record:
    """The record of an event. Raises `UnknownKind`."""
    kind = _KINDS.get(kept.kind)
    members = _members.decode(kept.body)
    if kind is None or tuple(members) != kind.names:
        raise UnknownKind(f"event {kept.seq} is of the kind {kept.kind}, which this version does not know; update it")
    if kind.by_device is not None and _text.decode(members[_DEVICE]) is not None:
        kind = kind.by_device
    texts = [b'"seq":%d' % kept.seq, b'"at":%d' % kept.at]
    thing = "" if kind.thing is None else _id_of(members[kind.thing])
    if kind.lists:
        return _record_of_many(members, kind, texts, thing)
    texts += [opening + raw for opening, raw in zip(kind.openings, members.values(), strict=True)]
    subjects = [_text.decode(members[name]) or NOBODY for name in kind.naming]
    return Record(texts, kind.groups, subjects, thing, kind.salting, kind.heading)


def _record_of_many(members: dict[str, msgspec.Raw], kind: _Kind, texts: list[bytes], thing: str) -> Record:
    """The same where a member is a list of people: each of them is a member, in a group of their own."""
    groups, numbers = [OPEN_GROUP, OPEN_GROUP], _Numbers()
    for name, raw in members.items():
        elements = _elements.decode(raw) if name in kind.lists else []
        texts += [b'"%s/%d":%s' % (name.encode(), place, element) for place, element in enumerate(elements)]
        groups += [numbers.of(element) for element in elements]
        if not elements:
            texts.append(b'"%s":%s' % (name.encode(), raw))
            groups.append(OPEN_GROUP)
    return Record(texts, groups, list(numbers.subjects), thing, _salting(groups), _heading(map(name_of, texts)))


def record_of_texts(texts: list[bytes]) -> Record:
    """A record by the texts of its members alone, of which nobody says whom they are about."""
    groups = [OPEN_GROUP] * len(texts)
    return Record(texts, groups, [], "", _salting(groups), _heading(map(name_of, texts)))


def _salting(groups: Iterable[int]) -> _Salting:
    """How members of these groups are salted, each group's from the beginning of what its key is drawn out to.

    >>> _salting([0, 0, 1])
    _Salting(places=[(0, slice(0, 32, None)), (0, slice(32, 64, None)), (1, slice(0, 32, None))], drawn_bytes=[64, 32])
    """
    drawn_bytes: dict[int, int] = {}
    places = []
    for group in groups:
        at = drawn_bytes.get(group, 0)
        drawn_bytes[group] = at + SALT_BYTES
        places.append((group, slice(at, at + SALT_BYTES)))
    return _Salting(places, [drawn_bytes[group] for group in sorted(drawn_bytes)])


def _id_of(raw: msgspec.Raw) -> str:
    text = _text.decode(raw) or ""
    return text if text.isidentifier() and text.isascii() else ""


class _Numbers:
    """Numbers the subjects of a record as they come."""

    __slots__ = ("subjects",)

    def __init__(self) -> None:
        self.subjects: dict[str, int] = {}

    def of(self, raw: msgspec.Raw) -> int:
        return self.subjects.setdefault(_text.decode(raw) or NOBODY, len(self.subjects) + 1)


def salts_of(record: Record, group: int, key: bytes) -> dict[int, bytes]:
    """The salts of one group's members, by their positions in the record."""
    places, drawn_bytes = record.salting
    drawn = hashlib.shake_256(key).digest(drawn_bytes[group])
    return {position: drawn[piece] for position, (one, piece) in enumerate(places) if one == group}


def commit(text: bytes, salt: bytes) -> bytes:
    """The commitment to a member."""
    return hashlib.sha256(salt + text).digest()


def digest_of(record: Record, commitments: Iterable[bytes]) -> bytes:
    """The digest of a record with these commitments: its entry in the log."""
    return hashlib.sha256(record.heading + b"".join(commitments)).digest()


def name_of(text: bytes) -> str:
    """The name of a member, by its text."""
    return text[1 : text.index(b'":')].decode()


def _heading(names: Iterable[str]) -> bytes:
    """
    >>> _heading(["seq", "at"])
    b'suyuan record 1\\nseq\\nat\\n\\n'
    """
    return _PREFIX + "".join(f"{name}\n" for name in names).encode() + b"\n"


def commitments_of(record: Record, keys: Sequence[bytes]) -> list[bytes]:
    """The commitments to all members of a record whose groups have these keys, one more than it has subjects."""
    sha256, shake_256 = hashlib.sha256, hashlib.shake_256
    places, drawn_bytes = record.salting
    drawn = [shake_256(key).digest(size) for key, size in zip(keys, drawn_bytes, strict=True)]
    members = zip(places, record.texts, strict=True)
    return [sha256(drawn[group][piece] + text).digest() for (group, piece), text in members]


def _kind(event: type[Fact], *, by_device: bool = False) -> _Kind:
    hints = get_type_hints(event, include_extras=True)
    # As the canonical body has them, which names the kind too.
    names = tuple(sorted([*event.__struct_fields__, "kind"]))
    personal = {name: hints[name] for name in event.__struct_fields__ if Privacy.OPEN not in get_args(hints[name])}
    lists = frozenset(name for name, hint in personal.items() if get_args(hint)[0] == tuple[str, ...])
    whose = next((name for name in _NAMING if name in hints), None)
    assert not (lists and whose), "a kind tells of one person or lists many"
    about = {} if whose is None else dict.fromkeys(personal, whose)
    about |= dict.fromkeys(_OF_CARDS.get(event, ()), "redemption")
    if by_device and whose is not None:
        about |= dict.fromkeys((name for name in _OF_DEVICES if name in hints), whose)
    naming = tuple(dict.fromkeys(about[name] for name in names if name in about))
    groups = [naming.index(about[name]) + 1 if name in about else OPEN_GROUP for name in names]
    return _Kind(
        names=names,
        openings=tuple(f'"{name}":'.encode() for name in names),
        groups=[OPEN_GROUP, OPEN_GROUP, *groups],
        salting=_salting([OPEN_GROUP, OPEN_GROUP, *groups]),
        heading=_heading(["seq", "at", *names]),
        naming=naming,
        lists=lists,
        thing=next((name for name in _THINGS if name in hints), None),
        by_device=_kind(event, by_device=True) if _DEVICE in hints and not by_device else None,
    )


_KINDS = {kind_of_type(event): _kind(event) for event in get_args(Event)}
