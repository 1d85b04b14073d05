"""From items to collated batches: decoded on all cores, grouped so that a batch wastes no padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import numpy as np

from headstart.models.backbone import Inputs, Preprocess

Decode = Callable[[Any], Any]

CHUNK = 512  # examples decoded ahead: bounds memory whatever the number of examples
SMALL_CHUNK = 8192  # the same for token ids, which are small: the more are sorted by length together, the less padding
COST_PER_BATCH = 64  # images in a batch; texts fill a batch up to TOKENS_PER_BATCH
TOKENS_PER_BATCH = 4096


def prepared(items: Sequence[Any], decode: Decode, preprocess: Preprocess, *, threads: int) -> Iterator[list[Any]]:
    """Yield prepared examples in order, in lists that fit into memory, decoded by `threads` threads."""

    def ready(item: Any) -> Any:
        return preprocess.prepare(decode(item))

    with ExitStack() as stack:
        run: Any = map if threads == 1 else stack.enter_context(ThreadPoolExecutor(threads)).map
        start, ahead = 0, CHUNK
        while start < len(items):
            chunk = list(run(ready, items[start : start + ahead]))
            yield chunk
            start += len(chunk)
            if not isinstance(chunk[0], np.ndarray):
                run, ahead = map, SMALL_CHUNK  # tokenising a text takes less time than handing it to a thread


def by_cost(costs: Sequence[int], batch: int | None = None) -> list[np.ndarray]:
    """Positions grouped into batches of like cost, longest first, each within the batch's compute.

    Examples of cost 1 (images) make batches of `batch` (COST_PER_BATCH) in their own order; texts are sorted by length so
    that padding is short, and a batch of them holds TOKENS_PER_BATCH, more or fewer with `batch`.
    """
    batch = batch or COST_PER_BATCH
    most_tokens = TOKENS_PER_BATCH * batch // COST_PER_BATCH
    lengths = np.asarray(costs)
    if (lengths == 1).all():
        return [np.arange(start, min(start + batch, len(lengths))) for start in range(0, len(lengths), batch)]
    order = np.argsort(-lengths, kind="stable")
    cuts = [0]
    while cuts[-1] < len(order):
        longest = int(lengths[order[cuts[-1]]])
        cuts.append(min(len(order), cuts[-1] + max(1, most_tokens // longest)))
    return [order[start:end] for start, end in pairwise(cuts)]


def to_device(inputs: Inputs, device: Any) -> Inputs:
    """Move a collated batch; copies to a GPU overlap with its work."""
    if isinstance(inputs, dict):
        return {name: tensor.to(device, non_blocking=True) for name, tensor in inputs.items()}
    return inputs.to(device, non_blocking=True)
