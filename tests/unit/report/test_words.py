"""Figures in words: one way to say each, whatever the verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headstart.report import words
from tests.unit.report.runs import sample


def figure(value, low=None, high=None, n=100):
    return {"value": value, "low": low, "high": high, "n": n, "method": "exact binomial"}


def verdict(word, value, low, high, p_value=0.0004):
    return {**sample("digits").result.verdict, "word": word, "difference": figure(value, low, high), "p_value": p_value}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            verdict("helped", 0.34, 0.3, 0.37),
            "Transfer helped: 92.5 % of test pictures right (90–94), 34 points (30–37) more than the same network trained "
            "from scratch (p < 0.001).",
        ),
        (
            verdict("helped", 0.034, 0.002, 0.071, 0.032),
            "Transfer helped: 92.5 % of test pictures right (90–94), 3.4 points (0.2–7.1) more than the same network "
            "trained from scratch (p = 0.032).",
        ),
        (
            verdict("hurt", -0.12, -0.16, -0.08, 0.02),
            "Transfer hurt: 92.5 % of test pictures right (90–94), 12 points (8–16) fewer than the same network trained "
            "from scratch (p = 0.020).",
        ),
        (
            verdict("same", 0.001, -0.004, 0.006, 0.8),
            "Transfer made no difference: 92.5 % of test pictures right (90–94), within one point of the same network "
            "trained from scratch.",
        ),
        (
            verdict("unclear", 0.012, -0.02, 0.041, 0.41),
            "Unclear whether transfer helped: 92.5 % of test pictures right (90–94); against the same network trained "
            "from scratch the difference is +1.2 points (between −2.0 and +4.1), which may be chance (p = 0.410).",
        ),
    ],
)
def test_the_headline_is_the_verdict(found, sentence):
    assert words.headline(replace(sample("digits").result, verdict=found)) == sentence


def test_without_a_verdict_the_headline_says_why():
    result = sample("digits").result
    unfinished = words.headline(replace(result, verdict=None))
    assert unfinished.endswith("no verdict on transfer, because the from-scratch control did not finish.")
    none = words.headline(replace(result, verdict=None, options={**result.options, "control": "none"}))
    assert none.startswith("92.5 % of test pictures right (90–94); no verdict")
    assert none.endswith("(--control none).")


def test_several_labels_are_right_only_together():
    assert words.headline(sample("tags").result).startswith("Every label right on ")


def test_a_figure_that_is_not_defined_is_said():
    result = sample("digits").result
    nothing = {"transfer": {"accuracy": figure(None)}}
    assert "could not be measured" in words.headline(replace(result, test=nothing))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (figure(0.954, 0.91, 0.98), "95.4 % (91–98)"),
        (figure(0.987, 0.974, 0.994), "98.7 % (97.4–99.4)"),
        (figure(0.5), "50.0 %"),
        (figure(None), "–"),
    ],
)
def test_share(given, text):
    assert words.share(given) == text


def test_metrics_keep_their_own_scale():
    assert words.metric_value("accuracy", 0.954) == "95.4 %"
    assert words.metric_value("log_loss", 0.954) == "0.954"
    assert words.metric_value("auroc", None) == "–"
    assert words.metric_span("log_loss", figure(0.9, 0.8, 1.0)) == "0.800–1.000"
    assert words.metric_title("macro_f1") == "Macro-F1"
    assert words.metric_title("word_error_rate") == "word error rate"


def test_the_gap_is_told_with_its_interval():
    result = sample("digits").result
    assert words.gap_text(result).startswith(
        "On its training data the model gets 99.0 % (95–100) right, on the test data 92.5 %"
    )
    assert "points (between +" in words.gap_text(result)
    assert words.gap_text(replace(result, gap=None)) == ""


def test_counts_and_control_characters():
    assert words.count(1, "picture", "pictures") == "1 picture"
    assert words.count(1697, "picture", "pictures") == "1,697 pictures"
    assert words.clean("a\x1b[2Jb\nc\udce9") == "a [2Jb c "


def test_settings_are_short():
    assert words.settings_text({"learning_rate": 0.00031622, "epochs": 8}) == "learning rate 0.000316, epochs 8"
