"""Signing notes: the lines that a log and its witnesses put under a checkpoint, and the texts of their keys.

    — <name> base64(key id || signature)

| kind | signs | signature |
|---|---|---|
| 0x01 | the text, by Ed25519 | 64 bytes |
| 0xff `suyuan/sm2-sm3/v1` | the text, by SM2 with SM3 (GB/T 32918, signer id 1234567812345678) | r then s, 64 bytes |
| 0x04 | `cosignature/v1`, `time <seconds>` and the text, by Ed25519 | the time in 8 bytes, then 64 bytes |

The forms are those of c2sp.org/signed-note and c2sp.org/tlog-cosignature; the SM2 kind is our own, in the form that
signed-note reserves for such, with the uncompressed point of 65 bytes as its key. A public key's text is
`<name>+<key id>+base64(kind || key)`, a secret one's `PRIVATE+KEY+<name>+<key id>+base64(kind || secret)`.

Invariants: a line is checked against its public key before it is handed out, because a wrong signature that was
published once cannot be taken back; a cosigner's key signs nothing but cosignatures, and a log's key signs none.

>>> from suyuan.base.crypto import suite
>>> log = ed25519_signer("example.com/log", suite("ed25519").signer(bytes(32)))
>>> vkey_text(log.vkey)
'example.com/log+1dde4531+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop'
>>> note = sign_note(checkpoint_text("example.com/log", 0, check.EMPTY_ROOT), [log])
>>> print(note.decode(), end="")
example.com/log
0
47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
<BLANKLINE>
— example.com/log Hd5FMc1KDcGoIYPbXr1ANKbmaAILGDyth0JuVgg0X+FAvF2Py4ZhmjD6FFcc6Pyq3/4ymxm/wplDHimfNQh/7hpt1go=
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from suyuan.base.crypto import BadSignature, Signer, checker, suite
from suyuan.evidence import check

SIGNATURE_BYTES = 64
HALF_BYTES = 32
TIME_S_END = 2**63

_SUITES = {check.ED25519: "ed25519", check.COSIGNATURE: "ed25519", check.SM2_SM3: "sm2-sm3"}
_SECRET_TEXT = re.compile(r"PRIVATE\+KEY\+([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)")


class LogSigner:
    """A log's key: signs the text of a note."""

    def __init__(self, name: str, kind: bytes, signer: Signer) -> None:
        assert kind != check.COSIGNATURE, "a cosigner's key signs with its time"
        self.vkey = _vkey(name, kind, signer)
        self._signer = signer

    def line(self, text: bytes) -> bytes:
        """The signature line under this text."""
        signature = self._signer.sign(text)
        return _line(self.vkey, text, _halves(signature) if self.vkey.kind == check.SM2_SM3 else signature)


class Cosigner:
    """A witness's key: signs that it has seen this checkpoint, and when."""

    def __init__(self, name: str, signer: Signer) -> None:
        self.vkey = _vkey(name, check.COSIGNATURE, signer)
        self._signer = signer

    def line(self, text: bytes, at_s: int) -> bytes:
        """The cosignature line under a checkpoint's text; `at_s` is in seconds since 1970."""
        assert 0 <= at_s < TIME_S_END
        signature = self._signer.sign(check.cosigned_message(text, at_s))
        return _line(self.vkey, text, at_s.to_bytes(8) + signature)


def ed25519_signer(name: str, signer: Signer) -> LogSigner:
    return LogSigner(name, check.ED25519, signer)


def sm2_signer(name: str, signer: Signer) -> LogSigner:
    return LogSigner(name, check.SM2_SM3, signer)


def cosigner(name: str, signer: Signer) -> Cosigner:
    return Cosigner(name, signer)


def checkpoint_text(origin: str, size: int, root: bytes) -> bytes:
    """The text of a checkpoint, c2sp.org/tlog-checkpoint, without extension lines."""
    text = f"{origin}\n{size}\n{check.to_base64(root)}\n".encode()
    assert check.read_checkpoint(text) == (origin, size, root)
    return text


def sign_note(text: bytes, signers: Sequence[LogSigner]) -> bytes:
    """The note of this text, signed by all of them in their order."""
    assert signers, "a note has at least one signature"
    note = text + b"\n" + b"".join(signer.line(text) for signer in signers)
    assert check.read_note(note).text == text, "the text would be read as another one"
    return note


