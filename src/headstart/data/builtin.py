"""Data that need no file: scikit-learn's handwritten digits, glyphs of matplotlib's fonts, requests written here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from headstart.data.dataset import Dataset, Part
from headstart.data.glyphs import glyph_dataset
from headstart.data.requests import request_dataset
from headstart.registry import pick

PREFIX = "builtin:"
PER_CLASS = 10
SEED = 0


def read_builtin(name: str) -> Dataset:
    """The built-in data set called `builtin:NAME`; raises OptionError, listing the names, when there is none."""
    return pick(BUILTIN, name.removeprefix(PREFIX), what="built-in data set")()


def digits() -> Dataset:
    """1,797 handwritten digits of 8 × 8 pixels: ten training examples per class, drawn once for all, the rest test.

    Source: Alpaydin and Kaynak 1998, UCI repository, as packed in scikit-learn.
    """
    from sklearn.datasets import load_digits

    raw = load_digits()
    grey_NHW = np.round(raw.images * (255 / 16)).astype(np.uint8)
    rng = np.random.default_rng(SEED)
    train = {
        int(row) for digit in range(10) for row in rng.permutation(np.flatnonzero(raw.target == digit))[:PER_CLASS]
    }
    parts: list[Part] = ["train" if row in train else "test" for row in range(len(grey_NHW))]
    return Dataset(
        name="builtin:digits",
        modality="image",
        kind="single",
        items=[Image.fromarray(grey_HW) for grey_HW in grey_NHW],
        ids=[f"digit {row:04d}" for row in range(len(grey_NHW))],
        labels=[(str(digit),) for digit in raw.target],
        parts=parts,
    )


BUILTIN: dict[str, Callable[[], Dataset]] = {"digits": digits, "glyphs": glyph_dataset, "requests": request_dataset}
