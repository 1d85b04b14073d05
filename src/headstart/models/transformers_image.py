"""Image models of transformers: their processor's settings, and the features their own classifiers read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from headstart.errors import ModelError
from headstart.models.backbone import Stage
from headstart.models.card import SourceCard
from headstart.models.image_backbone import ImageBackbone
from headstart.models.image_preprocess import Fit, ImagePreprocess
from headstart.models.weights import read_config

WARPED_FROM = 384  # ConvNeXt's processor crops below this side and changes the shape from it on
GREY_LEVELS = 1.0  # processors that keep fractions between their steps are 0.3 off on average; a wrong step, tens


class HubImageBackbone(ImageBackbone):
    """A transformers image model without its classifier.

    Its features are the pooled output where the network pools, else the class token: what the family's own
    `ForImageClassification` puts its linear layer on.
    """

    def __init__(
        self, net: nn.Module, *, preprocess: ImagePreprocess, card: SourceCard, stages: tuple[Stage, ...] | None = None
    ) -> None:
        """`net` is a base model of transformers."""
        config: Any = net.config
        patch = getattr(config, "patch_size", None)
        super().__init__(
            net, preprocess=preprocess, card=card, patch=patch if isinstance(patch, int) else None, stages=stages
        )

    def pooled(self, pixels: Tensor) -> Tensor:
        """The pooled output, or the first token's last state."""
        output: Any = self.net(pixel_values=pixels)
        pooled: Tensor | None = getattr(output, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        hidden: Tensor = output.last_hidden_state
        return hidden[:, 0] if hidden.ndim == 3 and self._prefix(hidden.shape[1]) else self._pool(hidden)

    def describe(self) -> dict[str, Any]:
        """The network's configuration, preprocessing and card."""
        net: Any = self.net
        return {
            "family": "transformers",
            "modality": "image",
            "config": json.loads(net.config.to_json_string(use_diff=False)),
            "preprocess": self.preprocess.to_dict(),
            "card": self.card.to_dict(),
        }

    def twin(self) -> HubImageBackbone:
        """Random weights as transformers initialises them."""
        from headstart.models.from_transformers import build

        net: Any = self.net
        return HubImageBackbone(
            build(net.config), preprocess=self.preprocess, card=self.card.random_twin(), stages=self.stages
        )


def processor_file(folder: Path) -> Path | None:
    """The file with an image processor's settings, if the folder has one."""
    plain = folder / "preprocessor_config.json"
    if plain.is_file() and "feature_size" not in read_config(plain):
        return plain
    combined = folder / "processor_config.json"
    if combined.is_file() and "image_processor" in read_config(combined):
        return combined
    return None


def read_processor(folder: Path) -> ImagePreprocess:
    """The folder's image processor as an ImagePreprocess; raises ModelError for steps that are not known here."""
    from transformers import AutoImageProcessor

    auto: Any = AutoImageProcessor
    try:
        processor: Any = auto.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{folder}: no usable image processor ({told}). Add its preprocessor_config.json.") from error
    preprocess = from_processor(processor, str(folder))
    check_processor(processor, preprocess, str(folder))
    return preprocess


def from_processor(processor: Any, where: str) -> ImagePreprocess:
    """An image processor's settings, its class's defaults included, as an ImagePreprocess."""
    resize: tuple[int, int] | None = None
    fit: Fit = "exact"
    if processor.do_resize:
        resize, fit = _resize(processor)
    size = _side(processor.crop_size) if getattr(processor, "do_center_crop", None) else None
    crop_pct = getattr(processor, "crop_pct", None)
    if crop_pct is not None and resize is not None and size is not None:
        resize = (int(resize[0] / crop_pct), int(resize[1] / crop_pct))  # PoolFormer
    elif crop_pct is not None and resize is not None and fit == "shortest":
        edge = resize[0]
        size = (edge, edge)
        resize, fit = ((int(edge / crop_pct),) * 2, "shortest") if edge < WARPED_FROM else (size, "exact")
    if size is None and fit == "exact":
        size = resize
    if size is None:
        raise ModelError(
            f"{where}: its pictures would differ in size (no crop). Set do_center_crop in its preprocessor_config.json."
        )
    scale = float(processor.rescale_factor) if processor.do_rescale else 1.0
    normal = bool(processor.do_normalize)
    std = _three(processor.image_std) if normal else (1.0, 1.0, 1.0)
    if normal and getattr(processor, "include_top", None):
        std = (std[0] ** 2, std[1] ** 2, std[2] ** 2)  # EfficientNet divides twice
    return ImagePreprocess(
        size=size,
        resize=resize,
        fit=fit,
        interpolation=_interpolation(processor.resample),
        engine="torch",
        mean=_three(processor.image_mean) if normal else (0.0, 0.0, 0.0),
        std=std,
        scale=scale,
    )


def check_processor(processor: Any, preprocess: ImagePreprocess, where: str) -> None:
    """Raise ModelError where `preprocess` does not make of a picture what the processor itself makes of it.

    Settings alone do not tell: some processors swap channels, or resize by rules of their own.
    """
    from PIL import Image

    height_H11, width_W1 = np.arange(200)[:, None, None], np.arange(300)[:, None]
    waves_HW3 = np.sin(height_H11 * [0.05, 0.11, 0.02] + width_W1 * [0.03, 0.01, 0.08])
    picture = Image.fromarray((127.5 + 127 * waves_HW3).astype(np.uint8))
    try:
        own_NCHW = np.asarray(processor(picture, return_tensors="np")["pixel_values"], dtype=np.float64)
    except (ValueError, KeyError, TypeError, IndexError, RuntimeError, AttributeError, ImportError) as error:
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{where}: its image processor does not work ({told}). Use another model.") from error
    ours_HW3 = preprocess.prepare(picture)
    theirs_NHWC = np.moveaxis(own_NCHW, 1, -1)
    if theirs_NHWC.shape != (1, *ours_HW3.shape) or _levels_apart(theirs_NHWC[0], ours_HW3, preprocess) > GREY_LEVELS:
        raise ModelError(
            f"{where}: {type(processor).__name__} prepares pictures in a way that is not supported. Use another model."
        )


def _levels_apart(normal_HW3: np.ndarray, levels_HW3: np.ndarray, preprocess: ImagePreprocess) -> float:
    """The mean distance in grey levels between what a processor made and what ours holds before normalising."""
    back_HW3 = (normal_HW3 * preprocess.std + preprocess.mean) / preprocess.scale
    return float(np.abs(back_HW3 - levels_HW3).mean())


def _resize(processor: Any) -> tuple[tuple[int, int], Fit]:
    size = dict(processor.size or {})
    if size.get("shortest_edge") and not size.get("longest_edge"):
        return (int(size["shortest_edge"]),) * 2, "shortest"
    if size.get("height") and size.get("width"):
        return (int(size["height"]), int(size["width"])), "exact"
    given = ", ".join(name for name, value in size.items() if value) or "a rule of its own"
    raise ModelError(
        f"{type(processor).__name__}: resizing by {given} is not supported. Use a model with a fixed input size."
    )


def _side(size: Any) -> tuple[int, int]:
    values = dict(size)
    edge = values.get("shortest_edge")
    return (int(edge), int(edge)) if edge else (int(values["height"]), int(values["width"]))


def _interpolation(resample: Any) -> str:
    from PIL import Image

    return "bilinear" if resample is None else Image.Resampling(int(resample)).name.lower()


def _three(values: Any) -> tuple[float, float, float]:
    numbers = [float(value) for value in values] if isinstance(values, list | tuple) else [float(values)] * 3
    return numbers[0], numbers[1], numbers[2]
