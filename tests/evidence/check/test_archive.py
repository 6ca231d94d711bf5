"""Zip files: what `zipfile` writes is read, and whatever could be read two ways, or blow up, is refused."""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.evidence.check import BadEvidence, Wrong
from suyuan.evidence.check.archive import BUNDLE_FILES_MAX, read_archive
from tests.evidence.check.made_bundle import packed

FILES = {"manifest.json": b"{}", "records/17/leaf.bin": bytes(32), "README.zh-CN.md": "证据".encode() * 500, "e": b""}
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


def code_of(content: bytes) -> Wrong | None:
    try:
        read_archive(io.BytesIO(content))
    except BadEvidence as bad:
        return bad.code
    return None


def zipped(build: Callable[[zipfile.ZipFile], None]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", DEFLATED) as archive:
        build(archive)
    return target.getvalue()


def named(name: str, **attributes: int | bytes) -> bytes:
    """An archive of one file, whose entry has this name and these attributes."""
    info = zipfile.ZipInfo(name)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return zipped(lambda archive: archive.writestr(info, b"content"))


def renamed(old: str, new: str, files: dict[str, bytes]) -> bytes:
    """Names that `zipfile` itself would not write are put into the finished bytes."""
    assert len(old) == len(new)
    return packed(files, STORED).replace(old.encode(), new.encode())


@pytest.mark.parametrize("method", [STORED, DEFLATED])
def test_what_zipfile_writes_is_read(method: int) -> None:
    assert read_archive(io.BytesIO(packed(FILES, method))) == FILES


def test_an_archive_of_nothing_holds_nothing() -> None:
    assert read_archive(io.BytesIO(packed({}))) == {}


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../up.json",
        "records/../up.json",
        "records//leaf.bin",
        "records/17/more/leaf.bin",
        "folder/",
        ".hidden",
        "records/.hidden",
        "C:/windows.json",
        "back\\slash.json",
        "new\nline.json",
        "tab\t.json",
        "名.json",
        "right\u202eto-left.json",
        "a" * 101,
        "~",
        "-rf",
        "verify.py.",
        "records/17./leaf.bin",
        ".",
        "",
    ],
)
def test_names_that_could_be_unpacked_elsewhere_are_refused(name: str) -> None:
    assert code_of(named(name)) is Wrong.BUNDLE_NAME_IS_UNSAFE


def test_two_files_of_one_name_are_refused_also_where_case_is_ignored() -> None:
    files = {"aaaa.json": b"1", "bbbb.json": b"2"}
    assert code_of(renamed("bbbb.json", "aaaa.json", files)) is Wrong.BUNDLE_NAME_IS_DOUBLED
    assert code_of(packed({"a.json": b"1", "A.JSON": b"2"})) is Wrong.BUNDLE_NAME_IS_DOUBLED


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind: int) -> None:
    assert code_of(named("a.json", external_attr=(kind | 0o777) << 16)) is Wrong.BUNDLE_FILE_IS_A_LINK
    assert code_of(named("a.json", external_attr=(stat.S_IFREG | 0o644) << 16)) is None


def test_encrypted_files_are_refused() -> None:
    content = bytearray(packed({"a.json": b"1"}, STORED))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert code_of(bytes(content)) is Wrong.BUNDLE_FILE_IS_ENCRYPTED


