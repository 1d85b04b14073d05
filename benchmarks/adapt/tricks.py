"""Tricks of the training loop that are not in the package, each as hooks: what `ablation.py` tries on and off.

A function here takes the strength of a trick and gives a `Trick` (see `headstart.adapt.hooks`), to be handed to a strategy:
`replace(STRATEGIES["partial"], tricks=(smooth_labels(0.1),))`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import functional as pixels

from headstart.adapt.hooks import Course, Hooks, Trick
from headstart.models.backbone import Inputs
from headstart.models.resume import CARRIED


def head_from_zero() -> Trick:
    """Fine-tuning without the solved head that everything here starts from (against LP-FT, Kumar et al. 2022)."""

    def begin(course: Course) -> Hooks:
        nn.init.zeros_(course.network.head.weight)
        nn.init.zeros_(course.network.head.bias)
        return Hooks()

    return begin


def fresh_top(stages: int = 1) -> Trick:
    """The top layers start anew, and the head with them (Zhang et al. 2021, section 5: BERT on few samples)."""

    def begin(course: Course) -> Hooks:
        backbone = getattr(course.network.backbone, "backbone", course.network.backbone)
        for stage in backbone.stages[-stages:]:
            for top in backbone.stage_modules(stage):
                for module in top.modules():
                    _start_anew(module, course.rng)
        nn.init.zeros_(course.network.head.weight)
        nn.init.zeros_(course.network.head.bias)
        return Hooks()

    return begin


def _start_anew(module: nn.Module, rng: np.random.Generator) -> None:
    with torch.no_grad():
        if isinstance(module, nn.Linear):
            drawn = 0.02 * rng.standard_normal(tuple(module.weight.shape), dtype=np.float32)
            module.weight.copy_(torch.from_numpy(drawn))
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.LayerNorm):
            module.reset_parameters()


def l2_sp(strength: float = 0.01) -> Trick:
    """A pull to the start in place of weight decay: half the squared distance of the backbone, times `strength` (Li et al. 2018)."""

    def begin(course: Course) -> Hooks:
        moving = [one for one in course.network.backbone.parameters() if one.requires_grad]
        start = [one.detach().clone() for one in moving]
        own = {id(one) for one in moving}

        def groups(given):
            return [{**one, "weight_decay": 0.0} if id(one["params"][0]) in own else one for one in given]

        def loss(before: Tensor, logits_BK: Tensor, targets: Tensor) -> Tensor:
            apart = sum((one - other).square().sum() for one, other in zip(moving, start, strict=True))
            return before + strength / 2 * apart

        return Hooks(groups=groups, loss=loss)

    return begin


def averaged(share: float = 0.1) -> Trick:
    """An exponential average of the weights is judged and kept; it looks back over `share` of all steps (Polyak & Juditsky 1992)."""

    def begin(course: Course) -> Hooks:
        moving = [one for one in course.network.parameters() if one.requires_grad]
        average = [one.detach().clone() for one in moving]
        own: list[Tensor] = []
        keep = 1 - 1 / max(1.0, share * course.epochs * course.steps)

        def after_step(step: int) -> None:
            now = min(keep, (1 + step) / (10 + step))
            with torch.no_grad():
                for mean, one in zip(average, moving, strict=True):
                    mean.lerp_(one.detach(), 1 - now)

        def end_epoch(epoch: int) -> None:
            own[:] = [one.detach().clone() for one in moving]
            _put(moving, average)

        def begin_epoch(epoch: int) -> None:
            if own:
                _put(moving, own)

        return Hooks(begin_epoch=begin_epoch, after_step=after_step, end_epoch=end_epoch)

    return begin


def _put(parameters: list[nn.Parameter], values: list[Tensor]) -> None:
    with torch.no_grad():
        for one, value in zip(parameters, values, strict=True):
            one.copy_(value)


def smooth_labels(share: float = 0.1) -> Trick:
    """A share of every target goes to all classes alike (Szegedy et al. 2016, section 7)."""

    def begin(course: Course) -> Hooks:
        def before_step(inputs: Inputs, targets: Tensor) -> tuple[Inputs, Tensor]:
            soft_BK = _soft(targets, course.network.head.out_features)
            return inputs, (1 - share) * soft_BK + share / soft_BK.shape[1]

        return Hooks(before_step=before_step)

    return begin


def class_balanced(beta: float = 0.99) -> Trick:
    """Each example weighs what its class's effective number of examples says, on average one (Cui et al. 2019, equation 6)."""

    def begin(course: Course) -> Hooks:
        count_K = np.bincount(course.targets, minlength=course.network.head.out_features)
        weight_K = (1 - beta) / (1 - beta ** np.maximum(count_K, 1))
        weight_K /= weight_K[course.targets].mean()
        weights_K = torch.from_numpy(weight_K.astype(np.float32))

        def loss(before: Tensor, logits_BK: Tensor, targets: Tensor) -> Tensor:
            each_B = functional.cross_entropy(logits_BK.float(), targets, reduction="none")
            return (each_B * weights_K.to(targets.device)[targets]).mean()

        return Hooks(loss=loss)

    return begin


