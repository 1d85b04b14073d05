"""Ctrl-C: once to finish early, twice to leave."""

from __future__ import annotations

import math
import signal
import threading

import pytest

from headstart.events import Said, silent
from headstart.run.clock import AtLeast, BudgetClock, Slice
from headstart.run.interrupt import finishing_early


@pytest.fixture(autouse=True)
def usual():
    """Python's own handler before and after each test."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_interrupts_the_clock_and_lets_what_runs_finish():
    clock, said = BudgetClock(100), []
    with finishing_early(clock, said.append):
        signal.raise_signal(signal.SIGINT)
        finished = True
    assert finished
    assert clock.interrupted
    assert clock.seconds_left() == 0
    assert [type(event) for event in said] == [Said]
    assert "Ctrl-C again" in said[0].text


def test_the_second_leaves():
    with finishing_early(BudgetClock(100), silent):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_trial_is_broken_off_at_once():
    clock = BudgetClock(None)
    with finishing_early(clock, silent):
        with pytest.raises(KeyboardInterrupt), Slice(clock, 10).breakable():
            signal.raise_signal(signal.SIGINT)
        assert not clock.interrupted  # the search does that, and says so
        assert not clock.is_breakable


def test_what_is_given_beyond_a_budget_ends_with_an_interrupt_too():
    spent = Slice(BudgetClock(None), 0.0)
    given = AtLeast(spent, 1000.0)
    assert spent.seconds_left() == 0
    assert 900 < given.seconds_left() <= 1000
    assert AtLeast(BudgetClock(None), 5.0).seconds_left() == math.inf
    assert given.now() <= spent.now()
    with finishing_early(BudgetClock(None), silent), given.breakable():
        pass
    given.interrupt()
    assert (given.interrupted, spent.interrupted, given.seconds_left()) == (True, True, 0)


def test_what_the_program_set_itself_stays():
    def own(number, frame):
        pass

    signal.signal(signal.SIGINT, own)
    with finishing_early(BudgetClock(None), silent):
        assert signal.getsignal(signal.SIGINT) is own


def test_in_another_thread_nothing_is_changed():
    found = []

    def work():
        with finishing_early(BudgetClock(None), silent):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


def test_an_uninterrupted_clock_goes_on():
    clock = BudgetClock(None)
    with finishing_early(clock, silent):
        pass
    assert not clock.interrupted
    assert clock.seconds_left() == math.inf
