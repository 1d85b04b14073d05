"""Exact solvers on features: ridge with leave-one-out, logistic regression over a path, nearest neighbours.

Pure: arrays in, arrays out. Features come as an array, or as `Chunks` (a callable that starts a fresh pass over
blocks of rows) where they do not fit into memory. Reading order: `arrays`, `ridge`, `spectrum`, `left_out`, `lbfgs`,
`logistic`, `probe`.
"""

from __future__ import annotations

from headstart.solvers.arrays import Array, Chunks, one_hot
from headstart.solvers.knn import knn_left_out, knn_loo
from headstart.solvers.left_out import LeftOut, ridge_draws_left_out, ridge_left_out
from headstart.solvers.logistic import DEFAULT_CS, LogisticPath, logistic_path
from headstart.solvers.neighbours import Nearest, directions, nearest
from headstart.solvers.probe import ProbeFit, cross_validated_probe
from headstart.solvers.ridge import RidgePath, loo_accuracy, ridge_loo
from headstart.solvers.selected import Tried, cross_validated_columns, group_scales, most_relevant, relevance
from headstart.solvers.spectrum import Spectrum, spectrum

__all__ = [
    "DEFAULT_CS",
    "Array",
    "Chunks",
    "LeftOut",
    "LogisticPath",
    "Nearest",
    "ProbeFit",
    "RidgePath",
    "Spectrum",
    "Tried",
    "cross_validated_columns",
    "cross_validated_probe",
    "directions",
    "group_scales",
    "knn_left_out",
    "knn_loo",
    "logistic_path",
    "loo_accuracy",
    "most_relevant",
    "nearest",
    "one_hot",
    "relevance",
    "ridge_draws_left_out",
    "ridge_left_out",
    "ridge_loo",
    "spectrum",
]
