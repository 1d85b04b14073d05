"""The end of a run on one screen (80 × 24): what was chosen, whether it helped, and where the report is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

from headstart.report import chart, head_start_words, source_words, words
from headstart.report.cautions import cautions
from headstart.run.result import Result

if TYPE_CHECKING:
    from rich.text import Text

Tone = Literal["plain", "strong", "soft", "warning"]
STYLES: Mapping[Tone, str] = {"plain": "", "strong": "bold", "soft": "dim", "warning": "yellow"}
LABEL = 13
HEIGHT = 24
RANKED = 3
WHY = 3
"""Lines for the reason why the first is first, where there is room."""
ROLE_LABELS = {
    "transfer": "transfer",
    "scratch": "from scratch",
    "random-frozen": "random, frozen",
    "floor-classical": "classical",
    "floor-majority": "majority class",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the summary and how it is meant."""

    text: str
    tone: Tone = "plain"


def summary_lines(result: Result, *, report: str | None = None, width: int = 80) -> list[str]:
    """The summary as plain lines of at most `width` columns, at most 24 of them at 80; `report` is the page's path."""
    return [line.text for line in _lines(result, report, width)]


def summary_text(result: Result, *, report: str | None = None, width: int = 80) -> Text:
    """The summary for a rich console; nothing in it is read as markup."""
    from rich.text import Text

    text = Text(no_wrap=True)
    for line in _lines(result, report, width):
        text.append(f"{line.text}\n", style=STYLES[line.tone])
    text.rstrip()
    return text


def _lines(result: Result, report: str | None, width: int) -> list[Line]:
    lines = [Line(line, "strong") for line in wrap(words.clean(words.headline(result)), width)]
    lines += [Line(line) for line in wrap(words.clean(head_start_words.sentence(result)), width)]
    above, chosen, source = _sources(result, width), _chosen(result), _of_the_source(result, width)
    rest = [Line(""), *_test(result, width), *_calibration(result)]
    left = HEIGHT - 2 - len([*lines, Line(""), *above, Line(""), *chosen, *source, *rest])  # something to watch out for, and the report
    if source and left < 0:
        chosen, rest = chosen[:1], rest[1:] if left < -1 else rest
    below = [Line(""), *chosen, *source, *rest]
    room = HEIGHT - len([*lines, Line(""), *above, *below]) - 2  # something to watch out for, and the report
    lines += [Line(""), *above, *_why(result, width, room=room), *below]
    lines += _watch(result, width, room=HEIGHT - 1 - len(lines))
    lines = [Line(cut(words.clean(line.text), width), line.tone) for line in lines]
    # A path is for copying: it is not cut, whatever its length.
    return [*lines, Line(labelled("Report", words.clean(report)))] if report else lines


def labelled(label: str, text: str) -> str:
    """A text behind its label, in the summary's columns."""
    return f"{label:<{LABEL}}{text}"


def _sources(result: Result, width: int) -> list[Line]:
    entries = result.ranking[:RANKED]
    if all(entry["score"] is None for entry in entries):
        return [Line(labelled("Sources", ", ".join(entry["backbone"] for entry in result.ranking)), "strong")]
    more = f", best {RANKED} of {len(result.ranking)}" if len(result.ranking) > RANKED else ""
    measure = words.ranked_by(result.task["kind"])
    title = labelled("Sources", f"{measure} on training {words.nouns(result)[1]}{more}")
    figures = [{"value": entry["score"], "low": entry["low"], "high": entry["high"]} for entry in entries]
    return [Line(title, "strong"), *strip_lines([entry["backbone"] for entry in entries], figures, width)]


def _why(result: Result, width: int, *, room: int) -> list[Line]:
    why = next((entry["why"] for entry in result.ranking[:RANKED] if entry.get("why")), "")
    if not why or room < 1:
        return []
    told = wrap(words.clean(f"Why: {why}."), max(20, width - 4), max_lines=min(WHY, room), placeholder=" …")
    return [Line(f"  {line}", "soft") for line in told]


def _chosen(result: Result) -> list[Line]:
    failed = sum(1 for trial in result.trials if trial.get("error"))
    tried = words.count(len(result.trials), "trial", "trials") + (f" ({failed} failed)" if failed else "")
    lines = [Line(labelled("Chosen", f"{words.chosen_text(result)}, after {tried}"), "strong")]
    best = ", ".join(f"{name} {told}" for name, told in _best(result))
    title = words.metric_title(result.task["metric"])
    return [*lines, Line(f"  Validation {title[:1].lower()}{title[1:]}: {best}", "soft")] if best else lines


