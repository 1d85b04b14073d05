"""One cheap look at a picture: whether it is whole, what is odd about it, what it resembles."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from headstart.data.images import (
    ALPHA_MODES,
    BROKEN,
    SCALED_MODES,
    decode,
    encoded,
    from_array,
    is_stored,
    open_picture,
    refuse_bomb,
    to_rgb,
    upright,
)
from headstart.data.items import item_name
from headstart.data.look import Look
from headstart.data.tree import suffix
from headstart.errors import DataError

SKETCH_SIDE = 16
DRAFT_SIDE = 64  # JPEGs are decoded at an eighth, a quarter or half their size, never below this
PLAIN_DEVIATION = 2.0  # grey levels; a sketch that varies less is told apart by exact equality only
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga",),
}
PAGED = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")


def audit_one(item: Any) -> Look:
    """Look at a picture: all of it is read, but a JPEG decoded at reduced size. Raises DataError as `decode` does."""
    name = item_name(item)
    try:
        content = encoded(item)
        picture = _opened(item, content, name)
        refuse_bomb(picture, name)
        notes = _notes(picture, name)
        size, mode = _upright_size(picture), picture.mode
        picture.draft("RGB", (DRAFT_SIDE, DRAFT_SIDE))
        small = to_rgb(upright(picture))
    except BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name}: broken picture ({reason}). Replace or remove it.") from error
    key = hashlib.blake2b(f"{size}".encode(), digest_size=16)
    key.update(small.tobytes())
    extrema = small.convert("L").getextrema()
    if size[0] * size[1] > 1 and extrema[0] == extrema[1]:
        notes.append("one colour only")
    return Look(hashlib.sha256(content).digest(), key.digest(), size, mode, tuple(notes), sketch(small))


def same(one: Any, other: Any) -> bool:
    """Whether two items are the same picture, pixel by pixel, once decoded."""
    first, second = decode(one), decode(other)
    return first.size == second.size and first.tobytes() == second.tobytes()


def sketch(picture: Image.Image) -> np.ndarray | None:
    """SKETCH_SIDE² grey levels of a picture, or None where it has next to nothing in it."""
    grey = picture.convert("L").resize((SKETCH_SIDE, SKETCH_SIDE), Image.Resampling.BILINEAR)
    values = np.asarray(grey).reshape(-1)
    return values if values.std() >= PLAIN_DEVIATION else None


def describe(shapes_N2: np.ndarray, kinds: Mapping[str, int]) -> dict[str, Any]:
    """Sizes (pixels) and colour modes of many pictures, with a line for people."""
    low, mid, high = (np.quantile(shapes_N2, q, axis=0, method="nearest").astype(int).tolist() for q in (0, 0.5, 1))
    most = Counter(kinds).most_common()
    sizes = (
        f"{mid[0]} × {mid[1]} pixels"
        if low == high
        else (f"{low[0]} to {high[0]} pixels wide, {low[1]} to {high[1]} high, typically {mid[0]} × {mid[1]}")
    )
    return {
        "line": f"{sizes}; {', '.join(f'{count} {mode}' for mode, count in most)}",
        "width": {"min": low[0], "median": mid[0], "max": high[0]},
        "height": {"min": low[1], "median": mid[1], "max": high[1]},
        "modes": dict(most),
    }


def _opened(item: Any, content: bytes, name: str) -> Image.Image:
    if is_stored(item):
        return open_picture(content, name)
    # A copy: drafting and loading must not change the user's own picture.
    return from_array(item) if isinstance(item, np.ndarray) else item.copy()


def _upright_size(picture: Image.Image) -> tuple[int, int]:
    turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (picture.height, picture.width) if turned else picture.size


def _notes(picture: Image.Image, name: str) -> list[str]:
    mode, form = picture.mode, picture.format or ""
    frames = getattr(picture, "n_frames", 1) if form in PAGED else 1
    wrong_suffix = form in SUFFIXES and suffix(name) not in ("", *SUFFIXES[form])
    checks = {
        f"animated or of several pages: the first of {frames} is used": frames > 1,
        "CMYK, converted to RGB": mode == "CMYK",
        "16-bit greyscale, scaled by its own range": mode.startswith("I") and mode in SCALED_MODES,
        "floating-point greyscale, scaled by its own range": mode == "F",
        "transparent, laid on white": mode in ALPHA_MODES or "transparency" in picture.info,
        "EXIF-rotated, turned upright": picture.getexif().get(0x0112, 1) not in (0, 1),
        f"suffix {suffix(name)} holds {form}": wrong_suffix,
        "1 pixel": picture.width * picture.height == 1,
        "1 pixel wide or high": (picture.width == 1) != (picture.height == 1),
    }
    return [note for note, holds in checks.items() if holds]
