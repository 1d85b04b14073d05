"""Learning curves read sideways: who is ahead saves labels, equals save none, and the order of examples is nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.adapt.curves import APART, parts_of
from headstart.adapt.trial import Role
from headstart.prove.estimate import Array
from headstart.prove.head_start import Curve, HeadStart, head_start, labels_at, monotone

few = settings(max_examples=40, deadline=None, derandomize=True)
Case = tuple[Array, Array, Array, Array]


@st.composite
def measured(draw: st.DrawFn) -> Case:
    """Sizes, and right and wrong answers (N × J) of two sides that learn at their own pace; a group for each example."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, j = draw(st.integers(2, 60)), draw(st.integers(2, 4))
    sizes_J = np.cumsum(rng.integers(1, 100, size=j))
    first_NJ, second_NJ = (
        rng.random((n, j)) < np.sort(rng.random(j)) if draw(st.booleans()) else rng.random((n, j)) < rng.random()
        for _ in range(2)
    )
    return sizes_J, first_NJ.astype(float), second_NJ.astype(float), rng.integers(0, n // 2 + 1, size=n)


def worth(sizes_J: Array, transfer_NJ: Array, scratch_NJ: Array, groups: Array | None = None) -> HeadStart:
    seconds_J = sizes_J / 10
    return head_start(
        Curve(sizes_J, seconds_J, transfer_NJ),
        Curve(sizes_J, 3 * seconds_J, scratch_NJ),
        right=True,
        rng=np.random.default_rng(0),
        groups=groups,
        resamples=100,
    )


@few
@given(measured())
def test_a_side_that_is_nowhere_behind_saves_labels(case: Case) -> None:
    sizes_J, one_NJ, other_NJ, _ = case
    ahead_NJ = np.maximum(one_NJ, other_NJ)
    found = worth(sizes_J, ahead_NJ, other_NJ)
    assert found.labels.value is not None
    assert found.labels.value >= -1e-6
    assert (found.transfer_J >= found.scratch_K - 1e-9).all()


@few
@given(measured())
def test_equals_save_nothing_and_the_interval_knows_it(case: Case) -> None:
    sizes_J, one_NJ, _, groups = case
    for given_groups in (None, groups):
        found = worth(sizes_J, one_NJ, one_NJ, given_groups).labels
        assert found.value == 0
        if found.low is not None:
            assert found.low <= 0 <= (found.high or 0.0)


@few
@given(measured())
def test_sides_change_places_and_the_worth_its_sign(case: Case) -> None:
    sizes_J, one_NJ, other_NJ, _ = case
    there, back = worth(sizes_J, one_NJ, other_NJ), worth(sizes_J, other_NJ, one_NJ)
    assert there.labels.value == -(back.labels.value or 0.0)
    assert there.needed_by_scratch.labels == back.needed_by_transfer.labels


@few
@given(measured())
def test_the_order_of_examples_and_the_names_of_groups_do_not_matter(case: Case) -> None:
    sizes_J, one_NJ, other_NJ, groups = case
    order = np.random.default_rng(1).permutation(len(one_NJ))
    same = [
        (worth(sizes_J, one_NJ, other_NJ), worth(sizes_J, one_NJ[order], other_NJ[order])),
        (worth(sizes_J, one_NJ, other_NJ, groups), worth(sizes_J, one_NJ[order], other_NJ[order], -groups[order])),
    ]
    for first, second in same:
        assert (first.labels, first.seconds) == (second.labels, second.seconds)
        assert (first.needed_by_scratch, first.needed_by_transfer) == (second.needed_by_scratch, second.needed_by_transfer)  # fmt: skip


@few
@given(measured())
def test_nothing_is_read_beyond_what_was_trained(case: Case) -> None:
    sizes_J, one_NJ, other_NJ, _ = case
    found = worth(sizes_J, one_NJ, other_NJ)
    for labels in (found.transfer_labels, found.scratch_labels):
        assert sizes_J[0] - 1e-9 <= labels <= sizes_J[-1] + 1e-9
    assert found.labels.value is not None
    if found.labels.low is not None and found.labels.high is not None:
        assert found.labels.low <= found.labels.value <= found.labels.high
        assert max(abs(found.labels.low), abs(found.labels.high)) <= found.transfer_limit + 1e-9


@few
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_a_monotone_curve_never_falls_and_keeps_its_mean(values: list[float]) -> None:
    fitted = monotone(np.array([values]))[0]
    assert (np.diff(fitted) >= -1e-12).all()
    np.testing.assert_allclose(fitted.mean(), np.mean(values), atol=1e-12)
    if sorted(values) == values:
        np.testing.assert_allclose(fitted, values, atol=1e-12)


@few
@given(st.floats(0, 1), st.floats(0, 1), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_higher_level_needs_no_fewer_labels(one: float, other: float, values: list[float]) -> None:
    curve_bJ, sizes_J = np.sort([values, values], axis=1), np.array([10, 30, 100])
    low, high = labels_at(np.sort([one, other]), curve_bJ, sizes_J)
    assert low <= high + 1e-9


@st.composite
def on_other_sizes(draw: st.DrawFn) -> tuple[Curve, Curve]:
    """Losses of two sides on the same examples, each at sizes of its own that overlap with the other's."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, sizes = draw(st.integers(2, 40)), np.cumsum(rng.integers(1, 100, size=6))
    chosen = [np.sort(rng.choice(5, size=draw(st.integers(2, 4)), replace=False)) for _ in range(2)]
    if max(chosen[0][0], chosen[1][0]) > min(chosen[0][-1], chosen[1][-1]):
        chosen[1] = np.append(chosen[0][0], 5)
    return tuple(Curve(sizes[own], sizes[own] / 10, -rng.gamma(2.0, np.linspace(2, 1, len(own)), (n, len(own)))) for own in chosen)  # type: ignore[return-value]


def of_losses(transfer: Curve, scratch: Curve) -> HeadStart:
    return head_start(transfer, scratch, right=False, rng=np.random.default_rng(0), resamples=100)


@few
@given(on_other_sizes())
def test_each_side_is_read_within_what_it_was_trained_on(sides: tuple[Curve, Curve]) -> None:
    transfer, scratch = sides
    found = of_losses(*sides)
    for curve, labels, needed in (
        (transfer, found.transfer_labels, found.needed_by_transfer),
        (scratch, found.scratch_labels, found.needed_by_scratch),
    ):
        known = [labels, *(end for end in (needed.labels, needed.low, needed.high) if end is not None)]
        assert curve.sizes_J[0] - 1e-6 <= min(known)
        assert max(known) <= curve.sizes_J[-1] + 1e-6
    assert found.labels.low is not None
    assert found.labels.high is not None
    assert -found.scratch_limit - 1e-6 <= found.labels.low <= found.labels.high <= found.transfer_limit + 1e-6


@few
@given(on_other_sizes(), st.sampled_from([1e-12, 1e-3, 1e9]))
def test_the_unit_of_a_loss_does_not_matter(sides: tuple[Curve, Curve], unit: float) -> None:
    transfer, scratch = sides
    scaled = [Curve(curve.sizes_J, curve.seconds_J, unit * curve.values_NJ) for curve in sides]
    one, other = of_losses(transfer, scratch), of_losses(*scaled)
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(getattr(other.labels, name), getattr(one.labels, name), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(other.scratch_K, unit * one.scratch_K, rtol=1e-9)


@few
@given(on_other_sizes())
def test_sides_on_other_sizes_change_places_and_the_worth_its_sign(sides: tuple[Curve, Curve]) -> None:
    there, back = of_losses(*sides), of_losses(*reversed(sides))
    assert there.labels.value == -(back.labels.value or 0.0)
    assert there.needed_by_scratch.labels == back.needed_by_transfer.labels
    assert (there.transfer_limit, there.scratch_limit) == (back.scratch_limit, back.transfer_limit)


@few
@given(on_other_sizes())
def test_sides_that_never_learn_save_nothing_whatever_their_sizes(sides: tuple[Curve, Curve]) -> None:
    level_N = sides[0].values_NJ[:, 0]
    flat = [Curve(curve.sizes_J, curve.seconds_J, np.repeat(level_N[:, None], len(curve.sizes_J), 1)) for curve in sides]
    found = of_losses(*flat).labels
    assert (found.low, found.value, found.high) == (0, 0, 0)


@few
@given(st.floats(0.001, 1), st.floats(0.001, 1))
def test_no_side_is_given_more_than_it_had_time_for(transfer: float, scratch: float) -> None:
    shares: dict[Role, float] = {"transfer": transfer, "scratch": scratch}
    found = parts_of(shares)
    assert found["transfer"][:3] == found["scratch"][:3]
    for role, share in shares.items():
        sizes = [1 / part for part in found[role]]
        assert sizes == sorted(sizes)
        assert sizes[-1] * APART <= share * (1 + 1e-6)
        if share == min(shares.values()):
            assert len(sizes) == 3
            assert sizes[-1] * 2 * APART > share * (1 - 1e-6)  # as near as halves come
