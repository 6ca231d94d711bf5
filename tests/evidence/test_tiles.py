"""Files as c2sp.org/tlog-tiles has them, and a disk that keeps what it was told before anybody relies on it."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import (
    ENTRIES,
    LogFolder,
    Place,
    join_entries,
    make_folder,
    places,
    replace_file,
    split_entries,
    split_hashes,
    write_whole,
)

PLACES = st.builds(
    Place, st.integers(-1, 63), st.one_of(st.integers(0, 2_000), st.integers(0, 2**55)), st.integers(1, 256)
)


@given(PLACES)
def test_a_place_has_one_path_and_a_path_one_place(place: Place) -> None:
    assert Place.parse(place.path) == place


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/08", "tile/0/00", "tile/0/0000", "tile/00/000",
        "tile/64/000", "tile/0/x000/000", "tile/0/x001/234/067", "tile/0/001/067", "tile/0/x001", "tile/entries",
        "tile/0/000.p", "tile/0/000.p/1/2", "tile/-1/000", "tile/0/٠٠٠", "tile/0/000\n", "tile/8/0/000", "",
        "/tile/0/000", "tile/0/../000",
    ],
)  # fmt: skip
def test_another_spelling_is_no_path(path: str) -> None:
    assert Place.parse(path) is None


def test_the_files_of_a_tree_are_those_that_the_specification_counts() -> None:
    """c2sp.org/tlog-tiles: 70,000 entries have 273 full tiles and one of 112, one full and one of 17, one of 1."""
    found = list(places(70_000))
    full = [place for place in found if place.width == 256]
    assert [sum(place.level == level for place in full) for level in (ENTRIES, 0, 1, 2)] == [273, 273, 1, 0]
    assert [place.path for place in found if place.width < 256] == [
        "tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1",
    ]  # fmt: skip
    assert list(places(0)) == []
    assert [place.path for place in places(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]


@given(st.lists(st.binary(max_size=300), max_size=300))
def test_a_bundle_gives_its_entries_back_and_no_other_number_of_them(entries: list[bytes]) -> None:
    bundle = join_entries(entries)
    assert split_entries(bundle, len(entries)) == entries
    assert split_entries(bundle, len(entries) + 1) is None
    assert split_entries(bundle + b"\0", len(entries)) is None
    assert not entries or split_entries(bundle, len(entries) - 1) is None
    assert not entries or split_entries(bundle[:-1], len(entries)) is None


@pytest.mark.parametrize("bundle", [b"\0", b"\0\2a", b"\xff\xff", b"\0\0\0\0", b"\0\1ab"])
def test_a_torn_bundle_is_none(bundle: bytes) -> None:
    assert split_entries(bundle, 1) is None


def test_a_tile_of_another_length_is_none() -> None:
    assert split_hashes(bytes(64), 2) == [bytes(32), bytes(32)]
    assert [split_hashes(bytes(length), 2) for length in (0, 32, 63, 65, 96)] == [None] * 5


def hashes(count: int) -> list[bytes]:
    return [bytes([at]) * 32 for at in range(count)]


def put(folder: LogFolder, level: int, width: int) -> Place:
    place = Place(level, 0, width)
    folder.write([(place, place.join(hashes(width)))])
    return place


@pytest.mark.parametrize("level", [ENTRIES, 0])
def test_a_partial_tile_that_is_gone_is_cut_from_a_wider_one(tmp_path: Path, level: int) -> None:
    """The specification lets a log delete it once the full one is there; older checkpoints still need it."""
    folder = LogFolder(tmp_path)
    with pytest.raises(LogStopped, match=r"tile/.*/000.p/3 is missing"):
        folder.content(Place(level, 0, 3))
    put(folder, level, 7)
    put(folder, level, 5)
    assert folder.content(Place(level, 0, 3)) == hashes(3)
    assert folder.content(Place(level, 0, 6)) == hashes(6)
    assert [one.width for one in folder.partials(Place(level, 0, 256))] == [5, 7]
    put(folder, level, 256)
    assert folder.content(Place(level, 0, 200)) == hashes(200)
    assert folder.exact(Place(level, 0, 200)) is None
    for width in (5, 7):
        folder.remove(Place(level, 0, width))
    assert not (tmp_path / (Place(level, 0, 256).path + ".p")).exists(), "the folder goes with its last file"


@pytest.mark.parametrize("level", [ENTRIES, 0])
@pytest.mark.parametrize("damage", [b"", b"\0" * 31, b"\xff" * 9_000])
def test_a_torn_file_is_named_and_never_read_around(tmp_path: Path, level: int, damage: bytes) -> None:
    folder = LogFolder(tmp_path)
    place = put(folder, level, 3)
    put(folder, level, 256)
    (tmp_path / place.path).write_bytes(damage)
    with pytest.raises(LogStopped, match=r"000.p/3 is torn") as stopped:
        folder.content(place)
    assert stopped.value.code is Stop.FILE_IS_MALFORMED


def test_a_huge_file_in_the_place_of_a_tile_is_not_read_whole(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path)
    place = put(folder, 0, 3)
    with (tmp_path / place.path).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(LogStopped, match="torn"):
        folder.content(place)


def test_a_folder_in_the_place_of_a_tile_is_said(tmp_path: Path) -> None:
    (tmp_path / "tile/0/000").mkdir(parents=True)
    with pytest.raises(LogStopped, match="disk refused tile/0/000"):
        LogFolder(tmp_path).content(Place(0, 0, 256))


def test_nothing_has_its_name_before_it_is_on_disk(tmp_path: Path) -> None:
    """Every file is synced before the first is renamed, and every folder whose names changed after the last."""
    steps: list[tuple[str, str]] = []
    folder = LogFolder(tmp_path, lambda what, file: steps.append((what, file)))
    files = [Place(ENTRIES, 1000, 256), Place(0, 1000, 256), Place(1, 3, 232)]
    folder.write([(place, place.join(hashes(place.width))) for place in files])
    paths = [place.path for place in files]
    made = [
        "tile", "tile/entries", "tile/entries/x001", "tile/0", "tile/0/x001", "tile/1", "tile/1/003.p",
    ]  # fmt: skip
    assert steps == [
        *[("write", folder) for folder in made],
        *[("write", path) for path in paths],
        *[("sync", path) for path in paths],
        *[("rename", path) for path in paths],
        *[("sync", folder) for folder in [".", *sorted(made)]],
    ]


def test_a_new_folder_is_known_to_the_one_above_it_before_anything_lies_in_it(tmp_path: Path) -> None:
    """Otherwise a power cut could take a whole log away that was synced file by file."""
    steps: list[tuple[str, str]] = []
    make_folder(tmp_path / "log" / "2026", lambda what, file: steps.append((what, file)))
    assert steps == [("write", "log"), ("sync", tmp_path.name), ("write", "2026"), ("sync", "log")]
    make_folder(tmp_path / "log" / "2026")
    assert (tmp_path / "log" / "2026").is_dir()


def test_a_log_of_any_number_of_files_needs_few_open_ones(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path)
    many = [Place(0, number, 256) for number in range(150)]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(file.name) for file in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 100, limits[1]))
    try:
        folder.write([(place, place.join(hashes(256))) for place in many])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert folder.content(many[-1]) == hashes(256)


def test_a_note_is_exchanged_whole(tmp_path: Path) -> None:
    """Whoever reads meanwhile has the old one or the new one; what a killed writer left is written over."""
    file = tmp_path / "checkpoint"
    file.write_bytes(b"old")
    (tmp_path / "checkpoint.new").write_bytes(b"a longer torn one")
    seen = []
    replace_file(file, b"new", lambda what, _: seen.append((what, file.read_bytes())))
    assert seen == [("write", b"old"), ("sync", b"old"), ("rename", b"old"), ("sync", b"new")]
    assert [one.name for one in tmp_path.iterdir()] == ["checkpoint"]


def test_a_disk_that_takes_a_part_is_given_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """POSIX allows a write to take less than it was given."""
    taken: list[bytes] = []

    def grudging(_descriptor: int, content: memoryview) -> int:
        taken.append(bytes(content[:3]))
        return len(taken[-1])

    monkeypatch.setattr("os.write", grudging)
    write_whole(9, b"0123456789")
    assert taken == [b"012", b"345", b"678", b"9"]
