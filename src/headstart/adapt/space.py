"""What can be tuned about a strategy: named settings and the values that each may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headstart.errors import OptionError
from headstart.registry import pick

SHORT = {"lr": "learning_rate", "wd": "weight_decay"}
"""What people write for the longer names."""
BATCH_SIZE = "batch_size"
FEWEST_BATCHES = 4
"""Batches in an epoch, below which no larger ones are searched."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    options: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether it is searched."""
        return value in self.options

    def parse(self, text: str) -> Any:
        """The option that reads like `text`; of shares, which lie between 0 and 1, any. Raises ValueError for another."""
        if all(isinstance(option, float) for option in self.options):
            if 0 < float(text) <= 1:
                return float(text)
            raise ValueError("a number above 0, up to 1")
        for option in self.options:
            if text == str(option):
                return option
        raise ValueError(f"one of {', '.join(map(str, self.options))}")


@dataclass(frozen=True, slots=True)
class Between:
    """A number between two others, searched on a logarithmic scale."""

    low: float
    high: float

    def holds(self, value: Any) -> bool:
        """Whether it is searched."""
        return bool(self.low <= value <= self.high)

    def parse(self, text: str) -> float:
        """The number; raises ValueError for one that is not above zero. A user may leave the range that is searched."""
        value = float(text)
        if not 0 < value < float("inf"):
            raise ValueError("a number above zero")
        return value


Knob = Choice | Between
Space = Mapping[str, Knob]
Settings = Mapping[str, Any]


def searched(space: Space, *, examples: int, usual: int) -> Space:
    """What of `space` is worth searching on so many examples: batches of the `usual` size and smaller ones, and larger ones only
    where at least FEWEST_BATCHES of them make an epoch.
    """
    knob = space.get(BATCH_SIZE)
    if not isinstance(knob, Choice):
        return space
    most = max(usual, examples // FEWEST_BATCHES)
    return {**space, BATCH_SIZE: Choice(tuple(size for size in knob.options if size <= most))}


def pinned(texts: Mapping[str, str], spaces: Mapping[str, Space]) -> dict[str, dict[str, Any]]:
    """What the user pins, as settings by strategy, from `texts` by name and the spaces of the strategies that are tried.

    Raises OptionError for a name that none of them has and for a value that cannot be.
    """
    known = {name: knob for space in spaces.values() for name, knob in space.items()}
    out: dict[str, dict[str, Any]] = {strategy: {} for strategy in spaces}
    for given, text in texts.items():
        name = SHORT.get(given, given)
        knob = pick(known, name, what="setting")
        try:
            value = knob.parse(text)
        except ValueError as error:
            told = "a number" if "could not convert" in str(error) else error
            raise OptionError(f"--set {given}={text}: must be {told}.") from error
        for strategy, space in spaces.items():
            if name in space:
                out[strategy][name] = value
    return out
