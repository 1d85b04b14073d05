"""The folder of a pre-trained backbone: weights, timm's configuration, reference statistics, and two cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from headstart.adapt.pretrain import PretrainRecipe
from headstart.adapt.pretrain_readme import readme
from headstart.adapt.pretrain_sources import Source, seen_by
from headstart.errors import ModelError
from headstart.features.batches import prepared
from headstart.features.extract import for_inference
from headstart.features.reference import REFERENCE_FILE, low_rank_moments, rank_within, write_reference
from headstart.files import sha256_file, write_json, write_tensors, write_text
from headstart.models.backbone import Backbone
from headstart.models.card import SourceCard
from headstart.models.from_timm import load_folder
from headstart.runtime import Placement, generator

CARD_FILE = "card.json"
REFERENCE_PICTURES = 2048
BATCH = 64


def write_backbone_folder(
    folder: Path,
    net: nn.Module,
    recipe: PretrainRecipe,
    *,
    input_size: int,
    sources: Sequence[Source],
    card: SourceCard,
) -> Path:
    """Write `net`, which has no head, as a folder that timm and `load_backbone` read; card.json comes last.

    `card` is completed by what only the files tell: hashes, parameters, input. Raises ModelError where training
    left a weight that is no number.
    """
    write_tensors(folder / "model.safetensors", _compact(net))
    write_json(folder / "config.json", configuration(net, recipe, input_size))
    backbone = load_folder(folder, spec=card.spec, card=card)  # as everyone will have it, weights rounded
    write_reference(folder / REFERENCE_FILE, _reference(backbone, sources, recipe.seed))
    facts = {
        **card.pretraining,
        "reference_sha256": sha256_file(folder / REFERENCE_FILE),
        "versions": {name: version(name) for name in ("headstart", "torch", "timm")},
    }
    whole = replace(backbone.card, pretraining=facts)
    write_text(folder / "README.md", readme(whole))
    write_json(folder / CARD_FILE, whole.to_dict())
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


def _compact(net: nn.Module) -> dict[str, torch.Tensor]:
    """The state in float16; vectors stay as they are: they are few, and running variances can leave float16's range."""
    state = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in net.state_dict().items()}
    broken = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(f"pre-training: {len(broken)} weights are not finite ({broken[0]}). Lower --learning-rate.")
    return state


def _reference(backbone: Backbone, sources: Sequence[Source], seed: int) -> list[tuple[str, Any]]:
    """The moments of every stage over a sample of all sources' pictures, computed in full precision."""
    rng = generator(seed, "reference")
    rows = [(number, row) for number, source in enumerate(sources) for row in range(len(source.data))]
    taken = np.sort(rng.choice(len(rows), min(REFERENCE_PICTURES, len(rows)), replace=False))

    def picture(place: int) -> Image.Image:
        number, row = rows[place]
        size = backbone.preprocess.size[0]  # type: ignore[attr-defined]
        found: Image.Image = seen_by(sources[number], row, generator(seed, "reference", number, row), size)
        return found

    place = Placement(device="cpu", threads=torch.get_num_threads(), low=None)
    network = for_inference(backbone, place)
    assert isinstance(network, Backbone)
    parts: list[list[np.ndarray]] = []
    for chunk in prepared([int(row) for row in taken], picture, backbone.preprocess, threads=place.threads):
        for start in range(0, len(chunk), BATCH):
            with torch.inference_mode():
                stages = network.stage_features(backbone.preprocess.collate(chunk[start : start + BATCH]))
            parts.append([features.float().numpy() for features in stages])
    rank = rank_within([stage.width for stage in backbone.stages])
    wholes = [np.concatenate(stage_parts) for stage_parts in zip(*parts, strict=True)]
    return [
        (stage.name, low_rank_moments(features_ND, rank=rank))
        for stage, features_ND in zip(backbone.stages, wholes, strict=True)
    ]
