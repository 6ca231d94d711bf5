"""A signing key in a file: the id that the platform knows it by, the algorithm, and the secret.

Format: one JSON object, mode 0600, `{"algorithm":"ed25519","id":"key_…","secret":"<base64url of 32 bytes>"}`. A file
that others may read is refused, because then it is not known any more who signs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from suyuan.base import crypto, wire


class UnsafeKeyFile(Exception):
    """A key file is missing, torn, or readable by others; the message says what to do."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret that signs, and the name under which the platform knows its public half."""

    id: str
    algorithm: str
    secret: bytes = field(repr=False)

    @property
    def signer(self) -> crypto.Signer:
        return crypto.suite(self.algorithm).signer(self.secret)

    @property
    def public(self) -> crypto.PublicKey:
        return crypto.PublicKey(self.algorithm, self.signer.public)


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    algorithm: str
    secret: str


def write_key_file(file: Path, key: SigningKey) -> None:
    """Writes a new file that only its owner reads. Never overwrites one: it may be somebody's only key."""
    content = wire.canonical(_Kept(key.id, key.algorithm, wire.b64(key.secret))) + b"\n"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UnsafeKeyFile(f"{file} exists already and may be a key in use; choose another name") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def read_key_file(file: Path) -> SigningKey:
    """The key. Raises `UnsafeKeyFile`."""
    try:
        mode, content = file.stat().st_mode, file.read_bytes()
    except OSError as error:
        raise UnsafeKeyFile(f"the key file {file} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise UnsafeKeyFile(f"others may read the key file {file}; run chmod 600 on it, or make a new key")
    try:
        kept = msgspec.json.decode(content, type=_Kept)
        key = SigningKey(kept.id, kept.algorithm, wire.unb64(kept.secret))
        key.public  # noqa: B018 - loading it shows whether it is a key at all
    except (msgspec.DecodeError, ValueError) as error:
        # The error's own words might quote the secret, so they go no further.
        raise UnsafeKeyFile(f"{file} is not a key file as `suyuan key new` writes it") from error.__cause__
    return key
