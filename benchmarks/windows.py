"""Long texts: windows against cutting the end off, with the same encoder, probe and texts, and what windows cost.

    python benchmarks/windows.py --data DATA [--examples 120] [--sentences 36]

DATA holds sst2/train.csv and sst2/test.csv. A long text is made of so many sentences of film reviews, three in five of them of the sentiment
that is its label: every stretch of it tells a little, and the whole tells most. The encoder is the one of the extra offline-text, whose
windows hold 256 tokens.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from headstart.data.split import inner_folds
from headstart.features.extract import feature_chunks
from headstart.models.minilm import load
from headstart.prove.estimate import proportion
from headstart.runtime import generator, place
from headstart.solvers import cross_validated_probe

SHARE = 0.6


def long_texts(table: pd.DataFrame, count: int, sentences: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Texts of so many sentences, and whether most of them are positive."""
    by_label = {label: rows.text.to_numpy() for label, rows in table.groupby("label")}
    labels, own = np.arange(count) % 2, round(SHARE * sentences)
    texts = []
    for label in labels:
        mine, other = ("positive", "negative") if label else ("negative", "positive")
        drawn = [*rng.choice(by_label[mine], own, replace=False), *rng.choice(by_label[other], sentences - own, replace=False)]
        texts.append(". ".join(rng.permutation(drawn)))
    return texts, labels


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=120, help="to train on, and as many to test on")
    parser.add_argument("--sentences", type=int, default=36)
    given = parser.parse_args()
    rng = generator(0, "windows")
    parts = {
        name: long_texts(pd.read_csv(given.data / "sst2" / f"{name}.csv"), given.examples, given.sentences, rng) for name in ("train", "test")
    }
    backbone, placement = load(), place()
    for name, preprocess in (("windows", backbone.preprocess), ("end cut off", backbone.preprocess.in_one_window())):
        backbone.preprocess = preprocess
        counts = [len(preprocess.prepare(text).windows) for text in parts["test"][0]]
        began, cpu = time.perf_counter(), time.process_time()
        features = {
            part: np.concatenate(list(feature_chunks(texts, backbone, decode=lambda text: text, placement=placement)))
            for part, (texts, _) in parts.items()
        }
        took, took_cpu = time.perf_counter() - began, time.process_time() - cpu
        folds = inner_folds(parts["train"][1], None, k=4, seed=0)
        probe = cross_validated_probe(features["train"], parts["train"][1], folds=folds)
        right = (features["test"] @ probe.weight_KD.T + probe.bias_K).argmax(1) == parts["test"][1]
        figure = proportion(int(right.sum()), len(right))
        print(
            f"{name:<12} {np.mean(counts):.1f} windows per text  accuracy {figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})  "
            f"extraction {took:.1f} s, {took_cpu:.1f} s of processor"
        )


if __name__ == "__main__":
    main()
