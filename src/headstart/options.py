"""The options of a fit, as one frozen value; their defaults are the defaults of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.adapt.strategies import CONTROLS as AGAINST
from headstart.adapt.strategies import DEFAULT_STRATEGIES, STRATEGIES
from headstart.data.options import TASK_NAMES, Columns
from headstart.errors import OptionError
from headstart.prove.metrics import METRICS
from headstart.registry import pick
from headstart.run.clock import seconds

DEFAULT_BUDGET = "5m"
CONTROLS = {"scratch": True, "none": False}


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked to do; checked, JSON-ready through `to_dict`."""

    columns: Columns
    budget_s: float | None
    trials: int | None
    strategies: tuple[str, ...]
    control: str
    metric: str | None
    models: tuple[str, ...]
    seed: int
    device: str
    precision: str
    offline: bool
    history: bool

    @classmethod
    def checked(
        cls,
        *,
        columns: Columns,
        budget: str | float | None,
        trials: int | None,
        strategies: Sequence[str],
        control: str,
        metric: str | None,
        models: Sequence[str],
        seed: int,
        device: str,
        precision: str,
        offline: bool,
        history: bool = True,
    ) -> Options:
        """Check every value; raises OptionError for the first that is not possible."""
        if trials is not None and trials < 1:
            raise OptionError(f"--trials {trials}: must be at least 1.")
        if trials is not None and budget is not None:
            raise OptionError(
                "--trials and --budget exclude each other: a count of trials repeats bit for bit, a clock cannot."
            )
        if columns.task is not None:
            pick(dict.fromkeys(TASK_NAMES), columns.task, what="task")
        for name in strategies:
            pick(STRATEGIES, name, what="strategy")
        pick(CONTROLS, control, what="control")
        if metric is not None:
            pick(METRICS, metric, what="metric")
        return cls(
            columns=columns,
            budget_s=seconds(DEFAULT_BUDGET if budget is None and trials is None else budget),
            trials=trials,
            strategies=tuple(strategies) or DEFAULT_STRATEGIES,
            control=control,
            metric=metric,
            models=tuple(models),
            seed=seed,
            device=device,
            precision=precision,
            offline=offline,
            history=history,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; part of the journal, so that a resumed run is held to the same options."""
        columns = self.columns
        return {
            "budget_s": self.budget_s,
            "trials": self.trials,
            "strategies": list(self.strategies),
            "control": self.control,
            "metric": self.metric,
            "models": list(self.models),
            "seed": self.seed,
            "device": self.device,
            "precision": self.precision,
            "offline": self.offline,
            "history": self.history,
            "columns": {
                "text": list(columns.text),
                "image": columns.image,
                "label": columns.label,
                "split": columns.split,
                "group": columns.group,
            },
            # Journals of earlier releases lack it; what was guessed then is guessed now.
            **({"task": columns.task} if columns.task else {}),
        }


def described_strategies() -> list[tuple[str, str, bool]]:
    """Every strategy and control: its name, what it does, and whether a search tries it unasked."""
    return [(one.name, one.summary, one.by_default) for one in (*STRATEGIES.values(), *AGAINST.values())]
