"""A backbone with a head: what is trained, saved and used."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from headstart.models.backbone import Backbone, Inputs
from headstart.models.resume import Resumed
from headstart.tasks.base import Units


class HeadInUnits(nn.Linear):
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
    """Backbone and linear head; `forward` gives logits (B, K)."""

    def __init__(self, backbone: Backbone, classes: int, units: Units | None = None) -> None:
        """A head of zeros for K `classes` or outputs: before training, every class is equally likely, and a quantity its mean."""
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.width, classes) if units is None else HeadInUnits(backbone.width, classes, units)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: Inputs) -> Tensor:
        """Logits (B, K)."""
        features_BD: Tensor = self.backbone(inputs)
        logits_BK: Tensor = self.head(features_BD)
        return logits_BK

    def set_head(self, weight_KD: np.ndarray, bias_K: np.ndarray) -> None:
        """Put a solved probe in as the head."""
        if isinstance(self.head, HeadInUnits):
            units = self.head.units
            weight_KD, bias_K = weight_KD / units.scale, (bias_K - units.shift) / units.scale
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight_KD, dtype=np.float32)))
            self.head.bias.copy_(torch.from_numpy(np.asarray(bias_K, dtype=np.float32)))

    def head_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The head as arrays: weight (K, D) and bias (K,)."""
        weight_KD, bias_K = self.head.weight.detach().cpu().numpy(), self.head.bias.detach().cpu().numpy()
        if isinstance(self.head, HeadInUnits):
            units = self.head.units
            weight_KD, bias_K = weight_KD * units.scale, bias_K * units.scale + units.shift
        return weight_KD, bias_K

    def with_plain_head(self) -> Network:
        """The same network with a head that is linear by itself, as networks are saved."""
        if not isinstance(self.head, HeadInUnits):
            return self
        plain = Network(self.backbone, self.head.out_features).to(self.head.weight.device)
        plain.set_head(*self.head_arrays())
        return plain.train(self.training)


class Moving(Network):
    """The stages of a network that move, and its head, for batches of what goes into the first of them."""

    def __init__(self, network: Network, first: int, sample: Inputs) -> None:
        """Shares its weights with `network`, whose stages before `first` are frozen; see `Resumed` for the sample."""
        nn.Module.__init__(self)
        self.backbone = Resumed(network.backbone, first, sample)  # type: ignore[assignment]
        self.head = network.head


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
