"""The folder of a backbone pre-trained on pictures: weights, timm's configuration, and what every such folder ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from headstart.adapt.pretraining.finish import compact, finish_folder
from headstart.adapt.pretraining.from_pictures import PretrainRecipe
from headstart.adapt.pretraining.sources import Source, seen_by
from headstart.files import write_json, write_tensors
from headstart.models.card import SourceCard
from headstart.models.from_timm import load_folder
from headstart.runtime import generator


def write_backbone_folder(
    folder: Path,
    net: nn.Module,
    recipe: PretrainRecipe,
    *,
    input_size: int,
    sources: Sequence[Source],
    card: SourceCard,
    probe: str | Path | None = None,
) -> Path:
    """Write `net`, which has no head, as a folder that timm and `load_backbone` read; card.json comes last.

    `card` is completed by what only the files tell; `probe` names labelled pictures for figures of transfer. Raises
    ModelError where training left a weight that is no number.
    """
    write_tensors(folder / "model.safetensors", compact(net.state_dict()))
    write_json(folder / "config.json", configuration(net, recipe, input_size))
    backbone = load_folder(folder, spec=card.spec, card=card)  # as everyone will have it, weights rounded
    rows = [(number, row) for number, source in enumerate(sources) for row in range(len(source.data))]

    def picture(place: int) -> Image.Image:
        number, row = rows[place]
        size = backbone.preprocess.size[0]
        found: Image.Image = seen_by(sources[number], row, generator(recipe.seed, "reference", number, row), size)
        return found

    finish_folder(
        folder, backbone, card, examples=len(rows), example=picture, seed=recipe.seed, libraries=("timm",), probe=probe
    )
    return folder


def configuration(net: nn.Module, recipe: PretrainRecipe, input_size: int) -> dict[str, Any]:
    """config.json as timm writes it for its hub and reads it by `local-dir:`."""
    known: Mapping[str, Any] = getattr(net, "default_cfg", {})
    return {
        "architecture": recipe.architecture,
        "num_classes": 0,
        "num_features": int(net.num_features),  # type: ignore[arg-type]
        "pretrained_cfg": {
            "custom_load": False,
            "input_size": [3, input_size, input_size],
            "fixed_input_size": bool(known.get("fixed_input_size", False)),
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "num_classes": 0,
            "first_conv": known.get("first_conv"),
            "classifier": known.get("classifier"),
        },
        "model_args": dict(recipe.model_args),
    }
