"""The panels on what became of the source: going on without labels, and forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.report import chart, source_words, words
from headstart.report.story import Story


def continued(story: Story) -> Mapping[str, Any] | None:
    """How the backbone went on with unlabelled examples; None where it was not asked to."""
    found = story.result.continued
    if found is None:
        return None
    losses = {
        when: {name.removeprefix("held-out "): figure for name, figure in (found.get(when) or {}).items()} for when in ("before", "after")
    }
    return {
        "found": found,
        "sentence": source_words.continued_sentence(story.result),
        "read": source_words.READ.get(found.get("objective") or ""),
        "losses": [
            {"name": name, "before": losses["before"].get(name), "after": figure} for name, figure in losses["after"].items()
        ],
    }


def forgetting(story: Story) -> Mapping[str, Any] | None:
    """What each strategy left of the source beside what it learned; None where the source could not be asked."""
    found = story.result.forgetting
    if found is None:
        return None
    figures = [found["before"], found["after"]]
    scale = chart.number_axis(figures)
    titles = (("Before", "the source as it was pre-trained", False), ("After", words.chosen_text(story.result), True))
    strips = [
        chart.strip(scale, figure, label=label, note=note, text=words.number_figure(figure), strong=strong)
        for (label, note, strong), figure in zip(titles, figures, strict=True)
    ]
    metric = story.result.task["metric"]
    rows = [
        {
            **row,
            "learned": words.metric_value(metric, row["validation"]),
            "kept": words.number(row["source"]),
            "more": f"{row['source'] - found['before']['value']:+.3f}".replace("-", "−"),
        }
        for row in sorted(found["strategies"], key=lambda row: row["source"])
    ]
    return {
        "found": found,
        "sentence": source_words.forgotten_sentence(story.result),
        "unit": source_words.OF[found["objective"]],
        "scale": scale,
        "strips": strips,
        "rows": rows,
        "metric": words.metric_title(metric),
    }
