"""The keys of a platform, in the folder `keys` beside its data: mode 0600, never in the database, never logged.

`vault.key` is what blind indexes and the KEK derive from; `epochs.key` is the ring of keys that wrap all data keys
(`privacy.keyring`). Who loses either loses every personal field, and neither belongs into the database's backups.
`platform.key` is the Ed25519 key that signs answers, vouchers, webhooks and orders to providers; its public half is
what partners pin.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from suyuan.base import crypto
from suyuan.base.clock import SystemClock
from suyuan.base.crypto import PublicKey, Signer
from suyuan.privacy.keyring import (
    KEY_BYTES,
    FileKms,
    FileRing,
    UnsafeKeyFile,
    make_key_file,
    make_ring,
    read_key_file,
)
from suyuan.privacy.vault import Vault, derive

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
    is_new = not (folder / "vault.key").exists()
    if is_new and (folder / "epochs.key").exists():
        raise UnsafeKeyFile("there is no key file vault.key, though its ring is there; restore it from its backup")
    for name in ("vault.key", "platform.key"):
        if not (folder / name).exists():
            make_key_file(folder / name, chance=os.urandom(KEY_BYTES))
    # Only a new platform gets a new ring: where the old one is lost, a silent new one would hide that everything is.
    if is_new:
        make_ring(folder / "epochs.key", _kms(read_key_file(folder / "vault.key")), now=SystemClock().now())


def load_keys(data: Path) -> PlatformKeys:
    """The keys of a platform. Raises `UnsafeKeyFile` with what to do."""
    folder = data / "keys"
    root_key = read_key_file(folder / "vault.key")
    ring = FileRing(folder / "epochs.key", _kms(root_key))
    secret = read_key_file(folder / "platform.key")
    return PlatformKeys(Vault(root_key, ring), crypto.suite(ALGORITHM).signer(secret))


def _kms(root_key: bytes) -> FileKms:
    return FileKms(derive(root_key, "kek"))
