"""What all image backbones share: normalisation on the device, pooling of maps and tokens, features of every stage."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional

from headstart.errors import ModelError
from headstart.models.backbone import Backbone, Inputs, Stage
from headstart.models.card import SourceCard
from headstart.models.cut import cut, watch
from headstart.models.image_preprocess import ImagePreprocess

MOST_PREFIX_TOKENS = 16  # class, distillation and register tokens; more would be another grid than the patches'


class ImageBackbone(Backbone):
    """A backbone for pictures: `forward` takes uint8 batches (B, 3, H, W) and normalises them where the weights are."""

    preprocess: ImagePreprocess
    _mean: Tensor
    _scale: Tensor

    def __init__(
        self,
        net: torch.nn.Module,
        *,
        preprocess: ImagePreprocess,
        card: SourceCard,
        patch: int | None = None,
        nhwc: bool = False,
        stages: tuple[Stage, ...] | None = None,
    ) -> None:
        """`patch` is the side of a token in pixels, where the network has tokens; `nhwc` says that its maps are (B, H, W, D).

        Without `stages` the network is cut by its structure, which takes one forward pass.
        """
        super().__init__()
        self.net, self.preprocess, self.card = net.eval(), preprocess, card
        self._patch, self._nhwc = patch, nhwc
        mean, std = torch.tensor(preprocess.mean), torch.tensor(preprocess.std)
        # Not persistent: they are preprocessing, written in its description, and no weights.
        self.register_buffer("_mean", (mean / preprocess.scale).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_scale", (preprocess.scale / std).view(1, 3, 1, 1), persistent=False)
        self.stages = stages or cut(self.net, self._dummy_features, self._pool)

    @abstractmethod
    def pooled(self, pixels: Tensor) -> Tensor:
        """The network's own features (B, D) of normalised `pixels` (B, 3, H, W), before its head."""

    def forward(self, inputs: Inputs) -> Tensor:
        """Features (B, D) of a uint8 batch (B, 3, H, W)."""
        if isinstance(inputs, dict):
            raise TypeError("an image backbone takes a batch of pictures, not of tokens")
        return self.pooled(self.normalised(inputs))

    def stage_features(self, inputs: Inputs, only: Sequence[int] | None = None) -> list[Tensor]:
        """Pooled features after every stage, from one forward pass."""
        with self.watched(only) as seen:
            last = self(inputs)
        return [*(seen[number] for number in sorted(seen)), last]

    def watched(self, only: Sequence[int] | None = None) -> AbstractContextManager[dict[int, Tensor]]:
        """While open, each pass fills the dict with the pooled features of every stage, or of those in `only`, but the last."""
        return watch(self.net, self.stages, self._pool, only)

    def normalised(self, pixels_B3HW: Tensor) -> Tensor:
        """Pixels from 0 to 255 as the network wants them, in the precision of its weights, channels last if they come so."""
        weight = next(parameter for parameter in self.net.parameters() if parameter.ndim > 1)
        normal_B3HW: Tensor = (pixels_B3HW.float() - self._mean) * self._scale
        in_precision_B3HW: Tensor = normal_B3HW.to(weight.dtype)
        return in_precision_B3HW

    def _pool(self, activations: Tensor) -> Tensor:
        if activations.ndim == 4:
            return activations.mean((1, 2)) if self._nhwc else mean_of_maps(activations)
        if activations.ndim == 3:
            return activations[:, self._prefix(activations.shape[1]) :].mean(1)
        return activations.flatten(1)

    def _prefix(self, tokens: int) -> int:
        """How many of the first `tokens` are no patches of the picture."""
        if self._patch is None:
            return 0
        height, width = self.preprocess.size
        extra = tokens - (height // self._patch) * (width // self._patch)
        return extra if 0 < extra <= MOST_PREFIX_TOKENS else 0

    def _dummy_features(self) -> Tensor:
        height, width = self.preprocess.size
        features: Tensor = self(torch.full((1, 3, height, width), 127, dtype=torch.uint8))
        if features.ndim != 2:
            raise ModelError(
                f"{self.card.name}: gives features of shape {tuple(features.shape)}, not one row per picture. Use another model."
            )
        return features


def mean_of_maps(maps_BCHW: Tensor) -> Tensor:
    """The mean over each map (B, C).

    Torch's own mean of bfloat16 maps is not vectorised on a CPU: pooling gives the same numbers up to 25 times faster.
    """
    if maps_BCHW.dtype == torch.bfloat16 and maps_BCHW.device.type == "cpu":
        return functional.avg_pool2d(maps_BCHW, maps_BCHW.shape[2:]).flatten(1)
    return maps_BCHW.mean((2, 3))


def pixels_in_words(preprocess: ImagePreprocess) -> str:
    """What one example becomes, in words for the source card."""
    height, width = preprocess.size
    return f"{height} px RGB" if height == width else f"{height} × {width} px RGB"
