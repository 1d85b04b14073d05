"""The verdict where there is nothing to find: how often is `helped` said of two arms that are equally good?

    python benchmarks/ranking/nulls.py [--draws 1000]

Two ways. `answers`: both arms answer each of n test examples right with the same chance, an easy example for both an easy one. `networks`:
both arms are probes on random features, another draw of the same family each, on scikit-learn's digits. Two particular networks
are never quite equal, so a verdict is called false where the other 1,397 digits do not bear it out.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
from sklearn.datasets import load_digits

from headstart.prove.compare import compare
from headstart.solvers import ridge_loo

TRAIN, TEST, WIDTH = 100, 300, 200


def main() -> None:
    """Print shares of words."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--draws", type=int, default=1000)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    for n in (50, 150, 600):
        for chance in (0.6, 0.8, 0.95):
            report(
                f"answers, {n} tested, {chance:.0%} right",
                Counter(answers(n, chance, rng) for _ in range(chosen.draws)),
            )
    digits = load_digits()
    report("networks, digits", Counter(networks(digits.data / 16, digits.target, rng) for _ in range(chosen.draws)))


def answers(n: int, chance: float, rng: np.random.Generator) -> str:
    """The verdict on two arms with the same chances, which vary from example to example."""
    chances = rng.beta(4 * chance, 4 * (1 - chance), n)
    first, second = rng.random((2, n)) < chances
    return compare(first, second, rng=rng).word


def networks(pixels: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> str:
    """The verdict on two random networks of one family, trained and tested alike; with `, truly` where the rest agrees."""
    rows = rng.permutation(len(labels))
    train, rest = rows[:TRAIN], rows[TRAIN:]
    first, second = (probe(pixels, labels, train, rest, rng) for _ in range(2))
    word = compare(first[:TEST], second[:TEST], rng=rng).word
    gain = first[TEST:].mean() - second[TEST:].mean()
    is_true = (word == "helped" and gain > 0) or (word == "hurt" and gain < 0)
    return f"{word}, truly" if is_true else word


def probe(
    pixels: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Whether a ridge probe on one draw of random features answers each test example right."""
    features = np.maximum(pixels @ rng.normal(size=(pixels.shape[1], WIDTH)) + rng.normal(size=WIDTH), 0)
    path = ridge_loo(features[train], np.eye(10)[labels[train]])
    return (features[test] @ path.weight_KD.T + path.bias_K).argmax(1) == labels[test]


def report(title: str, words: Counter) -> None:
    """One line: how often each word was said."""
    total = sum(words.values())
    print(
        f"{title:40s} " + ", ".join(f"{word} {count / total:.1%}" for word, count in sorted(words.items())),
        flush=True,
    )


if __name__ == "__main__":
    main()
