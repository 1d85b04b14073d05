"""What every pre-trained folder ends with, whatever it was trained on: reference statistics, figures of transfer, two cards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart.adapt.pretraining.figures import figures_of_transfer
from headstart.adapt.pretraining.readme import readme
from headstart.errors import ModelError
from headstart.features.batches import prepared
from headstart.features.extract import for_inference
from headstart.features.reference import (
    REFERENCE_FILE,
    LowRankMoments,
    low_rank_moments,
    rank_within,
    write_reference,
)
from headstart.files import sha256_file, write_json, write_text
from headstart.models.backbone import Backbone
from headstart.models.card import SourceCard
from headstart.models.card_file import CARD_FILE
from headstart.runtime import Placement, generator

REFERENCE_EXAMPLES = 2048
BATCH = 64


def finish_folder(
    folder: Path,
    backbone: Backbone,
    card: SourceCard,
    *,
    examples: int,
    example: Callable[[int], Any],
    seed: int,
    libraries: Sequence[str],
    probe: str | Path | None = None,
) -> None:
    """Write what goes beside the weights of `backbone`, which was loaded from `folder`; card.json comes last.

    `card` is completed by what only the files tell: hashes, parameters, input. `example(row)` gives one of the `examples`
    of the sources as the backbone's preprocessing takes it.
    """
    write_reference(folder / REFERENCE_FILE, _moments(backbone, examples, example, seed))
    figures = {} if probe is None else figures_of_transfer(backbone, probe, seed=seed)
    facts = {
        **card.pretraining,
        "reference_sha256": sha256_file(folder / REFERENCE_FILE),
        "versions": {name: version(name) for name in ("headstart", "torch", *libraries)},
    }
    own = backbone.card
    whole = replace(
        card,
        architecture=own.architecture,
        parameters=own.parameters,
        input=own.input,
        weights_sha256=own.weights_sha256,
        figures={**card.figures, **figures},
        pretraining=facts,
    )
    write_text(folder / "README.md", readme(whole))
    write_json(folder / CARD_FILE, whole.to_dict())


def compact(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state in float16; vectors stay as they are: they are few, and running variances can leave float16's range.

    Raises ModelError where training left a weight that is no number.
    """
    small = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in state.items()}
    broken = [name for name, tensor in small.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(f"pre-training: {len(broken)} weights are not finite ({broken[0]}). Lower --learning-rate.")
    return small


def _moments(
    backbone: Backbone, examples: int, example: Callable[[int], Any], seed: int
) -> list[tuple[str, LowRankMoments]]:
    """The moments of every stage over a sample of the examples, computed in full precision."""
    rng = generator(seed, "reference")
    taken = np.sort(rng.choice(examples, min(REFERENCE_EXAMPLES, examples), replace=False))
    place = Placement(device="cpu", threads=torch.get_num_threads(), low=None)
    network = for_inference(backbone, place)
    parts: list[list[np.ndarray]] = []
    for chunk in prepared([int(row) for row in taken], example, backbone.preprocess, threads=place.threads):
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
