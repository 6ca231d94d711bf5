"""Ed25519 signatures checked with plain integers (RFC 8032 §5.1.7), so that a checker needs nothing but Python.

Signing is not here: this code handles no secrets, so it may take the time it takes, some 2 ms a signature.

Where RFC 8032 leaves a choice, the strictest is taken, so that whatever is accepted here is accepted everywhere:
S is below the group's order, the key's y is below the field's prime, the equation holds without the cofactor, R is
compared in its bytes, and neither R nor the key is of small order: by such a key one signature fits every message.

>>> key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
>>> signature = bytes.fromhex(
...     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
...     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
... )
>>> ed25519_verify(key, b"", signature), ed25519_verify(key, b"x", signature)
(True, False)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

# Key, message, signature. Whoever has a faster implementation passes it instead.
Ed25519Verify = Callable[[bytes, bytes, bytes], bool]

ED25519_KEY_BYTES = 32
ED25519_SIGNATURE_BYTES = 64

# The field's prime, the order of the base point, the curve's constant d and a square root of -1 (RFC 8032 §5.1).
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)

# Extended homogeneous coordinates: x = X/Z, y = Y/Z, x * y = T/Z.
_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


def ed25519_verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature fits, by the steps of RFC 8032 §5.1.7."""
    if len(key) != ED25519_KEY_BYTES or len(signature) != ED25519_SIGNATURE_BYTES:
        return False
    point = _decompressed(key)
    s = int.from_bytes(signature[32:], "little")
    if point is None or _is_of_small_order(point) or s >= _ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % _ORDER
    x, y, z, t = point
    r = _sum_of_products(s, _BASE, k, (-x, y, z, -t))
    return _compressed(r) == signature[:32] and not _is_of_small_order(r)


def _decompressed(encoded: bytes) -> _Point | None:
    """The point of 32 bytes (§5.1.3), if they are one, in their only encoding."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _P:
        return None
    x = _x_of(y)
    if x is None or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _x_of(y: int) -> int | None:
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == u:
        return x
    if v * x * x % _P == -u % _P:
        return x * _ROOT_OF_MINUS_1 % _P
    return None


def _compressed(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _added(one: _Point, other: _Point) -> _Point:
    """§5.1.4; complete, so it may also double."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * t1 * t2 * _D % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _doubled(point: _Point) -> _Point:
    x, y, z, _ = point
    a, b = x * x % _P, y * y % _P
    h = a + b
    e = h - (x + y) * (x + y)
    g = a - b
    f = 2 * z * z + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _sum_of_products(s: int, one: _Point, k: int, other: _Point) -> _Point:
    """[s]one + [k]other, both in one run from the highest bit (Straus)."""
    table = (_NEUTRAL, one, other, _added(one, other))
    result = _NEUTRAL
    for bit in range(max(s.bit_length(), k.bit_length()) - 1, -1, -1):
        result = _doubled(result)
        if chosen := (s >> bit & 1) | (k >> bit & 1) << 1:
            result = _added(result, table[chosen])
    return result


def _is_of_small_order(point: _Point) -> bool:
    x, y, z, _ = _doubled(_doubled(_doubled(point)))
    return x % _P == 0 and (y - z) % _P == 0


def _base_point() -> _Point:
    point = _decompressed((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    assert point is not None, "the base point is on the curve"
    return point


_BASE = _base_point()
