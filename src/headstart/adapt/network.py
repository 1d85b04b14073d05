"""A backbone with a head: what is trained, saved and used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from headstart.adapt.head_kinds import HEADS, LinearHead
from headstart.models.backbone import Backbone, Inputs
from headstart.models.resume import Resumed
from headstart.registry import pick
from headstart.tasks.base import Units


class HeadInUnits(LinearHead):
    """A linear head whose weights are trained on standardised targets and whose outputs are in the user's own unit."""

    def __init__(self, width: int, outputs: int, units: Units) -> None:
        """Weights of D = `width` features for K `outputs`."""
        super().__init__(width, outputs)
        self.units = units

    def forward(self, features_BD: Tensor) -> Tensor:
        """Outputs (B, K), in single precision: half of it has three digits only."""
        with torch.autocast(features_BD.device.type, enabled=False):
            return super().forward(features_BD.float()) * self.units.scale + self.units.shift


class Network(nn.Module):
    """Backbone and head; `forward` gives logits (B, K), or what else a head gives that reads tokens.

    The head reads the backbone's own features, or with `reads` those of the stages with these numbers, side by side; or it says
    itself that it reads the states of single tokens. With `units` it is trained on standardised targets.
    """

    head: Any

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        units: Units | None = None,
        *,
        head: nn.Module | None = None,
        reads: Sequence[int] | None = None,
    ) -> None:
        """Without `head` a linear one of zeros for K `classes` or outputs: before training, every class is equally likely, and a
        quantity its mean.
        """
        super().__init__()
        self.backbone = backbone
        self.reads = None if reads is None else tuple(reads)
        width = backbone.width_of(self.reads)
        self.head = head or (LinearHead(width, classes) if units is None else HeadInUnits(width, classes, units))
        if hasattr(self.head, "attach"):
            self.head.attach(backbone)

    def forward(self, inputs: Inputs) -> Tensor:
        """The head's outputs (B, …): logits (B, K) where it reads features."""
        if self.reads_tokens:
            outputs: Tensor = self.head(self.backbone.states(inputs))
            return outputs
        features_BD = self.backbone(inputs) if self.reads is None else self.backbone.side_by_side(inputs, self.reads)
        logits_BK: Tensor = self.head(features_BD)
        return logits_BK

    def rows(self, inputs: Inputs) -> Tensor:
        """What is kept of each example's outputs (B, row width)."""
        kept_BR: Tensor = self.head.kept(self(inputs))
        return kept_BR

    @property
    def reads_tokens(self) -> bool:
        """Whether its head reads the states of single tokens."""
        return getattr(self.head, "reads", "features") == "tokens"

    @property
    def extractor(self) -> Backbone:
        """What is passed through before `answer`: the backbone, or the whole network where its head reads tokens."""
        return cast(Backbone, Rows(self)) if self.reads_tokens else self.backbone

    def follow(self) -> None:
        """Let a head that moves with the backbone move where that does now."""
        if hasattr(self.head, "follow"):
            self.head.follow(self.backbone)

    def stage_parameters(self) -> list[list[nn.Parameter]]:
        """The backbone's parameters by stage; one that several stages name belongs to the last of them, as with `freeze_below`."""
        backbone = self.backbone.backbone if isinstance(self.backbone, Resumed) else self.backbone
        owner: dict[nn.Parameter, int] = {}
        for number, stage in enumerate(backbone.stages):
            owner.update(
                (parameter, number) for module in backbone.stage_modules(stage) for parameter in module.parameters()
            )
        stages: list[list[nn.Parameter]] = [[] for _ in backbone.stages]
        for parameter, number in owner.items():
            stages[number].append(parameter)
        return stages

    def answer(self, features_ND: np.ndarray) -> np.ndarray:
        """Rows (N × K) of what the extractor gave before."""
        if self.reads_tokens:
            return features_ND
        device = next(iter(self.head.state_dict().values())).device
        with torch.inference_mode():
            logits_NK: np.ndarray = self.head(torch.from_numpy(features_ND).to(device)).cpu().numpy()
        return logits_NK

    def set_head(self, weight_KD: np.ndarray, bias_K: np.ndarray) -> None:
        """Put a solved probe in as the head."""
        if isinstance(self.head, HeadInUnits):
            units = self.head.units
            weight_KD, bias_K = weight_KD / units.scale, (bias_K - units.shift) / units.scale
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight_KD, dtype=np.float32)))
            self.head.bias.copy_(torch.from_numpy(np.asarray(bias_K, dtype=np.float32)))

    def head_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """A linear head as arrays: weight (K, D) and bias (K,)."""
        weight_KD, bias_K = self.head.weight.detach().cpu().numpy(), self.head.bias.detach().cpu().numpy()
        if isinstance(self.head, HeadInUnits):
            units = self.head.units
            weight_KD, bias_K = weight_KD * units.scale, bias_K * units.scale + units.shift
        return weight_KD, bias_K

    def with_plain_head(self) -> Network:
        """The same network with a head that is linear by itself, as networks are saved."""
        if not isinstance(self.head, HeadInUnits):
            return self
        plain = Network(self.backbone, self.head.out_features, reads=self.reads).to(self.head.weight.device)
        plain.set_head(*self.head_arrays())
        return plain.train(self.training)

    def describe_head(self) -> dict[str, Any]:
        """JSON-ready: the kind of head, what it is made from, and the names of the stages it reads (None: the features)."""
        names = None if self.reads is None else [self.backbone.stages[number].name for number in self.reads]
        return {"kind": self.head.kind, "stages": names, **self.head.describe()}


