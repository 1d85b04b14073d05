"""A finished run as a source: its adapted backbone, with the classifier that it learnt as source head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from headstart.errors import ModelError
from headstart.files import read_json, read_tensors, sha256_file
from headstart.models.backbone import Backbone
from headstart.models.card import SourceCard
from headstart.models.source_head import SourceHead, find_head

NETWORK = "backbone.net."
"""Where the backbone's weights stand in a model file."""


def load_folder(folder: Path, *, spec: str) -> Backbone:
    """The backbone of the model in `folder`, as `Model.save` and every finished run write it.

    Its card says what it learned from last and before that. Raises ModelError for a folder that is not whole, or whose network is
    code of the user's own.
    """
    from headstart.models.resolve import rebuild

    try:
        config, labels = read_json(folder / "config.json"), read_json(folder / "labels.json")
        tensors, description, before = read_tensors(folder / "model.safetensors"), config["backbone"], config["card"]
        classes = [str(name) for name in labels["classes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder}: not a whole run ({error}). Finish it: give `headstart fit` the same command again."
        ) from error
    weights = {key.removeprefix(NETWORK): tensor for key, tensor in tensors.items() if key.startswith(NETWORK)}
    backbone = rebuild(description, weights, folder / "preprocessing")
    earlier = SourceCard.from_dict(before)
    told = _told(folder)
    backbone.card = replace(
        earlier,
        spec=spec,
        name=folder.name,
        domain="; before that ".join(filter(None, (told, earlier.domain))) or None,
        revision=None,
        weights_sha256=sha256_file(folder / "model.safetensors"),
        url=None,
        figures={},
        pretraining={"from": earlier.spec, "classes": classes},
    )
    backbone.source_head = _head(backbone, tensors, config.get("head", {}).get("stages"), classes)
    return backbone


def _head(
    backbone: Backbone, tensors: Mapping[str, Tensor], names: Sequence[str] | None, classes: Sequence[str]
) -> SourceHead | None:
    """The run's classifier, where it is linear; `names` are the stages that it reads, None: the backbone's features."""
    place = {stage.name: number for number, stage in enumerate(backbone.stages)}
    stages = None if names is None else tuple(place[name] for name in names if name in place)
    head = find_head(tensors, ("head",), backbone.width_of(stages), classes)
    return None if head is None else replace(head, stages=stages)


def _told(folder: Path) -> str | None:
    """What the run was made for, in words; None where only the model was kept."""
    path = folder / "result.json"
    data: Any = read_json(path).get("data", {}) if path.is_file() else {}
    return f"{Path(data['name']).name}, {data['examples']} examples" if {"name", "examples"} <= data.keys() else None
