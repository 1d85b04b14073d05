"""How much memory a training step needs, measured before training begins, and how to go about it where less is free."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from headstart.adapt.checkpoint import moving_parts
from headstart.adapt.examples import UNSEEN, Examples
from headstart.adapt.network import Network, hold_statistics
from headstart.adapt.precision import spare_slow_layers, training_pass
from headstart.errors import OutOfMemory, is_out_of_memory
from headstart.features.batches import TOKENS_PER_BATCH, by_cost, to_device
from headstart.models.backbone import WINDOWED, WINDOWS, Inputs
from headstart.models.resume import CARRIED
from headstart.runtime import Placement, free_memory, trim_memory

MEASURED_AT = (2, 4)
"""Examples in the two passes; batch norm that learns needs more than one."""
USABLE = 0.8
"""Of what is free: allocators leave gaps, and other programs want some as well."""
ONCE = 35 * 2**20
"""What the libraries set up in the first step of a process: kernels, buffers of threads."""
WORKSPACE, WORKSPACE_AGAIN, PASSING = 2.5, 4.5, 3.5
"""What passes through besides what is kept, as multiples of what the largest layer takes in and gives: at the end of a forward
pass, in the backward pass of a stage that is computed again, where gradients come on top, and in a pass without gradients.

These and ONCE were measured: benchmarks/adapt/step_memory.py."""
PER_WEIGHT = 3
"""Numbers kept for each weight that moves: its gradient and AdamW's two moments."""
LEARNS_FROM = 8
"""Batch norm that learns its statistics is not given fewer examples at a time."""


@dataclass(frozen=True, slots=True)
class Line:
    """Bytes as a function of the batch size."""

    fixed: float
    each: float

    @classmethod
    def through(cls, bytes_2: Iterable[float]) -> Line:
        """The line through what was measured at MEASURED_AT."""
        (few, many), (low, high) = MEASURED_AT, bytes_2
        each = max(0.0, (high - low) / (many - few))
        return cls(max(0.0, low - few * each), each)

    def __call__(self, batch_size: int) -> float:
        """Bytes at this batch size."""
        return self.fixed + batch_size * self.each


@dataclass(frozen=True, slots=True)
class Need:
    """What training a network takes, in bytes.

    - `settled`: weights, their best copy, gradients and the optimizer's state, and ONCE: whatever the batch.
    - `whole`: what a step keeps for its backward pass, and the largest layer's workspace.
    - `checkpointed`: the same where each stage is computed again in the backward pass.
    - `predicting`: the workspace of a batch in a pass without gradients.
    """

    settled: float
    whole: Line
    checkpointed: Line
    predicting: float

    def __call__(self, batch_size: int, *, checkpoint: bool = False) -> float:
        """Bytes at the most, with so many examples passing at once."""
        step = self.checkpointed if checkpoint else self.whole
        return self.settled + max(step(batch_size), self.predicting)


@dataclass(frozen=True, slots=True)
class Portion:
    """How a step goes about a batch: in parts of `micro_batch` examples (None: at once), stages computed twice or not."""

    micro_batch: int | None
    checkpoint: bool


