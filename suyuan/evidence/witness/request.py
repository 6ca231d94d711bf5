"""What a log asks of a witness, as bytes (C2SP tlog-witness, `add-checkpoint`); both ends read it here.

    old <the size of the newest checkpoint that this witness cosigned>\\n
    (<base64 of a hash of the consistency proof>\\n)*
    \\n
    <the checkpoint, a signed note>

A request has one form only: a number without leading zeroes, hashes of 32 bytes in base64 as one writes it, at most
63 of them, since no tree that can exist needs more.

>>> read_request(write_request(3, [bytes(32)], b"log.example\\n...")) == (3, (bytes(32),), b"log.example\\n...")
True
>>> read_request(b"old 03\\n\\n")
Traceback (most recent call last):
    ...
suyuan.evidence.witness.request.BadRequest: the first line is not `old` and a size without leading zeroes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from suyuan.evidence.check import NoteSignature, decimal, from_base64, to_base64
from suyuan.evidence.check.tree import HASH_BYTES

PROOF_LINES_MAX = 63
# The proof, and a note with the sixteen signatures that everybody has to accept, post-quantum ones among them.
REQUEST_BYTES_MAX = 128 << 10


class BadRequest(ValueError):
    """Raised for bytes that are no request; the message says what is wrong with them."""


class Request(NamedTuple):
    """A log's wish to have a checkpoint cosigned. The note has not been looked at yet."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes


def write_request(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """The request as it is sent."""
    lines = [f"old {old}", *map(to_base64, proof)]
    return "\n".join(lines).encode() + b"\n\n" + note


def read_request(body: bytes) -> Request:
    """Reads a request. Raises `BadRequest`."""
    if len(body) > REQUEST_BYTES_MAX:
        raise BadRequest(f"a request has at most {REQUEST_BYTES_MAX} bytes")
    head, mark, note = body.partition(b"\n\n")
    if not mark:
        raise BadRequest("there is no empty line before the checkpoint")
    # Bytes that are no ASCII become letters that no number and no base64 has.
    first, *lines = head.decode("latin-1").split("\n")
    old = decimal(first.removeprefix("old ")) if first.startswith("old ") else None
    if old is None:
        raise BadRequest("the first line is not `old` and a size without leading zeroes")
    if len(lines) > PROOF_LINES_MAX:
        raise BadRequest(f"a proof has at most {PROOF_LINES_MAX} lines")
    return Request(old, tuple(map(_hash, lines)), note)


def signature_line(signature: NoteSignature) -> bytes:
    """A signature that was read, as it stood in its note."""
    return f"— {signature.name} {to_base64(signature.key_id + signature.blob)}\n".encode()


def _hash(line: str) -> bytes:
    hashed = from_base64(line)
    if hashed is None or len(hashed) != HASH_BYTES:
        raise BadRequest("a line of the proof is not the base64 of 32 bytes")
    return hashed
