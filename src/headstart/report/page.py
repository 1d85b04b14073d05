"""`report.html`: one page that holds everything it shows, runs no script and asks nothing of any network."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from headstart.files import write_bytes
from headstart.report import chart, words
from headstart.report.cautions import cautions
from headstart.report.head_start_words import sentence
from headstart.report.panels import PANELS
from headstart.report.story import Story, Thumbnails
from headstart.run.answers import AnswerRow
from headstart.run.predictions import NumberRow, PredictionRow
from headstart.run.result import Result
from headstart.run.tags import TagRow

INTERVAL = re.compile(r"\(?[\d.,]+–[\d.,]*\d\)?")
VERDICT_WORDS = {"helped": "Transfer helped", "hurt": "Transfer hurt", "same": "No difference", "unclear": "Unclear"}


def write_report(
    folder: Path,
    result: Result,
    predictions: Sequence[PredictionRow],
    audit: Mapping[str, Any],
    thumbnails: Thumbnails,
    *,
    numbers: Sequence[NumberRow] = (),
    answers: Sequence[AnswerRow] = (),
    tagged: Sequence[TagRow] = (),
) -> Path:
    """Write `report.html` to the run folder and return its path.

    `predictions` are those of classes, `numbers` those of a quantity, `answers` those in a text, `tagged` those of labelled words; `audit` is what `audit.json` holds; `thumbnails(id)` gives an example as JPEG or PNG bytes, as an excerpt of its
    text, or None where there is nothing to show.
    """
    path = folder / "report.html"
    page = render(Story(folder, result, predictions, audit, thumbnails, numbers, answers, tagged))
    # A file name that is no Unicode is shown with escapes: a run must not fail at its last step.
    write_bytes(path, page.encode(errors="backslashreplace"))
    return path


def render(story: Story) -> str:
    """The page as HTML."""
    views = ((panel, panel.view(story)) for panel in PANELS if panel.always or panel.name in story.panels)
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            result=story.result,
            folder=story.folder_name,
            answer=answer(story.result),
            cautions=cautions(story.result, story.audit),
            panels=[(panel, view) for panel, view in views if view is not None],
            one=words.nouns(story.result)[0],
            many=words.nouns(story.result)[1],
            tested_on=words.tested_on(story.result),
            caption=words.main_caption(story.result),
            ranked_by=words.ranked_by(story.result.task["kind"]),
            use=use(story.result),
        )
    )


@dataclass(frozen=True, slots=True)
class Use:
    """What to do with a finished model: a command's verb and what comes after the run folder, and a call in Python."""

    verb: str
    given: str
    call: str


USES: Mapping[str, Use] = {
    "span": Use("ask", "--context chapter.txt", 'predict([("a question", "its context")])'),
    "language": Use("generate", '--prompt "How it begins"', 'generate("How it begins")'),
}
"""By kind of labels; other kinds are used as their modality is."""
USES_OF_MODALITIES: Mapping[str, Use] = {
    "image": Use("predict", "new/*.jpg", 'predict("new/")'),
    "text": Use("predict", "new.csv", 'predict(["a new text"])'),
}


def use(result: Result) -> Use:
    """How a model of this kind is used."""
    return USES.get(result.task["kind"]) or USES_OF_MODALITIES.get(result.task["modality"], Use("predict", "new/", 'predict("new/")'))


def answer(result: Result) -> dict[str, Any]:
    """The top of the page: the sentence, what was chosen, and the comparison on one scale."""
    verdict = result.verdict
    return {
        "headline": words.headline(result),
        "word": VERDICT_WORDS[verdict["word"]] if verdict else "No verdict",
        "worth": sentence(result) if result.head_start and result.head_start["labels"] else "",
        "chosen": words.chosen_text(result),
        **comparison(result),
    }


def comparison(result: Result) -> dict[str, Any]:
    """Transfer, its controls and the floor as rows of one chart."""
    figures = {role: figure for role in words.ROLES if (figure := words.main_figure(result, role))}
    scale = (chart.number_axis if words.is_off(result) else chart.axis)(list(figures.values()))
    strips = [
        chart.strip(
            scale,
            figure,
            label=words.role_title(result, role),
            note=words.role_note(result, role),
            text=words.main_text(result, figure),
            strong=role == "transfer",
        )
        for role, figure in figures.items()
    ]
    return {"scale": scale, "strips": strips}


@cache
def environment() -> Environment:
    """The templates; whatever is put into them is escaped."""
    templates = Environment(
        loader=PackageLoader("headstart.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    templates.filters.update(
        share=words.share,
        number=words.number,
        unbroken=unbroken,
        breakable=breakable,
        tick=tick,
        capfirst=capfirst,
        shell=shlex.quote,
        python=json.dumps,
    )
    return templates


def tick(value: float) -> str:
    """A tick of an axis in per cent, without the sign."""
    return f"{value * 100:g}"


def capfirst(text: str) -> str:
    """Text with a capital at the beginning, the rest as it is."""
    return text[:1].upper() + text[1:]


def unbroken(text: str) -> Markup:
    """Text, escaped, whose per cent signs and intervals stay whole and on the line of their number."""
    text = re.sub(r"(?<=\d) ?%", "\u00a0%", text)
    text = text.replace("% (", "%\u00a0(").replace("p < ", "p\u00a0<\u00a0").replace("p = ", "p\u00a0=\u00a0")
    return Markup(INTERVAL.sub(r'<span class="whole">\g<0></span>', str(escape(text))))


def breakable(name: str) -> Markup:
    """A name, escaped, that may break after its underscores and slashes, where words end."""
    return Markup(re.sub(r"(?<=[_/])(?=[^_/])", "<wbr>", str(escape(name))))
