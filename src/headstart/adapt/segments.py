"""A convolutional network as a chain of segments: where a student can be compared with its teacher on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def segments(net: Any) -> list[nn.Module]:
    """Modules that, one after the other, do what `net.forward_features` does; the whole as one where no cut is known.

    They share the network's weights. Names are those that timm gives to the parts of its
    families; a network that knows its own cut says it by a method of this name.
    """
    if hasattr(net, "segments"):
        own: list[nn.Module] = net.segments()
        return own
    for has, cut in FAMILIES:
        if all(hasattr(net, name) for name in has):
            return cut(net)
    return [Whole(net)]


class Whole(nn.Module):
    """All of `forward_features` as one segment."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        """The last feature map."""
        found: Tensor = self.net.forward_features(pixels)
        return found


def _efficientnet(net: Any) -> list[nn.Module]:
    first, *rest = net.blocks
    return [nn.Sequential(net.conv_stem, net.bn1, first), *rest, nn.Sequential(net.conv_head, net.bn2)]


def _resnet(net: Any) -> list[nn.Module]:
    stem = nn.Sequential(net.conv1, net.bn1, net.act1, net.maxpool)
    return [nn.Sequential(stem, net.layer1), net.layer2, net.layer3, net.layer4]


FAMILIES: tuple[tuple[tuple[str, ...], Callable[[Any], list[nn.Module]]], ...] = (
    (("conv_stem", "bn1", "blocks", "conv_head", "bn2"), _efficientnet),
    (("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", "layer4"), _resnet),
)
"""Parts that tell a family, and how to cut it."""
