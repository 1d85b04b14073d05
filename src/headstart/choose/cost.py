"""What each strategy would cost with a backbone on this machine, from one short measurement."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.features.batches import to_device
from headstart.features.extract import for_inference
from headstart.models.backbone import Backbone
from headstart.runtime import Placement

MEASURED = 2
"""Examples in the batch that is timed: few, because ranking may cost a tenth of the pass over the sample besides."""
REPEATS = 2
BACKWARD = 2.0
"""A backward pass takes about twice a forward pass (Griewank and Walther 2008, section 4.6, for products)."""
BYTES_PER_WEIGHT = 4
MOVING_COPIES = 4
"""What a moving weight needs besides itself: its gradient, two moments of Adam, and a copy of the start."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Predicted seconds and peak memory (MiB, weights and activations) of one strategy."""

    strategy: str
    seconds: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured: seconds of a forward pass per example, each stage's share of it, the parameters of each stage, the
    numbers that its activations hold per example, and the most that one layer of the network holds.
    """

    seconds: float
    share_S: tuple[float, ...]
    parameters_S: tuple[int, ...]
    activations_S: tuple[int, ...]
    largest: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """A strategy as its cost sees it: the share of stages that moves, and its training steps of a batch."""

    name: str
    moving: float
    steps: int
    batch: int = 32


def measure(
    backbone: Backbone, prepared: Sequence[Any], placement: Placement, *, per_example_s: float | None = None
) -> Speed:
    """Time a forward pass over a few prepared examples, stage by stage; the fastest of REPEATS counts.

    `per_example_s`, where it is known, is what extracting features took: of large batches, and so nearer to training than
    MEASURED examples are. Without it all of `prepared` are passed.
    """
    network = for_inference(backbone, placement)
    count = len(prepared) if per_example_s is None else min(len(prepared), MEASURED)
    inputs = to_device(backbone.preprocess.collate(list(prepared[:count])), placement.torch_device)
    best: tuple[float, list[float], list[int], int] | None = None
    for _ in range(REPEATS):
        found = _timed(network, inputs)
        best = found if best is None or found[0] < best[0] else best
    assert best is not None
    total, ends, sizes, largest = best
    spans = np.maximum(np.diff([0.0, *ends]), 0)
    share = spans / spans.sum() if spans.sum() > 0 else np.full(len(spans), 1 / len(spans))
    parameters = tuple(
        sum(parameter.numel() for module in network.stage_modules(stage) for parameter in module.parameters())
        for stage in network.stages
    )
    return Speed(
        total / count, tuple(map(float, share)), parameters, tuple(size // count for size in sizes), largest // count
    )


def _timed(network: Backbone, inputs: Any) -> tuple[float, list[float], list[int], int]:
    """Seconds in all, when each stage's last module ended, the numbers that came out of each stage's leaves, and the most
    that came out of one.
    """
    ends, sizes, largest = [0.0] * len(network.stages), [0] * len(network.stages), [0]
    handles = []

    def note(number: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            ends[number] = time.perf_counter() - began

        return hook

    def weigh(number: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                sizes[number] += output.numel()
                largest[0] = max(largest[0], output.numel())

        return hook

    for number, stage in enumerate(network.stages):
        for path in stage.modules:
            module = network.net.get_submodule(path)
            if path:
                handles.append(module.register_forward_hook(note(number)))
            leaves = [leaf for leaf in module.modules() if not any(True for _ in leaf.children())] if path else []
            handles += [leaf.register_forward_hook(weigh(number)) for leaf in leaves]
    try:
        began = time.perf_counter()
        with torch.inference_mode():
            network(inputs)
        total = time.perf_counter() - began
    finally:
        for handle in handles:
            handle.remove()
    return total, list(np.maximum.accumulate(ends)), sizes, largest[0]


def predict(speed: Speed, way: Way, *, examples: int, extraction_s: float) -> Cost:
    """Seconds and memory of `way` on `examples` examples, `extraction_s` being what their features take once.

    With nothing moving that is all. Else each step is a forward pass over the whole network and a backward pass over the
    stages that move.
    """
    first = round(len(speed.share_S) * (1 - way.moving))
    moving = sum(speed.share_S[first:]) if way.moving else 0.0
    seconds = extraction_s + way.steps * way.batch * speed.seconds * (1 + BACKWARD * moving)
    weights = sum(speed.parameters_S) + MOVING_COPIES * sum(speed.parameters_S[first:] if way.moving else ())
    # A layer's input and output are there at a time; what is needed for the way back stays.
    kept = 2 * speed.largest + (sum(speed.activations_S[first:]) if way.moving else 0)
    memory = BYTES_PER_WEIGHT * (weights + way.batch * kept)
    return Cost(way.name, seconds, memory / 2**20)
