"""What a pre-training made, and how: the time that it took over all sittings, and where it ran."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from headstart.adapt.pretraining.asked import Asked
from headstart.adapt.stopwatch import Stopwatch
from headstart.events import Listener
from headstart.runtime import Placement, place

T = TypeVar("T")
Train = Callable[[Path, Placement, Listener, Callable[[], float] | None], T]
"""From the folder of working files, the placement, a listener and the seconds left of a budget to what was trained."""


def made_by(train: Train[T], asked: Asked, work: Path) -> tuple[T, dict[str, Any]]:
    """What `train` makes in `work` where `asked` says, within its budget, and facts of the making for the card."""
    placement = place(asked.device, precision=asked.precision)
    watch, budget = Stopwatch(work / "seconds.json"), asked.budget

    def left() -> float:
        assert budget is not None
        return budget - watch.seconds()

    made = train(work, placement, watch.listening(asked.listener), None if budget is None else left)
    return made, {
        "seconds": round(watch.seconds(), 3),
        "budget_s": budget,
        "device": placement.device.split(":")[0],
        "threads": placement.threads,
        "precision": placement.low or "float32",
    }
