"""Near-duplicate texts: min-hashes of character shingles, banded, then the true overlap (Broder 1997)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np

from headstart.data.clusters import Clusters

SHINGLE = 5
HASHES = 64
BANDS = 16
LEADERS = 256  # clusters of one bucket that a text is compared with, the latest first: keeps the work near linear
ALIKE = 0.9
"""Share of character shingles in common from which two texts count as near-duplicates."""

# Fixed, so that sketches of different runs agree; odd multipliers make the map one-to-one modulo 2**32.
_DRAW = np.random.default_rng(20_240_501)
_TIMES = _DRAW.integers(0, 2**31, HASHES, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
_PLUS = _DRAW.integers(0, 2**32, HASHES, dtype=np.uint32)


def shingles(text: str) -> np.ndarray:
    """Distinct hashes (uint32) of the text's character 5-grams, with case, punctuation and spacing taken away."""
    kept = "".join(letter if letter.isalnum() else " " for letter in text.casefold())
    codes = np.array([ord(letter) for letter in " ".join(kept.split())], dtype=np.uint32)
    if len(codes) < SHINGLE:
        return np.empty(0, dtype=np.uint32)
    rolling = np.zeros(len(codes) - SHINGLE + 1, dtype=np.uint32)
    for place in range(SHINGLE):
        rolling = rolling * np.uint32(0x01000193) + codes[place : place + len(rolling)]
    return np.unique(_mixed(rolling))


def minhash(text: str) -> np.ndarray | None:
    """The sketch (256 × uint8) of a text: its smallest shingle under 64 hashes; None below five characters."""
    grams = shingles(text)
    if not len(grams):
        return None
    lowest = np.full(HASHES, 0xFFFFFFFF, dtype=np.uint32)
    for start in range(0, len(grams), 1024):
        values = _mixed(grams[start : start + 1024, None] * _TIMES + _PLUS)
        lowest = np.minimum(lowest, values.min(axis=0))
    return lowest.view(np.uint8)


def near(sketches_NK: np.ndarray, text_of: Callable[[int], str]) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows whose texts share at least ALIKE of their shingles; enough of them to join every cluster.

    Within a bucket each text is compared with the first of each of its LEADERS latest clusters.
    """
    hashes_NH = sketches_NK.view(np.uint32)
    clusters = Clusters(len(hashes_NH))
    per_band = HASHES // BANDS
    for band in range(BANDS):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        columns = np.ascontiguousarray(hashes_NH[:, band * per_band : (band + 1) * per_band])
        for row in range(len(columns)):
            buckets[columns[row].tobytes()].append(row)
        for rows in buckets.values():
            if len(rows) > 1:
                yield from _joined(rows, hashes_NH, text_of, clusters)


def overlap(one: str, other: str) -> float:
    """The share of distinct shingles that two texts have in common (Jaccard)."""
    first, second = shingles(one), shingles(other)
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / max(1, len(first) + len(second) - common)


def _joined(
    rows: list[int], hashes_NH: np.ndarray, text_of: Callable[[int], str], clusters: Clusters
) -> Iterator[tuple[int, int]]:
    """Join the rows of one bucket that are alike, and yield each pair that brought two clusters together."""
    leaders: list[int] = []
    for row in rows:
        latest = leaders[-LEADERS:]
        agreeing = (hashes_NH[latest] == hashes_NH[row]).mean(axis=1) if latest else np.empty(0)
        # The estimate's error is about 0.04; what is clearly below is not worth a comparison.
        for place in np.flatnonzero(agreeing >= ALIKE - 0.15):
            leader = latest[place]
            if clusters.together(leader, row):
                break
            if overlap(text_of(leader), text_of(row)) >= ALIKE:
                clusters.join(leader, row)
                yield leader, row
                break
        else:
            leaders.append(row)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Scatter hashes over 32 bits (the finaliser of MurmurHash3)."""
    values = values ^ (values >> np.uint32(16))
    values = values * np.uint32(0x85EBCA6B)
    values = values ^ (values >> np.uint32(13))
    values = values * np.uint32(0xC2B2AE35)
    mixed: np.ndarray = values ^ (values >> np.uint32(16))
    return mixed
