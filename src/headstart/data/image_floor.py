"""What a classical method sees in a picture: colour and gradient histograms, the floor for transfer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from headstart.data.images import decode

SIDE = 64
CELL = 8
ANGLES = 9
COLOUR_BINS = 12
WIDTH = (SIDE // CELL) ** 2 * ANGLES + 3 * COLOUR_BINS


def floor_features(items: Sequence[Any]) -> np.ndarray:
    """Features (N × WIDTH, float32) of pictures: gradient histograms of 8 × 8 cells, then HSV histograms.

    Gradients after Dalal and Triggs 2005: unsigned, 9 angles, each cell scaled by its 3 × 3 neighbourhood.
    """
    features_ND = np.empty((len(items), WIDTH), dtype=np.float32)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        for row, values in enumerate(pool.map(_features, items)):
            features_ND[row] = values
    return features_ND


def _features(item: Any) -> np.ndarray:
    picture = decode(item).resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.concatenate([gradient_histogram(np.asarray(picture.convert("L"), dtype=np.float32)), _colours(picture)])


def gradient_histogram(grey_HW: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients of a SIDE × SIDE picture, flat; angles shared between the two nearest bins."""
    down_HW, right_HW = np.gradient(grey_HW)
    strength = np.hypot(down_HW, right_HW).reshape(-1)
    place = (np.arctan2(down_HW, right_HW).reshape(-1) % np.pi) * (ANGLES / np.pi)
    lower = np.floor(place).astype(int) % ANGLES
    share = place - np.floor(place)
    rows, columns = np.divmod(np.arange(SIDE * SIDE), SIDE)
    cells = SIDE // CELL
    start = ((rows // CELL) * cells + columns // CELL) * ANGLES
    size = cells * cells * ANGLES
    flat = np.bincount(start + lower, strength * (1 - share), size)
    flat += np.bincount(start + (lower + 1) % ANGLES, strength * share, size)
    bins = flat.reshape(cells, cells, ANGLES)
    energy = np.pad((bins**2).sum(axis=2), 1, mode="edge")
    around = sum(energy[i : i + cells, j : j + cells] for i in range(3) for j in range(3))
    return (bins / np.sqrt(around + 1.0)[:, :, None]).reshape(-1)


def _colours(picture: Image.Image) -> np.ndarray:
    channels = np.asarray(picture.convert("HSV")).reshape(-1, 3)
    bins = (channels.astype(int) * COLOUR_BINS) // 256
    counts = [np.bincount(bins[:, channel], minlength=COLOUR_BINS) for channel in range(3)]
    return np.sqrt(np.concatenate(counts) / len(channels))
