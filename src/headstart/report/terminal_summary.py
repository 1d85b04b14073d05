"""The end of a run on one screen (80 × 24): what was chosen, whether it helped, and where the report is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

from headstart.report import chart, words
from headstart.report.cautions import cautions
from headstart.run.result import Result

if TYPE_CHECKING:
    from rich.text import Text

Tone = Literal["plain", "strong", "soft", "warning"]
STYLES: Mapping[Tone, str] = {"plain": "", "strong": "bold", "soft": "dim", "warning": "yellow"}
LABEL = 13
RANKED = 4
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
    """The summary as plain lines of at most `width` columns, at most 23 of them at 80; `report` is the page's path."""
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
    for part in (
        _ranking(result, width),
        _trials(result, width),
        _test(result, width),
        _calibration(result),
        _watch(result, width),
    ):
        lines += [Line(""), *part] if part and part[0].tone == "strong" else part
    if report:
        # A path is for copying: it is not cut, whatever its length.
        lines.append(Line(_labelled("Report", words.clean(report))))
    return lines


def _labelled(label: str, text: str) -> str:
    return f"{label:<{LABEL}}{text}"


def _ranking(result: Result, width: int) -> list[Line]:
    lines = [
        Line(cut(_labelled("Sources", f"leave-one-out accuracy on training {words.nouns(result)[1]}"), width), "strong")
    ]
    figures = [{"value": entry["score"], "low": entry["low"], "high": entry["high"]} for entry in result.ranking]
    lines += list(_strips([entry["backbone"] for entry in result.ranking][:RANKED], figures[:RANKED], width))
    if len(result.ranking) > RANKED:
        lines.append(Line(f"  and {len(result.ranking) - RANKED} more", "soft"))
    return lines


def _trials(result: Result, width: int) -> list[Line]:
    failed = sum(1 for trial in result.trials if trial.get("error"))
    told = (
        f"{len(result.trials)} run"
        + (f", {failed} failed" if failed else "")
        + f"; chosen: {words.chosen_text(result)}"
    )
    lines = [Line(cut(_labelled("Trials", words.clean(told)), width), "strong")]
    metric = result.task["metric"]
    better = max if result.task["higher_is_better"] else min
    values: dict[str, list[float]] = {}
    for trial in result.trials:
        if trial["validation"].get(metric) is not None:
            values.setdefault(trial["strategy"], []).append(trial["validation"][metric])
    best = ", ".join(f"{name} {words.metric_value(metric, better(found))}" for name, found in values.items())
    return [*lines, Line(cut(f"  best {words.metric_title(metric).lower()} on validation: {best}", width), "soft")]


def _test(result: Result, width: int) -> list[Line]:
    figures = {role: figure for role in words.ROLES if (figure := words.main_figure(result, role))}
    lines = [Line(cut(_labelled("Test", words.tested_on(result)), width), "strong")]
    lines += list(_strips([ROLE_LABELS[role] for role in figures], list(figures.values()), width, axis=True))
    return lines


def _strips(
    names: Sequence[str], figures: Sequence[Mapping[str, Any]], width: int, *, axis: bool = False
) -> Iterator[Line]:
    """Each name with its figure and a dot with its interval, the first one strong."""
    scale = chart.axis(figures)
    texts = [words.share(figure) for figure in figures]
    name_width, text_width = min(28, max(map(len, names), default=0)), max(map(len, texts), default=0)
    room = width - name_width - text_width - 6
    for number, (name, text, figure) in enumerate(zip(names, texts, figures, strict=True)):
        drawn = _drawn(scale, figure, room)
        label = cut(words.clean(name), name_width)
        yield Line(
            f"  {label:<{name_width}}  {text:<{text_width}}  {drawn}".rstrip(), "plain" if number == 0 else "soft"
        )
    if axis and room > 12:
        ends = f"{scale.low * 100:g}", f"{scale.high * 100:g} %"
        yield Line(
            " " * (name_width + text_width + 6) + ends[0] + " " * (room - len(ends[0]) - len(ends[1])) + ends[1], "soft"
        )


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
    before, after = (words.percent(found[name].get("value")) for name in ("ece_before", "ece_after"))
    text = f"error of confidence {before} before, {after} after (temperature {found['temperature']:.2f})"
    return [Line(_labelled("Calibration", text), "strong")]


def _watch(result: Result, width: int) -> list[Line]:
    titles = [caution.title[0].lower() + caution.title[1:] for caution in cautions(result, {})]
    return [Line(cut(_labelled("Watch out", words.clean("; ".join(titles))), width), "warning")] if titles else []


def cut(text: str, width: int) -> str:
    """Text on at most `width` columns, its end left out where it must be."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"
