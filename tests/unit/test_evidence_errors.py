"""Verdict, intervals and gap of what is judged by how far it is off."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.evidence_errors import gap_by_errors, intervals, verdict_by_errors
from headstart.prove.quantities import Quantities
from headstart.report.words import number, number_figure


def answers(transfer, scratch, count=200):
    """Numbers around 50 with errors of these sizes; guessing is off by 8 on average."""
    rng = np.random.default_rng(0)
    truth = rng.normal(50, 10, count)
    said = {"transfer": truth + transfer * rng.normal(size=count), "scratch": truth + scratch * rng.normal(size=count)}
    said["floor-majority"] = np.full(count, np.median(truth))
    return {role: Quantities.of(truth, values, values - 2, values + 2) for role, values in said.items()}


@pytest.mark.parametrize(
    ("transfer", "scratch", "word"), [(1.0, 3.0, "helped"), (3.0, 1.0, "hurt"), (0.1, 0.1, "same"), (2.0, 2.0, "unclear")]
)
def test_the_word_follows_the_paired_errors(transfer, scratch, word):
    given = answers(transfer, scratch)
    found = verdict_by_errors(given, None, 0)
    assert found["word"] == word
    off = {role: one.off_N for role, one in given.items()}
    assert found["difference"]["value"] == pytest.approx(off["scratch"].mean() - off["transfer"].mean())
    assert found["margin"] == pytest.approx(off["floor-majority"].mean() / 100)
    assert found["better"] == int((off["transfer"] < off["scratch"]).sum())
    assert found["sentence"].startswith({"same": "Transfer made", "unclear": "Unclear"}.get(word, f"Transfer {word}"))


@pytest.mark.parametrize("scale", [1e-4, 1e5])
def test_the_unit_changes_no_word(scale):
    given = answers(1.5, 2.0)
    scaled = {role: Quantities.of(one.truth_N * scale, one.said_N * scale) for role, one in given.items()}
    one, other = verdict_by_errors(given, None, 0), verdict_by_errors(scaled, None, 0)
    assert (one["word"], one["p_value"]) == (other["word"], other["p_value"])
    assert other["difference"]["low"] == pytest.approx(one["difference"]["low"] * scale)


def test_groups_are_drawn_whole():
    given = answers(1.0, 1.6, count=60)
    alone = verdict_by_errors(given, None, 0)["difference"]
    grouped = verdict_by_errors(given, np.arange(60) // 20, 0)
    assert "groups" in grouped["difference"]["method"]
    assert grouped["difference"]["value"] == pytest.approx(alone["value"])
    assert grouped["p_value"] >= 0.25  # three groups have eight sign patterns


def test_without_scratch_there_is_no_verdict():
    assert verdict_by_errors({"transfer": answers(1, 1)["transfer"]}, None, 0) is None


@pytest.mark.parametrize("groups", [None, np.arange(200) // 2])
def test_intervals_tell_what_they_held(groups):
    given = answers(1.0, 3.0)["transfer"]
    found = intervals(given, groups, 0)
    assert found["coverage"]["value"] == pytest.approx(np.mean(given.off_N <= 2))
    assert found["width"] == pytest.approx(4)
    assert found["coverage"]["low"] < found["coverage"]["value"] < found["coverage"]["high"]


def test_the_gap_counts_an_example_of_several_splits_once():
    given = answers(2.0, 3.0)["transfer"]
    training = [(np.array([0, 1, 2]), np.array([-1.0, -3.0, -0.5])), (np.array([2, 1]), np.array([-1.5, -1.0]))]
    found = gap_by_errors(given, training, None, 0)
    assert found["train"]["value"] == pytest.approx(np.mean([1.0, 2.0, 1.0]))
    assert found["train"]["n"] == 3
    assert found["test"]["value"] == pytest.approx(given.off_N.mean())
    assert found["difference"]["value"] == pytest.approx(found["train"]["value"] - found["test"]["value"])


@pytest.mark.parametrize(
    ("value", "told"),
    [(12345.6, "12,346"), (3.2, "3.20"), (0.0123456, "0.0123"), (-4.56, "−4.56"), (0.0, "0"), (None, "–"), (2e-7, "2e−07")],
)
def test_numbers_have_three_digits_that_count(value, told):
    assert number(value) == told


def test_a_figure_in_words():
    assert number_figure({"value": 3.2, "low": 2.91, "high": 3.48}) == "3.20 (2.91–3.48)"
    assert number_figure({"value": 0.1, "low": -0.2, "high": 0.4}) == "0.100 (−0.200 to 0.400)"
    assert number_figure({"value": None, "low": None, "high": None}) == "–"
