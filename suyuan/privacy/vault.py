"""The vault: seals personal fields at the door, opens them to an authority, and makes blind indexes.

    KEK (key file or KMS) → epoch key (`keyring`) → data key of one subject and key class → field or file

A sealed text is `2a.` or `2s.` (AES-256-GCM or SM4-GCM, by policy) and the base64 of nonce ‖ ciphertext ‖ tag. It is
bound to its subject and field, so a text moved to another person's row, or to another column, does not open. A
record about several people has several sealed fields, each under the key of its own subject.

A sealed file (`sealed_file`) is bound to its own name as well. A file has no mask, so it opens only to a purpose that
needs whole values.

A data key is 32 random bytes (SM4 takes the first 16), kept wrapped in the table of `subject_keys`. Forgetting a person
is forgetting that key, and then the epoch that wrapped it; the sealed texts in history stay and mean nothing.

A blind index is the first 128 bits of HMAC-SHA-256 under a key of its own per purpose: equal values have equal indexes
within one purpose and nowhere else. Index keys derive from the vault's key file, which is never in the database.

>>> from suyuan.privacy.grant import Read, mint
>>> from suyuan.privacy.purposes import PAY_SELLER, SELLER_PAYEE
>>> vault = Vault(bytes(32), Ring({1: bytes(32)}))
>>> key = vault.new_key("slr_1", SELLER_PAYEE.key_class, now=0, chance=bytes(range(KEY_CHANCE_BYTES)))
>>> sealed = vault.seal("6222000000000001", key, SELLER_PAYEE, chance=bytes(12))
>>> authority = mint(PAY_SELLER, Read(["slr_1"], [SELLER_PAYEE.name], seq=0, at=0))
>>> vault.open(sealed, vault.unlock(key.row), SELLER_PAYEE, authority, now=1)
'6222000000000001'
>>> vault.open(sealed, key, SELLER_PAYEE, authority, now=60_000_000)
Traceback (most recent call last):
    ...
suyuan.privacy.authority.NoAuthority: the authority to pay_seller does not cover this field of this subject now
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

import msgspec

from suyuan.base.crypto import Aead, BadSeal
from suyuan.privacy import sealed_file
from suyuan.privacy.authority import Authority, NoAuthority
from suyuan.privacy.ciphers import PREFIX_LENGTH, PREFIXES, algorithm_of, cipher_of
from suyuan.privacy.classes import BlindIndex, Privacy, Sealed
from suyuan.privacy.keyring import KEY_BYTES, NONCE_BYTES, NoEpochKey, Ring
from suyuan.privacy.pseudonyms import Marks, Pseudonym
from suyuan.privacy.purposes import Field
from suyuan.privacy.sealed_file import BrokenFile
from suyuan.privacy.subject_keys import SubjectKey, key_id

INDEX_BYTES = 16
FINGERPRINT_BYTES = 16
# What making a data key draws: the key itself, and the nonce under which it is wrapped.
KEY_CHANCE_BYTES = KEY_BYTES + NONCE_BYTES
# Made once: a slice that is written out is made anew at every opening.
_NONCE, _CLOSED = slice(NONCE_BYTES), slice(NONCE_BYTES, None)


class BrokenSeal(Exception):
    """Raised when a sealed field does not open: it was altered, moved, or sealed under another key."""


class OpenKey(msgspec.Struct, frozen=True, gc=False):
    """A data key in the clear, for as long as one request takes; nobody keeps it longer.

    A struct, because its fields are read several times a seal, and a tuple's by name cost twice as much.
    """

    row: SubjectKey
    subject: str
    secret: bytes
    cipher: Aead
    bound: bytes  # What every seal under this key is bound to, beside its field.


class Vault:
    """Seals, opens and indexes."""

    def __init__(self, root_key: bytes, ring: Ring, algorithm: str = "aes-256-gcm") -> None:
        assert len(root_key) == KEY_BYTES
        self.ring = ring
        self._root_key = root_key
        self._algorithm = algorithm
        self._prefix = PREFIXES[algorithm]
        self._indexes: dict[str, hmac.HMAC] = {}
        self._digest_keys: dict[str, bytes] = {}

    # --- data keys ---

    def new_key(self, subject: str, key_class: Privacy, *, now: int, chance: bytes) -> OpenKey:
        """A fresh data key. `chance` is `KEY_CHANCE_BYTES` fresh random bytes; never use them twice."""
        self.ring.look_again(now)
        row_id, epoch = key_id(subject, key_class), self.ring.newest
        secret, nonce = chance[:KEY_BYTES], chance[KEY_BYTES:]
        row = SubjectKey(row_id, epoch, self.ring.wrap(epoch, secret, bound=row_id.encode(), chance=nonce), b"")
        return _open_key(row, subject, secret, self._algorithm)

    def unlock(self, row: SubjectKey) -> OpenKey:
        """The data key of a row. Raises `NoEpochKey` for a destroyed epoch, `BrokenSeal` for a broken key."""
        secret = self._secret(row)
        return _open_key(row, row.subject, secret, self._algorithm)

    def unlock_whole(self, rows: Iterable[SubjectKey]) -> list[OpenKey]:
        """Those that are there and whole: one that is gone or broken closes what it closed, and nothing else."""
        unlocked = []
        for row in rows:
            with suppress(BrokenSeal, NoEpochKey):
                if not row.is_forgotten:
                    unlocked.append(self.unlock(row))
        return unlocked

    def wrap_again(self, row: SubjectKey, *, chance: bytes) -> SubjectKey:
        """The same data key under the newest epoch."""
        epoch = self.ring.newest
        wrapped = self.ring.wrap(epoch, self._secret(row), bound=row.id.encode(), chance=chance)
        return SubjectKey(row.id, epoch, wrapped, row.fingerprint)

    def fingerprint(self, row: SubjectKey) -> bytes:
        """What a deletion certificate names a data key by; 32 random bytes cannot be guessed from it."""
        return hashlib.sha256(b"suyuan data key " + self._secret(row)).digest()[:FINGERPRINT_BYTES]

    def _secret(self, row: SubjectKey) -> bytes:
        try:
            return self.ring.unwrap(row.epoch, row.wrapped, bound=row.id.encode())
        except ValueError as error:
            raise BrokenSeal(str(error)) from None

    # --- fields ---

    def seal(self, plain: str, key: OpenKey, field: Field, *, chance: bytes) -> Sealed:
        """Closes a value. `chance` is twelve fresh random bytes; never use them twice."""
        if len(chance) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes here, not {len(chance)}")
        closed = key.cipher.encrypt(chance, plain.encode(), key.bound + field.bound)
        # Plain base64, because it is a third of the cost of its URL-safe form, and no sealed text stands in a URL.
        text = b2a_base64(chance + closed, newline=False)
        return self._prefix + text.decode()  # type: ignore[return-value]  # Calling `Sealed` costs a tenth of it.

    def open(self, sealed: Sealed, key: OpenKey, field: Field, authority: Authority, *, now: int) -> str:
        """The only way in: the field's value, masked unless the purpose needs it whole.

        Raises `NoAuthority` or `BrokenSeal`, which must not be ignored.
        """
        purpose = authority.purpose
        # Asked here, since in a function of its own the question would cost a twentieth of the opening.
        if not (
            key.subject in authority.subjects
            and field.name in authority.fields
            and purpose in field.purposes
            and now < authority.expires_at
        ):
            raise NoAuthority(f"the authority to {purpose.id} does not cover this field of this subject now")
        try:
            content = a2b_base64(sealed.removeprefix(self._prefix), strict_mode=True)
            plain = key.cipher.decrypt(content[_NONCE], content[_CLOSED], key.bound + field.bound).decode()
        except (BadSeal, ValueError):
            # A text that kept its prefix is no base64: seals of another algorithm come here and cost the rest nothing.
            plain = self._open_of_another_algorithm(sealed, key, field)
        return plain if purpose.shows_whole else field.mask(plain)

    def _open_of_another_algorithm(self, sealed: Sealed, key: OpenKey, field: Field) -> str:
        """A seal from before this vault's algorithm was chosen. Raises `BrokenSeal` for all that is none."""
        prefix, text = sealed[:PREFIX_LENGTH], sealed[PREFIX_LENGTH:]
        try:
            if prefix == self._prefix:
                raise BadSeal
            content, cipher = a2b_base64(text, strict_mode=True), cipher_of(algorithm_of(prefix), key.secret)
            return cipher.decrypt(content[_NONCE], content[_CLOSED], key.bound + field.bound).decode()
        except (BadSeal, ValueError):
            # The cause is left out, because a traceback that shows it may show the ciphertext's surroundings.
            text = "this sealed field belongs to another subject or field, or was altered"
            raise BrokenSeal(text) from None

    # --- files ---

    def seal_file(self, content: BinaryIO, key: OpenKey, field: Field, name: str, *, chance: bytes) -> Iterator[bytes]:
        """Closes a file, piece by piece. `chance` is `FILE_CHANCE_BYTES` fresh random bytes; never use them twice."""
        bound = _file_bound(key, field, name)
        return sealed_file.seal(content, key.secret, bound, algorithm=self._algorithm, chance=chance)

    def open_file(
        self, sealed: BinaryIO, key: OpenKey, field: Field, name: str, authority: Authority, *, now: int
    ) -> Iterator[bytes]:
        """The only way in, for files: the content, of which nothing may be used before its end has come.

        Raises `NoAuthority` or `BrokenSeal`, which must not be ignored.
        """
        # The same question as for a text, which asks it in its own lines because of what a call costs there.
        is_named = key.subject in authority.subjects and field.name in authority.fields
        if not (is_named and authority.purpose in field.purposes and now < authority.expires_at):
            raise NoAuthority(f"the authority to {authority.purpose.id} does not cover this field of this subject now")
        if not authority.purpose.shows_whole:
            raise NoAuthority(f"the purpose {authority.purpose.id} needs no whole values, and files have no masks")
        return _pieces(sealed, key.secret, _file_bound(key, field, name))

    # --- indexes ---

    def index(self, value: str, *, purpose: str) -> BlindIndex:
        """A keyed, one-way index of a value, for equality within one purpose."""
        return BlindIndex(self._blind(value, purpose).hex())

    def _blind(self, value: str, purpose: str) -> bytes:
        keyed = self._indexes.get(purpose)
        if keyed is None:
            keyed = self._indexes[purpose] = hmac.new(self._derive("index/" + purpose), digestmod=hashlib.sha256)
        # Copying a keyed state saves hashing the key again; this runs several times a redemption.
        state = keyed.copy()
        state.update(value.encode())
        return state.digest()[:INDEX_BYTES]

    def marks(self, value: str, *, purpose: str, now: int, fresh: str) -> Marks:
        """All marks under which the pseudonym of a value may be kept (`pseudonyms`), the one to keep it under first."""
        self.ring.look_again(now)
        index, bound = self._blind(value, purpose), purpose.encode()
        keep = self.ring.marking(now)
        epochs = [keep, *(epoch for epoch in self.ring.epochs if epoch != keep)]
        return Marks(keep, tuple(self.ring.mark(epoch, index, bound=bound) for epoch in epochs), fresh)

    def mark_again(self, row: Pseudonym, *, now: int) -> Pseudonym:
        """The same pseudonym under the newest epoch. Raises `BrokenSeal` for a mark that was altered."""
        # The prefix of a pseudonym names the purpose of the index behind its mark.
        epoch, bound = self.ring.marking(now), row.pseudonym.partition("_")[0].encode()
        try:
            index = self.ring.unmark(row.epoch, row.mark, bound=bound)
        except ValueError as error:
            raise BrokenSeal(str(error)) from None
        return Pseudonym(self.ring.mark(epoch, index, bound=bound), row.pseudonym, epoch)

    def keyed_digest(self, content: bytes, *, purpose: str) -> bytes:
        """A digest that only the holder of the key can compute, so that nobody can confirm a guess by it."""
        return hmac.digest(self._digest_key(purpose), content, "sha256")

    def _digest_key(self, purpose: str) -> bytes:
        return self._digest_keys.setdefault(purpose, self._derive("digest/" + purpose))

    def _derive(self, purpose: str) -> bytes:
        return derive(self._root_key, purpose)


def derive(root_key: bytes, purpose: str) -> bytes:
    """One of the keys that derive from a root key."""
    return hmac.digest(root_key, b"suyuan vault 1 " + purpose.encode(), "sha256")


def _pieces(sealed: BinaryIO, secret: bytes, bound: bytes) -> Iterator[bytes]:
    try:
        yield from sealed_file.opened(sealed, secret, bound)
    except BrokenFile as error:
        raise BrokenSeal(str(error)) from None


def _file_bound(key: OpenKey, field: Field, name: str) -> bytes:
    return key.bound + field.bound + b"\0" + name.encode()


def _open_key(row: SubjectKey, subject: str, secret: bytes, algorithm: str) -> OpenKey:
    return OpenKey(row, subject, secret, cipher_of(algorithm, secret), subject.encode() + b"\0")
