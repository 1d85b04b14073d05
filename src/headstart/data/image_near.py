"""Near-duplicate pictures: neighbours among small grey sketches, confirmed in colour at twice the size.

Measured on nine sets of photographs, scans and digits: in the second look the nearest *different* pictures reach a
correlation of 0.95 (photographs), 0.991 (two pictures of one face) and 0.994 (8-pixel digits); copies at half the
size, or at two thirds as JPEG of quality 60, stay above 0.992, small pictures as JPEG of quality 75 mostly above
0.996. Crops and mirror images are not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain, product
from typing import Any

import numpy as np
from PIL import Image

from headstart.data.clusters import Clusters
from headstart.data.images import decode, is_stored, open_picture, to_rgb, upright
from headstart.data.items import item_name, raw_bytes

ALIKE = 0.99
CONFIRM_SIDE = 32
CONFIRMED = 0.992
SMALL_SIDE = 48  # pixels; smaller pictures hold too little for the laxer bound
CONFIRMED_SMALL = 0.996
MEAN_DIFFERENCE = 24.0  # grey levels, of 255
DIMENSIONS = 31
CELL_DIMENSIONS = 3
BANDS = (0.998, ALIKE)  # copies nearly always reach the first: pairs that do are confirmed before any that do not
RADIUS = float(np.sqrt(2 * (1 - ALIKE)))  # how far apart unit sketches that correlate by ALIKE are
SLACK = 1e-6  # of float32: bounds are never below what they bound
BLOCK, CHUNK = 512, 2048
SAMPLE = 4096  # sketches, evenly spaced, that the principal directions are taken from
HELD = 1 << 20  # candidate pairs of a block that are held at a time
AT_ONCE = 4096  # candidates between looks at who has been joined meanwhile
MISSES = 16  # confirmations that may fail per picture
AHEAD = [step for step in product((-1, 0, 1), repeat=CELL_DIMENSIONS) if step > (0,) * CELL_DIMENSIONS]
"""One of each pair of opposite steps to an adjacent cell."""

Cells = dict[tuple[int, ...], np.ndarray]


def near(sketches_NK: np.ndarray, item_of: Callable[[int], Any]) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows that show nearly the same picture; enough of them to join every cluster.

    No pair of sketches that correlate by ALIKE or more is overlooked (`_candidates`). Each is confirmed, the likeliest first (by BANDS, and
    within a block), unless its two are joined already, or each of them has had MISSES looks in vain: there are at most N joins and
    MISSES · N such looks, however many pictures look alike. Memory is that of the sketches, half as much again, and of one block.
    """
    if len(sketches_NK) < 2:
        return
    clusters, missed_N = Clusters(len(sketches_NK)), np.zeros(len(sketches_NK), dtype=np.int32)

    @lru_cache(maxsize=2048)
    def fine(row: int) -> tuple[np.ndarray, int]:
        return _fine(item_of(row))

    bounds_ND = _bounds(sketches_NK)
    cells, bands = _cells(bounds_ND[:, :CELL_DIMENSIONS]), zip(BANDS, (np.inf, *BANDS), strict=False)
    for pairs_P2 in chain.from_iterable(_candidates(sketches_NK, bounds_ND, cells, *band) for band in bands):
        joined = True
        while len(pairs_P2):
            if joined:
                pairs_P2 = pairs_P2[_apart(clusters, pairs_P2)]
            pairs_P2 = pairs_P2[missed_N[pairs_P2].min(1) < MISSES]
            joined = False
            for one, other in pairs_P2[:AT_ONCE].tolist():
                if clusters.together(one, other) or min(missed_N[one], missed_N[other]) >= MISSES:
                    continue
                if alike(fine(one), fine(other)):
                    clusters.join(one, other)
                    joined = True
                    yield one, other
                else:
                    missed_N[[one, other]] += 1
            pairs_P2 = pairs_P2[AT_ONCE:]


def alike(one: tuple[np.ndarray, int], other: tuple[np.ndarray, int]) -> bool:
    """Whether two pictures (RGB at CONFIRM_SIDE², and their shorter side) are near-duplicates."""
    (first, first_side), (second, second_side) = one, other
    if np.abs(first - second).mean() > MEAN_DIFFERENCE:
        return False
    a, b = first - first.mean(), second - second.mean()
    correlation = float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))
    return correlation >= (CONFIRMED if min(first_side, second_side) >= SMALL_SIDE else CONFIRMED_SMALL)


