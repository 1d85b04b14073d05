"""The options of a fit, as one frozen value; their defaults are the defaults of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.adapt.space import pinned
from headstart.adapt.strategies import CONTROLS as AGAINST
from headstart.adapt.strategies import DEFAULT_STRATEGIES, STRATEGIES
from headstart.data.modality import MODALITIES
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
    backbone: str | None
    settings: dict[str, str]
    workers: int
    control: str
    metric: str | None
    models: tuple[str, ...]
    seed: int
    device: str
    precision: str
    offline: bool
    history: bool
    unlabelled: tuple[str, ...] = ()
    source_sample: str | None = None

    @classmethod
    def checked(
        cls,
        *,
        columns: Columns,
        budget: str | float | None,
        trials: int | None,
        strategies: Sequence[str],
        backbone: str | None = None,
        settings: Mapping[str, Any] | None = None,
        workers: int = 1,
        control: str,
        metric: str | None,
        models: Sequence[str],
        seed: int,
        device: str,
        precision: str,
        offline: bool,
        history: bool = True,
        unlabelled: Sequence[str] = (),
        source_sample: str | None = None,
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
        chosen = tuple(strategies) or DEFAULT_STRATEGIES
        texts = {name: str(value) for name, value in (settings or {}).items()}
        pinned(texts, {name: one.space for name, one in {**STRATEGIES, **AGAINST}.items() if name in (*chosen, *AGAINST)})
        if workers < 1:
            raise OptionError(f"--workers {workers}: must be at least 1.")
        if workers > 1 and trials is not None:
            raise OptionError(
                "--workers and --trials exclude each other: which of several trials ends first does not repeat."
            )
        pick(CONTROLS, control, what="control")
        if metric is not None:
            pick(METRICS, metric, what="metric")
        return cls(
            columns=columns,
            budget_s=seconds(DEFAULT_BUDGET if budget is None and trials is None else budget),
            trials=trials,
            strategies=chosen,
            backbone=backbone,
            settings=texts,
            workers=workers,
            control=control,
            metric=metric,
            models=tuple(models),
            seed=seed,
            device=device,
            precision=precision,
            offline=offline,
            history=history,
            unlabelled=tuple(unlabelled),
            source_sample=source_sample,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; part of the journal, so that a resumed run is held to the same options. How many trials run at a time may
        change on the way.
        """
        columns = self.columns
        return {
            "budget_s": self.budget_s,
            "trials": self.trials,
            "strategies": list(self.strategies),
            "backbone": self.backbone,
            "settings": dict(self.settings) or None,
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
            **({"unlabelled": list(self.unlabelled)} if self.unlabelled else {}),
            **({"source_sample": self.source_sample} if self.source_sample else {}),
        }


def described_strategies() -> list[tuple[str, str, str]]:
    """Every strategy and control: its name, what it does, and what a search tries it for unasked, nothing where it does not."""
    own = {name: modality.noun for modality in MODALITIES.values() for name in modality.strategies}
    return [
        (one.name, one.summary, "all" if one.by_default else own.get(one.name, ""))
        for one in (*STRATEGIES.values(), *AGAINST.values())
    ]
