"""Checkpoints, as c2sp.org/tlog-checkpoint writes them: a log's name, how many entries it has, and their root.

>>> read_checkpoint(b"example.com/log\\n0\\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\\n").size
0
"""

from __future__ import annotations

from typing import NamedTuple

from suyuan.evidence.check.strict import decimal, from_base64
from suyuan.evidence.check.tree import HASH_BYTES
from suyuan.evidence.check.wrong import BadEvidence, Wrong


class Checkpoint(NamedTuple):
    """What a log says of itself: under this name, the first `size` entries have this root."""

    origin: str
    size: int
    root: bytes


def read_checkpoint(text: bytes) -> Checkpoint:
    """The checkpoint of a note's text. Extension lines may follow and say nothing here. Raises `BadEvidence`."""
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError as error:
        raise BadEvidence(Wrong.NOTE_IS_NOT_PLAIN_TEXT, position=error.start) from None
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise BadEvidence(Wrong.CHECKPOINT_IS_MALFORMED)
    origin, size_text, root_text = lines[:3]
    size, root = decimal(size_text), from_base64(root_text)
    if size is None:
        raise BadEvidence(Wrong.CHECKPOINT_SIZE_IS_MALFORMED, size=size_text)
    if root is None or len(root) != HASH_BYTES:
        raise BadEvidence(Wrong.CHECKPOINT_ROOT_IS_MALFORMED, root=root_text)
    return Checkpoint(origin, size, root)
