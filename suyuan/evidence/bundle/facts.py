"""What a bundle says beside its proofs: where records came from, what belongs to them, on what machine, by whose hands.

None of it is proven by the log. It is what a court asks about the time before the log, and about the way out of it, and
is the platform's word, under the bundle's digest and its time stamp:

| file | answers | rule |
|---|---|---|
| `prelog.json` | how a record came to be, and who was there | 人民法院在线诉讼规则 2021, 18 |
| `links.json` | what else of the case stands in the log | 最高人民法院关于互联网法院审理案件若干问题的规定 2018, 11 |
| `environment.json` | was the machine whole, and can it find its own errors | 民事诉讼证据规定 2019, 93 |
| `custody.json` | who took it out, when, with what, by what authority | 法发〔2016〕22号, 14 |
| `keys.json` | whose keys, from when to when | 电子签名法 2019, 13 |

Instants are micros, digests hexadecimal. What is not known is the empty string, and is shown as "not recorded". Nothing
here may be a person's value, or a digest or signature of what somebody could guess: that tells them they guessed well.
"""

from __future__ import annotations

import msgspec

LOG, WITNESS = "log", "witness"


class KeyListed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key whose signatures stand under checkpoints, in the text form of C2SP signed-note."""

    vkey: str
    use: str
    organisation: str
    begins_at: int
    ends_at: int | None = None


class Prelog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one record came to be."""

    seq: int
    source: str  # The system that told of it, such as a partner's.
    signed_by: str  # The key under whose signature the request came.
    operator: str  # The person or process who acted, by pseudonym.
    device: str  # The kind of evidence of a device, such as "key made on it"; never what identifies it.
    network: str  # The kind of evidence of an address.
    clock: str  # Which clock the record's instant is of, and what keeps it.
    software: str
    commit: str


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another record of the same case, whether it is in this bundle or not."""

    seq: int
    index: int
    origin: str
    kind: str
    relation: str


class SelfCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the platform found when it looked at itself, at the time of extraction."""

    name: str
    is_good: bool
    findings: tuple[str, ...] = ()


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine and the program that the bundle was made by."""

    made_at: int
    software: str
    commit: str
    python: str
    system: str
    settings_sha256: str
    clock: str
    self_checks: tuple[SelfCheck, ...] = ()


class Custody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose hands the records went through. `recorded_seq` is where history tells of this extraction itself."""

    extracted_by: str
    extracted_at: int
    tool: str
    command: str
    authority: str  # Warrant, consent, contract or legal duty.
    reference: str  # Its number, as the officer gave it.
    recorded_seq: int | None = None


class KeyList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`keys.json`."""

    keys: tuple[KeyListed, ...]
    format: str = "suyuan-keys-v1"


class PrelogList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`prelog.json`."""

    records: tuple[Prelog, ...]
    format: str = "suyuan-prelog-v1"


class LinkList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`links.json`."""

    links: tuple[Link, ...]
    format: str = "suyuan-links-v1"
