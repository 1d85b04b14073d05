"""Augmentation of pictures on the device: a random crop resized back, a flip, mild colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far to go: smallest share of the area kept, chance of a mirror image, strength of the colour changes."""

    smallest_area: float = 0.5
    flip: float = 0.5
    colour: float = 0.15


STANDARD = Augmentation()


def augment(batch_B3HW: torch.Tensor, rng: np.random.Generator, how: Augmentation = STANDARD) -> torch.Tensor:
    """A changed copy of pictures (B, 3, H, W), of the same shape and type; a function of the pictures and `rng` alone.

    Pictures that are not uint8 were normalised by their owner: their colours, whose scale is not known here, stay.
    """
    import torch
    from torch.nn import functional

    count = len(batch_B3HW)
    area = rng.uniform(how.smallest_area, 1.0, count)
    ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), count))
    width, height = np.minimum(np.sqrt(area * ratio), 1.0), np.minimum(np.sqrt(area / ratio), 1.0)
    theta_B23 = np.zeros((count, 2, 3), dtype=np.float32)
    # grid_sample's coordinates run from -1 to 1, so a crop of width w may move by 1 - w either way.
    theta_B23[:, 0, 2] = rng.uniform(-1, 1, count) * (1 - width)
    theta_B23[:, 1, 2] = rng.uniform(-1, 1, count) * (1 - height)
    theta_B23[:, 0, 0] = width * np.where(rng.random(count) < how.flip, -1, 1)
    theta_B23[:, 1, 1] = height
    device = batch_B3HW.device
    grid = functional.affine_grid(torch.from_numpy(theta_B23).to(device), list(batch_B3HW.shape), align_corners=False)
    cropped = functional.grid_sample(batch_B3HW.float(), grid, padding_mode="reflection", align_corners=False)
    if batch_B3HW.dtype != torch.uint8:
        return cropped.to(batch_B3HW.dtype)
    return _coloured(cropped, rng, how.colour).round_().clamp_(0, 255).to(torch.uint8)


def _coloured(batch_B3HW: torch.Tensor, rng: np.random.Generator, strength: float) -> torch.Tensor:
    """Change brightness, contrast and saturation by up to `strength` each."""
    import torch

    factors = rng.uniform(1 - strength, 1 + strength, (3, len(batch_B3HW), 1, 1, 1)).astype(np.float32)
    brightness, contrast, saturation = torch.from_numpy(factors).to(batch_B3HW.device)
    bright = batch_B3HW * brightness
    middle = bright.mean(dim=(1, 2, 3), keepdim=True)
    contrasted = (bright - middle) * contrast + middle
    grey = contrasted.mean(dim=1, keepdim=True)
    coloured: torch.Tensor = (contrasted - grey) * saturation + grey
    return coloured
