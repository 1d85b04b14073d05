"""`ranking.html`: one page on which source to reuse, with its pictures; it runs no script and loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.files import write_bytes
from headstart.report import chart, plane, rank_words, words
from headstart.report.gallery import Gallery
from headstart.report.page import environment
from headstart.report.story import Thumbnails

PICTURES_ROOM = 900_000


def write_rank_page(path: Path, result: Mapping[str, Any], thumbnails: Thumbnails) -> Path:
    """Write the page of a ranking (what `ranking.json` holds) and return its path; `thumbnails` as for a report."""
    write_bytes(path, render(result, thumbnails).encode(errors="backslashreplace"))
    return path


def render(result: Mapping[str, Any], thumbnails: Thumbnails) -> str:
    """The page as HTML."""
    entries = result["ranking"]
    figures = [{"value": entry["score"], "low": entry["low"], "high": entry["high"]} for entry in entries]
    scale = chart.axis(figures)
    gallery = Gallery(thumbnails, PICTURES_ROOM)
    deepest = entries[0]["outlook"]["costs"][-1]["strategy"]
    points, across, upwards = plane.pareto(entries, deepest)
    return (
        environment()
        .get_template("rank.html.jinja")
        .render(
            result=result,
            headline=rank_words.headline(result),
            scale=scale,
            strips=[
                chart.strip(
                    scale,
                    figure,
                    label=f"{rank_words.place(entry)}  {entry['backbone']}",
                    note=_note(entry),
                    text=words.share(figure),
                    strong=entry["place"] == 1,
                )
                for entry, figure in zip(entries, figures, strict=True)
            ],
            sources=[_source(entry, gallery) for entry in entries],
            best=entries[0],
            map=plane.sources_map(result["map"]) if len(result["map"]) > 2 else [],
            pareto=points,
            across=across,
            upwards=upwards,
            front=plane.front(entries, deepest),
            deepest=deepest,
            frame=plane,
            ranked_by=words.ranked_by(result["data"]["kind"], "left-out accuracy"),
            words=rank_words,
        )
    )


def _note(entry: Mapping[str, Any]) -> str:
    known = (
        entry["domain"],
        rank_words.size(entry["parameters"]) + " parameters" if entry["parameters"] else None,
        entry["input"],
        entry["licence"],
    )
    return " · ".join(str(part) for part in known if part)


def _source(entry: Mapping[str, Any], gallery: Gallery) -> dict[str, Any]:
    ahead = entry["outlook"]
    return {
        "entry": entry,
        "measures": [
            (*rank_words.MEASURES[name], rank_words.measure(name, value))
            for name in rank_words.MEASURES
            if (value := ahead["measures"].get(name)) is not None
        ],
        "farthest": [(name, *gallery.look(name)) for name in ahead["farthest"]["ids"]],
        "curve": plane.curve([cut["explained"] for cut in entry["cuts"]]) if len(entry["cuts"]) > 1 else [],
        "chosen_cut": entry["cut"]["number"],
    }
