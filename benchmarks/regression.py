"""Numbers and orders: `headstart.fit` beside scikit-learn on the same backbone's features, on the same parts, in the same run.

    python benchmarks/regression.py --data DATA [--model FOLDER] [--text-model minilm] [--sets angle size digits place]

| set | target | from |
|---|---|---|
| `angle` | by how many degrees a picture of a hand was turned, −60 to 60 | `sign_digits`, turned here, the same person on one side only where the data say so |
| `size` | side of a blood cell's crop in pixels before it is resized, √(width · height) | `bccd_cells` |
| `digits` | the digit that a hand shows, as an order | `sign_digits` |
| `place` | where in the book a passage of sixty words stands, in per cent | `tiny_shakespeare`, the end of it for the test by every fifth block |

The rival is RidgeCV with its own leave-one-out over thirteen penalties, for `digits` rounded to the nearest class and with
LogisticRegressionCV beside it, which knows of no order; both get the features that Headstart extracts (PretrainedFeatures), so that only what is
made of them differs. Errors are on the test
part; seconds are those of the step alone, extraction in each of them.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import headstart

ALPHAS = np.logspace(-3, 3, 13)
WORDS = 60
BLOCK = 20
"""Passages in a row that go to the same part: neighbours tell of each other."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Examples and targets to learn from and to test on; `task` as `headstart.fit` takes it."""

    train: list[object]
    train_targets: np.ndarray
    test: list[object]
    test_targets: np.ndarray
    task: str


def angle(data: Path, rng: np.random.Generator) -> Parts:
    """Hands turned by a random angle."""
    found = pictures(data, "sign_digits")

    def turned(part: str) -> tuple[list[object], np.ndarray]:
        kept = found[part]
        degrees = rng.uniform(-60, 60, len(kept))
        grey = tuple(int(value) for value in np.asarray(kept[0][0]).mean((0, 1)))
        return [
            picture.rotate(turn, Image.Resampling.BILINEAR, fillcolor=grey)
            for (picture, _), turn in zip(kept, degrees, strict=True)
        ], degrees

    return Parts(*turned("train"), *turned("test"), "regression")


def size(data: Path, rng: np.random.Generator) -> Parts:
    """Crops of blood cells."""
    found = pictures(data, "bccd_cells")

    def sides(part: str) -> tuple[list[object], np.ndarray]:
        return [one for one, _ in found[part]], np.array([np.sqrt(one.width * one.height) for one, _ in found[part]])

    return Parts(*sides("train"), *sides("test"), "regression")


def digits(data: Path, rng: np.random.Generator) -> Parts:
    """Hands that show a digit."""
    found = pictures(data, "sign_digits")

    def shown(part: str) -> tuple[list[object], np.ndarray]:
        return [one for one, _ in found[part]], np.array([float(label) for _, label in found[part]])

    return Parts(*shown("train"), *shown("test"), "ordinal")


def place(data: Path, rng: np.random.Generator) -> Parts:
    """Passages of a book."""
    text = (data / "tiny_shakespeare" / "train.txt").read_text(encoding="utf-8").split()
    passages = [" ".join(text[start : start + WORDS]) for start in range(0, len(text) - WORDS, WORDS)]
    where = 100 * np.arange(len(passages)) / len(passages)
    is_test = np.arange(len(passages)) // BLOCK % 5 == 4
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    return Parts([passages[i] for i in train], where[train], [passages[i] for i in test], where[test], "regression")


SETS: dict[str, Callable[[Path, np.random.Generator], Parts]] = {
    "angle": angle,
    "size": size,
    "digits": digits,
    "place": place,
}


def pictures(data: Path, name: str) -> dict[str, list[tuple[Image.Image, str]]]:
    """The pictures of a zip with their folders' names, by part."""
    found: dict[str, list[tuple[Image.Image, str]]] = {"train": [], "test": []}
    with zipfile.ZipFile(data / name / f"{name}.zip") as archive:
        for member in sorted(archive.namelist()):
            pieces = member.split("/")
            part = next((piece for piece in pieces if piece in found), None)
            if part and member.lower().endswith((".png", ".jpg", ".jpeg")):
                found[part].append((Image.open(io.BytesIO(archive.read(member))).convert("RGB"), pieces[-2]))
    return found


