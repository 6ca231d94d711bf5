"""The examination of a folder names every file and entry that is wrong, and nothing where all is well."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suyuan.base.crypto import suite
from suyuan.evidence import check
from suyuan.evidence.log.fsck import Fault, Finding, fsck, mended
from suyuan.evidence.log.note import checkpoint_text, ed25519_signer, sign_note
from suyuan.evidence.log.shard_log import ShardLog
from suyuan.evidence.log.tiles import CHECKPOINT, COSIGNED, join_entries, split_entries
from tests.evidence.shards import ENTRIES, LOG, NATIONAL, ORIGIN, WITNESSES, files_of, flip, sealed, shard_in

KEYS = [LOG.vkey, NATIONAL.vkey, *(witness.vkey for witness in WITNESSES)]
SIZE = 1_337


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with partial files of older checkpoints, full tiles on two levels, and a cosigned note."""
    shard = sealed(shard_in(tmp_path_factory.mktemp("whole")), 700, 1_290, 1_300)
    with ShardLog.open(shard) as log:
        text = check.read_note(log.note).text
        log.add_cosignatures(b"".join(witness.line(text, 1_800_000_000) for witness in WITNESSES))
        log.append(ENTRIES[1_300:SIZE])
        log.seal()
    return shard.folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "log")
    return tmp_path / "log"


def found(folder: Path) -> list[tuple[Fault, str, int | None]]:
    return [finding[:3] for finding in fsck(folder, KEYS)]


def test_a_whole_log_gives_no_finding_also_as_a_copy(folder: Path) -> None:
    assert fsck(folder, KEYS) == []
    assert fsck(folder, [LOG.vkey]) == [], "whoever does not know the SM2 key leaves that line alone"


def test_an_empty_log_gives_no_finding(tmp_path: Path) -> None:
    assert fsck(sealed(shard_in(tmp_path)).folder, KEYS) == []


