"""Whom a checker believes: logs, witnesses and the quorum, as c2sp.org/tlog-policy writes them.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...
    quorum <name>|none

Organisations count, not keys: the keys of one organisation are a group `any`, and the quorum is a group of such groups.
A checkpoint below the quorum is refused, not warned of, because a log that nobody else has seen may show each reader
another history. One rule is stricter than the specification asks: a log's key is no witness's, or the log would
vouch for itself.

>>> read_policy(b"quorum none\\n").quorum is None
True
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from suyuan.evidence.check.checkpoint import Checkpoint, read_checkpoint
from suyuan.evidence.check.curve import Ed25519Verify, ed25519_verify
from suyuan.evidence.check.note import COSIGNATURE, ED25519, Note, Signed, Vkey, check_signatures, read_note, read_vkey
from suyuan.evidence.check.strict import decimal
from suyuan.evidence.check.wrong import BadEvidence, Wrong

POLICY_BYTES_MAX = 256 * 1024

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


class Log(NamedTuple):
    """A log whose checkpoints are believed; the key's name is the checkpoint's first line."""

    vkey: Vkey
    url: str | None


class Witness(NamedTuple):
    """A key that cosigns, and where it is asked to."""

    vkey: Vkey
    url: str | None


class Group(NamedTuple):
    """Has witnessed a checkpoint when at least `needed` of its members have."""

    needed: int
    members: tuple[str, ...]


class Policy(NamedTuple):
    """Witnesses and groups share their names. A group's members stand before it. `quorum` None asks for nobody."""

    logs: tuple[Log, ...]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    quorum: str | None


class CheckedCheckpoint(NamedTuple):
    """A checkpoint that the policy believes, the log's key that signed it, and the witnesses that cosigned it."""

    checkpoint: Checkpoint
    log: Vkey
    cosigned: list[Signed]


def read_policy(text: bytes) -> Policy:
    """Raises `BadEvidence` with the number of the line that is wrong."""
    if len(text) > POLICY_BYTES_MAX:
        raise BadEvidence(Wrong.POLICY_IS_TOO_LARGE, length=len(text), most=POLICY_BYTES_MAX)
    if found := _FORBIDDEN.search(text):
        raise BadEvidence(Wrong.POLICY_IS_NOT_PLAIN_TEXT, position=found.start())
    # A file torn in its last line could ask for less than its author did.
    if not text.endswith(b"\n"):
        raise BadEvidence(Wrong.POLICY_IS_TORN)
    reading = _PolicyReading()
    # Names are octets to the specification; this decoding keeps every octet apart from every other.
    for number, line in enumerate(text.decode("utf-8", "surrogateescape").split("\n"), 1):
        words = re.split("[ \t]+", line.strip(" \t"))
        if words[0] and not words[0].startswith("#"):
            reading.take(number, words[0], words[1:])
    if not reading.has_quorum:
        raise BadEvidence(Wrong.POLICY_HAS_NO_QUORUM)
    return Policy(tuple(reading.logs), reading.witnesses, reading.groups, reading.quorum)


