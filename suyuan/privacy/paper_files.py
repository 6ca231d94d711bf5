"""The sealed files of papers: `DATA/papers/<last two characters of the id>/<id>.sealed`, folders 0700, files 0600.

A file is written whole: its sealed bytes go to `<id>.new` in the same folder, are synced, and then take their name, so
that whoever starts after a crash finds a whole file or none. Clear content never touches the disk. A file whose paper
has no row is left over from a crash, since the file comes first; `flows.tidy_papers` sweeps it an hour later.

>>> folder = PaperFiles(Path("/var/lib/suyuan/papers"))
>>> folder.place("pap_01HF7YAT000000000000000042").as_posix()
'/var/lib/suyuan/papers/42/pap_01HF7YAT000000000000000042.sealed'
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from suyuan.base.ids import is_id
from suyuan.privacy.keyring import sync_folder
from suyuan.privacy.sealed_file import sealed_bytes

_SEALED, _NEW = ".sealed", ".new"


class Found(NamedTuple):
    """A file of ours in the folder; one that is not whole is being written, or a crash has left it."""

    paper: str
    path: Path
    length: int
    is_whole: bool


class PaperFiles:
    """The folder of a platform's papers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, paper: str) -> Path:
        """Where a paper's file lies. An id of another form has no place, so none leads out of the folder."""
        if not is_id("pap", paper):
            raise ValueError("this is not the id of a paper")
        return self._folder / paper[-2:] / (paper + _SEALED)

    def write(self, paper: str, sealed: Iterable[bytes]) -> None:
        """Writes a sealed file, whole or not at all. Never overwrites one."""
        place = self.place(paper)
        assert not place.exists(), "an id is given once"
        for folder in (self._folder, place.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        fresh = place.with_suffix(_NEW)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.writelines(sealed)
                opened.flush()
                os.fsync(opened.fileno())
            fresh.rename(place)
        except BaseException:
            fresh.unlink()
            raise
        for folder in (place.parent, self._folder, self._folder.parent):
            sync_folder(folder)

    def remove(self, papers: Iterable[str]) -> None:
        """Takes these files away; those that are gone are gone."""
        for paper in papers:
            self.place(paper).unlink(missing_ok=True)

    def all(self) -> Iterator[Found]:
        """Every file of ours, in no order. What somebody else has put there is none of our business."""
        for path in self._folder.glob("*/*"):
            paper, is_whole = path.stem, path.suffix == _SEALED
            if not is_id("pap", paper) or path not in (self.place(paper), self.place(paper).with_suffix(_NEW)):
                continue
            try:
                yield Found(paper, path, path.stat().st_size, is_whole)
            except FileNotFoundError:
                # It was deleted, or took its name, while we looked.
                continue

    def older_than(self, instant: int) -> list[Found]:
        """The files that were written before an instant (micros)."""
        return [found for found in self.all() if _written_at(found.path) < instant]


def lost(files: PaperFiles, size_bytes: Mapping[str, int]) -> Iterator[str]:
    """The papers among these whose file is not there, or is not as long as it must be."""
    lengths = {found.paper: found.length for found in files.all() if found.is_whole}
    return (paper for paper, size in size_bytes.items() if lengths.get(paper) != sealed_bytes(size))


def _written_at(path: Path) -> int:
    """When a file was written; the end of time for one that has just gone."""
    try:
        return path.stat().st_mtime_ns // 1_000
    except FileNotFoundError:
        return 2**63