def test_every_flipped_bit_is_found_and_its_file_named(folder: Path) -> None:
    """One bit in every file in turn, also in what the witnesses signed."""
    for path, content in files_of(folder).items():
        flip(folder / path, at=len(content) // 2)
        findings = fsck(folder, KEYS)
        assert path in [finding.file for finding in findings], path
        assert all(path in str(finding) and path in finding.zh for finding in findings), path
        (folder / path).write_bytes(content)


def test_every_lost_and_every_cut_file_is_found(folder: Path) -> None:
    """But for partial files whose tile is there anyhow, and the cosigned note, which a log need not have."""
    needed = [path for path in files_of(folder) if ".p/" not in path or path.endswith((".p/57", ".p/5"))]
    for path in (path for path in needed if path != COSIGNED):
        content = (folder / path).read_bytes()
        (folder / path).write_bytes(content[:-1])
        assert path in [finding.file for finding in fsck(folder, KEYS)], path
        (folder / path).unlink()
        assert path in [finding.file for finding in fsck(folder, KEYS)], path
        (folder / path).write_bytes(content)
    assert fsck(folder, KEYS) == []


def test_a_wrong_hash_is_the_tiles_when_the_entries_fit(folder: Path) -> None:
    flip(folder / "tile/0/002", at=32 * 9)
    flip(folder / "tile/0/002", at=32 * 11)
    flip(folder / "tile/1/000.p/5", at=32 * 3)
    findings = fsck(folder, KEYS)
    assert [str(finding) for finding in findings] == [
        "tile/1/000.p/5 has 1 wrong hashes, the first for entries 768 to 1023; the entries themselves fit.",
        "tile/0/002 has 2 wrong hashes, the first for entries 521 to 521; the entries themselves fit.",
    ]
    assert "第 521 至 521 条" in findings[1].zh


def test_a_wrong_entry_is_named_by_its_index(folder: Path) -> None:
    """Also when its tile was changed with it: then what stands above the tile tells."""
    bundle = folder / "tile/entries/001"
    flip(bundle, at=2 + 34 * 44)
    assert found(folder) == [(Fault.ENTRY_IS_WRONG, "tile/entries/001", 300)]
    assert str(fsck(folder, KEYS)[0]).startswith("Entry 300 in tile/entries/001 is not the one that was logged")
    entries = split_entries(bundle.read_bytes(), 256)
    assert entries is not None
    (folder / "tile/0/001").write_bytes(b"".join(check.leaf_hash(entry) for entry in entries))
    assert [finding[:2] for finding in found(folder)] == [(Fault.NOTHING_FITS, "tile/0/001")]
    assert "entries 256 to 511 cannot be vouched for" in str(fsck(folder, KEYS)[0])


def test_an_entry_changed_with_everything_above_it_does_not_fit_the_signature(folder: Path, tmp_path: Path) -> None:
    """Somebody with the whole folder in their hands, and without the key."""
    forged = [*ENTRIES[:300], b"forged", *ENTRIES[301:]]
    with ShardLog.create(shard_in(tmp_path / "forged")) as log:
        log.append(forged[:SIZE])
        log.seal()
    shutil.rmtree(folder / "tile")
    shutil.copytree(log.shard.folder / "tile", folder / "tile")
    assert found(folder)[0] == (Fault.ROOT_IS_ANOTHER, CHECKPOINT, None)


def test_reordered_entries_are_found_within_and_between_files(folder: Path) -> None:
    bundles = [folder / f"tile/entries/00{number}" for number in (1, 2)]
    entries = split_entries(bundles[0].read_bytes(), 256)
    assert entries is not None
    entries[7], entries[9] = entries[9], entries[7]
    bundles[0].write_bytes(join_entries(entries))
    assert found(folder) == [(Fault.ENTRIES_ARE_REORDERED, "tile/entries/001", 263)]
    first, second = (bundle.read_bytes() for bundle in bundles)
    bundles[0].write_bytes(second)
    bundles[1].write_bytes(first)
    assert found(folder) == [
        (Fault.ENTRY_IS_WRONG, "tile/entries/001", 256),
        (Fault.ENTRY_IS_WRONG, "tile/entries/002", 512),
    ]
    assert "256 in this file are wrong" in str(fsck(folder, KEYS)[0])


def test_reordered_tiles_are_found(folder: Path) -> None:
    tiles = [folder / f"tile/0/00{number}" for number in (1, 2)]
    first, second = (tile.read_bytes() for tile in tiles)
    tiles[0].write_bytes(second)
    tiles[1].write_bytes(first)
    assert found(folder) == [(Fault.TILE_IS_WRONG, "tile/0/001", 256), (Fault.TILE_IS_WRONG, "tile/0/002", 512)]


def test_a_truncated_log_is_found(folder: Path) -> None:
    """All that came after the first 700 entries is gone; the checkpoint knows better."""
    for path in files_of(folder / "tile"):
        if int(re.sub(r"\D", "", path.split("/")[1])[:3]) > 1 or path.startswith("1/"):
            (folder / "tile" / path).unlink()
    findings = found(folder)
    assert (Fault.ROOT_IS_ANOTHER, CHECKPOINT, None) in findings
    assert (Fault.FILE_IS_MISSING, "tile/entries/005.p/57", 1_280) in findings


def test_a_replayed_old_checkpoint_leaves_entries_beyond_it(folder: Path, whole: Path) -> None:
    """It is signed well, and it is the other half of the second copy and the witnesses to know that it is old."""
    old = (folder / COSIGNED).read_bytes()
    (folder / CHECKPOINT).write_bytes(old)
    assert {finding[0] for finding in found(folder)} == {Fault.FILE_IS_BEYOND}
    assert (Fault.FILE_IS_BEYOND, "tile/0/005.p/57", 1_280) in found(folder)


def test_a_foreign_checkpoint_is_not_believed(folder: Path) -> None:
    (folder / CHECKPOINT).write_bytes(
        sign_note(
            checkpoint_text(ORIGIN, SIZE, bytes(32)), [ed25519_signer(ORIGIN, suite("ed25519").signer(b"\7" * 32))]
        )
    )
    assert found(folder) == [(Fault.CHECKPOINT_IS_BAD, CHECKPOINT, None)]
    (folder / CHECKPOINT).write_bytes(sign_note(checkpoint_text("other.example", SIZE, bytes(32)), [LOG]))
    assert found(folder) == [(Fault.CHECKPOINT_IS_BAD, CHECKPOINT, None)]
    (folder / CHECKPOINT).unlink()
    assert found(folder) == [(Fault.CHECKPOINT_IS_MISSING, CHECKPOINT, None)]


def test_a_cosigned_note_of_another_history_is_found(folder: Path) -> None:
    (folder / COSIGNED).write_bytes(sign_note(checkpoint_text(ORIGIN, 1_290, bytes(32)), [LOG]))
    assert found(folder) == [(Fault.COSIGNED_IS_ANOTHER, COSIGNED, None)]
    (folder / COSIGNED).write_bytes(sign_note(checkpoint_text(ORIGIN, SIZE + 1, bytes(32)), [LOG]))
    assert found(folder) == [(Fault.COSIGNED_IS_ANOTHER, COSIGNED, None)]


def test_what_does_not_belong_is_found(folder: Path) -> None:
    for path in ("tile/0/006", "tile/0/005.p/58", "tile/3/000.p/1", "notes.txt", "tile/0/x000/000", "tile/entries/5"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")
    (folder / ".staging/rest").mkdir(parents=True)
    assert [finding[:2] for finding in found(folder)] == [
        (Fault.FILE_IS_EXTRA, "notes.txt"),
        (Fault.FILE_IS_BEYOND, "tile/0/006"),
        (Fault.FILE_IS_BEYOND, "tile/0/005.p/58"),
        (Fault.FILE_IS_EXTRA, "tile/0/x000/000"),
        (Fault.FILE_IS_BEYOND, "tile/3/000.p/1"),
        (Fault.FILE_IS_EXTRA, "tile/entries/5"),
    ]


def test_a_partial_file_of_an_older_checkpoint_is_compared(folder: Path) -> None:
    """Somebody who fetched that checkpoint fetches this file."""
    for path in ("tile/entries/005.p/20", "tile/0/005.p/20"):
        flip(folder / path, at=40)
    assert found(folder) == [
        (Fault.PARTIAL_IS_WRONG, "tile/0/005.p/20", 1_281),
        (Fault.PARTIAL_IS_WRONG, "tile/entries/005.p/20", 1_281),
    ]


def test_a_folder_in_the_place_of_a_file_is_named(folder: Path) -> None:
    (folder / "tile/0/003").unlink()
    (folder / "tile/0/003").mkdir()
    assert found(folder) == [(Fault.FILE_CANNOT_BE_READ, "tile/0/003", 768)]


def test_a_strangers_file_name_does_not_move_the_terminal(folder: Path) -> None:
    (folder / "\x1b[2J.txt").write_bytes(b"")
    assert "\x1b" not in str(fsck(folder, KEYS)[0])


def test_findings_have_an_end(folder: Path) -> None:
    for number in range(30):
        (folder / f"{number:02}").write_bytes(b"")
    findings = fsck(folder, KEYS, findings_max=10)
    assert len(findings) == 11
    assert findings[-1].code is Fault.MORE_IS_WRONG
    assert str(findings[-1]).startswith("There are more than 10 findings")


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["flip", "cut", "lose"])),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60)
def test_several_damages_at_once_are_never_overlooked(whole: Path, damages: list[tuple[int, int, str]]) -> None:
    """At least one of the damaged files is named, and no finding is about an entry that is not in the log."""
    for folder in _damaged(whole, damages):
        findings = fsck(folder, KEYS)
        assert _is_whole(folder, whole) or findings
        assert all(finding.index is None or 0 <= finding.index < SIZE for finding in findings)


