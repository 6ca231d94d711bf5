"""The keys of a platform, in the folder `keys` beside its data: mode 0600, never in the database, never logged.

`vault.key` is what blind indexes derive from, and the KEK too unless a KMS keeps it (`outside.kms`); `epochs.key` is
the ring of keys that wrap all data keys (`privacy.keyring`). Who loses either, or the KMS's key, loses every personal
field, and none belongs into the database's backups.
`platform.key` is the Ed25519 key that signs answers, vouchers, webhooks and orders to providers; its public half is
what partners pin. `log-<shard>.key` and `log-<shard>-sm2.key` sign the checkpoints of one shard of the public log, and
nothing else; each is made when its shard begins.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import NamedTuple

from suyuan.base import crypto
from suyuan.base.clock import SystemClock
from suyuan.base.crypto import PublicKey, Signer
from suyuan.config import Settings
from suyuan.evidence.log.note import LogSigner, ed25519_signer, sm2_signer
from suyuan.outside.kms import Transit, TransitKms
from suyuan.privacy.keyring import (
    KEY_BYTES,
    FileKms,
    FileRing,
    Kms,
    UnsafeKeyFile,
    make_key_file,
    make_ring,
    move_ring,
    read_key_file,
)
from suyuan.privacy.vault import Vault, derive

ALGORITHM = "ed25519"
ROOT, RING, PLATFORM = "vault.key", "epochs.key", "platform.key"


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


def make_keys(settings: Settings) -> None:
    """Makes the keys of a new platform; existing ones are left as they are. Raises `KeyTrouble` with what to do."""
    folder = _folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not (folder / ROOT).exists()
    if is_new and (folder / RING).exists():
        raise UnsafeKeyFile(f"there is no key file {ROOT}, though its ring is there; restore it from its backup")
    # Only a new platform gets a new ring: where the old one is lost, a silent new one would hide that everything is.
    if is_new:
        root_key = os.urandom(KEY_BYTES)
        # The ring comes first, because a KMS that is away now must leave a platform that is still new.
        make_ring(folder / RING, _kms(settings, root_key), now=SystemClock().now())
        make_key_file(folder / ROOT, chance=root_key)
    if not (folder / PLATFORM).exists():
        make_key_file(folder / PLATFORM, chance=os.urandom(KEY_BYTES))


def load_keys(settings: Settings) -> PlatformKeys:
    """The keys of a platform, in a process that leaves no core behind. Raises `KeyTrouble` with what to do."""
    _leave_no_core()
    folder = _folder(settings)
    root_key = read_key_file(folder / ROOT)
    ring = FileRing(folder / RING, _kms(settings, root_key))
    secret = read_key_file(folder / PLATFORM)
    return PlatformKeys(Vault(root_key, ring), crypto.suite(ALGORITHM).signer(secret))


def _leave_no_core() -> None:
    """A core file would hold the keys and every open field, in the clear, wherever the system keeps such files."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


class Kek(NamedTuple):
    """Where a platform's KEK lies, and what hangs on it."""

    place: str
    newest: int
    oldest: int


def log_signers(settings: Settings, shard: str, origin: str, *, is_new: bool) -> list[LogSigner]:
    """The keys that sign a shard's checkpoints, made when it begins. Raises `KeyTrouble` where one is lost.

    A shard that has signed before gets no new key: its readers know the old one, and would take us for a forger.
    """
    files = {
        ed25519_signer: _folder(settings) / f"log-{shard}.key",
        sm2_signer: _folder(settings) / f"log-{shard}-sm2.key",
    }
    algorithms = {ed25519_signer: ALGORITHM, sm2_signer: "sm2-sm3"}
    for file in files.values():
        if is_new and not file.exists():
            make_key_file(file, chance=os.urandom(KEY_BYTES))
    return [make(origin, crypto.suite(algorithms[make]).signer(read_key_file(file))) for make, file in files.items()]


def look_at_kek(settings: Settings) -> Kek:
    """Opens the whole ring with the KEK that the settings name. Raises `KeyTrouble`."""
    ring = load_keys(settings).vault.ring
    return Kek(settings.kms_url or ROOT, ring.newest, ring.oldest)


def move_kek(settings: Settings, *, is_to_kms: bool) -> list[int]:
    """Puts the ring under the KMS that the settings name, or back under the key file. Returns the epochs moved.

    None where they lie there already. Raises `KeyTrouble`, and then the ring is as it was.
    """
    folder = _folder(settings)
    by_file, by_kms = _file_kms(read_key_file(folder / ROOT)), _transit(settings)
    before, after = (by_file, by_kms) if is_to_kms else (by_kms, by_file)
    return move_ring(folder / RING, before, after=after)


def _folder(settings: Settings) -> Path:
    return settings.data / "keys"


def _kms(settings: Settings, root_key: bytes) -> Kms:
    return _transit(settings) if settings.kms_url else _file_kms(root_key)


def _file_kms(root_key: bytes) -> FileKms:
    return FileKms(derive(root_key, "kek"))


def _transit(settings: Settings) -> TransitKms:
    ca_file = settings.kms_ca_file and str(settings.data / settings.kms_ca_file)
    return TransitKms(
        Transit(
            settings.kms_url,
            settings.kms_key,
            settings.data / settings.kms_token_file,
            mount=settings.kms_mount,
            namespace=settings.kms_namespace,
            ca_file=ca_file,
        )
    )
