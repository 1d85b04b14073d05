"""What a pre-training made, and how: the time that it took over all sittings, and where it ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from headstart.adapt.pretrain_asked import Asked
from headstart.adapt.stopwatch import Stopwatch
from headstart.events import Listener
from headstart.runtime import Placement, place

Train = Callable[[Path, Placement, Listener, Callable[[], float] | None], nn.Module]
"""From the folder of working files, the placement, a listener and the seconds left of a budget to a trained network."""


@dataclass(frozen=True, slots=True)
class Made:
    """A trained network, and facts of its making for its card."""

    net: nn.Module
    facts: Mapping[str, Any]

    def with_facts(self, **more: Any) -> Made:
        """The same with `more` facts."""
        return replace(self, facts={**more, **self.facts})


def made_by(train: Train, asked: Asked, work: Path) -> Made:
    """Run `train` in `work` where `asked` says, within its budget, of which earlier sittings have used some."""
    placement = place(asked.device, precision=asked.precision)
    watch, budget = Stopwatch(work / "seconds.json"), asked.budget

    def left() -> float:
        assert budget is not None
        return budget - watch.seconds()

    net = train(work, placement, watch.listening(asked.listener), None if budget is None else left)
    facts = {
        "seconds": round(watch.seconds(), 3),
        "budget_s": budget,
        "device": placement.device.split(":")[0],
        "threads": placement.threads,
        "precision": placement.low or "float32",
    }
    return Made(net, facts)
