"""The model card: README.md of the run folder, with the front matter that model hubs read."""

from __future__ import annotations

import json
import re
from typing import Any

from headstart.report import words
from headstart.report.cautions import cautions
from headstart.report.command import fit_command
from headstart.report.head_start_words import needed, sentence
from headstart.report.source_words import continued_sentence, forgotten_sentence
from headstart.run.result import Result

PIPELINES = {"image": "image-classification", "text": "text-classification"}
HUB_BASES = {"timm": "timm/", "hf-hub": "", "hf": ""}
"""Backbone specs that name a repository on the hub, with what their names leave out."""
CLASSES_SHOWN = 30
WHAT = {"multi": "which labels apply to", "ordinal": "which class of an order fits"}


def model_card(result: Result) -> str:
    """The card as Markdown with YAML front matter."""
    sections = (_intended, _data, _evidence, _limits, _source, _load)
    title = f"# {escaped(result.chosen['backbone'])}, adapted to {escaped(result.data['name'])}"
    body = "\n\n".join([title, escaped(words.headline(result)), *(section(result) for section in sections)])
    return f"---\n{_front_matter(result)}---\n\n{body}\n"


def _front_matter(result: Result) -> str:
    modality = result.task["modality"]
    values: dict[str, Any] = {
        **_licence(result.chosen.get("card", {}).get("licence")),
        "library_name": "headstart",
        "tags": ["headstart", "transfer-learning", str(modality)],
        "metrics": [
            words.main_metric(result),
            *(name for name in result.test["transfer"] if name != words.main_metric(result)),
        ],
    }
    pipeline = _pipeline(result)
    if pipeline is not None:
        values["pipeline_tag"] = pipeline
    base = base_model(result.chosen.get("card", {}).get("spec"))
    if base:
        values["base_model"] = base
    values["model-index"] = [_index(result)]
    # JSON is YAML too, and quotes every text safely, whatever people call their data.
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items())


def _licence(name: str | None) -> dict[str, str]:
    if not name:
        return {"license": "unknown"}
    known = name.lower()
    if known in (
        "apache-2.0",
        "mit",
        "bsd-3-clause",
        "cc-by-4.0",
        "cc-by-nc-4.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "openrail",
    ):
        return {"license": known}
    return {"license": "other", "license_name": name}


def base_model(spec: str | None) -> str | None:
    """The hub repository that a backbone's spec names; None for weights that are on no hub."""
    kind, _, name = (spec or "").partition(":")
    if kind not in HUB_BASES or not name:
        return None
    return HUB_BASES[kind] + name.partition("@")[0]


def _index(result: Result) -> dict[str, Any]:
    figures = result.test["transfer"]
    return {
        "name": f"headstart-{result.chosen['strategy']}",
        "results": [
            {
                "task": {"type": _pipeline(result) or "other"},
                "dataset": {"name": result.data["name"], "type": "private", "split": result.data["scheme"]},
                "metrics": [
                    {"type": name, "name": words.metric_title(name), "value": figure["value"]}
                    for name, figure in figures.items()
                    if figure.get("value") is not None
                ],
            }
        ],
    }


def _pipeline(result: Result) -> str | None:
    """What a hub calls the task; regression has no name there."""
    if result.task["kind"] == "span":
        return "question-answering"
    if result.task["kind"] == "language":
        return "text-generation"
    if result.task["kind"] == "tags":
        return "token-classification"
    return None if result.task["kind"] == "quantity" else PIPELINES.get(result.task["modality"])


def _intended(result: Result) -> str:
    if result.task["kind"] == "quantity":
        one = words.nouns(result)[0]
        return (
            f"## What it is for\n\nIt says a number for a {one}, in the unit of the labels it learned from, with an interval. A {one} of "
            "something else gets a number too, which means little, and so do numbers far outside those of the training data."
        )
    if result.task["kind"] == "span":
        return (
            "## What it is for\n\nIt answers a question with words that stand in the context given with it, or says that there is no answer. "
            "It knows nothing but that context, and an answer that has to be put together from several places is beyond it."
        )
    if result.task["kind"] == "language":
        return (
            "## What it is for\n\nIt goes on with a text in the manner of those it learned from, and says how surprising a text is to it. What it "
            "writes need not be true, and what stood in its training texts may come out again word for word."
        )
    if result.task["kind"] == "tags":
        types = ", ".join(f"`{_code(one['name'])}`" for one in (result.spans or {"types": ()})["types"][:CLASSES_SHOWN])
        return (
            f"## What it is for\n\nIt labels the words of a text: {types}. What is none of these stays without a label, and in texts of another kind, or in another "
            "language, it misses more and invents more than the figures say."
        )
    classes = result.task["classes"]
    named = ", ".join(f"`{_code(name)}`" for name in classes[:CLASSES_SHOWN])
    more = f" and {len(classes) - CLASSES_SHOWN} more (see labels.json)" if len(classes) > CLASSES_SHOWN else ""
    one = words.nouns(result)[0]
    what = WHAT.get(result.task["kind"], "which class fits")
    return (
        f"## What it is for\n\nIt says {what} a {one}, out of {len(classes)}: {named}{more}. It always chooses among these: a {one} of "
        "something else gets an answer too, with a confidence that means little."
    )


