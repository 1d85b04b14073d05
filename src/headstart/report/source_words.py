"""What became of the source, in plain words: how it went on without labels, and what adapting made it forget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.prove.metrics import METRICS
from headstart.report.words import SHARES, count, metric_title, metric_value, number, signed
from headstart.run.result import Figure, Result

READ = {"masked": "telling hidden tokens from those around them", "causal": "telling each token from those before it"}
OF = {"masked": "bits per byte of hidden tokens", "causal": "bits per byte"}
UNCHANGED = 5e-7
"""Bits per byte that are rounding."""


def continued_line(result: Result) -> str:
    """How going on without labels ended, for the terminal; empty where it was not asked for."""
    found = result.continued
    if found is None:
        return ""
    if found["backbone"] is None:
        return f"nothing came of it: {found['missing']}"
    done = f"{count(found['texts'], 'text', 'texts')} in {found['seconds']:.0f} s"
    return f"{done}: {'kept' if found['kept'] else 'left out'}, {judged(found)}"


def judged(found: Mapping[str, Any]) -> str:
    """What validation said: both figures and their paired difference with its interval."""
    name = found["metric"]
    if found["difference"] is None:
        return f"{found['base']} itself finished no trial to compare with"
    title, values = metric_title(name), [metric_value(name, found[key]) for key in ("value", "plain")]
    return f"{title[:1].lower()}{title[1:]} on validation {values[0]}, plain {values[1]} ({_difference(name, found['difference'])})"


def continued_sentence(result: Result) -> str:
    """The same for the page."""
    found = result.continued
    if found is None or found["backbone"] is None:
        return "" if found is None else f"Going on with the unlabelled examples came to nothing: {found['missing']}."
    better = "higher" if METRICS[found["metric"]].higher_is_better else "lower"
    end = (
        f"It was better than {found['base']} by more than chance, and is what was shipped."
        if found["kept"]
        else f"That is not better by more than chance than everything else that was tried, so {result.chosen['backbone']} was shipped."
    )
    return f"With it: {judged(found)}; {better} is better. {end}"


def forgotten_lines(result: Result) -> list[str]:
    """What was forgotten, for the terminal: the figures, and where there are several strategies what each forgot; empty where nobody could be asked."""
    found = result.forgetting
    if found is None:
        return []
    before, after, more = found["before"], found["after"], found["difference"]
    unit = f"{OF[found['objective']]} on {found['sample']}"
    if abs(more["value"]) < UNCHANGED:
        return [f"nothing: {number(after['value'])} {unit}, as before"]
    lines = [f"{number(before['value'])} to {number(after['value'])} {unit} ({_difference('bits_per_byte', more)})"]
    return [*lines, *([f"by strategy: {by_strategy(found)}"] if len(found["strategies"]) > 1 else [])]


def by_strategy(found: Mapping[str, Any]) -> str:
    """Each strategy with what it left of the source, the one that forgot least first."""
    rows = sorted(found["strategies"], key=lambda row: row["source"])
    return ", ".join(f"{row['strategy']} {number(row['source'])}" for row in rows)


def forgotten_sentence(result: Result) -> str:
    """What was forgotten, in a sentence for the page."""
    found = result.forgetting
    if found is None:
        return ""
    before, after, more = found["before"], found["after"], found["difference"]
    unit = OF[found["objective"]]
    if abs(more["value"]) < UNCHANGED:
        return f"Nothing of the source was forgotten: its texts take {number(after['value'])} {unit}, as they did before."
    low, high = more.get("low"), more.get("high")
    if low is not None and high is not None and low <= 0 <= high:
        told = "Whether something of the source was forgotten is not sure"
    else:
        told = "Adapting forgot some of the source" if more["value"] > 0 else "Adapting forgot nothing of the source, and helped on it"
    return f"{told}: its texts take {number(after['value'])} {unit}, before {number(before['value'])} ({_difference('bits_per_byte', more)})."


def _difference(name: str, figure: Figure) -> str:
    """A paired difference with its sign and interval: `+2.8 points, 0.4 to 5.1`."""
    value, ends = figure["value"], [figure.get(end) for end in ("low", "high")]
    if name in SHARES:
        told, between = f"{signed(value)} points", [signed(end) for end in ends if end is not None]
    else:
        told, between = f"{'+' if value > 0 else ''}{number(value)}", [number(end) for end in ends if end is not None]
    return f"{told}, {between[0]} to {between[1]}" if len(between) == 2 else told
