"""The keys of a platform, in the folder `keys` beside its data: mode 0600, never in the database, never logged.

`vault.key` opens personal fields: who loses it loses them. `platform.key` is the Ed25519 key that signs answers,
vouchers, webhooks and orders to providers; its public half is what partners pin.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from suyuan.base import crypto
from suyuan.base.crypto import PublicKey, Signer
from suyuan.privacy.vault import KEY_BYTES, UnsafeKeyFile, Vault, make_key_file, open_vault

ALGORITHM = "ed25519"


class PlatformKeys(NamedTuple):
    """What the processes of a platform sign, seal and open with."""

    vault: Vault
    signer: Signer

    @property
    def public_key(self) -> PublicKey:
        """What others check our signatures with."""
        return PublicKey(self.signer.algorithm, self.signer.public)

    @property
    def key_id(self) -> str:
        """How our key is named in what we sign: by the first bytes of its digest, so that it names itself."""
        return "platform-" + crypto.sha256(self.signer.public)[:8].hex()


def make_keys(data: Path) -> None:
    """Makes the keys of a new platform; existing ones are left as they are."""
    folder = data / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("vault.key", "platform.key"):
        if not (folder / name).exists():
            make_key_file(folder / name, chance=os.urandom(KEY_BYTES))


def load_keys(data: Path) -> PlatformKeys:
    """The keys of a platform. Raises `UnsafeKeyFile` with what to do."""
    folder = data / "keys"
    vault = open_vault(folder / "vault.key")
    secret = read_secret(folder / "platform.key")
    return PlatformKeys(vault, crypto.suite(ALGORITHM).signer(secret))


def read_secret(file: Path) -> bytes:
    """The 32 secret bytes of a key file that nobody else may read."""
    if not file.exists():
        raise UnsafeKeyFile(f"there is no key file {file.name}; restore it from its backup")
    if file.stat().st_mode & 0o077:
        raise UnsafeKeyFile(f"others may read the key file {file.name}; run chmod 600 on it")
    secret = file.read_bytes()
    if len(secret) != KEY_BYTES:
        raise UnsafeKeyFile(f"the key file {file.name} is torn; restore it from its backup")
    return secret
