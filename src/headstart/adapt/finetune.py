"""The only training loop: steps over batches, an objective, hooks."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from headstart.adapt.checkpoint import checkpointed
from headstart.adapt.divergence import Divergence
from headstart.adapt.examples import UNSEEN, Augment, Examples
from headstart.adapt.hooks import Course, Group, Hooks, Trick, Tricks
from headstart.adapt.judge import Judge
from headstart.adapt.memory import parts_of
from headstart.adapt.network import Network, hold_statistics
from headstart.adapt.precision import spare_slow_layers, training_pass
from headstart.features.batches import by_cost, to_device
from headstart.models.backbone import Inputs
from headstart.runtime import Placement

Objective = Callable[[Tensor, Tensor], Tensor]
"""From what the network gives, logits (B, K) or features (B, D), and targets to a mean loss."""
Deal = Callable[[np.ndarray, int, np.random.Generator], Sequence[np.ndarray]]
"""From the targets and a number of batches to the positions in each batch of an epoch."""
GiveUp = Callable[[int, np.ndarray], bool]
"""From the number of an epoch, counted from 1, and its validation logits to whether training ends there."""


def shuffled(targets: np.ndarray, batches: int, rng: np.random.Generator) -> Sequence[np.ndarray]:
    """Batches as chance has them."""
    return np.array_split(rng.permutation(len(targets)), batches)


MEASURING_S = 1.0
"""Where two steps took this long, a third one is not worth its time."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train: the settings of a trial, all of them in the journal."""

    epochs: int
    learning_rate: float
    """Peak rate of the backbone's moving stages."""
    head_learning_rate: float
    weight_decay: float = 0.01
    batch_size: int = 32
    warmup: float = 0.1
    """Share of the steps over which the rate rises."""
    hold_batch_norm: bool = True
    """Keep the source's running statistics instead of estimating new ones."""
    rate_decay: float = 1.0
    """Layer-wise decay: stage s of S learns at the peak rate times this to the power of S − 1 − s."""
    micro_batch: int | None = None
    """Pass at most so many examples of a batch at once and add up their gradients; None passes all of them."""
    checkpoint: bool = False
    """Compute the stages once more in the backward pass instead of keeping what is inside them."""
    stop_after: int | None = None
    """Stop after this many epochs of the same schedule: a refit without validation."""

    def to_dict(self) -> dict[str, float | int | bool | None]:
        """JSON-ready settings."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training left behind: the best epoch (counted from 1; 0 is the start) and its validation logits."""

    best_epoch: int
    logits_NK: np.ndarray | None
    by_epoch: tuple[np.ndarray, ...] = ()
    """Validation logits at the start and after every epoch."""
    given_up: bool = False
    """Whether it ended because it was told to."""


def train(
    network: Network,
    examples: Examples,
    rows: np.ndarray,
    targets: np.ndarray,
    recipe: Recipe,
    *,
    objective: Objective,
    placement: Placement,
    rng: np.random.Generator,
    augment: Augment | None = None,
    validation: tuple[np.ndarray, Judge] | None = None,
    tricks: Sequence[Trick] = (),
    deal: Deal = shuffled,
    give_up: GiveUp | None = None,
) -> Trained:
    """Train `network` in place on `rows` of `examples` with their `targets` (aligned with `rows`), with `tricks` around its steps.

    With `validation` (rows and how to judge their logits) it judges each epoch and the start, stops when a third
    of the epochs in a row were worse than the best one or when `give_up` says so, and leaves the weights of `best_of` in place;
    without, it leaves the last ones.
    """
    network.to(placement.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    seen = rows if validation is None else np.concatenate([rows, validation[0]])
    with network.backbone.narrowed(examples.tokens(seen)):
        spare_slow_layers(network, placement)
        steps = math.ceil(len(rows) / recipe.batch_size)
        course = Course(network, targets, recipe.epochs, steps, rng.spawn(1)[0])
        first = [Hooks(before_step=lambda inputs, told: (augment(inputs, rng), told))] if augment is not None else []
        hooks = Tricks([*first, *(trick(course) for trick in tricks)])
        optimizer = optimizer_for(network, recipe, hooks)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, cosine(recipe.epochs * steps, recipe.warmup))
        best = _Best(network, recipe.epochs, validation[1]) if validation is not None else None
        if best is not None and validation is not None:
            best.offer(predict_logits(network, examples, validation[0], placement))
        step, divergence, given_up = 0, Divergence(), False
        for epoch in range(recipe.stop_after or recipe.epochs):
            examples.ready(rows, epoch)
            hooks.begin_epoch(epoch)
            network.train()
            hold_statistics(network, also_moving=recipe.hold_batch_norm)
            for batch in deal(targets, steps, rng):
                inputs = to_device(examples.batch(rows[batch], epoch), placement.torch_device)
                told = torch.from_numpy(targets[batch]).to(placement.torch_device, non_blocking=True)
                divergence.see(_step(network, inputs, told, objective, optimizer, placement, recipe, hooks))
                schedule.step()
                hooks.after_step(step)
                step += 1
            divergence.look()
            hooks.end_epoch(epoch)
            if best is not None and validation is not None:
                best.offer(predict_logits(network, examples, validation[0], placement))
                given_up = give_up is not None and give_up(epoch + 1, best.latest)
                if given_up or best.is_stale:
                    break
        network.eval()
        if best is None:
            return Trained(recipe.stop_after or recipe.epochs, None)
        return replace(best.restore(), given_up=given_up)