def ed25519_fits(key: bytes, message: bytes, signature: bytes) -> bool:
    """The fast check to hand to `evidence.check`, as its `verify`."""
    return _fits("ed25519", key, message, signature)


def signature_fits(vkey: check.Vkey, text: bytes, blob: bytes) -> bool:
    """Whether what a signature line holds is by this key over this text, whichever of the three kinds it is."""
    if vkey.kind == check.COSIGNATURE:
        at_s = int.from_bytes(blob[:8])
        return at_s < TIME_S_END and ed25519_fits(vkey.key, check.cosigned_message(text, at_s), blob[8:])
    if vkey.kind == check.SM2_SM3:
        return len(blob) == SIGNATURE_BYTES and _fits("sm2-sm3", vkey.key, text, _der(blob))
    return ed25519_fits(vkey.key, text, blob)


def _fits(algorithm: str, key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        checker(algorithm, key).check(message, signature)
    except BadSignature:
        return False
    return True


class NoteSecret(NamedTuple):
    """A secret key as its text holds it."""

    name: str
    kind: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"NoteSecret({self.name!r}, {self.kind!r}, …)"

    def signer(self) -> LogSigner | Cosigner:
        """The loaded key. Raises `ValueError` for bytes that are no secret of this kind."""
        loaded = suite(_SUITES[self.kind]).signer(self.secret)
        return (
            Cosigner(self.name, loaded) if self.kind == check.COSIGNATURE else LogSigner(self.name, self.kind, loaded)
        )


def vkey_text(vkey: check.Vkey) -> str:
    """A public key's text, which `check.read_vkey` reads."""
    return f"{vkey.name}+{vkey.key_id.hex()}+{check.to_base64(vkey.kind + vkey.key)}"


def secret_text(secret: NoteSecret) -> str:
    """A secret key's text, in the form of Go's `note.GenerateKey`, to be kept where secrets are."""
    key_id = secret.signer().vkey.key_id.hex()
    return f"PRIVATE+KEY+{secret.name}+{key_id}+{check.to_base64(secret.kind + secret.secret)}"


def read_secret(text: str) -> NoteSecret:
    """Reads a secret key's text. Raises `ValueError`, which never repeats any of it."""
    found = _SECRET_TEXT.fullmatch(text.strip())
    content = check.from_base64(found[3]) if found else None
    kind = next((kind for kind in _SUITES if content and content.startswith(kind)), None)
    if found is None or content is None or kind is None:
        raise ValueError("this is not the text of a secret note key; make a new one, or copy it whole")
    secret = NoteSecret(found[1], kind, content.removeprefix(kind))
    if secret.signer().vkey.key_id.hex() != found[2]:
        raise ValueError("the id of this secret note key is another key's; copy its text whole")
    return secret


def _vkey(name: str, kind: bytes, signer: Signer) -> check.Vkey:
    """The public half; reading its text once more refuses a name that no line could carry."""
    if signer.algorithm != _SUITES[kind]:
        raise ValueError(f"a {_SUITES[kind]} key is needed for this kind of line, not one of {signer.algorithm}")
    vkey = check.Vkey(name, check.key_id(name, kind, signer.public), kind, signer.public)
    try:
        return check.read_vkey(vkey_text(vkey))
    except check.BadEvidence as bad:
        raise ValueError(str(bad)) from None


def _line(vkey: check.Vkey, text: bytes, blob: bytes) -> bytes:
    if not signature_fits(vkey, text, blob):
        raise BadSignature(f"the key of {vkey.name} signed, and its signature is bad: nothing of it may go out")
    return f"— {vkey.name} {check.to_base64(vkey.key_id + blob)}\n".encode()


def _halves(der: bytes) -> bytes:
    """r and s of a DER signature, each in 32 bytes; `base.crypto` gives out DER in its one form only."""
    r_end = 4 + der[3]
    r, s = int.from_bytes(der[4:r_end]), int.from_bytes(der[r_end + 2 :])
    return r.to_bytes(HALF_BYTES) + s.to_bytes(HALF_BYTES)


def _der(halves: bytes) -> bytes:
    """The DER of r and s, whose numbers are positive and as short as they can be."""
    numbers = [int.from_bytes(half) for half in (halves[:HALF_BYTES], halves[HALF_BYTES:])]
    content = b"".join(bytes([2, len(raw)]) + raw for raw in (n.to_bytes(n.bit_length() // 8 + 1) for n in numbers))
    return bytes([0x30, len(content)]) + content
