"""Would successive halving over the examples save time: settings tried on a quarter of them first, and only the survivors on all?

    python benchmarks/adapt/halving.py --data DATA --weights WEIGHTS --work WORK

SETTINGS of `full` are trained twice on examples of one data set, on all training rows and on a quarter of these that lies inside them, and
judged on the same held-out rows: the portfolio first, then draws from the space. Every way to search is then read off the same
trainings, in the same order, so that nothing but the way differs: what it would have trained, in processor seconds, and which settings it
ends with, which are refitted and tested. Trainings that are in WORK already are not made again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ablation
import numpy as np

from headstart.adapt import moved
from headstart.adapt.falling import FEWEST, QUARTERS
from headstart.adapt.judge import Judge
from headstart.adapt.space import Between, searched
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.strategy import Effort
from headstart.adapt.trial import Spec
from headstart.adapt.watch import Watch
from headstart.adapt.workbench import Workbench
from headstart.data.split import inner_folds
from headstart.runtime import generator

SETTINGS = 12
FULL = STRATEGIES["full"]


@dataclass(frozen=True, slots=True)
class Training:
    """One training: processor seconds, logits of the held-out rows at the end and after each epoch, its losses at the quarters."""

    seconds: float
    ended: np.ndarray
    by_epoch: np.ndarray
    curve: Sequence[float]


@dataclass(frozen=True, slots=True)
class Tried:
    """The same settings on all rows and on a quarter of them."""

    settings: Mapping[str, Any]
    found: Mapping[str, Any]
    whole: Training
    part: Training


@dataclass(frozen=True, slots=True)
class Searched:
    """What a way to search takes, the number of the settings it ends with, and how many it trained to the end on all rows."""

    seconds: float
    best: int
    to_the_end: int


def main() -> None:
    """Train what is missing, then print what each way comes to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--set", default="cifar10")
    parser.add_argument("--each", type=int, default=200, help="training examples of each class")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    ablation.PICTURES[chosen.set] = chosen.each
    case = ablation.Case(chosen.set, ablation.SMALL, "full", 0, 0.0)
    bench, name, rows, _, test = ablation.bench_of(case, chosen)
    folds = inner_folds(bench.targets[rows], bench.groups[rows], k=4, seed=0)
    tried = []
    for number, asked in enumerate(settings_of(len(rows))):
        file = chosen.work / f"halving-{chosen.set}-{len(rows)}-{number}.npz"
        if not file.is_file():
            keep(file, asked, bench, name, rows, folds)
        tried.append(kept(file))
        one = tried[-1]
        print(number, {key: f"{one.settings[key]:.2g}" for key in asked}, *(
            f"{what}: {training.seconds:.1f} s, {bench.judge(rows[folds[0][1]]).values(training.ended)}"
            for what, training in (("all", one.whole), ("a quarter", one.part))
        ), flush=True)  # fmt: skip
    show(bench, name, rows, folds, test, tried)


def settings_of(examples: int) -> list[dict[str, Any]]:
    """The portfolio, then draws from the space."""
    space, rng = searched(FULL.space, examples=examples, usual=32), generator(0, "halving")
    found = [dict(one) for one in FULL.portfolio]
    while len(found) < SETTINGS:
        found.append({
            name: float(math.exp(rng.uniform(math.log(knob.low), math.log(knob.high)))) if isinstance(knob, Between)
            else rng.choice(knob.options).item()
            for name, knob in space.items()
        })  # fmt: skip
    return found


