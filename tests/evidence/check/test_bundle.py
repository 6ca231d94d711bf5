"""Bundles: a good one says what it shows, and each way of tampering with one is refused by name."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suyuan.evidence.check import (
    BadEvidence,
    Wrong,
    check_bundle,
    ed25519_verify,
    read_policy,
    what_was_checked,
    what_was_not_checked,
)
from tests.evidence import naive_tree
from tests.evidence.check import made_bundle, signers
from tests.evidence.check.made_bundle import bundle, checkpoint, packed, proof, with_manifest
from tests.evidence.check.signers import LOG, NEUTRAL, PARTNER_A, PARTNER_B, POLICY, NoteSigner

TRUSTED = read_policy(POLICY)
GOOD = bundle()
Files = dict[str, bytes]


def verdict(content: bytes) -> BadEvidence | None:
    try:
        check_bundle(io.BytesIO(content), TRUSTED)
    except BadEvidence as bad:
        return bad
    return None


def honest(change: Callable[[Files], object]) -> bytes:
    """A bundle that was changed before its manifest was written, so that only what the change broke is wrong."""
    files = made_bundle.files()
    change(files)
    return packed(with_manifest(files))


def set_to(name: str, content: bytes) -> Callable[[Files], object]:
    return lambda files: files.update({name: content})


def test_a_good_bundle_says_what_it_shows(tmp_path: Path) -> None:
    file = tmp_path / "case.suyuan-evidence.zip"
    file.write_bytes(GOOD)
    for source in (file, io.BytesIO(GOOD)):
        checked = check_bundle(source, TRUSTED)
        assert [(record.seq, record.proof.index) for record in checked.records] == [(103, 2), (107, 6)]
        assert checked.records[0].record["paid"] == 8000
        assert "redemption" not in checked.records[0].record
        assert {signed.vkey for signed in checked.records[0].proof.cosigned} == {NEUTRAL.vkey, PARTNER_A.vkey}
        assert not checked.agrees_only_with_itself


def test_files_in_any_order_and_stored_plainly_are_the_same_bundle() -> None:
    files = with_manifest(made_bundle.files())
    assert verdict(packed(dict(reversed(files.items())), 0)) is None


def test_a_bundle_that_is_asked_whom_to_believe_says_so_first() -> None:
    checked = check_bundle(io.BytesIO(GOOD), None)
    assert checked.agrees_only_with_itself
    first = next(what_was_not_checked(checked))
    assert "agrees with itself" in first.en
    assert "自相一致" in first.zh
    given_one = next(what_was_not_checked(check_bundle(io.BytesIO(GOOD), TRUSTED)))
    assert "itself" not in given_one.en


def test_a_forged_bundle_agrees_with_itself_and_with_nobody_else() -> None:
    """Anybody can run a log and its witnesses. Only the policy that one brings tells them from the real ones."""
    log, witness = NoteSigner(LOG.name, seed=b"f" * 32), NoteSigner("forged.example", NEUTRAL.kind)
    own = f"log {log.vkey_text}\nwitness w {witness.vkey_text}\nquorum w\n".encode()

    def forge(files: Files) -> None:
        files["policy.tlog-policy"] = own
        for seq in (103, 107):
            note = checkpoint(11, log, witness)
            files[f"records/{seq}/record.tlog-proof"] = proof(seq - made_bundle.FIRST_SEQ, note)

    assert check_bundle(io.BytesIO(honest(forge)), None).agrees_only_with_itself
    found = verdict(honest(forge))
    assert found is not None
    assert found.code is Wrong.LOG_HAS_NOT_SIGNED


def test_a_policy_that_is_given_is_the_only_one_that_counts() -> None:
    """The bundle's own may be anything, as long as it is listed."""
    assert verdict(honest(set_to("policy.tlog-policy", b"nonsense"))) is None
    assert verdict(honest(lambda files: files.pop("policy.tlog-policy"))) is None
    with pytest.raises(BadEvidence, match=r"^policy\.tlog-policy: "):
        check_bundle(io.BytesIO(honest(set_to("policy.tlog-policy", b"nonsense"))), None)