def _of_the_source(result: Result, width: int) -> list[Line]:
    """How it went on without labels, and what it forgot."""
    told = {"Continued": [source_words.continued_line(result)], "Forgotten": source_words.forgotten_lines(result)}
    lines: list[Line] = []
    for label, parts in told.items():
        folded = [line for part in parts for line in wrap(words.clean(part), max(20, width - LABEL), max_lines=2, placeholder=" …")]
        lines += [Line(labelled("" if number else label, line), "soft" if number else "plain") for number, line in enumerate(folded)]
    return lines


def _best(result: Result) -> list[tuple[str, str]]:
    """Each transfer strategy with its best validation figure, the best first; of nested searches, the last one's."""
    metric, sign = result.task["metric"], 1 if result.task["higher_is_better"] else -1
    values: dict[str, float] = {}
    for trial in result.trials:
        value = trial["validation"].get(metric)
        if trial["role"] == "transfer" and trial["fold"] == 0 and value is not None:
            values[trial["strategy"]] = max(values.get(trial["strategy"], value), value, key=lambda one: sign * one)
    ordered = sorted(values.items(), key=lambda item: -sign * item[1])
    return [(name, words.metric_value(metric, value)) for name, value in ordered]


def _test(result: Result, width: int) -> list[Line]:
    figures = {role: figure for role in words.ROLES if (figure := words.main_figure(result, role))}
    lines = [Line(labelled("Test", words.tested_on(result)), "strong")]
    names = [words.role_title(result, role).lower() if role == "floor-majority" and result.task["kind"] in words.GUESSES else ROLE_LABELS[role] for role in figures]
    scale = chart.number_axis(list(figures.values())) if words.is_off(result) else None
    return [*lines, *strip_lines(names, list(figures.values()), width, axis=True, scale=scale)]


def strip_lines(
    names: Sequence[str],
    figures: Sequence[Mapping[str, Any]],
    width: int,
    *,
    axis: bool = False,
    scale: chart.Axis | None = None,
) -> list[Line]:
    """Each name with its figure and a dot with its interval, the first one strong; shares unless `scale` is one of numbers."""
    scale = scale or chart.axis(figures)
    texts = [(words.share if scale.percent else words.number_figure)(figure) for figure in figures]
    text_width = max(map(len, texts), default=0)
    name_width = min(28, max(8, width - text_width - 4), max(map(len, names), default=0))
    room = width - name_width - text_width - 6
    lines = []
    for number, (name, text, figure) in enumerate(zip(names, texts, figures, strict=True)):
        drawn = _drawn(scale, figure, room)
        label = cut(words.clean(name), name_width)
        told = f"  {label:<{name_width}}  {text:<{text_width}}  {drawn}".rstrip()
        lines.append(Line(told, "plain" if number == 0 else "soft"))
    if axis and room > 12:
        low, high = scale.told(scale.low), scale.told(scale.high) + (" %" if scale.percent else "")
        blank = " " * (name_width + text_width + 6)
        lines.append(Line(f"{blank}{low}{high:>{room - len(low)}}", "soft"))
    return lines


def _drawn(scale: chart.Axis, figure: Mapping[str, Any], room: int) -> str:
    if room <= 12 or figure.get("value") is None:
        return ""

    def at(value: float) -> int:
        return round((value - scale.low) / (scale.high - scale.low) * (room - 1))

    cells = ["·"] * room
    low, high = figure.get("low"), figure.get("high")
    if low is not None and high is not None:
        cells[at(low) : at(high) + 1] = "─" * (at(high) - at(low) + 1)
    cells[at(figure["value"])] = "●"
    return "".join(cells)


def _calibration(result: Result) -> list[Line]:
    found = result.calibration
    if not found:
        return []
    if "threshold" in found:
        told = f"{words.percent(found['answered'], 0)} of questions, {words.percent(found['answerable'], 0)} have an answer in their context"
        return [Line(labelled("Answered", told), "strong")]
    if "coverage" in found:
        told = f"± {words.number(found['reach'])}, made to hold {words.percent(found['level'], 0)}, held {words.share(found['coverage'])}"
        return [Line(labelled("Intervals", told), "strong")]
    if "ece_after" not in found:
        return []
    before, after = (words.share(found[name]) for name in ("ece_before", "ece_after"))
    return [Line(labelled("Calibration", f"confidence is off by {after}, before {before}"), "strong")]


def _watch(result: Result, width: int, *, room: int) -> list[Line]:
    titles = [caution.title[0].lower() + caution.title[1:] for caution in cautions(result, {})]
    text = words.clean("; ".join(titles))
    told = wrap(text, max(20, width - LABEL), max_lines=max(1, min(2, room)), placeholder=" …")
    return [Line(labelled("" if number else "Watch out", line), "warning") for number, line in enumerate(told)]


def cut(text: str, width: int) -> str:
    """Text on at most `width` columns, its end left out where it must be."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"
