"""What to watch out for: findings that may make somebody read the figures differently, each from one small rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headstart.report.words import (
    GUESSES,
    count,
    gap_text,
    is_off,
    main_figure,
    main_text,
    metric_title,
    no_verdict_why,
    nouns,
    number,
    percent,
    right_text,
    share,
    signed,
)
from headstart.run.result import Result


@dataclass(frozen=True, slots=True)
class Caution:
    """One finding: what it is in a few words, and what it means."""

    title: str
    text: str
    mild: bool = False
    """Whether it is worth knowing only, and changes no reading of a figure."""


Audit = Mapping[str, Any]
KNOWS = 0.25
"""An error on training data that is smaller by this share, surely, tells of facts that were learned by heart."""
NOT_NEEDED = "The task may not need a pre-trained model, or a background detail may give the answer away."
Rule = Callable[[Result, Audit], Caution | None]


def cautions(result: Result, audit: Audit) -> list[Caution]:
    """All findings that apply, the weightiest first."""
    found = (rule(result, audit) for rule in RULES)
    return [caution for caution in found if caution is not None]


def _verdict(result: Result, audit: Audit) -> Caution | None:
    if result.verdict is None:
        return Caution(
            "No verdict",
            f"Whether transfer helped is not known, because {no_verdict_why(result)}.",
        )
    if result.verdict["word"] == "hurt":
        return Caution(
            "Transfer hurt", "Training the same network from scratch did better here. Try other sources with --model."
        )
    return None


def _controls(result: Result, audit: Audit) -> Caution | None:
    transfer = main_figure(result)
    if not transfer or transfer.get("low") is None:
        return None
    for role, (title, what, meaning) in RIVALS.items():
        figure = main_figure(result, role)
        if not figure or figure.get("value") is None:
            continue
        near = figure["value"] <= transfer["high"] if is_off(result) else figure["value"] >= transfer["low"]
        if near:
            said = result.floor_names.get(role, "a classical method")
            name = str(said if result.task["kind"] in GUESSES and role == "floor-majority" else what or said)
            does, beyond = ("needs" if result.task["kind"] == "language" else "is off by", "below") if is_off(result) else ("gets", "above")
            text = f"{name[0].upper()}{name[1:]} {does} {main_text(result, figure)}, within the interval of transfer or {beyond} it."
            return Caution(title, f"{text} {meaning}")
    return None


RIVALS = {
    "floor-majority": (
        "No better than guessing",
        "always naming the most frequent class",
        "The model has not been shown to look at the examples at all.",
    ),
    "random-frozen": ("A simple method comes close", "a probe on random weights", NOT_NEEDED),
    "floor-classical": ("A simple method comes close", "", NOT_NEEDED),
}
"""What transfer should leave behind: role, title, what it is called (else its name in the result), what it means."""


def _size(result: Result, audit: Audit) -> Caution | None:
    figure = main_figure(result)
    if not figure or figure.get("low") is None:
        return None
    one, many = nouns(result)
    if is_off(result):
        if figure["high"] - figure["low"] < 0.5 * figure["value"]:
            return None
        return Caution("Few test examples", f"The figure rests on {count(figure['n'], one, many)}; the true error may be anywhere from "
                       f"{number(figure['low'])} to {number(figure['high'])}.")  # fmt: skip
    if figure["high"] - figure["low"] < 0.15:
        return None
    return Caution("Few test examples", f"The figure rests on {count(figure['n'], one, many)}; the true share may be anywhere from "
                   f"{percent(figure['low'], 0)} to {percent(figure['high'], 0)}.")  # fmt: skip


def _unmeasured(result: Result, audit: Audit) -> Caution | None:
    names = result.task.get("labels_without_figures") or []
    if not names:
        return None
    return Caution(
        "Classes without figures",
        f"Too few examples to measure: {_some(names)}. The model may predict them; how well is not known.",
        mild=True,
    )


def _calibration(result: Result, audit: Audit) -> Caution | None:
    bins = [item for item in (result.calibration or {}).get("bins", ()) if item["count"]]
    total = sum(item["count"] for item in bins)
    if not total:
        return None
    over = sum(item["count"] * (item["confidence"] - item["accuracy"]) for item in bins) / total
    if over < 0.03:
        return None
    return Caution(
        "Overconfident",
        f"Even after calibration the model is on average {over * 100:.0f} points surer of itself than it is right. Treat its probabilities as an upper bound.",
    )


def _intervals(result: Result, audit: Audit) -> Caution | None:
    found = result.calibration or {}
    coverage = found.get("coverage")
    if not coverage or coverage.get("high") is None or coverage["high"] >= found["level"]:
        return None
    return Caution(
        "Intervals too narrow",
        f"Intervals made to hold {percent(found['level'], 0)} of new values hold {share(coverage)} of the test values. Take them as wider.",
    )


def _gap(result: Result, audit: Audit) -> Caution | None:
    gap = result.gap
    if is_off(result):
        high = gap["difference"].get("high") if gap else None
        if not gap or high is None or -high < KNOWS * (gap["test"]["value"] or 0.0):
            return None
        return Caution("Knows its training data better", f"{gap_text(result)} More data, or a strategy that moves less, would narrow it.")
    if not gap or (gap["difference"].get("low") or 0.0) < 0.05:
        return None
    if result.task["kind"] in ("span", "tags"):
        return Caution("Knows its training data better", f"{gap_text(result)} More data, or a strategy that moves less, would narrow it.")
    return Caution(
        "Knows its training data better",
        f"{share(gap['train'])} right on training data against {share(gap['test'])} on test data, a gap of "
        f"{signed(gap['difference']['value'])} points. More data, or a strategy that moves less, would narrow it.",
    )


def _balance(result: Result, audit: Audit) -> Caution | None:
    plain = result.test["transfer"].get("accuracy", {}).get("value")
    balanced = result.test["transfer"].get("balanced_accuracy", {}).get("value")
    if plain is None or balanced is None or plain - balanced < 0.05:
        return None
    return Caution(
        "Rare classes fare worse",
        f"Averaged over classes instead of examples, {percent(balanced)} are right, not {percent(plain)}. See the table of classes.",
    )


def _failed(result: Result, audit: Audit) -> Caution | None:
    failed = [trial for trial in result.trials if trial.get("error")]
    if not failed:
        return None
    first = failed[0]
    what = f"{first['strategy']} on {first['backbone']}"
    return Caution(
        f"{count(len(failed), 'trial', 'trials')} failed",
        f"First {what}: {first['error']}. The others are not affected.",
        mild=True,
    )


def _leaks(result: Result, audit: Audit) -> Caution | None:
    leaks = audit.get("leaks") or []
    if not leaks:
        return None
    one, many = nouns(result)
    return Caution(
        "Training data held test examples",
        f"{len(leaks):,} training {f'{one} that equals or nearly equals a test one was' if len(leaks) == 1 else f'{many} that equal or nearly equal a test one were'} "
        "set aside. Figures of earlier models on these data may be too good.",
    )


def _conflicts(result: Result, audit: Audit) -> Caution | None:
    equal, near = audit.get("label_conflicts") or [], audit.get("label_conflicts_among_near_duplicates") or []
    if not equal and not near:
        return None
    parts = [f"{count(len(equal), 'group', 'groups')} of equal ones, set aside"] if equal else []
    parts += [f"{count(len(near), 'group', 'groups')} of near-duplicates, kept"] if near else []
    return Caution(
        "The same example under different labels",
        f"Found {' and '.join(parts)}. They are listed in audit.json; mend the labels.",
    )


def _set_aside(result: Result, audit: Audit) -> Caution | None:
    reasons = audit.get("reasons") or {}
    times_in_all = sum(reasons.values())
    if not times_in_all:
        return None
    told = ", ".join(f"{times:,} × {reason}" for reason, times in list(reasons.items())[:4])
    return Caution(f"{count(times_in_all, *nouns(result))} set aside", f"They took no part: {told}.", mild=True)


def _metric(result: Result, audit: Audit) -> Caution | None:
    if result.test["transfer"].get(result.task["metric"], {}).get("value") is not None:
        return None
    return Caution(
        "The chosen metric is not defined",
        f"{metric_title(result.task['metric'])} could not be measured on the test data; {right_text(result)}.",
    )


def _some(names: list[str], shown: int = 8) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")


def _foreseen(result: Result, audit: Audit) -> Caution | None:
    notes = (result.foresight or {}).get("notes") or []
    return Caution("Seen before training", " ".join(notes)) if notes else None


def _shortcut(result: Result, audit: Audit) -> Caution | None:
    told = [found["warning"] for found in (result.concepts or {}).get("findings", ()) if found["warning"]]
    return Caution("Labels can be told by a shortcut", " ".join(told)) if told else None


def _not_whole(result: Result, audit: Audit) -> Caution | None:
    lost = [one for one in audit.get("reading") or () if one["backbone"] == result.chosen["backbone"] and one["truncated"]]
    if not lost:
        return None
    one = lost[0]
    return Caution(
        f"{one['truncated']:,} of {one['of']:,} texts are not read whole",
        f"{one['backbone']} reads {one['windows']} windows of {one['max_length']} tokens of a text at most.",
        mild=True,
    )


RULES: tuple[Rule, ...] = (
    _verdict,
    _controls,
    _foreseen,
    _leaks,
    _conflicts,
    _size,
    _calibration,
    _intervals,
    _gap,
    _shortcut,
    _not_whole,
    _balance,
    _unmeasured,
    _metric,
    _failed,
    _set_aside,
)
"""One more rule is one more function here."""