def remade(backbone: Backbone, described: Mapping[str, Any]) -> Network:
    """A network whose head is as `describe_head` said, its tensors still to be loaded.

    Raises KeyError where the backbone lacks a stage of that name, and TypeError where the description is not whole.
    """
    given = dict(described)
    kind, names = given.pop("kind"), given.pop("stages")
    place = {stage.name: number for number, stage in enumerate(backbone.stages)}
    reads = None if names is None else [place[name] for name in names]
    head = pick(HEADS, kind, what="kind of head")(**given)
    return Network(backbone, given["classes"], head=head, reads=reads)


class Rows(nn.Module):
    """A network whose head reads tokens, as what extracts features takes it: the features of an example are its row."""

    def __init__(self, network: Network) -> None:
        """Shares its weights with `network`."""
        super().__init__()
        self.network = network
        self.preprocess, self.card, self.width = network.backbone.preprocess, network.backbone.card, network.head.row_width

    def forward(self, inputs: Inputs) -> Tensor:
        """Rows (B, row width)."""
        return self.network.rows(inputs)


class Moving(Network):
    """The stages of a network that move, and its head, for batches of what goes into the first of them."""

    def __init__(self, network: Network, first: int, sample: Inputs) -> None:
        """Shares its weights with `network`, whose stages before `first` are frozen; see `Resumed` for the sample."""
        nn.Module.__init__(self)
        self.backbone = Resumed(network.backbone, first, sample)  # type: ignore[assignment]
        self.head, self.reads = network.head, network.reads


def freeze_below(backbone: Backbone, first: int) -> None:
    """Freeze the stages before number `first` and let the others move.

    Normalisation layers in frozen stages must also stay in eval mode; `hold_statistics` does that at each step.
    """
    for number, stage in enumerate(backbone.stages):
        for module in backbone.stage_modules(stage):
            module.requires_grad_(number >= first)


def hold_statistics(network: nn.Module, *, also_moving: bool) -> None:
    """Put dropout and batch norm of frozen modules in eval mode, and with `also_moving` every batch norm.

    Running statistics estimated from a few dozen examples are worse than those of the source.
    """
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        frozen = bool(own) and not any(parameter.requires_grad for parameter in own)
        if frozen or (also_moving and isinstance(module, nn.modules.batchnorm._BatchNorm)):
            module.eval()
