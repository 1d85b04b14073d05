"""The ways that one role may be tried, strategies on backbones: what was tried, what it took, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from headstart.adapt.allocate import NOT_WORTH, expected_gain, log_error, outlook
from headstart.adapt.ask import Seen, ask
from headstart.adapt.head_kinds import Reads
from headstart.adapt.moved import REFIT
from headstart.adapt.space import Settings, Space, searched
from headstart.adapt.strategies import CONTROLS, STRATEGIES, strategy_named
from headstart.adapt.strategy import Effort, Strategy
from headstart.adapt.trial import Role, Spec, Trial
from headstart.adapt.workbench import Workbench
from headstart.prove.metrics import METRICS
from headstart.runtime import child_seed

FAILURES = 2
"""After so many failed trials an arm is not tried again."""


@dataclass(slots=True, eq=False)
class Arm:
    """A strategy on a backbone, with the settings that it was tried with or is being tried with."""

    strategy: Strategy
    backbone: str
    pinned: Settings
    opens: bool
    """Whether a search tries it whatever the others gave; else only where it promises more than they do."""
    space: Space
    """What of the strategy's settings is searched on so many examples."""
    done: list[Trial] = field(default_factory=list)
    running: list[Spec] = field(default_factory=list)
    closed: bool = False

    @property
    def tried(self) -> int:
        """Trials that ended or run."""
        return len(self.done) + len(self.running)

    @property
    def waiting(self) -> list[Settings]:
        """What of the portfolio was not tried, with what is pinned in place of its own."""
        mine: list[Settings] = []
        for settings in self.strategy.portfolio:
            chosen = {**settings, **self.pinned}
            if chosen not in mine:
                mine.append(chosen)
        used = [spec.settings for spec in (*(trial.spec for trial in self.done), *self.running)]
        return [chosen for chosen in mine if not any(chosen.items() <= settings.items() for settings in map(dict, used))]

    @property
    def is_open(self) -> bool:
        """Whether there is anything left to try."""
        return not self.closed and (bool(self.waiting) or bool(set(self.space) - set(self.pinned)))


@dataclass(slots=True)
class Line:
    """The arms of one role in the order in which they are opened, and the seconds that the role has used."""

    role: Role
    arms: list[Arm]
    spent_s: float = 0.0
    largest_refit_s: float = 0.0

    @property
    def done(self) -> list[Trial]:
        """Its trials."""
        return [trial for arm in self.arms for trial in arm.done]

    @property
    def tried(self) -> int:
        """Trials that ended or run."""
        return sum(arm.tried for arm in self.arms)

    def began(self, spec: Spec) -> None:
        """Take note of a trial that runs now."""
        self._arm(spec).running.append(spec)

    def ended(self, trial: Trial) -> None:
        """Take note of a trial that is over."""
        arm = self._arm(trial.spec)
        if trial.spec in arm.running:
            arm.running.remove(trial.spec)
        arm.done.append(trial)
        arm.closed = arm.closed or sum(one.error is not None for one in arm.done) >= FAILURES
        self.spent_s += trial.seconds
        if "folds" in trial.spec.settings:
            # On a part of the examples the refit sees no more of them than the trial.
            more = 1.0 if "examples" in trial.spec.settings else REFIT
            refit_s = more * trial.seconds / trial.spec.settings["folds"]
            self.largest_refit_s = max(self.largest_refit_s, refit_s)

    def broke_off(self, spec: Spec) -> None:
        """Take note of a trial that was stopped and does not count; its arm is not tried again."""
        arm = self._arm(spec)
        arm.running.remove(spec)
        arm.closed = True

    def _arm(self, spec: Spec) -> Arm:
        for arm in self.arms:
            if (arm.strategy.name, arm.backbone) == (spec.strategy, spec.backbone):
                return arm
        # A journal may hold what this command would not try by itself.
        arm = Arm(strategy_named(spec.strategy), spec.backbone, {}, opens=False, space={}, closed=True)
        self.arms.append(arm)
        return arm

    def following(self, bench: Workbench, *, per_second: bool, seed: int) -> tuple[Arm, Settings, Effort] | None:
        """What to try next; None where nothing is worth it.

        The arms that open a search once each, in their order; then the arm with the largest expected gain, for each second
        that its trials take where `per_second`, as long as there is a gain to expect.
        """
        for arm in self.arms:
            if arm.opens and arm.is_open and not arm.tried:
                return arm, arm.waiting[0], Effort.FIRST if self.tried else Effort.LEAST
        known = [error for arm in self.arms for error in errors_of(arm, bench.metric)]
        if not known:
            return None
        best = min(known)
        gains = {arm: expected_gain(best, *self._outlook(arm, bench.metric, best)) for arm in self.arms if arm.is_open}
        worth = [arm for arm in self.arms if gains.get(arm, 0.0) >= NOT_WORTH]
        if not worth:
            return None
        arm = max(worth, key=lambda arm: gains[arm] / (self._seconds(arm) if per_second else 1.0))
        waiting = arm.waiting
        chosen = waiting[0] if waiting else self._asked(arm, bench, seed)
        # Whoever comes later is compared on all folds: with fewer there would be less that all were tried on.
        return arm, chosen, Effort.FURTHER

    def _outlook(self, arm: Arm, metric: str, best: float) -> tuple[float, float]:
        """Mean and spread of the log error that the arm's next trial may have; without a probe around the best so far."""
        probes = [
            error
            for other in self.arms
            if other.backbone == arm.backbone and not other.strategy.depth
            for error in errors_of(other, metric)
        ]
        return outlook(errors_of(arm, metric), probe=min(probes, default=best), expected=arm.strategy.expected)

    def _seconds(self, arm: Arm) -> float:
        """What a trial of the arm takes: as its own did, or where it has none those of the same strategy."""
        alike = [trial.seconds for trial in arm.done] or [
            trial.seconds for other in self.arms if other.strategy.name == arm.strategy.name for trial in other.done
        ]
        return max(1e-3, float(np.median(alike))) if alike else 1.0

    def _asked(self, arm: Arm, bench: Workbench, seed: int) -> Settings:
        """What the estimator asks for, knowing the same strategy's trials on every backbone."""
        own = [other for other in self.arms if other.strategy.name == arm.strategy.name]
        ended = [trial for other in own for trial in other.done if bench.metric in trial.values]
        judged = [(name, 1 if METRICS[name].higher_is_better else -1) for name in (bench.metric, bench.task.judged[0])]
        ended.sort(key=lambda trial: (*(sign * trial.values[name] for name, sign in judged), trial.number))
        space = arm.space
        seen = [Seen(trial.spec.backbone, _of(space, trial.spec), place) for place, trial in enumerate(ended)]
        seen += [Seen(spec.backbone, _of(space, spec), None) for other in own for spec in other.running]
        number = sum(other.tried for other in own)
        return ask(space, arm.backbone, seen, pinned=arm.pinned, seed=child_seed(seed, self.role, arm.strategy.name, number))

    def affordable(self, arm: Arm, seconds: float) -> float:
        """What the next trial, of `arm`, and a refit of it may take if the role has `seconds` in all.

        Arms that train and were not tried yet share what is left by their depth, because the deeper ones take longer for
        a step; what is solved takes next to nothing. One winner is refitted in the end, this trial's or an earlier one's.
        """
        left = seconds - self.spent_s
        untried = [
            other
            for other in self.arms
            if other.opens and other.is_open and not other.tried and other.strategy.schedule(1) is not None
        ]
        depths = sum(other.strategy.depth for other in untried)
        share = arm.strategy.depth / depths if arm in untried and depths else 1.0
        return min(left * share, left - self.largest_refit_s)


