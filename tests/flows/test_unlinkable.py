"""Who is forgotten cannot be found again by the log: not by guessing, with all keys of today and all there is to guess.

A thief has the public log, every dump of the database that was ever taken, the platform's keys of today, the openings
that the buyer of the cards was given, and a list of candidates in which the right ones stand. The same thief finds
whoever was not forgotten, and exactly them; and with the keys of before the roll would have found both.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from binascii import a2b_base64
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from suyuan.evidence import check
from suyuan.evidence.log.fsck import fsck
from suyuan.evidence.log.shard_log import Tiles
from suyuan.evidence.records.commitment import OPEN_GROUP, commit, record_of, salts_of
from suyuan.evidence.records.leaves import NEVER_KEPT, Leaf, shards
from suyuan.evidence.records.opening import Opened, open_record
from suyuan.flows.publish_log import POLICY, publish_log
from suyuan.history.store import Kept
from suyuan.privacy.classes import Sealed
from suyuan.privacy.keyring import FileRing, NoEpochKey, Ring, make_ring
from suyuan.privacy.pseudonyms import IDENTITY, NUMBER, PAYEE
from suyuan.privacy.purposes import CARD_PIN, CARD_SERIAL, RECORD_KEY, SELLER_FIELDS
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import BrokenSeal, OpenKey, Vault
from tests.flows.house import NOON, House, open_house
from tests.flows.sealing import seal, sealer_of, signers
from tests.flows.test_forget_subject import KMS, forget, hear, register, roll_whole
from tests.flows.test_forget_subject import sell as sell_of_new
from tests.privacy.authorities import whole

ROOT = bytes(32)
GUESSES_MIN, GUESSES_MAX = 10_000, 1_000_000
INDEX_BYTES = 16
Person = dict[str, str]
# What `sell_of_new` sells is hers; she is the one who will be forgotten.
GONE: Person = {"name": "王芳", "identity_number": "110101199001011237", "number": "13800000777",
                "payee": "622202-0001", "seller": "slr_new"}  # fmt: skip
STAYS: Person = {"name": "李雷", "identity_number": "110101199001012010", "number": "13800003333",
                 "payee": "622202-0002", "seller": "slr_stays"}  # fmt: skip
VALUES = ("name", "identity_number", "number", "payee")


class Candidates(NamedTuple):
    """All that the thief has to guess, the right ones among them."""

    numbers: Sequence[str]
    others: Sequence[str]
    sellers: Sequence[str]

    @classmethod
    def of(cls, count: int) -> Candidates:
        others = [person[name] for person in (GONE, STAYS) for name in ("name", "identity_number", "payee")]
        others += [f"{number:06d}19900101000X" for number in range(count // 100)]
        others += [f"人{number}" for number in range(count // 100)]
        sellers = [*(f"slr_{number}" for number in range(count // 10)), GONE["seller"], STAYS["seller"]]
        return cls([f"138{number:08d}" for number in range(count)], others, sellers)

    @property
    def values(self) -> Iterator[str]:
        yield from self.numbers
        yield from self.others


@dataclass
class Loot:
    """What was stolen, again and again; the openings are what the other party of each record was given."""

    events: dict[int, Kept] = field(default_factory=dict)
    leaves: dict[int, Leaf] = field(default_factory=dict)
    keys: set[SubjectKey] = field(default_factory=set)
    text: str = ""
    openings: dict[int, Opened] = field(default_factory=dict)

    def take(self, house: House) -> None:
        """Every row of every table, as it stands now, and every file of the log."""
        self.events |= {row[0]: Kept(*row) for row in house.rows("SELECT seq, at, kind, body FROM event")}
        leaves = house.rows("SELECT seq, digest, open_key, sealed_keys, closed, thing FROM leaf")
        self.leaves |= {row[0]: Leaf(*row) for row in leaves}
        self.keys |= {SubjectKey(*row) for row in house.rows("SELECT id, epoch, wrapped, fingerprint FROM subject_key")}
        for (table,) in house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            self.text += str(house.rows(f"SELECT t::text FROM {table} t"))
        self.text += str(house.events())
        self.text += "".join(file.read_bytes().hex() + " " for file in house.log_folder.rglob("*") if file.is_file())


# --- the attacks ---------------------------------------------------------------------------------


class Thief:
    """Tries everything that the code would let anybody try who has these keys."""

    def __init__(self, loot: Loot, vault: Vault) -> None:
        self._loot, self._vault = loot, vault
        self._open = [key for row in loot.keys if (key := self._unlocked(row)) is not None]
        self._salts = self._all_salts()

    def _unlocked(self, row: SubjectKey) -> OpenKey | None:
        try:
            return self._vault.unlock(row)
        except (NoEpochKey, BrokenSeal):
            return None

    def finds(self, candidates: Candidates) -> set[str]:
        """The candidates that anything confirms."""
        values = set(candidates.values)
        return (
            (self._opened() & values)
            | set(self._indexed(candidates.values))
            | self._in_the_clear(candidates)
            | self._digested(candidates.values)
            | self._committed(candidates)
        )

    # What sealed texts open to, wherever they lie and whichever key opens them.

    def _opened(self) -> set[str]:
        texts = [text for text in _words(self._loot.text) if text[:3] in ("2a.", "2s.")]
        fields = (*SELLER_FIELDS, CARD_SERIAL, CARD_PIN)
        return {found for text in texts for one in fields for found in self._tried(text, one)}

    def _tried(self, text: str, one: object) -> Iterator[str]:
        assert isinstance(one, type(RECORD_KEY))
        for key in self._open:
            if key.row.id.endswith(one.key_class.value):
                try:
                    yield self._vault.open(Sealed(text), key, one, whole(one, [key.subject]), now=1)
                except BrokenSeal:
                    continue

    # What blind indexes and marks lead to.

    def _indexed(self, values: Iterable[str]) -> Iterator[str]:
        known = {self._loot.text[at : at + 2 * INDEX_BYTES] for at in _hex_places(self._loot.text)}
        marks = {word[:64] for word in _hex_words(self._loot.text) if len(word) >= 64}
        purposes = (NUMBER, IDENTITY, PAYEE)
        for value in values:
            if any(self._vault.index(value, purpose=purpose) in known for purpose in purposes) or any(
                mark.hex() in marks
                for purpose in purposes
                for mark in self._vault.marks(value, purpose=purpose, now=NOON, fresh="").marks
            ):
                yield value

    # The very bytes, as text or in any usual form.

    def _in_the_clear(self, candidates: Candidates) -> set[str]:
        text = self._loot.text
        runs = {text[at : at + 11] for at in range(len(text) - 10) if text[at : at + 3] == "138"}
        forms: tuple[Callable[[str], str], ...] = (str, lambda one: one.encode().hex(), lambda one: one[::-1])
        others = {one for one in candidates.others if any(form(one) in text for form in forms)}
        return {one for one in candidates.numbers if one in runs} | others

    # A digest without a key, the one guess that costs nothing.

    def _digested(self, values: Iterable[str]) -> set[str]:
        known = {word[:32] for word in _hex_words(self._loot.text) if len(word) >= 32}
        return {one for one in values if hashlib.sha256(one.encode()).hexdigest()[:32] in known}

    # Commitments, with every salt that can be had.

    def _committed(self, candidates: Candidates) -> set[str]:
        closed = self._closed()
        texts = [(one, f'"{name}":"{one}"'.encode()) for one in candidates.numbers for name in ("number",)]
        texts += [(one, f'"seller":"{one}"'.encode()) for one in candidates.sellers]
        return {one for one, text in texts if any(commit(text, salt) in closed for salt in self._salts)}

    def _closed(self) -> set[bytes]:
        """All commitments to what is about somebody: from the table, and from the openings that were given."""
        closed = {
            leaf.closed[at : at + 32] for leaf in self._loot.leaves.values() for at in range(0, len(leaf.closed), 32)
        }
        for opened in self._loot.openings.values():
            closed |= {a2b_base64(one) for one in json.loads(opened.openings)["commitments"]}
        return closed

    def _all_salts(self) -> list[bytes]:
        """No salt at all, those that were given away, those in the table, and those that some sealed key opens."""
        salts = {b"", bytes(32)}
        for opened in self._loot.openings.values():
            salts |= {a2b_base64(salt) for _, salt in json.loads(opened.openings)["salts"].values()}
        for seq, leaf in self._loot.leaves.items():
            record = record_of(self._loot.events[seq])
            groups = {OPEN_GROUP: leaf.open_key} | self.group_keys(leaf)
            for group, key in groups.items():
                salts |= {key, *salts_of(record, group, key).values()}
        return sorted(salts)

    def group_keys(self, leaf: Leaf) -> dict[int, bytes]:
        """The keys of subjects' groups that today's keys open."""
        return {
            group: bytes.fromhex(found)
            for group, sealed in enumerate(leaf.sealed, 1)
            if sealed != NEVER_KEPT
            for key in self._open
            if (found := self._key_of_group(sealed, key)) is not None
        }

    def _key_of_group(self, sealed: str, key: OpenKey) -> str | None:
        try:
            return self._vault.open(Sealed(sealed), key, RECORD_KEY, whole(RECORD_KEY, [key.subject]), now=1)
        except BrokenSeal:
            return None

    def exact_members(self) -> set[bytes]:
        """Of the members in the history that was stolen, those that a closed commitment can be shown to hold."""
        closed, found = self._closed(), set()
        for seq in self._loot.leaves:
            record = record_of(self._loot.events[seq])
            texts = [text for text, group in zip(record.texts, record.groups, strict=True) if group != OPEN_GROUP]
            found |= {text for text in texts if any(commit(text, salt) in closed for salt in self._salts)}
        return found


def _words(text: str) -> set[str]:
    return set(text.replace('"', " ").replace("'", " ").replace(",", " ").replace("(", " ").replace(")", " ").split())


def _hex_words(text: str) -> list[str]:
    return "".join(letter if letter in "0123456789abcdef" else " " for letter in text).split()


def _hex_places(text: str) -> Iterator[int]:
    """Where a word of hex digits begins that is long enough for an index."""
    at = 0
    for word in _hex_words(text):
        at = text.index(word, at)
        if len(word) >= 2 * INDEX_BYTES:
            yield at
        at += len(word)


# --- the story -----------------------------------------------------------------------------------


@dataclass
class Story:
    house: House
    loot: Loot
    ring_before: Ring
    gone: list[int]
    """The places in history of what tells of the forgotten seller and her cards."""

    def thief(self, *, keys_of_before: bool = False) -> Thief:
        return Thief(self.loot, Vault(ROOT, self.ring_before) if keys_of_before else self.house.vault)


@pytest.fixture
def story(database: str, tmp_path: Path) -> Iterator[Story]:
    """Two sellers sell, all of it is sealed, and their openings are given to the other party; then one is forgotten."""
    make_ring(tmp_path / "epochs.key", KMS, now=NOON)
    vault = Vault(ROOT, FileRing(tmp_path / "epochs.key", KMS))
    with open_house(database, vault, tmp_path / "log") as house:
        for person in (GONE, STAYS):
            register(house, **person)
        sold = [sell_of_new(house, number) for number in (1, 2)]
        for redemption in sold:
            hear(house, redemption, "consumed", "paid")
        sealer = sealer_of(house, house.log_folder)
        seal(house, sealer)
        publish_log(sealer)
        loot = Loot()
        loot.take(house)
        shutil.copy(tmp_path / "epochs.key", tmp_path / "before.key")
        gone = [seq for seq, kept in loot.events.items() if _tells_of(kept, {GONE["seller"], *sold})]
        for seq in gone:
            loot.openings[seq] = given_to_the_other_party(Thief(loot, vault), loot, seq, sold)
        forget(house)
        roll_whole(house)
        seal(house, sealer)
        publish_log(sealer)
        loot.take(house)
        yield Story(house, loot, FileRing(tmp_path / "before.key", KMS), gone)
        sealer.close()
        sealer.connection.close()


def _tells_of(kept: Kept, subjects: Collection[str]) -> bool:
    body = json.loads(kept.body)
    return body.get("seller") in subjects or body.get("redemption") in subjects


def given_to_the_other_party(platform: Thief, loot: Loot, seq: int, sold: Sequence[str]) -> Opened:
    """The open members, and those of the card; nothing of the seller."""
    record, leaf = record_of(loot.events[seq]), loot.leaves[seq]
    keys = platform.group_keys(leaf)
    return open_record(record, leaf, {group: keys[group] for group in keys if record.subjects[group - 1] in sold})


def finds_whoever_stays_and_nobody_else(story: Story, guesses: int) -> None:
    candidates = Candidates.of(guesses)
    assert {GONE["number"], STAYS["number"]} <= set(candidates.numbers)
    stays = {STAYS[name] for name in VALUES} | {STAYS["seller"]}
    assert story.thief().finds(candidates) == stays


def test_ten_thousand_guesses_find_whoever_stays_and_nobody_who_was_forgotten(story: Story) -> None:
    finds_whoever_stays_and_nobody_else(story, GUESSES_MIN)


@pytest.mark.nightly
def test_a_million_guesses_find_whoever_stays_and_nobody_who_was_forgotten(story: Story) -> None:
    finds_whoever_stays_and_nobody_else(story, GUESSES_MAX)


def test_with_the_keys_of_before_the_roll_both_are_found(story: Story) -> None:
    """The check can fail: this is what the dumps and the log would give away if no epoch had died."""
    both = {person[name] for person in (GONE, STAYS) for name in (*VALUES, "seller")}
    assert story.thief(keys_of_before=True).finds(Candidates.of(GUESSES_MIN)) == both


def test_not_even_the_very_members_can_be_shown_to_stand_in_the_record_of_who_was_forgotten(story: Story) -> None:
    """History still has their pseudonyms and sealed texts; without the salts nothing ties these to the log."""
    members = {text for seq in story.gone for text in _closed_texts(story.loot.events[seq])}
    assert b'"seller":"slr_new"' in members
    shown = story.thief().exact_members()
    assert b'"seller":"slr_stays"' in shown
    given = {name for seq in story.gone for name in json.loads(story.loot.openings[seq].record)}
    of_the_card = {"source_index", "sealed_serial", "sealed_secret"}
    assert of_the_card <= given
    assert {text for text in shown & members if not _is_named(text, of_the_card)} == set()
    assert members <= story.thief(keys_of_before=True).exact_members()


def _closed_texts(kept: Kept) -> set[bytes]:
    record = record_of(kept)
    return {text for text, group in zip(record.texts, record.groups, strict=True) if group != OPEN_GROUP}


def _is_named(text: bytes, names: Collection[str]) -> bool:
    return text[1 : text.index(b'":')].decode() in names


def test_the_log_still_verifies_and_still_proves_what_is_open(story: Story) -> None:
    log = story.house.log_folder
    policy = check.read_policy((log / POLICY).read_bytes())
    sealer = sealer_of(story.house, log)
    (start,) = shards(sealer.connection)
    sealer.connection.close()
    assert fsck(log / start.name, [one.vkey for one in signers(start)]) == []
    for seq, kept in story.loot.events.items():
        opened = open_record(record_of(kept), story.loot.leaves[seq], {})
        proof = Tiles(log / start.name).proof(seq)
        assert proof is not None
        assert check.check_proof(proof, check.record_entry(opened.record, opened.openings), policy).index == seq
    for seq in story.gone:
        given = story.loot.openings[seq]
        assert check.record_entry(given.record, given.openings) == story.loot.leaves[seq].digest
