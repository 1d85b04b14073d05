"""L-BFGS as a generator: it asks for a value and a gradient, so that many problems can share one pass over the data."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from headstart.solvers.arrays import Array

Minimiser = Generator[Array, tuple[float, Array], "Minimum"]
MEMORY = 12  # pairs of steps and gradient changes kept
SLOPE = 1e-4  # share of the promised decrease that a step must keep (Armijo)


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where the search ended; `converged` is false where it ran out of evaluations."""

    point: Array
    evaluations: int
    converged: bool


def minimise(start: Array, *, tolerance: float, noise: float, limit: int) -> Minimiser:
    """Minimise a smooth convex function in coordinates whose curvature is about one.

    Yields points (the shape of `start`, one-dimensional) and is sent `(value, gradient)`; returns a Minimum once half
    the squared gradient, which is the decrease a Newton step would still bring, is at most `tolerance` (in units of
    the function), once no step can be told from rounding (`noise`: relative error of a value), or after `limit`
    evaluations. Source: Nocedal and Wright 2006, algorithm 7.4; acceptance near the optimum by slopes, Hager and
    Zhang 2005, eq. 4.1.
    """
    point = start
    value, gradient = yield point
    spent = 1
    pairs: deque[tuple[Array, Array, float]] = deque(maxlen=MEMORY)
    while gradient @ gradient > 2 * tolerance:
        step = _direction(gradient, pairs)
        slope, length = float(gradient @ step), 1.0
        while True:
            if spent >= limit:
                return Minimum(point, spent, converged=False)
            new_value, new_gradient = yield point + length * step
            spent += 1
            new_slope = float(new_gradient @ step)
            decreased = new_value <= value + SLOPE * length * slope
            flat = new_value <= value + noise * abs(value) and new_slope <= (2 * SLOPE - 1) * slope
            if decreased or flat:
                break
            if length * abs(slope) <= noise * abs(value):
                return Minimum(point, spent, converged=True)  # the decrease still to be had drowns in rounding
            # The slope's zero by interpolation, kept away from both ends.
            length *= float(np.clip(slope / min(slope - new_slope, -1e-300), 0.1, 0.5))
        moved, bent = length * step, new_gradient - gradient
        if (curvature := float(moved @ bent)) > 1e-12 * float(bent @ bent):
            pairs.append((moved, bent, curvature))
        point, value, gradient = point + moved, new_value, new_gradient
    return Minimum(point, spent, converged=True)


def _direction(gradient: Array, pairs: deque[tuple[Array, Array, float]]) -> Array:
    direction, shares = -gradient, []
    for moved, bent, curvature in reversed(pairs):
        share = float(moved @ direction) / curvature
        direction = direction - share * bent
        shares.append(share)
    if pairs:
        _, bent, curvature = pairs[-1]
        direction = direction * (curvature / float(bent @ bent))
    for (moved, bent, curvature), share in zip(pairs, reversed(shares), strict=True):
        direction = direction + (share - float(bent @ direction) / curvature) * moved
    return direction
