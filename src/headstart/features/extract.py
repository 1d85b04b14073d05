"""Dataset × Backbone → Features, streamed to the store, in the precision that pays on this machine."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from headstart.events import Listener, Progress, silent
from headstart.features.batches import Decode, by_cost, prepared, to_device
from headstart.features.store import Features, FeatureWriter
from headstart.files import sha256_text
from headstart.models.backbone import Backbone
from headstart.runtime import Placement

Network = TypeVar("Network", bound=nn.Module)


def extract(
    items: Sequence[Any],
    backbone: Backbone,
    *,
    decode: Decode,
    placement: Placement,
    folder: Path,
    stages: Sequence[int] | None = None,
    listener: Listener = silent,
) -> Features:
    """The pooled features (N × D, float32) of `items`, in their order, kept in `folder`.

    With `stages` those of the stages with these numbers stand side by side, D being the sum of their widths; they come from
    the same pass. What is already whole in `folder` is read instead of computed. Memory holds one chunk of
    examples at a time.
    """
    known = Features.open(folder)
    if known is not None and len(known) == len(items):
        return known
    writer = FeatureWriter(folder, width=backbone.width_of(stages))
    began, done, timer = time.monotonic(), 0, Timer()
    what = f"features of {backbone.card.name}"
    listener(Progress(what, 0, len(items)))
    for chunk_ND in feature_chunks(items, backbone, decode=decode, placement=placement, stages=stages, timer=timer):
        writer.add(chunk_ND)
        done += len(chunk_ND)
        left = (time.monotonic() - began) / done * (len(items) - done)
        listener(Progress(what, done, len(items), left))
    return writer.close(seconds=time.monotonic() - began, network_s=timer.seconds)


@dataclass(slots=True)
class Timer:
    """Seconds spent in its `with` blocks so far."""

    seconds: float = 0.0
    _began: float = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds += time.perf_counter() - self._began


def feature_chunks(
    items: Sequence[Any],
    backbone: Backbone,
    *,
    decode: Decode,
    placement: Placement,
    stages: Sequence[int] | None = None,
    timer: Timer | None = None,
) -> Iterator[np.ndarray]:
    """Yield features (n × D, float32) chunk by chunk, in the order of `items`; `stages` as for `extract`.

    `timer` counts the passes through the network alone: reading and decoding come before, not beside them.
    """
    network, timer = for_inference(backbone, placement), timer or Timer()
    for chunk in prepared(items, decode, backbone.preprocess, threads=placement.threads):
        features_ND = np.empty((len(chunk), backbone.width_of(stages)), dtype=np.float32)
        for rows in by_cost([backbone.preprocess.cost(example) for example in chunk]):
            inputs = backbone.preprocess.collate([chunk[row] for row in rows])
            with timer, torch.inference_mode():
                moved = to_device(inputs, placement.torch_device)
                found = network(moved) if stages is None else network.side_by_side(moved, stages)
                features_ND[rows] = found.float().cpu().numpy()
        yield features_ND


def for_inference(backbone: Network, placement: Placement) -> Network:
    """A frozen copy of `backbone` on the device, its parameters in the reduced precision where that pays.

    Buffers and batch normalisation stay in float32: running variances and rotary frequencies lose too much.
    """
    network = copy.deepcopy(backbone).eval().requires_grad_(requires_grad=False)
    network = network.to(placement.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if placement.low is None:
        return network
    low = getattr(torch, placement.low)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            continue
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(low)
    return network


def address(backbone: Backbone, fingerprint: str, placement: Placement, *, stages: Sequence[int] | None = None) -> str:
    """The content address of a backbone's features for the data with this fingerprint."""
    names = [backbone.stages[number].name for number in stages or ()]
    known = (weights_hash(backbone), repr(backbone.preprocess.to_dict()), fingerprint, str(placement.low))
    return sha256_text(*known, *names)


def weights_hash(module: nn.Module) -> str:
    """A SHA-256 over names and values of all parameters and buffers."""
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
