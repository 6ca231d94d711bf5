"""What a bundle has for people, the page and the rest, made again from its records, to see who wrote it.

`evidence.check` shows that the records are those of the log. Nobody checks what the page says of them, and whoever
writes another page, or a `verify.py` that finds everything good, writes another manifest too. So all that this program
would have made of the records is made again and compared. A file that differs is not proof of a lie, because another
version words a page in another way; but it is not to be read, or run, in the place of what is said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from suyuan.evidence.bundle.facts import Custody, Environment, KeyList, LinkList, PrelogList
from suyuan.evidence.bundle.packing import (
    CHAIN,
    CUSTODY,
    ENVIRONMENT,
    KEYS,
    LEAF,
    LINKS,
    OPENINGS,
    PAGE,
    POLICY,
    PRELOG,
    PROOF,
    RECORD,
    VERIFY,
    Contents,
    Exhibit,
)
from suyuan.evidence.bundle.readme import README_EN, README_ZH, readmes
from suyuan.evidence.check import BadEvidence, CheckedRecord, member, verify_source
from suyuan.evidence.check.report import Said
from suyuan.evidence.records.commitment import record_of_texts
from suyuan.evidence.records.opening import Opened
from suyuan.faces.evidence_page import html

FOR_PEOPLE = (PAGE, README_EN, README_ZH, VERIFY)

T = TypeVar("T")


class Compared(NamedTuple):
    """What is as this program makes it, and what is not."""

    done: list[Said]
    left: list[Said]


def compare_words(files: Mapping[str, bytes], records: Iterable[CheckedRecord]) -> Compared:
    """Holds what is there for people against the records, which `evidence.check` has found good."""
    made = _made_again(files, records)
    present = [name for name in FOR_PEOPLE if name in files]
    same = [name for name in present if made.get(name) == files[name]]
    other = [name for name in present if name not in same]
    done, left = [], []
    if same:
        done.append(
            Said(
                f"{', '.join(same)}: byte for byte what this program makes of these records.",
                f"{'、'.join(same)}：与本程序依据上述记录生成的逐字节一致。",
            )
        )
    if other:
        left.append(
            Said(
                f"{', '.join(other)}: NOT what this program makes of these records. Another version may have written"
                " it, or somebody who wants you to read or run something else: go by what is said here, and run none.",
                f"{'、'.join(other)}：与本程序依据上述记录生成的【不一致】，可能出自其他版本，也可能有人想让您读到或运行别的内容；"
                "请以此处所述为准，切勿运行。",
            )
        )
    return Compared(done, left)


def _made_again(files: Mapping[str, bytes], records: Iterable[CheckedRecord]) -> dict[str, bytes]:
    """The files for people; without those that cannot be made of what the bundle says beside its records."""
    made = {VERIFY: verify_source().encode()}
    try:
        contents = _contents(files, records)
        first = contents.exhibits[0]
        is_stamped = contents.tsa_chain is not None
        made |= readmes(contents.keys, first.seq, first.opened, first.proof, is_stamped=is_stamped)
        made[PAGE] = html(contents).encode()
    # The statements beside the records may be anything, such as an instant that no calendar has.
    except (BadEvidence, msgspec.MsgspecError, KeyError, ValueError, OverflowError, RecursionError, OSError):
        pass
    return made


def _contents(files: Mapping[str, bytes], records: Iterable[CheckedRecord]) -> Contents:
    return Contents(
        exhibits=[_exhibit(files, record) for record in records],
        policy=files[POLICY],
        keys=_read(files[KEYS], KeyList).keys,
        environment=_read(files[ENVIRONMENT], Environment),
        custody=_read(files[CUSTODY], Custody),
        prelog=_read(files[PRELOG], PrelogList).records,
        links=_read(files[LINKS], LinkList).links,
        tsa_chain=files.get(CHAIN),
    )


def _exhibit(files: Mapping[str, bytes], record: CheckedRecord) -> Exhibit:
    """With nothing in the place of what is not shown."""
    folder = f"records/{record.seq}/"
    opened = Opened(files[folder + RECORD], files[folder + OPENINGS], files[folder + LEAF])
    names: list[str] = msgspec.json.decode(opened.openings)["names"]
    texts = [member(name, record.record.get(name)) for name in names]
    return Exhibit(record_of_texts(texts), opened, files[folder + PROOF])


def _read(content: bytes, kind: type[T]) -> T:
    return msgspec.json.decode(content, type=kind)