def portion(need: Need, batch_size: int, free: float, *, least: int = 1) -> Portion:
    """The fastest way to train with USABLE of `free` bytes: at once; in halves, quarters … of no fewer than `least` examples;
    the same with checkpoints. Where nothing fits, the way that needs least.
    """
    sizes = [batch_size]
    while (half := -(-sizes[-1] // 2)) >= least and half < sizes[-1]:
        sizes.append(half)
    ways = [(size, checkpoint) for checkpoint in (False, True) for size in sizes]
    fitting = (way for way in ways if need(way[0], checkpoint=way[1]) <= USABLE * free)
    size, checkpoint = next(fitting, min(ways, key=lambda way: need(way[0], checkpoint=way[1])))
    return Portion(None if size == batch_size else size, checkpoint)


def free_for(wanted: float, device: str) -> int:
    """Bytes that are free on `device`, counted again after a cleaning up where they are fewer than `wanted`."""
    free = free_memory(device)
    if free < wanted:
        trim_memory()
        free = free_memory(device)
    return free


def require(wanted: float, device: str, *, what: str) -> None:
    """Raise OutOfMemory, which says what to do, where fewer than `wanted` bytes are free."""
    if (free := free_for(wanted, device)) < wanted:
        raise OutOfMemory(
            f"{what}: a training step needs {wanted / 2**30:.2f} GiB, {free / 2**30:.2f} GiB are free. "
            "Choose a smaller model, or --strategy probe; or run it where more is free."
        )


@contextmanager
def in_plain_words(what: str) -> Iterator[None]:
    """Raise OutOfMemory, which says what to do, where memory runs out inside."""
    short = False
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        short = True
    if short:  # not inside `except`: the error holds on to the frames, and these to the tensors
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemory(
            f"{what}: ran out of memory. Choose a smaller model, or --strategy probe; or run it where more is free."
        )


def parts_of(inputs: Inputs, count: int, micro_batch: int | None) -> Iterator[tuple[Inputs, slice]]:
    """A collated batch of `count` examples in parts of at most `micro_batch`, as alike in size as can be; windows go with their example."""
    pieces = 1 if micro_batch is None else -(-count // micro_batch)
    for places in np.array_split(np.arange(count), pieces):
        part = slice(int(places[0]), int(places[-1]) + 1)
        if isinstance(inputs, dict):
            own = {name: windows_of(inputs, part) if name in (*WINDOWED, CARRIED) else part for name in inputs}
            yield {name: tensor[own[name]] for name, tensor in inputs.items()}, part
        else:
            yield inputs[part], part


def windows_of(inputs: Mapping[str, Tensor], part: slice) -> slice:
    """Where the windows of the examples in `part` stand; each has one where a batch does not say."""
    if WINDOWS not in inputs:
        return part
    ends = inputs[WINDOWS].cumsum(0).tolist()
    return slice(0 if part.start == 0 else int(ends[part.start - 1]), int(ends[part.stop - 1]))


def measure_need(network: Network, examples: Examples, rows: np.ndarray, placement: Placement, *, hold: bool) -> Need:
    """Two forward passes of a copy over the costliest few of `rows`; `hold`: whether batch norm keeps its statistics."""
    trial = copy.deepcopy(network).to(placement.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    spare_slow_layers(trial, placement)
    costs = np.asarray(examples.costs(rows))
    costliest = rows[np.argsort(-costs, kind="stable")]
    with trial.backbone.narrowed(examples.tokens(rows)):
        trial.train()
        hold_statistics(trial, also_moving=hold)
        watches = []
        for count in MEASURED_AT:
            some = np.resize(costliest, count)
            examples.ready(some, UNSEEN)
            watches.append(_Watch.of(trial, to_device(examples.batch(some, UNSEEN), placement.torch_device), placement))
        best = sum(one.nbytes for one in _state(trial))
        moving = sum(one.nbytes for one in trial.parameters() if one.requires_grad)
    passing = Line.through(watch.largest for watch in watches)
    return Need(
        settled=sum(one.nbytes for one in _state(trial)) + best + PER_WEIGHT * moving + ONCE,
        whole=Line.through(watch.kept + WORKSPACE * watch.largest for watch in watches),
        checkpointed=Line.through(watch.kept_checkpointed + WORKSPACE_AGAIN * watch.largest for watch in watches),
        predicting=PASSING * passing(len(by_cost([int(costs.max())] * TOKENS_PER_BATCH)[0])),
    )


def _state(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


Storages = dict[int, torch.UntypedStorage]


@dataclass(slots=True)
class _Watch:
    """What a forward pass keeps for the backward pass: storages by address, each once, those of weights not counted.

    They are held until the watch is thrown away, so that no address comes twice.
    """

    known: set[int]
    kept_by: dict[int, Storages] = field(default_factory=dict)
    """By number of the part that was running; −1 outside of all."""
    entering: Storages = field(default_factory=dict)
    largest: int = 0
    """What goes into and comes out of the largest layer; its gradients take as much."""
    _part: int = -1

    @classmethod
    def of(cls, network: Network, inputs: Inputs, placement: Placement) -> _Watch:
        """Watch one pass."""
        watch = cls({tensor.untyped_storage().data_ptr() for tensor in _state(network)})
        handles = []
        for number, module in enumerate(moving_parts(network.backbone)):
            handles.append(module.register_forward_pre_hook(watch._begin(number), with_kwargs=True))
            handles.append(module.register_forward_hook(watch._end))
        leaves = (module for module in network.modules() if not any(True for _ in module.children()))
        handles += [module.register_forward_hook(watch._weigh) for module in leaves]
        try:
            with saved_tensors_hooks(watch._keep, _as_is), training_pass(placement):
                network(inputs)
        finally:
            for handle in handles:
                handle.remove()
        return watch

    @property
    def kept(self) -> int:
        """Bytes kept in all."""
        return _bytes([*self.kept_by.values()])

    @property
    def kept_checkpointed(self) -> int:
        """Bytes that checkpoints keep, and what the largest part keeps while it is computed again."""
        always = self.kept_by.get(-1, {}) | self.entering
        apart = [
            {place: storage for place, storage in kept.items() if place not in always}
            for number, kept in self.kept_by.items()
            if number >= 0
        ]
        return _bytes([always]) + max((_bytes([kept]) for kept in apart), default=0)

    def _keep(self, tensor: Tensor) -> Tensor:
        self._note(tensor, self.kept_by.setdefault(self._part, {}))
        return tensor.detach()  # an output that is kept itself would hold on to its own graph

    def _note(self, tensor: Tensor, where: Storages) -> None:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.known:
            where[storage.data_ptr()] = storage

    def _begin(self, number: int) -> Any:
        def begin(module: nn.Module, args: Any, kwargs: Any) -> None:
            self._part = number
            for tensor in _tensors((args, kwargs)):
                self._note(tensor, self.entering)

        return begin

    def _end(self, module: nn.Module, args: Any, output: Any) -> None:
        self._part = -1

    def _weigh(self, module: nn.Module, args: Any, output: Any) -> None:
        self.largest = max(self.largest, sum(tensor.nbytes for tensor in _tensors((args, output))))


def _as_is(tensor: Tensor) -> Tensor:
    return tensor


def _bytes(storages: list[Storages]) -> int:
    together: Storages = {}
    for some in storages:
        together |= some
    return sum(storage.nbytes() for storage in together.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _tensors(one)
