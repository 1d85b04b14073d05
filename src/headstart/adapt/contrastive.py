"""Contrastive fine-tuning: examples of a class are drawn together and classes apart, then a probe on what the features became."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.adapt.finetune import Recipe, predict_logits, seconds_per_step, train
from headstart.adapt.head_kinds import Reads
from headstart.adapt.heads import solve_head
from headstart.adapt.hooks import Hooks
from headstart.adapt.movers import Stages
from headstart.adapt.network import Network
from headstart.adapt.space import Between, Settings, Space
from headstart.adapt.strategy import LITTLE, Effort, Expected, Proposal, Schedule
from headstart.adapt.trial import Role, Spec, Validated
from headstart.adapt.watch import Watch
from headstart.adapt.workbench import Folds, Workbench
from headstart.errors import ModelError
from headstart.models.backbone import Backbone, Inputs
from headstart.runtime import child_seed, generator, seed_everything

BATCH = 32
"""Examples in a batch, all pairs of which are compared."""
MOST = 1000
"""With more examples than this there is little left to gain: at 616 (banking77, 8 of each of 77 classes) it is level with a probe."""
FOLDS = 3
"""Folds to validate on where time allows."""
EVERYTHING = Stages(1.0)
UNWATCHED = Watch()


def pair_regression(features_BD: Tensor, targets_B: Tensor) -> Tensor:
    """How far the cosines of all pairs in a batch are from 1 within a class and from 0 between classes: mean squares, the two
    kinds of pairs weighing the same; a scalar.

    SetFit (Tunstall et al. 2022, section 3.1) regresses the cosines of sampled pairs, which passes each text once for every
    pair that it is in. Here each is passed once, and B examples give B(B − 1)/2 pairs.
    """
    unit_BD = functional.normalize(features_BD.float(), dim=1)
    same_BB = targets_B[:, None] == targets_B[None]
    squares_BB = (unit_BD @ unit_BD.T - same_BB.float()).square()
    above_BB = torch.ones_like(same_BB).triu(1)
    kinds = [squares_BB[above_BB & same_BB], squares_BB[above_BB & ~same_BB]]
    return torch.stack([squares.mean() for squares in kinds if len(squares)]).mean()


def balanced(targets_N: np.ndarray, batches: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Positions dealt into so many batches of like size, each class over all of them, but no example without one of its own
    class beside it where the class has two.
    """
    dealt: list[list[np.ndarray]] = [[] for _ in range(batches)]
    for label in rng.permutation(np.unique(targets_N)):
        members = rng.permutation(np.flatnonzero(targets_N == label))
        pieces = np.array_split(members, max(1, min(batches, len(members) // 2)))
        emptiest = sorted(rng.permutation(batches), key=lambda number: sum(map(len, dealt[number])))
        for piece, number in zip(pieces, emptiest, strict=False):
            dealt[number].append(piece)
    return [np.concatenate(pieces) for pieces in dealt if pieces]


class Features(Network):
    """A backbone whose features are what the objective sees, without dropout; a batch of texts is passed in two halves of like length.

    All examples of a batch have to meet in one loss, but not in one pass: padding to the longest of them would be half of it.
    Dropout was no gain in so few steps.
    """

    def __init__(self, backbone: Backbone) -> None:
        """Shares its weights with `backbone`."""
        nn.Module.__init__(self)
        self.backbone = backbone
        self.head = nn.Identity()

    def train(self, mode: bool = True) -> Features:
        """Nothing is random in a pass, and batch norm keeps the source's statistics."""
        super().train(False)
        return self

    def forward(self, inputs: Inputs) -> Tensor:
        """Features (B, D)."""
        if not isinstance(inputs, dict):
            features_BD: Tensor = self.backbone(inputs)
            return features_BD
        lengths_B = inputs["attention_mask"].sum(1)
        order_B = lengths_B.argsort(stable=True)
        halves = [part for part in order_B.tensor_split(2) if len(part)]
        shorter = [{name: x[half, : lengths_B[half].max()] for name, x in inputs.items()} for half in halves]
        return torch.cat([self.backbone(half) for half in shorter])[order_B.argsort()]


@dataclass(frozen=True, slots=True)
class Contrastive:
    """Every stage moves so that examples of a class come to lie together; then the head is solved on all of them.

    For few examples with one label each: it learns from pairs, and there are many more pairs than examples.
    """

    name: str = "contrastive"
    role: Role = "transfer"
    depth: int = 4
    summary: str = "every stage trained to bring a class's examples together, then a head solved exactly; few examples"
    mover: Stages = EVERYTHING
    rates: tuple[float, ...] = (2e-4, 5e-5)
    """Peak learning rates to try: where there are many classes, and probes do well, less movement is better."""
    steps: int = 16
    """Training steps, to whole epochs."""
    by_default: bool = False

    expected: Expected = LITTLE

    @property
    def space(self) -> Space:
        """The rate."""
        return {"learning_rate": Between(min(self.rates) / 3, 3 * max(self.rates))}

    @property
    def portfolio(self) -> tuple[Settings, ...]:
        """One after the other of the rates."""
        return tuple({"learning_rate": rate} for rate in self.rates)

    @property
    def serves(self) -> tuple[Reads, ...]:
        """It compares whole examples."""
        return ("features",)

    def first(self, backbone: Backbone) -> int:
        """Where the mover begins."""
        return self.mover.first(backbone)

    def schedule(self, examples: int) -> Schedule | None:
        """So many steps in epochs, validated on three folds; None for more examples than it is for."""
        if examples > MOST:
            return None
        return Schedule(epochs_of(self.steps, examples), BATCH, FOLDS)

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
        """The chosen rate, validated on as many folds as fit into `seconds` beside a refit; in the least, in fewer steps."""
        plan = self.schedule(len(rows))
        if plan is None or refusal(bench, rows):
            return None
        epoch_s = math.ceil(len(rows) / BATCH) * self._seconds_per_step(bench, backbone, rows)
        training_s = plan.epochs * epoch_s
        folds, steps = plan.folds, self.steps
        if seconds is not None:
            folds = min(folds, int(seconds / training_s) - 1)  # the refit takes as many steps as a fold
            if folds < 1 and effort is Effort.LEAST and 2 * epoch_s <= seconds:
                epochs = int(seconds / (2 * epoch_s))
                folds, steps, training_s = 1, epochs * math.ceil(len(rows) / BATCH), epochs * epoch_s
            if folds < (plan.folds if effort is Effort.FURTHER else 1):
                return None
        settings = {"learning_rate": chosen["learning_rate"], "steps": steps, "folds": folds}
        return Proposal(settings, (1 + folds) * training_s)

    def validate(
        self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int, watch: Watch
    ) -> Validated:
        """Train on the first folds; the logits of what they held out."""
        if reason := refusal(bench, rows):
            raise ModelError(reason)
        chosen = folds[: spec.settings["folds"]]
        seen: list[np.ndarray] = []
        logits: list[np.ndarray] = []
        pruned = False
        for number, (inner, held_out) in enumerate(chosen):
            network = self._trained(spec, bench, rows[inner], seed=child_seed(seed, number), watch=watch)
            seen.append(rows[held_out])
            logits.append(self.logits(network, spec, bench, rows[held_out]))
            pruned = number + 1 < len(chosen) and watch.is_hopeless(seen, logits, bench.judge)
            if pruned:
                break
        return Validated(np.concatenate(seen), np.concatenate(logits), {}, pruned)

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """The same on all rows."""
        return self._trained(spec, bench, rows, seed=child_seed(seed, "refit"), watch=UNWATCHED)

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """A forward pass over the prepared rows."""
        return predict_logits(network, bench.prepared(spec.backbone), rows, bench.placement_of(spec.backbone, training=True))

    def _trained(self, spec: Spec, bench: Workbench, rows: np.ndarray, *, seed: int, watch: Watch) -> Network:
        if reason := refusal(bench, rows):
            raise ModelError(reason)
        seed_everything(child_seed(seed, "start") % 2**32)
        network = Network(copy.deepcopy(bench.backbone(spec.backbone)), bench.outputs)
        self.mover.release(network.backbone, bench.sample(spec.backbone))
        train(
            Features(network.backbone),
            bench.prepared(spec.backbone),
            rows,
            bench.targets[rows],
            recipe_of(spec, len(rows)),
            objective=pair_regression,
            placement=bench.placement_of(spec.backbone, training=True),
            rng=generator(seed, "train"),
            augment=bench.augment,
            tricks=[lambda course: Hooks(after_step=watch.step)],
            deal=balanced,
        )
        solve_head(network, spec.backbone, bench, rows)
        return network.eval()

    def _seconds_per_step(self, bench: Workbench, backbone: str, rows: np.ndarray) -> float:
        key = (self.name, backbone, 0, BATCH)
        if key not in bench.step_seconds:
            copied = copy.deepcopy(bench.backbone(backbone))
            self.mover.release(copied, bench.sample(backbone))
            bench.step_seconds[key] = seconds_per_step(
                Features(copied),
                bench.prepared(backbone),
                rows,
                objective=pair_regression,
                targets=bench.targets[rows],
                placement=bench.placement_of(backbone, training=True),
                batch_size=BATCH,
            )
        return bench.step_seconds[key]


def refusal(bench: Workbench, rows: np.ndarray) -> str | None:
    """Why contrastive fine-tuning is not for these examples, in a sentence; None where it is."""
    if bench.task.kind != "single":
        return "contrastive brings a class's examples together: it needs one label per example. Use --strategy full."
    if len(rows) > MOST:
        return f"contrastive is for few examples, at most {MOST:,}; these are {len(rows):,}. Use --strategy full."
    return None


def recipe_of(spec: Spec, examples: int) -> Recipe:
    """The recipe that a spec's settings describe, for so many examples."""
    rate = spec.settings["learning_rate"]
    return Recipe(epochs_of(spec.settings["steps"], examples), rate, head_learning_rate=rate, batch_size=BATCH)


def epochs_of(steps: int, examples: int) -> int:
    """The number of epochs that takes about so many steps."""
    return max(1, round(steps / math.ceil(examples / BATCH)))
