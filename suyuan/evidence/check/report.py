"""What a check has shown and what it has not, in English and Chinese, for people who decide by it.

A check says nothing about what it did not look at, so that has sentences of its own, which are never left out.

>>> Said("Yes.", "是。").zh
'是。'
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from suyuan.evidence.check.bundle import MANIFEST, TIMESTAMP, CheckedBundle, CheckedRecord
from suyuan.evidence.check.canonical import canonical
from suyuan.evidence.check.note import Signed
from suyuan.evidence.check.wrong import printable

# Made for people to read, from all the rest.
_WORDS = ("README.md", "README.zh-CN.md", "page.html")
# The last second that a calendar has.
_LAST_SECOND = 253_402_300_799


class Unchecked(StrEnum):
    """What another program may be able to check after all; it then takes the sentence about it back."""

    TIME_STAMP = "time_stamp"
    SM2_LINES = "sm2_lines"
    PAPERS = "papers"
    WORDS = "words"


class Said(NamedTuple):
    """One sentence in both languages."""

    en: str
    zh: str
    about: Unchecked | None = None


def what_was_checked(bundle: CheckedBundle) -> Iterator[Said]:
    count = len(set(bundle.files) - {MANIFEST, TIMESTAMP})
    yield Said(
        f"All {count} files are those of the manifest and unaltered by SHA-256 and SM3; "
        f"the manifest's own SHA-256 is {bundle.manifest_sha256}.",
        f"全部 {count} 个文件与清单一致，SHA-256 与 SM3 相符；清单自身的 SHA-256 为 {bundle.manifest_sha256}。",
    )
    for record in bundle.records:
        yield from _about_record(record)


def _about_record(record: CheckedRecord) -> Iterator[Said]:
    index, checkpoint, log, cosigned = record.proof
    # A proof by itself may be of a record that does not show its number, and then nobody vouches for one.
    if "seq" in record.record:
        yield Said(
            f"Record {record.seq} was logged as follows, each field against its commitment:",
            f"第 {record.seq} 号记录入账内容如下，各字段均与其承诺值相符：",
        )
    else:
        yield Said(
            "A record whose number is not shown was logged, each field below against its commitment:",
            "一条未出示编号的记录已入账，以下各字段均与其承诺值相符：",
        )
    for name, value in sorted(record.record.items()):
        field = f"    {printable(name)} = {printable(canonical(value).decode())}"
        yield Said(field, field)
    yield Said(
        f"It is entry {index} of {checkpoint.size} in the log {printable(checkpoint.origin)}, "
        f"signed by the key {log.key_id.hex()}.",
        f"它是日志 {printable(checkpoint.origin)} 共 {checkpoint.size} 条中的第 {index} 条（自 0 起），"
        f"由密钥 {log.key_id.hex()} 签署。",
    )
    for one in cosigned:
        yield _about_witness(one)
    if not cosigned:
        yield Said(
            "No witness has cosigned it: the policy asks for none, so the log may show others another history.",
            "没有见证方联署：策略不作要求，故日志可能向他人展示另一套历史。",
        )


def _about_witness(signed: Signed) -> Said:
    name, at = printable(signed.vkey.name), _instant(signed.at or 0)
    return Said(f"The witness {name} saw this log at {at}.", f"见证方 {name} 于 {at} 见到该日志。")


def _instant(at_s: int) -> str:
    if at_s > _LAST_SECOND:
        return f"{at_s} s"
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def what_was_not_checked(bundle: CheckedBundle) -> Iterator[Said]:
    if bundle.agrees_only_with_itself:
        yield Said(
            "WHOM TO BELIEVE was taken from the bundle itself, because no policy was given. "
            "So the bundle agrees with itself, and that is ALL that is shown: anybody can make such a bundle. "
            "Get the policy from somebody you trust, and give it with --policy.",
            "【信任谁】取自证据包本身，因为没有另行给出策略文件。这【仅仅】表明证据包自相一致：任何人都能造出这样的证据包。"
            "请从可信之处取得策略文件，并以 --policy 给出。",
        )
    yield Said(
        "Whether what was logged was true. A log shows that a record has not changed since, no more.",
        "入账内容是否属实。日志只表明记录此后未变，不表明当时为真。",
    )
    yield Said(
        "Fields that are not shown, and what sealed fields hold.",
        "未出示的字段，以及密封字段所含的内容。",
    )
    yield Said(
        "Whether there are further records about the same matter.",
        "同一事项是否另有其他记录。",
    )
    yield Said(
        "Signature lines by keys that the policy does not name, such as the log's SM2 line: they were ignored.",
        "策略未列出的密钥所作的签名行（例如日志的 SM2 签名行）：一律未予理会。",
        Unchecked.SM2_LINES,
    )
    yield from _about_files(bundle)
    yield Said(
        "This program itself. Where it came in the bundle, compare it with a copy from elsewhere.",
        "本程序自身。若它来自证据包内，请与他处取得的副本比对。",
    )


def _about_files(bundle: CheckedBundle) -> Iterator[Said]:
    if TIMESTAMP in bundle.files:
        yield Said(
            f"The time stamp {TIMESTAMP} (RFC 3161): check it against manifest.json by `openssl ts -verify`.",
            f"时间戳 {TIMESTAMP}（RFC 3161）：请用 `openssl ts -verify` 对照 manifest.json 核对。",
            Unchecked.TIME_STAMP,
        )
    else:
        yield Said(
            "A time stamp by a third party: the bundle has none.",
            "第三方时间戳：证据包内没有。",
        )
    papers = [name for name in bundle.files if name.startswith("papers/")]
    if papers:
        yield Said(
            f"What the signed papers say ({', '.join(papers)}): check them by `suyuan evidence verify --platform-key`.",
            f"已签署文书的内容（{'、'.join(papers)}）：请用 `suyuan evidence verify --platform-key` 核对。",
            Unchecked.PAPERS,
        )
    words = [name for name in bundle.files if name in _WORDS]
    if words:
        yield Said(
            f"Whether {', '.join(words)} say what the records say, and what their commands do: read the fields above.",
            f"{'、'.join(words)} 所述是否与记录一致、其中命令有何作用：请以上列字段为准。",
            Unchecked.WORDS,
        )
    yield Said(
        "Statements beside the records, such as on origin, environment and custody: "
        "no log holds them and nobody signed them, so they are the word of whoever made this bundle.",
        "记录之外的说明（来源、环境、保管等）：不在日志之中，也无人签名，仅为证据包制作者的陈述。",
    )
