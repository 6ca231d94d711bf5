"""Signed notes and the keys that sign them, as c2sp.org/signed-note and c2sp.org/tlog-cosignature write them.

A note is a text that ends in a newline, an empty line, and signature lines:

    — <key name> base64(4-byte key id || signature)

A key (vkey) is `<name>+<key id in hex>+base64(kind || key)`. Two kinds can be checked with the standard library: 0x01,
Ed25519 over the text, and 0x04, Ed25519 over `cosignature/v1`, a time and the text. The SM2 kind is read, not checked.

A line of an unknown key is ignored: anybody may add some. A line whose name and id are a known key's must be good, or
the whole note is refused. The id is only a way to find the key; it protects nothing.

>>> key = read_vkey("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
>>> key.name, key.key_id.hex(), key.kind
('example.com/log/testdata', '33d7b496', b'\\x01')
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

from suyuan.evidence.check.curve import ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES, Ed25519Verify, ed25519_verify
from suyuan.evidence.check.strict import from_base64
from suyuan.evidence.check.wrong import BadEvidence, Wrong

ED25519 = b"\x01"
COSIGNATURE = b"\x04"
SM2_SM3 = b"\xffsuyuan/sm2-sm3/v1"
# The point is uncompressed: 0x04 || x || y.
SM2_KEY_BYTES = 65

KEY_ID_BYTES = 4
VKEY_CHARS_MAX = 1_000
NOTE_BYTES_MAX = 1_000_000
# The specification asks for at least 16.
SIGNATURES_MAX = 100

_KEY_BYTES = {ED25519: ED25519_KEY_BYTES, COSIGNATURE: ED25519_KEY_BYTES, SM2_SM3: SM2_KEY_BYTES}
# No space of any kind, and nothing that is no text; a policy's octets may stand here as halves of surrogate pairs.
_KEY_NAME = re.compile(r"[^+\s\ud800-\udfff]+")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_TIME_BYTES = 8
_TIME_END = 2**63


class Vkey(NamedTuple):
    """A public key by the name of whose it is. `kind` is one of `ED25519`, `COSIGNATURE` and `SM2_SM3`."""

    name: str
    key_id: bytes
    kind: bytes
    key: bytes


class NoteSignature(NamedTuple):
    """One signature line, unchecked."""

    name: str
    key_id: bytes
    blob: bytes


class Note(NamedTuple):
    """A note's text, which ends in its newline, and its signature lines, unchecked."""

    text: bytes
    signatures: tuple[NoteSignature, ...]


class Signed(NamedTuple):
    """A key whose signature is good; `at` is the cosigner's time in seconds since 1970, `None` for other kinds."""

    vkey: Vkey
    at: int | None


def key_id(name: str, kind: bytes, key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + kind + key).digest()[:KEY_ID_BYTES]


def is_key_name(name: str) -> bool:
    return _KEY_NAME.fullmatch(name) is not None


def read_vkey(text: str) -> Vkey:
    """A key of one of the three kinds, whose id is its own. Raises `BadEvidence`."""
    name, _, rest = text[:VKEY_CHARS_MAX].partition("+")
    shown_id, _, encoded = rest.partition("+")
    content = from_base64(encoded)
    if not is_key_name(name) or not re.fullmatch("[0-9a-f]{8}", shown_id) or not content:
        raise BadEvidence(Wrong.VKEY_IS_MALFORMED, key=text)
    kind = next((kind for kind in _KEY_BYTES if content.startswith(kind)), None)
    if kind is None:
        raise BadEvidence(Wrong.VKEY_KIND_IS_UNKNOWN, key=name)
    key = content.removeprefix(kind)
    if len(key) != _KEY_BYTES[kind] or (kind == SM2_SM3 and key[0] != 4):
        raise BadEvidence(Wrong.VKEY_IS_MALFORMED, key=text)
    if key_id(name, kind, key).hex() != shown_id:
        raise BadEvidence(Wrong.VKEY_ID_IS_ANOTHER, key=name)
    return Vkey(name, bytes.fromhex(shown_id), kind, key)


def read_note(note: bytes) -> Note:
    """The parts of a note, nothing of it believed yet. Raises `BadEvidence`."""
    if len(note) > NOTE_BYTES_MAX:
        raise BadEvidence(Wrong.NOTE_IS_TOO_LARGE, length=len(note), most=NOTE_BYTES_MAX)
    try:
        note.decode()
    except UnicodeDecodeError as error:
        raise BadEvidence(Wrong.NOTE_IS_NOT_PLAIN_TEXT, position=error.start) from None
    if found := _CONTROL.search(note):
        raise BadEvidence(Wrong.NOTE_IS_NOT_PLAIN_TEXT, position=found.start())
    text, separator, lines = note.rpartition(b"\n\n")
    if not separator or not lines.endswith(b"\n"):
        raise BadEvidence(Wrong.NOTE_IS_MALFORMED)
    signatures = lines.decode().removesuffix("\n").split("\n")
    if len(signatures) > SIGNATURES_MAX:
        raise BadEvidence(Wrong.SIGNATURES_ARE_TOO_MANY, count=len(signatures), most=SIGNATURES_MAX)
    return Note(text + b"\n", tuple(map(_read_signature, signatures)))


def _read_signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix("— ").partition(" ")
    content = from_base64(encoded)
    if not line.startswith("— ") or not is_key_name(name) or content is None or len(content) <= KEY_ID_BYTES:
        raise BadEvidence(Wrong.SIGNATURE_LINE_IS_MALFORMED, line=line)
    return NoteSignature(name, content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def check_signatures(note: Note, vkeys: Iterable[Vkey], *, verify: Ed25519Verify = ed25519_verify) -> list[Signed]:
    """Those of these keys that signed, each once, at least one. Raises `BadEvidence`, also for one bad signature."""
    known = {(vkey.name, vkey.key_id): vkey for vkey in vkeys}
    signed: dict[Vkey, Signed] = {}
    for signature in note.signatures:
        if vkey := known.get((signature.name, signature.key_id)):
            found = _check_signature(note.text, vkey, signature.blob, verify)
            signed.setdefault(vkey, found)
    if not signed:
        raise BadEvidence(Wrong.NOBODY_KNOWN_SIGNED)
    return list(signed.values())


def _check_signature(text: bytes, vkey: Vkey, blob: bytes, verify: Ed25519Verify) -> Signed:
    if vkey.kind == ED25519:
        at, signature, message = None, blob, text
    elif vkey.kind == COSIGNATURE:
        at, signature = int.from_bytes(blob[:_TIME_BYTES]), blob[_TIME_BYTES:]
        message = cosigned_message(text, at)
    else:
        raise BadEvidence(Wrong.VKEY_KIND_IS_UNKNOWN, key=vkey.name)
    is_in_time = at is None or at < _TIME_END
    if not is_in_time or len(signature) != ED25519_SIGNATURE_BYTES or not verify(vkey.key, message, signature):
        raise BadEvidence(Wrong.SIGNATURE_IS_BAD, key=vkey.name)
    return Signed(vkey, at)


def cosigned_message(text: bytes, at: int) -> bytes:
    """What a witness signs: c2sp.org/tlog-cosignature."""
    return b"cosignature/v1\ntime %d\n%s" % (at, text)
