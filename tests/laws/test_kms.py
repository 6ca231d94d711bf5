"""What every KMS keeps, whoever it is: it gives back what it was given, in its place, to its own key alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suyuan.outside.kms import TransitKms
from suyuan.privacy.keyring import KEY_BYTES, FileKms, FileRing, Kms, KmsFailed, UnsafeKeyFile, make_ring, move_ring
from tests.laws.kms_rooms import BaoRoom, FileRoom, Room, a_bao, a_twin

KEY = bytes(range(KEY_BYTES))
BOUND = b"suyuan epoch 1"
keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
# A real KMS lives through the whole module, so each example finds it as the last one left it.
few = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=["file", "twin", "openbao"])
def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("kms")
    if request.param == "file":
        yield FileRoom()
    else:
        with a_twin(folder) if request.param == "twin" else a_bao(folder) as room:
            yield room


@pytest.fixture(scope="module")
def kms(room: Room) -> Kms:
    return room.kek("suyuan")


@few
@given(key=keys, bound=st.binary(min_size=1, max_size=40))
def test_what_was_wrapped_comes_back(kms: Kms, key: bytes, bound: bytes) -> None:
    """Any key, bound to anything; and nobody reads it in what is kept."""
    wrapped = kms.wrap(key, bound=bound)
    assert kms.unwrap(wrapped, bound=bound) == key
    assert key not in wrapped
    assert kms.owns(wrapped)


@pytest.mark.parametrize("elsewhere", [b"", b"suyuan epoch 2", b"suyuan epoch 11"])
def test_it_does_not_open_in_another_place(kms: Kms, elsewhere: bytes) -> None:
    """An epoch's key under another number would shred whoever comes after."""
    with pytest.raises(UnsafeKeyFile):
        kms.unwrap(kms.wrap(KEY, bound=BOUND), bound=elsewhere)


@pytest.mark.parametrize("at", [-12, -20, -40])
def test_an_altered_one_does_not_open(kms: Kms, at: int) -> None:
    wrapped = bytearray(kms.wrap(KEY, bound=BOUND))
    wrapped[at] = ord("A") if wrapped[at] != ord("A") else ord("B")
    with pytest.raises(UnsafeKeyFile):
        kms.unwrap(bytes(wrapped), bound=BOUND)


def test_another_key_does_not_open_it(room: Room, kms: Kms) -> None:
    with pytest.raises(UnsafeKeyFile):
        room.kek("another").unwrap(kms.wrap(KEY, bound=BOUND), bound=BOUND)


def test_a_file_and_a_service_know_their_own(kms: Kms) -> None:
    """So a platform whose settings name the wrong one hears that, and not that its ring is broken."""
    other = TransitKms if isinstance(kms, FileKms) else FileKms
    assert not other.owns(kms, kms.wrap(KEY, bound=BOUND))  # type: ignore[arg-type]  # Its form alone is asked about.


def test_a_ring_goes_under_it_and_back(kms: Kms, tmp_path: Path) -> None:
    """Begun under a key file, moved, rolled under the KMS, moved back: every epoch opens all the way."""
    file, key_file = tmp_path / "epochs.key", FileKms(bytes(KEY_BYTES))
    make_ring(file, key_file, now=1)
    wrapped = FileRing(file, key_file).wrap(1, KEY, bound=b"slr_1/finance", chance=bytes(12))
    moved = [] if isinstance(kms, FileKms) else [1]
    assert move_ring(file, key_file, after=kms) == moved
    assert move_ring(file, key_file, after=kms) == [], "there already"
    ring = FileRing(file, kms if moved else key_file)
    ring.begin(2)
    assert move_ring(file, kms, after=key_file) == ([1, 2] if moved else [])
    back = FileRing(file, key_file)
    assert (back.oldest, back.newest) == (1, 2)
    assert back.unwrap(1, wrapped, bound=b"slr_1/finance") == KEY
    assert back.unwrap(2, ring.wrap(2, KEY, bound=b"x", chance=bytes(12)), bound=b"x") == KEY


@pytest.fixture
def bao(tmp_path: Path) -> Iterator[BaoRoom]:
    """A real one for a single test, which may leave it in pieces."""
    with a_bao(tmp_path) as bao:
        yield bao


def test_the_real_one_says_what_the_twin_says(bao: BaoRoom) -> None:
    """Rotated, limited to newer versions, a derived key, an RSA key, a name that is not there, then sealed for good."""
    derived = bao.kek("derived", derived=True)
    assert derived.unwrap(derived.wrap(KEY, bound=BOUND), bound=BOUND) == KEY
    with pytest.raises(KmsFailed, match=r"cannot bind.*aes256-gcm96"):
        bao.kek("rsa", type="rsa-2048").wrap(KEY, bound=BOUND)
    rotated = bao.kek("rotated")
    wrapped = rotated.wrap(KEY, bound=BOUND)
    bao.root.post("/v1/transit/keys/rotated/rotate").raise_for_status()
    assert rotated.unwrap(wrapped, bound=BOUND) == KEY
    bao.root.post("/v1/transit/keys/rotated/config", json={"min_decryption_version": 2}).raise_for_status()
    with pytest.raises(KmsFailed, match="min_decryption_version"):
        rotated.unwrap(wrapped, bound=BOUND)
    with pytest.raises(KmsFailed, match="does not know the version"):
        rotated.unwrap(wrapped.replace(b":v1:", b":v9:"), bound=BOUND)
    bao.root.post("/v1/transit/keys/rotated/config", json={"deletion_allowed": True}).raise_for_status()
    bao.root.delete("/v1/transit/keys/rotated").raise_for_status()
    with pytest.raises(KmsFailed, match=r"does not let this token|has no key"):
        rotated.unwrap(wrapped, bound=BOUND)
    bao.root.delete("/v1/sys/policies/acl/derived").raise_for_status()
    with pytest.raises(KmsFailed, match="does not let this token"):
        derived.wrap(KEY, bound=BOUND)
    bao.root.put("/v1/sys/seal").raise_for_status()
    with pytest.raises(KmsFailed, match="is sealed"):
        derived.wrap(KEY, bound=BOUND)
