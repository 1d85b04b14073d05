"""Whether the exact solvers take a million rows of features in bounded memory.

    python benchmarks/solvers.py --rows 100000 1000000 --width 1024

Synthetic features (float32, a few classes apart in a few directions, columns of falling size) are written in shards to a
temporary folder and removed afterwards: a million rows of 1,024 take 4 GB. Ridge (the whole path of penalties with exact
leave-one-out) and the cross-validated probe (logistic regression over a path of C) then stream them, each in a process of
its own, so that its peak memory is its own. Told are seconds, peak memory, and memory beyond what the labels and answers
take, which must not grow.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from environments import write_json

CLASSES, FOLDS = 4, 2
CS = (1e-2, 1.0, 1e2)
SOLVERS = ("ridge", "logistic")


def main() -> None:
    """Make features, solve, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=list(SOLVERS))
    parser.add_argument("--work", type=Path, help="where the temporary folder is made")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--one", nargs=2, metavar=("SOLVER", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(solved(chosen.one[0], Path(chosen.one[1]))))
        return
    found = []
    for rows in chosen.rows:
        with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
            write(Path(folder), rows, chosen.width)
            for solver in chosen.solvers:
                command = [sys.executable, __file__, "--one", solver, folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                figures = {"solver": solver, "rows": rows, "width": chosen.width} | json.loads(
                    done.stdout.splitlines()[-1]
                )
                found.append(figures)
                print(
                    f"{solver}, {rows:,} × {chosen.width:,}: {figures['seconds']:.1f} s ({figures['processor_s']:.1f} s of processor), peak {figures['peak_mib']:.0f} MiB "
                    f"({figures['before_mib']:.0f} before it began), right {figures['right']:.3f} by rows left out",
                    flush=True,
                )
    write_json(chosen.json, found)


def labels_of(rows: int) -> np.ndarray:
    """Classes at random."""
    return np.random.default_rng(1).integers(0, CLASSES, rows)


def write(folder: Path, rows: int, width: int) -> None:
    """Features whose class means lie apart in CLASSES directions by less than the spread."""
    from headstart.features.store import ROWS_PER_SHARD, FeatureWriter

    labels, writer = labels_of(rows), FeatureWriter(folder / "features", width=width)
    sizes = (np.arange(1, width + 1) ** -0.5).astype(np.float32)
    means = np.random.default_rng(0).normal(size=(CLASSES, width)).astype(np.float32) * 0.1
    for start in range(0, rows, ROWS_PER_SHARD):
        own = labels[start : start + ROWS_PER_SHARD]
        noise = np.random.default_rng((2, start)).standard_normal((len(own), width), dtype=np.float32)
        writer.add((means[own] + noise) * sizes)
    writer.close()


def solved(solver: str, folder: Path) -> dict[str, float]:
    """Seconds, peak memory, and the share of rows that are right when they are left out."""
    from headstart.features.store import Features
    from headstart.runtime import peak_memory_mib
    from headstart.solvers import cross_validated_probe, loo_accuracy, one_hot, ridge_loo

    features = Features.open(folder / "features")
    assert features is not None
    labels = labels_of(len(features))
    before, began, busy = peak_memory_mib(), time.perf_counter(), time.process_time()
    if solver == "ridge":
        right = loo_accuracy(ridge_loo(features.chunks, one_hot(labels, CLASSES)), labels)
    else:
        every = np.arange(len(labels))
        folds = [(every[every % FOLDS != fold], every[every % FOLDS == fold]) for fold in range(FOLDS)]
        probe = cross_validated_probe(features.chunks, labels, folds=folds, Cs=CS, classes=CLASSES)
        right = float((probe.held_out_logits_NK.argmax(1) == labels).mean())
    return {
        "seconds": time.perf_counter() - began,
        "processor_s": time.process_time() - busy,
        "before_mib": before,
        "peak_mib": peak_memory_mib(),
        "right": right,
    }


if __name__ == "__main__":
    main()