def _step(
    network: Network,
    inputs: Inputs,
    targets: Tensor,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    placement: Placement,
    recipe: Recipe,
    hooks: Tricks,
) -> Tensor:
    """One step; the batch's mean loss from before it. A part's mean loss counts by its share of the examples."""
    if targets.is_floating_point():
        targets = targets.float()  # not every device knows double precision
    inputs, targets = hooks.before_step(inputs, targets)
    optimizer.zero_grad(set_to_none=True)
    losses = []
    for part, places in parts_of(inputs, len(targets), recipe.micro_batch):
        with training_pass(placement), checkpointed(network.backbone) if recipe.checkpoint else nullcontext():
            logits_BK = network(part)
        loss = hooks.loss(objective(logits_BK, targets[places]), logits_BK, targets[places]) * (len(logits_BK) / len(targets))
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    moving = [parameter for parameter in network.parameters() if parameter.grad is not None]
    nn.utils.clip_grad_norm_(moving, max_norm=1.0)
    optimizer.step()
    return torch.stack(losses).sum()


NO_TRICKS = Tricks(())


def optimizer_for(network: Network, recipe: Recipe, hooks: Tricks = NO_TRICKS) -> torch.optim.Optimizer:
    """AdamW; no decay on biases, norms and other vectors; the head learns at its own rate, and stages below the last one slower."""
    stages = network.stage_parameters()
    by_rate: dict[float, list[nn.Parameter]] = {}
    for number, stage in enumerate(stages):
        rate = recipe.learning_rate * recipe.rate_decay ** (len(stages) - 1 - number)
        by_rate.setdefault(rate, []).extend(stage)
    groups: list[Group] = []
    for rate, parameters in [*by_rate.items(), (recipe.head_learning_rate, list(network.head.parameters()))]:
        moving = [parameter for parameter in parameters if parameter.requires_grad]
        matrices = [parameter for parameter in moving if parameter.ndim > 1]
        vectors = [parameter for parameter in moving if parameter.ndim <= 1]
        groups.append({"params": matrices, "lr": rate, "weight_decay": recipe.weight_decay})
        groups.append({"params": vectors, "lr": rate, "weight_decay": 0.0})
    groups = hooks.groups([group for group in groups if group["params"]])
    # One pass over each tensor instead of ten: for text models, most of whose weights are embeddings, half of the step.
    return torch.optim.AdamW(groups, fused=True)


def cosine(steps: int, warmup: float) -> Callable[[int], float]:
    """A factor that rises linearly over the share `warmup` of `steps`, then falls to zero along a cosine."""
    rising = max(1, round(steps * warmup))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))

    return factor


def predict_logits(network: Network, examples: Examples, rows: np.ndarray, placement: Placement) -> np.ndarray:
    """Logits (n × K, float32) of `rows`, in their order, or what else the head keeps of an example."""
    network.eval()
    return _outputs(network.rows, network.head.row_width, examples, rows, placement)


