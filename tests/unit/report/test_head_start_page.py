"""What the head start is worth, in words and as a picture."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from headstart.report import curve_chart
from headstart.report.card import model_card
from headstart.report.head_start_words import duration, is_clear, needed, sentence
from headstart.report.terminal_summary import summary_lines
from tests.unit.report.runs import sample
from tests.unit.report.test_page import Seen, written

POINTS = [
    {
        "labels": labels,
        **{
            key: value
            for side, share in (("transfer", transfer), ("scratch", scratch))
            for key, value in (
                (side, {"value": share, "low": share - 0.1, "high": share + 0.1, "n": 153, "method": "exact binomial"}),
                (f"{side}_curve", share),
                (f"{side}_seconds", labels / 10),
            )
        },
    }
    for labels, transfer, scratch in ((30, 0.6, 0.3), (61, 0.7, 0.4), (122, 0.8, 0.5), (244, 0.9, 0.65))
]


SEEN = {"transfer": 244, "scratch": 244, "all": 244}


def figure(value, low, high):
    return {"value": value, "low": low, "high": high, "n": 153, "method": "percentile bootstrap"}


def told(value, low, high, *, seconds=61.2, transfer=40.0, scratch=244.0, never=0.98, **more):
    level = {"transfer_labels": transfer, "scratch_labels": scratch, "transfer_seconds": 4.0, "scratch_seconds": 65.0}
    ends = {"labels": None, "low": None, "high": None, "never": never}
    there = {"labels": 40.0, "low": 30.0, "high": 60.0, "never": 1 - never}
    sides = {"scratch": ends, "transfer": there} if value > 0 else {"scratch": there, "transfer": ends}
    found = {
        "labels": figure(value, low, high), "seconds": figure(seconds, 60.0, 62.0), "level": level, "limit": {"transfer": 214.0, "scratch": 214.0}, "seen": SEEN,
        "needed": sides, "points": POINTS, "folds": [0], "missing": None, **more,
    }  # fmt: skip
    return replace(sample("bees").result, head_start=found)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (told(204.0, 150.2, 209.7), "Your head start is worth 204 labels (150–210) and 61 s: with 40 labels transfer is where training from scratch is with all 244."),
        (told(204.0, 150.2, 214.0), "Your head start is worth 204 labels (150 or more) and 61 s: with 40 labels transfer is where training from scratch is with all 244."),
        (told(214.0, 214.0, 214.0, transfer=30.0), "Your head start is worth at least 214 labels and 61 s: with 30, the fewest tried, transfer already does as well as scratch with all 244."),
        (told(204.0, 150.0, 209.0, seconds=0.01), "Your head start is worth 204 labels (150–209): with 40 labels transfer is where training from scratch is with all 244."),
        (told(204.0, 150.0, 209.0, seconds=-5.0), "Your head start is worth 204 labels (150–209), though it takes 5.0 s longer: with 40 labels transfer is where training from scratch is with all 244."),
        (told(60.0, 20.0, 90.0, scratch=100.0), "Your head start is worth 60 labels (20–90) and 61 s: with 40 labels transfer is where training from scratch is with 100."),
        (told(-144.0, -180.0, -90.0, seconds=-12.0, transfer=244.0, scratch=100.0), "Training from scratch is ahead by 144 labels (90–180) and 12 s: with 100 labels training from scratch is where transfer is with all 244."),
        (told(20.0, -214.0, 190.0), "What the head start is worth is unclear: between −214 and +190 labels, as far as these test pictures can tell."),
        (told(20.0, None, None), "What the head start is worth cannot be told from one test example or group."),
        (told(0.0, 0.0, 0.0, labels=None, needed=None, points=[], missing="the run was stopped"), "What the head start is worth was not measured: the run was stopped."),
        (replace(sample("bees").result, head_start=None), ""),
    ],
)  # fmt: skip
def test_sentences(result, expected):
    assert sentence(result) == expected


def test_never_is_said_with_how_often():
    beyond = "Training from scratch never gets to where transfer is with all 244 within your data (in {} resamples of the test pictures)."
    assert needed(told(204.0, 150.0, 209.0)) == beyond.format("98 % of")
    assert needed(told(204.0, 150.0, 209.0, never=1.0)) == beyond.format("all")
    assert needed(told(204.0, 150.0, 209.0, never=0.999)) == beyond.format("nearly all")
    assert needed(told(-204.0, -209.0, -150.0)).startswith("Transfer never gets to where training from scratch is")
    tie = told(0.0, -100.0, 100.0)
    there = {"labels": 200.0, "low": 90.0, "high": None, "never": 0.4}
    tie = replace(tie, head_start={**tie.head_start, "needed": {"scratch": there, "transfer": there}})
    assert needed(tie) == "Training from scratch gets to where transfer is with all 244 with 200 labels; in 40 % of resamples it never does within your data."  # fmt: skip
    assert needed(replace(tie, head_start=None)) == ""


SHORT = {"seen": {"transfer": 244, "scratch": 96, "all": 244}, "limit": {"transfer": 84.0, "scratch": 232.0}}
"""Scratch had time for 96 of 244 examples; both were tried with 12 and more."""


def test_a_side_that_had_time_for_a_part_is_said_to_and_nothing_beyond_it():
    short = told(60.0, 41.0, 72.0, transfer=36.0, scratch=96.0, **SHORT)
    assert sentence(short) == "Your head start is worth 60 labels (41–72) and 61 s: with 36 labels transfer is where training from scratch is with the 96 of 244 it had time for."  # fmt: skip
    assert needed(short) == "With the 96 of 244 it had time for, training from scratch does not get to where transfer is with all 244 (in 98 % of resamples of the test pictures); with more it was not tried."  # fmt: skip
    at_once = told(84.0, 84.0, 84.0, transfer=12.0, scratch=96.0, **SHORT)
    assert sentence(at_once) == "Your head start is worth at least 84 labels and 61 s: with 12, the fewest tried, transfer already does as well as scratch with the 96 of 244 it had time for."  # fmt: skip
    behind = told(-200.0, -220.0, -150.0, seconds=-61.2, transfer=244.0, scratch=44.0, **SHORT)
    assert sentence(behind).startswith("Training from scratch is ahead by 200 labels (150–220) and 61 s")
    assert "never gets to where training from scratch is with the 96 of 244 it had time for within your data" in needed(behind)
    there = {"labels": 90.0, "low": 60.0, "high": None, "never": 0.3}
    tie = replace(short, head_start={**short.head_start, "needed": {"scratch": there, "transfer": there}})
    assert needed(tie) == "Training from scratch gets to where transfer is with all 244 with 90 labels; in 30 % of resamples it never does with the 96 of 244 it had time for."  # fmt: skip


def test_a_side_that_is_ahead_where_it_was_tried_with_all_only_has_no_worth():
    none = told(0.0, 0.0, 0.0, never=0.0, limit={"transfer": 214.0, "scratch": 0.0})
    ends = {"labels": None, "low": None, "high": None, "never": 1.0}
    ahead = replace(none, head_start={**none.head_start, "needed": {**none.head_start["needed"], "transfer": ends}})
    ahead.head_start["needed"]["scratch"] = {"labels": 244.0, "low": 244.0, "high": 244.0, "never": 0.0}
    assert sentence(ahead) == "What the head start is worth was not measured: training from scratch ends ahead, and was not tried with fewer labels."  # fmt: skip


def only_scratch(labels, share):
    """A size at which only scratch was trained."""
    level = {"value": share, "low": share - 0.1, "high": share + 0.1, "n": 153, "method": "exact binomial"}
    return {"labels": labels, "scratch": level, "scratch_curve": share, "scratch_seconds": 9.0, "transfer": None, "transfer_curve": None, "transfer_seconds": None}  # fmt: skip


def test_the_page_draws_sides_of_other_sizes(tmp_path):
    points = [*POINTS[:2], only_scratch(96, 0.5), *({**point, **dict.fromkeys(("scratch", "scratch_curve", "scratch_seconds"))} for point in POINTS[2:])]  # fmt: skip
    found = told(60.0, 41.0, 72.0, transfer=36.0, scratch=96.0, **{**SHORT, "points": points}, missing="training from scratch had time for 96 of 244").head_start  # fmt: skip
    page = written(tmp_path, sample("bees"), head_start=found)
    assert (page.count('class="point transfer"'), page.count('class="point scratch"')) == (4, 3)
    assert "had time for a part of them only" in Seen(page).words
    box = curve_chart.frame(points)
    gap = curve_chart.gap(box, found["level"], points)
    assert (gap.left, gap.right, gap.y) == (box.x(36), box.x(96), box.y(0.5))


def test_numbers_below_the_chart_do_not_run_into_each_other():
    points = [{**POINTS[0], "labels": labels} for labels in (500, 960, 1000, 1050, 2000, 3900, 4000)]
    found = curve_chart.marks(curve_chart.frame(points), points)
    assert [number for _, number in found] == ["500", "960", "", "", "2,000", "", "4,000"]
    assert [x for x, _ in found] == sorted(x for x, _ in found)


def test_errors_are_drawn_in_the_unit_of_the_labels_and_lower_is_better(tmp_path):
    made = sample("bees")
    points = [
        {
            key: {**value, **{end: round(40 * (1 - value[end]), 1) for end in ("value", "low", "high")}}
            if isinstance(value, dict)
            else 40 * (1 - value)
            if key.endswith("_curve")
            else value
            for key, value in point.items()
        }
        for point in POINTS
    ]
    figures = {role: {"mae": points[-1][role]} for role in ("transfer", "scratch")}
    angles = {
        "task": {**made.result.task, "kind": "quantity", "metric": "mae", "higher_is_better": False},
        "test": figures, "confusion": None, "calibration": None, "trials": [],
        "verdict": {**made.result.verdict, "margin": 0.2}, "head_start": told(204.0, 150.2, 209.7, points=points).head_start,
    }  # fmt: skip
    page = written(tmp_path, made, **angles)
    words = Seen(page).words
    assert "Your head start is worth 204 labels (150–210) and 61 s: with 40 labels transfer is where" in words
    assert "% right" not in page[page.index('id="head-start"') : page.index("How to read this")]
    assert "off by 16.0 with 30 labels" in page
    assert "curves that never rise" in words
    assert page.count("Mean absolute error, in the unit of the labels; lower is better") == 2
    assert "Errors are in the unit of the labels." in words
    box = curve_chart.frame(points, is_off=True)
    assert not box.scale.percent
    assert box.scale.high >= 32  # what scratch is off by at most
    side = curve_chart.side(box, points, "scratch")
    assert [y for _, y, _ in side.dots] == sorted(y for _, y, _ in side.dots)  # a smaller error stands lower
    assert curve_chart.gap(box, {"transfer_labels": 44.0, "scratch_labels": 244.0}, points).y == box.y(14.0)


def test_durations():
    assert [duration(seconds) for seconds in (0.42, 9.94, 61.2, 119, 720, 5400)] == ["0.4 s", "9.9 s", "61 s", "119 s", "12 min", "1.5 h"]  # fmt: skip


def test_the_terminal_tells_it_under_the_verdict():
    lines = summary_lines(told(204.0, 150.2, 209.7), report="r.html")
    assert lines[2].startswith("Your head start is worth 204 labels (150–210) and 61 s: with 40")
    assert not any("head start" in line for line in summary_lines(sample("tags").result))


def test_the_card_tells_it():
    assert "Your head start is worth 204 labels (150–210) and 61 s" in model_card(told(204.0, 150.2, 209.7))
    assert "head start" not in model_card(sample("tags").result)


def test_the_page_draws_both_curves_and_the_gap(tmp_path):
    made = sample("bees")
    page = written(tmp_path, made, head_start=told(204.0, 150.2, 209.7).head_start)
    words = Seen(page).words
    assert words.index("Your head start is worth") < words.index("Chosen:")  # in the answer, and again with the evidence
    assert "Training from scratch never gets to where transfer is with all 244" in words
    assert (page.count("<polyline"), page.count("<polygon"), page.count('class="point ')) == (2, 2, 8)
    label = re.search(r'class="gap-label"[^>]*>([^<]*)<', page)
    assert label is not None
    assert label.group(1) == "204 labels"
    unclear = written(tmp_path, made, head_start=told(20.0, -214.0, 190.0).head_start)
    assert 'class="gap"' not in unclear
    assert unclear.count("<polyline") == 2


def test_a_run_that_ran_out_of_time_says_what_is_missing(tmp_path):
    made, nothing = sample("bees"), told(0.0, 0.0, 0.0, labels=None, needed=None, points=[], missing="the time left was short").head_start  # fmt: skip
    page = written(tmp_path, made, head_start=nothing)
    assert "was not measured: the time left was short" in page
    assert "<polyline" not in page
    assert not is_clear(nothing)
    some = written(tmp_path, made, head_start=told(204.0, 150.0, 209.0, missing="measured on 1 of 5 folds").head_start)
    assert "Not everything was measured: measured on 1 of 5 folds." in some


def test_without_a_control_there_is_no_panel(tmp_path):
    assert 'id="head-start"' not in written(tmp_path, sample("tags"))


def test_the_picture_is_to_scale():
    box = curve_chart.frame(POINTS)
    steps = [box.x(b["labels"]) - box.x(a["labels"]) for a, b in pairwise(POINTS)]
    assert max(steps) - min(steps) < 6  # each size about twice the one before
    assert box.x(30) == box.left
    assert box.x(244) == box.left + box.width
    side = curve_chart.side(box, POINTS, "scratch")
    assert [y for _, y, _ in side.dots] == sorted((y for _, y, _ in side.dots), reverse=True)
    inside = [tuple(map(float, place.split(","))) for place in f"{side.line} {side.band}".split()]
    assert len(inside) == 4 + 8
    assert all(box.left <= x <= box.left + box.width and box.top <= y <= box.top + box.height for x, y in inside)
    gap = curve_chart.gap(box, {"transfer_labels": 44.0, "scratch_labels": 244.0}, POINTS)
    assert (gap.left, gap.right, gap.y) == (box.x(44), box.x(244), box.y(0.65))
