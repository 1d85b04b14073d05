"""What to watch out for: each rule fires where it should, and stays silent on a clean run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headstart.report.cautions import cautions
from tests.unit.report.made import CLEAN_AUDIT
from tests.unit.report.runs import sample


def clean(**changes):
    result = sample("digits").result
    result = replace(result, trials=[trial for trial in result.trials if not trial["error"]], gap=None)
    return replace(result, **changes)


def titles(result, audit=CLEAN_AUDIT):
    return [caution.title for caution in cautions(result, audit)]


def with_test(role="transfer", **figures):
    result = clean()
    changed = {name: {**result.test[role][name], **values} for name, values in figures.items()}
    return replace(result, test={**result.test, role: {**result.test[role], **changed}})


def test_a_clean_run_gives_no_cause():
    assert titles(clean()) == []
    assert titles(clean(), {}) == []


@pytest.mark.parametrize(
    ("result", "title"),
    [
        (clean(verdict=None), "No verdict"),
        (clean(verdict={**clean().verdict, "word": "hurt"}), "Transfer hurt"),
        (with_test("floor-classical", accuracy={"value": 0.95}), "A simple method comes close"),
        (with_test("random-frozen", accuracy={"value": 0.905}), "A simple method comes close"),
        (with_test("floor-majority", accuracy={"value": 0.93}), "No better than guessing"),
        (with_test(accuracy={"value": 0.9, "low": 0.75, "high": 0.97, "n": 30}), "Few test examples"),
        (with_test(balanced_accuracy={"value": 0.7}), "Rare classes fare worse"),
        (with_test(accuracy={"value": None}), "The chosen metric is not defined"),
        (clean(task={**clean().task, "labels_without_figures": ["7"]}), "Classes without figures"),
        (clean(trials=sample("digits").result.trials), "1 trial failed"),
    ],
)
def test_a_result_gives_cause(result, title):
    assert title in titles(result)


@pytest.mark.parametrize(
    ("found", "title", "text"),
    [
        (
            {"leaks": [{"train": "a", "test": "b", "kind": "near"}]},
            "Training data held test examples",
            "1 training picture",
        ),
        (
            {"label_conflicts": [[{"id": "a", "labels": ["x"]}]]},
            "The same example under different labels",
            "1 group of equal",
        ),
        (
            {"label_conflicts_among_near_duplicates": [[{"id": "a", "labels": ["x"]}]]},
            "The same example under different labels",
            "near-duplicates, kept",
        ),
        ({"reasons": {"unreadable": 2, "empty": 1}}, "3 pictures set aside", "2 × unreadable, 1 × empty"),
    ],
)
def test_the_audit_gives_cause(found, title, text):
    (caution,) = cautions(clean(), {**CLEAN_AUDIT, **found})
    assert caution.title == title
    assert text in caution.text


def test_overconfidence_is_measured_on_the_bins():
    result = clean()
    bins = [
        {**item, "accuracy": item["accuracy"] - 0.1} if item["count"] else item for item in result.calibration["bins"]
    ]
    assert titles(clean(calibration={**result.calibration, "bins": bins})) == ["Overconfident"]


def test_a_gap_is_told_only_where_it_is_sure():
    gap = sample("digits").result.gap
    sure = {**gap, "difference": {**gap["difference"], "low": 0.06}}
    unsure = {**gap, "difference": {**gap["difference"], "low": 0.01}}
    assert titles(clean(gap=sure)) == ["Knows its training data better"]
    assert titles(clean(gap=unsure)) == []


def test_the_weightiest_comes_first_and_what_changes_no_figure_is_mild():
    found = cautions(sample("tags").result, sample("tags").audit)
    assert found[0].title == "No verdict"
    assert [caution.mild for caution in found] == sorted(caution.mild for caution in found)


def test_what_was_seen_before_training_is_told():
    result = replace(clean(), foresight={"notes": ["The test examples look unlike the training examples."]})
    (caution,) = cautions(result, CLEAN_AUDIT)
    assert caution.title == "Seen before training"
    assert "unlike the training examples" in caution.text
