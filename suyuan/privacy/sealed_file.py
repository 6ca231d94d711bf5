"""A sealed file: content of any length, closed in pieces that open only whole, in order, and in their own place.

    file    = header ‖ piece 0 ‖ piece 1 ‖ … ‖ last piece
    header  = "suyuan sealed file 1\n" ‖ "2a." or "2s." ‖ nonce (12) ‖ the file's key, wrapped under a data key (48)
    piece   = AEAD of 65,536 bytes, the last one of fewer, under the file's key; 16 bytes longer than what it closes
    nonce   = number of the piece (11 bytes, big-endian) ‖ 1 for the last piece, else 0

The pieces are the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance, CRYPTO 2015) as age has it; age's own format would bind a file to no place, and knows no
SM4. The algorithm is the vault's, and is named by the header's three letters as in a sealed text. Each file has a key
of its own, 32 random bytes of which SM4 takes the first 16, so counting pieces never repeats a nonce.
Wrapping it binds the file to its header, to the subject and field that its data key closes, and to its own name.

A file opens if and only if (1) its header unwraps for this subject, field and name, (2) each piece opens as the one of
its number, (3) the last piece, and no other, was sealed as the last, and (4) no last piece is empty but that of an
empty file. So what was cut, joined, turned around, moved, exchanged or lengthened does not open, and under one key a
content has one form. Whoever reads must not use what came first until the end has come: a cut shows only there.

Memory is bounded by two pieces, whatever the file's length.

>>> import io
>>> place = {"secret": bytes(32), "bound": b"slr_1 paper.shop_paper/1 pap_1"}
>>> pieces = seal(io.BytesIO(b"receipt" * 20_000), **place, algorithm="sm4-gcm", chance=bytes(FILE_CHANCE_BYTES))
>>> sealed = b"".join(pieces)
>>> len(sealed) == sealed_bytes(140_000), b"".join(opened(io.BytesIO(sealed), **place)) == b"receipt" * 20_000
(True, True)
>>> b"".join(opened(io.BytesIO(sealed[:-1]), **place))
Traceback (most recent call last):
    ...
suyuan.privacy.sealed_file.BrokenFile: this sealed file belongs elsewhere, or was cut or altered
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from suyuan.base.crypto import Aead, BadSeal
from suyuan.privacy.ciphers import PREFIX_LENGTH, PREFIXES, algorithm_of, cipher_of

MAGIC = b"suyuan sealed file 1\n"
PIECE_BYTES = 65_536
_NONCE_BYTES, _TAG_BYTES, _SECRET_BYTES = 12, 16, 32
_HEAD_BYTES = len(MAGIC) + PREFIX_LENGTH
HEADER_BYTES = _HEAD_BYTES + _NONCE_BYTES + _SECRET_BYTES + _TAG_BYTES
# What sealing a file draws: the nonce under which its key is wrapped, and the key.
FILE_CHANCE_BYTES = _NONCE_BYTES + _SECRET_BYTES


class BrokenFile(Exception):
    """Raised when a sealed file does not open: it was cut, altered, moved, or sealed under another key."""

    def __init__(self) -> None:
        super().__init__("this sealed file belongs elsewhere, or was cut or altered")


def seal(content: BinaryIO, secret: bytes, bound: bytes, *, algorithm: str, chance: bytes) -> Iterator[bytes]:
    """The sealed file under a data key, piece by piece.

    `chance` is `FILE_CHANCE_BYTES` fresh random bytes; never use them twice.
    """
    assert len(chance) == FILE_CHANCE_BYTES
    nonce, own_secret = chance[:_NONCE_BYTES], chance[_NONCE_BYTES:]
    head = MAGIC + PREFIXES[algorithm].encode()
    yield head + nonce + cipher_of(algorithm, secret).encrypt(nonce, own_secret, head + bound)
    cipher = cipher_of(algorithm, own_secret)
    for number, (piece, is_last) in enumerate(_pieces(content, PIECE_BYTES)):
        yield cipher.encrypt(_nonce(number, is_last=is_last), piece, b"")


def opened(sealed: BinaryIO, secret: bytes, bound: bytes) -> Iterator[bytes]:
    """The content, piece by piece. Raises `BrokenFile`, perhaps only at the very end."""
    header = _read(sealed, HEADER_BYTES)
    head, nonce = header[:_HEAD_BYTES], header[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES]
    algorithm = _algorithm_of(header)
    own_secret = _opened(cipher_of(algorithm, secret), nonce, header[len(head + nonce) :], head + bound)
    cipher = cipher_of(algorithm, own_secret)
    for number, (piece, is_last) in enumerate(_pieces(sealed, PIECE_BYTES + _TAG_BYTES)):
        plain = _opened(cipher, _nonce(number, is_last=is_last), piece, b"")
        # An empty piece behind others would be a second form of the same content.
        if not plain and number:
            raise BrokenFile
        yield plain


def sealed_bytes(content_bytes: int) -> int:
    """How long the sealed file of so much content is.

    >>> [sealed_bytes(count) - count - HEADER_BYTES for count in (0, 1, 65_536, 65_537)]
    [16, 16, 16, 32]
    """
    pieces = max(1, -(-content_bytes // PIECE_BYTES))
    return HEADER_BYTES + content_bytes + pieces * _TAG_BYTES


def _algorithm_of(header: bytes) -> str:
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        raise BrokenFile
    try:
        return algorithm_of(header[len(MAGIC) : _HEAD_BYTES].decode())
    except ValueError:
        raise BrokenFile from None


def _pieces(source: BinaryIO, piece_bytes: int) -> Iterator[tuple[bytes, bool]]:
    """Stretches of a file, each with whether it is the last; an empty file is one empty stretch."""
    piece = _read(source, piece_bytes)
    while True:
        following = _read(source, piece_bytes) if len(piece) == piece_bytes else b""
        yield piece, not following
        if not following:
            return
        piece = following


def _read(source: BinaryIO, count: int) -> bytes:
    """So many bytes, or all there are: a pipe may give fewer at a time."""
    found = source.read(count)
    while len(found) < count and (more := source.read(count - len(found))):
        found += more
    return found


def _opened(cipher: Aead, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, bound)
    except (BadSeal, ValueError):
        raise BrokenFile from None


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(_NONCE_BYTES - 1) + bytes([is_last])
