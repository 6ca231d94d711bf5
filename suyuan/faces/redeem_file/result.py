"""The result of selling a file: one row per card, for people and for spreadsheets.

Format: CSV in UTF-8 with a byte order mark (so that spreadsheets read the Chinese), the columns of `COLUMNS`; a serial
is masked, a PIN never stands there. `paid` is in fen, or in units where the contract pays coupons or points. The file
is written beside its place and moved there whole, so it is the old one or the new one and never half of each.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from suyuan.base.wire import harmless_cell

COLUMNS = (
    "line", "operator", "serial", "face_fen", "state", "redemption", "paid", "value_kind", "code", "sentence_zh",
    "sentence_en", "reference",
)  # fmt: skip

BAD, NOT_SENT, UNKNOWN, REFUSED = "bad", "not_sent", "unknown", "refused"

SENTENCES = {
    NOT_SENT: ("It was not sent yet; start the same command again.", "尚未提交，请重新运行同一命令。"),
    UNKNOWN: (
        "It was sent and the answer is missing; start the same command again.",
        "已提交但未收到答复，请重新运行同一命令。",
    ),
    "pending": ("It was taken; the payout is under way.", "已受理，付款进行中。"),
    "in_review": ("It was taken; a person looks at it before it goes on.", "已受理，将由人工查看后继续办理。"),
    "paid": ("It was paid.", "已付款。"),
    "declined": ("A person has decided against it; nothing is paid.", "人工复核未通过，未付款。"),
    "rejected": ("The operator did not take the card; nothing is paid.", "运营商未接受此卡，未付款。"),
    "payout_refused": ("The payout channel refused; nothing is paid.", "支付通道拒绝付款，未付款。"),
    "reversed": (
        "It was paid and the operator took the card back; it is owed now.",
        "付款后运营商撤销此卡，形成欠款。",
    ),
}


class ResultRow(NamedTuple):
    """One line of the result, in the order of `COLUMNS`."""

    line: int
    operator: str
    serial: str
    face_fen: int | str
    state: str
    redemption: str
    paid: int | str
    value_kind: str
    code: str
    sentence_zh: str
    sentence_en: str
    reference: str


def write_result(file: Path, rows: Iterable[ResultRow]) -> None:
    """Puts a whole result in its place."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([harmless_cell(cell) for cell in row] for row in rows)
    fresh = file.with_name(file.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(text.getvalue().encode("utf-8-sig"))
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