def test_forms_that_programs_read_differently_are_refused() -> None:
    """A comment, an extra field, an unknown method, a size told later, something before, between or behind."""
    plain = packed({"a.json": b"1", "b.json": b"2"}, STORED)

    def comment(archive: zipfile.ZipFile) -> None:
        archive.writestr("a.json", b"1")
        archive.comment = b"read me"

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        archive.writestr("a.json", b"1")
    second = plain.index(b"PK\x03\x04", 4)
    assert code_of(plain) is None
    assert code_of(zipped(comment)) is Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP
    assert code_of(named("a.json", comment=b"x")) is Wrong.BUNDLE_FILE_IS_OF_ANOTHER_FORM
    assert code_of(named("a.json", extra=b"\x99\x99\0\0")) is Wrong.BUNDLE_FILE_IS_OF_ANOTHER_FORM
    assert code_of(packed({"a.json": b"1"}, zipfile.ZIP_BZIP2)) is Wrong.BUNDLE_FILE_IS_OF_ANOTHER_FORM
    assert code_of(pipe.getvalue()) is Wrong.BUNDLE_FILE_IS_OF_ANOTHER_FORM
    assert code_of(b"#!/bin/sh\n" + plain) is Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP
    assert code_of(plain + b"\n") is Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP
    assert code_of(plain + plain) is Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP
    assert code_of(plain[:second] + b"hidden" + plain[second:]) is not None


def test_every_byte_of_the_end_counts() -> None:
    """The last 22 bytes say where everything is; none of them may say anything else."""
    plain = packed({"a.json": b"1", "b.json": b"2"}, STORED)
    for place in range(len(plain) - 22, len(plain)):
        content = bytearray(plain)
        content[place] ^= 0x01
        assert code_of(bytes(content)) is Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP, place


def test_nothing_hides_beside_the_directory() -> None:
    """Before it, in it, or as a second entry that is cut off; the end says sizes and places that fit each time."""
    plain = packed({"a.json": b"1"}, STORED)
    start, end = plain.index(b"PK\x01\x02"), len(plain) - 22
    files, directory = plain[:start], plain[start:end]

    def ended(count: int, size: int, offset: int) -> bytes:
        return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, offset, 0)

    assert code_of(files + directory + ended(1, len(directory), start)) is None
    for broken in (
        files + b"hidden" + directory + ended(1, len(directory), start + 6),
        files + directory + b"hidden" + ended(1, len(directory) + 6, start),
        files + directory + b"PK\x01\x02" + ended(2, len(directory) + 4, start),
        files + directory + ended(2, len(directory), start),
        files + b"QK" + directory[2:] + ended(1, len(directory), start),
        files + directory + ended(0, len(directory), start),
        bytes(12) + b"PK\x05\x06" + bytes(1),
    ):
        assert code_of(broken) is Wrong.BUNDLE_IS_NOT_ONE_PLAIN_ZIP


def test_a_head_that_contradicts_the_directory_is_refused() -> None:
    """Some programs believe a file's head and some the directory: each field of the head, changed alone."""
    plain = packed({"a.json": b"1" * 50}, STORED)
    for place in range(36):
        content = bytearray(plain)
        content[place] ^= 0x10
        assert code_of(bytes(content)) is not None, place


def test_a_file_that_inflates_beyond_its_size_is_refused() -> None:
    """Behind what is listed and hashed there would be more, which another program would unpack."""
    more, less = zlib.compressobj(wbits=-15), b"listed"
    squeezed = more.compress(less + b" and not listed") + more.flush()
    content = packed({"a.json": less}, DEFLATED)
    info = zipfile.ZipFile(io.BytesIO(content)).infolist()[0]
    old = content[36 : 36 + info.compress_size]
    grown = content.replace(old, squeezed)
    grown = grown.replace(struct.pack("<L", len(old)) + struct.pack("<L", 6), struct.pack("<LL", len(squeezed), 6))
    directory = struct.pack("<L", content.index(b"PK\x01\x02"))
    grown = grown.replace(directory, struct.pack("<L", grown.index(b"PK\x01\x02")))
    assert zipfile.ZipFile(io.BytesIO(grown)).read("a.json") == less
    assert code_of(grown) is Wrong.BUNDLE_FILE_IS_TORN


def crafted(squeezed: bytes, size: int, listed: bytes, method: int = DEFLATED) -> bytes:
    """An archive of one file that names this size, and the checksum of what is listed."""
    common = struct.pack("<5H3L2H", 20, 0, method, 0, 33, zlib.crc32(listed), len(squeezed), size, 6, 0)
    files = b"PK\x03\x04" + common + b"a.json" + squeezed
    directory = b"PK\x01\x02\x14\x00" + common + struct.pack("<3H2L", 0, 0, 0, 0, 0) + b"a.json"
    return files + directory + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), len(files), 0)