def some(parts: Parts, limit: int, rng: np.random.Generator) -> Parts:
    """At most `limit` examples to learn from, and as many to test on."""
    train = rng.permutation(len(parts.train))[:limit]
    test = rng.permutation(len(parts.test))[:limit]
    return Parts(
        [parts.train[i] for i in train], parts.train_targets[train], [parts.test[i] for i in test], parts.test_targets[test],
        parts.task,
    )  # fmt: skip


def figures(truth: np.ndarray, said: np.ndarray, seconds: float) -> dict[str, float]:
    """What is reported of one contestant."""
    return {
        "mae": float(mean_absolute_error(truth, said)),
        "r2": float(r2_score(truth, said)),
        "spearman": float(spearmanr(truth, said).statistic),
        "seconds": round(seconds, 1),
    }


def ridge(parts: Parts, model: str) -> np.ndarray:
    """scikit-learn's RidgeCV."""
    features = headstart.PretrainedFeatures(model)
    seen_ND = features.fit(parts.train).transform(parts.train)
    said = RidgeCV(alphas=ALPHAS).fit(seen_ND, parts.train_targets).predict(features.transform(parts.test))
    known = np.unique(parts.train_targets)
    return said if parts.task == "regression" else known[np.abs(said[:, None] - known).argmin(1)]


def logistic(parts: Parts, model: str) -> np.ndarray:
    """scikit-learn's logistic regression, standardised features, the regularisation by cross-validation."""
    features = headstart.PretrainedFeatures(model)
    seen_ND = features.fit(parts.train).transform(parts.train)
    found = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=np.logspace(-4, 1, 6), cv=4, max_iter=300))
    return np.asarray(found.fit(seen_ND, parts.train_targets).predict(features.transform(parts.test)))


def fitted(parts: Parts, model: str, strategies: list[str], trials: int) -> np.ndarray:
    """`headstart.fit` without a control; the test part is predicted by the model that it ships."""
    is_text = isinstance(parts.train[0], str)
    column = "text" if is_text else "image"
    labels = [f"{value:.9g}" for value in (*parts.train_targets, *parts.test_targets)]
    split = ["train"] * len(parts.train) + ["test"] * len(parts.test)
    table = pd.DataFrame({column: [*parts.train, *parts.test], "label": labels, "split": split})
    columns = {"text": column} if is_text else {"image": column}
    with tempfile.TemporaryDirectory() as folder:
        found = headstart.fit(
            table, label="label", split="split", models=model, task=parts.task, strategies=strategies, trials=trials,
            control="none", history=False, out=Path(folder) / "run", **columns,
        )  # fmt: skip
    rows = found.predict(parts.test).rows
    return np.array([float(row.labels[0]) if row.value is None else row.value for row in rows])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="starter:natural", help="for pictures")
    parser.add_argument("--text-model", default="minilm")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--limit", type=int, default=1200, help="examples to learn from, and to test on")
    parser.add_argument("--deeper", default="partial", help="the strategy that moves weights, or none")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    told = {}
    for name in chosen.sets:
        rng = np.random.default_rng(0)
        parts = some(SETS[name](chosen.data, rng), chosen.limit, rng)
        model = chosen.text_model if name == "place" else chosen.model
        ways: dict[str, Callable[[], np.ndarray]] = {
            "median": lambda parts=parts: np.full(len(parts.test), np.median(parts.train_targets)),
            "scikit-learn RidgeCV": lambda parts=parts, model=model: ridge(parts, model),
            "scikit-learn LogisticRegressionCV": lambda parts=parts, model=model: logistic(parts, model),
            "headstart, probe": lambda parts=parts, model=model: fitted(parts, model, ["probe"], 1),
        }
        if parts.task == "regression":
            del ways["scikit-learn LogisticRegressionCV"]
        if chosen.deeper != "none":
            ways[f"headstart, probe and {chosen.deeper}"] = lambda parts=parts, model=model: fitted(
                parts, model, ["probe", chosen.deeper], 2
            )
        table = Table(title=f"{name}: {len(parts.train)} to learn from, {len(parts.test)} to test on, {model}")
        for heading in ("contestant", "mae", "r2", "spearman", "seconds"):
            table.add_column(heading, justify="left" if heading == "contestant" else "right")
        told[name] = {}
        for called, way in ways.items():
            began = time.perf_counter()
            said = way()
            with np.errstate(all="ignore"):
                row = figures(parts.test_targets, said, time.perf_counter() - began)
            told[name][called] = row
            table.add_row(called, *(f"{row[key]:.3f}" if key != "seconds" else f"{row[key]:.1f}" for key in row))
        Console(width=110).print(table)
        if chosen.json:
            chosen.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
