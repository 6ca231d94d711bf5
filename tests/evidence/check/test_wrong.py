"""Everything that can be wrong: each code is reached, says what is wrong in two languages, and is documented."""

from __future__ import annotations

import io
import re
import string
from collections.abc import Callable

import pytest

from suyuan.evidence.check import (
    EMPTY_ROOT,
    BadEvidence,
    Wrong,
    check_bundle,
    check_checkpoint,
    check_consistency,
    check_inclusion,
    check_signatures,
    leaf_hash,
    node_hash,
    read_checkpoint,
    read_note,
    read_policy,
    read_proof,
    read_vkey,
    record_entry,
)
from suyuan.evidence.check.wrong import SENTENCES, printable
from tests.evidence.check import made_bundle, signers
from tests.evidence.check.made_bundle import files, manifest, packed, with_manifest
from tests.evidence.check.signers import LOG, NEUTRAL, PARTNER_A, PARTNER_B, POLICY, NoteSigner
from tests.evidence.conftest import ROOT

A, B, C = (leaf_hash(name) for name in (b"a", b"b", b"c"))
AB = node_hash(A, B)
TRUSTED = read_policy(POLICY)
TEXT = signers.checkpoint_text(1, A)
LINE = LOG.line(TEXT)
PAGE = ROOT / "docs" / "evidence-refusals.md"


def bundle(contents: dict[str, bytes]) -> None:
    check_bundle(io.BytesIO(packed(contents)), TRUSTED)


def honest(**changed: bytes) -> None:
    """A bundle whose manifest was written after the change; in the names `__` stands for `/`, and `_` for `.`."""
    bundle(with_manifest(files() | {name.replace("__", "/").replace("_", "."): body for name, body in changed.items()}))


def without(name: str) -> dict[str, bytes]:
    left = with_manifest(files())
    del left[name]
    return left


def raw_bundle(content: bytes) -> None:
    check_bundle(io.BytesIO(content), TRUSTED)


def altered(content: bytes, *changes: tuple[int, int]) -> bytes:
    changed = bytearray(content)
    for place, value in changes:
        changed[place] = value
    return bytes(changed)


def encrypted() -> bytes:
    one = packed({"a": b"1"}, 0)
    return altered(one, (6, 1), (one.index(b"PK\x01\x02") + 8, 1))


def linked() -> bytes:
    one = packed({"a": b"1"}, 0)
    return altered(one, (one.index(b"PK\x01\x02") + 41, 0xA1))


def record(shown: bytes, openings: bytes | None = None) -> None:
    good = files()["records/103/openings.json"]
    record_entry(shown, good if openings is None else openings)


def policy(old: str, new: str) -> None:
    read_policy(POLICY.replace(old.encode(), new.encode(), 1))


def checkpoint(*by: NoteSigner, origin: str = LOG.name) -> None:
    check_checkpoint(signers.note(signers.checkpoint_text(1, A, origin), *by), TRUSTED)


SHOWN = files()["records/103/record.json"]
PROOF_103 = files()["records/103/record.tlog-proof"]