def predict_features(network: Network, examples: Examples, rows: np.ndarray, placement: Placement) -> np.ndarray:
    """The backbone's features (n × D, float32) of `rows`, in their order."""
    network.eval()
    return _outputs(network.backbone, network.backbone.width, examples, rows, placement)


def _outputs(
    passing: Callable[[Inputs], Tensor], width: int, examples: Examples, rows: np.ndarray, placement: Placement
) -> np.ndarray:
    outputs_NW = np.empty((len(rows), width), dtype=np.float32)
    examples.ready(rows)
    for batch in by_cost(examples.costs(rows)):
        inputs = to_device(examples.batch(rows[batch]), placement.torch_device)
        with torch.inference_mode(), placement.autocast():
            outputs_NW[batch] = passing(inputs).float().cpu().numpy()
    return outputs_NW


def seconds_per_step(
    network: Network,
    examples: Examples,
    rows: np.ndarray,
    *,
    objective: Objective,
    targets: np.ndarray,
    placement: Placement,
    batch_size: int,
    micro_batch: int | None = None,
    checkpoint: bool = False,
) -> float:
    """Measured seconds of one training step, on a copy: planning must not touch what is trained."""
    trial = copy.deepcopy(network).to(placement.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    spare_slow_layers(trial, placement)
    batch, times = np.arange(min(batch_size, len(rows))), []
    examples.ready(rows[batch], UNSEEN)
    with trial.backbone.narrowed(examples.tokens(rows)):
        recipe = Recipe(
            epochs=1, learning_rate=0.0, head_learning_rate=0.0, micro_batch=micro_batch, checkpoint=checkpoint
        )
        optimizer = optimizer_for(trial, recipe)
        trial.train()
        hold_statistics(trial, also_moving=True)
        for _ in range(3):
            began = time.perf_counter()
            inputs = to_device(examples.batch(rows[batch], UNSEEN), placement.torch_device)
            told = torch.from_numpy(targets[batch]).to(placement.torch_device)
            _step(trial, inputs, told, objective, optimizer, placement, recipe, NO_TRICKS)
            times.append(time.perf_counter() - began)
            if len(times) > 1 and sum(times) > MEASURING_S:
                break
    return sum(times[1:]) / len(times[1:]) * batch_size / len(batch)


def best_of(logits: Sequence[np.ndarray], judge: Judge) -> int:
    """The number of the logits to keep, of training's start and each epoch: the last, unless an earlier one is better.

    The schedule ends with small steps, so the last is the best guess; the largest of dozens of values on a few dozen
    examples is luck. Only a difference beyond chance moves the choice, and then it goes to the best value.
    """
    last = len(logits) - 1
    best = judge.best(logits)
    return best if judge.prefers(logits[best], logits[last], tried=len(logits)) else last


class _Best:
    """The epochs so far and a copy of the weights of the best one."""

    def __init__(self, network: Network, epochs: int, judge: Judge) -> None:
        self._network, self._judge = network, judge
        self._patience = max(3, math.ceil(epochs / 3))
        self._best, self._worse_in_a_row = 0, 0
        self._state: Mapping[str, Tensor] = {}
        self._values: list[tuple[float, float]] = []
        self._logits: list[np.ndarray] = []

    def offer(self, logits_NK: np.ndarray) -> None:
        """Take note of the next epoch; the first is the start."""
        self._logits.append(logits_NK)
        self._values.append(self._judge.value(logits_NK))
        latest = len(self._logits) - 1
        if self._values[latest] >= self._values[self._best]:
            self._best, self._worse_in_a_row = latest, 0
            self._state = {name: tensor.clone() for name, tensor in self._network.state_dict().items()}
        else:
            worse = self._judge.prefers(self._logits[self._best], logits_NK)
            self._worse_in_a_row = self._worse_in_a_row + 1 if worse else 0

    @property
    def latest(self) -> np.ndarray:
        """The logits of the last epoch."""
        return self._logits[-1]

    @property
    def is_stale(self) -> bool:
        return self._worse_in_a_row >= self._patience

    def restore(self) -> Trained:
        chosen = best_of(self._logits, self._judge)
        if chosen != len(self._logits) - 1:
            self._network.load_state_dict(self._state)
        return Trained(chosen, self._logits[chosen], tuple(self._logits))
