"""The summary: the whole story on one screen of 80 × 24."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headstart.report.terminal_summary import HEIGHT, cut, summary_lines, summary_text
from tests.unit.report.runs import RUNS, sample


def story(name, **changes):
    return "\n".join(summary_lines(replace(sample(name).result, **changes), report="runs/x/report.html"))


@pytest.mark.parametrize("name", RUNS)
def test_fits_one_screen_and_holds_no_control_characters(name):
    lines = summary_lines(sample(name).result, report="runs/x/report.html")
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= 80
    assert all(letter.isprintable() for line in lines for letter in line)


@pytest.mark.parametrize("width", [40, 60, 100, 160])
def test_fits_other_widths(width):
    assert all(len(line) <= width for name in RUNS for line in summary_lines(sample(name).result, width=width))


def test_tells_the_whole_story_of_the_demo():
    lines = summary_lines(sample("digits").result, report="runs/demo/report.html")
    text = "\n".join(lines)
    assert " ".join(lines[:2]) == (
        "Transfer helped: 92.5 % of test pictures right (90–94), 27 points (23–31) more "
        "than the same network trained from scratch (p < 0.001)."
    )
    order = [
        "starter:glyph    95.4 % (92–98)",
        "starter:natural  81.2 % (76–86)",
        "Why: a ridge probe",
        "clearly more than",
    ]
    order += ["Chosen       partial on starter:glyph", "partial 96.2 %, probe 94.1 %", "Test         600 pictures"]
    order += ["  transfer        92.5 % (90–94)", "  from scratch    ", "random, frozen", "classical", "majority class"]
    order += ["Calibration", "before", "Report       runs/demo/report.html"]
    last = 0
    for part in order:
        assert part in text[last:]
        last = text.index(part, last)


def test_the_longest_story_still_fits():
    result = sample("digits").result
    verdict = {**result.verdict, "word": "unclear", "p_value": 0.23}
    many = [{**entry, "backbone": "timm:convnext_something_very_long.fb_in22k_ft_in1k"} for entry in result.ranking * 4]
    failing = {**result.task, "labels_without_figures": ["0"], "metric": "macro_f1"}
    lines = summary_lines(replace(result, verdict=verdict, ranking=many, task=failing), report="r.html")
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= 80
    assert "best 3 of 8" in "\n".join(lines)


def test_without_a_control_no_verdict_is_given():
    text = story("tags")
    assert "no verdict on transfer" in text
    assert "--control none" in text
    assert "helped" not in text
    assert "Calibration" not in text


def test_of_nested_searches_the_last_one_is_told():
    result = sample("tags").result
    trials = [{**trial, "validation": {"macro_f1": 0.5}} if trial["fold"] else trial for trial in result.trials]
    assert story("tags", trials=trials) == story("tags")


def test_a_metric_that_is_better_when_lower_is_told_best_first():
    result = sample("digits").result
    task = {**result.task, "metric": "log_loss", "higher_is_better": False}
    losses = {"probe": 0.4, "partial": 0.2}
    trials = [
        {**t, "validation": {"log_loss": losses.get(t["strategy"], 1.0)}} for t in result.trials if not t["error"]
    ]
    assert "partial 0.200, probe 0.400" in story("digits", task=task, trials=trials)


def test_a_path_is_never_cut():
    path = "/a/very/long/path" * 8 + "/report.html"
    assert summary_lines(sample("digits").result, report=path)[-1] == f"Report       {path}"


def test_rich_text_says_the_same_and_reads_no_markup():
    result = replace(sample("bees").result, chosen={**sample("bees").result.chosen, "backbone": "[red]net[/red]"})
    assert summary_text(result).plain.splitlines() == [line.rstrip() for line in summary_lines(result)]
    assert "[red]net[/red]" in summary_text(result).plain


def test_cut():
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
