"""Token embeddings narrowed to the tokens that the data hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

WORTH = 0.5
"""Above this share of the vocabulary narrowing saves little."""


@contextmanager
def narrowed(net: Any, tokens: np.ndarray) -> Iterator[None]:
    """While it lasts, the input embedding of a transformers `net` holds the rows of `tokens` (distinct ids) alone.

    A few hundred texts use a few hundred rows of a table that is half of a small network. The gradient of all others
    is zero, yet the optimizer would go through them at every step. What was learnt is written back at the end; rows
    of other tokens stay as they were, bit for bit. Other ids raise IndexError meanwhile.
    """
    whole = net.get_input_embeddings()
    if not _can_narrow(whole, tokens):
        yield
        return
    narrow = _Narrow(whole, torch.from_numpy(np.asarray(tokens, dtype=np.int64)).to(whole.weight.device))
    net.set_input_embeddings(narrow)
    try:
        yield
    finally:
        with torch.no_grad():
            whole.weight.index_copy_(0, narrow.tokens, narrow.weight)
        net.set_input_embeddings(whole)


def _can_narrow(whole: Any, tokens: np.ndarray) -> bool:
    # A subclass may compute with more than its rows; renormalising and counting would see other rows than before.
    plain = type(whole) is nn.Embedding and whole.max_norm is None and not whole.scale_grad_by_freq
    return plain and whole.weight.requires_grad and 0 < len(tokens) <= WORTH * whole.num_embeddings


class _Narrow(nn.Embedding):
    tokens: Tensor
    place: Tensor

    def __init__(self, whole: nn.Embedding, tokens: Tensor) -> None:
        place = torch.full((whole.num_embeddings,), -1, device=tokens.device)
        place[tokens] = torch.arange(len(tokens), device=tokens.device)
        padding = -1 if whole.padding_idx is None else int(place[whole.padding_idx])
        super().__init__(
            len(tokens),
            whole.embedding_dim,
            padding_idx=padding if padding >= 0 else None,
            _weight=whole.weight.detach()[tokens],
        )
        self.register_buffer("tokens", tokens, persistent=False)
        self.register_buffer("place", place, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return functional.embedding(self.place[input], self.weight, self.padding_idx)
