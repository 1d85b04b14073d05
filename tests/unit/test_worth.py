"""From points of several folds to two curves: each example where it was tested, sizes and seconds as means."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.adapt.curves import Curves, Point
from headstart.adapt.proving import Proved
from headstart.tasks import TASKS
from headstart.worth import curve_of, worth

TARGETS = np.array([0, 1, 0, 1, 0, 1])
TESTS = {1: np.array([0, 3, 4]), 2: np.array([1, 2, 5])}


def logits(rows, right):
    """Logits that say the truth for the rows of `right`."""
    said = np.where(np.isin(rows, right), TARGETS[rows], 1 - TARGETS[rows])
    return np.eye(2, dtype=np.float32)[said]


def point(fold, part, role, labels, seconds, right):
    return Point(fold, part, role, labels, seconds, logits(TESTS[fold], right))


CURVES = Curves(
    [
        point(1, 2, "transfer", 20, 1.0, [0, 3]),
        point(2, 2, "transfer", 22, 2.0, [1]),
        point(1, 1, "transfer", 40, 3.0, [0, 3, 4]),
        point(2, 1, "transfer", 43, 4.0, [1, 2]),
        point(1, 2, "scratch", 20, 10.0, []),
        point(2, 2, "scratch", 22, 20.0, [5]),
        point(1, 1, "scratch", 40, 30.0, [4]),
        point(2, 1, "scratch", 43, 40.0, [5]),
    ],
    "measured on 2 of 5 folds",
    everything=41.5,
)
PROVED = [Proved(fold, test, {}, {}, {}, test, test, []) for fold, test in {**TESTS, 3: np.array([0])}.items()]
MEASURABLE = np.ones(6, bool)


def test_folds_are_put_together():
    curve = curve_of(CURVES, "transfer", TESTS, TARGETS, MEASURABLE, TASKS["single"])
    np.testing.assert_array_equal(curve.sizes_J, [21, 41.5])
    np.testing.assert_array_equal(curve.seconds_J, [1.5, 3.5])
    np.testing.assert_array_equal(curve.values_NJ[:, 0], [1, 1, 0, 1, 0, 0])  # rows 0 3 4, then 1 2 5
    np.testing.assert_array_equal(curve.values_NJ[:, 1], [1, 1, 1, 1, 1, 0])


def test_what_is_told():
    told = worth(CURVES, PROVED, TARGETS, MEASURABLE, TASKS["single"], None, 0)
    assert (told["folds"], told["missing"]) == ([1, 2], "measured on 2 of 5 folds")
    assert [point["labels"] for point in told["points"]] == [21, 42]
    assert told["points"][0]["transfer"]["value"] == pytest.approx(3 / 6)
    assert told["points"][1]["scratch"]["value"] == pytest.approx(2 / 6)
    assert told["level"]["transfer_labels"] == 21
    assert told["labels"]["value"] == told["limit"]["transfer"] == told["limit"]["scratch"] == 20.5
    assert told["seen"] == {"transfer": 42, "scratch": 42, "all": 42}
    assert told["seconds"]["value"] == pytest.approx(35 - 1.5)
    assert told["needed"]["scratch"]["labels"] is None


def test_examples_without_a_known_class_are_left_out():
    measurable = MEASURABLE.copy()
    measurable[[3, 5]] = False
    told = worth(CURVES, PROVED, TARGETS, measurable, TASKS["single"], None, 0)
    assert told["points"][0]["transfer"]["n"] == 4
    assert told["points"][0]["transfer"]["value"] == pytest.approx(2 / 4)


def test_groups_are_those_of_the_test_examples():
    groups = np.array([0, 0, 1, 1, 2, 2])
    told = worth(CURVES, PROVED, TARGETS, MEASURABLE, TASKS["single"], groups, 0)
    assert "groups" in told["labels"]["method"]
    assert "groups" in told["points"][0]["transfer"]["method"]
    assert told["labels"]["value"] == 20.5


def test_several_labels_count_when_all_are_right():
    truth = np.array([[1, 0], [1, 1], [0, 0]])
    test = {0: np.arange(3)}
    said = np.array([[1.0, -1.0], [1.0, -1.0], [-1.0, -1.0]], dtype=np.float32)
    curves = Curves([Point(0, 1, "transfer", 10, 1.0, said)])
    curve = curve_of(curves, "transfer", test, truth, np.ones(3, bool), TASKS["multi"])
    np.testing.assert_array_equal(curve.values_NJ[:, 0], [1, 0, 1])


def test_numbers_and_orders_count_by_how_far_they_are_off():
    """Levels are told as mean errors; worth is read where scratch's smallest error is."""
    truth, test = np.array([10.0, 20.0, 30.0, 40.0]), {0: np.arange(4)}
    off = {("transfer", 4): 4.0, ("transfer", 2): 2.0, ("transfer", 1): 1.0, ("scratch", 4): 9.0, ("scratch", 1): 3.0}
    points = [Point(0, part, role, {4: 10, 2: 20, 1: 40}[part], 1.0, (truth + by)[:, None]) for (role, part), by in off.items()]  # fmt: skip
    proved = [Proved(0, test[0], {}, {}, {}, test[0], test[0], [])]
    told = worth(Curves(points, everything=40), proved, truth, np.ones(4, bool), TASKS["quantity"], None, 0)
    assert [(point["labels"], point["transfer"]["value"]) for point in told["points"]] == [(10, 4), (20, 2), (40, 1)]
    assert [point["scratch_curve"] for point in told["points"]] == pytest.approx([9, None, 3])
    assert told["points"][1]["scratch"] is None
    assert told["level"]["transfer_labels"] == pytest.approx(10 * np.sqrt(2))  # half way from 4 to 2
    ranks = TASKS["ordinal"]
    truth = np.array([[0, 0], [1, 0], [1, 1]])
    said = np.array([[5.0, 5.0], [5.0, -5.0], [-5.0, -5.0]])
    curve = curve_of(Curves([Point(0, 1, "transfer", 10, 1.0, said)]), "transfer", {0: np.arange(3)}, truth, np.ones(3, bool), ranks)
    np.testing.assert_array_equal(curve.values_NJ[:, 0], [-2, 0, -2])
    assert not ranks.is_right_or_wrong


def test_a_side_that_ended_earlier_has_its_own_last_size():
    seen = [point(1, 2, "transfer", 20, 1.0, [0, 3]), point(1, 1, "transfer", 40, 3.0, [0, 3, 4]), point(1, 2, "scratch", 20, 10.0, []), point(1, 1, "scratch", 30, 30.0, [4])]  # fmt: skip
    told = worth(Curves(seen, "time", everything=40), PROVED, TARGETS, MEASURABLE, TASKS["single"], None, 0)
    assert told["seen"] == {"transfer": 40, "scratch": 30, "all": 40}
    assert told["limit"] == {"transfer": 10, "scratch": 20}
    assert [(one["labels"], one["transfer"] is None, one["scratch"] is None) for one in told["points"]] == [(20, False, False), (30, True, False), (40, False, True)]  # fmt: skip
    assert told["labels"]["value"] == 10


def test_without_points_only_the_reason_is_told():
    told = worth(Curves([], "the run was stopped"), PROVED, TARGETS, MEASURABLE, TASKS["single"], None, 0)
    assert told == {
        "labels": None, "seconds": None, "level": None, "limit": None, "needed": None, "seen": None,
        "points": [], "folds": [], "missing": "the run was stopped",
    }  # fmt: skip
