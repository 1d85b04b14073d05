"""What the flow asks of the outside: a clock to plan by, and someone to do the work. Implementations live in `headstart.run`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


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


class Executor(Protocol):
    """Runs jobs, here or elsewhere: who submits them never knows where."""

    @property
    def workers(self) -> int:
        """How many jobs run at a time."""
        ...

    def submit(self, job: Callable[..., Result], shared: Any, *arguments: Any, **named: Any) -> Future[Result]:
        """Run `job(shared, *arguments, **named)`, a function of a module.

        `shared` is large and the same for many jobs: where jobs run elsewhere it is sent once, as it is then, and what a job
        does to it is not seen here. What a job raises comes out of the future.
        """
        ...

    def cancel(self) -> None:
        """Forget what was submitted and has not ended: its result is not wanted any more."""
        ...

    def close(self) -> None:
        """Give back what it holds, processes among them."""
        ...
