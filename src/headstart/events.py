"""Progress events. The flow reports; terminal, log file and page listen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase of the run begins, e.g. `audit`, `rank`, `adapt`, `prove`, `save`."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    """A phase is over after `seconds`; `peak_mib` is the process's peak memory so far in MiB."""

    name: str
    seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units of `what`; `seconds_left` is None until it can be told."""

    what: str
    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Something the user should know: a guess that was made, a thing that was set aside."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate backbone got its score; higher is better."""

    backbone: str
    score: float


@dataclass(frozen=True, slots=True)
class TrialBegan:
    """A trial begins: its strategy, backbone and settings in words, the best validation value of `metric` so far, and the
    seconds left of the budget, None without one.
    """

    strategy: str
    backbone: str
    detail: str
    metric: str
    best: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial is over: its strategy, backbone, validation value of `metric`, seconds, and settings in words.

    `pruned` says that it was given up because it was clearly behind; the value is then of what it had seen.
    """

    strategy: str
    backbone: str
    metric: str
    value: float
    seconds: float
    detail: str = ""
    pruned: bool = False


Event = PhaseStarted | PhaseEnded | Progress | Said | Scored | TrialBegan | TrialEnded
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that does nothing."""


def fan_out(*listeners: Listener) -> Listener:
    """One listener that hands each event to all `listeners` in turn."""

    def hand_on(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return hand_on