@pytest.mark.parametrize("name", sorted(with_manifest(made_bundle.files())))
def test_a_flipped_byte_in_any_file_is_refused_by_the_files_name(name: str) -> None:
    files = with_manifest(made_bundle.files())
    for place in (0, len(files[name]) // 2, len(files[name]) - 1):
        broken = bytearray(files[name])
        broken[place] ^= 1
        found = verdict(packed({**files, name: bytes(broken)}))
        assert found is not None
        assert name in str(found) or name == "manifest.json"
        assert name in found.zh or name == "manifest.json"


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        # A wrong index, an old checkpoint, a stripped witness, a foreign key, a fork, another place, swapped openings.
        (set_to("records/103/record.tlog-proof", proof(3, checkpoint(11))), Wrong.INCLUSION_LEADS_ELSEWHERE, "103"),
        (set_to("records/107/record.tlog-proof", proof(6, checkpoint(6))), Wrong.INDEX_IS_OUT_OF_RANGE, "107"),
        (
            set_to("records/103/record.tlog-proof", proof(2, checkpoint(11, LOG, NEUTRAL))),
            Wrong.QUORUM_IS_MISSED,
            "103",
        ),
        (
            set_to("records/103/record.tlog-proof", proof(2, checkpoint(11, NEUTRAL, PARTNER_B))),
            Wrong.LOG_HAS_NOT_SIGNED,
            "103",
        ),
        (
            set_to("records/103/record.tlog-proof", proof(2, checkpoint(11).replace(b"\n11\n", b"\n12\n"))),
            Wrong.SIGNATURE_IS_BAD,
            "103",
        ),
        (set_to("records/103/leaf.bin", made_bundle.entry(104)), Wrong.ENTRY_IS_ANOTHER, "103/leaf.bin"),
        (set_to("records/103/leaf.bin", b""), Wrong.ENTRY_IS_ANOTHER, "103/leaf.bin"),
        (
            set_to("records/103/openings.json", made_bundle.files()["records/107/openings.json"]),
            Wrong.RECORD_IS_NOT_WHAT_WAS_LOGGED,
            "103/record.json",
        ),
        (set_to("records/103/openings.json", b"{}"), Wrong.OPENINGS_ARE_MALFORMED, "103/openings.json"),
        (set_to("records/103/record.json", b"{}"), Wrong.RECORD_IS_MALFORMED, "103/record.json"),
        (lambda files: files.pop("records/103/leaf.bin"), Wrong.FILE_IS_MISSING, "103/leaf.bin"),
        (set_to("records/103/other.json", b"{}"), Wrong.FILE_IS_OUT_OF_PLACE, "103/other.json"),
        (set_to("records/0103/leaf.bin", b"{}"), Wrong.FILE_IS_OUT_OF_PLACE, "0103/leaf.bin"),
        (set_to("records/99999999999999999999/leaf.bin", b""), Wrong.FILE_IS_OUT_OF_PLACE, "99999"),
        (set_to("records/leaf.bin", b"{}"), Wrong.FILE_IS_OUT_OF_PLACE, "records/leaf.bin"),
    ],
)
def test_each_lie_is_refused_by_its_name(change: Callable[[Files], object], code: Wrong, where: str) -> None:
    """The liar also wrote a fresh manifest, so the digests are good."""
    found = verdict(honest(change))
    assert found is not None
    assert (found.code, where in str(found), where in found.zh) == (code, True, True)


def test_a_record_in_the_folder_of_another_is_refused() -> None:
    def move(files: Files) -> None:
        for part in ("record.json", "openings.json", "leaf.bin", "record.tlog-proof"):
            files[f"records/104/{part}"] = files.pop(f"records/103/{part}")

    found = verdict(honest(move))
    assert found is not None
    assert found.code is Wrong.RECORD_IS_OF_ANOTHER_NUMBER


def test_a_record_that_hides_its_number_is_refused() -> None:
    """Its folder could claim any other one, and the report would say it after the liar."""

    def move(files: Files) -> None:
        hidden = made_bundle.record_files(103, ("kind", "paid"), checkpoint(11))
        files.clear()
        files.update({name.replace("103", "5"): content for name, content in hidden.items()})

    found = verdict(honest(move))
    assert found is not None
    assert (found.code, found.file) == (Wrong.RECORD_NUMBER_IS_NOT_SHOWN, "records/5/record.json")


def test_a_log_that_left_out_what_stands_between_two_records_is_found_out() -> None:
    found = verdict(packed(with_manifest(made_bundle.out_of_step())))
    assert found is not None
    assert found.code is Wrong.RECORDS_ARE_OUT_OF_STEP