def test_a_file_has_exactly_the_bytes_that_it_names() -> None:
    """More behind its stream, a stream without end, fewer bytes than named, and stored bytes of another number."""
    content = b"content"
    deflating = zlib.compressobj(wbits=-15)
    unfinished = deflating.compress(content) + deflating.flush(zlib.Z_FULL_FLUSH)
    whole = unfinished + deflating.flush()
    assert code_of(crafted(whole, 7, content)) is None
    assert code_of(crafted(content, 7, content, STORED)) is None
    assert code_of(crafted(whole + b"more", 7, content)) is Wrong.BUNDLE_FILE_IS_TORN
    assert code_of(crafted(unfinished, 7, content)) is Wrong.BUNDLE_FILE_IS_TORN
    assert code_of(crafted(whole, 8, content)) is Wrong.BUNDLE_FILE_IS_TORN
    assert code_of(crafted(whole, 6, content[:6])) is Wrong.BUNDLE_FILE_IS_TORN
    assert code_of(crafted(content, 6, content, STORED)) is Wrong.BUNDLE_FILE_IS_OF_ANOTHER_FORM


def test_each_byte_of_the_directory_counts_but_those_that_only_some_systems_read() -> None:
    """Who made the entry, and its attributes beyond the kind of file: nothing of what is in it."""
    plain = packed({"a.json": b"1" * 50}, STORED)
    start = plain.index(b"PK\x01\x02")
    believed = []
    for place in range(46 + len("a.json")):
        content = bytearray(plain)
        content[start + place] ^= 0x01
        if code_of(bytes(content)) is None:
            believed.append(place)
    assert believed == [4, 5, 36, 37, 38, 39, 40, 41]


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    """Sizes are added up before anything is inflated; a size that lies is found after as much as it says."""
    bomb = packed({f"f{number}": bytes(40 << 20) for number in range(2)})
    lying = bomb.replace(struct.pack("<L", 40 << 20), struct.pack("<L", 10))
    tracemalloc.start()
    assert code_of(bomb) is Wrong.BUNDLE_IS_TOO_LARGE
    assert code_of(lying) is Wrong.BUNDLE_FILE_IS_TORN
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    class Endless(io.RawIOBase):
        read_bytes = 0

        def read(self, size: int = -1) -> bytes:
            assert size > 0
            self.read_bytes += size
            return bytes(size)

    endless = Endless()
    with pytest.raises(BadEvidence) as bad:
        read_archive(endless)  # type: ignore[arg-type]  # A raw stream reads like any other here.
    assert bad.value.code is Wrong.BUNDLE_IS_TOO_LARGE
    assert endless.read_bytes <= (64 << 20) + 1


def test_too_many_files_are_refused() -> None:
    files = {f"{number}": b"" for number in range(BUNDLE_FILES_MAX + 1)}
    assert code_of(packed(files, STORED)) is Wrong.BUNDLE_HAS_TOO_MANY_FILES
    del files["0"]
    assert code_of(packed(files, STORED)) is None


def test_no_beginning_of_a_bundle_is_a_bundle() -> None:
    content = packed(FILES)
    assert [end for end in range(len(content)) if code_of(content[:end]) is None] == []


@given(st.data())
def test_no_flipped_bit_changes_what_is_read(data: st.DataObject) -> None:
    """Every bit of the file is refused when it flips, or says nothing that anybody acts on."""
    content = bytearray(packed(FILES))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(BadEvidence):
        assert read_archive(io.BytesIO(bytes(content))) == FILES


@given(st.binary(max_size=300))
def test_no_bytes_bring_the_reader_down(content: bytes) -> None:
    for archive in (content, content + packed({}), packed({"a": b"1"})[:40] + content + packed({"a": b"1"})[40:]):
        code_of(archive)
