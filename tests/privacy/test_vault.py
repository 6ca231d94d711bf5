"""What is sealed opens to an authority that covers it, in its own place, and to nobody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.privacy.authority import Authority, NoAuthority
from suyuan.privacy.classes import Sealed
from suyuan.privacy.grant import READ_TTL_S
from suyuan.privacy.keyring import KEY_BYTES, NONCE_BYTES, NoEpochKey, Ring, UnsafeKeyFile, make_key_file, read_key_file
from suyuan.privacy.purposes import CONSUME_CARD, PAY_SELLER, SELLER_NAME, SELLER_PAYEE
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import KEY_CHANCE_BYTES, BrokenSeal, OpenKey, Vault
from tests.privacy.authorities import authority

RING = Ring({1: bytes(KEY_BYTES)})
VAULT = Vault(bytes(range(KEY_BYTES)), RING)
ACCOUNT = "6222000000000001"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
ELSEWHERE = (replace(SELLER_PAYEE, column="name"), replace(SELLER_PAYEE, version=2))
nonces = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)


def key_of(subject: str, vault: Vault = VAULT) -> OpenKey:
    return vault.new_key(subject, SELLER_PAYEE.key_class, now=0, chance=subject.encode().ljust(KEY_CHANCE_BYTES, b"."))


def may_pay(*subjects: str) -> Authority:
    return authority(PAY_SELLER, subjects, SELLER_PAYEE, *ELSEWHERE)


def sealed_account(vault: Vault = VAULT) -> Sealed:
    return vault.seal(ACCOUNT, key_of("slr_1", vault), SELLER_PAYEE, chance=bytes(NONCE_BYTES))


@pytest.mark.parametrize("algorithm", ["aes-256-gcm", "sm4-gcm"])
@given(texts, nonces)
def test_what_was_sealed_opens_to_its_authority(algorithm: str, plain: str, chance: bytes) -> None:
    """Any text, under either cipher, by the data key that comes back from its row."""
    vault = Vault(bytes(KEY_BYTES), RING, algorithm)
    key = key_of("slr_1", vault)
    sealed = vault.seal(plain, key, SELLER_PAYEE, chance=chance)
    assert vault.open(sealed, vault.unlock(key.row), SELLER_PAYEE, may_pay("slr_1"), now=1) == plain


def test_a_platform_that_changes_its_cipher_still_opens_what_it_had_sealed() -> None:
    """The seal says its own algorithm, and its key decides; nothing is sealed again."""
    before, after = Vault(bytes(KEY_BYTES), RING), Vault(bytes(KEY_BYTES), RING, "sm4-gcm")
    assert after.open(sealed_account(before), key_of("slr_1"), SELLER_PAYEE, may_pay("slr_1"), now=1) == ACCOUNT


@given(st.text(st.characters(min_codepoint=48, max_codepoint=57), min_size=6, max_size=20), nonces)
def test_a_sealed_text_does_not_show_its_value(plain: str, chance: bytes) -> None:
    """Neither as it is nor in the base64 that carries it."""
    assert plain not in VAULT.seal(plain, key_of("slr_1"), SELLER_PAYEE, chance=chance)


@pytest.mark.parametrize("algorithm", ["aes-256-gcm", "sm4-gcm"])
@pytest.mark.parametrize("count", [0, 11, 13, 16])
def test_a_nonce_of_another_length_seals_nothing(algorithm: str, count: int) -> None:
    """The ciphers would take it; but twelve bytes are read back as the nonce, so nobody could open what it sealed."""
    vault = Vault(bytes(KEY_BYTES), RING, algorithm)
    with pytest.raises(ValueError, match="nonce"):
        vault.seal(ACCOUNT, key_of("slr_1", vault), SELLER_PAYEE, chance=bytes(count))


@given(st.text(max_size=80))
def test_arbitrary_text_only_raises_broken_seal(text: str) -> None:
    """Empty, short, another prefix, a prefix alone, a prefix twice: none of it opens, none of it breaks the opener."""
    for sealed in (text, "2a." + text, "2s." + text, "2a.2a." + text, "2a." + text + "=", "2a.AAAA"):
        with pytest.raises(BrokenSeal):
            VAULT.open(Sealed(sealed), key_of("slr_1"), SELLER_PAYEE, may_pay("slr_1"), now=1)


def test_a_sealed_text_that_was_moved_does_not_open() -> None:
    """A payee copied into another seller's row, or another column, or under a version to come, is worthless there."""
    key = key_of("slr_1")
    for moved_to, column in (("slr_2", SELLER_PAYEE), ("slr_1", ELSEWHERE[0]), ("slr_1", ELSEWHERE[1])):
        there = key_of("slr_2") if moved_to == "slr_2" else key
        # Even one who puts the right data key beside it gets nothing, since the seal is bound to its place.
        for tried in (there, msgspec.structs.replace(key, subject=moved_to, bound=moved_to.encode() + b"\0")):
            if tried == key and column == SELLER_PAYEE:
                continue
            with pytest.raises(BrokenSeal):
                VAULT.open(sealed_account(), tried, column, may_pay("slr_1", "slr_2"), now=1)


