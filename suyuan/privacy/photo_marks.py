"""Marks in photos that leave: one that everybody sees, and one that names who read it when the first was cut away.

The visible mark is the reader's id, day and purpose, written across the whole photo. The invisible one is a spread-
spectrum pattern in the photo's lower middle frequencies, which survive what messengers do to photos: compressing,
shrinking, cropping. It is found without the original, since the original may be deleted long before the leak.

    frame     the photo, scaled so that its longer side has 1,024 pixels; the pattern is as wide for all photos
    pattern   a tile of 256 × 256, repeated; a sum of waves of 0.02 to 0.18 cycles a pixel of the frame, about 3,200
    phases    each wave's phase is one of four, two bits of HMAC-SHA-256 (key, name) stretched by SHAKE-256; half of the
              waves name the platform and serve to find scale and place, half name the recipient
    strength  stronger where the photo is lively, `MARK_RMS` grey levels on the whole: a PSNR of 41 dB

Reading divides each pixel by the liveliness around it, folds the frame onto one tile, keeps only the phase of each wave
and looks for the platform's half at all places and, where the photo was cropped, at all scales. There, and only there,
it adds up how well each recipient's phases agree: with n waves of phases y, strength = Σ s·y / √n, where s are the
recipient's signs.

**Nobody is named by chance.** To somebody without the key the signs are fair coins, independent of the photo and of
where it was found to lie. By Hoeffding's inequality a recipient whose mark is not in the photo reaches strength t with
a chance of at most exp(−t²/2), whatever the photo shows and whatever was done to it; among N recipients of at most
N·exp(−t²/2). That is the `chance_max` of a score, and nobody is named unless it is at most `FALSE_NAMING_MAX`.

Not survived: turning by half a degree, stretching one side, photographing a screen, more than half cropped away, a
dozen copies mixed, and somebody who knows this page and works at removing it. The visible mark and the recorded read
stand beside it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from suyuan.privacy.photos import as_jpeg, read_photo

FRAME_PIXELS, TILE_PIXELS = 1_024, 256
MARK_RMS = 2.2
FALSE_NAMING_MAX = 1e-6
# How strong the platform's own half must be for us to say that a photo is marked at all, by the same inequality for all
# places and scales that are looked at.
_MARKED_CHANCE_MAX = 1e-6
# A mark that is as strong as this in the whole frame needs no search among other scales.
_CLEAR = 12.0
_SHOWN_QUALITY = 92
_ROWS_AT_ONCE = 512
# From a photo of which half the longer side is left; neighbours differ by a quarter of a wave at the edges.
_SMALLEST_SHARE, _SCALE_STEP = 0.5, 1.003
_BEST_SCALES, _FINER = 2, (0.998, 0.999, 1.0, 1.001, 1.002)
_LIVELY_PIXELS, _FLAT_PIXELS = 6, 4

Floats: TypeAlias = npt.NDArray[np.float32]
Waves: TypeAlias = npt.NDArray[np.complex64]


class Score(NamedTuple):
    """How much of one recipient's mark is in a photo; an innocent has as much with a chance of `chance_max` at most."""

    recipient: str
    strength: float
    chance_max: float

    @property
    def is_named(self) -> bool:
        """Whether this is enough to name somebody."""
        return self.chance_max <= FALSE_NAMING_MAX


class Reading(NamedTuple):
    """What was read from a photo: whether this platform marked it, and the recipients, the likeliest first."""

    is_marked: bool
    scores: tuple[Score, ...]


def mark_photo(content: bytes, *, visible: str, key: bytes, recipient: str) -> bytes:
    """The photo as it leaves, as a JPEG: with the visible text (ASCII) and the recipient's invisible mark.

    Raises `BadPhoto`.
    """
    photo = read_photo(content)
    _write_across(photo, visible)
    return as_jpeg(_with_pattern(photo, _tile(key, recipient)), quality=_SHOWN_QUALITY)


def score(content: bytes, *, key: bytes, recipients: Iterable[str]) -> Reading:
    """Whose mark a photo carries. Raises `BadPhoto`."""
    names = list(dict.fromkeys(recipients))
    found = _find(read_photo(content).convert("L"), key)
    phases = _moved(found.phases, found.row, found.column)[_OWN]
    scores = []
    for name in names:
        strength = _agreement(phases, _signs(key, name, len(_OWN)))
        scores.append(Score(name, strength, _chance_max(strength, len(names))))
    places = TILE_PIXELS * TILE_PIXELS * found.scales
    is_marked = _chance_max(found.strength, places) <= _MARKED_CHANCE_MAX
    return Reading(is_marked, tuple(sorted(scores, key=lambda one: -one.strength)))


def _chance_max(strength: float, tries: int) -> float:
    """Hoeffding's bound for so many tries.

    >>> _chance_max(6.0, 50) < 1e-6 < _chance_max(5.9, 50), _chance_max(-3.0, 1)
    (True, 1.0)
    """
    return min(1.0, tries * math.exp(-(max(0.0, strength) ** 2) / 2))


