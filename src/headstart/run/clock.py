"""The clock of a budget."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from headstart.errors import OptionError
from headstart.protocols import Clock

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str | float | None) -> float | None:
    """A budget such as `90s`, `5m`, `1h30m` or a number of seconds, in seconds; None stays None.

    Raises OptionError for anything else.
    """
    if text is None or isinstance(text, int | float):
        value = text
    elif re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text.strip()):
        value = sum(float(number) * _UNITS_S[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)([smhd])", text))
    else:
        raise OptionError(f"--budget {text}: not a time. Write it as 90s, 5m or 1h30m.")
    if value is not None and not 0 < value < math.inf:
        raise OptionError(f"--budget {text}: must be more than nothing. Write it as 90s, 5m or 1h30m.")
    return value


class BudgetClock:
    """Seconds of wall time against a budget; `spent_s` counts what an interrupted run used before."""

    def __init__(self, budget_s: float | None, *, spent_s: float = 0.0) -> None:
        """Start the clock now."""
        self._began = time.monotonic() - spent_s
        self._ends = math.inf if budget_s is None else self._began + budget_s
        self.is_breakable = False

    def now(self) -> float:
        """Seconds since the run began, those of interrupted attempts included."""
        return time.monotonic() - self._began

    def seconds_left(self) -> float:
        """Seconds left of the budget, never below zero; infinite without one."""
        return max(0.0, self._ends - time.monotonic())

    @property
    def interrupted(self) -> bool:
        """Whether `interrupt` was called."""
        return self._ends == -math.inf

    def interrupt(self) -> None:
        """End the budget now: what has not begun is left out."""
        self._ends = -math.inf

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """While inside, `is_breakable` says that an interrupt may break off what runs."""
        self.is_breakable = True
        try:
            yield
        finally:
            self.is_breakable = False


class AtLeast:
    """Another clock that is given so many seconds from now, however little it has left; an interrupt ends it as ever."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        """Start now."""
        self._clock, self._until = clock, clock.now() + seconds

    def now(self) -> float:
        """The other clock's time."""
        return self._clock.now()

    def seconds_left(self) -> float:
        """Seconds left of the other clock, or of those that were given."""
        return 0.0 if self.interrupted else max(self._until - self._clock.now(), self._clock.seconds_left())

    @property
    def interrupted(self) -> bool:
        """Whether the other clock was interrupted."""
        return self._clock.interrupted

    def interrupt(self) -> None:
        """Interrupt the other clock."""
        self._clock.interrupt()

    def breakable(self) -> AbstractContextManager[None]:
        """The other clock's."""
        return self._clock.breakable()


class Slice:
    """A share of another clock's time: it ends after `seconds`, or with the other clock."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        """Start now."""
        self._clock, self._ends = clock, clock.now() + seconds

    def now(self) -> float:
        """The other clock's time."""
        return self._clock.now()

    def seconds_left(self) -> float:
        """Seconds left of the share."""
        return max(0.0, min(self._ends - self._clock.now(), self._clock.seconds_left()))

    @property
    def interrupted(self) -> bool:
        """Whether the other clock was interrupted."""
        return self._clock.interrupted

    def interrupt(self) -> None:
        """Interrupt the other clock, and with it all its shares."""
        self._clock.interrupt()

    def breakable(self) -> AbstractContextManager[None]:
        """The other clock's."""
        return self._clock.breakable()
