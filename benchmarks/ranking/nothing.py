"""Random labels: does any score see signal, and do useless wide features ever rank above useful narrow ones?

    python benchmarks/ranking/nothing.py [--draws 20]

Features are Gaussian with a decaying spectrum, as those of networks are. A score sees signal if it lies above all of twenty
permutations by more than three of their standard deviations.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from headstart.choose.evidence import NEED_SOURCE, SCORES, Sample, weigh
from headstart.data.split import inner_folds

SIZES = ((100, 64), (100, 2048), (200, 768), (400, 256), (400, 2048))
KINDS = tuple(name for name in SCORES if name not in NEED_SOURCE)
CLASSES = 4


def main() -> None:
    """Print how far from chance each score is, and who wins."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--draws", type=int, default=20)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    table = Table(
        title=f"random labels, {chosen.draws} draws: mean distance from chance in standard deviations, and draws taken for signal"
    )
    for heading in ("score", *(f"N {n}, D {d}" for n, d in SIZES), "useful 32 wide ahead of useless 2048"):
        table.add_column(heading)
    found = {kind: [] for kind in KINDS}
    for n, d in SIZES:
        standing = {kind: [] for kind in KINDS}
        for _ in range(chosen.draws):
            for kind, one in scored(features(n, d, rng), rng.integers(0, CLASSES, n)).items():
                standing[kind].append((one.above / max(one.spread, 1e-12), one.is_signal))
        for kind in KINDS:
            mean = np.mean([value for value, _ in standing[kind]])
            found[kind].append(f"{mean:+.2f}, {sum(seen for _, seen in standing[kind])}")
        print(f"N {n}, D {d}: done", flush=True)
    ahead = dict.fromkeys(KINDS, 0)
    for _ in range(chosen.draws):
        labels = rng.integers(0, CLASSES, 200)
        useful = features(200, 32, rng) + 0.5 * rng.normal(size=(CLASSES, 32))[labels]
        good, useless = scored(useful, labels), scored(features(200, 2048, rng), labels)
        for kind in KINDS:
            ahead[kind] += good[kind].above > useless[kind].above
    for kind in KINDS:
        table.add_row(kind, *found[kind], f"{ahead[kind]} of {chosen.draws}")
    Console(width=130).print(table)


def features(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Features that know nothing of any label."""
    spread = 1 / np.sqrt(1 + np.arange(d))
    return rng.normal(size=(n, d)) * spread


def scored(rows: np.ndarray, labels: np.ndarray):
    """Every score of the features."""
    groups = np.arange(len(labels))
    sample = Sample(labels, groups, inner_folds(labels, groups, k=5, seed=0))
    return weigh(rows.astype(np.float32), [("last", rows.shape[1])], sample, scores=KINDS).scores


if __name__ == "__main__":
    main()
