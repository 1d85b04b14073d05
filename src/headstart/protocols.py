"""What the flow asks of the outside: a clock to plan by. Implementations live in `headstart.run`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Clock(Protocol):
    """Time as the flow sees it; injected, so that a test or a replay can bring its own."""

    def now(self) -> float:
        """Seconds since an arbitrary start, never going back."""
        ...

    def seconds_left(self) -> float:
        """Seconds left of the budget; infinite without one, never below zero."""
        ...

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked the run to end early."""
        ...

    def interrupt(self) -> None:
        """End the budget now: what has not begun is left out."""
        ...

    def breakable(self) -> AbstractContextManager[None]:
        """While inside, an interrupt breaks off what runs, by KeyboardInterrupt, instead of waiting for its end."""
        ...
