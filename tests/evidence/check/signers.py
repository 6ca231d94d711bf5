"""Keys that sign notes, written by the specification beside the checker, with the `cryptography` wheel."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from suyuan.evidence.check import COSIGNATURE, ED25519, Vkey, read_vkey


@dataclass(frozen=True)
class NoteSigner:
    """One key of a log (`ED25519`) or of a witness (`COSIGNATURE`)."""

    name: str
    kind: bytes = ED25519
    seed: bytes | None = None

    @property
    def _secret(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed or hashlib.sha256(self.name.encode()).digest())

    @property
    def _key_id(self) -> bytes:
        public = self._secret.public_key().public_bytes_raw()
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + public).digest()[:4]

    @property
    def vkey_text(self) -> str:
        public = self._secret.public_key().public_bytes_raw()
        return f"{self.name}+{self._key_id.hex()}+{base64.b64encode(self.kind + public).decode()}"

    @property
    def vkey(self) -> Vkey:
        return read_vkey(self.vkey_text)

    def line(self, text: bytes, at_s: int = 1_790_000_000) -> bytes:
        """The signature line for a note's text; a witness signs that it saw it at this second."""
        if self.kind == COSIGNATURE:
            signed = b"cosignature/v1\ntime %d\n" % at_s + text
            signature = at_s.to_bytes(8, "big") + self._secret.sign(signed)
        else:
            signature = self._secret.sign(text)
        return f"— {self.name} {base64.b64encode(self._key_id + signature).decode()}\n".encode()


LOG = NoteSigner("suyuan.example/log/2026")
NEUTRAL = NoteSigner("neutral.example/witness", COSIGNATURE)
PARTNER_A = NoteSigner("a.example/witness", COSIGNATURE)
PARTNER_A_SPARE = NoteSigner("a.example/spare", COSIGNATURE)
PARTNER_B = NoteSigner("b.example/witness", COSIGNATURE)

# Two of three organisations; one of them has two keys.
POLICY = f"""\
log {LOG.vkey_text} https://log.example/
witness neutral {NEUTRAL.vkey_text}
witness a-1 {PARTNER_A.vkey_text} https://a.example/
witness a-2 {PARTNER_A_SPARE.vkey_text}
witness b {PARTNER_B.vkey_text}
group a any a-1 a-2
group organisations 2 neutral a b
quorum organisations
""".encode()


def checkpoint_text(size: int, root: bytes, origin: str = LOG.name) -> bytes:
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def note(text: bytes, *signers: NoteSigner) -> bytes:
    return text + b"\n" + b"".join(signer.line(text) for signer in signers)
