"""The search: which trials to run within a budget, transfer and scratch given the same, and which one wins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from headstart.adapt.arms import Arm, Line, lines_of
from headstart.adapt.conduct import Outcome, conduct, seed_of
from headstart.adapt.deaths import LEFT_OUT
from headstart.adapt.falling import curves_like
from headstart.adapt.head_kinds import Reads
from headstart.adapt.ledger import Ledger
from headstart.adapt.shards import ahead
from headstart.adapt.space import BATCH_SIZE, Settings
from headstart.adapt.strategy import Effort, Proposal
from headstart.adapt.trial import Role, Spec, Trial
from headstart.adapt.watch import Watch
from headstart.adapt.winner import winner
from headstart.adapt.workbench import Folds, Workbench
from headstart.errors import HeadstartError, ModelError, OutOfMemory
from headstart.events import Said, TrialBegan, TrialEnded
from headstart.protocols import Clock, Executor

RESERVE = 0.08
"""Share of the time for what comes after the trials besides the refits: test predictions, floors, the report."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to search over: backbones (best ranked first), strategies by name, how much, and against which control.

    `pinned` are settings by strategy that stay as they are.
    """

    backbones: Sequence[str]
    strategies: Sequence[str]
    control: bool
    trials: int | None
    """How many trials; None where the clock decides."""
    pinned: Mapping[str, Settings] = field(default_factory=dict)
    reads: Reads = "features"
    """What of a backbone the task's head reads: controls that do not serve it are left out."""
    grace_s: float = 10.0
    """What a role that has nothing yet may take, however little of the budget is left: a verdict needs both sides."""


def search(
    bench: Workbench,
    rows: np.ndarray,
    folds: Folds,
    plan: Plan,
    *,
    ledger: Ledger,
    clock: Clock,
    executor: Executor,
    fold: int = 0,
) -> list[Trial]:
    """Run trials on `rows` until the plan or the clock ends; at least one probe (or first strategy) and one of each control.

    What the ledger has finished is not run again; what it has planned (a resumed or replayed run) is followed first.
    """
    return _Search(bench, rows, folds, plan, ledger, clock, executor, fold).run()


@dataclass(slots=True, eq=False)
class _Running:
    """A trial under way: its spec, how many trials were known when it began, and its outcome to come."""

    spec: Spec
    after: int
    seconds_left: float
    watch: Watch
    future: Future[Outcome] | None = None


