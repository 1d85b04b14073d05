"""Figures and findings in plain words; the same ones on the page, in the card and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log10
from typing import Any

from headstart.prove.metrics import METRICS
from headstart.run.result import Figure, Result

NOUNS = {"image": ("picture", "pictures"), "text": ("text", "texts"), "sound": ("recording", "recordings")}
KIND_NOUNS = {"span": ("question", "questions")}
"""What examples are called by the kind of their labels, where that says more than the modality."""
SHARES = (
    "accuracy", "subset_accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "hamming_loss", "f1", "exact_match", "answer_f1", "no_answer_right",
    "span_f1", "span_precision", "span_recall", "type_f1", "token_accuracy",
)  # fmt: skip
"""Metrics that people read as a percentage; the others keep their own scale."""
IN_UNITS = ("mae", "rmse", "rank_mae", "perplexity")
"""Metrics in the user's own unit, or in classes of an order."""
MAIN = {"single": "accuracy", "multi": "subset_accuracy", "ordinal": "rank_mae", "quantity": "mae", "span": "f1", "language": "bits_per_byte", "tags": "span_f1"}
"""The metric that the verdict is about, by kind of labels."""
UNITS = {"ordinal": " classes", "quantity": "", "language": " bits per byte"}
"""What stands behind the main figure where it says by how much answers are off."""
RANKED_BY = {
    "ordinal": "left-out accuracy over the steps of the order",
    "quantity": "left-out R²",
}
"""What candidates are compared by in a ranking, where it is not leave-one-out accuracy."""

GUESSES = {"quantity": "Median", "ordinal": "Middle class", "span": "Never an answer", "language": "Single tokens", "tags": "Most frequent tag"}
"""What the floor without any method is called, where it is not the most frequent class."""

ROLES = {
    "transfer": "Transfer",
    "scratch": "From scratch",
    "random-frozen": "Random weights, frozen",
    "floor-classical": "Classical method",
    "floor-majority": "Most frequent class",
}
"""What transfer and the controls are called, in the order in which they are shown."""

LAYERS = {"quantity": "range of the numbers", "tags": "type of span", "span": "kind of question (with and without an answer)"}
"""What a split has alike on both sides, where that is not the classes."""

TESTED = {
    "given test": "the data's own test part",
    "held out": "held out before anything was tried",
    "nested cross-validation": "nested cross-validation",
}


def nouns(result: Result) -> tuple[str, str]:
    """What one example and several are called, e.g. picture, pictures; an unknown modality has examples."""
    return KIND_NOUNS.get(result.task["kind"]) or NOUNS.get(result.task["modality"], ("example", "examples"))


def count(number: int, one: str, many: str) -> str:
    """`1 picture`, `1,697 pictures`."""
    return f"{number:,} {one if number == 1 else many}"


def percent(value: float | None, digits: int = 1) -> str:
    """0.954 as `95.4 %`; a dash where there is no value."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def signed(value: float, digits: int = 1) -> str:
    """A difference in points with its sign, a real minus."""
    return f"{value * 100:+.{digits}f}".replace("-", "−")


def span(figure: Figure) -> str:
    """The interval of a share in per cent, `91–98`, with a decimal where it is narrow; empty where there is none."""
    low, high = figure.get("low"), figure.get("high")
    if low is None or high is None:
        return ""
    digits = 0 if high - low >= 0.04 else 1
    return f"{low * 100:.{digits}f}–{high * 100:.{digits}f}"


def share(figure: Figure) -> str:
    """A share with its interval: `95.4 % (91–98)`."""
    ends = span(figure)
    return percent(figure.get("value")) + (f" ({ends})" if ends else "")


def number(value: float | None) -> str:
    """A number with three digits that count, `12,346`, `0.0042`; a dash where there is none."""
    if value is None:
        return "–"
    if value == 0 or not 1e-4 <= abs(value) < 1e9:
        return f"{value:.3g}".replace("-", "−")
    digits = max(0, 2 - floor(log10(abs(value))))
    return f"{value:,.{digits}f}".replace("-", "−")


def number_span(figure: Figure) -> str:
    """The interval of a number, `2.91–3.48`; empty where there is none."""
    low, high = figure.get("low"), figure.get("high")
    if low is None or high is None:
        return ""
    return f"{number(low)} to {number(high)}" if low < 0 else f"{number(low)}–{number(high)}"


def number_figure(figure: Figure) -> str:
    """A number with its interval: `3.20 (2.91–3.48)`."""
    ends = number_span(figure)
    return number(figure.get("value")) + (f" ({ends})" if ends else "")


def is_off(result: Result) -> bool:
    """Whether the main figure says by how much answers are off, and not which share of them is right."""
    return result.task["kind"] in UNITS


def main_text(result: Result, figure: Figure) -> str:
    """A main figure with its interval."""
    return number_figure(figure) if is_off(result) else share(figure)


def main_caption(result: Result) -> str:
    """What the main figure is, for the chart that compares."""
    many = nouns(result)[1]
    if result.task["kind"] == "language":
        return "Bits per byte of text; lower is better"
    if is_off(result):
        return f"Mean absolute error, {unit_text(result)}; lower is better"
    if result.task["kind"] == "tags":
        return "F1 of the spans, with type and limits right"
    if result.task["kind"] == "span":
        return "Word F1 of the answers and the nearest right ones"
    return f"Share of {many} {'with every label right' if result.task['kind'] == 'multi' else 'right'}"


def unit_text(result: Result) -> str:
    """What errors are counted in."""
    return "in classes of the order" if result.task["kind"] == "ordinal" else "in the unit of the labels"


def ranked_by(kind: str, usual: str = "leave-one-out accuracy") -> str:
    """What a ranking compares candidates by."""
    return RANKED_BY.get(kind, usual)


def metric_title(name: str) -> str:
    """A metric's name for people."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def metric_value(name: str, value: float | None) -> str:
    """A metric's value on its own scale."""
    if name in SHARES:
        return percent(value)
    if name in IN_UNITS:
        return number(value)
    return "–" if value is None else f"{value:.3f}"