def _candidates(
    sketches_NK: np.ndarray, bounds_ND: np.ndarray, cells: Cells, least: float, below: float
) -> Iterator[np.ndarray]:
    """Yield all pairs (P × 2, the smaller row first) of sketches that correlate by `least` or more but less than `below`.

    Along each direction unit sketches that correlate by ALIKE or more are at most RADIUS apart: they lie in the same or in adjacent
    `cells`. Pairs of these cells are compared by a bound from above on the correlation of u and v, whose
    shares in the first DIMENSIONS are Pu and Pv and whose rest is Ru and Rv: Pu · Pv + |Ru| |Rv| (Cauchy and Schwarz), one product of
    matrices; and what passes by the correlation itself.
    """
    for cell, rows in cells.items():
        beyond = [other for step in AHEAD if (other := cells.get(tuple(np.add(cell, step).tolist()))) is not None]
        others = np.concatenate([rows, *beyond])
        for start in range(0, len(rows), BLOCK):
            # Each pair once: within a cell with the rows after it.
            block, rest, found = rows[start : start + BLOCK], others[start + 1 :], _Found()
            for begin in range(0, len(rest), CHUNK):
                chunk = rest[begin : begin + CHUNK]
                bound_nM = bounds_ND[block] @ bounds_ND[chunk].T
                if bound_nM.max() < least - SLACK:
                    continue
                one_P, other_P = np.nonzero(bound_nM >= least - SLACK)
                after = begin + other_P >= one_P  # rest[0] comes right after block[0]
                pairs_P2, likeness_P = _likeness(sketches_NK, block, chunk, one_P[after], other_P[after])
                within = (likeness_P >= least) & (likeness_P < below)
                found.add(pairs_P2[within], likeness_P[within])
                if found.count >= HELD:
                    yield found.taken()
            yield found.taken()


def _likeness(
    sketches_NK: np.ndarray, block: np.ndarray, chunk: np.ndarray, one_P: np.ndarray, other_P: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (P × 2) and correlations (P,) of pairs that are given as places in a block and a chunk."""
    ones, at_P = np.unique(one_P, return_inverse=True)
    others, beside_P = np.unique(other_P, return_inverse=True)
    likeness_nM = _unit(sketches_NK[block[ones]]) @ _unit(sketches_NK[chunk[others]]).T
    return np.stack([block[one_P], chunk[other_P]], 1), likeness_nM[at_P, beside_P]


class _Found:
    """Pairs that wait to be sorted."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []
        self.count = 0

    def add(self, pairs_P2: np.ndarray, likeness_P: np.ndarray) -> None:
        self._parts.append((pairs_P2, likeness_P))
        self.count += len(pairs_P2)

    def taken(self) -> np.ndarray:
        """What waited (P × 2), the likeliest first."""
        if not self.count:
            return np.empty((0, 2), dtype=np.int64)
        pairs_P2, likeness_P = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
        self._parts, self.count = [], 0
        ordered: np.ndarray = np.sort(pairs_P2[np.argsort(-likeness_P, kind="stable")], axis=1)
        return ordered


def _apart(clusters: Clusters, pairs_P2: np.ndarray) -> np.ndarray:
    """Which pairs (P,) are in two clusters."""
    rows, place = np.unique(pairs_P2, return_inverse=True)
    names_P2 = np.array([clusters.find(row) for row in rows.tolist()])[place.reshape(pairs_P2.shape)]
    apart: np.ndarray = names_P2[:, 0] != names_P2[:, 1]
    return apart


def _cells(places_ND: np.ndarray) -> Cells:
    """The rows in each cell of a grid of RADIUS."""
    numbers_ND = np.floor(places_ND / (RADIUS + SLACK)).astype(np.int64)
    cells_CD, cell_of, counts = np.unique(numbers_ND, axis=0, return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(cell_of.reshape(-1), kind="stable"), np.cumsum(counts)[:-1])
    return {tuple(cell): own for cell, own in zip(cells_CD.tolist(), rows, strict=True)}


def _bounds(sketches_NK: np.ndarray) -> np.ndarray:
    """Unit sketches in their first principal directions, and how long the rest is (N × DIMENSIONS + 1), block by block."""
    directions = _directions(_unit(sketches_NK[:: max(1, len(sketches_NK) // SAMPLE)]))
    bounds_ND = np.empty((len(sketches_NK), directions.shape[1] + 1), dtype=np.float32)
    for start in range(0, len(sketches_NK), BLOCK):
        own_nD = _unit(sketches_NK[start : start + BLOCK]) @ directions
        bounds_ND[start : start + BLOCK, :-1] = own_nD
        bounds_ND[start : start + BLOCK, -1] = np.sqrt(np.maximum(0, 1 - (own_nD**2).sum(1)) + SLACK)
    return bounds_ND


def _unit(sketches_NK: np.ndarray) -> np.ndarray:
    values = sketches_NK.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values


def _directions(unit_ND: np.ndarray) -> np.ndarray:
    """The first principal directions (D × DIMENSIONS) of unit sketches, the first one first."""
    centred = (unit_ND - unit_ND.mean(axis=0)).astype(np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    directions: np.ndarray = vectors[:, : -DIMENSIONS - 1 : -1].astype(np.float32)
    return directions


def _fine(item: Any) -> tuple[np.ndarray, int]:
    if is_stored(item):
        picture = open_picture(raw_bytes(item), item_name(item))
        side = min(picture.size)
        picture.draft("RGB", (2 * CONFIRM_SIDE, 2 * CONFIRM_SIDE))
        picture = to_rgb(upright(picture))
    else:
        picture = decode(item)
        side = min(picture.size)
    small = picture.resize((CONFIRM_SIDE, CONFIRM_SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32).reshape(-1), side
