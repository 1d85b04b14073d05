"""Glyphs as a source domain: characters of free fonts, rendered and then drawn as a hand might."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from headstart.data.dataset import Dataset

CHARACTERS = (
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghijklmnqrty"
    "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπρστφχψω"
    "БДЖИЙЛУЦЧШЩЪЫЬЭЮЯбджзийлцчшщъыьэюя"
    "!?&@#%$+=<>*/(){}[]~^§£€"
)
"""Latin, Greek and Cyrillic letters, digits and signs; letters that look alike across scripts or cases stand once."""

FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansMono-Oblique.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSerif-Italic.ttf",
)
"""Fonts that come with matplotlib, under the Bitstream Vera licence."""

CANVAS = 64
FILLED = 0.75


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character in one font."""

    character: str
    font: str


def glyphs() -> list[Glyph]:
    """Every character in every font."""
    return [Glyph(character, font) for character in CHARACTERS for font in FONTS]


def glyph_dataset() -> Dataset:
    """Every character in every font as a picture, its label the character."""
    found = glyphs()
    return Dataset(
        name="builtin:glyphs",
        modality="image",
        kind="single",
        items=[render(glyph) for glyph in found],
        ids=[f"{glyph.character} in {glyph.font}" for glyph in found],
        labels=[(glyph.character,) for glyph in found],
        parts=[""] * len(found),
    )


def render(glyph: Glyph) -> Image.Image:
    """The glyph in white on black, greyscale, centred on CANVAS × CANVAS pixels and filling most of them."""
    left, top, right, bottom = _font(glyph.font, CANVAS).getbbox(glyph.character)
    # Small signs stay small: a dot as large as a letter would be a ball.
    grown = min(1.4, FILLED * CANVAS / max(right - left, bottom - top))
    font = _font(glyph.font, round(CANVAS * grown))
    left, top, right, bottom = font.getbbox(glyph.character)
    picture = Image.new("L", (CANVAS, CANVAS))
    place = ((CANVAS - (right - left)) / 2 - left, (CANVAS - (bottom - top)) / 2 - top)
    ImageDraw.Draw(picture).text(place, glyph.character, fill=255, font=font)
    return picture


def glyph_view(picture: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """A glyph as another hand, pen or scanner would have made it: bent, thickened, blurred, coarse, inverted."""
    grey = picture.convert("L").resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)
    grey = _bent(_turned(grey, rng), rng)
    if rng.random() < 0.3:
        grey = grey.filter(ImageFilter.MaxFilter(3 if rng.random() < 0.6 else 5))
    if rng.random() < 0.7:
        coarse = int(rng.integers(7, 29))
        grey = grey.resize((coarse, coarse), Image.Resampling.BOX)
    view = np.asarray(grey.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    view = np.clip(view ** rng.uniform(0.7, 1.4) * rng.uniform(0.65, 1.0) + rng.uniform(0, 0.1), 0, 1)
    if rng.random() < 0.4:
        view = 1 - view
    view = np.clip(view + rng.normal(0, rng.uniform(0, 0.06), view.shape), 0, 1)
    return Image.fromarray(np.round(255 * view).astype(np.uint8))


def _turned(grey: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Rotated up to 15°, sheared, scaled by 0.8 to 1.35 in each direction, and moved."""
    angle, shear = rng.uniform(-0.26, 0.26), rng.uniform(-0.25, 0.25)
    wide, high = 1 / rng.uniform(0.8, 1.35, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[wide, shear], [0, high]])
    centre = np.full(2, CANVAS / 2)
    offset = centre - matrix @ (centre + rng.uniform(-4, 4, 2))
    return grey.transform(
        grey.size,
        Image.Transform.AFFINE,
        (matrix[0, 0], matrix[0, 1], offset[0], matrix[1, 0], matrix[1, 1], offset[1]),
        resample=Image.Resampling.BILINEAR,
    )


def _bent(grey: Image.Image, rng: np.random.Generator, cells: int = 4, reach: float = 4.0) -> Image.Image:
    """Bent smoothly: the corners of a grid move by up to a few pixels and the picture follows."""
    step = CANVAS // cells
    grid = np.stack(np.meshgrid(np.arange(cells + 1), np.arange(cells + 1)), axis=-1) * float(step)
    grid = grid + np.clip(rng.normal(0, reach / 2, grid.shape), -reach, reach)
    mesh = []
    for row in range(cells):
        for column in range(cells):
            box = (column * step, row * step, (column + 1) * step, (row + 1) * step)
            corners = (grid[row, column], grid[row + 1, column], grid[row + 1, column + 1], grid[row, column + 1])
            mesh.append((box, tuple(float(value) for corner in corners for value in corner)))
    return grey.transform(grey.size, Image.Transform.MESH, mesh, resample=Image.Resampling.BILINEAR)


@lru_cache(maxsize=len(FONTS) * CANVAS)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, size=size)
