"""What strangers bring as photos: torn, huge, moving, disguised, or with more in it than a picture."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import confined
from suyuan.privacy.photos import PIXELS_MAX, BadPhoto, clean, read_photo
from tests.privacy.drawn_photos import as_file, as_image, draw_photo

PHOTO = draw_photo(1, 160, 120)
JPEG, PNG = as_file(PHOTO), as_file(PHOTO, "PNG")
GPS = "31°14'N 121°29'E"


def reason_of(content: bytes) -> Reason | None:
    try:
        read_photo(content)
    except BadPhoto as bad:
        return bad.reason
    return None


def png(width: int, height: int, *chunks: tuple[bytes, bytes], colour: int = 2) -> bytes:
    """A PNG with this header and these chunks, each with its right checksum."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", header), *chunks, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + body


def with_metadata() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SecretPhone"
    exif[0x8825] = {1: "N", 2: (31.0, 14.0, 0.0), 3: "E", 4: (121.0, 29.0, 0.0)}
    return as_file(PHOTO, exif=exif, comment=GPS.encode(), icc_profile=b"PROFILE-OF-A-DEVICE" * 9)


def test_metadata_never_comes_in() -> None:
    """Place, time, device, comment and profile: no purpose needs them, so they are not kept."""
    before = with_metadata()
    assert b"SecretPhone" in before
    assert GPS.encode() in before
    after = clean(before)
    for planted in (b"SecretPhone", GPS.encode(), b"PROFILE-OF", b"Exif", b"ICC_PROFILE"):
        assert planted not in after
    assert not as_image(after).getexif()
    assert set(as_image(after).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_photo_is_turned_upright_before_its_metadata_goes() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert as_image(clean(as_file(PHOTO, exif=exif))).size == (120, 160)


def test_what_was_appended_or_hidden_does_not_survive() -> None:
    """A file that is a photo to one program and an archive or a script to another is only a photo afterwards."""
    archive = b"PK\x03\x04" + b"payload-of-a-polyglot" * 50 + b"PK\x05\x06"
    for photo in (JPEG + archive, PNG + archive, as_file(PHOTO, comment=b"<script>payload-of-a-polyglot</script>")):
        assert b"payload-of-a-polyglot" not in clean(photo)


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a" + bytes(50), b"BM" + bytes(60), b"RIFF\0\0\0\0WEBPVP8 ", b"%PDF-1.7", b"II*\0" + bytes(40),
     as_file(PHOTO, "GIF"), as_file(PHOTO, "WEBP"), as_file(PHOTO, "TIFF"), b"<svg xmlns=''/>", b"%!PS-Adobe-3.0 EPSF"],
    ids=["nothing", "gif", "bmp", "webp", "pdf", "tiff", "whole gif", "whole webp", "whole tiff", "svg", "postscript"],
)  # fmt: skip
def test_other_formats_are_refused_whatever_their_name_says(content: bytes) -> None:
    """No name is looked at, so a file that is called photo.jpg and is none gains nothing."""
    assert reason_of(content) is Reason.photo_format_is_not_taken


@pytest.mark.parametrize("photo", [JPEG, PNG], ids=["jpeg", "png"])
def test_a_photo_that_was_cut_is_refused(photo: bytes) -> None:
    for length in [*range(20, len(photo) - 40, 211), len(photo) - 40]:
        assert reason_of(photo[:length]) is Reason.paper_is_torn, length


@given(st.sampled_from([JPEG, PNG]), st.data())
def test_damaged_bytes_are_a_photo_or_a_refusal_and_never_a_fault(photo: bytes, data: st.DataObject) -> None:
    torn = bytearray(photo)
    for _ in range(data.draw(st.integers(1, 20))):
        torn[data.draw(st.integers(0, len(torn) - 1))] = data.draw(st.integers(0, 255))
    reason_of(bytes(torn))


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), st.binary(max_size=300))
def test_noise_that_begins_like_a_photo_is_refused(beginning: bytes, noise: bytes) -> None:
    assert reason_of(beginning + noise) in (
        Reason.paper_is_torn, Reason.photo_has_too_many_pixels, Reason.photo_format_is_not_taken,
    )  # fmt: skip


@pytest.mark.parametrize("size", [(PIXELS_MAX + 1, 1), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_a_pixel_is_unpacked(size: tuple[int, int]) -> None:
    """Some hundred bytes that claim to be a billion pixels."""
    bomb = png(*size, (b"IDAT", zlib.compress(bytes(1_000))))
    assert reason_of(bomb) is Reason.photo_has_too_many_pixels


def test_a_text_that_unpacks_to_gigabytes_is_refused() -> None:
    """Pillow bounds compressed texts; the bomb does not come to the pixels."""
    bomb = zlib.compress(bytes(50_000_000))
    assert reason_of(png(8, 8, (b"zTXt", b"k\0\0" + bomb), (b"IDAT", zlib.compress(bytes(200))))) in (
        Reason.paper_is_torn, None,
    )  # fmt: skip


def test_pictures_that_move_are_refused() -> None:
    """Which of the pictures would be the paper?"""
    frames = [draw_photo(number, 40, 30) for number in (1, 2)]
    moving = as_file(frames[0], "PNG", save_all=True, append_images=frames[1:])
    several = as_file(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert reason_of(moving) is Reason.photo_is_more_than_one
    assert reason_of(several) is Reason.photo_is_more_than_one


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_each_way_to_store_colours_is_kept_as_a_plain_photo(mode: str) -> None:
    content = as_file(PHOTO.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    kept = as_image(clean(content))
    assert (kept.mode, kept.size, kept.format) == ("RGB", PHOTO.size, "JPEG")


def test_what_is_transparent_becomes_white_paper() -> None:
    """Else a scan with a transparent ground would be black on black."""
    scan = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(scan).rectangle((0, 0, 31, 63), fill=(0, 0, 0, 255))
    kept = as_image(clean(as_file(scan, "PNG")))
    assert kept.getpixel((60, 30)) == (255, 255, 255)
    assert kept.getpixel((3, 30)) == (0, 0, 0)


# --- in a process of its own ---


def test_the_process_that_parses_answers_as_the_parser_does() -> None:
    cleaned = confined.clean(with_metadata())
    assert cleaned == clean(with_metadata())
    assert confined.clean(JPEG[:500]) == Refusal(Reason.paper_is_torn)
    assert confined.clean(png(30_000, 30_000)) == Refusal(Reason.photo_has_too_many_pixels)


def test_a_process_that_dies_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a fault in a decoder would make it, or the system when the memory is used up."""
    monkeypatch.setattr("suyuan.faces.confined.sys.executable", "/bin/false")
    assert confined.clean(JPEG) == Refusal(Reason.paper_is_torn)


def test_the_process_that_parses_may_use_little_and_write_nothing(tmp_path: Path) -> None:
    """Not even a core dump, which would hold the photo."""
    script = (
        "import resource, sys; from suyuan.faces import confined; confined._confine();"
        "print([resource.getrlimit(limit)[1] for limit in (resource.RLIMIT_AS, resource.RLIMIT_CORE)], flush=True);"
        "open(sys.argv[1], 'wb', buffering=0).write(b'photo')"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(tmp_path / "out")], capture_output=True, check=False)
    assert ran.stdout.decode().strip() == f"[{confined.MEMORY_BYTES_MAX}, 0]"
    assert ran.returncode != 0
    assert (tmp_path / "out").read_bytes() == b""
