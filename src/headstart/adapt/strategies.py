"""How deep to adapt, as a table: each strategy proposes settings, validates them, and refits the chosen ones."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from headstart.adapt.carried import VIEWS, room, views_with_room
from headstart.adapt.examples import Augment, Examples
from headstart.adapt.finetune import Recipe, best_of, predict_logits, seconds_per_step, train
from headstart.adapt.heads import SOLVED_UP_TO, solve_head, starting_head
from headstart.adapt.network import Moving, Network, freeze_below
from headstart.adapt.probe import solve_probe
from headstart.adapt.trial import Role, Spec, Validated
from headstart.adapt.workbench import Folds, Workbench
from headstart.models.backbone import Backbone
from headstart.runtime import child_seed, generator, seed_everything


class Strategy(Protocol):
    """A way to adapt a backbone; stateless, and the same spec always gives the same weights on CPU."""

    @property
    def name(self) -> str:
        """What users call it."""
        ...

    @property
    def role(self) -> Role:
        """What it is tried for: transfer, or one of the controls."""
        ...

    @property
    def depth(self) -> int:
        """Order of simplicity: how much of the backbone moves."""
        ...

    @property
    def summary(self) -> str:
        """What it does, in half a sentence."""
        ...

    @property
    def choices(self) -> int:
        """How many settings there are to propose."""
        ...

    def propose(
        self, number: int, bench: Workbench, backbone: str, rows: np.ndarray, *, seconds: float | None
    ) -> Mapping[str, Any] | None:
        """Settings number `number`; None where `seconds` for it and its refit are too few to be worth it."""
        ...

    def validate(self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int) -> Validated:
        """Train on parts of `rows` and predict the others."""
        ...

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """Train on all `rows` with what validation found."""
        ...

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """Logits (n × K) of any rows of the workbench."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """Frozen features and an exact linear solver; on random weights it is a control."""

    name: str = "probe"
    role: Role = "transfer"
    depth: int = 0
    summary: str = "backbone frozen, a linear head solved exactly"
    choices: int = 1

    def propose(
        self, number: int, bench: Workbench, backbone: str, rows: np.ndarray, *, seconds: float | None
    ) -> Mapping[str, Any] | None:
        """A probe has nothing to choose: its regularisation path is part of solving it."""
        return {}

    def validate(self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int) -> Validated:
        """Out-of-fold logits for the validated rows at the best regularisation."""
        fit = solve_probe(bench, self._features(spec, bench), rows, folds)
        seen = np.unique(np.concatenate([held_out for _, held_out in folds]))
        return Validated(rows[seen], fit.held_out_logits_NK[seen].astype(np.float32), {"C": fit.C})

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """The head at the chosen regularisation, on all rows."""
        fit = solve_probe(bench, self._features(spec, bench), rows, folds)
        network = Network(bench.backbone(spec.backbone, random=self._random), len(bench.classes))
        network.set_head(fit.weight_KD, fit.bias_K)
        return network.eval()

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """Stored features times the head."""
        weight_KD, bias_K = network.head_arrays()
        logits_NK: np.ndarray = self._features(spec, bench).take(rows) @ weight_KD.T + bias_K
        return logits_NK

    @property
    def _random(self) -> bool:
        return self.role == "random-frozen"

    def _features(self, spec: Spec, bench: Workbench) -> Any:
        return bench.features(spec.backbone, random=self._random)


@dataclass(frozen=True, slots=True)
class FineTune:
    """Weights move: the head is solved first, then the last stages train with it (LP-FT, Kumar et al. 2022).

    `share` of the stages moves. From random weights (the control `scratch`) the head starts at zero and batch norm
    learns its statistics.
    """

    name: str
    role: Role
    depth: int
    summary: str
    share: float
    rates: tuple[float, ...]
    """Peak learning rates to try, the most promising first."""
    steps: int
    """Training steps when time allows."""

    @property
    def choices(self) -> int:
        """One proposal per learning rate."""
        return len(self.rates)

    @property
    def _random(self) -> bool:
        return self.role == "scratch"

    def propose(
        self, number: int, bench: Workbench, backbone: str, rows: np.ndarray, *, seconds: float | None
    ) -> Mapping[str, Any] | None:
        """Learning rate number `number`, with as many epochs and validation folds as fit into `seconds` with a refit."""
        batch_size = 32 if len(rows) >= 64 else 16
        steps = math.ceil(len(rows) / batch_size)
        epochs, folds = min(40, max(4, round(self.steps / steps))), (FEW_FOLDS if len(rows) < FEW else 1)
        views, storing_s = self._views(bench, backbone, rows, epochs)
        if seconds is not None:
            step_s = self._seconds_per_step(bench, backbone, rows, batch_size, views)
            affordable = (seconds - storing_s) / (steps * step_s)
            # Few epochs on several folds say more than many epochs on one, whose best one is then found by luck.
            while not number and folds > 1 and affordable < (folds + REFIT) * ENOUGH_EPOCHS:
                folds -= 1
            epochs = min(epochs, int(affordable / (folds + REFIT)))
            # Another learning rate over a shorter schedule would tell nothing about the rate, and validated on fewer
            # folds it would leave fewer examples on which all trials can be compared.
            if epochs < (ENOUGH_EPOCHS if number else MIN_EPOCHS):
                return None
        rate = self.rates[number]
        recipe = Recipe(
            epochs=epochs,
            learning_rate=rate,
            head_learning_rate=rate if self._random else 10 * rate,
            weight_decay=0.05 if self._random else 0.01,
            batch_size=batch_size,
            hold_batch_norm=not self._random,
        )
        return {**recipe.to_dict(), "folds": folds, "views": views}

    def validate(self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int) -> Validated:
        """Train on the first folds; the logits of what they held out, at the epoch of `best_of` for all of them.

        One epoch for all, because a refit has to stop somewhere, and each fold's own best would flatter. With few
        examples the head is solved again at the end, unless the trained one is clearly better.
        """
        recipe = recipe_of(spec)
        seen, logits, ends, solved, steps, began = [], [], set(), [], 0, time.perf_counter()
        for number, (inner, held_out) in enumerate(folds[: spec.settings["folds"]]):
            network = self._start(spec, bench, rows[inner], _without(folds, inner, held_out), seed=seed)
            moving, examples, augment = self._moving(network, spec, bench)
            trained = train(
                moving,
                examples,
                rows[inner],
                bench.targets[rows[inner]],
                recipe,
                objective=bench.task.loss,
                placement=bench.placement,
                rng=generator(seed, "train", number),
                augment=augment,
                validation=(rows[held_out], bench.judge(rows[held_out])),
            )
            seen.append(rows[held_out])
            logits.append(trained.by_epoch)
            ends.add(trained.best_epoch)
            steps += (len(trained.by_epoch) - 1) * math.ceil(len(inner) / recipe.batch_size)
            if len(inner) <= SOLVED_UP_TO:
                solve_head(network, spec.backbone, bench, rows[inner])
                solved.append(self.logits(network, spec, bench, rows[held_out]))
        # What a step took with all that belongs to it is a better guess for the next trial than a step by itself.
        bench.step_seconds[self._key(spec.backbone, recipe.batch_size)] = (time.perf_counter() - began) / max(1, steps)
        held_out_rows = np.concatenate(seen)
        together = [np.concatenate(parts) for parts in zip(*logits, strict=False)]  # to the fold that stopped first
        judge = bench.judge(held_out_rows)
        best = best_of(together, judge)
        if len(solved) == len(seen) and ends == {best} and not judge.prefers(together[best], np.concatenate(solved)):
            return Validated(held_out_rows, np.concatenate(solved), {"best_epoch": best, "head": "solved"})
        return Validated(held_out_rows, together[best], {"best_epoch": best, "head": "trained"})

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """The same schedule on all rows, stopped at the epoch and with the kind of head that validation found best."""
        network = self._start(spec, bench, rows, folds, seed=seed)
        recipe = recipe_of(spec, stop_after=found["best_epoch"])
        if found["best_epoch"]:
            moving, examples, augment = self._moving(network, spec, bench)
            train(
                moving,
                examples,
                rows,
                bench.targets[rows],
                recipe,
                objective=bench.task.loss,
                placement=bench.placement,
                rng=generator(seed, "refit"),
                augment=augment,
            )
        if found["head"] == "solved":
            solve_head(network, spec.backbone, bench, rows)
        return network.eval()

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """A forward pass over the prepared rows."""
        return predict_logits(network, bench.prepared(spec.backbone), rows, bench.placement)

    def _start(self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int) -> Network:
        seed_everything(child_seed(seed, "start") % 2**32)
        network = Network(copy.deepcopy(bench.backbone(spec.backbone, random=self._random)), len(bench.classes))
        freeze_below(network.backbone, self._first(network.backbone))
        if not self._random:
            network.set_head(*starting_head(bench, bench.features(spec.backbone), rows, folds))
        return network

    def _first(self, backbone: Backbone) -> int:
        """The number of the first stage that moves."""
        return round(len(backbone.stages) * (1 - self.share))

    def _views(self, bench: Workbench, backbone: str, rows: np.ndarray, epochs: int) -> tuple[int | None, float]:
        """How many augmented views of what goes into the moving stages to keep (None: keep nothing, run the frozen part each
        time), and the seconds that computing what is not there yet will take.
        """
        first = self._first(bench.backbones[backbone])
        if self._random or bench.resumed(backbone, first) is None:
            return None, 0.0
        changes = bench.augment is not None and not bench.prepared(backbone).are_tokens
        wanted = min(VIEWS, epochs) if changes else 0
        kept = bench.carried(backbone, first, wanted)
        bytes_each, seconds_each = kept.measure(rows)
        views = views_with_room(bytes_each, len(rows), wanted, room(kept.folder.parent))
        if views is None:
            return None, 0.0
        return views, seconds_each * bench.carried(backbone, first, views).missing(rows)

    def _moving(self, network: Network, spec: Spec, bench: Workbench) -> tuple[Network, Examples, Augment | None]:
        """What is trained: the network itself, or its moving stages on stored activations. Both share the weights."""
        views = spec.settings.get("views")
        if views is None:
            return network, bench.prepared(spec.backbone), bench.augment
        first = self._first(network.backbone)
        moving = Moving(network, first, bench.sample(spec.backbone))
        return moving, bench.carried(spec.backbone, first, views), None

    def _key(self, backbone: str, batch_size: int) -> tuple[str, str, int]:
        return self.name, backbone, batch_size

    def _seconds_per_step(
        self, bench: Workbench, backbone: str, rows: np.ndarray, batch_size: int, views: int | None
    ) -> float:
        key = self._key(backbone, batch_size)
        if key not in bench.step_seconds:
            network = Network(copy.deepcopy(bench.backbone(backbone, random=self._random)), len(bench.classes))
            freeze_below(network.backbone, self._first(network.backbone))
            spec = Spec(self.role, backbone, self.name, {"views": views})
            moving, examples, _ = self._moving(network, spec, bench)
            bench.step_seconds[key] = seconds_per_step(
                moving,
                examples,
                rows,
                objective=bench.task.loss,
                targets=bench.targets[rows],
                placement=bench.placement,
                batch_size=batch_size,
            )
        return bench.step_seconds[key]


FEW, FEW_FOLDS, ENOUGH_EPOCHS = 300, 3, 10
"""Below FEW examples a trial validates on several folds, where that leaves ENOUGH_EPOCHS."""
REFIT = 1.25
"""What a refit takes, in trainings on one fold: it sees all examples."""
MIN_EPOCHS = 3
"""Below this a fine-tuning trial says nothing about its settings."""


def recipe_of(spec: Spec, stop_after: int | None = None) -> Recipe:
    """The recipe that a spec's settings describe."""
    settings = {name: value for name, value in spec.settings.items() if name not in ("folds", "stop_after", "views")}
    return Recipe(**settings, stop_after=stop_after)


STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Probe(),
        FineTune(
            "partial", "transfer", 1, "head solved first, then the last third of the stages trained with it",
            share=1 / 3, rates=(1e-4, 3e-4, 3e-5, 1e-3), steps=300,
        ),
        FineTune(
            "full", "transfer", 2, "head solved first, then every stage trained with it",
            share=1.0, rates=(1e-4, 3e-5, 3e-4, 1e-5), steps=300,
        ),
    )
}  # fmt: skip
"""Ways to transfer, by name."""

CONTROLS: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Probe("random-frozen", "random-frozen", 0, "a probe on the same network with random weights"),
        FineTune(
            "scratch", "scratch", 3, "the same network from random weights, tuned within the same budget",
            share=1.0, rates=(1e-3, 3e-3, 3e-4, 1e-4), steps=600,
        ),
    )
}  # fmt: skip
"""What transfer is judged against, by name."""


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