def _data(result: Result) -> str:
    data, many = result.data, words.nouns(result)[1]
    return (
        f"## Data\n\n{data['examples']:,} {many}, {data['set_aside']:,} of them set aside by the audit (see audit.json); "
        f"{data['train']:,} to learn from, {data['test']:,} to test on.\n\n{words.scheme_text(result)}\n\nFingerprint: `{data['fingerprint']}`"
    )


def _evidence(result: Result) -> str:
    roles = [role for role in words.ROLES if role in result.test]
    lines = [
        f"## Evidence\n\nOn {words.tested_on(result)}.\n",
        "| | " + " | ".join(words.role_title(result, role) for role in roles) + " |",
        "|---|" + "---|" * len(roles),
    ]
    for name in result.test["transfer"]:
        cells = [_cell(name, result.test[role].get(name)) for role in roles]
        lines.append(f"| {words.metric_title(name)} | " + " | ".join(cells) + " |")
    lines += ["", *(f"- {words.role_title(result, role)}: {escaped(words.role_note(result, role))}" for role in roles)]
    if result.verdict:
        lines += ["", escaped(result.verdict["sentence"])]
    if result.head_start:
        lines += ["", escaped(" ".join(filter(None, (sentence(result), needed(result)))))]
    if result.calibration and "coverage" in result.calibration:
        found = result.calibration
        lines += [
            "",
            f"Intervals of ± {words.number(found['reach'])} are made to hold {words.percent(found['level'], 0)} of new values; in the test "
            f"{words.share(found['coverage'])} were held.",
        ]
    elif result.calibration and "threshold" in result.calibration:
        found = result.calibration
        lines += [
            "",
            f"In the test it answered {words.percent(found['answered'], 0)} of the questions; {words.percent(found['answerable'], 0)} have an answer.",
        ]
    elif result.calibration and "ece_after" in result.calibration:
        before, after = result.calibration["ece_before"], result.calibration["ece_after"]
        lines += [
            "",
            f"Expected calibration error: {words.share(before)} before, {words.share(after)} after temperature scaling.",
        ]
    return "\n".join(lines)


def _cell(name: str, figure: Any) -> str:
    if not figure:
        return "–"
    ends = words.metric_span(name, figure)
    return words.metric_value(name, figure.get("value")) + (f" ({ends})" if ends else "")


def _limits(result: Result) -> str:
    found = [f"- **{escaped(caution.title)}.** {escaped(caution.text)}" for caution in cautions(result, {})]
    found.append(
        "- The figures hold for data like the test data. On other cameras, sources or times, run `headstart evaluate` first."
    )
    return "## Limits\n\n" + "\n".join(found)


def _source(result: Result) -> str:
    card = result.chosen.get("card", {})
    known = {
        "Backbone": result.chosen["backbone"],
        "Loaded from": card.get("spec"),
        "Pre-trained on": card.get("domain"),
        "Licence of its weights": card.get("licence") or "not known; find out before you publish",
        "Strategy": result.chosen["strategy"],
        "Settings": words.settings_text(result.chosen["settings"]),
    }
    told = "\n".join(f"- {name}: {escaped(str(value))}" for name, value in known.items() if value)
    became = "".join(f"{escaped(line)}\n\n" for line in (continued_sentence(result), forgotten_sentence(result)) if line)
    return f"## Where it comes from\n\n{told}\n\n{became}{_block('', words.clean(fit_command(result, 'FOLDER')))}"


def _load(result: Result) -> str:
    if result.task["kind"] == "language":
        return (
            "## How to use it\n\n"
            + _block("python", 'import headstart\n\nmodel = headstart.load("FOLDER")\nprint(model.generate("Once upon a time", temperature=0.8))')
            + "\n\nReport: report.html. Every figure: result.json."
        )
    example = '("a question", "its context")' if result.task["kind"] == "span" else '"one-more-example"'
    code = f'import headstart\n\nmodel = headstart.load("FOLDER")\nmodel.predict([{example}]).rows'
    return f"## How to use it\n\n{_block('python', code)}\n\nReport: report.html. Every figure: result.json."


def _block(language: str, code: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
    return f"{fence}{language}\n{code}\n{fence}"


def escaped(text: str) -> str:
    """Text that Markdown and HTML leave as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", words.clean(text)).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _code(text: str) -> str:
    return words.clean(text).replace("`", "'").replace("|", "/")
