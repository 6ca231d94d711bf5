"""SM3 (GB/T 32905-2016, 5), for Pythons whose OpenSSL was built without it.

`hashlib` is a thousand times as fast, so it is asked first; both give the same.

>>> sm3(b"abc").hex()
'66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0'
"""

from __future__ import annotations

import hashlib
import struct

_INITIAL = (
    0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E,
)  # fmt: skip
_MASK = 0xFFFFFFFF
_BLOCK_BYTES = 64


def sm3(content: bytes) -> bytes:
    try:
        return hashlib.new("sm3", content).digest()
    except ValueError:
        return sm3_in_python(content)


def sm3_in_python(content: bytes) -> bytes:
    """By the steps of the standard: padding (5.2), expansion (5.3.2), compression (5.3.3)."""
    padding = b"\x80" + bytes(-(len(content) + 9) % _BLOCK_BYTES) + struct.pack(">Q", len(content) * 8)
    padded = content + padding
    state: tuple[int, ...] = _INITIAL
    for at in range(0, len(padded), _BLOCK_BYTES):
        state = _stirred(state, _expanded(padded[at : at + _BLOCK_BYTES]))
    return struct.pack(">8I", *state)


def _turned(word: int, bits: int) -> int:
    """A word turned left, by `bits` modulo 32."""
    bits %= 32
    return (word << bits | word >> (32 - bits)) & _MASK


def _expanded(block: bytes) -> list[int]:
    words = list(struct.unpack(">16I", block))
    for j in range(16, 68):
        mixed = words[j - 16] ^ words[j - 9] ^ _turned(words[j - 3], 15)
        permuted = mixed ^ _turned(mixed, 15) ^ _turned(mixed, 23)
        words.append(permuted ^ _turned(words[j - 13], 7) ^ words[j - 6])
    return words


def _stirred(state: tuple[int, ...], words: list[int]) -> tuple[int, ...]:
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        constant = 0x79CC4519 if j < 16 else 0x7A879D8A
        ss1 = _turned((_turned(a, 12) + e + _turned(constant, j)) & _MASK, 7)
        ss2 = ss1 ^ _turned(a, 12)
        ff = a ^ b ^ c if j < 16 else (a & b) | (a & c) | (b & c)
        gg = e ^ f ^ g if j < 16 else (e & f) | (~e & g)
        tt1 = (ff + d + ss2 + (words[j] ^ words[j + 4])) & _MASK
        tt2 = (gg + h + ss1 + words[j]) & _MASK
        a, b, c, d = tt1, a, _turned(b, 9), c
        e, f, g, h = tt2 ^ _turned(tt2, 9) ^ _turned(tt2, 17), e, _turned(f, 19), g
    return tuple(old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True))