REACHED: dict[Wrong, Callable[[], object]] = {
    Wrong.BUNDLE_IS_TOO_LARGE: lambda: raw_bundle(bytes((64 << 20) + 1)),
    Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP: lambda: raw_bundle(b"%PDF-1.7"),
    Wrong.BUNDLE_HAS_TOO_MANY_FILES: lambda: raw_bundle(packed({f"{number}": b"" for number in range(50_001)}, 0)),
    Wrong.BUNDLE_NAME_IS_UNSAFE: lambda: bundle({"../up": b""}),
    Wrong.BUNDLE_FILE_IS_ENCRYPTED: lambda: raw_bundle(encrypted()),
    Wrong.BUNDLE_FILE_IS_A_LINK: lambda: raw_bundle(linked()),
    Wrong.BUNDLE_FILE_IS_OF_ANOTHER_FORM: lambda: raw_bundle(altered(packed({"a": b"1"}, 0), (10, 7))),
    Wrong.BUNDLE_NAME_IS_DOUBLED: lambda: bundle({"a": b"", "A": b""}),
    Wrong.BUNDLE_FILE_IS_TORN: lambda: raw_bundle(altered(packed({"a": b"1"}, 0), (31, 0x32))),
    Wrong.FILE_IS_MISSING: lambda: bundle(without("README.md")),
    Wrong.MANIFEST_IS_MALFORMED: lambda: bundle(files() | {"manifest.json": b"{}"}),
    Wrong.MANIFEST_IS_OF_ANOTHER_FORMAT: lambda: bundle(
        {"manifest.json": manifest({}).replace(b"evidence-v1", b"evidence-v2")}
    ),
    Wrong.FILE_IS_NOT_LISTED: lambda: bundle(with_manifest(files()) | {"more.json": b"{}"}),
    Wrong.FILE_WAS_ALTERED: lambda: bundle(with_manifest(files()) | {"README.md": b"other"}),
    Wrong.FILE_IS_OUT_OF_PLACE: lambda: honest(records__103__more_json=b"{}"),
    Wrong.BUNDLE_HOLDS_NO_RECORD: lambda: bundle(with_manifest({})),
    Wrong.RECORD_IS_MALFORMED: lambda: record(b"{}"),
    Wrong.OPENINGS_ARE_MALFORMED: lambda: record(SHOWN, b"{}"),
    Wrong.MEMBER_IS_DOUBLED: lambda: record(SHOWN, files()["records/103/openings.json"].replace(b'"kind"', b'"at"', 1)),
    Wrong.OPENINGS_ARE_OF_ANOTHER_FORMAT: lambda: record(
        SHOWN, files()["records/103/openings.json"].replace(b"openings-v1", b"openings-v2")
    ),
    Wrong.OPENINGS_ARE_OF_OTHER_MEMBERS: lambda: record(b'{"paid":8000}'),
    Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED: lambda: record(SHOWN.replace(b"8000", b"9000")),
    Wrong.RECORD_NUMBER_IS_NOT_SHOWN: lambda: honest(**made_bundle.record_files(103, ("paid",), b"")),
    Wrong.RECORD_IS_OF_ANOTHER_NUMBER: lambda: honest(
        **{name.replace("103", "104"): body for name, body in made_bundle.record_files(103, ("seq",), b"").items()}
    ),
    Wrong.ENTRY_IS_ANOTHER: lambda: honest(records__103__leaf_bin=bytes(32)),
    Wrong.VKEY_IS_MALFORMED: lambda: read_vkey("suyuan.example"),
    Wrong.VKEY_KIND_IS_UNKNOWN: lambda: read_vkey("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
    Wrong.VKEY_ID_IS_ANOTHER: lambda: read_vkey("x" + LOG.vkey_text),
    Wrong.NOTE_IS_TOO_LARGE: lambda: read_note(b"x" * 1_000_001),
    Wrong.NOTE_IS_NOT_PLAIN_TEXT: lambda: read_note(b"a\r\n"),
    Wrong.NOTE_IS_MALFORMED: lambda: read_note(TEXT),
    Wrong.SIGNATURE_LINE_IS_MALFORMED: lambda: read_note(TEXT + b"\nyours truly\n"),
    Wrong.SIGNATURES_ARE_TOO_MANY: lambda: read_note(TEXT + b"\n" + LINE * 101),
    Wrong.SIGNATURE_IS_BAD: lambda: check_signatures(read_note(b"x" + TEXT + b"\n" + LINE), [LOG.vkey]),
    Wrong.NOBODY_KNOWN_SIGNED: lambda: check_signatures(read_note(TEXT + b"\n" + LINE), [NEUTRAL.vkey]),
    Wrong.CHECKPOINT_IS_MALFORMED: lambda: read_checkpoint(b"example.com\n1\n"),
    Wrong.CHECKPOINT_SIZE_IS_MALFORMED: lambda: read_checkpoint(b"example.com\n01\nAA==\n"),
    Wrong.CHECKPOINT_ROOT_IS_MALFORMED: lambda: read_checkpoint(b"example.com\n1\nAA==\n"),
    Wrong.POLICY_IS_TOO_LARGE: lambda: read_policy(b"#" * 300_000 + b"\n"),
    Wrong.POLICY_IS_NOT_PLAIN_TEXT: lambda: policy("quorum", "\0quorum"),
    Wrong.POLICY_IS_TORN: lambda: read_policy(POLICY[:-5]),
    Wrong.POLICY_LINE_IS_MALFORMED: lambda: policy("quorum", "Quorum"),
    Wrong.POLICY_KEY_IS_OF_ANOTHER_KIND: lambda: policy("witness b", "log"),
    Wrong.POLICY_KEY_IS_DOUBLED: lambda: policy(PARTNER_B.vkey_text, NEUTRAL.vkey_text),
    Wrong.POLICY_NAME_IS_TAKEN: lambda: policy("witness b", "witness neutral"),
    Wrong.POLICY_NAME_IS_UNKNOWN: lambda: policy("quorum organisations", "quorum others"),
    Wrong.POLICY_MEMBER_IS_DOUBLED: lambda: policy("any a-1 a-2", "any a-1 a-1"),
    Wrong.POLICY_THRESHOLD_IS_IMPOSSIBLE: lambda: policy("any a-1", "3 a-1"),
    Wrong.POLICY_QUORUM_IS_DOUBLED: lambda: policy("quorum organisations", "quorum none\nquorum none"),
    Wrong.POLICY_HAS_NO_QUORUM: lambda: policy("quorum organisations", ""),
    Wrong.LOG_IS_UNKNOWN: lambda: checkpoint(LOG, NEUTRAL, PARTNER_A, origin="another.example"),
    Wrong.LOG_HAS_NOT_SIGNED: lambda: checkpoint(NEUTRAL, PARTNER_A),
    Wrong.QUORUM_IS_MISSED: lambda: checkpoint(LOG, NEUTRAL),
    Wrong.PROOF_IS_TOO_LARGE: lambda: read_proof(PROOF_103 + b"x" * 2_000_000),
    Wrong.PROOF_IS_MALFORMED: lambda: read_proof(PROOF_103.replace(b"index 2", b"index two")),
    Wrong.SIZE_IS_OUT_OF_RANGE: lambda: check_inclusion(A, 0, 2**63, [], A),
    Wrong.INDEX_IS_OUT_OF_RANGE: lambda: check_inclusion(A, 1, 1, [], A),
    Wrong.PROOF_LENGTH_IS_WRONG: lambda: check_inclusion(A, 0, 1, [B], A),
    Wrong.HASH_LENGTH_IS_WRONG: lambda: check_inclusion(A, 0, 2, [b""], AB),
    Wrong.INCLUSION_LEADS_ELSEWHERE: lambda: check_inclusion(A, 1, 2, [B], AB),
    Wrong.TREE_HAS_SHRUNK: lambda: check_consistency(2, AB, 1, A, []),
    Wrong.EMPTY_TREE_HAS_ANOTHER_ROOT: lambda: check_consistency(0, EMPTY_ROOT, 0, A, []),
    Wrong.ROOTS_OF_ONE_SIZE_DIFFER: lambda: check_consistency(1, A, 1, B, []),
    # Of three entries the second is proven against a first tree that never was.
    Wrong.CONSISTENCY_LEADS_FROM_ELSEWHERE: lambda: check_consistency(
        3, A, 4, node_hash(AB, node_hash(C, A)), [C, A, AB]
    ),
    Wrong.CONSISTENCY_LEADS_ELSEWHERE: lambda: check_consistency(1, A, 2, A, [B]),
    Wrong.RECORDS_ARE_OUT_OF_STEP: lambda: bundle(with_manifest(made_bundle.out_of_step())),
}


@pytest.mark.parametrize("code", Wrong)
def test_each_code_is_reached_and_says_what_is_wrong_in_both_languages(code: Wrong) -> None:
    with pytest.raises(BadEvidence) as bad:
        REACHED[code]()
    assert bad.value.code is code
    assert re.fullmatch(r"([\w/.-]+: )?(\S.*) .*[.]", str(bad.value), re.DOTALL)
    assert bad.value.zh.endswith("。")
    assert "{" not in str(bad.value) + bad.value.zh


def test_the_sentences_stand_in_the_order_of_the_codes_and_hold_the_same_facts() -> None:
    assert list(SENTENCES) == list(Wrong)
    for code, (english, chinese) in SENTENCES.items():
        facts = [{name for _, name, _, _ in string.Formatter().parse(one) if name} for one in (english, chinese)]
        assert facts[0] == facts[1], code


def test_each_code_is_documented() -> None:
    """`docs/evidence-refusals.md` has a row for each, in order, with both sentences."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{code}` | {english} | {chinese} |" for code, (english, chinese) in SENTENCES.items()]


def test_what_strangers_wrote_is_quoted_and_cut() -> None:
    assert printable("a\x1b[0m\u202e\n\ud800") == "a\\x1b[0m\\u202e\\n\\ud800"
    assert len(printable("x" * 1_000_000)) == 201
    with pytest.raises(BadEvidence, match=r'"evil\\x1b\[31m"'):
        read_vkey("evil\x1b[31m")
