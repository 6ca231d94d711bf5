"""Every signature line of a checkpoint is accepted by the `openssl` command, from the key that its vkey holds.

Nothing of ours reads the note or the keys here: the few lines below are the specifications of C2SP, and our own
sentence about the SM2 line: type `0xff`, the name `suyuan/sm2-sm3/v1`, the point; then r and s of 32 bytes each.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.evidence.conformance.second_opinions import Refused, answer_of
from tests.evidence.conformance.written_log import COSIGNED_AT_S, WrittenLog

# What RFC 8410 and GB/T 35276 put before the bare key.
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
SM2_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
SM2_TYPE = b"\xffsuyuan/sm2-sm3/v1"
# The user id that GB/T 32918 gives where the parties have agreed on none.
SM2_WORDS = ("-digest", "sm3", "-pkeyopt", "distid:1234567812345678")


class Line(NamedTuple):
    """A signature line of a note, and the key of its vkey; both with their types taken off."""

    text: bytes
    key: bytes
    signature: bytes


def line_of(note: bytes, vkey: str, kind: bytes) -> Line:
    """The line that this key has signed, once the key's id is what the specification makes of name, type and key."""
    name, key_id, key64 = vkey.split("+", 2)
    key = base64.b64decode(key64, validate=True)
    assert key.startswith(kind)
    assert hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] == key_id
    text, _, lines = note.rpartition(b"\n\n")
    blobs = [base64.b64decode(line.rsplit(b" ", 1)[1], validate=True) for line in lines.splitlines()]
    (blob,) = [blob for blob in blobs if blob[:4].hex() == key_id]
    return Line(text + b"\n", key.removeprefix(kind), blob[4:])


def verify(openssl: str, folder: Path, public_key: bytes, line: Line, *words: str) -> None:
    """Raises `Refused` unless the signature is good."""
    files = {"key.der": public_key, "message": line.text, "signature": line.signature}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command: list[str | Path] = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-keyform",
        "DER",
        "-inkey",
        folder / "key.der",
        "-rawin",
    ]
    answer_of([openssl, *command, "-in", folder / "message", "-sigfile", folder / "signature", *words])


def sequence_of_two(raw: bytes) -> bytes:
    """r and s, which stand side by side in the note, in the DER that openssl reads."""
    numbers = b""
    for half in (raw[:32], raw[32:]):
        value = int.from_bytes(half)
        content = value.to_bytes(value.bit_length() // 8 + 1)
        numbers += bytes([2, len(content)]) + content
    return bytes([0x30, len(numbers)]) + numbers


def test_the_ed25519_line_is_good(openssl: str, written: WrittenLog, tmp_path: Path) -> None:
    line = line_of(written.note, written.vkey, b"\x01")
    verify(openssl, tmp_path, ED25519_SPKI + line.key, line)
    with pytest.raises(Refused):
        verify(openssl, tmp_path, ED25519_SPKI + line.key, line._replace(text=line.text.replace(b"700", b"701")))


def test_the_sm2_line_is_good(openssl: str, written: WrittenLog, tmp_path: Path) -> None:
    """For a Chinese court: the national algorithm, checked by a tool that every Linux has."""
    line = line_of(written.note, written.sm2_vkey, SM2_TYPE)
    assert (len(line.key), len(line.signature)) == (65, 64)
    line = line._replace(signature=sequence_of_two(line.signature))
    verify(openssl, tmp_path, SM2_SPKI + line.key, line, *SM2_WORDS)
    with pytest.raises(Refused):
        verify(openssl, tmp_path, SM2_SPKI + line.key, line._replace(text=line.text + b"\n"), *SM2_WORDS)


@pytest.mark.parametrize("place", [0, 1])
def test_the_cosignature_of_each_witness_is_good(openssl: str, written: WrittenLog, tmp_path: Path, place: int) -> None:
    """Eight bytes of time stand before the signature, and the time is signed with the text."""
    line = line_of(written.note, written.witnesses[place], b"\x04")
    at_s, signature = int.from_bytes(line.signature[:8]), line.signature[8:]
    assert at_s == COSIGNED_AT_S
    signed = line._replace(text=b"cosignature/v1\ntime %d\n" % at_s + line.text, signature=signature)
    verify(openssl, tmp_path, ED25519_SPKI + line.key, signed)
    later = line._replace(text=b"cosignature/v1\ntime %d\n" % (at_s + 1) + line.text, signature=signature)
    with pytest.raises(Refused):
        verify(openssl, tmp_path, ED25519_SPKI + line.key, later)
