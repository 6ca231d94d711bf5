"""A sealed file opens whole, in order and in its own place, or not at all."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.privacy.authority import NoAuthority
from suyuan.privacy.ciphers import cipher_of
from suyuan.privacy.keyring import Ring
from suyuan.privacy.purposes import ANSWER_AUTHORITY, CARD_PHOTO, IDENTITY_PHOTO, VERIFY_SELLER
from suyuan.privacy.sealed_file import (
    FILE_CHANCE_BYTES,
    HEADER_BYTES,
    PIECE_BYTES,
    BrokenFile,
    opened,
    seal,
    sealed_bytes,
)
from suyuan.privacy.vault import KEY_CHANCE_BYTES, BrokenSeal, OpenKey, Vault
from tests.privacy.authorities import authority

SECRET, BOUND = bytes(range(32)), b"slr_1\0paper.identity_photo/1\0pap_1"
SEALED_PIECE_BYTES = PIECE_BYTES + 16
ALGORITHMS = st.sampled_from(["aes-256-gcm", "sm4-gcm"])
# Around the edges of pieces, where a format goes wrong if it does.
SIZES = st.sampled_from([0, 1, 100, *(pieces * PIECE_BYTES + more for pieces in (1, 2) for more in (-1, 0, 1))])


def content_of(size: int, seed: int = 0) -> bytes:
    return hashlib.shake_256(seed.to_bytes(4)).digest(size)


def sealed(content: bytes, algorithm: str = "aes-256-gcm", *, seed: int = 0, bound: bytes = BOUND) -> bytes:
    chance = hashlib.shake_256(b"chance" + seed.to_bytes(4)).digest(FILE_CHANCE_BYTES)
    return b"".join(seal(io.BytesIO(content), SECRET, bound, algorithm=algorithm, chance=chance))


def open_all(file: bytes, *, secret: bytes = SECRET, bound: bytes = BOUND) -> bytes:
    return b"".join(opened(io.BytesIO(file), secret, bound))


def pieces_of(file: bytes) -> list[bytes]:
    body = file[HEADER_BYTES:]
    return [body[start : start + SEALED_PIECE_BYTES] for start in range(0, len(body), SEALED_PIECE_BYTES)]


@given(SIZES, ALGORITHMS)
def test_what_was_sealed_opens(size: int, algorithm: str) -> None:
    content = content_of(size)
    file = sealed(content, algorithm)
    assert open_all(file) == content
    assert len(file) == sealed_bytes(size)
    assert size < 100 or content[:24] not in file


@given(SIZES, ALGORITHMS, st.data())
def test_one_changed_bit_anywhere_is_refused(size: int, algorithm: str, data: st.DataObject) -> None:
    file = bytearray(sealed(content_of(size), algorithm))
    file[data.draw(st.integers(0, len(file) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BrokenFile):
        open_all(bytes(file))


@given(SIZES, ALGORITHMS, st.data())
def test_a_file_that_was_cut_anywhere_is_refused(size: int, algorithm: str, data: st.DataObject) -> None:
    """At the edge of a piece as well, where what is left are whole pieces."""
    file = sealed(content_of(size), algorithm)
    edges = [HEADER_BYTES + place for place in range(0, len(file) - HEADER_BYTES, SEALED_PIECE_BYTES)]
    length = data.draw(st.one_of(st.integers(0, len(file) - 1), st.sampled_from(edges)))
    with pytest.raises(BrokenFile):
        open_all(file[:length])


@given(SIZES, st.binary(min_size=1, max_size=40))
def test_appended_bytes_are_refused(size: int, more: bytes) -> None:
    with pytest.raises(BrokenFile):
        open_all(sealed(content_of(size)) + more)


@given(st.one_of(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=6)), st.integers(1, PIECE_BYTES))
def test_pieces_open_all_and_in_order_alone(order: list[int], last: int) -> None:
    """Turned around, doubled, left out: whatever somebody makes of them."""
    file = sealed(content_of(3 * PIECE_BYTES + last))
    pieces = pieces_of(file)
    made = file[:HEADER_BYTES] + b"".join(pieces[place] for place in order)
    if order == [0, 1, 2, 3]:
        assert made == file
    else:
        with pytest.raises(BrokenFile):
            open_all(made)


@given(st.integers(0, 2), ALGORITHMS)
def test_pieces_of_two_files_are_never_mixed(place: int, algorithm: str) -> None:
    """The same person's, of the same kind, under the same data key; only the files' own keys keep them apart."""
    size = 2 * PIECE_BYTES + 9
    one, other = (sealed(content_of(size, seed), algorithm, seed=seed) for seed in (1, 2))
    mixed = pieces_of(one)
    mixed[place] = pieces_of(other)[place]
    with pytest.raises(BrokenFile):
        open_all(one[:HEADER_BYTES] + b"".join(mixed))
    with pytest.raises(BrokenFile):
        open_all(other[:HEADER_BYTES] + one[HEADER_BYTES:])


def test_an_empty_piece_at_the_end_is_no_second_form_of_a_file() -> None:
    """Sealed with the right keys by somebody who writes the format a little differently."""
    chance = bytes(FILE_CHANCE_BYTES)
    header = next(seal(io.BytesIO(), SECRET, BOUND, algorithm="aes-256-gcm", chance=chance))
    cipher = cipher_of("aes-256-gcm", chance[12:])
    first, empty = (
        cipher.encrypt(number.to_bytes(11) + bytes([is_last]), plain, b"")
        for number, is_last, plain in ((0, False, content_of(PIECE_BYTES)), (1, True, b""))
    )
    with pytest.raises(BrokenFile):
        open_all(header + first + empty)


@pytest.mark.parametrize("other", ["slr_2\0paper.identity_photo/1\0pap_1", "slr_1\0paper.identity_photo/1\0pap_2"])
def test_a_file_opens_in_its_own_place_alone(other: str) -> None:
    file = sealed(b"a face")
    with pytest.raises(BrokenFile):
        open_all(file, bound=other.encode())
    with pytest.raises(BrokenFile):
        open_all(file, secret=bytes(32))


def test_a_stream_that_comes_in_drops_is_sealed_as_one_that_comes_at_once() -> None:
    """A pipe gives what it has."""

    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 1, 1_000))

    content, chance = content_of(PIECE_BYTES + 5), bytes(FILE_CHANCE_BYTES)
    dripped = b"".join(seal(Dripping(content), SECRET, BOUND, algorithm="aes-256-gcm", chance=chance))
    assert b"".join(opened(Dripping(dripped), SECRET, BOUND)) == content
    assert dripped == b"".join(seal(io.BytesIO(content), SECRET, BOUND, algorithm="aes-256-gcm", chance=chance))


# --- through the vault ---


def key_and_vault(algorithm: str = "aes-256-gcm") -> tuple[OpenKey, Vault]:
    vault = Vault(bytes(32), Ring({1: bytes(32)}), algorithm)
    return vault.new_key("slr_1", IDENTITY_PHOTO.key_class, now=0, chance=bytes(KEY_CHANCE_BYTES)), vault


def test_the_vault_opens_a_file_to_an_authority_for_this_field_of_this_subject() -> None:
    key, vault = key_and_vault()
    chance = bytes(FILE_CHANCE_BYTES)
    file = b"".join(vault.seal_file(io.BytesIO(b"a face"), key, IDENTITY_PHOTO, "pap_1", chance=chance))
    good = authority(VERIFY_SELLER, ["slr_1"], IDENTITY_PHOTO)
    assert b"".join(vault.open_file(io.BytesIO(file), key, IDENTITY_PHOTO, "pap_1", good, now=1)) == b"a face"
    bad = [
        authority(VERIFY_SELLER, ["slr_2"], IDENTITY_PHOTO),
        authority(VERIFY_SELLER, ["slr_1"], CARD_PHOTO),
        authority(ANSWER_AUTHORITY, ["slr_1"], CARD_PHOTO),
    ]
    for other in bad:
        with pytest.raises(NoAuthority):
            vault.open_file(io.BytesIO(file), key, IDENTITY_PHOTO, "pap_1", other, now=1)
    with pytest.raises(NoAuthority):
        vault.open_file(io.BytesIO(file), key, IDENTITY_PHOTO, "pap_1", good, now=60_000_000)
    with pytest.raises(BrokenSeal):
        list(vault.open_file(io.BytesIO(file), key, IDENTITY_PHOTO, "pap_2", good, now=1))


def test_a_change_of_policy_leaves_files_readable() -> None:
    """Sealed while the policy was SM4-GCM, opened by a vault that seals with AES now."""
    key, shangmi = key_and_vault("sm4-gcm")
    file = b"".join(
        shangmi.seal_file(io.BytesIO(b"a face"), key, IDENTITY_PHOTO, "pap_1", chance=bytes(FILE_CHANCE_BYTES))
    )
    good, (_, today) = authority(VERIFY_SELLER, ["slr_1"], IDENTITY_PHOTO), key_and_vault()
    opening = today.open_file(io.BytesIO(file), today.unlock(key.row), IDENTITY_PHOTO, "pap_1", good, now=1)
    assert b"".join(opening) == b"a face"
