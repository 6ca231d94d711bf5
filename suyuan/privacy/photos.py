"""Photos at the door: decoded within bounds, and kept as nothing but what the lens saw.

A photo comes from a stranger, through a parser with a long history. So its format is JPEG or PNG and nothing else,
found by its first bytes and never by a name; its size is read from its header and bounded before a pixel is unpacked;
and the commands call this in a process that holds no key (`faces.confined`).

What is kept is encoded anew from the pixels: where and when it was taken, with which device, earlier states,
thumbnails, and whatever was hidden behind the picture are not needed for any purpose, so they are not kept
(个人信息保护法 2021, art. 6; a place is sensitive, art. 28). A photo is turned upright first, because that stands in
its metadata too.

>>> import io
>>> file = io.BytesIO()
>>> Image.new("RGBA", (8, 4), (255, 0, 0, 128)).save(file, "PNG")
>>> clean(file.getvalue())[:3].hex(), read_photo(clean(file.getvalue())).size
('ffd8ff', (8, 4))
>>> clean(file.getvalue()[:40])
Traceback (most recent call last):
    ...
suyuan.privacy.photos.BadPhoto: paper_is_torn
"""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from suyuan.base.refusals import Reason

FORMATS = ("JPEG", "PNG")
# More than any telephone's default, and a bound for what unpacking may cost: three bytes a pixel, a few times over.
PIXELS_MAX = 50_000_000
_KEPT_QUALITY = 95
_PLAIN_MODES = frozenset({"1", "L", "P", "RGB", "CMYK", "YCbCr"})
_ALPHA_MODES = frozenset({"LA", "PA", "RGBA"})


class BadPhoto(Exception):
    """Raised for a file that is no photo, or none that can be taken; `reason` says which."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def clean(content: bytes) -> bytes:
    """The photo as it is kept: a JPEG of its pixels, upright, and nothing else. Raises `BadPhoto`."""
    return as_jpeg(read_photo(content), quality=_KEPT_QUALITY)


def read_photo(content: bytes) -> Image.Image:
    """The pixels of a JPEG or PNG, upright, in RGB. Raises `BadPhoto`."""
    # What Pillow would warn of is either refused here or harmless; its warnings would only puzzle an officer.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        photo = _header(content)
        if photo.width * photo.height > PIXELS_MAX:
            raise BadPhoto(Reason.photo_has_too_many_pixels)
        if getattr(photo, "n_frames", 1) != 1:
            raise BadPhoto(Reason.photo_is_more_than_one)
        if photo.mode not in _PLAIN_MODES | _ALPHA_MODES:
            raise BadPhoto(Reason.photo_format_is_not_taken)
        return _pixels(photo)


def as_jpeg(photo: Image.Image, *, quality: int) -> bytes:
    """The file of a photo, without metadata and with its colours in full."""
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


def _header(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        is_begun = content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
        raise BadPhoto(Reason.paper_is_torn if is_begun else Reason.photo_format_is_not_taken) from None
    except Image.DecompressionBombError:
        raise BadPhoto(Reason.photo_has_too_many_pixels) from None
    except Exception:
        # A parser of foreign bytes fails in many ways, and each of them means the same.
        raise BadPhoto(Reason.paper_is_torn) from None


def _pixels(photo: Image.Image) -> Image.Image:
    try:
        photo.load()
        upright = _upright(photo)
        if upright.mode in _ALPHA_MODES or "transparency" in upright.info:
            painted = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", painted.size, "white"), painted)
        plain = upright.convert("RGB")
        # Pillow would write a comment or a profile that it has read into the next file as well.
        plain.info.clear()
        return plain
    except Exception:
        # As above; among them is a file that ends too soon.
        raise BadPhoto(Reason.paper_is_torn) from None


def _upright(photo: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(photo)
    except Exception:
        # Metadata that cannot be read turns nothing; the picture itself is whole.
        return photo