def test_two_checkpoints_of_one_size_with_two_roots_are_a_fork() -> None:
    """Both are signed by log and witnesses, and each record is proven by its own: together they prove a fork."""
    entries = [*made_bundle.ENTRIES[:10], b"another"]
    root = naive_tree.root(entries)
    other = signers.note(signers.checkpoint_text(11, root), LOG, NEUTRAL, PARTNER_A)
    path = [made_bundle.base64(one) for one in naive_tree.inclusion(6, entries)]
    forked = "\n".join(["c2sp.org/tlog-proof@v1", "index 6", *path, "", ""]).encode() + other
    found = verdict(honest(set_to("records/107/record.tlog-proof", forked)))
    assert found is not None
    assert found.code is Wrong.ROOTS_OF_ONE_SIZE_DIFFER


def test_records_may_be_proven_by_checkpoints_of_different_sizes() -> None:
    assert verdict(honest(set_to("records/103/record.tlog-proof", proof(2, checkpoint(5), 5)))) is None


def test_a_bundle_without_records_proves_nothing() -> None:
    found = verdict(packed(with_manifest({"README.md": b"Trust me."})))
    assert found is not None
    assert found.code is Wrong.BUNDLE_HOLDS_NO_RECORD


def test_nothing_is_unlisted_but_the_manifest_and_the_time_stamp() -> None:
    files = made_bundle.files()
    assert verdict(packed(with_manifest(files) | {"timestamp.tsr": b"token"})) is None
    for name in ("extra.json", "records/103/extra.json", "timestamp2.tsr"):
        found = verdict(packed(with_manifest(files) | {name: b""}))
        assert found is not None
        assert (found.code, name in str(found)) == (Wrong.FILE_IS_NOT_LISTED, True)


def test_a_manifest_lists_no_time_stamp() -> None:
    """The stamp is over the manifest, so it came later; a list that names it was not the one that was stamped."""
    found = verdict(packed(with_manifest(made_bundle.files() | {"timestamp.tsr": b"token"})))
    assert found is not None
    assert found.code is Wrong.MANIFEST_IS_MALFORMED


def test_a_bundle_without_its_manifest_or_with_a_file_less_is_refused() -> None:
    assert verdict(packed(made_bundle.files())) is not None
    for name in made_bundle.files():
        files = with_manifest(made_bundle.files())
        del files[name]
        found = verdict(packed(files))
        assert found is not None
        assert (found.code, name in str(found)) == (Wrong.FILE_IS_MISSING, True)


def listing(**changed: Any) -> bytes:
    """The manifest of a good bundle, with its first line changed."""
    read = json.loads(made_bundle.manifest(made_bundle.files()))
    read["files"][0] |= changed
    return made_bundle.canonical(read)


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        (b"", Wrong.MANIFEST_IS_MALFORMED),
        (b"[]", Wrong.MANIFEST_IS_MALFORMED),
        (listing() + b"\n", Wrong.MANIFEST_IS_MALFORMED),
        (listing(more=1), Wrong.MANIFEST_IS_MALFORMED),
        (listing(bytes=True), Wrong.MANIFEST_IS_MALFORMED),
        (listing(bytes="10"), Wrong.MANIFEST_IS_MALFORMED),
        (listing(type=None), Wrong.MANIFEST_IS_MALFORMED),
        (listing(name="zzz"), Wrong.MANIFEST_IS_MALFORMED),
        (listing(name="custody.json"), Wrong.MANIFEST_IS_MALFORMED),
        (listing(name="manifest.json"), Wrong.MANIFEST_IS_MALFORMED),
        (listing(name="AAA"), Wrong.FILE_IS_NOT_LISTED),
        (listing(bytes=1), Wrong.FILE_WAS_ALTERED),
        (listing(sha256="00" * 32), Wrong.FILE_WAS_ALTERED),
        (listing(sm3="00" * 32), Wrong.FILE_WAS_ALTERED),
        (made_bundle.canonical({"files": [], "format": "suyuan-evidence-v2"}), Wrong.MANIFEST_IS_OF_ANOTHER_FORMAT),
        (made_bundle.canonical({"files": [5], "format": "suyuan-evidence-v1"}), Wrong.MANIFEST_IS_MALFORMED),
        (made_bundle.canonical({"files": [], "format": "suyuan-evidence-v1"}), Wrong.FILE_IS_NOT_LISTED),
    ],
)
def test_manifests_of_another_form_or_content_are_refused(manifest: bytes, code: Wrong) -> None:
    found = verdict(packed(made_bundle.files() | {"manifest.json": manifest}))
    assert found is not None
    assert found.code is code


