"""Learning curves read sideways, against scikit-learn's isotonic regression, a fine grid and one resample at a time."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression

from headstart.prove.head_start import Curve, head_start, labels_at, monotone

SIZES = np.array([30.0, 61.0, 122.0, 244.0])


def test_monotone_is_isotonic_regression():
    draw = np.random.default_rng(0)
    means_bJ = np.round(draw.random((200, 4)), 1)
    ours_bJ = monotone(means_bJ)
    for means_J, ours_J in zip(means_bJ, ours_bJ, strict=True):
        np.testing.assert_allclose(ours_J, IsotonicRegression().fit_transform(np.arange(4), means_J), atol=1e-12)


def by_grid(level, curve_J, sizes_J):
    """The first of many numbers of labels at which the joined curve is high enough."""
    fine = np.exp(np.linspace(np.log(sizes_J[0]), np.log(sizes_J[-1]), 200_001))
    high = np.flatnonzero(np.interp(np.log(fine), np.log(sizes_J), curve_J) >= level - 1e-9)
    return fine[high[0]] if len(high) else np.inf


def test_labels_are_where_a_fine_grid_finds_them():
    draw = np.random.default_rng(1)
    curves_bJ = np.sort(np.round(draw.random((60, 4)), 1), axis=1)
    levels_b = np.round(draw.random(60), 1)
    found = labels_at(levels_b, curves_bJ, SIZES)
    expected = [by_grid(level, curve_J, SIZES) for level, curve_J in zip(levels_b, curves_bJ, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.isinf(found).any()
    assert (found == SIZES[0]).any()


def one_at_a_time(values_NC, groups, draw, resamples):
    """Worth, and whether scratch gets there, of plain bootstrap samples with a made-up unit for each side."""
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    units = [(values_NC[rows].sum(0), len(rows)) for rows in members]
    typical = len(values_NC) / len(units)
    units += [(typical * np.repeat(side, 4), typical) for side in ([1.0, 0.0], [0.0, 1.0])]
    worth, never = [], []
    for _ in range(resamples):
        drawn = [units[place] for place in draw.integers(len(units), size=len(members))]
        mean_C = sum(total for total, _ in drawn) / sum(size for _, size in drawn)
        transfer_J, scratch_J = (IsotonicRegression().fit_transform(np.arange(4), part) for part in (mean_C[:4], mean_C[4:]))
        needs = [by_grid_fast(scratch_J[-1], transfer_J), by_grid_fast(transfer_J[-1], scratch_J)]
        worth.append(min(needs[1], SIZES[-1]) - min(needs[0], SIZES[-1]))
        never.append(np.isinf(needs[1]))
    return np.array(worth), np.mean(never)  # fmt: skip


def by_grid_fast(level, curve_J):
    """As `by_grid`, by numpy's interpolation of the inverse where the curve rises."""
    if level > curve_J[-1] + 1e-9:
        return np.inf
    if level <= curve_J[0] + 1e-9:
        return SIZES[0]
    first = int(np.flatnonzero(curve_J >= level - 1e-9)[0])
    return np.exp(np.interp(level, curve_J[first - 1 : first + 1], np.log(SIZES[first - 1 : first + 1])))


def test_the_interval_is_that_of_plain_resamples():
    draw = np.random.default_rng(2)
    transfer_NJ = draw.random((120, 4)) < [0.55, 0.65, 0.8, 0.85]
    scratch_NJ = draw.random((120, 4)) < [0.35, 0.45, 0.55, 0.7]
    sides = [Curve(SIZES, SIZES, values_NJ.astype(float)) for values_NJ in (transfer_NJ, scratch_NJ)]
    for groups in (None, np.arange(120) // 3):
        found = head_start(*sides, right=True, rng=np.random.default_rng(3), groups=groups)
        values_NC = np.concatenate([transfer_NJ, scratch_NJ], axis=1).astype(float)
        worth, never = one_at_a_time(values_NC, np.arange(120) if groups is None else groups, draw, 1500)
        low, middle, high = np.quantile(worth, [0.025, 0.5, 0.975])
        # Ends of two bootstraps differ by chance: by a few labels of the two hundred.
        np.testing.assert_allclose([found.labels.low, found.labels.high], [low, high], atol=0.15 * (high - low))
        assert low < found.labels.value < high
        assert abs(middle - found.labels.value) < 0.25 * (high - low)
        assert abs(found.needed_by_scratch.never - never) < 0.05


def losses_one_at_a_time(values_NC, draw, resamples):
    """Worth of plain bootstrap samples of losses, with two made-up examples that differ as those that differ do."""
    mean_C = values_NC.mean(0)
    apart = np.mean([abs(gap) for gap in values_NC[:, 3] - values_NC[:, 7] if gap])
    middle = (mean_C[3] + mean_C[7]) / 2
    shape_C = np.concatenate([mean_C[:4] - mean_C[3], mean_C[4:] - mean_C[7]]) + middle
    made = [shape_C + sign * apart / 2 * np.repeat([1, -1], 4) for sign in (1, -1)]
    pool, worth = np.vstack([values_NC, *made]), []
    for _ in range(resamples):
        mean_C = pool[draw.integers(len(pool), size=len(values_NC))].mean(0)
        transfer_J, scratch_J = (IsotonicRegression().fit_transform(np.arange(4), part) for part in (mean_C[:4], mean_C[4:]))
        needs = [by_grid_fast(scratch_J[-1], transfer_J), by_grid_fast(transfer_J[-1], scratch_J)]
        worth.append(min(needs[1], SIZES[-1]) - min(needs[0], SIZES[-1]))
    return np.array(worth)


def test_the_interval_of_losses_is_that_of_plain_resamples():
    """Numbers, of which no two are alike, and classes off, of which most are; each drawn in its own way."""
    draw = np.random.default_rng(5)
    means_C = np.array([3.0, 2.4, 2.0, 1.8, 4.0, 3.4, 2.9, 2.3])
    for values_NC in (-draw.gamma(2.0, means_C / 2, (60, 8)), -draw.binomial(2, means_C / 8, (200, 8)).astype(float)):
        sides = [Curve(SIZES, SIZES, part_NJ) for part_NJ in (values_NC[:, :4], values_NC[:, 4:])]
        found = head_start(*sides, right=False, rng=np.random.default_rng(3)).labels
        low, high = np.quantile(losses_one_at_a_time(values_NC, draw, 1000), [0.025, 0.975])
        np.testing.assert_allclose([found.low, found.high], [low, high], atol=0.15 * (high - low))
