"""Exact solvers on features: ridge with leave-one-out, logistic regression over a path, nearest neighbours.

Pure: arrays in, arrays out. Features come as an array, or as `Chunks` (a callable that starts a fresh pass over
blocks of rows) where they do not fit into memory. Reading order: `arrays`, `ridge`, `lbfgs`, `logistic`, `probe`.
"""

from __future__ import annotations

from headstart.solvers.arrays import Array, Chunks, one_hot
from headstart.solvers.knn import knn_loo
from headstart.solvers.logistic import LogisticPath, logistic_path
from headstart.solvers.probe import ProbeFit, cross_validated_probe
from headstart.solvers.ridge import RidgePath, loo_accuracy, ridge_loo

__all__ = [
    "Array",
    "Chunks",
    "LogisticPath",
    "ProbeFit",
    "RidgePath",
    "cross_validated_probe",
    "knn_loo",
    "logistic_path",
    "loo_accuracy",
    "one_hot",
    "ridge_loo",
]
