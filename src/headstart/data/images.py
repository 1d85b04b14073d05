"""Pictures: from a file, a member, an array or a PIL image to RGB, or to an error; never to a made-up input."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from headstart.data.items import Stored, item_name, raw_bytes
from headstart.errors import DataError

PIXEL_LIMIT = 89_478_485
"""Pixels beyond which a picture is taken for a decompression bomb; Pillow's own limit."""

# The reader raises an error of its own beyond the limit, so Pillow's warning would only say it twice.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow's decoders raise on broken files.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
SCALED_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
SHAPES = "uint8 or 0-to-1 float arrays of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"


def decode(item: Any) -> Image.Image:
    """A picture as RGB, upright by its EXIF tag, alpha laid on white, the first frame of an animation.

    Greyscale of more than 8 bits is scaled by the picture's own range, its darkest value to 0 and its brightest to
    255. Raises DataError for what is missing, broken, cut short or larger than PIXEL_LIMIT.
    """
    if isinstance(item, np.ndarray):
        return from_array(item)
    name = item_name(item)
    picture = item if isinstance(item, Image.Image) else open_picture(raw_bytes(item), name)
    refuse_bomb(picture, name)
    try:
        return to_rgb(upright(picture))
    except BROKEN as error:
        raise DataError(f"{name}: broken picture ({_first_line(error)}). Replace or remove it.") from error


def open_picture(content: bytes, name: str) -> Image.Image:
    """Open an encoded picture without decoding its pixels; raises DataError."""
    try:
        return Image.open(BytesIO(content))
    except BOMBS as error:
        raise DataError(f"{name}: more than {PIXEL_LIMIT / 1e6:.0f} megapixels. Make the picture smaller.") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: not a picture in a known format. Replace or remove it.") from error
    except BROKEN as error:
        raise DataError(f"{name}: broken picture ({_first_line(error)}). Replace or remove it.") from error


def refuse_bomb(picture: Image.Image, name: str) -> None:
    """Raise DataError when a picture has more pixels than the limit, or none."""
    pixels = picture.width * picture.height
    if pixels > PIXEL_LIMIT:
        raise DataError(
            f"{name}: {picture.width} × {picture.height} pixels, over the limit of {PIXEL_LIMIT / 1e6:.0f} megapixels. "
            "Make the picture smaller."
        )
    if pixels == 0:
        raise DataError(f"{name}: a picture without pixels. Replace or remove it.")


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF tag says; itself where there is no such tag."""
    turned = ImageOps.exif_transpose(picture) if picture.getexif().get(0x0112, 1) != 1 else picture
    return turned if turned is not None else picture


def to_rgb(picture: Image.Image) -> Image.Image:
    """Convert any mode to 8-bit RGB."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        picture.load()
        return picture
    if picture.mode in SCALED_MODES:
        return Image.fromarray(scaled(np.asarray(picture))).convert("RGB")
    if picture.mode in ALPHA_MODES or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def scaled(values_HW: np.ndarray) -> np.ndarray:
    """Grey values of any depth as uint8, darkest to 0, brightest to 255; a single value takes its share of 16 bits."""
    values: np.ndarray = values_HW.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low + high):
        raise ValueError("not every pixel is a number")
    if low == high:
        return np.full(values.shape, np.clip(round(low / 65535 * 255), 0, 255), dtype=np.uint8)
    shades: np.ndarray = np.round((values - low) * (255 / (high - low))).astype(np.uint8)
    return shades


def from_array(array: np.ndarray) -> Image.Image:
    """An array (H, W) or (H, W, 1 | 3 | 4), uint8, uint16 or float from 0 to 1, as RGB; raises DataError otherwise."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise DataError(f"an array of shape {array.shape}: not a picture. Give {SHAPES}.")
    if array.shape[0] * array.shape[1] > PIXEL_LIMIT:
        raise DataError(
            f"an array of shape {array.shape}: over the limit of {PIXEL_LIMIT / 1e6:.0f} megapixels. Make it smaller."
        )
    if array.dtype == np.uint16 and array.ndim == 2:
        array = scaled(array)
    elif np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise DataError(f"a float array with values outside 0 to 1: not a picture. Scale it; give {SHAPES}.")
        array = np.round(array * 255).astype(np.uint8)
    elif array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype != np.uint8:
        raise DataError(f"an array of {array.dtype}: not a picture. Give {SHAPES}.")
    return to_rgb(Image.fromarray(np.ascontiguousarray(array)))


def thumbnail(item: Any, px: int) -> bytes:
    """A JPEG of at most `px` × `px` pixels, to show to people; smaller pictures are enlarged by whole pixels."""
    picture = decode(item)
    longest = max(picture.size)
    if longest * 2 <= px:
        times = px // longest
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    picture = picture.copy()
    picture.thumbnail((px, px), Image.Resampling.BILINEAR)
    out = BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


def encoded(item: Any) -> bytes:
    """The bytes that stand for an item's content: the file itself, or shape, type and values of what is in memory."""
    if isinstance(item, np.ndarray):
        return f"{item.shape} {item.dtype}".encode() + np.ascontiguousarray(item).tobytes()
    if isinstance(item, Image.Image):
        return f"{item.size} {item.mode}".encode() + item.tobytes()
    return raw_bytes(item)


def is_stored(item: Any) -> bool:
    """Whether an item is an encoded picture, as against one in memory."""
    return isinstance(item, Path | Stored | bytes)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