def _of(space: Space, spec: Spec) -> Settings:
    """What a trial was given of a space."""
    return {name: spec.settings[name] for name in space if name in spec.settings}


def errors_of(arm: Arm, metric: str) -> list[float]:
    """The log error of each trial of an arm that came to something."""
    return [
        log_error(metric, trial.values[metric], len(trial.validated.rows))
        for trial in arm.done
        if trial.validated is not None and metric in trial.values
    ]


def lines_of(
    backbones: Sequence[str],
    strategies: Sequence[str],
    pinned: Mapping[str, Settings],
    *,
    control: bool,
    examples: int,
    reads: Reads = "features",
) -> dict[Role, Line]:
    """What a search may try, by role, each in the order in which it is opened; `backbones` best ranked first. Controls that do not
    serve a head of the task, by what it `reads`, are left out.
    """
    first, *others = backbones
    named = [STRATEGIES[name] for name in strategies]
    # One that trains on few examples, but not on so many, is tried only where it was all that was asked for.
    fitting = [one for one in named if one.schedule(1) is None or one.schedule(examples) is not None] or named
    cheap, *deeper = sorted(fitting, key=lambda strategy: strategy.depth)
    solved = [strategy for strategy in deeper if strategy.schedule(1) is None]
    # Where time is short, the deepest has the most to win.
    trained = [strategy for strategy in reversed(deeper) if strategy not in solved]
    opening = [*((cheap, name) for name in backbones), *((strategy, first) for strategy in (*solved, *trained))]
    later = [(strategy, name) for name in others for strategy in (*solved, *trained)]

    def arm(strategy: Strategy, backbone: str, *, opens: bool) -> Arm:
        usual = strategy.schedule(examples)
        space = searched(strategy.space, examples=examples, usual=usual.batch_size) if usual else strategy.space
        return Arm(strategy, backbone, pinned.get(strategy.name, {}), opens, space)

    transfer = [arm(*one, opens=True) for one in opening] + [arm(*one, opens=False) for one in later]
    lines: dict[Role, Line] = {"transfer": Line("transfer", transfer)}
    for one in CONTROLS.values() if control else ():
        if reads in one.serves:
            lines[one.role] = Line(one.role, [arm(one, first, opens=True)])
    return lines