def keep(file: Path, asked: Mapping[str, Any], bench: Workbench, name: str, rows: np.ndarray, folds: Any) -> None:
    """Train on all and on a quarter, and write both down."""
    proposal = FULL.propose(asked, bench, name, rows, seconds=None, effort=Effort.FURTHER)
    assert proposal is not None
    told: dict[str, Any] = {"settings": proposal.settings}
    arrays = {}
    honest = moved.train
    for what, part in (("whole", 1), ("part", 4)):
        settings = dict(proposal.settings) | ({"examples": len(folds[0][0]) // part} if part > 1 else {})
        trained = []

        def remembered(*arguments: Any, _trained: list[Any] = trained, **named: Any) -> Any:
            _trained.append(honest(*arguments, **named))
            return _trained[-1]

        moved.train = remembered
        began = time.process_time()
        validated = FULL.validate(Spec("transfer", name, "full", settings), bench, rows, folds, seed=1, watch=Watch())
        seconds = time.process_time() - began
        moved.train = honest
        arrays |= {f"{what}_ended": validated.logits, f"{what}_by_epoch": np.stack(trained[0].by_epoch)}
        told[what] = {"seconds": seconds, "found": dict(validated.found)}
    np.savez(file, told=json.dumps(told), **arrays)


def kept(file: Path) -> Tried:
    """What was written down."""
    with np.load(file) as read:
        told = json.loads(str(read["told"]))
        whole, part = (
            Training(told[what]["seconds"], read[f"{what}_ended"], read[f"{what}_by_epoch"], told[what]["found"]["curve"])
            for what in ("whole", "part")
        )
    return Tried(told["settings"], told["whole"]["found"], whole, part)


def behind_at(curve: Sequence[float], others: Sequence[Sequence[float]]) -> float | None:
    """The share of the epochs after which the median rule gives a training up; None where it comes to its end."""
    for place, share in enumerate(QUARTERS[: len(curve)]):
        known = [other[place] for other in others if len(other) > place]
        if len(known) >= FEWEST and curve[place] > float(np.median(known)):
            return share
    return None


def plainly(tried: Sequence[Tried], judge: Judge, *, median: bool = True, race: bool = False) -> Searched:
    """All settings on all rows, given up where the median rule says so (what a search does), or where the best so far was
    better beyond chance after the same first quarter of its epochs.
    """
    seconds, finished = 0.0, []
    for number, one in enumerate(tried):
        share = behind_at(one.whole.curve, [other.whole.curve for other in tried[:number]]) if median else None
        if race and finished:
            first = math.ceil(QUARTERS[0] * one.settings["epochs"])
            rival = tried[best_of(finished, tried, judge)].whole.by_epoch
            if judge.prefers(rival[first], one.whole.by_epoch[first]):
                share = QUARTERS[0]
        seconds += one.whole.seconds * (share or 1.0)
        if share is None:
            finished.append(number)
    return Searched(seconds, best_of(finished, tried, judge), len(finished))


def halving(tried: Sequence[Tried], judge: Judge) -> Searched:
    """The first on all rows and on a quarter; the others on a quarter, and on all where the best so far was not better there
    beyond chance. The median rule gives up among quarters and among wholes.
    """
    seconds, finished = 0.0, []
    for number, one in enumerate(tried):
        share = behind_at(one.part.curve, [other.part.curve for other in tried[:number]])
        seconds += one.part.seconds * (share or 1.0)
        if share is not None:
            continue
        if finished and judge.prefers(tried[best_of(finished, tried, judge)].part.ended, one.part.ended):
            continue
        share = behind_at(one.whole.curve, [tried[other].whole.curve for other in finished])
        seconds += one.whole.seconds * (share or 1.0)
        if share is None:
            finished.append(number)
    return Searched(seconds, best_of(finished, tried, judge), len(finished))


def best_of(numbers: Sequence[int], tried: Sequence[Tried], judge: Judge) -> int:
    """The best of those that came to their end."""
    return max(numbers, key=lambda number: judge.value(tried[number].whole.ended))


WAYS: dict[str, Callable[[Sequence[Tried], Judge], Searched]] = {
    "all settings on all rows": lambda tried, judge: plainly(tried, judge, median=False),
    "with the median rule, as a search does": plainly,
    "a race after the first quarter of the epochs as well": lambda tried, judge: plainly(tried, judge, race=True),
    "halving over the rows, with the median rule": halving,
}


def show(
    bench: Workbench, name: str, rows: np.ndarray, folds: Any, test: np.ndarray, tried: Sequence[Tried]
) -> None:
    """A line for each way and number of settings; the settings that it ends with are refitted once and tested."""
    judge, tested = bench.judge(rows[folds[0][1]]), {}
    for count in sorted({4, 8, len(tried)}):
        for called, way in WAYS.items():
            told = way(tried[:count], judge)
            if told.best not in tested:
                one = tried[told.best]
                spec = Spec("transfer", name, "full", one.settings)
                network = FULL.refit(spec, one.found, bench, rows, folds, seed=1)
                tested[told.best] = bench.judge(test).values(FULL.logits(network, spec, bench, test))
            value = judge.values(tried[told.best].whole.ended)
            print(f"{count:2d} settings, {called}: {told.seconds:.0f} s, {told.seconds / count:.1f} s for each, {told.to_the_end} to the end, "
                  f"ends with {told.best}: validation {value}, test {tested[told.best]}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
