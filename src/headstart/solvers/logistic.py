"""L2-regularised logistic regression over a path of C, warm-started from strong to weak regularisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from headstart.errors import DataError, OptionError
from headstart.solvers.arrays import Array, Chunks, check_labels
from headstart.solvers.lbfgs import Minimum, minimise
from headstart.solvers.objective import Problem, curvatures, losses, problem_of
from headstart.solvers.space import Space, space_of

ClassWeight = Literal["balanced"] | None
DEFAULT_CS = tuple(float(c) for c in np.logspace(-2, 5, 15))
LIMIT = 1000  # evaluations for one value of C; a path takes a few dozen
NOISE = {np.float32: 1e-6, np.float64: 1e-14}  # relative error of a summed loss


@dataclass(frozen=True, slots=True)
class Fitted:
    """Weights r × M and bias M of one problem in the space's coordinates."""

    weight_rM: Array
    bias_M: Array
    converged: bool = True


@dataclass(frozen=True, slots=True)
class LogisticPath:
    """One fit per C (ascending): `weight_CKD` and `bias_CK` give logits for raw features; `converged_C` is false
    where the solver gave up.
    """

    Cs: tuple[float, ...]
    weight_CKD: Array
    bias_CK: Array
    converged_C: Array


def logistic_path(
    features: Array | Chunks,
    labels: Array,
    *,
    Cs: Sequence[float] = DEFAULT_CS,
    classes: int | None = None,
    class_weight: ClassWeight = None,
    tolerance: float = 1e-12,
) -> LogisticPath:
    """Minimise C·Σ loss + ½‖W‖² for each C: softmax for labels N (0 … K−1), a sigmoid per column for labels N × K of
    zeros and ones.

    `features` N × D are centred and divided by one number, their root mean squared row length, before the penalty is
    applied; on features scaled like that the fit equals scikit-learn's LogisticRegression, two classes (one sigmoid)
    included. Weights come back for raw features. `tolerance`: mean loss, in nats, still to be gained when the solver
    stops. Raises DataError on NaN, on rows that do not match, and OptionError on a C that is not above zero.
    """
    space, checked = space_of(features), check_labels(labels, classes)
    check_rows(space, len(checked))
    problem = problem_of(checked, np.ones(space.n, bool), balanced=class_weight == "balanced")
    steps = list(fit_path(space, [problem], sorted(Cs), tolerance=tolerance))
    folded = [space.to_features(*problem.expand(step[0].weight_rM, step[0].bias_M)) for step in steps]
    return LogisticPath(
        tuple(sorted(Cs)),
        np.stack([weight for weight, _ in folded]),
        np.stack([bias for _, bias in folded]),
        np.array([step[0].converged for step in steps]),
    )


def check_rows(space: Space, n_labels: int) -> None:
    """Raise DataError where features and labels differ in length."""
    if space.n != n_labels:
        raise DataError(f"labels: {n_labels} for {space.n} rows of features. Pass one label per example.")


def fit_path(
    space: Space,
    problems: Sequence[Problem],
    Cs: Sequence[float],
    *,
    tolerance: float,
    starts: Sequence[Fitted] | None = None,
) -> Iterator[list[Fitted]]:
    """Solve all problems for one C after the other, each from where the last one ended; yields one list per C."""
    if not Cs or not min(Cs) > 0:
        raise OptionError(f"Cs: {list(Cs)} must be one or more numbers above zero.")
    rank = len(space.sigma_r)
    fits = list(starts) if starts else [Fitted(np.zeros((rank, p.width)), p.start_bias()) for p in problems]
    for C in Cs:
        bends = curvatures(space, problems, [f.weight_rM for f in fits], [f.bias_M for f in fits])
        fits = _solve(space, problems, C, fits, bends, tolerance)
        yield fits


def _solve(
    space: Space,
    problems: Sequence[Problem],
    C: float,
    starts: Sequence[Fitted],
    bends: Sequence[Array],
    tolerance: float,
) -> list[Fitted]:
    """Run one minimiser per problem in lockstep: every pass over the rows serves all that still move."""
    scales, waiting, done, searches = [], {}, {}, []
    for i, (problem, start, bend_M) in enumerate(zip(problems, starts, bends, strict=True)):
        # Along the scatter's axes the Hessian is about C·p(1−p)·σ + 1, so this scaling brings it near the identity.
        rows_share = problem.total / space.n
        scale = 1 / np.sqrt(
            C * np.maximum(bend_M, 1e-3 / space.n) * np.append(space.sigma_r * rows_share, problem.total)[:, None] + 1
        )
        search = minimise(
            (np.vstack([start.weight_rM, start.bias_M]) / scale).ravel(),
            tolerance=tolerance * C * problem.total, noise=NOISE[space.precision], limit=LIMIT,
        )  # fmt: skip
        scales.append(scale)
        searches.append(search)
        if problem.width:
            waiting[i] = next(search)
        else:
            done[i] = Minimum(np.zeros(0), 0, converged=True)
    while waiting:
        active = list(waiting)
        points = [waiting[i].reshape(scales[i].shape) * scales[i] for i in active]
        found = losses(space, [problems[i] for i in active], [p[:-1] for p in points], [p[-1] for p in points])
        for i, point, (loss, gradient_rM, gradient_M) in zip(active, points, found, strict=True):
            value = C * loss + 0.5 * float((point[:-1] ** 2).sum())
            gradient = np.vstack([C * gradient_rM + point[:-1], C * gradient_M]) * scales[i]
            try:
                waiting[i] = searches[i].send((value, gradient.ravel()))
            except StopIteration as ended:
                done[i] = ended.value
                del waiting[i]
    ends = [done[i].point.reshape(scales[i].shape) * scales[i] for i in range(len(problems))]
    # A softmax does not see a constant added to all columns, so rounding may let one grow: the answer has none.
    ends = [end if p.sigmoid else end - end.mean(1, keepdims=True) for end, p in zip(ends, problems, strict=True)]
    return [Fitted(end[:-1], end[-1], done[i].converged) for i, end in enumerate(ends)]
