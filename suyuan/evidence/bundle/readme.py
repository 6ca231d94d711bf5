"""The two README of a bundle: every step of its check by commands that others wrote, in English and Chinese.

The commands are POSIX shell with coreutils, `openssl` 3 and the standard library of Python for reading JSON, filled in
for the first record of the bundle; a test runs all of them on a real bundle, and on broken ones. Both languages are
made from the same steps, so neither leaves one out. They go from the outside in, each on what the one before has shown:
files, time stamp, opened members, entry, place in the log, signatures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from suyuan.evidence.bundle.facts import LOG, KeyListed
from suyuan.evidence.check import (
    COSIGNATURE,
    ED25519,
    SM2_SM3,
    NoteSignature,
    Vkey,
    read_note,
    read_proof,
    read_vkey,
    to_base64,
)
from suyuan.evidence.records.opening import Opened

README_EN, README_ZH = "README.md", "README.zh-CN.md"

_BLANK = re.compile(r"@([A-Z]+)@")


class Step(NamedTuple):
    """What to do, why, and the commands for it."""

    en: str
    zh: str
    commands: str


_INTRO = """\
# Evidence · how to check it

This folder holds records of a platform's history. What it shows: each record stood in an append-only log when the
checkpoint was signed, at the latest when witnesses cosigned it and when the token was stamped, and not a byte of it
has changed since. What it does not show: that a record was true when it was written (`prelog.json` says what speaks
for that), and what a sealed text holds (`papers/opened-…json` is the platform's signed word for it, no more).

`python3 -I verify.py FILE.zip --policy YOURS` checks all but the time stamp and SM2 at once, offline. It came with the
bundle, so whoever doubts the platform reads it first, or goes on by hand, with commands that the platform did not
write, in `sh`, in this folder. Take the keys in `policy.tlog-policy` and the certificates in `tsa-chain.pem` from
somebody else than whoever gave you the bundle: with its own, a bundle agrees with itself and nothing more.
"""
_INTRO_ZH = """\
# 证据包 · 如何核对

本文件夹含平台历史中的若干记录。能够证明：每条记录在检查点签署时（至迟在见证方联署、时间戳签发时）已在只增不改的
日志之中，此后一个字节也未改动。不能证明：记录写入时内容属实（`prelog.json` 说明可供佐证的事实），以及密文的内容
（`papers/opened-…json` 只是平台签名的陈述）。

`python3 -I verify.py FILE.zip --policy YOURS` 离线一次核对除时间戳与 SM2 外的全部内容。该程序随包而来，对平台有疑者
应先通读，或在本文件夹中用 `sh` 逐步手工核对，所用命令均非平台编写。`policy.tlog-policy` 中的公钥与 `tsa-chain.pem`
中的证书请从交付者以外的渠道取得：使用包内自带的，只能说明该包与自身一致。
"""
_MANY = "The commands are filled in for record @SEQ@; for another, write its folder."
_MANY_ZH = "以下命令以记录 @SEQ@ 为例，核对其他记录时请改写文件夹名。"

_FILES = Step(
    "Every file is the one that the manifest lists (SHA-256).", "每个文件都与清单所列一致（SHA-256）。",
    r"""python3 -c 'import json
for file in json.load(open("manifest.json"))["files"]: print(file["sha256"] + "  " + file["name"])' |
sha256sum --check --quiet
""")  # fmt: skip
_FILES_SM3 = Step(
    "The same by SM3 (GB/T 32905), for whoever uses national cryptography.", "以国密 SM3（GB/T 32905）再核对一次。",
    r"""python3 -c 'import json
for file in json.load(open("manifest.json"))["files"]: print(file["sm3"], file["name"])' |
while read -r digest name; do test "$(openssl dgst -sm3 -r "$name" | cut -d " " -f 1)" = "$digest" || exit 1; done
""")  # fmt: skip
_TOKEN = Step(
    "The time stamp is over this manifest (RFC 3161). Where the authority's certificate has run out since, add"
    " `-attime` with the seconds of the time stamped.",
    "时间戳针对的正是此清单（RFC 3161）。若时间戳证书此后已过期，请加 `-attime` 及所载时间的秒数。",
    r"""openssl ts -reply -in timestamp.tsr -text 2>/dev/null | grep "Time stamp:"
openssl ts -verify -in timestamp.tsr -data manifest.json -CAfile tsa-chain.pem
""",
)
_MEMBER = Step(
    "A disclosed member is the one that was committed to: SHA-256 over its salt and its text is its commitment.",
    "所披露的内容就是当初承诺的内容：盐与原文相连的 SHA-256 即为其承诺值。",
    r"""commitment=$({ printf '%s' '@SALT@' | base64 -d; printf '%s' '@TEXT@'; } |
  openssl dgst -sha256 -binary | base64)
python3 -c 'import json, sys
sys.exit(json.load(open("records/@SEQ@/openings.json"))["commitments"][@PLACE@] != sys.argv[1])' "$commitment"
""",
)
_ENTRY = Step(
    "The entry of the log is the digest over the names of all members and all commitments of the record.",
    "日志条目即为该记录全部成员名称与承诺值的摘要。",
    r"""work=$(mktemp -d)
python3 -c 'import base64, json, sys
openings = json.load(open("records/@SEQ@/openings.json"))
names = "".join(name + chr(10) for name in openings["names"])
commitments = b"".join(map(base64.b64decode, openings["commitments"]))
sys.stdout.buffer.write(names.encode() + b"\n" + commitments)' > "$work/members"
{ printf 'suyuan record 1\n'; cat "$work/members"; } | openssl dgst -sha256 -binary | cmp - records/@SEQ@/leaf.bin
""")  # fmt: skip
_INCLUSION = Step(
    "The entry stands in the log at its index: the path of the proof leads to the root that the checkpoint states"
    " (RFC 9162, 2.1.3.2).",
    "该条目位于日志的对应位置：证明路径通向检查点所载的根（RFC 9162，2.1.3.2）。",
    r"""proof=records/@SEQ@/record.tlog-proof
sed '1,/^$/d' "$proof" > "$work/note"
sed '/^$/,$d' "$work/note" > "$work/text"
{ printf '\000'; cat records/@SEQ@/leaf.bin; } | openssl dgst -sha256 -binary > "$work/root"
fn=$(sed -n 's/^index //p' "$proof"); sn=$(($(sed -n 2p "$work/text") - 1))
test "$fn" -le "$sn"
for hash in $(sed '1,/^index /d;/^$/,$d' "$proof"); do
  printf '%s' "$hash" | base64 -d > "$work/hash"
  if test $((fn & 1)) = 1 || test "$fn" = "$sn"; then
    { printf '\001'; cat "$work/hash" "$work/root"; } | openssl dgst -sha256 -binary > "$work/above"
    while test $((fn & 1)) = 0 && test "$fn" != 0; do fn=$((fn >> 1)); sn=$((sn >> 1)); done
  else
    { printf '\001'; cat "$work/root" "$work/hash"; } | openssl dgst -sha256 -binary > "$work/above"
  fi
  mv "$work/above" "$work/root"; fn=$((fn >> 1)); sn=$((sn >> 1))
done
test "$sn" = 0
test "$(base64 < "$work/root")" = "$(sed -n 3p "$work/text")"
""",
)
_BY_LOG = Step(
    "The log has signed this checkpoint (Ed25519): `@VKEY@`.", "日志已签署该检查点（Ed25519）：`@VKEY@`。",
    r"""grep -F -- '— @NAME@ @HEAD@' "$work/note" | cut -d ' ' -f 3 | base64 -d | tail -c +5 > "$work/signature"
{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'
  printf '%s' '@KEY@' | base64 -d | tail -c 32; } > "$work/key"
openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key" -rawin -in "$work/text" -sigfile "$work/signature"
""")  # fmt: skip
_BY_WITNESS = Step(
    "A witness has seen the log only grow up to this checkpoint, and says when (c2sp.org/tlog-cosignature): `@VKEY@`.",
    "见证方确认日志截至此检查点只增不改，并载明时间（c2sp.org/tlog-cosignature）：`@VKEY@`。",
    r"""grep -F -- '— @NAME@ @HEAD@' "$work/note" | cut -d ' ' -f 3 | base64 -d > "$work/line"
seconds=$((0x$(od -An -tx1 -j4 -N8 "$work/line" | tr -d ' \n')))
tail -c +13 "$work/line" > "$work/signature"
{ printf 'cosignature/v1\ntime %s\n' "$seconds"; cat "$work/text"; } > "$work/cosigned"
{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'
  printf '%s' '@KEY@' | base64 -d | tail -c 32; } > "$work/key"
openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key" -rawin -in "$work/cosigned" -sigfile "$work/signature"
date -u -d "@$seconds"
""")  # fmt: skip
_BY_SM2 = Step(
    "The log has signed it by SM2 with SM3 too (GB/T 32918): `@VKEY@`.",
    "日志同时以国密 SM2/SM3（GB/T 32918）签署：`@VKEY@`。",
    r"""grep -F -- '— @NAME@ @HEAD@' "$work/note" | cut -d ' ' -f 3 | base64 -d | tail -c +5 > "$work/signature"
{ printf 'asn1=SEQUENCE:pair\n[pair]\n'
  printf 'r=INTEGER:0x%s\n' "$(head -c 32 "$work/signature" | od -An -v -tx1 | tr -d ' \n')"
  printf 's=INTEGER:0x%s\n' "$(tail -c 32 "$work/signature" | od -An -v -tx1 | tr -d ' \n')"; } > "$work/pair"
openssl asn1parse -genconf "$work/pair" -noout -out "$work/signature"
{ printf '\060\131\060\023\006\007\052\206\110\316\075\002\001\006\010\052\201\034\317\125\001\202\055\003\102\000'
  printf '%s' '@KEY@' | base64 -d | tail -c 65; } > "$work/key"
openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key" -rawin -digest sm3 -pkeyopt distid:1234567812345678 \
  -in "$work/text" -sigfile "$work/signature"
""",
)


def readmes(keys: Sequence[KeyListed], seq: int, opened: Opened, proof: bytes, *, is_stamped: bool) -> dict[str, bytes]:
    """Both files, by their names."""
    steps = list(_steps(keys, seq, opened, proof, is_stamped=is_stamped))
    english = [_INTRO, _MANY.replace("@SEQ@", str(seq))]
    chinese = [_INTRO_ZH, _MANY_ZH.replace("@SEQ@", str(seq))]
    for number, step in enumerate(steps, 1):
        english.append(f"**{number}.** {step.en}\n\n```sh\n{step.commands}```")
        chinese.append(f"**{number}.** {step.zh}\n\n```sh\n{step.commands}```")
    return {README_EN: _page(english), README_ZH: _page(chinese)}


def _page(parts: list[str]) -> bytes:
    return ("\n\n".join(part.strip() for part in parts) + "\n").encode()


def _steps(keys: Sequence[KeyListed], seq: int, opened: Opened, proof: bytes, *, is_stamped: bool) -> Iterator[Step]:
    yield from (_FILES, _FILES_SM3)
    if is_stamped:
        yield _TOKEN
    values = {"SEQ": str(seq)} | _example(opened)
    for step in (_MEMBER, _ENTRY, _INCLUSION) if opened.record != b"{}" else (_ENTRY, _INCLUSION):
        yield _filled(step, values)
    signatures = read_note(read_proof(proof).note).signatures
    for key in keys:
        vkey = read_vkey(key.vkey)
        line_of_key = _step_of(vkey, is_log=key.use == LOG)
        if line_of_key is not None and any(_is_by(signature, vkey) for signature in signatures):
            yield _filled(line_of_key, _of_key(key.vkey, vkey))


def _example(opened: Opened) -> dict[str, str]:
    """A disclosed member: the record's number where that is shown, because it is short."""
    shown: dict[str, msgspec.Raw] = msgspec.json.decode(opened.record, type=dict[str, msgspec.Raw])
    name = "seq" if "seq" in shown else next(iter(shown), None)
    if name is None:
        return {}
    place, salt = msgspec.json.decode(opened.openings)["salts"][name]
    return {"SALT": salt, "PLACE": str(place), "TEXT": _quoted(f'"{name}":{bytes(shown[name]).decode()}')}


def _step_of(vkey: Vkey, *, is_log: bool) -> Step | None:
    """How a line by this key is checked, if commands can."""
    if not is_log:
        return _BY_WITNESS if vkey.kind == COSIGNATURE else None
    return {ED25519: _BY_LOG, SM2_SM3: _BY_SM2}.get(vkey.kind)


def _is_by(signature: NoteSignature, vkey: Vkey) -> bool:
    return (signature.name, signature.key_id) == (vkey.name, vkey.key_id)


def _of_key(text: str, vkey: Vkey) -> dict[str, str]:
    """Five letters of base64 are thirty bits, all of them of the key id, so they pick the line of this very key."""
    head = to_base64(vkey.key_id)[:5]
    return {"VKEY": text, "NAME": _quoted(vkey.name), "HEAD": head, "KEY": to_base64(vkey.kind + vkey.key)}


def _quoted(text: str) -> str:
    """To stand between single quotes in a shell."""
    return text.replace("'", "'\\''")


def _filled(step: Step, values: dict[str, str]) -> Step:
    """In one pass, because what is filled in may look like a blank itself."""
    return Step(*(_BLANK.sub(lambda blank: values.get(blank[1], blank[0]), part) for part in step))
