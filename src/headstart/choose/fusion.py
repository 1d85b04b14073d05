"""How much weight a target's own evidence has earned beside the prior, and both in one order (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.solvers import Array

SHARES = tuple(np.linspace(0, 1, 21))
"""Shares of evidence that are compared."""


@dataclass(frozen=True, slots=True)
class Case:
    """A past data set on which all is known: prior and evidence of its M models, and what they were worth in the end.

    All three come without a look at each other.
    """

    prior_M: Array
    evidence_M: Array
    worth_M: Array


def fuse(prior_M: Array, evidence_M: Array, share: float) -> Array:
    """Prior and evidence (each M) in one number: `share` of the evidence, the rest of the prior, both at unit spread."""
    return np.asarray((1 - share) * _unit(prior_M) + share * _unit(evidence_M))


def earned_share(cases: Sequence[Case], *, default: float) -> float:
    """The share of evidence that past data sets ask for; `default` without any, or where they do not contradict it.

    Shares are compared by the mean weighted Kendall τ over the cases. Of those that are within SURE standard errors of the
    best, paired over the cases, it is the one nearest to `default`: a handful of data sets tells little, and the best share on
    them alone is often luck. On a zoo of one kind the prior alone is nearly everything and evidence earns little; where sources
    differ, no order holds over data sets, and evidence earns nearly all.
    """
    if not cases:
        return default
    taus_SC = np.array([[_tau(case, share) for case in cases] for share in SHARES])
    best = int(taus_SC.mean(1).argmax())
    behind_SC = taus_SC[best] - taus_SC
    error_S = behind_SC.std(1, ddof=1) / np.sqrt(len(cases)) if len(cases) > 1 else np.zeros(len(SHARES))
    close = [
        share
        for share, behind, error in zip(SHARES, behind_SC.mean(1), error_S, strict=True)
        if behind <= SURE * error + TIE
    ]
    return float(min(close, key=lambda share: abs(share - default)))


SURE, TIE = 2.0, 1e-9
"""Standard errors by which past data sets must contradict the default; and what rounding may do."""


def weighted_tau(order_M: Array, worth_M: Array) -> float:
    """Weighted Kendall τ of an order with what models are worth; the best count most (Vigna 2015; as in You et al. 2021)."""
    from scipy.stats import weightedtau

    return float(weightedtau(order_M, worth_M, rank=None)[0])


def _tau(case: Case, share: float) -> float:
    return weighted_tau(fuse(case.prior_M, case.evidence_M, share), case.worth_M)


def _unit(values_M: Array) -> Array:
    centred_M = np.asarray(values_M, dtype=float) - np.mean(values_M)
    spread = float(centred_M.std())
    return np.asarray(centred_M / spread if spread > 0 else centred_M)