def metric_span(name: str, figure: Figure) -> str:
    """A metric's interval on its own scale; empty where there is none."""
    if name in SHARES:
        return span(figure)
    if name in IN_UNITS:
        return number_span(figure)
    low, high = figure.get("low"), figure.get("high")
    return "" if low is None or high is None else f"{low:.3f}–{high:.3f}"


def main_metric(result: Result) -> str:
    """The metric that the verdict is about: the share of examples with nothing wrong, or by how much answers are off."""
    return MAIN[result.task["kind"]]


def main_figure(result: Result, role: str = "transfer") -> Figure | None:
    """The main metric of a role on the test data."""
    return result.test.get(role, {}).get(main_metric(result))


def p_text(p_value: float) -> str:
    """`p < 0.001`, `p = 0.032`."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def headline(result: Result) -> str:
    """The answer in one sentence, with its figure and interval."""
    right = right_text(result)
    verdict = result.verdict
    if verdict is None:
        return f"{right[0].upper()}{right[1:]}; no verdict on transfer, because {no_verdict_why(result)}."
    if is_off(result):
        return _headline_by_errors(result, verdict)
    difference = verdict["difference"]
    value = difference["value"] or 0.0
    points = f"{abs(value) * 100:.{0 if abs(value) >= 0.0995 else 1}f} points{_size_span(difference)}"
    against, told = "the same network trained from scratch", p_text(verdict["p_value"])
    ends = _points_span(difference)
    sentences = {
        "helped": f"Transfer helped: {right}, {points} more than {against} ({told}).",
        "hurt": f"Transfer hurt: {right}, {points} fewer than {against} ({told}).",
        "same": f"Transfer made no difference: {right}, within one point of {against}.",
        "unclear": f"Unclear whether transfer helped: {right}; against {against} the difference is "
        f"{signed(value)} points{ends}, which may be chance ({told}).",
    }
    return sentences[verdict["word"]]


def _headline_by_errors(result: Result, verdict: Mapping[str, Any]) -> str:
    off, difference, unit = right_text(result), verdict["difference"], UNITS[result.task["kind"]]
    value, low, high = (difference[end] for end in ("value", "low", "high"))
    size = number(abs(value or 0.0)) + unit
    if low is not None and high is not None and low * high > 0:
        near, far = sorted((abs(low), abs(high)))
        size += f" ({number(near)}–{number(far)})"
    against, told = "the same network trained from scratch", p_text(verdict["p_value"])
    needs = "needs" if result.task["kind"] == "language" else "is off by"
    between = "" if low is None or high is None else f" (between {number(low)} and {number(high)})"
    sentences = {
        "helped": f"Transfer helped: {off}, {size} less than {against} ({told}).",
        "hurt": f"Transfer hurt: {off}, {size} more than {against} ({told}).",
        "same": f"Transfer made no difference: {off}, within {number(verdict['margin'])}{unit} of {against}.",
        "unclear": f"Unclear whether transfer helped: {off}; {against} {needs} {number(value)}{unit}{between} more, which may be "
        f"chance ({told}).",
    }
    return sentences[verdict["word"]]


def right_text(result: Result) -> str:
    """`95.4 % of test pictures right (91–98)`, or `off by 3.20 on average on test pictures (2.91–3.48)`."""
    figure = main_figure(result)
    many = nouns(result)[1]
    if is_off(result):
        if figure is None or figure.get("value") is None:
            what = f"the bits per byte of test {many}" if result.task["kind"] == "language" else f"how far answers on test {many} are off"
            return f"{what} could not be measured"
        ends = number_span(figure)
        unit = UNITS[result.task["kind"]]
        if result.task["kind"] == "language":
            return f"{number(figure['value'])}{unit} on test {many}{f' ({ends})' if ends else ''}"
        return f"off by {number(figure['value'])}{unit} on average on test {many}{f' ({ends})' if ends else ''}"
    if figure is None or figure.get("value") is None:
        return f"the share of test {many} right could not be measured"
    ends = span(figure)
    tail = f" ({ends})" if ends else ""
    if result.task["kind"] == "multi":
        return f"every label right on {percent(figure['value'])} of test {many}{tail}"
    if result.task["kind"] in ("span", "tags"):
        return f"an F1 of {percent(figure['value'])} on test {many}{tail}"
    return f"{percent(figure['value'])} of test {many} right{tail}"


def no_verdict_why(result: Result) -> str:
    """Why there is no comparison with training from scratch."""
    if result.options.get("control") == "none":
        return "the run was made without the from-scratch control (--control none)"
    return "the from-scratch control did not finish"


def _points_span(difference: Figure) -> str:
    low, high = difference.get("low"), difference.get("high")
    return "" if low is None or high is None else f" (between {signed(low)} and {signed(high)})"


def _size_span(difference: Figure) -> str:
    """The interval of a difference whose sign is already said: ` (30–37)`; empty where it is open or holds zero."""
    low, high = difference.get("low"), difference.get("high")
    if low is None or high is None or low * high <= 0:
        return ""
    near, far = sorted((abs(low), abs(high)))
    digits = 0 if far - near >= 0.04 and near >= 0.0095 else 1
    return f" ({near * 100:.{digits}f}–{far * 100:.{digits}f})"


def gap_text(result: Result) -> str:
    """How much better the model knows its training data; empty where that was not measured."""
    gap = result.gap
    if not gap or gap["difference"].get("value") is None:
        return ""
    if result.task["kind"] == "language":
        return f"Its training texts take {number_figure(gap['train'])} bits per byte, the test texts {number_figure(gap['test'])}."
    if is_off(result):
        return (
            f"On its training data the model is off by {number_figure(gap['train'])} on average, on the test data by "
            f"{number_figure(gap['test'])}."
        )
    ends = _points_span(gap["difference"])
    if result.task["kind"] == "span":
        return (
            f"On its training data the model has an F1 of {share(gap['train'])}, on the test data {share(gap['test'])}: a gap of "
            f"{signed(gap['difference']['value'])} points{ends}."
        )
    if result.task["kind"] == "tags":
        return (
            f"On its training data the model labels {share(gap['train'])} of the texts without a mistake, on the test data {share(gap['test'])}: a gap of "
            f"{signed(gap['difference']['value'])} points{ends}."
        )
    return (
        f"On its training data the model gets {share(gap['train'])} right, on the test data {share(gap['test'])}: "
        f"a gap of {signed(gap['difference']['value'])} points{ends}."
    )


def chosen_text(result: Result) -> str:
    """Backbone and strategy that were chosen."""
    return f"{result.chosen['strategy']} on {result.chosen['backbone']}"


def role_title(result: Result, role: str) -> str:
    """What transfer or a control is called."""
    return GUESSES.get(result.task["kind"], ROLES[role]) if role == "floor-majority" else ROLES[role]


def role_note(result: Result, role: str) -> str:
    """What stands behind a row of the comparison."""
    notes = {
        "transfer": chosen_text(result),
        "scratch": "the same network from random weights, trained and tuned alike",
        "random-frozen": "the same network with random weights, only its head trained",
    }
    return notes.get(role) or str(result.floor_names.get(role, ""))


def scheme_text(result: Result) -> str:
    """How the figures were come by, in words."""
    many = nouns(result)[1]
    if result.task["kind"] == "language" and result.data["scheme"] == "held out":
        kept = "whole documents, or runs of neighbouring blocks," if result.data["groups"] else "each"
        return f"Before anything was tried, {result.data['test']:,} {many} were held out for the test, {kept} on one side. They were judged once, at the end."
    words = {
        "given test": "The test part came with the data. Its labels stayed locked until everything was chosen, and were read once.",
        "held out": f"Before anything was tried, {result.data['test']:,} {many} were held out for the test, in each "
        f"{LAYERS.get(result.task['kind'], 'class')} alike, {'whole articles' if result.task['kind'] == 'span' else 'near-duplicates'} "
        "on one side. Their labels were read once, at the end.",
        "nested cross-validation": f"There are too few {many} to spare some for a test alone. So the data were cut into folds; each fold was "
        "predicted by a model whose whole search and training had not seen it. The figures are for this recipe; the model "
        "in the folder was then made by the same recipe from all of the data.",
    }
    return words.get(result.data["scheme"], str(result.data["scheme"]))


def tested_on(result: Result) -> str:
    """On which data the test figures stand, and with which interval."""
    figure = main_figure(result) or {}
    one, many = nouns(result)
    number = count(int(figure.get("n") or result.data["test"]), one, many)
    return f"{number}, {TESTED.get(result.data['scheme'], result.data['scheme'])}; intervals at 95 %"


def clean(text: str) -> str:
    """Text without control characters, which would move the terminal's cursor or end a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings on one line: `learning rate 0.001, epochs 8`."""
    return ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in settings.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