def test_a_digest_that_disagrees_is_named() -> None:
    files = made_bundle.files()
    sm3 = verdict(packed(files | {"manifest.json": listing(sm3="00" * 32)}))
    sha = verdict(packed(files | {"manifest.json": listing(sha256="00" * 32)}))
    assert "SM3" in str(sm3)
    assert "SHA-256" in str(sha)


def test_a_checkpoint_that_proves_many_records_is_verified_once() -> None:
    calls = []

    def counting(key: bytes, message: bytes, signature: bytes) -> bool:
        calls.append(key)
        return ed25519_verify(key, message, signature)

    check_bundle(io.BytesIO(bundle(*range(101, 112))), TRUSTED, verify=counting)
    assert len(calls) == 3


def test_what_was_checked_is_told_in_both_languages() -> None:
    checked = check_bundle(io.BytesIO(packed(with_manifest(made_bundle.files(103)) | {"timestamp.tsr": b"x"})), TRUSTED)
    done, left = list(what_was_checked(checked)), list(what_was_not_checked(checked))
    english = "\n".join(one.en for one in done)
    for fact in (
        "All 8 files",
        "Record 103",
        "paid = 8000",
        "entry 2 of 11",
        LOG.name,
        NEUTRAL.name,
        "2026-09-21T14:13:20Z",
    ):
        assert fact in english
    not_done = "\n".join(one.en for one in left)
    for fact in ("true", "SM2", "openssl ts", "--platform-key", "papers/voucher.json", "custody", "This program"):
        assert fact in not_done
    assert all(any(letter >= "\u4e00" for letter in one.zh) for one in left)


def test_that_nobody_has_cosigned_is_said() -> None:
    """A policy may ask for nobody; then the reader is told what that means, and only then."""
    trusted = read_policy(f"log {LOG.vkey_text}\nquorum none\n".encode())
    alone = honest(lambda files: files.update(made_bundle.record_files(103, ("paid", "seq"), checkpoint(11, LOG))))
    told = [
        "".join(one.en for one in what_was_checked(check_bundle(io.BytesIO(content), policy)))
        for content, policy in ((alone, trusted), (GOOD, TRUSTED))
    ]
    assert ["No witness has cosigned" in text for text in told] == [True, False]


def test_a_time_that_no_calendar_has_is_told_in_seconds() -> None:
    text = signers.checkpoint_text(11, naive_tree.root(made_bundle.ENTRIES))
    note = text + b"\n" + LOG.line(text) + NEUTRAL.line(text, at_s=2**62) + PARTNER_A.line(text, at_s=253_402_300_799)
    far = honest(lambda files: files.update(made_bundle.record_files(103, ("paid", "seq"), note)))
    english = "".join(one.en for one in what_was_checked(check_bundle(io.BytesIO(far), TRUSTED)))
    assert f"at {2**62} s." in english
    assert "at 9999-12-31T23:59:59Z." in english


def test_values_cannot_move_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape sequences and marks that turn the direction of writing are shown by their numbers."""
    monkeypatch.setattr(made_bundle, "MEMBERS", [("kind", "\x1b[2J\u202egood\u0085"), ("paid", 1)])
    monkeypatch.setattr(made_bundle, "ENTRIES", [made_bundle.entry(made_bundle.FIRST_SEQ)])
    files = {"policy.tlog-policy": POLICY} | made_bundle.record_files(101, ("kind", "seq"), checkpoint(1))
    checked = check_bundle(io.BytesIO(packed(with_manifest(files))), TRUSTED)
    text = "".join(one.en + one.zh for one in what_was_checked(checked))
    assert "good" in text
    assert text.isprintable()


@settings(max_examples=60)
@given(st.data())
def test_no_bit_of_a_bundle_can_be_flipped(data: st.DataObject) -> None:
    """Whatever flips, it is refused, or it is a bit of the packing that says nothing, and the verdict is the same."""
    content = bytearray(GOOD)
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    if verdict(bytes(content)) is None:
        assert check_bundle(io.BytesIO(bytes(content)), TRUSTED) == check_bundle(io.BytesIO(GOOD), TRUSTED)
