"""The pass of one batch through a network: as it is, compiled for one shape of batch, or captured as a CUDA graph."""

from __future__ import annotations

import copy
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from headstart.models.backbone import Backbone, Inputs
from headstart.models.image_backbone import ImageBackbone
from headstart.runtime import Placement, cache_dir

Forward = Callable[[Inputs], Tensor]
"""From a collated batch to features (B, D, float32) on the device, those of several stages side by side."""

COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"


class Pass(nn.Module):
    """The network as it is. It hangs hooks on the network while it runs: each thread needs one of its own."""

    def __init__(self, network: Backbone, stages: Sequence[int] | None) -> None:
        """Pooled features, or with `stages` those of the stages with these numbers."""
        super().__init__()
        self.network, self.stages = network, stages

    def forward(self, inputs: Inputs) -> Tensor:
        """Features (B, D, float32)."""
        if self.stages is None:
            features_BD: Tensor = self.network(inputs).float()
            return features_BD
        return self.network.side_by_side(inputs, self.stages)


class Watched(nn.Module):
    """A `Pass` of an image backbone whose hooks hang on it for good, because a compiler follows hooks but not their hanging."""

    def __init__(self, network: ImageBackbone, stages: Sequence[int]) -> None:
        """The network is this pass's own from now on."""
        super().__init__()
        last = len(network.stages) - 1
        self.network, self._before, self._reads_last = network, [number for number in stages if number < last], last in stages
        self._watching = network.watched([*self._before, last])  # kept: thrown away, it would take its hooks down
        self._seen = self._watching.__enter__()

    def forward(self, inputs: Inputs) -> Tensor:
        """Features (B, D, float32)."""
        last_BD = self.network(inputs)
        # Emptied again: what a compiled pass takes for granted about the dict must hold at the next one.
        parts = [self._seen.pop(number).float() for number in self._before]
        return torch.cat([*parts, last_BD.float()] if self._reads_last else parts, 1)


class Captured:
    """A CUDA graph for each shape of batch: a pass is launched at once instead of kernel by kernel."""

    def __init__(self, step: Forward) -> None:
        """Capture `step`, whose work must not depend on the values it is given."""
        self._step = step
        self._graphs: dict[torch.Size, tuple[Any, Tensor, Tensor]] = {}

    def __call__(self, inputs: Inputs) -> Tensor:
        """Features (B, D, float32); the first batch of its shape is captured."""
        assert isinstance(inputs, Tensor)
        if inputs.shape not in self._graphs:
            self._graphs[inputs.shape] = self._capture(inputs)
        graph, given, answer_BD = self._graphs[inputs.shape]
        given.copy_(inputs, non_blocking=True)
        graph.replay()
        return answer_BD.clone()  # the next replay writes over it

    def _capture(self, inputs: Tensor) -> tuple[Any, Tensor, Tensor]:
        given = inputs.clone()
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # libraries choose and allocate in their first passes, which no graph may hold
            for _ in range(3):
                self._step(given)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answer_BD = self._step(given)
        return graph, given, answer_BD


class Compiled:
    """A pass compiled at its first batch for that batch's shape; other threads wait meanwhile."""

    def __init__(self, step: nn.Module) -> None:
        """Compile `step`, whose weights must not change any more, for as many cores as the calling thread has."""
        self._step: Forward = torch.compile(step, dynamic=False)
        self._settings: dict[str, Any] = {"freezing": True, "cpp.threads": torch.get_num_threads()}
        self._lock, self._is_ready = Lock(), False

    def __call__(self, inputs: Inputs) -> Tensor:
        """Features (B, D, float32)."""
        if self._is_ready:
            return self._step(inputs)
        from torch._inductor import config

        with self._lock, config.patch(self._settings):  # the tracer, too, asks there whether weights are frozen
            features_BD = self._step(inputs)
            self._is_ready = True
        return features_BD


def eager(network: Backbone, stages: Sequence[int] | None, count: int) -> list[Forward]:
    """`count` passes that share the network's weights, one for each stream."""
    return [Pass(network if number == 0 else sharing(network), stages) for number in range(count)]


def compiled(network: Backbone, stages: Sequence[int] | None, count: int) -> list[Forward]:
    """One pass for all streams, compiled at its first batch with the weights frozen into it (batch norm folded, layouts
    settled). What the compiler makes is kept under the cache, so that the next process compiles in seconds.
    """
    os.environ.setdefault(COMPILER_CACHE, str(cache_dir() / "compiled"))
    # It says at every import that there is no CUDA, which nobody asked for.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    step = Pass(network, None) if stages is None else Watched(_as_image(network), stages)
    return [Compiled(step)] * count


def captured(network: Backbone, stages: Sequence[int] | None, count: int) -> list[Forward]:
    """One captured pass: a GPU has one stream of batches."""
    step = Pass(network, None) if stages is None else Watched(_as_image(network), stages)
    return [Captured(step)] * count


@dataclass(frozen=True, slots=True)
class Kind:
    """How passes are made: `build` gives one for each stream, to be called where they will run; `lack` says why not here,
    or nothing; `fixed` where every batch must have one shape.
    """

    build: Callable[[Backbone, Sequence[int] | None, int], list[Forward]]
    lack: Callable[[Backbone, Placement], str]
    fixed: bool = True


def _no_compiler(network: Backbone, placement: Placement) -> str:
    if not isinstance(network, ImageBackbone):
        return "texts come in too many lengths to compile for each"
    if placement.device != "cpu":
        return "on a GPU passes are captured instead"
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++"))):
        return "there is no C++ compiler here (install g++)"
    return ""


def _no_graphs(network: Backbone, placement: Placement) -> str:
    if not isinstance(network, ImageBackbone):
        return "texts come in too many lengths to capture each"
    return "" if placement.device.startswith("cuda") else "only CUDA captures graphs"


FORWARDS: Mapping[str, Kind] = {
    "eager": Kind(eager, lambda network, placement: "", fixed=False),
    "compiled": Kind(compiled, _no_compiler),
    "captured": Kind(captured, _no_graphs),
}


def sharing(network: Backbone) -> Backbone:
    """A copy of `network` with the same tensors: modules of its own to hang hooks on, no weights of its own."""
    return copy.deepcopy(network, {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())})


def padded(inputs: Inputs, batch: int) -> Inputs:
    """Pictures (n, 3, H, W) filled up to `batch` with the last one, keeping their layout in memory."""
    assert isinstance(inputs, Tensor)
    short = batch - len(inputs)
    if short <= 0:
        return inputs
    filled = torch.cat([inputs, inputs[-1:].expand(short, -1, -1, -1)])
    return filled.contiguous(memory_format=torch.channels_last)


def _as_image(network: Backbone) -> ImageBackbone:
    assert isinstance(network, ImageBackbone)
    return network
