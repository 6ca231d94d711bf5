"""A bundle holds what was asked for and nothing else, is always the same bytes, and shows any tampering."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import re
import stat
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from suyuan.base.crypto import sm3
from suyuan.evidence.bundle.packing import NotAskedFor, assemble, finish, keep, pack
from suyuan.evidence.bundle.timestamp import NOT_GRANTED, Unstamped
from suyuan.evidence.check import BadEvidence, check_bundle, read_policy
from suyuan.evidence.log.note import ed25519_fits
from suyuan.evidence.records.commitment import commit
from tests.evidence.bundles import (
    COSIGNATURE,
    FOREIGN,
    LOG_KEY,
    LOG_SM2,
    OPEN_NAMES,
    POLICY,
    SEALED_NUMBER,
    WITNESSES,
    SmallLog,
    bundle_of,
    contents_of,
    files_of,
    key,
    packed_again,
    paid,
)

NAMES = [*OPEN_NAMES, "seller"]
TAKEN, PAID, TAKEN_OF_OTHER, _, SHREDDED = range(5)


@pytest.fixture(scope="module")
def log() -> SmallLog:
    return SmallLog()


@pytest.fixture(scope="module")
def bundle(log: SmallLog) -> bytes:
    paid_names = ("at", "kind", "seq", "redemption", "paid", "reference", "value_kind")
    return bundle_of(contents_of([log.exhibit(TAKEN, NAMES), log.exhibit(PAID, paid_names)]))


def refused(packed: bytes, policy: bytes = POLICY) -> BadEvidence:
    with pytest.raises(BadEvidence) as caught:
        check_bundle(io.BytesIO(packed), read_policy(policy), verify=ed25519_fits)
    assert caught.value.zh != str(caught.value)
    return caught.value


def listed_again(files: dict[str, bytes]) -> bytes:
    """As a forger packs them who can write a manifest."""
    listed = [
        {
            "bytes": len(content), "name": name, "sha256": hashlib.sha256(content).hexdigest(),
            "sm3": sm3(content).hex(), "type": "application/octet-stream",
        }
        for name, content in sorted(files.items())
        if name not in ("manifest.json", "timestamp.tsr")
    ]  # fmt: skip
    manifest = {"files": listed, "format": "suyuan-evidence-v1"}
    return packed_again(files | {"manifest.json": json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()})


# --- What is in it ----------------------------------------------------------------------------------------------------


def test_a_bundle_is_believed_by_the_checker_that_comes_with_it(bundle: bytes, tmp_path: Path) -> None:
    """Run as a stranger runs it: alone, in a folder of its own, with a policy of theirs."""
    for name, content in (("verify.py", files_of(bundle)["verify.py"]), ("case.zip", bundle), ("mine", POLICY)):
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-I", "verify.py", "case.zip", "--policy", "mine"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "GOOD" in said
    assert '    seller = "slr_1"' in said


def test_the_same_contents_are_the_same_bytes_in_every_process(log: SmallLog) -> None:
    """Whatever hash seed, language or time zone it has. SM2 signs by chance, so this log signs by Ed25519 only."""
    script = (
        "import hashlib; from tests.evidence.bundles import *; log = SmallLog();"
        " note = log.note(signers=(LOG_KEY, *WITNESSES));"
        " exhibits = [log.exhibit(at, OPEN_NAMES[:4], note=note) for at in (0, 1)];"
        " print(hashlib.sha256(bundle_of(contents_of(exhibits))).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "TZ": zone, "LANG": language, "PATH": "/usr/bin:/bin"},
        ).stdout
        for seed, zone, language in (("1", "Asia/Shanghai", "zh_CN.UTF-8"), ("2", "America/New_York", "C"))
    }  # fmt: skip
    assert len(digests) == 1


def test_the_manifest_is_the_list_that_a_court_asks_for(bundle: bytes) -> None:
    """Name, kind, size, and digests by SHA-256 and SM3 of every file but the manifest itself."""
    files = files_of(bundle)
    listed = json.loads(files["manifest.json"])["files"]
    assert {one["name"] for one in listed} == files.keys() - {"manifest.json"}
    for one in listed:
        content = files[one["name"]]
        assert (one["bytes"], one["sm3"]) == (len(content), sm3(content).hex())
        assert "/" in one["type"]


def test_what_is_not_disclosed_stands_nowhere(bundle: bytes) -> None:
    """Nothing is compressed, so the bytes of the file show all there is."""
    files = files_of(bundle)
    assert sum(map(len, files.values())) < len(bundle)
    for secret in (SEALED_NUMBER, "c2VyaWFs", "203.0.113", "slr_other", "bix_1", "ctr_1", "consume"):
        assert secret.encode() not in bundle, secret


def test_hidden_values_cannot_be_guessed(bundle: bytes) -> None:
    """Whoever guesses every hidden member right cannot tell so: none of the salts in the bundle is theirs."""
    openings = json.loads(files_of(bundle)["records/10/openings.json"])
    commitments = {b64decode(one) for one in openings["commitments"]}
    salts = [b64decode(salt) for _, salt in openings["salts"].values()]
    guesses = [b'"agent":null', b'"debt_fen":0', b'"device":null', b'"source":"card"', b'"contract":"ctr_1"']
    for salt in (*salts, bytes(32), b""):
        assert commitments.isdisjoint(commit(guess, salt) for guess in guesses)


@pytest.mark.parametrize(
    ("index", "names", "member"),
    [(SHREDDED, ["seq", "subjects/1"], "subjects/1"), (TAKEN_OF_OTHER, ["seq", "seller"], "seller"),
     (TAKEN, ["seq", "sealed_secret"], "sealed_secret"), (SHREDDED, None, "subjects/1")],
)  # fmt: skip
def test_nobody_else_is_told_of(log: SmallLog, index: int, names: list[str] | None, member: str) -> None:
    """Even by whoever holds the keys: the bundle was asked about slr_1, and cards are nobody's until asked for."""
    contents = contents_of([log.exhibit(index, names)])
    with pytest.raises(NotAskedFor, match=f"^{member} of record {log.first + index}"):
        assemble(contents, "")


