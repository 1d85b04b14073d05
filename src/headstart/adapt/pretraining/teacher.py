"""The teacher of a distillation: any convolutional network of timm's, on views normalised as it wants them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from headstart.adapt.segments import segments
from headstart.errors import OptionError
from headstart.models.image_backbone import ImageBackbone
from headstart.models.image_preprocess import ImagePreprocess
from headstart.models.resolve import load_backbone

SUITABLE = "Give a convolutional model of timm's: a folder with config.json and model.safetensors, or timm:NAME."


class Scale(nn.Module):
    """Pixels between −1 and 1 to those that a network was trained on."""

    gain: Tensor
    shift: Tensor

    def __init__(self, gain: Tensor, shift: Tensor) -> None:
        """A factor and a summand for each channel, (3,) both."""
        super().__init__()
        self.register_buffer("gain", gain.view(1, 3, 1, 1))
        self.register_buffer("shift", shift.view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """The pixels, in the precision they came in."""
        return (pixels.float() * self.gain + self.shift).to(pixels.dtype)


class Renormalised(nn.Module):
    """A teacher for pixels between −1 and 1 that was trained on pixels normalised otherwise."""

    def __init__(self, net: nn.Module, scale: Scale) -> None:
        super().__init__()
        self.scale, self.net = scale, net

    def segments(self) -> list[nn.Module]:
        """The network's own, with the pixels scaled first."""
        first, *rest = segments(self.net)
        return [nn.Sequential(self.scale, first), *rest]

    def forward_features(self, pixels: Tensor) -> Tensor:
        """The network's last feature map."""
        net: Any = self.net
        map_BCHW: Tensor = net.forward_features(self.scale(pixels))
        return map_BCHW


def load_teacher(spec: str | Path, *, size: int) -> tuple[nn.Module, dict[str, str | None]]:
    """The network that `spec` names, for views between −1 and 1 at `size` pixels, and what the card says of it.

    Raises what `load_backbone` raises, and OptionError for a network without a feature map (B, C, H, W).
    """
    backbone = load_backbone(spec)
    if not isinstance(backbone, ImageBackbone) or not hasattr(backbone.net, "forward_features"):
        raise OptionError(f"--teacher {spec}: is no timm model for pictures. {SUITABLE}")
    teacher = _for_views(backbone.net, backbone.preprocess)
    try:
        with torch.inference_mode():
            found = teacher.forward_features(torch.zeros(1, 3, size, size))  # type: ignore[operator]
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"--teacher {spec}: takes no pictures of {size} pixels ({error}). Set --size.") from error
    if found.ndim != 4 or getattr(backbone.net, "output_fmt", "NCHW") == "NHWC":
        raise OptionError(f"--teacher {spec}: gives no feature map by channels. {SUITABLE}")
    card = backbone.card
    return teacher, {"name": card.name, "weights_sha256": card.weights_sha256, "licence": card.licence}


def _for_views(net: nn.Module, preprocess: ImagePreprocess) -> nn.Module:
    mean, std = torch.tensor(preprocess.mean), torch.tensor(preprocess.std)
    half = 127.5 * preprocess.scale
    gain, shift = half / std, (half - mean) / std
    if all(math.isclose(value, 1.0, abs_tol=1e-6) for value in gain.tolist()) and float(shift.abs().max()) < 1e-6:
        return net
    return Renormalised(net, Scale(gain, shift))
