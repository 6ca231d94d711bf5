"""An opening: the platform's signed word for what sealed fields of a record held when they were opened for somebody.

The log holds commitments to sealed texts, so it proves that a sealed text is the one that was logged, and never what
it opens to: the key that would show that is the platform's, and opens every other field of that person too. What a
sealed field holds is therefore attested beside the record, under an authority, and a reader believes it as far as
they believe whoever signed.

Format, one line of canonical JSON, as every paper of the platform (`base.crypto.paper`), under `suyuan-opened-v1`:

    {"opened":{…},"signatures":[…]}

>>> signer = crypto.suite("ed25519").signer(bytes(32))
>>> opened = OpenedFields(
...     seq=7, fields=(OpenedField("sealed_number", "2a.…", "13800000000"),), authority="warrant",
...     reference="wrt_1", opened_at=1, origin="https://api.example.com")
>>> paper = sign_opened(opened, [PlatformKey("platform-1", signer)])
>>> check_opened(paper, {"platform-1": crypto.PublicKey("ed25519", signer.public)}) == opened
True
>>> opened.differs_from({"seq": 7, "sealed_number": "2a.other"})
('sealed_number',)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from suyuan.base import crypto, wire
from suyuan.base.crypto import BadPaper, PlatformKey, Signature, check_facts, read_paper, sign_facts

_CONTEXT = b"suyuan-opened-v1\n"
_NAME = "opened"


class OpenedField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of the record, its sealed text as it was logged, and what that held."""

    name: str
    sealed: str
    value: str


class OpenedFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the platform attests. Authority and reference say by what right it was opened."""

    seq: int
    fields: tuple[OpenedField, ...]
    authority: str
    reference: str
    opened_at: int
    origin: str

    def differs_from(self, record: Mapping[str, object]) -> tuple[str, ...]:
        """The fields of which the record, as disclosed, does not show this very sealed text."""
        return tuple(field.name for field in self.fields if record.get(field.name) != field.sealed)


class _Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    opened: OpenedFields
    signatures: list[Signature]


def sign_opened(opened: OpenedFields, keys: Sequence[PlatformKey]) -> bytes:
    """The opening as it is handed out, signed by every key of the platform."""
    _demand_whole(opened)
    return wire.canonical_record(_Paper(opened, sign_facts(_CONTEXT, opened, keys)))


def check_opened(paper: bytes, keys: Mapping[str, crypto.PublicKey]) -> OpenedFields:
    """What an opening attests, for nothing but a good one. Raises `BadPaper` or `BadSignature`."""
    signed = read_paper(paper, _Paper, name=_NAME)
    _demand_whole(signed.opened)
    check_facts(_CONTEXT, signed.opened, signed.signatures, keys, name=_NAME)
    return signed.opened


def _demand_whole(opened: OpenedFields) -> None:
    names = [field.name for field in opened.fields]
    if not names or len(set(names)) != len(names) or not opened.reference:
        raise BadPaper("this opening names no field, a field twice, or no authority")
