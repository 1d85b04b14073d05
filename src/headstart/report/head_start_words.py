"""What the head start is worth, in words; the same ones on the page, in the card and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.report.words import nouns, percent
from headstart.run.result import Result

OPEN = 0.5
"""Labels from the limit within which a figure says "at least": the side ahead was level at the smallest size already."""


def sentence(result: Result) -> str:
    """The head start in one sentence; empty where no control was trained, so that there is nothing to compare."""
    found = result.head_start
    if found is None:
        return ""
    labels = found["labels"]
    if labels is None:
        return f"What the head start is worth was not measured: {found['missing']}."
    low, high = labels["low"], labels["high"]
    if low is None or high is None:
        return "What the head start is worth cannot be told from one test example or group."
    if low > 0:
        return f"Your head start is worth {_amount(found)}: {_where(found, 'transfer', 'scratch')}."
    if high < 0:
        return f"Training from scratch is ahead by {_amount(found)}: {_where(found, 'scratch', 'transfer')}."
    many = nouns(result)[1]
    return f"What the head start is worth is unclear: between {_signed(low)} and {_signed(high)} labels, as far as these test {many} can tell."


def is_clear(found: Mapping[str, Any]) -> bool:
    """Whether the interval of the labels lies on one side of zero."""
    labels = found["labels"]
    return labels is not None and labels["low"] is not None and (labels["low"] > 0 or labels["high"] < 0)


def gap_label(found: Mapping[str, Any]) -> str:
    """The distance between the two curves: `204 labels`, `at least 214 labels`."""
    return f"{'at least ' if _is_open(found, found['labels']['value']) else ''}{_labels(abs(found['labels']['value']))}"


def needed(result: Result) -> str:
    """How many labels scratch would need for what transfer reaches in the end; empty where nothing was measured."""
    found = result.head_start
    if found is None or found["needed"] is None:
        return ""
    sides = {"transfer": "transfer", "scratch": "training from scratch"}
    # Who is ahead in the end is never reached by the other; at a tie the question is asked of scratch.
    side, other = ("transfer", "scratch") if found["needed"]["transfer"]["labels"] is None else ("scratch", "transfer")
    asked, whole = found["needed"][side], found["points"][-1]["labels"]
    goal = f"where {sides[other]} is with all {whole:,}"
    begin = sides[side][0].upper() + sides[side][1:]
    if asked["labels"] is None:
        return f"{begin} never gets to {goal} within your data (in {_often(asked['never'])} resamples of the test {nouns(result)[1]})."
    rest = f"; in {_often(asked['never'])} resamples it never does within your data" if asked["never"] else ""
    return f"{begin} gets to {goal} with {asked['labels']:,.0f} labels{rest}."


def _often(part: float) -> str:
    """A share of resamples, for before the word: `all`, `nearly all`, `93 % of`, `hardly any`."""
    if 0.005 <= part < 0.995:
        return f"{percent(part, 0)} of"
    return "hardly any" if part < 0.5 else "all" if part == 1 else "nearly all"


def duration(seconds: float) -> str:
    """`0.4 s`, `61 s`, `12 min`, `1.5 h`."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _amount(found: Mapping[str, Any]) -> str:
    """`204 labels (150–214) and 61 s`; seconds only where they are saved too."""
    labels, sign = found["labels"], 1 if found["labels"]["value"] > 0 else -1
    low, high = sorted(sign * labels[end] for end in ("low", "high"))
    span = ""
    if not _is_open(found, low):
        span = f" ({low:,.0f} or more)" if _is_open(found, high) else f" ({low:,.0f}–{high:,.0f})"
    saved = sign * found["seconds"]["value"]
    time = f" and {duration(saved)}" if saved >= 0.05 else f", though it takes {duration(-saved)} longer" if saved <= -0.05 else ""  # fmt: skip
    return f"{gap_label(found)}{span}{time}"


def _where(found: Mapping[str, Any], ahead: str, behind: str) -> str:
    """`with 40 labels transfer is where training from scratch is with all 244`."""
    names = {"transfer": "transfer", "scratch": "training from scratch"}
    level, whole = found["level"], found["points"][-1]["labels"]
    few, many = level[f"{ahead}_labels"], level[f"{behind}_labels"]
    all_of = f"all {whole:,}" if round(many) == whole else f"{many:,.0f}"
    if _is_open(found, found["labels"]["value"]):
        return f"with {few:,.0f}, the fewest tried, {ahead} already does as well as {behind} with {all_of}"
    return f"with {few:,.0f} labels {names[ahead]} is where {names[behind]} is with {all_of}"


def _is_open(found: Mapping[str, Any], labels: float) -> bool:
    return bool(abs(labels) >= found["limit"] - OPEN)


def _labels(number: float) -> str:
    return "1 label" if round(number) == 1 else f"{number:,.0f} labels"


def _signed(number: float) -> str:
    return f"{number:+,.0f}".replace("-", "−") if round(number) else "0"
