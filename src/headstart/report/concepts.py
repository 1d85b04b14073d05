"""The panels on what answers rest on: findings as pictures, and words coloured by how much they spoke for the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.report import chart, words
from headstart.report.story import Story

View = Mapping[str, Any]
SHADES = 4
"""How many strengths of colour there are on either side."""


def findings(story: Story) -> View | None:
    """Each finding with its sentence and a chart of its figures; None where nothing was looked at."""
    found = story.result.concepts
    if not found or not (found["findings"] or found["left_out"]):
        return None
    return {"findings": [picture(one) for one in found["findings"]], "left_out": found["left_out"]}


def picture(finding: Mapping[str, Any]) -> View:
    """One finding with its chart."""
    figures = [row["figure"] for row in finding["rows"]]
    scale = chart.axis(figures)
    strips = [
        chart.strip(scale, row["figure"], label=row["name"], note=row["note"], text=words.share(row["figure"]), strong=row["strong"])
        for row in finding["rows"]
    ]
    methods = sorted({figure["method"] for figure in figures})
    return {"finding": finding, "scale": scale, "strips": strips, "methods": methods}


def decisive(story: Story) -> View | None:
    """Examples whose words are coloured; where they could not be told, why."""
    found = (story.result.concepts or {}).get("words")
    if not found:
        return None
    return {"missing": found["missing"], "examples": [{**example, "words": shaded(example["words"])} for example in found["examples"]]}


def shaded(weighed: Sequence[tuple[str, float]]) -> list[tuple[str, str, str]]:
    """Each word with the class of its colour and its weight in words: the strongest of a text has the strongest colour."""
    most = max((abs(weight) for _, weight in weighed), default=0.0) or 1.0
    out = []
    for word, weight in weighed:
        shade = round(SHADES * abs(weight) / most)
        colour = "" if not shade else f"{'for' if weight > 0 else 'against'} shade{shade}"
        out.append((word, colour, f"{weight:+.2f}".replace("-", "−")))
    return out


def reading_lines(audit: Mapping[str, Any]) -> list[str]:
    """How each backbone reads the texts, in sentences; nothing where all are read as they are."""
    told = []
    for one in audit.get("reading") or ():
        for key, what in READING.items():
            if one[key]:
                told.append(f"{one[key]:,} of {one['of']:,} texts {what.format(**one)}")
    return told


READING = {
    "windowed": "are longer than the {max_length} tokens of {backbone}; they are read in overlapping windows, whose features are averaged.",
    "truncated": "are not read whole by {backbone}, which reads {windows} windows of {max_length} tokens at most.",
    "unknown": "have many tokens that {backbone} does not know.",
    "spelled": "fall into many pieces per word with {backbone}.",
}
