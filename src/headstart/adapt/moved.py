"""Strategies in which weights move: on a solved head, for as long as the time allows."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.adapt.carried import FEWEST_VIEWS, VIEWS, room, views_with_room
from headstart.adapt.drawn import part_of
from headstart.adapt.examples import Augment, Examples
from headstart.adapt.falling import Falling
from headstart.adapt.finetune import Recipe, best_of, predict_logits, seconds_per_step, train
from headstart.adapt.head_kinds import Reads
from headstart.adapt.heads import SOLVED_UP_TO, solve_head, starting_head
from headstart.adapt.hooks import Hooks, Trick
from headstart.adapt.memory import LEARNS_FROM, USABLE, Need, Portion, free_for, measure_need, portion, require
from headstart.adapt.movers import Mover
from headstart.adapt.network import Moving, Network
from headstart.adapt.space import BATCH_SIZE, Between, Choice, Settings, Space
from headstart.adapt.strategy import LITTLE, Effort, Expected, Proposal, Schedule
from headstart.adapt.trial import Role, Spec, Validated
from headstart.adapt.watch import Watch
from headstart.adapt.workbench import Folds, StepKey, Workbench
from headstart.events import Progress
from headstart.models.backbone import Backbone
from headstart.runtime import child_seed, generator, random_state_kept, seed_everything

FEW, FEW_FOLDS, ENOUGH_EPOCHS = 300, 3, 10
"""Below FEW examples a trial validates on several folds, where that leaves ENOUGH_EPOCHS."""
REFIT = 1.25
"""What a refit takes, in trainings on one fold: it sees all examples."""
MIN_EPOCHS = 3
"""Below this a fine-tuning trial says nothing about its settings."""
STORING_SHARE = 1 / 3
"""Of a trial's time that computing stored activations may take, where fewer of them would do."""
FEWEST_EXAMPLES = 16
"""Below this there is nothing to train on."""
BATCH_SIZES = (8, 16, 32, 64)
"""What may be searched in place of the usual 16 or 32."""


