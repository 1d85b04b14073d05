"""The search: which trials to run within a budget, transfer and scratch given the same, and which one wins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from headstart.adapt.ledger import Ledger
from headstart.adapt.moved import MIN_EPOCHS, REFIT
from headstart.adapt.strategies import CONTROLS, STRATEGIES
from headstart.adapt.strategy import Strategy
from headstart.adapt.trial import Role, Spec, Trial
from headstart.adapt.workbench import Folds, Workbench
from headstart.errors import HeadstartError, ModelError
from headstart.events import Said, TrialEnded
from headstart.protocols import Clock
from headstart.runtime import child_seed

RESERVE = 0.08
"""Share of the time for what comes after the trials besides the refits: test predictions, floors, the report."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to search over: backbones (best ranked first), strategies by name, how much, and against which control."""

    backbones: Sequence[str]
    strategies: Sequence[str]
    control: bool
    trials: int | None
    """How many trials; None where the clock decides."""


@dataclass(slots=True)
class _Line:
    """The proposals of one role still to come, and the seconds that it has used."""

    role: Role
    waiting: list[tuple[str, str, int]]
    spent_s: float = 0.0
    largest_refit_s: float = 0.0
    done: list[Trial] = field(default_factory=list)

    def affordable(self, seconds: float) -> float:
        """What the next trial and a refit of it may take if the role has `seconds` in all.

        Strategies that train and were not tried yet share what is left by their depth, because the deeper ones take longer
        for a step; what is solved takes next to nothing. One winner is refitted in the end, this trial's or an earlier one's.
        """
        left = seconds - self.spent_s
        tried = {trial.spec.strategy for trial in self.done}
        untried = {name for name, _, _ in self.waiting} - tried
        depths = {name: strategy_named(name).depth for name in untried if strategy_named(name).schedule(1) is not None}
        name = self.waiting[0][0]
        share = depths[name] / max(1, sum(depths.values())) if name in depths else 1.0
        return min(left * share, left - self.largest_refit_s)


def search(
    bench: Workbench, rows: np.ndarray, folds: Folds, plan: Plan, *, ledger: Ledger, clock: Clock, fold: int = 0
) -> list[Trial]:
    """Run trials on `rows` until the plan or the clock ends; at least one probe (or first strategy) and one of each control.

    What the ledger has finished is not run again; what it has planned (a resumed or replayed run) is followed first.
    """
    lines = _lines(plan)
    trials: list[Trial] = []
    seconds_in_all = (1 - RESERVE) * clock.seconds_left()
    for spec in ledger.planned(fold):
        trial = _run(spec, len(trials), fold, bench, rows, folds, ledger)
        trials.append(trial)
        _account(lines, trial)
    while not ledger.replays and (plan.trials is None or len(trials) < plan.trials):
        chosen: Spec | None = None
        try:
            with clock.breakable():
                chosen = _next(lines, plan, bench, rows, clock, seconds_in_all)
                if chosen is None:
                    break
                trials.append(_run(chosen, len(trials), fold, bench, rows, folds, ledger))
        except KeyboardInterrupt:
            if clock.interrupted:
                raise
            clock.interrupt()
            bench.listener(
                Said(
                    "Stopping: the best so far is proved and saved. Press Ctrl-C again to leave at once.", warning=True
                )
            )
            # It may have come when the trial was recorded already: what is in the journal counts.
            finished = ledger.finished(chosen, fold) if chosen else None
            if finished is None:
                continue
            if not trials or trials[-1].spec != chosen:
                trials.append(finished)
        _account(lines, trials[-1])
    return trials


def _lines(plan: Plan) -> dict[Role, _Line]:
    first, others = plan.backbones[0], plan.backbones[1:]
    cheap, *deeper = sorted((STRATEGIES[name] for name in plan.strategies), key=lambda strategy: strategy.depth)
    order = [cheap, *reversed(deeper)]  # where time is short, the deepest has the most to win
    transfer = [
        (strategy.name, first, number) for number in range(8) for strategy in order if number < strategy.choices
    ]
    transfer[1:1] = [(cheap.name, other, 0) for other in others]
    lines: dict[Role, _Line] = {"transfer": _Line("transfer", transfer)}
    if plan.control:
        lines["random-frozen"] = _Line("random-frozen", [("random-frozen", first, 0)])
        lines["scratch"] = _Line(
            "scratch", [("scratch", first, number) for number in range(CONTROLS["scratch"].choices)]
        )
    return lines


def _account(lines: dict[Role, _Line], trial: Trial) -> None:
    line = lines.get(trial.spec.role)
    if line is None:
        return
    line.spent_s += trial.seconds
    line.done.append(trial)
    if "folds" in trial.spec.settings:
        refit_s = REFIT * trial.seconds / trial.spec.settings["folds"]
        line.largest_refit_s = max(line.largest_refit_s, refit_s)
    if line.waiting:
        same = (trial.spec.strategy, trial.spec.backbone)
        index = next((i for i, entry in enumerate(line.waiting) if entry[:2] == same), None)
        if index is not None:
            line.waiting.pop(index)


