"""The SM2 curve (GB/T 32918.5) and the strict form of its keys and signatures.

Format: a secret is 32 bytes holding 1 ≤ d ≤ n - 2; a public key is 65 bytes, `04 || x || y`, a point on
y² = x³ - 3x + b; a signature is DER, `SEQUENCE { INTEGER r, INTEGER s }` with 0 < r, s < n and r + s ≠ n.

These checks stand before every engine, so that all engines refuse the same things. They look at public values only.
"""

from __future__ import annotations

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
GENERATOR = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
SIGNER_ID = b"1234567812345678"
"""Who signs, in the words of GB/T 32918.2 §5.5; everybody uses this default of GB/T 35276, WeChat Pay too."""

COORDINATE_BYTES = 32
PUBLIC_BYTES = 1 + 2 * COORDINATE_BYTES
SIGNATURE_BYTES_MAX = 72

Point = tuple[int, int]


def is_secret(secret: bytes) -> bool:
    """n - 1 is left out because signing divides by 1 + d."""
    return len(secret) == COORDINATE_BYTES and 1 <= int.from_bytes(secret) <= N - 2


def is_public(public: bytes) -> bool:
    """Whether these bytes are a point on the curve, uncompressed. The curve has no points of small order."""
    if len(public) != PUBLIC_BYTES or public[0] != 4:
        return False
    x, y = int.from_bytes(public[1:33]), int.from_bytes(public[33:])
    return x < P and y < P and (y * y - (x * x * x - 3 * x + B)) % P == 0


def is_signature(signature: bytes) -> bool:
    """Whether these bytes are the one DER form of a possible signature."""
    if not 2 < len(signature) <= SIGNATURE_BYTES_MAX or (signature[0], signature[1]) != (0x30, len(signature) - 2):
        return False
    r, rest = _whole_number(signature[2:])
    s, rest = _whole_number(rest)
    return not rest and 0 < r < N and 0 < s < N and r + s != N


def _whole_number(der: bytes) -> tuple[int, bytes]:
    """Reads one INTEGER and returns what follows it; 0, which is no r and no s, for every form but the shortest."""
    if len(der) < 3 or der[0] != 2 or not 1 <= der[1] <= min(COORDINATE_BYTES + 1, len(der) - 2):
        return 0, b""
    content, rest = der[2 : 2 + der[1]], der[2 + der[1] :]
    is_negative = content[0] >= 0x80
    has_idle_zero = len(content) > 1 and content[0] == 0 and content[1] < 0x80
    return (0, b"") if is_negative or has_idle_zero else (int.from_bytes(content), rest)


def multiply(factor: int, point: Point) -> Point:
    """`factor` times the point, for 0 < factor < n - 1, by a Montgomery ladder.

    Python's whole numbers do not take constant time, so this is for machines without libcrypto, once per loaded key.
    """
    low, high = point, _add(point, point)
    for bit in bin(factor)[3:]:
        middle = _add(low, high)
        low, high = (middle, _add(high, high)) if bit == "1" else (_add(low, low), middle)
    return low


def _add(left: Point, right: Point) -> Point:
    # The ladder keeps `high - low` at the point itself, and such a factor never meets infinity.
    if left == right:
        slope = (3 * left[0] * left[0] - 3) * pow(2 * left[1], -1, P) % P
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, P) % P
    x = (slope * slope - left[0] - right[0]) % P
    return x, (slope * (left[0] - x) - left[1]) % P


def encode(point: Point) -> bytes:
    """The 65 bytes of a point."""
    return b"\x04" + point[0].to_bytes(COORDINATE_BYTES) + point[1].to_bytes(COORDINATE_BYTES)
