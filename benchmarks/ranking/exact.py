"""LogME against the numerically maximised evidence, on random problems with fewer and with more examples than features.

    python benchmarks/ranking/exact.py [--problems 200]

The evidence of y ~ N(0, (I + FFᵀ/t)/β) is written down from its definition and maximised over t by scipy, at the best β for each t.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import optimize

from headstart.choose.scores import logme


def main() -> None:
    """Print the largest difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--problems", type=int, default=200)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    worst = {"N < D": 0.0, "N ≥ D": 0.0}
    count = dict.fromkeys(worst, 0)
    for _ in range(chosen.problems):
        n, d = int(rng.integers(15, 120)), int(rng.integers(2, 240))
        features = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d))
        target = rng.integers(0, 2) * features @ rng.normal(size=d) + rng.exponential(5) * rng.normal(size=n)
        kind = "N < D" if n < d else "N ≥ D"
        worst[kind] = max(worst[kind], abs(logme(features, target) - maximised(features, target)))
        count[kind] += 1
    for kind, value in worst.items():
        print(f"{kind}: {count[kind]} problems, largest difference {value:.1e} nats per example")


def maximised(features: np.ndarray, target: np.ndarray) -> float:
    """The largest evidence per example: a grid of log t, then scipy between the neighbours of its best point."""

    def negative(log_t: float) -> float:
        n = len(target)
        covariance = np.eye(n) + features @ features.T / np.exp(log_t)
        beta = n / (target @ np.linalg.solve(covariance, target))
        return float(0.5 * (np.log(2 * np.pi) - np.log(beta) + np.linalg.slogdet(covariance)[1] / n + 1))

    grid = np.linspace(-20, 30, 120)
    values = [negative(log_t) for log_t in grid]
    best = int(np.argmin(values))
    bounds = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    found = optimize.minimize_scalar(negative, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    return -min(found.fun, *values)


if __name__ == "__main__":
    main()
