"""The panels of evidence on the page, as a table: each has a title, a template and a function that fills it.

A panel whose function returns None has nothing to say about this run and is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.prove.metrics import METRICS
from headstart.report import (
    chart,
    concepts,
    confusion,
    curve_chart,
    head_start_words,
    numbers,
    samples,
    source_panels,
    spans,
    words,
)
from headstart.report.command import fit_command
from headstart.report.labelled import labelled, types
from headstart.report.story import Story

View = Mapping[str, Any]
MISTAKES = 12
TRIALS_SHOWN = 14
MISTAKES_ROOM = 200_000
CELLS_ROOM = 900_000
LIST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Panel:
    """One section of the page; `name` is its anchor and its template."""

    name: str
    title: str
    view: Callable[[Story], View | None]
    always: bool = True
    """Whether it is there for every task, or only where the task asks for it."""


def ranking(story: Story) -> View | None:
    """The candidates, each with its score and interval on one scale."""
    entries = story.result.ranking
    if all(entry["score"] is None for entry in entries):
        return None
    figures = [{"value": entry["score"], "low": entry["low"], "high": entry["high"]} for entry in entries]
    scale = chart.axis(figures)
    strips = [
        chart.strip(
            scale,
            figure,
            label=entry["backbone"],
            note=_source_note(entry),
            text=words.share(figure),
            strong=place == 0,
        )
        for place, (entry, figure) in enumerate(zip(entries, figures, strict=True))
    ]
    why = next((entry["why"] for entry in entries if entry.get("why")), "")
    foresight = story.result.foresight
    return {"scale": scale, "strips": strips, "entries": entries, "why": why, "foresight": foresight}


def _source_note(entry: Mapping[str, Any]) -> str:
    parameters = entry.get("parameters")
    size = f"{parameters / 1e6:.1f} M parameters" if parameters else None
    known = (entry.get("domain"), size, entry.get("input"), entry.get("licence"))
    return " · ".join(str(part) for part in known if part)


def trials(story: Story) -> View | None:
    """All trials; beyond a screenful only those that won are open."""
    found = story.result.trials
    if not found:
        return None
    metric = story.result.task["metric"]
    rows = [
        {
            **trial,
            "role_title": words.ROLES.get(trial["role"], trial["role"]),
            "value": words.metric_value(metric, trial["validation"].get(metric)),
            "told": words.settings_text(trial["settings"]) + ("; given up, clearly behind" if trial.get("pruned") else ""),
        }
        for trial in found
    ]
    first = rows if len(rows) <= TRIALS_SHOWN else [row for row in rows if row["chosen"]]
    return {
        "metric": words.metric_title(metric),
        "first": first,
        "all": rows,
        "nested": story.result.data["scheme"] == "nested cross-validation",
        "why": story.result.chosen["why"],
    }


def metrics(story: Story) -> View:
    """Every metric for transfer and for each control."""
    result = story.result
    roles = [role for role in words.ROLES if role in result.test]
    names = list(result.test["transfer"])
    lines = [
        {
            "title": words.metric_title(name),
            "better": "higher is better" if _higher(name) else "lower is better",
            "main": name == words.main_metric(result),
            "cells": [_metric_cell(name, result.test[role].get(name)) for role in roles],
        }
        for name in names
    ]
    methods = sorted({figure["method"] for role in roles for figure in result.test[role].values()})
    return {
        "roles": [{"title": words.role_title(result, role), "note": words.role_note(result, role)} for role in roles],
        "lines": lines,
        "verdict": result.verdict,
        "by_losses": result.verdict is not None and "margin" in result.verdict,
        "gap": words.gap_text(result),
        "methods": methods,
    }


def head_start(story: Story) -> View | None:
    """Both learning curves and the gap between them; None without a control."""
    found = story.result.head_start
    if found is None:
        return None
    told: View = {
        "sentence": head_start_words.sentence(story.result),
        "needed": head_start_words.needed(story.result),
        "missing": found["missing"],
        "points": found["points"],
        "frame": None,
    }
    if len(found["points"]) < 2:
        return told
    off = words.is_off(story.result)
    box = curve_chart.frame(found["points"], is_off=off)
    sides = [{"title": words.ROLES[name], "curve": curve_chart.side(box, found["points"], name)} for name in curve_chart.SIDES]  # fmt: skip
    return {
        **told,
        "frame": box,
        "marks": curve_chart.marks(box, found["points"]),
        "sides": sides,
        "gap": curve_chart.gap(box, found["level"], found["points"]) if head_start_words.is_clear(found) else None,
        "gap_label": head_start_words.gap_label(found),
        "method": found["labels"]["method"],
        "folds": len(found["folds"]),
        "is_off": off,
        "unit": words.unit_text(story.result),
        "level": words.number_figure if off else words.share,
        "part_only": any(found["seen"][name] < found["seen"]["all"] for name in curve_chart.SIDES),
    }


def _higher(name: str) -> bool:
    return METRICS[name].higher_is_better if name in METRICS else True


def _metric_cell(name: str, figure: Mapping[str, Any] | None) -> View:
    if figure is None:
        return {"value": "–", "span": "", "method": "not measured"}
    return {
        "value": words.metric_value(name, figure.get("value")),
        "span": words.metric_span(name, figure),
        "method": figure["method"],
    }


def matrix(story: Story) -> View | None:
    """The confusion matrix with the examples behind its cells; none for several labels per example."""
    found = story.result.confusion
    if not found:
        return None
    cells = confusion.cells(found, story.rows, story.gallery(CELLS_ROOM))
    size = len(found["classes"])
    form = "table" if size <= confusion.TABLE_CLASSES else "map" if size <= confusion.MAP_CLASSES else "list"
    return {
        "form": form,
        "classes": found["classes"],
        "cells": cells,
        "at": {(cell.row, cell.column): cell for cell in cells},
        "totals": [sum(line) for line in found["counts"]],
        "pixel": max(4, min(14, 760 // size)),
        "wrong": [cell for cell in cells if not cell.right][:LIST_LENGTH] if form != "table" else [],
    }


def classes(story: Story) -> View | None:
    """How each class fared, the least found first."""
    if not story.rows:
        return None
    found = confusion.fared(story.result.task["classes"], story.rows)
    scale = chart.axis([{"value": 0.0}, {"value": 1.0}])
    rows = [
        {
            "class": one,
            "strip": chart.strip(scale, one.recall, label=one.name, note="", text=one.recall_text, strong=True),
        }
        for one in found
    ]
    unmeasured = set(story.result.task.get("labels_without_figures") or ())
    return {
        "scale": scale,
        "first": rows[:LIST_LENGTH],
        "rest": rows[LIST_LENGTH:],
        "unmeasured": unmeasured,
        "several": story.result.task["kind"] == "multi",
    }


def mistakes(story: Story) -> View:
    """The mistakes of which the model was surest."""
    wrong = sorted((row for row in story.rows if not row.right), key=lambda row: -row.confidence)
    gallery = story.gallery(MISTAKES_ROOM)
    return {"examples": [gallery.show(row) for row in wrong[:MISTAKES]], "wrong": len(wrong), "of": len(story.rows)}


def calibration(story: Story) -> View | None:
    """How well confidence matches what is right, before and after the temperature."""
    found = story.result.calibration
    if not found or not found.get("bins"):
        return None
    before = found.get("bins_before") or []
    frame = chart.square([*found["bins"], *before])
    return {
        "frame": frame,
        "after": chart.spots(frame, found["bins"]),
        "before": chart.spots(frame, before),
        "temperature": found["temperature"],
        "ece_after": found["ece_after"],
        "ece_before": found["ece_before"],
        "worse": (found["ece_after"]["value"] or 0.0) > (found["ece_before"]["value"] or 0.0),
        "several": story.result.task["kind"] == "multi",
    }


def data(story: Story) -> View:
    """What the audit found in the data."""
    found = story.audit
    aside = list(found.get("set_aside", ()))
    odd = Counter(item["note"] for item in found.get("odd", ()))
    first_odd = {item["note"]: item["id"] for item in reversed(found.get("odd", ()))}
    return {
        "audit": found,
        "reading": concepts.reading_lines(found),
        "counts": sorted((found.get("classes") or {}).items(), key=lambda item: (-item[1], item[0])),
        "aside": aside[:LIST_LENGTH],
        "aside_rest": max(0, len(aside) - LIST_LENGTH),
        "odd": [(note, times, first_odd[note]) for note, times in odd.most_common()],
        "groups": _groups(found),
        "leaks": list(found.get("leaks", ()))[:LIST_LENGTH],
        "leaks_in_all": len(found.get("leaks", ())),
    }


def _groups(found: Mapping[str, Any]) -> list[View]:
    """Groups of examples that are alike, by kind."""
    kinds = {"exact_duplicates": "Exact duplicates", "near_duplicates": "Near-duplicates"}
    told: list[View] = [
        {
            "title": title,
            "number": len(found[key]),
            "members": sum(map(len, found[key])),
            "groups": [", ".join(group) for group in found[key][:5]],
        }
        for key, title in kinds.items()
        if found.get(key)
    ]
    kinds = {
        "label_conflicts": "Equal, but under different labels (set aside)",
        "label_conflicts_among_near_duplicates": "Near-duplicates under different labels (kept)",
    }
    for key, title in kinds.items():
        groups = found.get(key) or []
        named = [", ".join(f"{item['id']} ({'; '.join(item['labels'])})" for item in group) for group in groups[:5]]
        if groups:
            told.append({"title": title, "number": len(groups), "members": sum(map(len, groups)), "groups": named})
    return told


def method(story: Story) -> View:
    """How the figures were come by."""
    return {"scheme": words.scheme_text(story.result), "data": story.result.data}


def made(story: Story) -> View:
    """Time, memory, versions and the command."""
    result = story.result
    return {
        "phases": result.phases,
        "seconds": sum(phase["seconds"] for phase in result.phases),
        "peak": max((phase["peak_mib"] for phase in result.phases), default=None),
        "command": fit_command(result, story.folder_name),
        "versions": result.versions,
        "machine": {name: _told(value) for name, value in result.machine.items()},
        "card": {name: _told(value) for name, value in result.chosen.get("card", {}).items() if _worth_telling(value)},
    }


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _worth_telling(value: Any) -> bool:
    return value not in (None, "", [], {}) and not isinstance(value, Mapping)


PANELS: Sequence[Panel] = (
    Panel("metrics", "Every metric, against every control", metrics),
    Panel("head-start", "What the head start is worth", head_start),
    Panel("ranking", "Which source transfers best", ranking),
    Panel("continued", "Did going on without labels help?", source_panels.continued),
    Panel("trials", "What was tried", trials),
    Panel("forgetting", "What was forgotten of the source", source_panels.forgetting),
    Panel("confusion", "What was taken for what", matrix, always=False),
    Panel("classes", "How each class fared", classes, always=False),
    Panel("mistakes", "The mistakes it was surest of", mistakes, always=False),
    Panel("concepts", "Concepts, or facts?", concepts.findings),
    Panel("words", "Which words decided", concepts.decisive),
    Panel("calibration", "Can its confidence be believed?", calibration, always=False),
    Panel("answers", "Answers, right and wrong", spans.answers, always=False),
    Panel("types", "How each type fared", types, always=False),
    Panel("labelled", "True and said, side by side", labelled, always=False),
    Panel("samples", "How it goes on", samples.samples, always=False),
    Panel("scatter", "What was said, and what is true", numbers.scatter, always=False),
    Panel("far_off", "The answers farthest off", numbers.far_off, always=False),
    Panel("intervals", "Do its intervals hold?", numbers.intervals, always=False),
    Panel("method", "How this was tested", method),
    Panel("data", "What is in the data", data),
    Panel("made", "How this was made", made),
)