# --- the pattern ---------------------------------------------------------------------------------


def _waves() -> tuple[npt.NDArray[np.intp], Floats, Floats]:
    """The waves of a tile that carry the mark: their places in a spectrum, and their cycles down and across."""
    down = np.broadcast_to(np.fft.fftfreq(TILE_PIXELS)[:, None], _SPECTRUM)
    across = np.broadcast_to(np.fft.rfftfreq(TILE_PIXELS)[None, :], _SPECTRUM)
    cycles = np.hypot(down, across)
    # A wave that does not run across stands twice in the spectrum, so those are left out.
    places = np.flatnonzero((cycles >= _CYCLES_MIN) & (cycles <= _CYCLES_MAX) & (across > 0))
    return places, down.ravel()[places].astype(np.float32), across.ravel()[places].astype(np.float32)


_CYCLES_MIN, _CYCLES_MAX = 0.02, 0.18
_SPECTRUM = (TILE_PIXELS, TILE_PIXELS // 2 + 1)
_PLACES, _DOWN, _ACROSS = _waves()
# Every other wave names the platform; neighbours in the spectrum fare alike, so both halves survive alike.
_SYNC, _OWN = np.arange(0, len(_PLACES), 2), np.arange(1, len(_PLACES), 2)
_PLATFORM = "platform"


def _signs(key: bytes, name: str, count: int) -> Waves:
    """The phases of a name, each as two signs: one of ±1 ± i."""
    # The platform's own name cannot be a recipient's, since recipients' begin with a slash here.
    seed = hmac.digest(key, (name if name == _PLATFORM else "/" + name).encode(), "sha256")
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(seed).digest((count + 3) // 4), np.uint8))[: 2 * count]
    signs = bits.astype(np.float32) * 2 - 1
    return (signs[:count] + 1j * signs[count:]).astype(np.complex64)


def _tile(key: bytes, recipient: str) -> Floats:
    spectrum = np.zeros(_SPECTRUM, np.complex64)
    spectrum.ravel()[_PLACES[_SYNC]] = _signs(key, _PLATFORM, len(_SYNC))
    spectrum.ravel()[_PLACES[_OWN]] = _signs(key, recipient, len(_OWN))
    tile = np.fft.irfft2(spectrum, (TILE_PIXELS, TILE_PIXELS))
    return np.asarray(tile / tile.std(), np.float32)


def _with_pattern(photo: Image.Image, tile: Floats) -> Image.Image:
    """The photo with the pattern added to its brightness, stretch by stretch, so that a large one fits into memory."""
    frame = _grey(photo.convert("L"), FRAME_PIXELS)
    rows, columns = frame.shape
    strength = np.clip(_liveliness(frame) / 8, 0.7, 2.0)
    pattern = np.tile(tile, (rows // TILE_PIXELS + 1, columns // TILE_PIXELS + 1))[:rows, :columns] * strength
    pattern *= MARK_RMS / float(np.sqrt(np.mean(pattern * pattern)))
    drawn = Image.fromarray(pattern)
    marked = photo.copy()
    for top in range(0, photo.height, _ROWS_AT_ONCE):
        bottom = min(top + _ROWS_AT_ONCE, photo.height)
        part = (0.0, top * rows / photo.height, float(columns), bottom * rows / photo.height)
        added = np.asarray(drawn.resize((photo.width, bottom - top), Image.Resampling.BICUBIC, box=part))
        pixels = np.asarray(photo.crop((0, top, photo.width, bottom)), np.float32)
        mixed = np.clip(np.rint(pixels + added[..., None]), 0, 255).astype(np.uint8)
        marked.paste(Image.fromarray(mixed), (0, top))
    return marked


# --- reading -------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """Where the platform's half fits best: how well, the phases at that scale, and how far the tile is moved."""

    strength: float
    phases: Waves
    row: int
    column: int
    scales: int  # How many were looked at.


def _find(grey: Image.Image, key: bytes) -> _Found:
    sync = _signs(key, _PLATFORM, len(_SYNC))
    even = _evened(_grey(grey, FRAME_PIXELS))
    whole = _fit(even, sync)
    if whole.strength >= _CLEAR:
        return whole
    # What was evened out once is only scaled, which is a third of the work; the best scales are then done properly.
    drawn = Image.fromarray(even)
    tried = sorted(((_fit(_scaled(drawn, side), sync).strength, side) for side in _scales()), reverse=True)
    near = [side * factor for _, side in tried[:_BEST_SCALES] for factor in _FINER]
    finer = [_fit(_evened(_grey(grey, side)), sync) for side in near]
    best = max([whole, *finer], key=lambda fit: fit.strength)
    return best._replace(scales=1 + len(tried) + len(finer))


def _scales() -> Iterator[float]:
    longer_side = FRAME_PIXELS * _SMALLEST_SHARE
    while longer_side < FRAME_PIXELS:
        yield longer_side
        longer_side *= _SCALE_STEP


def _fit(even: Floats, sync: Waves) -> _Found:
    """The best place of the platform's half in a frame that was evened out."""
    phases = _phases(even)
    spectrum = np.zeros(_SPECTRUM, np.complex64)
    spectrum.ravel()[_PLACES[_SYNC]] = phases[_SYNC] * np.conj(sync)
    agreement = np.fft.irfft2(spectrum, (TILE_PIXELS, TILE_PIXELS))
    row, column = divmod(int(agreement.argmax()), TILE_PIXELS)
    strength = _agreement(_moved(phases, row, column)[_SYNC], sync)
    return _Found(strength, phases, row, column, scales=1)


def _phases(even: Floats) -> Waves:
    """The phase of each wave in a frame, folded onto one tile."""
    rows, columns = (-(-side // TILE_PIXELS) * TILE_PIXELS for side in even.shape)
    whole = np.zeros((rows, columns), np.float32)
    whole[: even.shape[0], : even.shape[1]] = even
    folded = whole.reshape(rows // TILE_PIXELS, TILE_PIXELS, columns // TILE_PIXELS, TILE_PIXELS).sum((0, 2))
    waves = np.fft.rfft2(folded).ravel()[_PLACES]
    return np.asarray(waves / np.maximum(np.abs(waves), 1e-6), np.complex64)


def _evened(frame: Floats) -> Floats:
    """The frame as detail, divided by how lively it is there, so that no edge outweighs the rest."""
    detail = (frame - _blurred(frame, _FLAT_PIXELS)) / (_liveliness(frame) + 2)
    return np.asarray(np.clip(detail, -3, 3), np.float32)


def _moved(phases: Waves, row: int, column: int) -> Waves:
    """The phases as they are if the tile begins there."""
    turns = (_DOWN * row + _ACROSS * column).astype(np.float32)
    return np.asarray(phases * np.exp(np.complex64(2j * math.pi) * turns), np.complex64)


def _agreement(phases: Waves, signs: Waves) -> float:
    """Σ s·y / √n over both parts of each phase, whose length is 1 at most: the sum that Hoeffding's bound is about."""
    return float(np.sum(phases.real * signs.real + phases.imag * signs.imag)) / math.sqrt(len(signs))


def _grey(grey: Image.Image, longer_side: float) -> Floats:
    """The brightness of a photo whose longer side is scaled to so many pixels."""
    return _scaled(grey.convert("F"), longer_side)


def _scaled(drawn: Image.Image, longer_side: float) -> Floats:
    scale = longer_side / max(drawn.size)
    size = (max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale)))
    return np.asarray(drawn.resize(size, Image.Resampling.BICUBIC), np.float32)


def _liveliness(frame: Floats) -> Floats:
    """How much the brightness varies around each pixel."""
    detail = frame - _blurred(frame, _FLAT_PIXELS)
    return np.sqrt(np.maximum(_blurred(detail * detail, _LIVELY_PIXELS), 0)).astype(np.float32)


def _blurred(frame: Floats, radius: int) -> Floats:
    """The mean over a square around each pixel, by running sums."""
    width = 2 * radius + 1
    blurred: npt.NDArray[np.float64] = frame.astype(np.float64)
    for axis in (0, 1):
        padding = [(radius + 1, radius) if axis == one else (0, 0) for one in (0, 1)]
        sums = np.moveaxis(np.pad(blurred, padding, mode="edge").cumsum(axis), axis, 0)
        blurred = np.moveaxis((sums[width:] - sums[:-width]) / width, 0, axis)
    return blurred.astype(np.float32)


# --- the visible mark ----------------------------------------------------------------------------


def _write_across(photo: Image.Image, text: str) -> None:
    """Writes the text all over the photo, light with a dark rim, so that it shows on any ground."""
    assert text.isascii(), "the font that comes with Pillow has no other letters"
    size = max(11, max(photo.size) // 48)
    font = ImageFont.load_default(size)
    left, top, right, bottom = (
        round(edge) for edge in ImageDraw.Draw(photo).multiline_textbbox((0, 0), text, font=font)
    )
    stamp = Image.new("L", (right - left + size, bottom - top + size))
    rim = stamp.copy()
    place = (size // 2 - left, size // 2 - top)
    ImageDraw.Draw(stamp).multiline_text(place, text, fill=120, font=font)
    ImageDraw.Draw(rim).multiline_text(place, text, fill=90, font=font, stroke_width=max(1, size // 14))
    stamp, rim = (mask.rotate(24, Image.Resampling.BICUBIC, expand=True) for mask in (stamp, rim))
    for number, row in enumerate(range(-stamp.height // 2, photo.height, stamp.height)):
        for column in range(-stamp.width // (2 + number % 2), photo.width, stamp.width):
            photo.paste("black", (column, row), rim)
            photo.paste("white", (column, row), stamp)
