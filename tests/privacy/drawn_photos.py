"""Photos that nobody took: gradients, clouds, noise, shapes and letters, each drawn from its number."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont


def draw_photo(number: int, width: int = 1_280, height: int = 960) -> Image.Image:
    """The photo of this number: every fifth a paper on white ground, the others textured."""
    rng = np.random.default_rng(number)
    image = _ground(rng, width, height, is_paper=number % 5 == 4)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(3, 14)):
        left, top = int(rng.integers(width)), int(rng.integers(height))
        box = (left, top, left + int(rng.integers(10, width // 2)), top + int(rng.integers(10, height // 2)))
        (draw.rectangle if rng.integers(2) else draw.ellipse)(box, fill=_colour(rng))
    for _ in range(rng.integers(5, 25)):
        letters = "".join(chr(code) for code in rng.integers(48, 91, rng.integers(4, 30)))
        place = (float(rng.integers(width)), float(rng.integers(height)))
        draw.text(place, letters, fill=_colour(rng), font=ImageFont.load_default(int(rng.integers(12, 48))))
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2)))) if rng.integers(2) else image


def as_file(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """An image as the file of a camera or a scanner."""
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 95} | options))
    return file.getvalue()


def as_image(content: bytes) -> Image.Image:
    """A file's image."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def _ground(rng: np.random.Generator, width: int, height: int, *, is_paper: bool) -> Image.Image:
    if is_paper:
        ground = np.full((height, width, 3), rng.uniform(225, 250))
    else:
        slope = np.linspace(rng.uniform(40, 120), rng.uniform(120, 230), width)[None, :]
        ground = (slope + np.linspace(0, rng.uniform(-40, 40), height)[:, None])[..., None]
        ground = ground + np.stack([_cloud(rng, width, height) * rng.uniform(3, 35) for _ in range(3)], -1)
    ground = ground + rng.standard_normal((height, width, 3)) * rng.uniform(0, 5)
    return Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))


def _cloud(rng: np.random.Generator, width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Noise with the spectrum of natural scenes."""
    cycles = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    cycles[0, 0] = 1
    waves = np.fft.rfft2(rng.standard_normal((height, width))) / cycles ** rng.uniform(0.8, 1.3)
    cloud = np.fft.irfft2(waves, (height, width))
    return np.asarray((cloud - cloud.mean()) / cloud.std())
