"""What is sealed opens to an authority that covers it, in its own place, and to nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.privacy import grant
from suyuan.privacy.authority import NoAuthority
from suyuan.privacy.classes import Sealed
from suyuan.privacy.vault import KEY_BYTES, NONCE_BYTES, BrokenSeal, UnsafeKeyFile, Vault, make_key_file, open_vault

VAULT = Vault(bytes(range(KEY_BYTES)))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
nonces = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)


@given(texts, nonces)
def test_what_was_sealed_opens_to_its_authority(plain: str, chance: bytes) -> None:
    """Any text, for the seller it belongs to."""
    sealed = VAULT.seal(plain, subject="slr_1", field="payee", chance=chance)
    assert VAULT.open(sealed, grant.to_pay_seller("slr_1", now=0), field="payee", now=1) == plain


@given(st.text(st.characters(min_codepoint=48, max_codepoint=57), min_size=6, max_size=20), nonces)
def test_a_sealed_text_does_not_show_its_value(plain: str, chance: bytes) -> None:
    """Neither as it is nor in the base64 that carries it."""
    assert plain not in VAULT.seal(plain, subject="slr_1", field="payee", chance=chance)


@pytest.mark.parametrize(("subject", "field"), [("slr_2", "payee"), ("slr_1", "name")])
def test_a_sealed_text_that_was_moved_does_not_open(subject: str, field: str) -> None:
    """A payee copied into another seller's row, or another column, is worthless there."""
    sealed = VAULT.seal("6222000000000001", subject="slr_1", field="payee", chance=bytes(NONCE_BYTES))
    with pytest.raises(BrokenSeal):
        VAULT.open(sealed, grant.to_pay_seller(subject, now=0), field=field, now=1)


@given(st.integers(0, 200), st.integers(1, 255))
def test_an_altered_sealed_text_does_not_open(at: int, change: int) -> None:
    """One flipped bit anywhere; the error shows nothing of the value."""
    sealed = VAULT.seal("6222000000000001", subject="slr_1", field="payee", chance=bytes(NONCE_BYTES))
    at %= len(sealed)
    altered = Sealed(sealed[:at] + chr(ord(sealed[at]) ^ change) + sealed[at + 1 :])
    with pytest.raises(BrokenSeal) as caught:
        VAULT.open(altered, grant.to_pay_seller("slr_1", now=0), field="payee", now=1)
    assert "6222" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_authority_that_has_expired_opens_nothing() -> None:
    """An authority is for one act, not for keeps."""
    sealed = VAULT.seal("x", subject="slr_1", field="payee", chance=bytes(NONCE_BYTES))
    authority = grant.to_pay_seller("slr_1", now=0)
    with pytest.raises(NoAuthority, match="has expired"):
        VAULT.open(sealed, authority, field="payee", now=authority.expires_at)


@given(texts, texts)
def test_a_blind_index_is_equal_for_equal_values_only(one: str, other: str) -> None:
    """Within one purpose; across purposes nothing can be joined."""
    assert (VAULT.index(one, purpose="card") == VAULT.index(other, purpose="card")) == (one == other)
    assert VAULT.index(one, purpose="card") != VAULT.index(one, purpose="payee")
    assert VAULT.index(one, purpose="card") != Vault(bytes(KEY_BYTES)).index(one, purpose="card")


def test_a_keyed_digest_confirms_no_guess() -> None:
    """Without the key file, the right value and a wrong one look alike."""
    digest = VAULT.keyed_digest(b"pin", purpose="request")
    assert digest == VAULT.keyed_digest(b"pin", purpose="request")
    assert digest != Vault(bytes(KEY_BYTES)).keyed_digest(b"pin", purpose="request")
    assert digest != VAULT.keyed_digest(b"pin", purpose="other")


def test_a_key_file_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    """A second make would lose everything that the first key sealed."""
    file = tmp_path / "vault.key"
    make_key_file(file, chance=bytes(KEY_BYTES))
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        make_key_file(file, chance=bytes(KEY_BYTES))
    assert open_vault(file).index("1", purpose="card") == Vault(bytes(KEY_BYTES)).index("1", purpose="card")


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The sentence says what to do."""
    file = tmp_path / "vault.key"
    make_key_file(file, chance=bytes(KEY_BYTES))
    file.chmod(0o640)
    with pytest.raises(UnsafeKeyFile, match="chmod 600"):
        open_vault(file)


@pytest.mark.parametrize("content", [b"", bytes(KEY_BYTES - 1), bytes(KEY_BYTES + 1)])
def test_a_torn_or_missing_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Opening under a wrong key would look like an attack on every field."""
    file = tmp_path / "vault.key"
    with pytest.raises(UnsafeKeyFile, match="there is no key file"):
        open_vault(file)
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(UnsafeKeyFile, match="torn"):
        open_vault(file)