def test_what_is_shown_is_of_the_record_that_says_whom_it_is_about(log: SmallLog) -> None:
    """Otherwise members of another record would be about nobody here, and get out."""
    exhibit = replace(log.exhibit(TAKEN_OF_OTHER, ["seq", "seller"]), record=log.records[PAID])
    with pytest.raises(NotAskedFor, match="which has no seller"):
        assemble(contents_of([exhibit]), "")


def test_a_person_who_was_asked_about_is_told_of_beside_others_who_were_not(log: SmallLog) -> None:
    packed = bundle_of(contents_of([log.exhibit(SHREDDED, ["seq", "kind", "epoch", "subjects/0"])]))
    assert b"slr_1" in packed
    assert b"slr_other" not in packed


@pytest.mark.parametrize("name", ["../voucher.json", "a/b.json", "Voucher.json", ".json", "voucher", "", "-a.json"])
def test_a_paper_has_a_plain_name(log: SmallLog, name: str) -> None:
    with pytest.raises(ValueError, match="no name for a paper"):
        assemble(contents_of([log.exhibit(PAID, ["seq"])], papers={name: b"{}"}), "")


def test_a_record_stands_in_a_bundle_once(log: SmallLog) -> None:
    with pytest.raises(ValueError, match="11 stands in this bundle twice"):
        assemble(contents_of([log.exhibit(PAID, ["seq"]), log.exhibit(PAID, ["kind"])]), "")


def test_no_bundle_is_handed_out_that_would_not_be_believed(log: SmallLog) -> None:
    """A checkpoint that waits for its witnesses still, as the platform hands out no half of a proof."""
    exhibit = log.exhibit(PAID, ["seq"], note=log.note(signers=(LOG_KEY,)))
    with pytest.raises(BadEvidence, match="Too few witnesses"):
        pack(assemble(contents_of([exhibit]), ""), None)


class Answering:
    """An authority that says what it is told to, and remembers what it was asked."""

    def __init__(self, answer: bytes | Unstamped) -> None:
        self.answer, self.asked = answer, b""

    async def stamp(self, digest: bytes) -> bytes | Unstamped:
        self.asked = digest
        return self.answer


def test_the_time_stamp_is_over_the_manifest_and_nothing_else(log: SmallLog) -> None:
    assembled = assemble(contents_of([log.exhibit(PAID, ["seq"])]), "")
    authority = Answering(b"token")
    packed = asyncio.run(finish(assembled, authority))
    assert isinstance(packed, bytes)
    files = files_of(packed)
    assert authority.asked == hashlib.sha256(files["manifest.json"]).digest()
    assert files["timestamp.tsr"] == b"token"
    assert asyncio.run(finish(assembled, None)) == pack(assembled, None)


