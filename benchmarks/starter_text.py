"""What `starter:words` is worth with few labels: probes on it, on its random twin and on MiniLM, beside TF-IDF.

    python benchmarks/starter_text.py --data DATA [--words starter:words] [--per-class 16] [--draws 10] [--json FILE]

DATA holds NAME/train.csv and NAME/test.csv with text and label. Each draw takes some training texts of each class; all
contestants get the same ones, and choose their regularisation on the same five folds of them. The way closed is how far
the starter gets from TF-IDF with logistic regression to the probe on MiniLM (extra offline-text), of the means over draws.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from starter import interval, twin

from headstart.data.split import inner_folds
from headstart.features.extract import feature_chunks
from headstart.models.backbone import Backbone
from headstart.models.resolve import load_backbone
from headstart.runtime import generator, place
from headstart.solvers import cross_validated_probe

SETS = ("sst2", "trec6", "banking77")
STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Of the logistic regression on TF-IDF."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A data set: training and test texts with numbered labels, and the rows of each draw."""

    train: list[str]
    train_labels_N: np.ndarray
    test: list[str]
    test_labels_M: np.ndarray
    draws: list[np.ndarray]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME/train.csv and NAME/test.csv")
    parser.add_argument("--words", default="starter:words", help="the starter: a spec or folder")
    parser.add_argument("--sets", nargs="+", default=SETS, help="data sets")
    parser.add_argument("--per-class", type=int, default=16, help="labels of each class")
    parser.add_argument("--draws", type=int, default=10, help="draws of the training texts")
    parser.add_argument("--json", type=Path, help="keep the accuracy of each draw here")
    chosen = parser.parse_args()
    words = load_backbone(chosen.words)
    backbones = {"random twin": twin(words, 0), "starter": words, "MiniLM": load_backbone("minilm")}
    found = {}
    for name in chosen.sets:
        texts = read(chosen.data / name, chosen.per_class, chosen.draws)
        found[name] = {"TF-IDF": tfidf(texts)}
        found[name] |= {called: probed(texts, backbone) for called, backbone in backbones.items()}
    if chosen.json:
        chosen.json.write_text(json.dumps({name: {k: v.tolist() for k, v in row.items()} for name, row in found.items()}))
    Console(width=130).print(table(found, chosen.per_class, chosen.draws))


def table(found: dict[str, dict[str, np.ndarray]], per_class: int, draws: int) -> Table:
    """A row for each data set."""
    drawn = Table(title=f"{per_class} texts per class, {draws} draws: test accuracy, mean and 95 % interval over draws")
    for heading in ("data set", "TF-IDF", "random twin", "starter", "MiniLM", "way closed"):
        drawn.add_column(heading, justify="left" if heading == "data set" else "right", no_wrap=True)
    for name, row in found.items():
        low, here, high = (float(row[called].mean()) for called in ("TF-IDF", "starter", "MiniLM"))
        cells = [interval(row[called]) for called in ("TF-IDF", "random twin", "starter", "MiniLM")]
        drawn.add_row(name, *cells, f"{(here - low) / (high - low):.0%}")
    return drawn


def read(folder: Path, per_class: int, draws: int) -> Texts:
    """A data set with its draws; a class with fewer texts gives all it has."""
    (train, names), (test, test_names) = (_column(folder / f"{part}.csv") for part in ("train", "test"))
    classes = {name: number for number, name in enumerate(sorted(set(names)))}
    labels_N = np.array([classes[name] for name in names])
    rows = []
    for seed in range(draws):
        rng = generator(seed, "texts")
        of = [np.flatnonzero(labels_N == number) for number in range(len(classes))]
        rows.append(np.sort(np.concatenate([rng.choice(own, min(per_class, len(own)), replace=False) for own in of])))
    return Texts(train, labels_N, test, np.array([classes[name] for name in test_names]), rows)


def tfidf(texts: Texts) -> np.ndarray:
    """The accuracy on each draw of logistic regression on TF-IDF of words, its strength chosen on the folds."""
    found = []
    for rows in texts.draws:
        labels_n, some = texts.train_labels_N[rows], [texts.train[row] for row in rows]
        scores = dict.fromkeys(STRENGTHS, 0)
        for inner, outer in _folds(labels_n):
            seen, unseen = _vectors([some[row] for row in inner], [some[row] for row in outer])
            for strength in STRENGTHS:
                fitted = LogisticRegression(C=strength, max_iter=2000).fit(seen, labels_n[inner])
                scores[strength] += int((fitted.predict(unseen) == labels_n[outer]).sum())
        seen, unseen = _vectors(some, texts.test)
        fitted = LogisticRegression(C=max(scores, key=lambda strength: scores[strength]), max_iter=2000)
        found.append((fitted.fit(seen, labels_n).predict(unseen) == texts.test_labels_M).mean())
    return np.array(found)


def probed(texts: Texts, backbone: Backbone) -> np.ndarray:
    """The accuracy on each draw of a probe on the backbone's features."""
    needed = np.unique(np.concatenate(texts.draws))
    train_nD, test_MD = (_features(some, backbone) for some in ([texts.train[row] for row in needed], texts.test))
    classes, found = int(texts.train_labels_N.max()) + 1, []
    for rows in texts.draws:
        labels_n, features_nD = texts.train_labels_N[rows], train_nD[np.searchsorted(needed, rows)]
        probe = cross_validated_probe(features_nD, labels_n, folds=_folds(labels_n), classes=classes)
        found.append((probe.logits(test_MD).argmax(1) == texts.test_labels_M).mean())
    return np.array(found)


def _features(texts: Sequence[str], backbone: Backbone) -> np.ndarray:
    return np.concatenate(list(feature_chunks(texts, backbone, decode=str, placement=place())))


def _folds(labels_n: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.asarray(a), np.asarray(b)) for a, b in inner_folds(labels_n.tolist(), list(range(len(labels_n))), k=5, seed=0)]


def _vectors(seen: list[str], unseen: list[str]) -> tuple[np.ndarray, np.ndarray]:
    vectorizer = TfidfVectorizer()
    return vectorizer.fit_transform(seen), vectorizer.transform(unseen)


def _column(path: Path) -> tuple[list[str], list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


if __name__ == "__main__":
    main()
