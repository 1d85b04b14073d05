"""Text backbones: token batches through a transformers network, pooled as the checkpoint says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.errors import ModelError
from headstart.models.backbone import WINDOWED, Backbone, Inputs, Stage, States
from headstart.models.card import SourceCard
from headstart.models.cut import cut, first_tensor, watch
from headstart.models.narrow import narrowed
from headstart.models.packing import causal_states
from headstart.models.text_preprocess import WINDOW_OF, TextPreprocess


def _mean(hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    return _weighted(hidden_BTD, mask_BT) / mask_BT.sum(1, keepdim=True)


def _mean_sqrt(hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    return _weighted(hidden_BTD, mask_BT) / mask_BT.sum(1, keepdim=True).sqrt()


def _first(hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    return hidden_BTD[:, 0]


def _last(hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    return hidden_BTD[torch.arange(len(hidden_BTD), device=hidden_BTD.device), mask_BT.sum(1).long() - 1]


def _most(hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    return hidden_BTD.masked_fill(mask_BT[..., None] == 0, -torch.inf).amax(1)


def _rising(hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    weights_BT = mask_BT * torch.arange(1, mask_BT.shape[1] + 1, device=mask_BT.device)
    return _weighted(hidden_BTD, weights_BT) / weights_BT.sum(1, keepdim=True)


def _weighted(hidden_BTD: Tensor, weights_BT: Tensor) -> Tensor:
    # Summed in float32: hundreds of tokens in bfloat16 lose the small ones.
    return (hidden_BTD.float() * weights_BT[..., None]).sum(1)


POOLINGS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": _mean,
    "cls": _first,
    "max": _most,
    "mean_sqrt_len": _mean_sqrt,
    "weightedmean": _rising,
    "lasttoken": _last,
}
"""From hidden states (B, T, D) and a mask (B, T) to features (B, D), under sentence-transformers' names."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """How token states become one row: the poolings, side by side, and whether the row gets length 1."""

    modes: tuple[str, ...] = ("mean",)
    normalise: bool = False

    def __call__(self, hidden_RTD: Tensor, mask_RT: Tensor, window_of_R: Tensor | None = None) -> Tensor:
        """Features (B, D · number of modes): rows are examples, or windows of the examples with the numbers `window_of_R`."""
        mask_RT = mask_RT.to(torch.float32)
        rows_RD = torch.cat([POOLINGS[mode](hidden_RTD, mask_RT) for mode in self.modes], dim=1)
        rows_BD = joined(rows_RD, mask_RT, window_of_R)
        return functional.normalize(rows_BD, dim=1) if self.normalise else rows_BD


def joined(rows_RD: Tensor, mask_RT: Tensor, window_of_R: Tensor | None) -> Tensor:
    """The mean (B, D) of each example's windows, weighted by their tokens; the rows themselves where each example has one.

    For a mean over tokens this is the mean over all tokens of all windows.
    """
    if window_of_R is None:
        return rows_RD
    weight_R1 = mask_RT.float().sum(1, keepdim=True)
    sums_BE = torch.zeros(int(window_of_R[-1]) + 1, rows_RD.shape[1] + 1, device=rows_RD.device)
    sums_BE = sums_BE.index_add(0, window_of_R, torch.cat([rows_RD.float() * weight_R1, weight_R1], dim=1))
    return sums_BE[:, :-1] / sums_BE[:, -1:]


