"""A backbone with a head: what is trained, saved and used."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from headstart.models.backbone import Backbone, Inputs
from headstart.models.resume import Resumed


class Network(nn.Module):
    """Backbone and linear head; `forward` gives logits (B, K)."""

    def __init__(self, backbone: Backbone, classes: int) -> None:
        """A head of zeros for K `classes`: before training, every class is equally likely."""
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.width, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: Inputs) -> Tensor:
        """Logits (B, K)."""
        features_BD: Tensor = self.backbone(inputs)
        logits_BK: Tensor = self.head(features_BD)
        return logits_BK

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

    def set_head(self, weight_KD: np.ndarray, bias_K: np.ndarray) -> None:
        """Put a solved probe in as the head."""
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight_KD, dtype=np.float32)))
            self.head.bias.copy_(torch.from_numpy(np.asarray(bias_K, dtype=np.float32)))

    def head_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The head as arrays: weight (K, D) and bias (K,)."""
        return self.head.weight.detach().cpu().numpy(), self.head.bias.detach().cpu().numpy()


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
