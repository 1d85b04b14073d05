"""What the head start is worth, in words; the same ones on the page, in the card and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.report.words import nouns, percent
from headstart.run.result import Result

OPEN = 0.5
"""Labels from the limit within which a figure says "at least": the side ahead was level at the smallest size already."""


NAMES = {"transfer": "transfer", "scratch": "training from scratch"}


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
    if low == high and (ahead := _ahead(found)):
        name = NAMES[ahead]
        return f"What the head start is worth was not measured: {name} ends ahead, and was not tried with fewer labels."
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
    """How many labels scratch would need for what transfer reaches in the end; empty where nothing was measured.

    "Never within your data" is said of a side that was trained on all of it; of one that had time for a part, only that much.
    """
    found = result.head_start
    if found is None or found["needed"] is None:
        return ""
    # Who is ahead in the end is never reached by the other; at a tie the question is asked of scratch.
    side, other = ("transfer", "scratch") if found["needed"]["transfer"]["labels"] is None else ("scratch", "transfer")
    asked, goal = found["needed"][side], f"where {NAMES[other]} is with {_most(found, other)}"
    begin = NAMES[side][0].upper() + NAMES[side][1:]
    if asked["labels"] is None:
        often = f"in {_often(asked['never'])} resamples of the test {nouns(result)[1]}"
        if _saw_all(found, side):
            return f"{begin} never gets to {goal} within your data ({often})."
        return f"With {_most(found, side)}, {NAMES[side]} does not get to {goal} ({often}); with more it was not tried."
    within = "within your data" if _saw_all(found, side) else f"with {_most(found, side)}"
    rest = f"; in {_often(asked['never'])} resamples it never does {within}" if asked["never"] else ""
    return f"{begin} gets to {goal} with {asked['labels']:,.0f} labels{rest}."


def _ahead(found: Mapping[str, Any]) -> str:
    """Who ends at a level that the other never reaches; empty at a tie."""
    return next((other for side, other in (("scratch", "transfer"), ("transfer", "scratch")) if found["needed"][side]["labels"] is None), "")  # fmt: skip


def _saw_all(found: Mapping[str, Any], side: str) -> bool:
    return bool(found["seen"][side] >= found["seen"]["all"])


def _most(found: Mapping[str, Any], side: str) -> str:
    """What a side was trained on in the end: `all 244`, `the 96 of 244 it had time for`."""
    seen = found["seen"]
    return f"all {seen['all']:,}" if _saw_all(found, side) else f"the {seen[side]:,} of {seen['all']:,} it had time for"


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
    if not _is_open(found, sign * low):
        span = f" ({low:,.0f} or more)" if _is_open(found, sign * high) else f" ({low:,.0f}–{high:,.0f})"
    saved = sign * found["seconds"]["value"]
    time = f" and {duration(saved)}" if saved >= 0.05 else f", though it takes {duration(-saved)} longer" if saved <= -0.05 else ""  # fmt: skip
    return f"{gap_label(found)}{span}{time}"


def _where(found: Mapping[str, Any], ahead: str, behind: str) -> str:
    """`with 40 labels transfer is where training from scratch is with all 244`."""
    few, many = found["level"][f"{ahead}_labels"], found["level"][f"{behind}_labels"]
    those = _most(found, behind) if round(many) == found["seen"][behind] else f"{many:,.0f}"
    if _is_open(found, found["labels"]["value"]):
        return f"with {few:,.0f}, the fewest tried, {ahead} already does as well as {behind} with {those}"
    return f"with {few:,.0f} labels {NAMES[ahead]} is where {NAMES[behind]} is with {those}"


def _is_open(found: Mapping[str, Any], labels: float) -> bool:
    return bool(abs(labels) >= found["limit"]["transfer" if labels > 0 else "scratch"] - OPEN)


def _labels(number: float) -> str:
    return "1 label" if round(number) == 1 else f"{number:,.0f} labels"


def _signed(number: float) -> str:
    return f"{number:+,.0f}".replace("-", "−") if round(number) else "0"