class TextBackbone(Backbone):
    """A transformers network for texts; `forward` takes dicts of token tensors (R, T), a row for each text, or for each window
    of the B texts (`TextPreprocess.collate`).
    """

    preprocess: TextPreprocess
    next_token_VD: Tensor | None = None
    """For a causal language model, what its states are compared with to tell the next token (V tokens × D)."""
    folder: Path | None = None
    """Where the checkpoint lies that it was loaded from, with what of it is no part of a backbone; None for a run's, and where it was changed."""

    def __init__(
        self,
        net: nn.Module,
        *,
        preprocess: TextPreprocess,
        card: SourceCard,
        pooling: Pooling,
        stages: tuple[Stage, ...] | None = None,
    ) -> None:
        """Without `stages` the network is cut by its structure, which takes one forward pass."""
        super().__init__()
        self.net, self.preprocess, self.card, self.pooling = net.eval(), preprocess, card, pooling
        self.stages = stages or self._cut()

    def forward(self, inputs: Inputs) -> Tensor:
        """Features (B, D) of a batch of token tensors (R, T)."""
        seen = self.padded_states(inputs)
        return self.pooling(seen.hidden_VTD, seen.mask_VT, seen.inputs.get(WINDOW_OF))

    def states(self, inputs: Inputs) -> States:
        """The last layer's states of single tokens; where the preprocessing says so, texts are packed on their way through."""
        if isinstance(inputs, dict) and getattr(self.preprocess, "packs", False):
            return States(causal_states(self.net, inputs["input_ids"], inputs["attention_mask"]), inputs["attention_mask"], inputs)
        return self.padded_states(inputs)

    def padded_states(self, inputs: Inputs) -> States:
        """The last layer's states of single tokens, of each text by itself."""
        if not isinstance(inputs, dict):
            raise TypeError("a text backbone takes a dict of token tensors, not pictures")
        hidden_VTD = first_tensor(self.net(**{name: inputs[name] for name in WINDOWED if name in inputs}))
        if hidden_VTD is None or hidden_VTD.ndim != 3:
            raise ModelError(f"{self.card.name}: gives no states per token. Use another model.")
        return States(hidden_VTD, inputs["attention_mask"], inputs)

    def stage_features(self, inputs: Inputs, only: Sequence[int] | None = None) -> list[Tensor]:
        """Pooled features after every stage, from one forward pass; before the last, by the plain mean."""
        if not isinstance(inputs, dict):
            raise TypeError("a text backbone takes a dict of token tensors, not pictures")
        mask_RT, window_of_R = inputs["attention_mask"].float(), inputs.get(WINDOW_OF)
        pool = lambda hidden_RTD: joined(_mean(hidden_RTD, mask_RT), mask_RT, window_of_R)  # noqa: E731
        with watch(self.net, self.stages, pool, only) as seen:
            last = self(inputs)
        return [*(seen[number] for number in sorted(seen)), last]

    def next_token_nats(self, texts: Sequence[str]) -> tuple[float, int]:
        """What a causal language model finds surprising: nats in all over the tokens of `texts` (of a long one, of its first
        window) after each first one, and how many those are. Raises ModelError for other models.
        """
        if self.next_token_VD is None:
            raise ModelError(f"{self.card.name}: not a causal language model, it tells no next token.")
        nats, count = 0.0, 0
        for text in texts:
            inputs = self.preprocess.collate([self.preprocess.prepare(text).only(0)])
            ids_T = inputs["input_ids"][0]
            with torch.inference_mode():
                hidden_BTD = first_tensor(self.net(**inputs))
            assert hidden_BTD is not None
            scores_TV = hidden_BTD[0, :-1].float() @ self.next_token_VD.T
            nats += float(functional.cross_entropy(scores_TV, ids_T[1:], reduction="sum"))
            count += len(ids_T) - 1
        return nats, count

    def describe(self) -> dict[str, Any]:
        """The network's configuration, pooling, preprocessing and card; the tokenizer goes with `save_preprocessing`."""
        net: Any = self.net
        return {
            "family": "transformers",
            "modality": "text",
            "config": json.loads(net.config.to_json_string(use_diff=False)),
            "pooling": {**asdict(self.pooling), "modes": list(self.pooling.modes)},
            "preprocess": self.preprocess.to_dict(),
            "card": self.card.to_dict(),
        }

    def narrowed(self, tokens: np.ndarray) -> AbstractContextManager[None]:
        """While it lasts, the token embeddings are those of `tokens` alone."""
        # What tells the next token compares with all of them.
        return nullcontext() if getattr(self.preprocess, "tells_tokens", False) else narrowed(self.net, tokens)

    def save_preprocessing(self, folder: Path) -> None:
        """Write the tokenizer's files."""
        super().save_preprocessing(folder)
        self.preprocess.save(folder)

    def twin(self) -> TextBackbone:
        """Random weights as transformers initialises them."""
        from headstart.models.from_transformers import build

        net: Any = self.net
        other: Any = build(net.config)
        twin = TextBackbone(
            other,
            preprocess=self.preprocess,
            card=self.card.random_twin(),
            pooling=self.pooling,
            stages=self.stages,
        )
        if self.next_token_VD is not None:
            deviation = getattr(net.config, "initializer_range", 0.02)
            own = torch.empty_like(self.next_token_VD).normal_(0, deviation) if not self.is_tied else other.get_input_embeddings().weight
            twin.next_token_VD = own.detach()
        return twin

    @property
    def is_tied(self) -> bool:
        """Whether the next token is told by comparing with the embeddings themselves."""
        net: Any = self.net
        return bool(getattr(net.config, "tie_word_embeddings", False))

    def _cut(self) -> tuple[Stage, ...]:
        inputs = self.preprocess.collate([self.preprocess.prepare(self.preprocess.example)])
        mask_BT = inputs["attention_mask"].float()
        return cut(self.net, lambda: self(inputs), lambda hidden_BTD: _mean(hidden_BTD, mask_BT))