@dataclass(slots=True)
class _Search:
    """A search under way. Everything in it follows from the ledger's trials: it can be built again at any time."""

    bench: Workbench
    rows: np.ndarray
    folds: Folds
    plan: Plan
    ledger: Ledger
    clock: Clock
    executor: Executor
    fold: int
    trials: list[Trial] = field(default_factory=list)
    lines: dict[Role, Line] = field(default_factory=dict)
    running: list[_Running] = field(default_factory=list)
    seconds_in_all: float = 0.0

    def run(self) -> list[Trial]:
        """Follow what is planned, then try what promises most, as many at a time as the executor runs."""
        try:
            return self._run()
        finally:
            # On a full disk this can not be noted; the process dies in good order all the same, and nobody counts that.
            with suppress(OSError):
                self._leave_all()

    def _run(self) -> list[Trial]:
        plan = self.plan
        self.lines = lines_of(plan.backbones, plan.strategies, plan.pinned, control=plan.control, examples=len(self.rows), reads=plan.reads)
        self.seconds_in_all = (1 - RESERVE) * self.clock.seconds_left()
        for spec in self.ledger.planned(self.fold):
            known = self.ledger.finished(spec, self.fold)
            if known is not None:
                self._take(known)
                continue
            ahead(self.bench, spec)
            self._begin(spec, math.inf, self.ledger.known_before(spec, self.fold))
            self._collect()
        while True:
            try:
                with self.clock.breakable():
                    if not self._advance():
                        break
            except KeyboardInterrupt:
                self._stop()
        return self.trials

    def _advance(self) -> bool:
        """Begin or end one trial; False when nothing is left to do."""
        while len(self.running) < self.executor.workers:
            following = self._following()
            if following is None:
                break
            ahead(self.bench, following)
            self._begin(following, self._time_for(following))
        if not self.running:
            return False
        self._collect()
        return True

    def _following(self) -> Spec | None:
        if self.ledger.replays:
            return None
        started = len(self.trials) + len(self.running)
        return None if self.plan.trials is not None and started >= self.plan.trials else self._next()

    def _begin(self, spec: Spec, seconds_left: float, after: int | None = None) -> None:
        if self.ledger.is_deadly(spec, self.fold):
            self._fail(spec, LEFT_OUT)
            return
        known = self.trials[:after]
        line, best = self.lines.get(spec.role), winner(known, "transfer", self.bench)
        self.ledger.begin(spec, self.fold)
        self.bench.listener(
            TrialBegan(
                spec.strategy,
                spec.backbone,
                described(spec.settings),
                self.bench.metric,
                None if best is None else best.values[self.bench.metric],
                left if math.isfinite(left := self.clock.seconds_left()) else None,
            )
        )
        own = [trial for trial in known if trial.spec.role == spec.role]
        rival = winner(own, spec.role, self.bench)
        watch = Watch(rival=rival.validated if rival else None, tried=len(own), curves=curves_like(spec, own))
        if line is not None:
            line.began(spec)
        running = _Running(spec, len(known), seconds_left, watch)
        self.running.append(running)
        self._submit(running)

    def _submit(self, running: _Running) -> None:
        running.future = self.executor.submit(
            conduct,
            self.bench,
            running.spec,
            self.rows,
            self.folds,
            seed=seed_of(self.bench, running.spec, self.fold),
            seconds_left=running.seconds_left,
            watch=running.watch,
            ways=self.bench.ways,
        )

    def _collect(self) -> None:
        """Wait for a trial to end, and record it."""
        wait([one.future for one in self.running if one.future], return_when=FIRST_COMPLETED)
        self._part_broken()
        for running in [one for one in self.running if one.future and one.future.done()]:
            assert running.future is not None
            outcome = self._outcome(running.future)
            for event in outcome.said:
                self.bench.listener(event)
            self.bench.step_seconds.update(outcome.step_seconds)
            if outcome.out_of_time:
                self.running.remove(running)
                self.ledger.leave(running.spec, self.fold)
                line = self.lines[running.spec.role]
                line.broke_off(running.spec)
                if not line.done:
                    self._say_too_short(line, running.spec.strategy)
                continue
            trial = self._trial(running.spec, outcome, running.after)
            self.ledger.record(trial)
            self._take(trial)
            self.running.remove(running)
            self._tell(trial)

    def _part_broken(self) -> None:
        """Where one process ended, all that run end with it: each of their trials has another go by itself, to find out whose it was."""
        ended = [one for one in self.running if one.future and one.future.done()]
        if len(self.running) == 1 or not any(isinstance(one.future.exception(), BrokenExecutor) for one in ended if one.future):
            return
        wait([one.future for one in self.running if one.future])
        for running in self.running:
            if running.future and isinstance(running.future.exception(), BrokenExecutor):
                self.executor.cancel()
                running.seconds_left = min(running.seconds_left, self._time_for(running.spec))
                self._submit(running)
                wait([running.future])

    def _outcome(self, future: Future[Outcome]) -> Outcome:
        try:
            return future.result()
        except BrokenExecutor:
            self.executor.cancel()
            return Outcome(0.0, None, error="its process was ended from outside, most likely because memory ran out")

    def _trial(self, spec: Spec, outcome: Outcome, after: int) -> Trial:
        number, found = len(self.trials), outcome.validated
        return Trial(number, self.fold, spec, outcome.seconds, outcome.values, found, outcome.error, after)

    def _take(self, trial: Trial) -> None:
        self.trials.append(trial)
        if trial.spec.role in self.lines:
            self.lines[trial.spec.role].ended(trial)

    def _tell(self, trial: Trial) -> None:
        spec = trial.spec
        if trial.error is not None:
            self.bench.listener(Said(f"{spec.strategy} on {spec.backbone} failed: {trial.error}", warning=True))
            return
        pruned = trial.validated is not None and trial.validated.pruned
        value = trial.values[self.bench.metric]
        self.bench.listener(
            TrialEnded(
                spec.strategy, spec.backbone, self.bench.metric, value, trial.seconds, described(spec.settings), pruned
            )
        )

    def _stop(self) -> None:
        """Ctrl-C: the first one ends the search with what is finished."""
        if self.clock.interrupted:
            raise KeyboardInterrupt
        self.clock.interrupt()
        self.bench.listener(
            Said("Stopping: the best so far is proved and saved. Press Ctrl-C again to leave at once.", warning=True)
        )
        self.executor.cancel()
        for spec in [one.spec for one in self.running]:
            # It may have come when the trial was recorded already: what is in the journal counts.
            finished = self.ledger.finished(spec, self.fold)
            if finished is None:
                self.lines[spec.role].broke_off(spec)
            elif finished.spec not in [trial.spec for trial in self.trials]:
                self._take(finished)
        self._leave_all()

    def _leave_all(self) -> None:
        for one in self.running:
            self.ledger.leave(one.spec, self.fold)
        self.running.clear()

    def _fail(self, spec: Spec, problem: str) -> None:
        """Record a trial that failed before it began, or a run that goes on would ask again."""
        trial = self._trial(spec, Outcome(0.0, None, error=problem), len(self.trials))
        self.ledger.record(trial)
        self._take(trial)
        self._tell(trial)

    def _next(self) -> Spec | None:
        """The next spec: every role once, then the role that has used least; None when nothing more fits."""
        shut: set[Role] = set()
        while True:
            line = self._role(shut)
            if line is None:
                return None
            per_second = self.plan.trials is None
            following = line.following(self.bench, per_second=per_second, seed=self.bench.seed)
            if following is None:
                shut.add(line.role)
                continue
            arm, chosen, effort = following
            proposal = self._proposal(line, arm, chosen, effort)
            if proposal is None:
                arm.closed = True
                if effort is not Effort.LEAST or arm.tried:
                    continue
                if self._asked(arm, chosen, None, effort) is None:
                    # Not for these data, whatever the time: the trial fails with the reason.
                    return Spec(line.role, arm.backbone, arm.strategy.name, dict(chosen))
                self._say_too_short(line, arm.strategy.name)
                continue
            return Spec(line.role, arm.backbone, arm.strategy.name, proposal.settings)

    def _role(self, shut: set[Role]) -> Line | None:
        """Whose turn it is."""
        lines = [line for line in self.lines.values() if line.role not in shut]
        if self.clock.interrupted:
            lines = [line for line in lines if line.role == "transfer" and not line.tried]
        untried = [line for line in lines if not line.tried]
        if untried or not lines:
            return untried[0] if untried else None
        if self.plan.trials is None:
            return min(lines, key=lambda line: line.spent_s)
        return min(lines, key=lambda line: line.tried)

    def _proposal(self, line: Line, arm: Arm, chosen: Settings, effort: Effort) -> Proposal | None:
        seconds: float | None = None
        if self.plan.trials is None:
            roles = 2 if "scratch" in self.lines else 1
            seconds = min(line.affordable(arm, self.seconds_in_all / roles), self._left(line))
            if effort is Effort.LEAST:
                seconds = max(seconds, self.plan.grace_s)
        try:
            return self._asked(arm, chosen, seconds, effort)
        except (ModelError, OutOfMemory) as problem:
            # What a network does not allow is a failed trial like any other.
            self._fail(Spec(line.role, arm.backbone, arm.strategy.name, dict(chosen)), str(problem))
            return None

    def _asked(self, arm: Arm, chosen: Settings, seconds: float | None, effort: Effort) -> Proposal | None:
        return arm.strategy.propose(chosen, self.bench, arm.backbone, self.rows, seconds=seconds, effort=effort)

    def _left(self, line: Line | None) -> float:
        """Seconds until what comes after the trials has to begin, the other roles' refits among it."""
        others = sum(other.largest_refit_s for other in self.lines.values() if other is not line)
        return self.clock.seconds_left() - RESERVE * self.seconds_in_all - others

    def _time_for(self, spec: Spec) -> float:
        """When a trial that takes longer than it was predicted to is broken off: at the end of the budget.

        The first trial of a role, which was made as small as it has to be, may take twice what it was given.
        """
        line = self.lines.get(spec.role)
        if self.plan.trials is not None or line is None:
            return math.inf
        left = self._left(None)
        return max(0.0, left) if line.tried else 2 * max(self.plan.grace_s, left)

    def _say_too_short(self, line: Line, strategy: str) -> None:
        what = "no verdict can be given" if line.role == "scratch" else f"{line.role} is left out"
        self.bench.listener(
            Said(f"The budget leaves no time for {strategy}: {what}. A longer --budget would do.", warning=True)
        )


def described(settings: Settings) -> str:
    """What is particular about a trial, in a few words."""
    words = [f"{name.replace('learning_rate', 'rate')} {settings[name]:.2g}" for name in ("learning_rate",) if name in settings]
    words += [f"batches of {settings[BATCH_SIZE]}"] if BATCH_SIZE in settings else []
    words += [f"{settings[name]} {name}" for name in ("epochs", "folds", "examples") if name in settings]
    return ", ".join(words)


def failed(trials: Sequence[Trial], role: Role) -> HeadstartError | None:
    """The reason why no trial of a role finished, where that is so."""
    errors = [trial.error for trial in trials if trial.spec.role == role]
    if not errors or None in errors:
        return None
    return HeadstartError(f"every {role} trial failed: {errors[0]}")