def mixup(alpha: float = 0.2) -> Trick:
    """Pairs of examples and their targets blended (Zhang et al. 2018); on stored activations it is manifold mixup (Verma et al. 2019)."""

    def begin(course: Course) -> Hooks:
        def before_step(inputs: Inputs, targets: Tensor) -> tuple[Inputs, Tensor]:
            own, soft_BK = float(course.rng.beta(alpha, alpha)), _soft(targets, course.network.head.out_features)
            other = torch.from_numpy(course.rng.permutation(len(targets))).to(targets.device)
            states = inputs[CARRIED] if isinstance(inputs, dict) else inputs
            mixed = own * states.float() + (1 - own) * states[other].float()
            mixed = mixed.round().to(torch.uint8) if states.dtype == torch.uint8 else mixed.to(states.dtype)
            changed = {**inputs, CARRIED: mixed} if isinstance(inputs, dict) else mixed
            return changed, own * soft_BK + (1 - own) * soft_BK[other]

        return Hooks(before_step=before_step)

    return begin


def cutmix(alpha: float = 1.0) -> Trick:
    """A rectangle of each picture, or of its stored activations, comes from another, and so do its targets (Yun et al. 2019)."""

    def begin(course: Course) -> Hooks:
        def before_step(inputs: Inputs, targets: Tensor) -> tuple[Inputs, Tensor]:
            rng, soft_BK = course.rng, _soft(targets, course.network.head.out_features)
            states = (inputs[CARRIED] if isinstance(inputs, dict) else inputs).clone()
            other = torch.from_numpy(rng.permutation(len(targets))).to(targets.device)
            height, width = states.shape[2:]
            side = math.sqrt(1 - rng.beta(alpha, alpha))
            top, left = int(rng.integers(height)), int(rng.integers(width))
            rows = slice(max(0, top - round(side * height / 2)), min(height, top + round(side * height / 2)))
            columns = slice(max(0, left - round(side * width / 2)), min(width, left + round(side * width / 2)))
            states[:, :, rows, columns] = states[other][:, :, rows, columns]
            share = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
            changed = {**inputs, CARRIED: states} if isinstance(inputs, dict) else states
            return changed, (1 - share) * soft_BK + share * soft_BK[other]

        return Hooks(before_step=before_step)

    return begin


def rand_augment(count: int = 2, strength: float = 0.3) -> Trick:
    """`count` changes of each uint8 picture, drawn from twelve, at one `strength` of at most 1 (Cubuk et al. 2020)."""

    def begin(course: Course) -> Hooks:
        def before_step(inputs: Inputs, targets: Tensor) -> tuple[Inputs, Tensor]:
            assert isinstance(inputs, Tensor)
            assert inputs.dtype == torch.uint8
            pictures = inputs.clone()
            for _ in range(count):
                drawn = course.rng.integers(len(CHANGES), size=len(pictures))
                for number in np.unique(drawn):
                    chosen = torch.from_numpy(np.flatnonzero(drawn == number)).to(pictures.device)
                    sign = float(course.rng.choice((-1, 1)))
                    pictures[chosen] = CHANGES[number](pictures[chosen], sign, strength)
            return pictures, targets

        return Hooks(before_step=before_step)

    return begin


def _moved(
    x: Tensor, *, angle: float = 0.0, across: float = 0.0, down: float = 0.0, shear: tuple[float, float] = (0.0, 0.0)
):
    shift = [round(across * x.shape[-1]), round(down * x.shape[-2])]
    return pixels.affine(x, angle=angle, translate=shift, scale=1.0, shear=list(shear), fill=[128.0])


CHANGES = (
    lambda x, sign, m: x,
    lambda x, sign, m: _moved(x, angle=30 * sign * m),
    lambda x, sign, m: _moved(x, across=0.45 * sign * m),
    lambda x, sign, m: _moved(x, down=0.45 * sign * m),
    lambda x, sign, m: _moved(x, shear=(17 * sign * m, 0.0)),
    lambda x, sign, m: _moved(x, shear=(0.0, 17 * sign * m)),
    lambda x, sign, m: pixels.adjust_brightness(x, 1 + 0.9 * sign * m),
    lambda x, sign, m: pixels.adjust_contrast(x, 1 + 0.9 * sign * m),
    lambda x, sign, m: pixels.adjust_saturation(x, 1 + 0.9 * sign * m),
    lambda x, sign, m: pixels.adjust_sharpness(x, 1 + 0.9 * sign * m),
    lambda x, sign, m: pixels.posterize(x, 8 - round(4 * m)),
    lambda x, sign, m: pixels.autocontrast(x),
)
"""From pictures (n, 3, H, W), a sign and a strength to pictures."""


def _soft(targets: Tensor, classes: int) -> Tensor:
    """Targets (B, K) as shares of classes."""
    return functional.one_hot(targets, classes).float() if targets.ndim == 1 else targets.float()