def test_an_authority_that_does_not_stamp_leaves_no_bundle(log: SmallLog) -> None:
    """The operator asked for a stamp; a bundle without one would be noticed in court at the earliest."""
    assembled = assemble(contents_of([log.exhibit(PAID, ["seq"])]), "")
    assert asyncio.run(finish(assembled, Answering(NOT_GRANTED))) == NOT_GRANTED


def test_a_bundle_is_kept_whole_for_its_owners_eyes_and_replaces_nothing(bundle: bytes, tmp_path: Path) -> None:
    file = tmp_path / "case.suyuan-evidence.zip"
    keep(bundle, file)
    assert file.read_bytes() == bundle
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        keep(b"another", file)
    assert file.read_bytes() == bundle
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.nightly)])
def test_a_case_may_have_many_records(count: int) -> None:
    log = SmallLog([paid(number) for number in range(count)])
    note = log.note()
    exhibits = [log.exhibit(at, ("at", "kind", "seq", "redemption", "paid"), note=note) for at in range(count)]
    packed = bundle_of(contents_of(exhibits))
    found = check_bundle(io.BytesIO(packed), read_policy(POLICY), verify=ed25519_fits)
    assert [one.record["redemption"] for one in found.records] == [f"rdm_{number}" for number in range(count)]


# --- Tampering --------------------------------------------------------------------------------------------------------

FILES = [
    "README.md", "README.zh-CN.md", "custody.json", "environment.json", "keys.json", "links.json", "page.html",
    "policy.tlog-policy", "prelog.json", "records/10/leaf.bin", "records/10/openings.json", "records/10/record.json",
    "records/10/record.tlog-proof", "records/11/leaf.bin", "records/11/openings.json", "records/11/record.json",
    "records/11/record.tlog-proof", "verify.py",
]  # fmt: skip


def test_every_file_of_a_bundle_is_tampered_with_below(bundle: bytes) -> None:
    assert sorted(files_of(bundle)) == sorted([*FILES, "manifest.json"])


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_names_its_file(bundle: bytes, name: str) -> None:
    files = files_of(bundle)
    middle = len(files[name]) // 2
    files[name] = files[name][:middle] + bytes([files[name][middle] ^ 1]) + files[name][middle + 1 :]
    assert f'"{name}"' in str(refused(packed_again(files)))


def test_no_flipped_byte_of_the_file_itself_makes_it_say_something_else(bundle: bytes) -> None:
    """Heads and directory of the zip hold things that no reader acts on; whatever else is flipped is refused."""
    honest = check_bundle(io.BytesIO(bundle), read_policy(POLICY), verify=ed25519_fits)
    directory = bundle.index(b"PK\x01\x02")
    for place in (*range(0, directory, 997), *range(directory, len(bundle))):
        flipped = io.BytesIO(bundle[:place] + bytes([bundle[place] ^ 1]) + bundle[place + 1 :])
        with contextlib.suppress(BadEvidence):
            assert check_bundle(flipped, read_policy(POLICY), verify=ed25519_fits) == honest


