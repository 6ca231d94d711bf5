"""Papers: what the platform signs for somebody to keep, and what anybody can check without asking it.

A paper is one line of canonical JSON, the facts under a name of their own and the signatures beside them:

    {"<name>":{…the facts…},"signatures":[{"key":"platform-1","signature":"<base64url>"}]}

Each signature is over a context line that says what kind of paper it is, and the canonical bytes of the facts. There is
one for each key of the platform, so that whoever may use national cryptography only checks that one. A paper is
believed when at least one signature is by a key that the reader knows, and no known key's is bad.

Invariants: a paper has one encoding; a signature on one kind of paper is good for no other.

>>> from suyuan.base.crypto import suite
>>> class Note(msgspec.Struct):
...     fen: int
>>> key = PlatformKey("platform-1", suite("ed25519").signer(bytes(32)))
>>> known = {key.id: PublicKey("ed25519", key.signer.public)}
>>> signatures = sign_facts(b"note-v1\\n", Note(5), [key])
>>> check_facts(b"note-v1\\n", Note(5), signatures, known, name="note")
>>> check_facts(b"bill-v1\\n", Note(5), signatures, known, name="bill")
Traceback (most recent call last):
    ...
suyuan.base.crypto.signatures.BadSignature: the Ed25519 signature does not fit this message and key
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from suyuan.base import wire
from suyuan.base.crypto.keys import PublicKey
from suyuan.base.crypto.signatures import BadSignature, Signer


class BadPaper(Exception):
    """Raised for bytes that are no paper of this kind, whoever signed them."""


class PlatformKey(NamedTuple):
    """One of the platform's keys, by the id under which its public half is published."""

    id: str
    signer: Signer


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key's signature over the facts."""

    key: str
    signature: str


Paper = TypeVar("Paper", bound=msgspec.Struct)


def sign_facts(context: bytes, facts: msgspec.Struct, keys: Sequence[PlatformKey]) -> list[Signature]:
    """The signatures of every key of the platform over these facts."""
    assert keys, "a platform has at least one key"
    message = context + wire.canonical_record(facts)
    return [Signature(key.id, wire.b64(key.signer.sign(message))) for key in keys]


def read_paper(content: bytes, kind: type[Paper], *, name: str) -> Paper:
    """A paper in its one encoding, its signatures unchecked still. Raises `BadPaper`."""
    try:
        paper = msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadPaper(f"this is not a {name}: it is torn, or something else") from None
    if wire.canonical_record(paper) != content.strip():
        raise BadPaper(f"this {name} is not written in its one canonical form")
    return paper


def check_facts(
    context: bytes,
    facts: msgspec.Struct,
    signatures: Sequence[Signature],
    keys: Mapping[str, PublicKey],
    *,
    name: str,
) -> None:
    """Believes the facts, or raises `BadSignature`."""
    message = context + wire.canonical_record(facts)
    known = [signature for signature in signatures if signature.key in keys]
    if not known:
        raise BadSignature(f"no signature of this {name} is by a key of the platform that you know")
    for signature in known:
        keys[signature.key].checker().check(message, _raw(signature, name))


def _raw(signature: Signature, name: str) -> bytes:
    try:
        return wire.unb64(signature.signature)
    except ValueError:
        raise BadSignature(f"a signature of this {name} is not base64url") from None
