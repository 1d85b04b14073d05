"""One trial from its spec to its outcome, wherever it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from headstart.adapt.memory import in_plain_words
from headstart.adapt.strategies import strategy_named
from headstart.adapt.trial import Spec, Validated
from headstart.adapt.watch import OutOfTime, Watch
from headstart.adapt.workbench import Folds, StepKey, Workbench
from headstart.errors import ModelError, OutOfMemory
from headstart.events import Event
from headstart.features.way import Way
from headstart.runtime import child_seed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial: what validation saw and its values, or why it failed, or that its time was over.

    `step_seconds` is what its steps took, for the planning of others; `said` what was told on the way in another process.
    """

    seconds: float
    validated: Validated | None
    values: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    out_of_time: bool = False
    step_seconds: Mapping[StepKey, float] = field(default_factory=dict)
    said: tuple[Event, ...] = ()


def conduct(
    bench: Workbench,
    spec: Spec,
    rows: np.ndarray,
    folds: Folds,
    *,
    seed: int,
    seconds_left: float,
    watch: Watch,
    ways: Mapping[str, Way] | None = None,
) -> Outcome:
    """Run the trial. A diverged training, too little memory, and a network that does not allow the strategy are failures, not
    errors. `ways` are those of the workbench now, which may have been sent before.
    """
    bench.ways.update(ways or {})
    began = time.monotonic()
    watch = replace(watch, ends=began + seconds_left)
    validated, values, error, over = None, {}, None, False
    try:
        with in_plain_words(f"{spec.strategy} on {spec.backbone}"):
            validated = strategy_named(spec.strategy).validate(spec, bench, rows, folds, seed=seed, watch=watch)
        values = bench.judge(validated.rows).values(validated.logits)
    except OutOfTime:
        over = True
    except (FloatingPointError, ModelError, OutOfMemory) as problem:
        validated, error = None, str(problem)
    seconds, said = time.monotonic() - began, tuple(bench.heard)
    bench.heard.clear()
    return Outcome(seconds, validated, values, error, over, dict(bench.step_seconds), said)


def seed_of(bench: Workbench, spec: Spec, fold: int) -> int:
    """The seed of a trial: a function of the run's seed and the spec, not of the order of trials."""
    return child_seed(bench.seed, spec.key(fold))
