"""Where the next trial has the most to win."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.adapt.allocate import expected_gain, log_error, outlook
from headstart.adapt.strategy import Expected


def test_the_gain_is_the_mean_of_what_falls_below_the_best():
    rng = np.random.default_rng(0)
    for best, mean, spread in ((-2.0, -2.2, 0.3), (-2.0, -1.5, 0.4), (0.0, 0.0, 1.0)):
        draws = rng.normal(mean, spread, 400_000)
        assert expected_gain(best, mean, spread) == pytest.approx(np.maximum(best - draws, 0).mean(), rel=0.02)


@given(st.floats(-5, 0), st.floats(-5, 0), st.floats(0.01, 2), st.floats(0, 1))
def test_a_gain_is_never_negative_and_grows_with_spread_and_with_a_better_mean(best, mean, spread, more):
    gain = expected_gain(best, mean, spread)
    assert gain >= 0
    assert expected_gain(best, mean, spread + more) >= gain - 1e-12
    assert expected_gain(best, mean - more, spread) >= gain - 1e-12


def test_errors_are_the_rest_to_one_or_the_loss_itself():
    assert log_error("accuracy", 0.9, 99) == pytest.approx(math.log((0.1 * 99 + 0.5) / 100))
    assert log_error("accuracy", 1.0, 99) == pytest.approx(math.log(0.5 / 100))
    assert log_error("log_loss", 0.25, 99) == pytest.approx(math.log(0.25))


def test_an_arm_is_judged_by_what_is_expected_until_it_was_tried():
    assert outlook([], probe=-1.0, expected=Expected(0.2, 0.4)) == (-1.2, 0.4)
    mean, spread = outlook([-2.0], probe=-1.0, expected=Expected(0.2, 0.4))
    assert (mean, spread) == (-2.0, pytest.approx(0.2))
    alike = outlook([-2.0, -2.01, -1.99, -2.0, -2.0, -2.01], probe=-1.0, expected=Expected(0.2, 0.4))
    assert alike[1] < spread, "trials that all come to the same promise little"
