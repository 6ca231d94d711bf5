"""Go's own library accepts every log, proof and checkpoint that we write, and refuses what was tampered with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suyuan.evidence.log.note import sign_note
from tests.evidence.conformance.second_opinions import Checklog, Refused
from tests.evidence.conformance.written_log import (
    ORIGIN,
    ConsistencyLine,
    InclusionLine,
    WrittenLog,
    b64,
    consistency_proofs,
    inclusion_proofs,
    log_signers,
    write_log,
)

PUBLIC_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def lines(log: WrittenLog, inclusion: int, consistency: int) -> bytes:
    """So many proofs of ours, as the program reads them."""
    ours = [proof.line() for proof in inclusion_proofs(log, inclusion, seed=2)]
    ours += [proof.line() for proof in consistency_proofs(log, consistency, seed=3)]
    return b"".join(ours)


# --- What is right is accepted ---------------------------------------------------------------------------------------


def test_the_program_accepts_the_public_log(checklog: Checklog, public_log: Path) -> None:
    """Before its word counts for our logs, it has to accept one by other hands, with all its checkpoints."""
    older = sorted(public_log.glob("checkpoint.*"))
    assert checklog.tiles(public_log, PUBLIC_KEY, older=older) == counted(inclusion=15, consistency=16)


def test_every_entry_and_every_older_checkpoint_of_ours_holds(checklog: Checklog, written: WrittenLog) -> None:
    found = checklog.tiles(written.folder, written.vkey, written.witnesses, older=written.older)
    assert found == counted(inclusion=700, consistency=40, cosignatures=2)


def test_every_proof_that_we_make_holds(checklog: Checklog, written: WrittenLog) -> None:
    """Proofs of any entry in any tree that was signed, and between any two of these trees."""
    assert checklog.proofs(lines(written, 1_000, 100)) == counted(inclusion=1_000, consistency=100)


@pytest.mark.parametrize("index", [0, 1, 255, 256, 511, 512, 698, 699])
def test_a_proof_file_holds(checklog: Checklog, written: WrittenLog, tmp_path: Path, index: int) -> None:
    """At the edges of tiles, with both witnesses; the line under SM2 is unknown to Go, so it is ignored."""
    proof, entry = proof_files(written, tmp_path, index)
    assert proof.read_bytes().count("\u2014 ".encode()) == 4
    found = checklog.proof(proof, entry, written.vkey, written.witnesses)
    assert found == counted(inclusion=1, cosignatures=2)


def test_the_tree_of_every_older_checkpoint_can_still_be_read(
    checklog: Checklog, written: WrittenLog, folder: Path
) -> None:
    """What it needs of tiles that were partial then is there, or cut from the full ones that took their place."""
    for tree, note in zip(written.trees(), written.older[1:], strict=False):
        shutil.copyfile(note, folder / "checkpoint")
        assert checklog.tiles(folder, written.vkey)["inclusion"] == tree.size


@pytest.mark.nightly
def test_a_hundred_thousand_proofs_of_ours_hold(checklog: Checklog, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Three levels of tiles. Go reads the folder by itself, and checks what we made."""
    log = write_log(tmp_path_factory.mktemp("large"), entries=110_000, checkpoints=150, seed=4)
    found = checklog.tiles(log.folder, log.vkey, log.witnesses, older=log.older)
    assert found == counted(inclusion=110_000, consistency=150, cosignatures=2)
    assert checklog.proofs(lines(log, 100_000, 1_000)) == counted(inclusion=100_000, consistency=1_000)


# --- What was tampered with is refused -------------------------------------------------------------------------------


def flipped(value: bytes, at: int) -> bytes:
    """The same bytes with one bit turned."""
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


