"""A ranking on one screen: which source to reuse and why, how sure that is, and what lies ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from headstart.report import rank_words, words
from headstart.report.terminal_summary import STYLES, Line, cut, labelled, strip_lines

if TYPE_CHECKING:
    from rich.text import Text

SHOWN = 8


def rank_lines(result: Mapping[str, Any], *, page: str | None = None, width: int = 80) -> list[str]:
    """The ranking as plain lines of at most `width` columns; `result` is what `ranking.json` holds."""
    return [line.text for line in _lines(result, page, width)]


def rank_text(result: Mapping[str, Any], *, page: str | None = None, width: int = 80) -> Text:
    """The ranking for a rich console; nothing in it is read as markup."""
    from rich.text import Text

    text = Text(no_wrap=True)
    for line in _lines(result, page, width):
        text.append(f"{line.text}\n", style=STYLES[line.tone])
    text.rstrip()
    return text


def _lines(result: Mapping[str, Any], page: str | None, width: int) -> list[Line]:
    lines = [Line(line, "strong") for line in wrap(words.clean(rank_words.headline(result)), width)]
    for part in (_sources(result, width), _ahead(result, width), _first(result, width)):
        lines += [Line(""), *part]
    lines += _watch(result, width)
    lines = [Line(cut(words.clean(line.text), width), line.tone) for line in lines]
    return [*lines, Line(labelled("Page", words.clean(page)))] if page else lines


def _sources(result: Mapping[str, Any], width: int) -> list[Line]:
    entries = result["ranking"][:SHOWN]
    more = f", best {SHOWN} of {len(result['ranking'])}" if len(result["ranking"]) > SHOWN else ""
    title = labelled("Sources", f"{words.ranked_by(result['data']['kind'], 'left-out accuracy')}, {result['data']['looked_at']} training examples{more}")
    names = [f"{rank_words.place(entry):<4}{entry['backbone']}" for entry in entries]
    figures = [{"value": entry["score"], "low": entry["low"], "high": entry["high"]} for entry in entries]
    return [Line(title, "strong"), *strip_lines(names, figures, width, axis=True)]


def _ahead(result: Mapping[str, Any], width: int) -> list[Line]:
    entries = result["ranking"][:SHOWN]
    strategies = [cost["strategy"] for cost in entries[0]["outlook"]["costs"]]
    rows = [["", "cut after", "advice", "expected", *strategies]]
    for entry in entries:
        costs = [rank_words.duration(cost["seconds"]) for cost in entry["outlook"]["costs"]]
        forecast = entry["outlook"]["forecast"]
        told = f"{forecast['word']} {forecast['chances'][forecast['word']]:.0%}" if forecast else "–"
        rows.append([entry["backbone"], rank_words.cut(entry), entry["outlook"]["advice"]["strategy"], told, *costs])
    return [Line(labelled("Ahead", "where to cut, how deep, verdict against scratch, time of a trial"), "strong")] + [
        Line(line, "soft" if number != 1 else "plain") for number, line in enumerate(_columns(rows, width))
    ]


def _columns(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    sizes = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    spare = width - 2 - 2 * (len(sizes) - 1) - sum(sizes)
    sizes[0] = max(8, sizes[0] + min(0, spare))
    return [
        "  " + "  ".join(cut(cell, size).ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip()
        for row in rows
    ]


def _first(result: Mapping[str, Any], width: int) -> list[Line]:
    best = result["ranking"][0]
    told = [
        f"Why: {result['why']}.",
        f"How deep: {best['outlook']['advice']['strategy']}; {best['outlook']['advice']['reason']}.",
    ]
    if best["outlook"]["forecast"]:
        told.append(f"Forecast, not a promise: {best['outlook']['forecast']['sentence']}.")
    told += [f"Mind: {one['what']}: {one['done']}." for one in best["outlook"]["mismatches"][:2]]
    return [Line(f"  {line}", "soft") for text in told for line in wrap(words.clean(text), max(20, width - 4))]


def _watch(result: Mapping[str, Any], width: int) -> list[Line]:
    told = [*result["notes"], *(f"Left out: {one['name']}: {one['reason']}" for one in result["dropped"])]
    return [Line(line, "warning") for text in told for line in wrap(words.clean(text), width, subsequent_indent="  ")]
