"""Ctrl-C: the first one ends a run with the best so far, the second one leaves at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from headstart.events import Listener, Said
from headstart.run.clock import BudgetClock

ADVICE = "Press Ctrl-C again to leave at once; the same command goes on from here."


@contextmanager
def finishing_early(clock: BudgetClock, listener: Listener) -> Iterator[None]:
    """While inside, the first Ctrl-C interrupts `clock` and breaks off a trial; all else (refits, figures) is finished.

    The second raises KeyboardInterrupt wherever the run is. Only the main thread can take signals: elsewhere, and where
    the program has switched Ctrl-C off or handles it in its own way, nothing is changed.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or usual is not signal.default_int_handler:
        yield
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        # Inside a trial the search catches this one, interrupts the clock and says so itself.
        if clock.interrupted or clock.is_breakable:
            raise KeyboardInterrupt
        clock.interrupt()
        listener(Said(f"Stopping: what is left is to finish the best so far. {ADVICE}", warning=True))

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
