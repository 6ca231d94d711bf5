"""What the platform attests of sealed fields is believed by its signature, and only where it fits the record."""

from __future__ import annotations

import pytest

from suyuan.base.crypto import BadPaper, BadSignature, PublicKey, suite
from suyuan.evidence.bundle.opened import OpenedField, OpenedFields, check_opened, sign_opened
from suyuan.settle.voucher import check_voucher
from tests.evidence.bundles import PLATFORM, PLATFORM_KEYS, SEALED_NUMBER

FIELD = OpenedField("sealed_secret", SEALED_NUMBER, "4567890123")
OPENED = OpenedFields(10, (FIELD,), "warrant", "wrt_1", 5, "https://api.example.com")


def test_an_opening_is_believed_by_the_platforms_key_alone() -> None:
    paper = sign_opened(OPENED, [PLATFORM])
    assert check_opened(paper, PLATFORM_KEYS) == OPENED
    stranger = suite("ed25519").signer(bytes([8]) * 32)
    for keys in ({}, {PLATFORM.id: PublicKey("ed25519", stranger.public)}):
        with pytest.raises(BadSignature):
            check_opened(paper, keys)


@pytest.mark.parametrize(
    ("old", "new"), [(b"4567890123", b"4567890124"), (b'"seq":10', b'"seq":11'), (b"wrt_1", b"wrt_2")]
)
def test_an_altered_opening_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(BadSignature):
        check_opened(sign_opened(OPENED, [PLATFORM]).replace(old, new), PLATFORM_KEYS)


def test_a_signature_under_an_opening_is_good_for_no_other_paper() -> None:
    with pytest.raises(BadPaper):
        check_voucher(sign_opened(OPENED, [PLATFORM]), PLATFORM_KEYS)


@pytest.mark.parametrize(
    "record", [{}, {"sealed_secret": "2a.other"}, {"sealed_secret": 5}, {"sealed_serial": SEALED_NUMBER}]
)
def test_an_opening_of_another_sealed_text_differs(record: dict[str, object]) -> None:
    assert OPENED.differs_from(record) == ("sealed_secret",)


def test_an_opening_of_the_sealed_text_that_was_logged_fits() -> None:
    assert OPENED.differs_from({"sealed_secret": SEALED_NUMBER, "seq": 10}) == ()


@pytest.mark.parametrize(
    "opened",
    [
        OpenedFields(10, (), "warrant", "wrt_1", 5, ""),
        OpenedFields(10, (FIELD, FIELD), "warrant", "wrt_1", 5, ""),
        OpenedFields(10, (FIELD,), "warrant", "", 5, ""),
    ],
)
def test_an_opening_names_fields_and_its_authority(opened: OpenedFields) -> None:
    with pytest.raises(BadPaper, match="names no field"):
        sign_opened(opened, [PLATFORM])
