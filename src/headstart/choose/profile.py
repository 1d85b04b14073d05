"""One more pass of a few of the target's examples: what each stage takes and holds, and how strange they are to batch norm."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from headstart.choose.similarity import gaussian_kl
from headstart.features.batches import to_device
from headstart.features.extract import for_inference
from headstart.models.backbone import Backbone
from headstart.runtime import Placement
from headstart.solvers import Array

PASSED = 8
"""How many examples pass through the network again: ranking may cost a tenth of the pass over the sample besides."""
BATCH = 32
BACKWARD = 2.5
DEPTHWISE_BACKWARD = 4.0
"""What a backward pass takes, in forward passes: twice as many products (Griewank and Walther 2008, section 4.6) and the
step; several times as long where convolutions are depthwise, on a CPU. Measured: benchmarks/ranking/cost.py."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What one pass tells of a network of S stages.

    - `network_s`: seconds of a forward pass per example; `share_S`: each stage's share of it; `backward_S`: what its
      backward pass takes, in forward passes.
    - `parameters_S`: its parameters; `activations_S`: the numbers that its activations hold per example; `largest`: the most
      that one layer holds.
    - `padding`: how much longer than its examples a batch of BATCH is, which training takes as they come and extraction
      sorts by length; 1 for pictures.
    - `divergence`: mean over layers and channels, in nats, of what goes into batch norm from the running statistics; None
      without batch norm.
    """

    network_s: float
    share_S: tuple[float, ...]
    backward_S: tuple[float, ...]
    parameters_S: tuple[int, ...]
    activations_S: tuple[int, ...]
    largest: int
    padding: float
    divergence: float | None


@dataclass(slots=True)
class _Notes:
    """What hooks write down while examples pass; `spent` are the seconds that writing itself has taken in this pass."""

    ends: list[float]
    sizes: list[int]
    largest: int = 0
    spent: float = 0.0
    moments: dict[int, list[tuple[Array, Array]]] = field(default_factory=dict)


def profile(backbone: Backbone, prepared: Sequence[Any], placement: Placement) -> Profile:
    """Pass PASSED of the prepared examples, in two halves: the first pays for what a first pass costs, the second is timed."""
    network = for_inference(backbone, placement)
    some = prepared[:: max(1, len(prepared) // PASSED)][:PASSED]
    half = max(1, len(some) // 2)
    norms = [
        (module, _numbers(module.running_mean), _numbers(module.running_var))
        for module in network.net.modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None
    ]
    notes = _Notes([0.0] * len(network.stages), [0] * len(network.stages))
    handles = [
        *_stage_hooks(network, notes),
        *(norm.register_forward_pre_hook(_moments(notes, number)) for number, (norm, _, _) in enumerate(norms)),
    ]
    try:
        for part in (some[:half], some[half : 2 * half] or some[:half]):
            notes.sizes, notes.spent = [0] * len(network.stages), 0.0
            inputs = to_device(backbone.preprocess.collate(list(part)), placement.torch_device)
            notes.ends, began = [time.perf_counter()] * len(network.stages), time.perf_counter()
            with torch.inference_mode():
                network(inputs)
            total = time.perf_counter() - began - notes.spent
    finally:
        for handle in handles:
            handle.remove()
    spans = np.diff([began, *np.maximum.accumulate(notes.ends)])
    share = spans / spans.sum() if spans.sum() > 0 else np.full(len(spans), 1 / len(spans))
    return Profile(
        total / half,
        tuple(map(float, share)),
        tuple(_backward(network, stage, placement) for stage in network.stages),
        tuple(
            sum(parameter.numel() for module in network.stage_modules(stage) for parameter in module.parameters())
            for stage in network.stages
        ),
        tuple(size // half for size in notes.sizes),
        notes.largest // half,
        _padding([backbone.preprocess.cost(example) for example in prepared]),
        _divergence(
            [_gap(notes.moments[n], mean, var) for n, (_, mean, var) in enumerate(norms) if n in notes.moments]
        ),
    )


def _padding(costs: Sequence[int]) -> float:
    longest = [max(costs[start : start + BATCH]) for start in range(0, len(costs), BATCH)]
    return float(np.mean(longest) / np.mean(costs))


def _stage_hooks(network: Backbone, notes: _Notes) -> list[Any]:
    """Hooks that note when each stage's last module ended, and what its leaves gave."""

    def ended(number: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            notes.ends[number] = time.perf_counter() - notes.spent

        return hook

    def held(number: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                notes.sizes[number] += output.numel()
                notes.largest = max(notes.largest, output.numel())

        return hook

    handles = []
    for number, stage in enumerate(network.stages):
        for path in filter(None, stage.modules):
            module = network.net.get_submodule(path)
            leaves = [leaf for leaf in module.modules() if not any(True for _ in leaf.children())]
            handles += [leaf.register_forward_hook(held(number)) for leaf in leaves]
            handles.append(module.register_forward_hook(ended(number)))
    return handles


def _moments(notes: _Notes, number: int) -> Callable[[nn.Module, Any], None]:
    """A hook that notes mean and variance of each channel of what goes into a module."""

    def hook(module: nn.Module, args: Any) -> None:
        began = time.perf_counter()
        values: Tensor = args[0].float()
        across = [axis for axis in range(values.ndim) if axis != 1]
        found = _numbers(values.mean(across)), _numbers(values.var(across, correction=0))
        notes.moments.setdefault(number, []).append(found)
        notes.spent += time.perf_counter() - began

    return hook


def _gap(halves: Sequence[tuple[Array, Array]], mean_C: Array, var_C: Array) -> float:
    """Mean divergence of a layer's channels from their running statistics, of what went in in several parts of one size."""
    seen_C = np.mean([mean for mean, _ in halves], 0)
    spread_C = np.mean([var + (mean - seen_C) ** 2 for mean, var in halves], 0)
    return float(np.nanmean(gaussian_kl(seen_C, spread_C, mean_C, var_C)))


def _divergence(gaps: Sequence[float]) -> float | None:
    return float(np.mean(gaps)) if gaps else None


def _backward(network: Backbone, stage: Any, placement: Placement) -> float:
    modules = [part for module in network.stage_modules(stage) for part in module.modules()]
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    depthwise = any(module.groups == module.in_channels > 1 for module in convolutions)
    return DEPTHWISE_BACKWARD if depthwise and placement.device == "cpu" else BACKWARD


def _numbers(tensor: Any) -> Array:
    return np.asarray(tensor.detach().cpu().double().numpy())
