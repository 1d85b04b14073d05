"""Where reduced precision costs more than it saves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from headstart.runtime import Placement


def spare_slow_layers(net: nn.Module, placement: Placement) -> None:
    """Let strided depthwise convolutions train in float32 on a CPU, whatever the autocast around them says.

    oneDNN has no vectorised bfloat16 backward pass for them: four such layers of a MobileNetV2 took two thirds of a
    training step. Weights, their names and inference stay as they are. Changes `net` in place.
    """
    if placement.device != "cpu" or placement.low is None:
        return
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1 and max(module.stride) > 1:
            module.__class__ = _in_float32(type(module))  # type: ignore[assignment,arg-type]


@contextmanager
def training_pass(placement: Placement) -> Iterator[None]:
    """The precision of a forward pass that is followed by a backward one, and on a CPU in bfloat16 attention step by step.

    Torch's fused attention has no vectorised bfloat16 backward pass there: at 21 tokens it took six tenths of a step of a MiniLM,
    and a step takes 0.10 s without it in place of 0.24 s.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    slow = placement.device == "cpu" and placement.low is not None
    with placement.autocast(), sdpa_kernel(SDPBackend.MATH) if slow else nullcontext():
        yield


class _InFloat32:
    """Mixed into a layer's class; a wrapped `forward` would not survive a copy of the network."""

    def forward(self, x: Tensor) -> Tensor:
        parent: Any = super()
        if not torch.is_grad_enabled():
            return parent.forward(x)  # type: ignore[no-any-return]
        with torch.autocast("cpu", enabled=False):
            return parent.forward(x.float())  # type: ignore[no-any-return]


@cache
def _in_float32(layer: type[nn.Module]) -> type[nn.Module]:
    return layer if issubclass(layer, _InFloat32) else type(layer.__name__, (_InFloat32, layer), {})