@dataclass(frozen=True, slots=True)
class FineTune:
    """Weights move: the head is solved first, then what `mover` releases trains with it (LP-FT, Kumar et al. 2022).

    From random weights (the control `scratch`) the head starts at zero and batch norm learns its statistics. A head that reads single
    tokens cannot be solved: it learns from the first step, at its own rate.
    """

    name: str
    role: Role
    depth: int
    summary: str
    mover: Mover
    rates: tuple[float, ...]
    """Peak learning rates to try, the most promising first."""
    steps: int
    """Training steps when time allows."""
    by_default: bool = True
    slowest: float = 1.0
    """The rate of the first stage as a share of the last one's; those between are spaced evenly on a log scale."""
    tricks: tuple[Trick, ...] = ()
    """What else happens around the steps of every training."""
    expected: Expected = LITTLE

    @property
    def space(self) -> Space:
        """Rates, decay, the size of batches, and what the mover adds."""
        return {
            "learning_rate": Between(min(self.rates) / 3, 3 * max(self.rates)),
            "weight_decay": Between(1e-4, 0.3),
            BATCH_SIZE: Choice(BATCH_SIZES),
            **self.mover.space,
        }

    @property
    def portfolio(self) -> tuple[Settings, ...]:
        """One after the other of the rates."""
        return tuple({"learning_rate": rate} for rate in self.rates)

    @property
    def _random(self) -> bool:
        return self.role == "scratch"

    @property
    def serves(self) -> tuple[Reads, ...]:
        """Where weights move, any head can learn."""
        return ("features", "tokens")

    def first(self, backbone: Backbone) -> int:
        """Where the mover begins, as it is set at first."""
        return self.mover.first(backbone)

    def schedule(self, examples: int, most: int = 32) -> Schedule:
        """The steps it is given, in epochs of batches of at most `most`; few examples are validated on several folds."""
        batch_size = min(most, 32 if examples >= 64 else 16)
        epochs = min(40, max(4, round(self.steps / math.ceil(examples / batch_size))))
        return Schedule(epochs, batch_size, FEW_FOLDS if examples < FEW else 1)

    def propose(
        self,
        chosen: Settings,
        bench: Workbench,
        backbone: str,
        rows: np.ndarray,
        *,
        seconds: float | None,
        effort: Effort,
    ) -> Proposal | None:
        """The chosen settings with as many epochs and validation folds as fit into `seconds` together with a refit.

        Whatever the size of batches, there are as many epochs: each example is seen as often, and curves can be compared.
        """
        plan = self.schedule(len(rows), bench.most_in_batch)
        examples, epochs, folds = len(rows), plan.epochs, plan.folds
        batch_size = chosen.get(BATCH_SIZE, plan.batch_size)
        mover = self.mover.set(chosen)
        views, storing_s = self._views(mover, bench, backbone, rows, epochs, seconds)
        way, fits = self._portion(mover, bench, backbone, rows, batch_size, views)
        step_s = self._seconds_per_step(mover, bench, backbone, rows, batch_size, views, way) if fits else 0.0
        if seconds is not None and fits:
            affordable = (seconds - storing_s) / (math.ceil(examples / batch_size) * step_s)
            # Few epochs on several folds say more than many epochs on one, whose best one is then found by luck.
            while effort is not Effort.FURTHER and folds > 1 and affordable < (folds + REFIT) * ENOUGH_EPOCHS:
                folds -= 1
            epochs = min(epochs, int(affordable / (folds + REFIT)))
            if effort is Effort.LEAST and epochs < MIN_EPOCHS:
                steps = int((seconds - storing_s) / (step_s * (folds + REFIT)) / MIN_EPOCHS)
                examples, epochs = min(examples, steps * batch_size), MIN_EPOCHS
            # Another learning rate over a shorter schedule would tell nothing about the rate, and validated on fewer
            # folds it would leave fewer examples on which all trials can be compared. Many examples have few epochs at best.
            least = min(ENOUGH_EPOCHS, plan.epochs) if effort is Effort.FURTHER else MIN_EPOCHS
            if epochs < least or examples < FEWEST_EXAMPLES:
                return None
        rate = chosen["learning_rate"]
        recipe = Recipe(
            epochs=epochs,
            learning_rate=rate,
            head_learning_rate=rate if self._random or bench.head_is_trained else 10 * rate,
            weight_decay=chosen.get("weight_decay", 0.05 if self._random else 0.01),
            batch_size=batch_size,
            hold_batch_norm=not self._random,
            rate_decay=self.slowest ** (1 / max(1, len(bench.backbones[backbone].stages) - 1)),
            micro_batch=way.micro_batch,
            checkpoint=way.checkpoint,
        )
        settings = {**recipe.to_dict(), "folds": folds, "views": views, **{name: getattr(mover, name) for name in mover.space}}
        if examples < len(rows):
            settings["examples"] = examples
        each = math.ceil(examples / batch_size) * epochs * step_s
        return Proposal(settings, storing_s + (folds + REFIT) * each)

    def validate(
        self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int, watch: Watch
    ) -> Validated:
        """Train on the first folds; the logits of what they held out, at the epoch of `best_of` for all of them.

        One epoch for all, because a refit has to stop somewhere, and each fold's own best would flatter. With few
        examples the head is solved again at the end, unless the trained one is clearly better. After each fold it is given up
        where it can no longer win.
        """
        self._require(spec, bench, rows)
        recipe = recipe_of(spec)
        seen, logits, ends, solved, steps, stored_s, began = [], [], set(), [], 0, 0.0, time.perf_counter()
        used, pruned = [(whole, bench.few_of(held_out)) for whole, held_out in folds[: spec.settings["folds"]]], False
        alike = [curve for epochs, curve in watch.curves if epochs == recipe.epochs]
        falling = Falling(recipe.epochs, bench.judge(rows[used[0][1]]), alike)
        for number, (whole, held_out) in enumerate(used):
            inner = whole[part_of(bench.strata(rows[whole]), spec.settings.get("examples"), seed=bench.seed)]
            network, _ = self._start(spec, bench, rows[inner], _without(folds, inner, held_out), seed=seed)
            moving, examples, augment = self._moving(network, spec, bench)
            stored_s -= examples.seconds
            trained = train(
                moving,
                examples,
                rows[inner],
                bench.aims(rows[inner]),
                recipe,
                objective=bench.task.objective(bench.targets[rows[inner]]),
                placement=bench.placement_of(spec.backbone, training=True),
                rng=generator(seed, "train", number),
                augment=augment,
                tricks=(*self.tricks, lambda course: Hooks(after_step=watch.step)),
                validation=(rows[held_out], bench.judge(rows[held_out])),
                give_up=falling.is_behind if number == 0 else None,
            )
            bench.listener(Progress("folds", number + 1, len(used)))
            stored_s += examples.seconds
            seen.append(rows[held_out])
            logits.append(trained.by_epoch)
            ends.add(trained.best_epoch)
            steps += (len(trained.by_epoch) - 1) * math.ceil(len(inner) / recipe.batch_size)
            if trained.given_up:
                pruned = True
                break
            if len(inner) <= SOLVED_UP_TO and not network.reads_tokens:
                solve_head(network, spec.backbone, bench, rows[inner])
                solved.append(self.logits(network, spec, bench, rows[held_out]))
            ended = [by_epoch[-1] for by_epoch in logits]
            if number + 1 < len(used) and watch.is_hopeless(seen, ended, bench.judge):
                pruned = True
                break
        # What a step took with all that belongs to it is a better guess for the next trial than a step by itself.
        spent_s = time.perf_counter() - began - stored_s
        mover = self.mover.set(spec.settings)
        bench.step_seconds[self._key(mover, bench, spec.backbone, recipe.batch_size)] = spent_s / max(1, steps)
        held_out_rows = np.concatenate(seen)
        together = [np.concatenate(parts) for parts in zip(*logits, strict=False)]  # to the fold that stopped first
        judge = bench.judge(held_out_rows)
        best = best_of(together, judge)
        found = {"best_epoch": best, "curve": falling.curve, **({} if self._random else bench.asked_of_source(spec.backbone, network))}
        if len(solved) == len(seen) and ends == {best} and not judge.prefers(together[best], np.concatenate(solved)):
            return Validated(held_out_rows, np.concatenate(solved), {**found, "head": "solved"}, pruned)
        return Validated(held_out_rows, together[best], {**found, "head": "trained"}, pruned)

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """The same schedule on all rows, stopped at the epoch and with the kind of head that validation found best."""
        rows, folds = self._used(spec, bench, rows, folds)
        network, released = self._start(spec, bench, rows, folds, seed=seed)
        recipe = recipe_of(spec, stop_after=found["best_epoch"])
        if found["best_epoch"]:
            self._require(spec, bench, rows)
            moving, examples, augment = self._moving(network, spec, bench)
            train(
                moving,
                examples,
                rows,
                bench.aims(rows),
                recipe,
                objective=bench.task.objective(bench.targets[rows]),
                placement=bench.placement_of(spec.backbone, training=True),
                rng=generator(seed, "refit"),
                augment=augment,
                tricks=self.tricks,
            )
        self.mover.set(spec.settings).settle(released)
        if found["head"] == "solved":
            solve_head(network, spec.backbone, bench, rows)
        return network.eval()

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """A forward pass over the prepared rows."""
        placement = bench.placement_of(spec.backbone, training=True)
        return predict_logits(network, bench.prepared(spec.backbone), rows, placement)

    def _start(self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int) -> tuple[Network, Any]:
        """The network before its first step, and what the mover needs to settle it again."""
        seed_everything(child_seed(seed, "start") % 2**32)
        backbone = copy.deepcopy(bench.backbone(spec.backbone, random=self._random))
        network = bench.network_on(backbone, bench.task.units(bench.targets[rows]))
        mover = self.mover.set(spec.settings)
        released = mover.release(network.backbone, bench.sample(spec.backbone))
        network.follow()
        if not self._random and not network.reads_tokens:
            network.set_head(*starting_head(bench, bench.features(spec.backbone), rows, folds))
        return network, released

    def _used(self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds) -> tuple[np.ndarray, Folds]:
        """The rows and folds of a refit: all, or where time was short as many examples as the trial was given."""
        if "examples" not in spec.settings:
            return rows, folds
        return rows[part_of(bench.strata(rows), spec.settings["examples"], seed=bench.seed)], []

    def _views(
        self, mover: Mover, bench: Workbench, backbone: str, rows: np.ndarray, epochs: int, seconds: float | None
    ) -> tuple[int | None, float]:
        """How many augmented views of what goes into the moving stages to keep (None: keep nothing, run the frozen part each
        time), and the seconds that computing what is not there yet will take: at most a share of what there is, so that
        fewer views, or none, leave time to train.
        """
        first = mover.first(bench.backbones[backbone])
        if self._random or bench.resumed(backbone, first) is None:
            return None, 0.0
        changes = bench.augment is not None and not bench.prepared(backbone).are_tokens
        wanted = min(VIEWS, epochs) if changes else 0
        kept = bench.carried(backbone, first, wanted)
        bytes_each, seconds_each = kept.measure(rows)
        most = views_with_room(bytes_each, len(rows), wanted, room(kept.folder.parent) / 2)
        if most is None:
            return None, 0.0
        for views in sorted({most, min(most, FEWEST_VIEWS), 0}, reverse=True):
            kept = bench.carried(backbone, first, views)
            kept.pass_s, storing_s = seconds_each, seconds_each * kept.missing(rows)
            if seconds is None or storing_s <= STORING_SHARE * seconds:
                break
        return views, storing_s

    def _moving(self, network: Network, spec: Spec, bench: Workbench) -> tuple[Network, Examples, Augment | None]:
        """What is trained: the network itself, or its moving stages on stored activations. Both share the weights."""
        views = spec.settings.get("views")
        if views is None:
            return network, bench.prepared(spec.backbone), bench.augment
        first = self.mover.set(spec.settings).first(network.backbone)
        moving = Moving(network, first, bench.sample(spec.backbone))
        return moving, bench.carried(spec.backbone, first, views), None

    def _portion(
        self, mover: Mover, bench: Workbench, backbone: str, rows: np.ndarray, batch_size: int, views: int | None
    ) -> tuple[Portion, bool]:
        """How to go about a batch with the memory that is free, and whether that is enough for any way to."""
        need = self._need(mover, bench, backbone, rows, views)
        free = free_for(need(batch_size) / USABLE, bench.placement.device)
        way = portion(need, batch_size, free, least=LEARNS_FROM if self._random else 1)
        return way, need(way.micro_batch or batch_size, checkpoint=way.checkpoint) <= free

    def _require(self, spec: Spec, bench: Workbench, rows: np.ndarray) -> None:
        """Raise OutOfMemory where these settings take more memory than is free: better than to be ended by the system."""
        recipe = recipe_of(spec)
        need = self._need(self.mover.set(spec.settings), bench, spec.backbone, rows, spec.settings.get("views"))
        wanted = need(recipe.micro_batch or recipe.batch_size, checkpoint=recipe.checkpoint)
        require(wanted, bench.placement.device, what=f"{self.name} on {spec.backbone}")

    def _need(self, mover: Mover, bench: Workbench, backbone: str, rows: np.ndarray, views: int | None) -> Need:
        """What training takes, measured once."""
        key = (self.name, backbone, mover.first(bench.backbones[backbone]), views is None)
        if key not in bench.needs:
            placement = bench.placement_of(backbone, training=True)
            with random_state_kept(placement.device):
                moving, examples = self._untrained(mover, bench, backbone, views)
                bench.needs[key] = measure_need(moving, examples, rows, placement, hold=not self._random)
        return bench.needs[key]

    def _untrained(self, mover: Mover, bench: Workbench, backbone: str, views: int | None) -> tuple[Network, Examples]:
        """What would be trained, and what on, to take its measure."""
        network = bench.network_on(copy.deepcopy(bench.backbone(backbone, random=self._random)))
        mover.release(network.backbone, bench.sample(backbone))
        network.follow()
        settings = {"views": views, **{name: getattr(mover, name) for name in mover.space}}
        moving, examples, _ = self._moving(network, Spec(self.role, backbone, self.name, settings), bench)
        return moving, examples

    def _key(self, mover: Mover, bench: Workbench, backbone: str, batch_size: int) -> StepKey:
        return self.name, backbone, mover.first(bench.backbones[backbone]), batch_size

    def _seconds_per_step(
        self,
        mover: Mover,
        bench: Workbench,
        backbone: str,
        rows: np.ndarray,
        batch_size: int,
        views: int | None,
        way: Portion,
    ) -> float:
        key = self._key(mover, bench, backbone, batch_size)
        if key not in bench.step_seconds:
            moving, examples = self._untrained(mover, bench, backbone, views)
            bench.step_seconds[key] = seconds_per_step(
                moving,
                examples,
                rows,
                objective=bench.task.objective(bench.targets[rows]),
                targets=bench.aims(rows),
                placement=bench.placement_of(backbone, training=True),
                batch_size=batch_size,
                micro_batch=way.micro_batch,
                checkpoint=way.checkpoint,
            )
        return bench.step_seconds[key]


def recipe_of(spec: Spec, stop_after: int | None = None) -> Recipe:
    """The recipe that a spec's settings describe."""
    settings = {name: value for name, value in spec.settings.items() if name in Recipe.__slots__}
    return Recipe(**{**settings, "stop_after": stop_after})


def _without(folds: Folds, inner: np.ndarray, held_out: np.ndarray) -> Folds:
    """The other folds, as positions among `inner`: what a probe on the inner rows may be tuned on."""
    place = {int(position): number for number, position in enumerate(inner)}
    out = []
    for train_rows, valid_rows in folds:
        if np.array_equal(valid_rows, held_out):
            continue
        kept = [
            np.array([place[int(p)] for p in part if int(p) in place], dtype=np.int64)
            for part in (train_rows, valid_rows)
        ]
        if len(kept[0]) and len(kept[1]):
            out.append((kept[0], kept[1]))
    return out