@given(st.integers(0, 200), st.integers(1, 255))
def test_an_altered_sealed_text_does_not_open(at: int, change: int) -> None:
    """One flipped bit anywhere; the error shows nothing of the value."""
    sealed = sealed_account()
    at %= len(sealed)
    altered = Sealed(sealed[:at] + chr(ord(sealed[at]) ^ change) + sealed[at + 1 :])
    with pytest.raises(BrokenSeal) as caught:
        VAULT.open(altered, key_of("slr_1"), SELLER_PAYEE, may_pay("slr_1"), now=1)
    assert "6222" not in str(caught.value)


@given(st.integers(0, 200), st.sampled_from("\n \0*-=A"))
def test_a_sealed_text_has_one_form(at: int, added: str) -> None:
    """A lenient reader of base64 skips what it does not know, and then one value would have many seals."""
    sealed = sealed_account()
    at %= len(sealed) + 1
    with pytest.raises(BrokenSeal):
        VAULT.open(Sealed(sealed[:at] + added + sealed[at:]), key_of("slr_1"), SELLER_PAYEE, may_pay("slr_1"), now=1)


@pytest.mark.parametrize(
    ("entitled", "now"),
    [
        (may_pay("slr_2"), 1),
        (may_pay(), 1),
        (authority(PAY_SELLER, ["slr_1"], SELLER_NAME), 1),
        (may_pay("slr_1"), READ_TTL_S * 1_000_000),
        (authority(CONSUME_CARD, ["slr_1"], SELLER_PAYEE), 1),
    ],
    ids=["another's", "nobody's", "another field's", "expired", "for another purpose"],
)
def test_nothing_opens_without_an_authority_that_covers_it(entitled: Authority, now: int) -> None:
    """Deny by default: the subject, the purpose and the hour must all be right."""
    with pytest.raises(NoAuthority):
        VAULT.open(sealed_account(), key_of("slr_1"), SELLER_PAYEE, entitled, now=now)


def test_a_purpose_opens_only_the_fields_that_need_it() -> None:
    """Paying takes an account, not a name."""
    sealed = VAULT.seal("张三", key_of("slr_1"), SELLER_NAME, chance=bytes(NONCE_BYTES))
    with pytest.raises(NoAuthority):
        VAULT.open(sealed, key_of("slr_1"), SELLER_NAME, may_pay("slr_1"), now=1)


def test_a_subject_key_moved_to_another_subject_does_not_unlock() -> None:
    row = key_of("slr_1").row
    with pytest.raises(BrokenSeal):
        VAULT.unlock(SubjectKey("slr_2/finance", row.epoch, row.wrapped, b""))


def test_a_forgotten_key_unlocks_nothing() -> None:
    """What stays of it is a fingerprint, which names it and does not open it."""
    row = key_of("slr_1").row
    forgotten = SubjectKey(row.id, row.epoch, b"", VAULT.fingerprint(row))
    assert forgotten.is_forgotten
    with pytest.raises(BrokenSeal):
        VAULT.unlock(forgotten)


def test_the_same_key_under_a_new_epoch_opens_what_the_old_one_sealed() -> None:
    """And under the old epoch nothing opens once its key is destroyed, whoever kept the row."""
    both = Vault(bytes(KEY_BYTES), Ring({1: bytes(KEY_BYTES), 2: bytes([1]) * KEY_BYTES}))
    fresh = both.wrap_again(key_of("slr_1").row, chance=bytes(NONCE_BYTES))
    later = Vault(bytes(KEY_BYTES), Ring({2: bytes([1]) * KEY_BYTES}))
    assert fresh.epoch == 2
    assert later.open(sealed_account(), later.unlock(fresh), SELLER_PAYEE, may_pay("slr_1"), now=1) == ACCOUNT
    assert later.fingerprint(fresh) == VAULT.fingerprint(key_of("slr_1").row)
    with pytest.raises(NoEpochKey, match="epoch 1"):
        later.unlock(key_of("slr_1").row)


@given(st.text(max_size=30), st.text(max_size=30))
def test_indexes_are_equal_only_for_equal_values_within_one_purpose(one: str, other: str) -> None:
    """So rows can be matched within a purpose, and data sets of two purposes cannot be joined."""
    assert (VAULT.index(one, purpose="card") == VAULT.index(other, purpose="card")) == (one == other)
    assert VAULT.index(one, purpose="card") != VAULT.index(one, purpose="identity")
    assert VAULT.index(one, purpose="card") != Vault(bytes(KEY_BYTES), RING).index(one, purpose="card")


def test_a_digest_cannot_be_confirmed_without_the_key() -> None:
    """A table of request digests must not let anyone try card numbers against it."""
    digest = VAULT.keyed_digest(b"pin", purpose="request")
    assert digest != Vault(bytes(KEY_BYTES), RING).keyed_digest(b"pin", purpose="request")
    assert digest == VAULT.keyed_digest(b"pin", purpose="request")


def test_a_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    file = tmp_path / "vault.key"
    make_key_file(file, chance=bytes(KEY_BYTES))
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        make_key_file(file, chance=bytes(KEY_BYTES))
    assert read_key_file(file) == bytes(KEY_BYTES)


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33)])
def test_a_torn_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Opening with half a key would seal what nobody can open again."""
    file = tmp_path / "vault.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(UnsafeKeyFile, match="torn"):
        read_key_file(file)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "vault.key"
    make_key_file(file, chance=bytes(KEY_BYTES))
    file.chmod(0o640)
    with pytest.raises(UnsafeKeyFile, match="chmod 600"):
        read_key_file(file)
    file.unlink()
    with pytest.raises(UnsafeKeyFile, match="restore"):
        read_key_file(file)