def _damaged(whole: Path, damages: list[tuple[int, int, str]]) -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(whole, Path(folder) / "log"))
        for choice, at, damage in damages:
            paths = [path for path, content in files_of(copy).items() if content]
            file = copy / paths[choice % len(paths)]
            length = file.stat().st_size
            if damage == "flip":
                flip(file, at % length)
            elif damage == "cut":
                file.write_bytes(file.read_bytes()[: at % length])
            else:
                file.unlink()
        yield copy


def _is_whole(folder: Path, whole: Path) -> bool:
    """Whether what a reader of the newest checkpoint needs is there, and nothing else was changed."""
    now, before = files_of(folder), files_of(whole)
    optional = [path for path in before if path == COSIGNED or path.endswith((".p/20", ".p/10", ".p/2"))]
    lost = set(before) - set(now)
    # A bit of a line's name or key id makes it a stranger's line, which is nobody's fault.
    same = all(now[path] == before[path] for path in now if path not in (CHECKPOINT, COSIGNED))
    return same and lost <= set(optional)


def test_a_finding_is_a_sentence_in_both_languages(folder: Path) -> None:
    (folder / CHECKPOINT).write_bytes(b"torn")
    finding = fsck(folder, KEYS)[0]
    assert isinstance(finding, Finding)
    assert str(finding) == finding.en
    assert "checkpoint 不可信" in finding.zh


def test_what_is_stored_and_what_lies_below_are_mixed_until_they_fit() -> None:
    a, b, c = (bytes([n]) * 32 for n in (1, 2, 3))
    assert mended([a, b, None], [None, c, c], lambda hashes: list(hashes) == [a, b, c]) == [a, b, c]
    assert mended([a, b], [a, c], lambda hashes: list(hashes) == [a, c]) == [a, c]
    assert mended([a, None], [a, None], lambda _: True) is None
    assert mended([a] * 40, [b] * 40, lambda hashes: list(hashes) == [b] * 40) == [b] * 40
    assert mended([a] * 40, [b] * 40, lambda hashes: list(hashes) == [a, *[b] * 39]) is None