def _next(
    lines: dict[Role, _Line], plan: Plan, bench: Workbench, rows: np.ndarray, clock: Clock, seconds_in_all: float
) -> Spec | None:
    """The next spec: every role once, then the role that has used least; None when nothing more fits."""
    while True:
        open_lines = [line for line in lines.values() if line.waiting]
        if not open_lines:
            return None
        order: list[Role] = ["transfer", "random-frozen", "scratch"]
        if clock.interrupted:
            open_lines = [line for line in open_lines if line.role == "transfer" and not line.done]
            if not open_lines:
                return None
        untried = [line for line in open_lines if not line.done]
        if plan.trials is None:
            line = untried[0] if untried else min(open_lines, key=lambda x: (x.spent_s, order.index(x.role)))
        else:
            line = untried[0] if untried else min(open_lines, key=lambda x: (len(x.done), order.index(x.role)))
        name, backbone, number = line.waiting[0]
        strategy = strategy_named(name)
        seconds: float | None = None
        if plan.trials is None:
            roles = 2 if "scratch" in lines else 1
            others = sum(other.largest_refit_s for other in lines.values() if other is not line)
            left = clock.seconds_left() - RESERVE * seconds_in_all - others
            seconds = min(line.affordable(seconds_in_all / roles), left)
        settings = strategy.propose(number, bench, backbone, rows, seconds=seconds)
        if settings is None and not line.done:
            # Each role is tried at least once, however short the budget: a verdict needs both sides.
            full = strategy.propose(number, bench, backbone, rows, seconds=None) or {}
            settings = {**full, "epochs": MIN_EPOCHS, "folds": 1}
        if settings is None:
            line.waiting.pop(0)
            continue
        return Spec(line.role, backbone, name, settings)


def strategy_named(name: str) -> Strategy:
    """The strategy or control called `name`."""
    return STRATEGIES[name] if name in STRATEGIES else CONTROLS[name]


def _run(spec: Spec, number: int, fold: int, bench: Workbench, rows: np.ndarray, folds: Folds, ledger: Ledger) -> Trial:
    known = ledger.finished(spec, fold)
    if known is not None:
        return known
    began = time.monotonic()
    seed = seed_of(bench, spec, fold)
    try:
        validated = strategy_named(spec.strategy).validate(spec, bench, rows, folds, seed=seed)
        error, values = None, bench.judge(validated.rows).values(validated.logits)
    except (FloatingPointError, ModelError) as problem:
        validated, error, values = None, str(problem), {}
        bench.listener(Said(f"{spec.strategy} on {spec.backbone} failed: {problem}", warning=True))
    trial = Trial(number, fold, spec, time.monotonic() - began, values, validated, error)
    ledger.record(trial)
    if error is None:
        bench.listener(TrialEnded(spec.strategy, spec.backbone, bench.metric, values[bench.metric], trial.seconds))
    return trial


def seed_of(bench: Workbench, spec: Spec, fold: int) -> int:
    """The seed of a trial: a function of the run's seed and the spec, not of the order of trials."""
    return child_seed(bench.seed, spec.key(fold))


def winner(trials: Sequence[Trial], role: Role, bench: Workbench) -> Trial | None:
    """The best trial of a role on the examples that all of them validated.

    A deeper strategy has to beat a simpler one by more than chance, and the more so the more settings of it were
    tried: on a few dozen validation examples the largest number is often luck.
    """
    finished = [trial for trial in trials if trial.spec.role == role and trial.validated is not None]
    if not finished:
        return None
    shared = set.intersection(*(set(trial.validated.rows.tolist()) for trial in finished if trial.validated))
    rows = np.array(sorted(shared), dtype=np.int64)
    judge, best = bench.judge(rows), None
    for depth in sorted({strategy_named(trial.spec.strategy).depth for trial in finished}):
        level = [trial for trial in finished if strategy_named(trial.spec.strategy).depth == depth]
        contender = max(level, key=lambda trial: judge.value(_on(trial, rows)))
        if best is None or judge.prefers(_on(contender, rows), _on(best, rows), tried=len(level)):
            best = contender
    return best


def _on(trial: Trial, rows: np.ndarray) -> np.ndarray:
    assert trial.validated is not None
    place = {int(row): number for number, row in enumerate(trial.validated.rows)}
    return trial.validated.logits[[place[int(row)] for row in rows]]


def failed(trials: Sequence[Trial], role: Role) -> HeadstartError | None:
    """The reason why no trial of a role finished, where that is so."""
    errors = [trial.error for trial in trials if trial.spec.role == role]
    if not errors or None in errors:
        return None
    return HeadstartError(f"every {role} trial failed: {errors[0]}")
