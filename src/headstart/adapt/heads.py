"""The heads at both ends of a training: a soft one to start from, and one solved exactly on what the features became."""

from __future__ import annotations

import numpy as np

from headstart.adapt.finetune import predict_features
from headstart.adapt.network import Network
from headstart.adapt.probe import features_source, solve_probe
from headstart.adapt.workbench import Folds, Workbench
from headstart.features.store import AnyFeatures
from headstart.solvers import Array

SOLVED_UP_TO = 2000
"""With so many examples a head has had steps enough, and another pass over all of them would be paid for little."""


def starting_head(bench: Workbench, features: AnyFeatures, rows: np.ndarray, folds: Folds) -> tuple[Array, Array]:
    """Weight (K, D) and bias (K,) of a head to start training from, softer than the best probe.

    LP-FT (Kumar et al. 2022) starts from the probe itself, to protect the features. The best probe on a few examples
    answers all of them with near certainty, though: it leaves no gradient, and features stay as they are.
    """
    best = solve_probe(bench, features, rows, folds)
    source, solver = features_source(features, rows), bench.task.solver
    return solver.soften(source, bench.targets[rows], best, outputs=bench.outputs)


def solve_head(network: Network, backbone: str, bench: Workbench, rows: np.ndarray) -> None:
    """Give a trained network the head that is exactly solved on its features of the training `rows`.

    A head that was trained for a few dozen steps lags behind the features that moved under it.
    """
    features_ND = predict_features(network, bench.prepared(backbone), rows, bench.placement_of(backbone, training=True))
    network.set_head(*bench.task.solver.settle(features_ND, bench.targets[rows], outputs=bench.outputs))
