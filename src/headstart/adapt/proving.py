"""One outer split: search on its training rows, refit the winners, predict its test rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.adapt.conduct import seed_of
from headstart.adapt.floor import classical_logits
from headstart.adapt.ledger import Ledger
from headstart.adapt.memory import in_plain_words
from headstart.adapt.network import Network
from headstart.adapt.search import Plan, failed, search
from headstart.adapt.strategies import strategy_named
from headstart.adapt.trial import ROLES, Role, Trial
from headstart.adapt.winner import winner
from headstart.adapt.workbench import Folds, Workbench
from headstart.data.modality import Modality
from headstart.errors import HeadstartError, ModelError, OutOfMemory
from headstart.events import Said
from headstart.protocols import Clock, Executor
from headstart.tasks.base import CountsTokens, LearnsFloor


@dataclass(frozen=True, slots=True)
class Outer:
    """An outer split: `rows` to train on, `test` rows to predict, inner `folds` as positions into `rows`."""

    number: int
    rows: np.ndarray
    test: np.ndarray
    folds: Folds


@dataclass(frozen=True, slots=True)
class Proved:
    """Predictions for an outer split's test rows: logits by role and floor, temperatures by role, who won, and what the answer to
    each training row is worth (`train_rows`, `train_worth`).

    `refit_s` and `predict_s` are the seconds that a winner's refit and its test rows took, by role.
    """

    number: int
    test: np.ndarray
    logits: Mapping[str, np.ndarray]
    temperatures: Mapping[str, float]
    winners: Mapping[str, Trial]
    train_rows: np.ndarray
    train_worth: np.ndarray
    trials: Sequence[Trial]
    network: Network | None = None
    refit_s: Mapping[str, float] = field(default_factory=dict)
    predict_s: Mapping[str, float] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    """What `show` made of each role's network."""


@dataclass(frozen=True, slots=True)
class Final:
    """What is shipped: the winning trial, its network, its temperature."""

    trial: Trial
    network: Network
    temperature: float


def prove_split(
    outer: Outer,
    bench: Workbench,
    plan: Plan,
    *,
    ledger: Ledger,
    clock: Clock,
    executor: Executor,
    modality: Modality,
    temperature: Callable[[Trial], float],
    show: Callable[[Network], Any] | None = None,
) -> Proved:
    """Search, refit, and predict; the test rows' labels are not looked at. `show` is given each role's refitted network."""
    trials = search(bench, outer.rows, outer.folds, plan, ledger=ledger, clock=clock, executor=executor, fold=outer.number)
    logits: dict[str, np.ndarray] = floors(outer, bench, modality)
    temperatures: dict[str, float] = {}
    winners: dict[str, Trial] = {}
    refit_s: dict[str, float] = {}
    predict_s: dict[str, float] = {}
    shown: dict[str, Any] = {}
    train_rows = bench.few_of(outer.rows)
    shipped, train_worth = None, np.empty(0)
    for role in ROLES:
        refitted = refit_best(trials, role, outer, bench)
        if refitted is None:
            _explain_missing(trials, role, bench)
            continue
        best, network, refit_s[role] = refitted
        strategy = strategy_named(best.spec.strategy)
        winners[role], temperatures[role] = best, temperature(best)
        began = time.monotonic()
        logits[role] = strategy.logits(network, best.spec, bench, outer.test)
        predict_s[role] = time.monotonic() - began
        if show is not None:
            shown[role] = show(network)
        if role == "transfer":
            shipped = network
            train_worth = bench.right(train_rows, strategy.logits(network, best.spec, bench, train_rows))
    return Proved(
        outer.number,
        outer.test,
        logits,
        temperatures,
        winners,
        train_rows,
        train_worth,
        trials,
        shipped,
        refit_s,
        predict_s,
        shown,
    )


def refit_best(
    trials: Sequence[Trial], role: Role, outer: Outer, bench: Workbench
) -> tuple[Trial, Network, float] | None:
    """The winning trial of a role, trained on all rows of the split, and the seconds that took; where it fails, the best of the others.

    None where no trial of the role finished. Raises the reason of the last failure where none can be refitted.
    """
    left, failure = list(trials), None
    while (best := winner(left, role, bench)) is not None:
        try:
            began = time.monotonic()
            with in_plain_words(f"{best.spec.strategy} on {best.spec.backbone}"):
                network = refit_winner(best, outer, bench)
            return best, network, time.monotonic() - began
        except (FloatingPointError, ModelError, OutOfMemory) as problem:
            bench.listener(Said(f"{best.spec.strategy} cannot be trained on all examples: {problem}", warning=True))
            left.remove(best)
            failure = HeadstartError(f"no {role} trial can be trained on all examples: {problem}")
    if failure is not None and role == "transfer":
        raise failure
    return None


def refit_winner(best: Trial, outer: Outer, bench: Workbench) -> Network:
    """Train the winning trial's recipe on all rows of the split."""
    assert best.validated is not None
    seed = seed_of(bench, best.spec, best.fold)
    network = strategy_named(best.spec.strategy).refit(
        best.spec, best.validated.found, bench, outer.rows, outer.folds, seed=seed
    )
    return network.with_plain_head()


def floors(outer: Outer, bench: Workbench, modality: Modality) -> dict[str, np.ndarray]:
    """Logits of the guess without any method and of the task's or the modality's classical method for the test rows."""
    targets, count, task = bench.targets[outer.rows], bench.outputs, bench.task
    seen = [bench.items[row] for row in outer.rows]
    unseen = [bench.items[row] for row in outer.test]
    if isinstance(task, CountsTokens):
        # Of several tokenizers the first: bits per byte are the same measure for all.
        preprocess: Any = next(iter(bench.backbones.values())).preprocess
        learned, asked = ([preprocess.prepare(bench.decode(item)) for item in items] for items in (seen, unseen))
        return dict(task.token_floors(learned, asked, len(preprocess.whole.tokenizer)))
    classical = task.floor(bench.decode(item) for item in unseen)
    if isinstance(task, LearnsFloor):
        classical = task.learned_floor(map(bench.decode, seen), targets, map(bench.decode, unseen))
    if classical is None:
        classical = classical_logits(modality.floor_features, seen, targets, unseen, outer.folds, count, task.solver)
    return {"floor-majority": task.guess(targets, count, len(outer.test)), "floor-classical": classical}


def _explain_missing(trials: Sequence[Trial], role: Role, bench: Workbench) -> None:
    problem = failed(trials, role)
    if problem is None:
        if role == "transfer":
            raise HeadstartError("nothing could be trained within the budget. Give it a longer --budget, or --strategy probe.")
        return
    if role == "transfer":
        raise HeadstartError(f"{str(problem).rstrip('.')}. Try --precision fp32, or --strategy probe.")
    bench.listener(Said(f"No {role} control: {problem}", warning=True))