Tampering = Callable[[Any], Any]
OF_ANY_PROOF: dict[str, Tampering] = {
    "a bit of a hash": lambda proof: replace(proof, hashes=[flipped(proof.hashes[0], 31), *proof.hashes[1:]]),
    "a bit of the last hash": lambda proof: replace(proof, hashes=[*proof.hashes[:-1], flipped(proof.hashes[-1], 0)]),
    "the root": lambda proof: replace(proof, root=flipped(proof.root, 5)),
    "one hash too few": lambda proof: replace(proof, hashes=proof.hashes[:-1]),
    "one hash too many": lambda proof: replace(proof, hashes=[*proof.hashes, bytes(32)]),
    "another order": lambda proof: replace(proof, hashes=proof.hashes[::-1]),
}
OF_INCLUSION: dict[str, Tampering] = OF_ANY_PROOF | {
    "the next index": lambda proof: replace(proof, index=proof.index + 1),
    "the index before": lambda proof: replace(proof, index=proof.index - 1),
    "an index outside": lambda proof: replace(proof, index=proof.size),
    "a bit of the leaf": lambda proof: replace(proof, leaf=flipped(proof.leaf, 9)),
}
OF_CONSISTENCY: dict[str, Tampering] = OF_ANY_PROOF | {
    "a bit of the old root": lambda proof: replace(proof, old_root=flipped(proof.old_root, 9)),
    "the two sizes changed about": lambda proof: replace(proof, size=proof.old_size, old_size=proof.size),
}


@pytest.mark.parametrize("tampering", OF_INCLUSION)
def test_a_changed_inclusion_proof_is_refused(checklog: Checklog, written: WrittenLog, tampering: str) -> None:
    for proof in with_hashes(inclusion_proofs(written, 20, seed=5)):
        with pytest.raises(Refused, match=r"proof 2: .*invalid"):
            checklog.proofs(proof.line() + OF_INCLUSION[tampering](proof).line())


@pytest.mark.parametrize("tampering", OF_CONSISTENCY)
def test_a_changed_consistency_proof_is_refused(checklog: Checklog, written: WrittenLog, tampering: str) -> None:
    for proof in with_hashes(consistency_proofs(written, 20, seed=6)):
        with pytest.raises(Refused, match=r"proof 2: .*invalid"):
            checklog.proofs(proof.line() + OF_CONSISTENCY[tampering](proof).line())


FILES = ("checkpoint", "tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/188")


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_in_any_kind_of_file_is_refused(
    checklog: Checklog, written: WrittenLog, folder: Path, file: str
) -> None:
    (folder / file).write_bytes(flipped((folder / file).read_bytes(), at=40))
    with pytest.raises(Refused):
        checklog.tiles(folder, written.vkey, written.witnesses)


def test_two_entries_in_each_others_place_are_refused(checklog: Checklog, written: WrittenLog, folder: Path) -> None:
    bundle = folder / "tile/entries/000"
    content = bundle.read_bytes()
    first, second = content[:34], content[34:68]
    bundle.write_bytes(second + first + content[68:])
    with pytest.raises(Refused, match="entry 0 of 700"):
        checklog.tiles(folder, written.vkey)


def test_a_log_without_its_last_entries_is_refused(checklog: Checklog, written: WrittenLog, folder: Path) -> None:
    last = folder / "tile/entries/002.p/188"
    last.write_bytes(last.read_bytes()[:-34])
    with pytest.raises(Refused, match="ends within its entry 187"):
        checklog.tiles(folder, written.vkey)


def test_an_older_checkpoint_of_a_fork_is_refused(checklog: Checklog, written: WrittenLog, tmp_path: Path) -> None:
    """The same keys have signed another history: each checkpoint is good by itself, and the two together are not."""
    fork = write_log(tmp_path / "fork", entries=300, checkpoints=2, seed=7)
    assert fork.vkey == written.vkey
    with pytest.raises(Refused, match="transparency proof"):
        checklog.tiles(written.folder, written.vkey, older=fork.older)


def test_an_old_checkpoint_in_the_place_of_the_newest_is_refused(
    checklog: Checklog, written: WrittenLog, folder: Path
) -> None:
    """It was cosigned by nobody, and what was signed since does not begin in it."""
    (folder / "checkpoint").write_bytes(written.older[3].read_bytes())
    with pytest.raises(Refused, match="has not signed"):
        checklog.tiles(folder, written.vkey, written.witnesses)
    with pytest.raises(Refused, match=r"checkpoint\.\d+"):
        checklog.tiles(folder, written.vkey, older=written.older)


def test_a_checkpoint_without_one_witness_is_refused(checklog: Checklog, written: WrittenLog, folder: Path) -> None:
    kept = [line for line in written.note.splitlines(keepends=True) if b"two.witness" not in line]
    (folder / "checkpoint").write_bytes(b"".join(kept))
    checklog.tiles(folder, written.vkey, written.witnesses[:1], step=100)
    with pytest.raises(Refused, match=r"two\.witness\.example has not signed"):
        checklog.tiles(folder, written.vkey, written.witnesses)


