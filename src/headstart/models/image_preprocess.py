"""From a PIL image to the pixels a network was trained on: resize, crop, and the numbers to normalise by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}

LONGEST_STRIP = 50
"""Longer side over shorter side beyond which only the middle of a picture is looked at."""

Engine = Literal["pil", "torch"]
"""Whose resize: Pillow's (timm, torchvision) or torch's (transformers). They differ by a grey level here and there."""

Fit = Literal["shortest", "cover", "contain", "exact"]


@dataclass(frozen=True, slots=True)
class ImagePreprocess:
    """A checkpoint's own preparation of pictures.

    `resize` (height, width) is reached as `fit` says: `shortest` makes the shorter side as long as the first number,
    `cover` and `contain` keep the shape and reach or stay within both, `exact` changes the shape. Then the middle of
    `size` (height, width) is cut out; where the picture is smaller, `fill` (RGB) pads it. `mean` and `std` are per
    channel, of pixels from 0 to 255 times `scale`; the backbone applies them on the device.
    """

    size: tuple[int, int]
    resize: tuple[int, int] | None
    fit: Fit = "shortest"
    interpolation: str = "bicubic"
    engine: Engine = "pil"
    fill: tuple[int, int, int] = (0, 0, 0)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    scale: float = 1 / 255

    def prepare(self, raw: Any) -> np.ndarray:
        """An RGB PIL image as uint8 (height, width, 3)."""
        picture: Image.Image = raw
        if self.resize is not None:
            picture = _without_far_ends(picture)
            height, width = FITS[self.fit](picture.height, picture.width, self.resize)
            if self.engine == "torch":
                return self._cropped(_torch_resize(picture, height, width, self.interpolation))
            picture = picture.resize((width, height), INTERPOLATIONS[self.interpolation])
        return self._cropped(np.asarray(picture))

    def collate(self, prepared: Sequence[Any]) -> Tensor:
        """Pictures as one uint8 batch (B, 3, H, W), channels last in memory."""
        batch_BHW3 = torch.from_numpy(np.stack(prepared))
        return batch_BHW3.permute(0, 3, 1, 2)

    def cost(self, prepared: Any) -> int:
        """Every picture costs the same."""
        return 1

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImagePreprocess:
        """The inverse of `to_dict`."""
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**settings)

    def _cropped(self, pixels_HW3: np.ndarray) -> np.ndarray:
        pixels_HW3 = _padded(pixels_HW3, self.size, self.fill)
        height, width = pixels_HW3.shape[:2]
        # Families round half a pixel differently: torchvision and timm to even, transformers down.
        whole = math.floor if self.engine == "torch" else round
        top, left = whole((height - self.size[0]) / 2), whole((width - self.size[1]) / 2)
        return np.ascontiguousarray(pixels_HW3[top : top + self.size[0], left : left + self.size[1]])


def _shortest(height: int, width: int, target: tuple[int, int]) -> tuple[int, int]:
    short = target[0]
    if height <= width:
        return short, int(short * width / height)
    return int(short * height / width), short


def _cover(height: int, width: int, target: tuple[int, int]) -> tuple[int, int]:
    ratio = min(height / target[0], width / target[1])
    return round(height / ratio), round(width / ratio)


def _contain(height: int, width: int, target: tuple[int, int]) -> tuple[int, int]:
    ratio = max(height / target[0], width / target[1])
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def _exact(height: int, width: int, target: tuple[int, int]) -> tuple[int, int]:
    return target


FITS: Mapping[str, Callable[[int, int, tuple[int, int]], tuple[int, int]]] = {
    "shortest": _shortest,
    "cover": _cover,
    "contain": _contain,
    "exact": _exact,
}


def _without_far_ends(picture: Image.Image) -> Image.Image:
    """The middle of a strip: enlarged to the network's size, a picture of 1 × 10,000 pixels would fill the memory."""
    width, height = picture.size
    longest = LONGEST_STRIP * min(width, height)
    if max(width, height) <= longest:
        return picture
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return picture.crop((left, top, left + min(width, longest), top + min(height, longest)))


def _torch_resize(picture: Image.Image, height: int, width: int, interpolation: str) -> np.ndarray:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    pixels_3HW = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    mode = InterpolationMode(interpolation)
    resized_3HW = functional.resize(pixels_3HW, [height, width], interpolation=mode, antialias=True)
    pixels_HW3: np.ndarray = resized_3HW.permute(1, 2, 0).numpy()
    return pixels_HW3


def _padded(pixels_HW3: np.ndarray, size: tuple[int, int], fill: tuple[int, int, int]) -> np.ndarray:
    """The picture in the middle of a ground of at least `size`, the odd pixel below or to the right."""
    height, width = pixels_HW3.shape[:2]
    if height >= size[0] and width >= size[1]:
        return pixels_HW3
    tall, wide = max(height, size[0]), max(width, size[1])
    ground = np.empty((tall, wide, 3), dtype=np.uint8)
    ground[:] = fill
    top, left = (tall - height) // 2, (wide - width) // 2
    ground[top : top + height, left : left + width] = pixels_HW3
    return ground