def test_a_torn_or_lengthened_bundle_is_refused(bundle: bytes) -> None:
    for broken in (b"", b"PK", bundle[:-1], bundle[: len(bundle) // 2], bundle + b"\0", b"\0" + bundle, bundle * 2):
        refused(broken)


def manifest_without(files: dict[str, bytes], name: str) -> bytes:
    return files_of(listed_again({one: content for one, content in files.items() if one != name}))["manifest.json"]


def with_digest(manifest: bytes) -> bytes:
    """One digest of it altered."""
    return re.sub(rb'"sha256":"..', b'"sha256":"zz', manifest, count=1)


def with_proof(index: int, proof: Callable[[SmallLog], bytes]) -> Callable[[SmallLog, dict[str, bytes]], bytes]:
    return lambda log, files: listed_again(files | {f"records/{10 + index}/record.tlog-proof": proof(log)})


def swapped(part: str) -> Callable[[SmallLog, dict[str, bytes]], bytes]:
    one, other = f"records/10/{part}", f"records/11/{part}"
    return lambda _, files: listed_again(files | {one: files[other], other: files[one]})


def altered(name: str, old: bytes, new: bytes) -> Callable[[SmallLog, dict[str, bytes]], bytes]:
    return lambda _, files: listed_again(files | {name: files[name].replace(old, new)})


def without(name: str) -> Callable[[SmallLog, dict[str, bytes]], bytes]:
    return lambda _, files: packed_again({one: content for one, content in files.items() if one != name})


STRANGER = key("witness.notary.example", COSIGNATURE, 8)

TAMPERING: dict[str, tuple[Callable[[SmallLog, dict[str, bytes]], bytes], str]] = {
    "a value altered": (altered("records/11/record.json", b"8000", b"9000"), '"paid" is not what was logged'),
    "a field added": (altered("records/11/record.json", b'{"at"', b'{"a":1,"at"'), '"a" stands in one of them'),
    "openings swapped": (swapped("openings.json"), "do not show the same fields"),
    "records swapped": (swapped("record.json"), "do not show the same fields"),
    "proofs swapped": (swapped("record.tlog-proof"), "records/10/record.tlog-proof.*another root"),
    "another record's leaf": (swapped("leaf.bin"), "records/10/leaf.bin"),
    "the manifest altered": (
        lambda _, files: packed_again(files | {"manifest.json": with_digest(files["manifest.json"])}), '"README.md"',
    ),
    "a line of the manifest taken out": (
        lambda _, files: packed_again(files | {"manifest.json": manifest_without(files, "keys.json")}), "keys.json",
    ),
    "a file added": (lambda _, files: packed_again(files | {"note.txt": b"trust me"}), '"note.txt"'),
    "a file taken out": (without("custody.json"), '"custody.json"'),
    "the manifest taken out": (without("manifest.json"), '"manifest.json"'),
    "a witness stripped": (
        with_proof(1, lambda log: log.proof(1, note=log.note(signers=(LOG_KEY, LOG_SM2, WITNESSES[0])))),
        "Too few witnesses have cosigned: 1 of the 2",
    ),
    "all witnesses stripped": (
        with_proof(1, lambda log: log.proof(1, note=log.note(signers=(LOG_KEY,)))), "cosigned: 0 of the 2",
    ),
    "a witness's name under a stranger's key": (
        with_proof(1, lambda log: log.proof(1, note=log.note(signers=(LOG_KEY, STRANGER, WITNESSES[1])))),
        "cosigned: 1 of the 2",
    ),
    "an old checkpoint replayed": (
        with_proof(1, lambda log: log.proof(1).partition(b"\n\n")[0] + b"\n\n" + log.note(1)),
        "Entry 1 is asked for, but the tree has only 1",
    ),
    "a foreign log key": (
        with_proof(1, lambda log: log.proof(1, note=log.note(signers=(FOREIGN, *WITNESSES)))),
        "no signature of the log",
    ),
    "a wrong index": (
        with_proof(1, lambda log: log.proof(1).replace(b"index 1\n", b"index 3\n")), "Entry 3 is not in the tree",
    ),
    "a forked checkpoint": (
        with_proof(1, lambda log: SmallLog([paid(1), *map(paid, range(1, 5))]).proof(1)), "the log has forked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_refused_with_a_sentence_that_names_it(log: SmallLog, bundle: bytes, how: str) -> None:
    tamper, sentence = TAMPERING[how]
    caught = refused(tamper(log, files_of(bundle)))
    assert re.search(sentence, str(caught)), str(caught)


def test_a_manifest_that_was_made_again_is_another_manifest(bundle: bytes) -> None:
    """Whose digest is what the time stamp is over; see the tests of the command."""
    files = files_of(bundle)
    assert files_of(listed_again(files))["manifest.json"] != files["manifest.json"]


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (POLICY.replace(LOG_KEY.vkey.encode(), FOREIGN.vkey.encode()), "no signature of the log"),
        (POLICY.replace(WITNESSES[0].vkey.encode(), STRANGER.vkey.encode()), "cosigned: 1 of the 2"),
        (f"log {key('other.example/log', LOG_KEY.kind, 1).vkey}\nquorum none\n".encode(), "does not name"),
    ],
)
def test_another_policy_believes_other_keys(bundle: bytes, policy: bytes, sentence: str) -> None:
    assert sentence in str(refused(bundle, policy))


def test_with_its_own_policy_a_bundle_only_agrees_with_itself(bundle: bytes) -> None:
    assert check_bundle(io.BytesIO(bundle), None, verify=ed25519_fits).agrees_only_with_itself


def test_contents_say_nothing_of_members_where_they_are_shown_by_accident(log: SmallLog) -> None:
    """An exhibit in a traceback or a log line shows no value of a record's."""
    exhibit = log.exhibit(TAKEN)
    assert SEALED_NUMBER not in repr(exhibit)
    assert SEALED_NUMBER not in repr(replace(contents_of([exhibit])))
