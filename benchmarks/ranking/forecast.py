"""The guard: is the verdict foreseen? Leave one data set out, on sources that fit, sources that do not, and random weights.

    python benchmarks/ranking/forecast.py [--ship]

A case is one candidate on one data set: the clues come from its draw's training examples alone, the difference from the
pooled test answers of its best transfer strategy and of training from scratch. A twin with random weights is a case too: its transfer
is the better of a probe on it and of training it. --ship writes what the package forecasts with.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from truth import right_of, rows
from zoo import IMAGE_SETS, TEXT_SETS

import headstart.choose
from headstart.choose.forecast import ENOUGH, VERDICTS, Clues, Forecaster, forecast, learn
from headstart.prove.compare import compare

TABLES = Path(__file__).parent / "tables"
SHIPPED = Path(headstart.choose.__file__).parent / "tables" / "forecast.json"
DRAW = 0
"""The draw on which training from scratch was measured."""
SAME_NET = {
    "mnv2-imagenet-a": "mnv2-imagenet-b",
    "mnv2-birds": "mnv2-imagenet-b",
    "mnv2-insects": "mnv2-imagenet-b",
    "cifar-32": "cifar-20",
    "cifar-44": "cifar-56",
}
"""Whose training from scratch stands for a candidate's: the same network, or the nearest depth that was measured."""


@dataclass(frozen=True, slots=True)
class Past:
    """One candidate on one data set."""

    data: str
    model: str
    clues: Clues
    transfer: float
    scratch: float
    verdict: str
    tested: int
    discordant: float


def main() -> None:
    """Print how good forecasts are, and ship what they are made with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--ship", action="store_true")
    chosen = parser.parse_args()
    shipped = {}
    for modality, sets in (("image", IMAGE_SETS), ("text", TEXT_SETS)):
        cases = pasts(sets)
        largest = max((sum(case.data == name for case in cases) for name in sets), default=0)
        if len(cases) - largest < ENOUGH:
            print(f"{modality}: {len(cases)} cases, too few to be judged on data sets left out; nothing is shipped")
            continue
        judge(modality, cases)
        learned = learned_from(cases)
        shipped[modality] = described(learned)
    if chosen.ship:
        SHIPPED.write_text(json.dumps(shipped, indent=1) + "\n")


def pasts(sets: tuple[str, ...]) -> list[Past]:
    """All cases that were measured."""
    evidence = json.loads((TABLES / "evidence.json").read_text())
    found = {(row["data"], row["backbone"], row["strategy"]): row for row in rows() if row["draw"] == DRAW}
    cases = []
    for name in sets:
        entry = evidence.get(name)
        for model in sorted(entry["candidates"]) if entry else ():
            plain = model.removesuffix(" (random)")
            scratch = found.get((name, SAME_NET.get(plain, plain), "scratch"))
            tried = [found[name, model, way] for way in ("probe", "partial", "full") if (name, model, way) in found]
            if scratch is None or not tried or (len(tried) == 1 and plain == model):
                continue
            best = max(tried, key=lambda row: row["accuracy"])
            if plain != model and scratch["accuracy"] > best["accuracy"]:
                best = scratch
            cases.append(case(name, model, entry, best, scratch))
    return cases


def case(name: str, model: str, entry: dict, best: dict, scratch: dict) -> Past:
    """One case with its verdict."""
    right, control = right_of(best), right_of(scratch)
    draw = str(DRAW)
    clues = Clues(
        probe=entry["candidates"][model][draw]["right"],
        floor=entry["floor"][draw],
        chance=entry["guessing"][draw],
        examples=entry["examples"][draw],
        classes=entry["classes"],
    )
    word = compare(right, control, rng=np.random.default_rng(0)).word
    shares = float(right.mean()), float(control.mean())
    return Past(name, model, clues, *shares, word, len(right), float((right != control).mean()))


def learned_from(cases: list[Past]) -> Forecaster:
    """A forecaster of these cases."""
    differences = np.array([case.transfer - case.scratch for case in cases])
    is_real = ["(random)" not in case.model for case in cases]
    return learn(
        [case.clues for case in cases],
        differences,
        [case.verdict for case in cases],
        [case.data for case in cases],
        is_real,
    )


def judge(modality: str, cases: list[Past]) -> None:
    """Leave one data set out: area under the curve, calibration, and the words."""
    chances, helped, words, errors = [], [], [], []
    for held_out in sorted({case.data for case in cases}):
        past = [case for case in cases if case.data != held_out]
        learned = learned_from(past)
        for case in (case for case in cases if case.data == held_out):
            told = forecast(learned, case.clues)
            chances.append(told.chances["helped"])
            helped.append(case.verdict == "helped")
            words.append((told.word, case.verdict))
            errors.append(told.low <= case.transfer - case.scratch <= told.high)
    chances, helped = np.array(chances), np.array(helped)
    print(f"{modality}: {len(cases)} cases on {len({case.data for case in cases})} data sets, {helped.sum()} helped")
    print(
        f"  helped against not: area under the curve {roc_auc_score(helped, chances):.3f}, Brier score {np.mean((chances - helped) ** 2):.3f}"
    )
    print(
        f"  95 % intervals hold {np.mean(errors):.0%}; answers that differ between the arms: {np.mean([case.discordant for case in cases]):.3f}"
    )
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01)):
        inside = (chances >= low) & (chances < high)
        if inside.any():
            print(
                f"  forecast {low:.2f} to {min(high, 1):.2f}: {inside.sum()} cases, mean {chances[inside].mean():.2f}, helped {helped[inside].mean():.2f}"
            )
    for word in VERDICTS:
        found = [truth for told, truth in words if told == word]
        if found:
            print(
                f"  told {word}: " + ", ".join(f"{found.count(truth)} {truth}" for truth in VERDICTS if truth in found)
            )


def described(learned: Forecaster) -> dict:
    """JSON-ready."""
    return {
        "helped_F": [round(float(value), 5) for value in learned.helped_F],
        "rest": {name: round(share, 4) for name, share in learned.rest.items()},
        "weight_F": [round(float(value), 5) for value in learned.weight_F],
        "covariance_FF": [[round(float(value), 8) for value in row] for row in learned.covariance_FF],
        "noise": round(learned.noise, 5),
        "cases": learned.cases,
    }


if __name__ == "__main__":
    main()
