"""What a head start is worth: cases whose answer can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.prove.head_start import Curve, figure, head_start

SIZES = [25, 50, 100, 200]
EXAMPLES = 1000


def curve(*shares, seconds=(1.0, 2.0, 4.0, 8.0), sizes=SIZES, n=EXAMPLES):
    """A side that gets exactly these shares right, the same first examples at every size."""
    right_NJ = np.arange(n)[:, None] < np.round(np.array(shares) * n)
    return Curve(np.array(sizes), np.array(seconds[: len(sizes)]), right_NJ.astype(float))


def found(transfer, scratch, **more):
    return head_start(transfer, scratch, **{"right": True, "rng": np.random.default_rng(0), **more})


def test_the_worth_is_read_where_scratch_ends():
    told = found(curve(0.6, 0.8, 0.9, 0.95, seconds=(0.5, 1, 2, 4)), curve(0.3, 0.4, 0.5, 0.7, seconds=(10, 20, 40, 80)))
    assert told.transfer_labels == pytest.approx(np.sqrt(25 * 50))  # halfway from 0.6 to 0.8, over the logarithm
    assert told.scratch_labels == 200
    assert told.labels.value == pytest.approx(200 - np.sqrt(1250))
    assert told.labels.low < told.labels.value < told.labels.high < told.transfer_limit == 175
    assert told.transfer_seconds == pytest.approx(0.5 + 0.5 * (np.sqrt(1250) - 25) / 25)
    assert told.seconds.value == pytest.approx(80 - told.transfer_seconds)


def test_scratch_that_never_gets_there_is_said_to_never():
    told = found(curve(0.6, 0.8, 0.9, 0.95), curve(0.3, 0.4, 0.5, 0.7))
    assert (told.needed_by_scratch.labels, told.needed_by_scratch.low, told.needed_by_scratch.never) == (None, None, 1)
    assert told.needed_by_transfer.labels == told.transfer_labels
    assert told.needed_by_transfer.never == 0


def test_transfer_that_is_ahead_at_once_is_worth_at_least_so_much():
    told = found(curve(0.8, 0.8, 0.9, 0.95), curve(0.3, 0.4, 0.5, 0.6))
    assert told.labels.value == told.labels.low == told.labels.high == told.transfer_limit == 175


def test_scratch_ahead_is_worth_less_than_nothing():
    told = found(curve(0.3, 0.4, 0.5, 0.7), curve(0.6, 0.8, 0.9, 0.95))
    assert told.labels.value == pytest.approx(np.sqrt(1250) - 200)
    assert told.labels.high < 0
    assert told.needed_by_scratch.labels == pytest.approx(np.sqrt(1250))
    assert told.needed_by_transfer.labels is None


def test_a_dip_is_smoothed_and_not_read_twice():
    """The curve that is read never falls: a lucky training does not count as the first to get there."""
    told = found(curve(0.6, 0.9, 0.7, 0.95), curve(0.3, 0.4, 0.5, 0.8))
    assert told.transfer_J == pytest.approx([0.6, 0.8, 0.8, 0.95])
    assert told.transfer_labels == pytest.approx(50)


def test_a_scratch_that_learns_nothing_does_not_make_the_head_start_worthless():
    told = found(curve(0.8, 0.85, 0.9, 0.95), curve(0.5, 0.5, 0.5, 0.5))
    assert told.labels.value == told.transfer_limit


def test_few_test_examples_leave_doubt_even_where_all_agree():
    few, many = (
        found(curve(0.4, 0.6, 0.8, 1.0, n=n), curve(0.0, 0.2, 0.4, 0.6, n=n)).labels for n in (10, 1000)
    )
    assert few.value == many.value == pytest.approx(150)
    assert few.high - few.low > 3 * (many.high - many.low) > 0
    three = found(curve(1.0, 1.0, 1.0, 1.0, n=3), curve(0.0, 0.0, 0.0, 0.0, n=3)).labels
    assert three.low < 0 < three.value


def test_groups_are_resampled_whole():
    transfer, scratch = curve(0.5, 0.6, 0.8, 0.9, n=100), curve(0.2, 0.3, 0.4, 0.6, n=100)
    alone = found(transfer, scratch).labels
    grouped = found(transfer, scratch, groups=np.arange(100) // 10).labels
    assert grouped.value == alone.value
    assert grouped.high - grouped.low > alone.high - alone.low
    assert "groups" in grouped.method
    one = found(transfer, scratch, groups=np.zeros(100, int)).labels
    assert (one.low, one.high) == (None, None)


def test_losses_are_read_like_right_and_wrong():
    draw = np.random.default_rng(1)
    noise_NJ = draw.normal(0, 0.1, (400, 4))
    better, worse = (
        Curve(np.array(SIZES), np.ones(4), noise_NJ - np.array(losses)) for losses in ([0.5, 0.4, 0.3, 0.2], [0.9, 0.8, 0.6, 0.45])
    )  # fmt: skip
    told = found(better, worse, right=False)
    expected = 25 * 2 ** ((told.scratch_K[-1] - told.transfer_J[0]) / (told.transfer_J[1] - told.transfer_J[0]))
    assert told.transfer_labels == pytest.approx(expected)
    assert told.labels.low <= told.labels.value <= told.labels.high
    assert "Bonett" not in told.labels.method


def test_losses_of_which_few_differ_leave_doubt_as_answers_do():
    """Three examples that are all one class nearer with transfer: a plain bootstrap would be certain."""
    near_NJ, far_NJ = np.full((3, 2), 0.0), np.full((3, 2), -1.0)
    sides = [Curve(np.array([50, 200]), np.ones(2), values_NJ) for values_NJ in (near_NJ, far_NJ)]
    few = found(*sides, right=False).labels
    assert few.low < 0 < few.value == few.high == 150
    many = [Curve(side.sizes_J, side.seconds_J, np.repeat(side.values_NJ, 100, axis=0)) for side in sides]
    assert found(*many, right=False).labels.low == 150


def test_answers_that_are_never_off_are_losses_all_the_same():
    """All zeros look like answers that are all wrong."""
    told = figure(np.zeros(40), right=False, rng=np.random.default_rng(0))
    assert (told.value, told.high) == (0, None)
    assert "undefined" not in told.method


def test_a_side_that_had_time_for_a_part_ends_there():
    """Scratch with 100 of 400 is where transfer is with 25 · √2: nothing is said of scratch with more."""
    transfer = curve(0.5, 0.7, 0.8, 0.9, 0.95, sizes=[25, 50, 100, 200, 400], seconds=(1, 2, 3, 4, 5))
    scratch = curve(0.3, 0.4, 0.6, sizes=[25, 50, 100])
    told = found(transfer, scratch)
    assert told.transfer_labels == pytest.approx(25 * np.sqrt(2))
    assert told.scratch_labels == 100
    assert (told.transfer_limit, told.scratch_limit) == (75, 375)
    assert 0 < told.labels.low <= told.labels.value <= told.labels.high <= 75
    assert (told.needed_by_scratch.labels, told.needed_by_scratch.never) == (None, 1)
    back = found(scratch, transfer)
    assert back.labels.value == pytest.approx(-told.labels.value)
    assert (back.transfer_limit, back.scratch_limit) == (375, 75)


def test_a_side_of_one_size_is_what_the_other_is_read_against():
    told = found(curve(0.7, 0.8, 0.9, sizes=[50, 100, 200]), curve(0.75, sizes=[200]))
    assert told.labels.value == pytest.approx(200 - 50 * np.sqrt(2))
    ahead = found(curve(0.5, 0.6, 0.7, sizes=[50, 100, 200]), curve(0.9, sizes=[200]))
    assert ahead.labels.value == ahead.labels.low == ahead.labels.high == 0  # scratch was not tried with fewer
    assert ahead.scratch_limit == 0


def test_what_one_side_alone_was_tried_with_says_nothing_at_a_tie():
    told = found(curve(0.5, 0.5, 0.5, sizes=[25, 50, 200]), curve(0.5, 0.5, sizes=[100, 200]))
    assert (told.transfer_labels, told.scratch_labels, told.labels.value) == (100, 100, 0)


def test_figures_of_single_sizes():
    right_N = np.array([1.0] * 8 + [0.0] * 2)
    assert figure(right_N, right=True, rng=np.random.default_rng(0)).method == "exact binomial"
    assert "groups" in figure(right_N, right=True, rng=np.random.default_rng(0), groups=np.arange(10) // 2).method
    assert figure(-right_N / 3, right=False, rng=np.random.default_rng(0)).value == pytest.approx(-0.8 / 3)


@pytest.mark.parametrize(
    ("transfer", "scratch", "more"),
    [
        (curve(0.5, sizes=[25]), curve(0.5, sizes=[25]), {}),
        (curve(0.5, 0.6, sizes=[50, 25]), curve(0.5, 0.6, sizes=[50, 25]), {}),
        (curve(0.5, 0.6, sizes=[25, 50]), curve(0.5, 0.6, sizes=[60, 90]), {}),
        (curve(0.5, sizes=[60]), curve(0.5, 0.6, sizes=[25, 50]), {}),
        (curve(0.5, 0.6, sizes=[25, 50], n=10), curve(0.5, 0.6, sizes=[25, 50], n=9), {}),
        (curve(0.5, 0.6, sizes=[25, 50], seconds=(1.0,)), curve(0.5, 0.6, sizes=[25, 50]), {}),
        (curve(0.5, np.nan, sizes=[25, 50]), curve(0.5, 0.6, sizes=[25, 50]), {"groups": np.arange(9)}),
        (Curve(np.array([1, 2]), np.ones(2), np.full((3, 2), np.nan)), Curve(np.array([1, 2]), np.ones(2), np.ones((3, 2))), {}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(transfer, scratch, more):
    with pytest.raises(DataError):
        found(transfer, scratch, **more)
