"""Dataset × Backbone → Features, streamed to the store, in the precision that pays on this machine."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from headstart.events import Listener, Progress, silent
from headstart.features.batches import Decode
from headstart.features.passes import Timer, passes
from headstart.features.sharing import Others, are_worth_it, portions, shared_out
from headstart.features.store import ROWS_PER_SHARD, Features, close, is_shard, write_shard
from headstart.features.way import Way, plain
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
    way: Way | None = None,
    others: Others | None = None,
) -> Features:
    """The pooled features (N × D, float32) of `items`, in their order, kept in `folder`.

    With `stages` those of the stages with these numbers stand side by side, D being the sum of their widths; they come from
    the same pass. What is already whole in `folder` is read instead of computed, shard by shard: an extraction that was
    killed goes on. Memory holds a shard or two at a time. Where there are `others` and it is worth it, the shards are theirs.
    """
    known = Features.open(folder)
    if known is not None and len(known) == len(items):
        return known
    starts = range(0, len(items), ROWS_PER_SHARD)
    counts = [min(ROWS_PER_SHARD, len(items) - start) for start in starts]
    paths, width = [Features.shard_path(folder, number) for number in range(len(counts))], backbone.width_of(stages)

    def missing_shards() -> list[int]:
        return [number for number, path in enumerate(paths) if not is_shard(path, counts[number], width)]

    missing, way = missing_shards(), way or plain(placement)
    if others is not None and are_worth_it(others, len(missing), way):
        shared_out(
            portions(
                [(paths[number], range(starts[number], starts[number] + counts[number])) for number in missing],
                others.workers, stages=stages, placement=placement, way=way,
            ),
            others, lambda path, rows: is_shard(path, rows, width),
            what=progress_of(backbone), total=len(items), listener=listener,
        )  # fmt: skip
        missing = missing_shards()
    # Sliced as they are asked for: examples may be made only then.
    shards = (Shard(paths[number], items[starts[number] : starts[number] + counts[number]]) for number in missing)
    extract_shards(
        shards, backbone, decode=decode, placement=placement, stages=stages, listener=listener, way=way,
        count=sum(counts[number] for number in missing), total=len(items),
    )  # fmt: skip
    return close(folder, counts, width)


@dataclass(frozen=True, slots=True)
class Shard:
    """Some items, and the file that their features go to."""

    path: Path
    items: Sequence[Any]


def extract_shards(
    shards: Iterable[Shard],
    backbone: Backbone,
    *,
    decode: Decode,
    placement: Placement,
    stages: Sequence[int] | None = None,
    listener: Listener = silent,
    way: Way | None = None,
    count: int,
    total: int | None = None,
) -> None:
    """Compute the features of each shard and write them to its file; each is a function of its own items alone.

    This is what another process can be given a share of: all its arguments can be pickled if the backbone can, and shards are
    given as a list. They hold `count` examples, for the listener's sake out of `total`, the others being done.
    """
    if not count:
        return
    total = total or count
    before = done = total - count
    began, timer = time.monotonic(), Timer()
    what = progress_of(backbone)
    listener(Progress(what, done, total))

    def tick(more: int) -> None:
        nonlocal done
        done += more
        listener(Progress(what, done, total, (time.monotonic() - began) / (done - before) * (total - done)))

    paths: deque[Path] = deque()

    def parts() -> Iterator[Sequence[Any]]:
        for shard in shards:
            paths.append(shard.path)
            yield shard.items

    told_s, told_network_s = began, 0.0
    for features_ND in passes(
        parts(), for_inference(backbone, placement), decode=decode, placement=placement,
        way=way or plain(placement), stages=stages, timer=timer, tick=tick,
    ):  # fmt: skip
        now, network_s = time.monotonic(), timer.network_s
        write_shard(paths.popleft(), features_ND, seconds=now - told_s, network_s=network_s - told_network_s)
        told_s, told_network_s = now, network_s


def progress_of(backbone: Backbone) -> str:
    """What a listener is told is being computed."""
    return f"features of {backbone.card.name}"


def feature_chunks(
    items: Sequence[Any],
    backbone: Backbone,
    *,
    decode: Decode,
    placement: Placement,
    stages: Sequence[int] | None = None,
    refused: dict[int, str] | None = None,
) -> Iterator[np.ndarray]:
    """Yield features (n × D, float32) chunk by chunk, in the order of `items`; `stages` as for `extract`.

    An item that cannot be decoded raises DataError, or is noted in `refused` by its position and has a row of NaN.
    """
    parts = (items[start : start + ROWS_PER_SHARD] for start in range(0, len(items), ROWS_PER_SHARD))
    return passes(
        parts, for_inference(backbone, placement), decode=decode, placement=placement, way=plain(placement), stages=stages,
        refused=refused,
    )  # fmt: skip


def for_inference(backbone: Network, placement: Placement) -> Network:
    """A frozen copy of `backbone` on the device, its parameters in the reduced precision where that pays.

    Buffers and batch normalisation stay in float32: running variances and rotary frequencies lose too much. So do modules that say
    so themselves (`in_float32`).
    """
    network = copy.deepcopy(backbone).eval().requires_grad_(requires_grad=False)
    network = network.to(placement.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if placement.low is None:
        return network
    low = getattr(torch, placement.low)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) or getattr(module, "in_float32", False):
            continue
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(low)
    return network


def address(
    backbone: Backbone,
    fingerprint: str,
    placement: Placement,
    *,
    stages: Sequence[int] | None = None,
    way: Way | None = None,
) -> str:
    """The content address of a backbone's features for the data with this fingerprint.

    Ways of passing differ by rounding, which a later choice among trials may hang on: each has addresses of its own.
    """
    names = [backbone.stages[number].name for number in stages or ()]
    known = (weights_hash(backbone), repr(backbone.preprocess.to_dict()), fingerprint, str(placement.low))
    return sha256_text(*known, *names, repr((way or plain(placement)).to_dict()))


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
