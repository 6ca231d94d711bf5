"""Authorities as flows mint them, for tests that open what was sealed."""

from __future__ import annotations

from collections.abc import Iterable

from suyuan.privacy.authority import Authority
from suyuan.privacy.grant import Read, mint
from suyuan.privacy.purposes import Field, Purpose


def authority(purpose: Purpose, subjects: Iterable[str], *fields: Field, at: int = 0) -> Authority:
    """An authority for these subjects and fields, as if its read stood in history at 0."""
    return mint(purpose, Read(list(subjects), [field.name for field in fields], seq=0, at=at))


def whole(field: Field, subjects: Iterable[str], *, at: int = 0) -> Authority:
    """An authority that shows this field unmasked, for the first purpose that needs it so."""
    purpose = next(purpose for purpose in field.purposes if purpose.shows_whole)
    return authority(purpose, subjects, field, at=at)