class _PolicyReading:
    """What the lines so far have said."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self.has_quorum = False
        self._keys: set[bytes] = set()
        self._members: set[str] = set()

    def take(self, number: int, keyword: str, words: list[str]) -> None:
        match keyword, words:
            case "log", [vkey] | [vkey, _]:
                self.logs.append(Log(self._new_key(number, vkey, ED25519), _url(words[1:])))
            case "witness", [name, vkey] | [name, vkey, _]:
                self._check_new_name(number, name)
                self.witnesses[name] = Witness(self._new_key(number, vkey, COSIGNATURE), _url(words[2:]))
            case "group", [name, needed, _, *_]:
                self._check_new_name(number, name)
                self.groups[name] = self._group(number, needed, words[2:])
            case "quorum", [name]:
                self._set_quorum(number, name)
            case _:
                raise BadEvidence(Wrong.POLICY_LINE_IS_MALFORMED, line=number)

    def _new_key(self, number: int, text: str, kind: bytes) -> Vkey:
        vkey = read_vkey(text)
        if vkey.kind != kind:
            raise BadEvidence(Wrong.POLICY_KEY_IS_OF_ANOTHER_KIND, line=number, key=vkey.name)
        if vkey.key in self._keys:
            raise BadEvidence(Wrong.POLICY_KEY_IS_DOUBLED, line=number, key=vkey.name)
        self._keys.add(vkey.key)
        return vkey

    def _check_new_name(self, number: int, name: str) -> None:
        if name == "none" or name in self.witnesses or name in self.groups:
            raise BadEvidence(Wrong.POLICY_NAME_IS_TAKEN, line=number, name=name)

    def _check_known_name(self, number: int, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise BadEvidence(Wrong.POLICY_NAME_IS_UNKNOWN, line=number, name=name)

    def _group(self, number: int, needed_text: str, members: list[str]) -> Group:
        for name in members:
            self._check_known_name(number, name)
            # Each witness counts towards a quorum in one way only.
            if name in self._members:
                raise BadEvidence(Wrong.POLICY_MEMBER_IS_DOUBLED, line=number, name=name)
            self._members.add(name)
        needed = {"any": 1, "all": len(members)}.get(needed_text) or decimal(needed_text)
        if needed is None or not 1 <= needed <= len(members):
            raise BadEvidence(Wrong.POLICY_THRESHOLD_IS_IMPOSSIBLE, line=number, most=len(members))
        return Group(needed, tuple(members))

    def _set_quorum(self, number: int, name: str) -> None:
        if self.has_quorum:
            raise BadEvidence(Wrong.POLICY_QUORUM_IS_DOUBLED, line=number)
        if name != "none":
            self._check_known_name(number, name)
            self.quorum = name
        self.has_quorum = True


def _url(words: list[str]) -> str | None:
    return words[0] if words else None


def check_checkpoint(note: bytes, policy: Policy, *, verify: Ed25519Verify = ed25519_verify) -> CheckedCheckpoint:
    """The checkpoint of this note, if the policy believes it. Raises `BadEvidence`."""
    opened = read_note(note)
    checkpoint = read_checkpoint(opened.text)
    logs = {log.vkey for log in policy.logs if log.vkey.name == checkpoint.origin}
    if not logs:
        raise BadEvidence(Wrong.LOG_IS_UNKNOWN, log=checkpoint.origin)
    signed = _signed(opened, policy, logs, verify)
    log = next((one.vkey for one in signed if one.vkey in logs), None)
    if log is None:
        raise BadEvidence(Wrong.LOG_HAS_NOT_SIGNED, log=checkpoint.origin)
    cosigned = [one for one in signed if one.vkey not in logs]
    _check_quorum(policy, {one.vkey for one in cosigned})
    return CheckedCheckpoint(checkpoint, log, cosigned)


def _signed(note: Note, policy: Policy, logs: set[Vkey], verify: Ed25519Verify) -> list[Signed]:
    witnesses = [witness.vkey for witness in policy.witnesses.values()]
    try:
        return check_signatures(note, [*logs, *witnesses], verify=verify)
    except BadEvidence as bad:
        # The same thing, said with the name of the log that is missed.
        if bad.code is Wrong.NOBODY_KNOWN_SIGNED:
            return []
        raise


def _check_quorum(policy: Policy, cosigned: set[Vkey]) -> None:
    """Groups stand behind their members, so one pass in the order of the file is enough."""
    reached = {name for name, witness in policy.witnesses.items() if witness.vkey in cosigned}
    count = len(reached)
    for name, group in policy.groups.items():
        if sum(member in reached for member in group.members) >= group.needed:
            reached.add(name)
    if policy.quorum is not None and policy.quorum not in reached:
        raise BadEvidence(Wrong.QUORUM_IS_MISSED, quorum=policy.quorum, count=count, known=len(policy.witnesses))
