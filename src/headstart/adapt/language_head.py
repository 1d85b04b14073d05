"""A head that tells the next token: how surprising each text is, in nats over the tokens that count."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from headstart.errors import ModelError
from headstart.models.backbone import WINDOWS, Backbone, States
from headstart.models.language import BYTES, NEXT, TELLING_TOKEN, TELLING_WINDOW
from headstart.prove.losses import ROW

AT_ONCE = 2**24
"""Scores that are computed at once (tokens times vocabulary); of more, a backward pass computes them again piece by piece."""


class LanguageHead(nn.Module):
    """What a causal language model ends in: its states compared with a vector for each token of the vocabulary (V × D).

    It is the checkpoint's own, so nothing of it begins at zero. Where it is `tied` to the embeddings it has no weights of its own: what moves the
    embeddings moves it. Where it is not, it moves with them.
    """

    kind: ClassVar[str] = "next token"
    reads: ClassVar[str] = "tokens"
    starts_trained: ClassVar[bool] = True
    """It needs no higher rate than the network below."""

    def __init__(self, width: int, classes: int, vocabulary: int, tied: bool) -> None:
        """For D = `width` and V = `vocabulary`; `classes` is 1, the nats. `attach` gives a tied one its weights."""
        super().__init__()
        self.in_features, self.out_features, self.vocabulary, self.tied = width, classes, vocabulary, tied
        self.weight = None if tied else nn.Parameter(torch.zeros(vocabulary, width))
        self._backbone: list[Backbone] = []

    @property
    def row_width(self) -> int:
        """The numbers of `prove.losses`."""
        return ROW

    @classmethod
    def start(cls, backbone: Backbone, outputs: int) -> LanguageHead:
        """The checkpoint's own; raises ModelError for one that tells no next token."""
        own_VD: Tensor | None = getattr(backbone, "next_token_VD", None)
        if own_VD is None:
            raise ModelError(f"{backbone.card.name}: tells no next token in a way that is known here. Name a causal language model, such as a folder of GPT-2 or Llama, with --model.")
        head = cls(own_VD.shape[1], outputs, len(own_VD), bool(getattr(backbone, "is_tied", False)))
        if head.weight is not None:
            with torch.no_grad():
                head.weight.copy_(own_VD)
        return head

    def attach(self, backbone: Backbone) -> None:
        """Take the embeddings of the network that it stands on; it is no part of this one, or its weights would count twice."""
        self._backbone[:] = [backbone]

    def follow(self, backbone: Backbone) -> None:
        """Move where the embeddings move."""
        if self.weight is not None:
            net: Any = backbone.net
            self.weight.requires_grad_(net.get_input_embeddings().weight.requires_grad)

    @property
    def tokens_VD(self) -> Tensor:
        """What states are compared with."""
        if self.weight is not None:
            return self.weight
        net: Any = self._backbone[0].net
        weight: Tensor = net.get_input_embeddings().weight
        return weight

    def describe(self) -> dict[str, Any]:
        """Its size."""
        return {"width": self.in_features, "classes": self.out_features, "vocabulary": self.vocabulary, "tied": self.tied}

    def forward(self, seen: States) -> Tensor:
        """Nats, tokens that count and bytes of each example (B, ROW)."""
        batch, hidden_VTD = seen.inputs, seen.hidden_VTD
        before_B1 = (batch[WINDOWS].cumsum(0) - batch[WINDOWS])[:, None]
        counts_BC = batch[NEXT] >= 0
        at_BC = (before_B1 + batch[TELLING_WINDOW]) * hidden_VTD.shape[1] + batch[TELLING_TOKEN]
        states_nD = hidden_VTD.flatten(0, 1)[at_BC[counts_BC]]
        nats_n = self.nats(states_nD, batch[NEXT][counts_BC])
        owner_n = torch.arange(len(counts_BC), device=nats_n.device)[:, None].expand_as(counts_BC)[counts_BC]
        nats_B = torch.zeros(len(counts_BC), device=nats_n.device).index_add(0, owner_n, nats_n)
        return torch.stack([nats_B, counts_BC.sum(1).float(), batch[BYTES].float()], 1)

    def nats(self, states_nD: Tensor, next_n: Tensor) -> Tensor:
        """Minus the log probability of each next token (n), in single precision."""
        pieces = max(1, -(-len(states_nD) * self.vocabulary // AT_ONCE))
        found = []
        for states_mD, next_m in zip(states_nD.chunk(pieces), next_n.chunk(pieces), strict=True):
            if pieces > 1 and torch.is_grad_enabled():
                found.append(checkpoint(self._nats, states_mD, next_m, use_reentrant=False))
            else:
                found.append(self._nats(states_mD, next_m))
        return torch.cat(found)

    def _nats(self, states_mD: Tensor, next_m: Tensor) -> Tensor:
        with torch.autocast(states_mD.device.type, enabled=False):
            return functional.cross_entropy(states_mD.float() @ self.tokens_VD.float().T, next_m, reduction="none")

    def kept(self, rows_B3: Tensor) -> Tensor:
        """All of it."""
        return rows_B3