def test_a_forged_cosignature_is_refused(checklog: Checklog, written: WrittenLog, folder: Path) -> None:
    *lines, last = written.note.splitlines(keepends=True)
    (folder / "checkpoint").write_bytes(b"".join(lines) + last.replace(last[-9:-5], b"AAAA"))
    with pytest.raises(Refused, match=r"invalid signature for key two\.witness\.example"):
        checklog.tiles(folder, written.vkey, written.witnesses)


def test_a_checkpoint_that_only_witnesses_signed_is_refused(
    checklog: Checklog, written: WrittenLog, folder: Path
) -> None:
    lines = written.note.splitlines(keepends=True)
    (folder / "checkpoint").write_bytes(b"".join(lines[:4] + lines[-2:]))
    with pytest.raises(Refused, match="2026 has not signed"):
        checklog.tiles(folder, written.vkey, written.witnesses)


TEXTS = {
    "another name": "other.example/2026\n700\n{root}\n",
    "a size with a leading zero": ORIGIN + "\n0700\n{root}\n",
    "a size below nothing": ORIGIN + "\n-1\n{root}\n",
    "an empty tree with a root of its own": ORIGIN + "\n0\n{root}\n",
    "a root that is too short": ORIGIN + "\n700\nAAAA\n",
    "a line more": ORIGIN + "\n700\n{root}\nmore\n",
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_well_signed_and_no_checkpoint_is_refused(
    checklog: Checklog, written: WrittenLog, folder: Path, text: str
) -> None:
    """A key that signs whatever it is given still makes no checkpoint of it."""
    signed = TEXTS[text].format(root=b64(written.newest.root)).encode()
    (folder / "checkpoint").write_bytes(sign_note(signed, log_signers()))
    with pytest.raises(Refused, match="checkpoint"):
        checklog.tiles(folder, written.vkey)


def test_the_key_of_a_witness_under_another_id_is_refused(checklog: Checklog, written: WrittenLog) -> None:
    name, key_id, key = written.witnesses[0].split("+", 2)
    for vkey in (f"{name}+{'0' * len(key_id)}+{key}", f"other.example+{key_id}+{key}", written.vkey, name):
        with pytest.raises(Refused, match="the key of a witness"):
            checklog.tiles(written.folder, written.vkey, [vkey])


def test_a_key_of_another_log_is_refused(checklog: Checklog, written: WrittenLog) -> None:
    with pytest.raises(Refused, match="no verifiable signatures"):
        checklog.tiles(written.folder, PUBLIC_KEY)


@pytest.mark.parametrize("index", [3, 255, 699])
def test_a_proof_file_for_another_entry_is_refused(
    checklog: Checklog, written: WrittenLog, tmp_path: Path, index: int
) -> None:
    proof, entry = proof_files(written, tmp_path, index)
    text, line = proof.read_bytes(), b"index %d\n" % index
    for other, sentence in ((b"index %d\n" % (index - 1), "transparency proof"), (b"index 0%d\n" % index, "no index")):
        proof.write_bytes(text.replace(line, other))
        with pytest.raises(Refused, match=sentence):
            checklog.proof(proof, entry, written.vkey)
    proof.write_bytes(text)
    entry.write_bytes(flipped(entry.read_bytes(), 7))
    with pytest.raises(Refused, match="transparency proof"):
        checklog.proof(proof, entry, written.vkey)


# --- Small things ----------------------------------------------------------------------------------------------------


def counted(inclusion: int = 0, consistency: int = 0, cosignatures: int = 0) -> dict[str, int]:
    """What the program counts; none of it may be nothing by accident."""
    return {"inclusion": inclusion, "consistency": consistency, "cosignatures": cosignatures}


def proof_files(log: WrittenLog, folder: Path, index: int) -> tuple[Path, Path]:
    """A tlog-proof of ours and its entry, as files."""
    proof, entry = folder / "record.tlog-proof", folder / "leaf.bin"
    text = log.tiles.proof(index)
    assert text is not None, "every entry is signed"
    proof.write_bytes(text)
    entry.write_bytes(log.tiles.entry(index))
    return proof, entry


def with_hashes(proofs: Iterator[InclusionLine] | Iterator[ConsistencyLine]) -> Iterator[Any]:
    """Those that have something to put in another order."""
    return (proof for proof in proofs if len(proof.hashes) > 1 and proof.hashes[0] != proof.hashes[-1])
