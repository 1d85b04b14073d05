"""Scores beside transformer-ranker's, on the same features: how well they order candidates, and what they make of nothing.

    python benchmarks/ranking/rival.py --data DATA --work WORK --environments ENVS

transformer-ranker is made for texts; its estimators take any features. `nothing` are random features of growing width with
random labels: whoever rises with the width sees what is not there. Reads what `truth.py` left.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ranking import Ground, interval
from rich.console import Console
from rich.table import Table
from zoo import IMAGE_SETS, TEXT_SETS, draw, target

from headstart.choose.evidence import Sample, weigh
from headstart.choose.scores import logme
from headstart.data.split import inner_folds
from headstart.features.store import Features

sys.path.append(str(Path(__file__).parents[1]))
from environments import rival

WIDTHS = (64, 256, 1024)
NOTHING, DRAWS_OF_NOTHING = 200, 5
KINDS = ("hscore", "logme", "knn")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--environments", type=Path, required=True)
    chosen = parser.parse_args()
    arrays = dict(nothing())
    grounds = {
        title: Ground(sets, ("probe", "partial", "full"))
        for title, sets in (("pictures", IMAGE_SETS), ("texts", TEXT_SETS))
    }
    for ground in grounds.values():
        arrays |= dict(real(ground, chosen.data, chosen.work))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npz"
        np.savez(path, **arrays)
        found = rival(
            "transformer-ranker", "transformer_ranker_scores.py", path, environments=chosen.environments
        ).figures
    Console(width=100).print(table_of_nothing(found, arrays))
    for title, ground in grounds.items():
        Console(width=100).print(table_of_order(title, ground, found))


def nothing() -> Iterator[tuple[str, np.ndarray]]:
    """Random features of each width with random labels, and useful narrow ones beside them."""
    rng = np.random.default_rng(0)
    for number in range(DRAWS_OF_NOTHING):
        labels = rng.integers(0, 4, NOTHING)
        for width in WIDTHS:
            yield f"features/nothing/{width}/{number}", rng.normal(size=(NOTHING, width)).astype(np.float32)
            yield f"labels/nothing/{width}/{number}", labels
        useful = rng.normal(size=(NOTHING, 64)) + 0.6 * rng.normal(size=(4, 64))[labels]
        yield f"features/useful/64/{number}", useful.astype(np.float32)
        yield f"labels/useful/64/{number}", labels


def real(ground: Ground, data: Path, work: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Last-stage features of every candidate's training examples, draw 0."""
    for name in ground.sets:
        found = target(data, name)
        rows = draw(found, 0).train
        for model in ground.models[name]:
            folder = work / "features" / name / model
            features = Features.open(folder)
            assert features is not None
            width = json.loads((folder / "about.json").read_text())["widths"][-1]
            yield f"features/{name}/{model}", features.take(rows)[:, -width:]
            yield f"labels/{name}/{model}", found.labels_N[rows]


def table_of_nothing(found: dict, arrays: dict[str, np.ndarray]) -> Table:
    """What each score gives to features that mean nothing."""
    table = Table(title=f"{NOTHING} examples of four classes; means over {DRAWS_OF_NOTHING} draws")
    for heading in (
        "features",
        "transformer-ranker hscore",
        "its logme",
        "its knn",
        "logme here",
        "above chance here",
        "spread of chance",
    ):
        table.add_column(heading, justify="left" if heading == "features" else "right")
    for kind, width in (("useful", 64), *(("nothing", width) for width in WIDTHS)):
        names = [f"{kind}/{width}/{number}" for number in range(DRAWS_OF_NOTHING)]
        theirs = [np.nanmean([np.array(found[name][score][0], float) for name in names]) for score in KINDS]
        ours = np.mean([logme(arrays[f"features/{name}"], arrays[f"labels/{name}"]) for name in names])
        above = [here(arrays[f"features/{name}"], arrays[f"labels/{name}"]) for name in names]
        spread = np.mean([one.spread for one in above])
        table.add_row(
            f"{kind}, {width} wide",
            *(f"{value:.2f}" for value in theirs),
            f"{ours:.2f}",
            f"{np.mean([one.above for one in above]):+.3f}",
            f"{spread:.3f}",
        )
    return table


def here(features: np.ndarray, labels: np.ndarray):
    """Ridge above chance."""
    groups = np.arange(len(labels))
    sample = Sample(labels, groups, inner_folds(labels, groups, k=5, seed=0))
    return weigh(features, [("last", features.shape[1])], sample, scores=("ridge",)).scores["ridge"]


def table_of_order(title: str, ground: Ground, found: dict) -> Table:
    """Weighted τ and regret on draw 0, ours fused as `ranking.py` does."""
    from headstart.choose.fusion import weighted_tau

    table = Table(title=f"{title}: candidates in order, draw 0")
    for heading in ("order", "weighted τ", "headstart ahead by", "top-1 regret, points"):
        table.add_column(heading, justify="left" if heading == "order" else "right", no_wrap=True)
    fused = ground.fused()
    orders = {"headstart": {name: fused(name, "0") for name in ground.sets}}
    for kind in KINDS:
        orders[f"transformer-ranker {kind}"] = {
            name: np.array([found[f"{name}/{model}"][kind][0] for model in ground.models[name]], float)
            for name in ground.sets
        }
    measured = {}
    for called, by_set in orders.items():
        taus = np.array(
            [weighted_tau(np.nan_to_num(by_set[name], nan=-1e9), ground.worth[name]) for name in ground.sets]
        )
        regrets = np.array(
            [
                100 * (ground.worth[name].max() - ground.worth[name][np.nan_to_num(by_set[name], nan=-1e9).argmax()])
                for name in ground.sets
            ]
        )
        measured[called] = (taus, regrets)
    first = measured["headstart"][0]
    for called, (taus, regrets) in measured.items():
        ahead = "" if called == "headstart" else interval(first - taus)
        table.add_row(called, f"{taus.mean():.3f}", ahead, f"{regrets.mean():.2f}")
    return table


if __name__ == "__main__":
    main()
