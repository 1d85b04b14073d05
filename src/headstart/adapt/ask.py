"""Which settings to try next: Optuna's tree-structured Parzen estimator, rebuilt each time from the finished trials."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.adapt.space import Between, Knob, Settings, Space

BACKBONE = "backbone"
STARTUP = 3
"""Trials before the estimator is asked at all: the portfolio is ahead of it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A trial of a strategy as the estimator sees it: where, with what, and its place among the others (0 is the worst).

    A place of None means that it is running now.
    """

    backbone: str
    chosen: Settings
    place: int | None


def ask(space: Space, backbone: str, seen: Sequence[Seen], *, pinned: Settings, seed: int) -> dict[str, Any]:
    """Values for all of `space` that are worth a trial on `backbone`, those in `pinned` as they are.

    A function of its arguments: nothing is kept between calls, so that a run that is taken up again asks the same.
    Trials on other backbones inform the choice (one joint space). Only the order of their results counts. Source:
    Bergstra et al. 2011, section 4; Falkner et al. 2018, section 3.2, for the joint density.
    """
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = sorted({backbone, *(trial.backbone for trial in seen)})
    distributions = {name: _distribution(knob) for name, knob in space.items() if name not in pinned}
    distributions[BACKBONE] = optuna.distributions.CategoricalDistribution(names)
    with warnings.catch_warnings():
        # The joint density and the fixed part are years old and still called experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed % 2**32, multivariate=True, n_startup_trials=STARTUP)
        fixed = optuna.samplers.PartialFixedSampler({BACKBONE: backbone}, sampler)
    study = optuna.create_study(sampler=fixed, direction="maximize")
    for trial in seen:
        known = {name: trial.chosen[name] for name in distributions if name in trial.chosen}
        if len(known) + 1 < len(distributions) or not all(space[name].holds(value) for name, value in known.items()):
            continue  # a value outside the range, which a user pinned, or settings of an older version
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING if trial.place is None else TrialState.COMPLETE,
                params={**known, BACKBONE: trial.backbone},
                distributions=distributions,
                value=None if trial.place is None else float(trial.place),
            )
        )
    asked = study.ask(distributions).params
    return {**{name: asked[name] for name in space if name in asked}, **{n: v for n, v in pinned.items() if n in space}}


def _distribution(knob: Knob) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(knob, Between):
        return FloatDistribution(knob.low, knob.high, log=True)
    return CategoricalDistribution(knob.options)
