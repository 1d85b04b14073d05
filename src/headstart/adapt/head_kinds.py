"""What a network can end in: a linear layer, the training examples themselves and who of them is near, or a reader of single tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from headstart.adapt.language_head import LanguageHead
from headstart.adapt.span_head import SpanHead
from headstart.adapt.token_head import TokenHead
from headstart.models.backbone import Backbone
from headstart.solvers import Array, directions, nearest

Reads = Literal["features", "tokens"]
"""What of a backbone a head reads: one vector per example, or the states of single tokens."""

SPARE = 2
"""How many more neighbours are looked at than vote, in multiples: those as near as the last one share its place."""


@runtime_checkable
class Head(Protocol):
    """The last part of a network: a module from what it reads to outputs, one for each example of a batch.

    Where it reads `features` (B, D) the outputs are logits (B, K). Where it reads `tokens` (States) they are whatever its task's
    loss takes; of each example a row of `row_width` numbers is kept (`kept`), for validation, journal and evidence.
    """

    kind: ClassVar[str]
    reads: ClassVar[Reads]
    starts_trained: ClassVar[bool]
    """Whether it is a part of the checkpoint, so that it needs no higher rate than the network below."""
    out_features: int

    @property
    def row_width(self) -> int:
        """How many numbers are kept of an example."""
        ...

    def __call__(self, seen: Any) -> Tensor:
        """Outputs (B, …) from features or States."""
        ...

    def kept(self, outputs: Tensor) -> Tensor:
        """What is kept of outputs (B, row_width)."""
        ...

    def describe(self) -> dict[str, Any]:
        """JSON-ready: what an empty one is made from again, before its tensors are loaded."""
        ...


class StartingHead(Head, Protocol):
    """A head that a training can begin with, so that a task may name it."""

    @classmethod
    def start(cls, backbone: Backbone, outputs: int) -> StartingHead:
        """One for so many outputs on `backbone`; what its family wrote into it can be taken over."""
        ...


class ReadsFeatures:
    """A base for heads that read one feature vector per example: all their logits are kept."""

    reads: ClassVar[Reads] = "features"
    starts_trained: ClassVar[bool] = False
    out_features: int

    @property
    def row_width(self) -> int:
        """K."""
        return self.out_features

    def kept(self, logits_BK: Tensor) -> Tensor:
        """The logits."""
        return logits_BK


class LinearHead(ReadsFeatures, nn.Linear):
    """Weights (K, D) and bias (K), zeros at first: before training, every class is equally likely."""

    kind: ClassVar[str] = "linear"

    def __init__(self, width: int, classes: int) -> None:
        """For D = `width` features and K `classes`."""
        super().__init__(width, classes)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    @classmethod
    def start(cls, backbone: Backbone, outputs: int) -> LinearHead:
        """Zeros for the backbone's features."""
        return cls(backbone.width, outputs)

    def describe(self) -> dict[str, Any]:
        """Its size."""
        return {"width": self.in_features, "classes": self.out_features}


class NeighbourHead(ReadsFeatures, nn.Module):
    """The directions (N, D) of N examples around their mean, and their targets (N, or N, K): the k nearest by cosine vote.

    A neighbour at cosine c counts exp(c / `temperature`). To their share of the votes comes one vote for what is usual
    (`usual`, K), so that nothing is impossible and log loss and calibration mean something; logits are what `LINKS` makes of
    that share.
    """

    kind: ClassVar[str] = "neighbours"
    directions: Tensor
    targets: Tensor
    mean: Tensor
    usual: Tensor

    def __init__(self, width: int, classes: int, examples: int, k: int, temperature: float, link: str) -> None:
        """Room for N `examples`; `remember` fills it."""
        super().__init__()
        self.in_features, self.out_features, self.examples = width, classes, examples
        self.k, self.temperature, self.link = k, temperature, link
        self.register_buffer("directions", torch.zeros(examples, width))
        shape, dtype = TARGETS[link]
        self.register_buffer("targets", torch.zeros(shape(examples, classes), dtype=dtype))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("usual", torch.full((classes,), 1 / classes))
        self.rows: Array | None = None
        """Which examples they are, and the group of each (N), where that is known: not saved, and none of a new example's business."""
        self.groups: Array | None = None

    def describe(self) -> dict[str, Any]:
        """Its size and how votes are counted."""
        return {
            "width": self.in_features,
            "classes": self.out_features,
            "examples": self.examples,
            "k": self.k,
            "temperature": self.temperature,
            "link": self.link,
        }

    def remember(self, features_ND: Array, targets: Array) -> None:
        """Take the examples in."""
        mean_D = features_ND.mean(0, dtype=np.float64).astype(np.float32)
        self.mean.copy_(torch.from_numpy(mean_D))
        self.directions.copy_(torch.from_numpy(directions(features_ND, mean_D)))
        self.targets.copy_(torch.from_numpy(targets))
        self.usual.copy_(torch.from_numpy(usual(targets, self.out_features)))

    def forward(self, features_BD: Tensor) -> Tensor:
        """Logits (B, K)."""
        logits_BK = self.answer(features_BD.detach().float().cpu().numpy())
        return torch.from_numpy(logits_BK).to(features_BD.device)

    def answer(self, features_BD: Array, groups_B: Array | None = None) -> Array:
        """Logits (B × K, float32); examples of one's own group in `groups_B`, a number of `groups`, have no vote."""
        asked_BD = directions(features_BD, self.mean.cpu().numpy())
        known_ND = self.directions.cpu().numpy()
        found = nearest(asked_BD, known_ND, SPARE * self.k, asked_Q=groups_B, known_N=self.groups)
        share_BK = found.shares(self.targets.cpu().numpy(), self.out_features, k=self.k, temperature=self.temperature)
        return LINKS[self.link](votes(share_BK, self.usual.cpu().numpy(), self.k))


def usual(targets: Array, classes: int) -> Array:
    """How often each class is seen (K, float32), with one example more that is everything a little: none is zero or one."""
    seen_K = np.bincount(targets, minlength=classes) if targets.ndim == 1 else targets.sum(0)
    return ((seen_K + 1 / max(2, classes)) / (len(targets) + 1)).astype(np.float32)


def votes(share_BK: Array, usual_K: Array, k: int) -> Array:
    """The share of k votes for each class, with one more for what is usual; where nobody is near, only that one counts."""
    told_BK = np.where(np.isnan(share_BK), usual_K, share_BK)
    return np.asarray((k * told_BK + usual_K) / (k + 1))


def _log(share_BK: Array) -> Array:
    return np.asarray(np.log(share_BK), np.float32)


def _logit(share_BK: Array) -> Array:
    return np.asarray(np.log(share_BK) - np.log1p(-share_BK), np.float32)


LINKS: Mapping[str, Callable[[Array], Array]] = {"single": _log, "multi": _logit}
"""From shares of the votes to logits, by the kind of labels: the inverse of how the task reads logits."""

TARGETS: Mapping[str, tuple[Callable[[int, int], tuple[int, ...]], torch.dtype]] = {
    "single": (lambda examples, classes: (examples,), torch.int64),
    "multi": (lambda examples, classes: (examples, classes), torch.uint8),
}
"""How targets are kept: the shape for N examples and K classes, and the type."""

HEADS: Mapping[str, Any] = {head.kind: head for head in (LinearHead, NeighbourHead, SpanHead, LanguageHead, TokenHead)}
"""Kinds of heads by name: each takes what its `describe` says; those that a task names are `StartingHead`s."""
