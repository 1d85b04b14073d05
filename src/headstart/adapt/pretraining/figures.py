"""Figures of transfer: what a probe makes of a pre-trained backbone's features on labelled data, and of random weights'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.audit import audit
from headstart.data.modality import MODALITIES
from headstart.data.read import read
from headstart.data.split import group_numbers, inner_folds
from headstart.errors import DataError
from headstart.features.extract import feature_chunks
from headstart.models.backbone import Backbone
from headstart.prove.estimate import proportion
from headstart.runtime import Placement, child_seed, place, seed_everything
from headstart.solvers import cross_validated_probe

FOLDS = 5


def check_probe(source: str | Path, modality: str) -> None:
    """Raise DataError where `source` cannot be probed on: not labelled, another kind of data, several labels an example."""
    data = read(source)
    if data.modality != modality or data.kind != "single":
        raise DataError(f"--probe {source}: needs {MODALITIES[modality].noun} with one class each. Give such data.")


def figures_of_transfer(backbone: Backbone, source: str | Path, *, seed: int) -> dict[str, Any]:
    """Accuracy of a linear probe on `backbone`, and on its architecture with random weights, by the name of the data.

    On the test part where the data have one, else on rows that five-fold cross-validation left out.
    """
    data = read(source)
    found = audit(data)
    kept = data.take(found.keep)
    assert kept.labels is not None
    numbers = {name: number for number, name in enumerate(kept.classes)}
    labels_N = np.array([numbers[names[0]] for names in kept.labels])
    groups_N = np.asarray(group_numbers(data, found))[found.keep]
    placement = place()
    seed_everything(child_seed(seed, "twin") % 2**32)
    name = Path(str(source)).stem
    figures = {}
    for what, net in (("linear probe on", backbone), ("linear probe on random weights,", backbone.twin())):
        right, count, where = _right(_features(net, kept, placement), labels_N, groups_N, np.array(kept.parts) == "test")
        told = proportion(right, count)
        figures[f"{what} {name}, {where}"] = {
            "value": round(right / count, 4),
            "unit": "accuracy",
            "source": f"headstart pretrain, {count} examples, 95 % interval {told.low:.4f} to {told.high:.4f}",
        }
    return figures


def _features(backbone: Backbone, data: Any, placement: Placement) -> np.ndarray:
    decode = MODALITIES[data.modality].decode
    return np.concatenate(list(feature_chunks(data.items, backbone, decode=decode, placement=placement)))


def _right(
    features_ND: np.ndarray, labels_N: np.ndarray, groups_N: np.ndarray, is_test_N: np.ndarray
) -> tuple[int, int, str]:
    """How many were answered right, of how many, and which those are."""
    train = np.flatnonzero(~is_test_N)
    folds = inner_folds(labels_N[train].tolist(), groups_N[train].tolist(), k=FOLDS, seed=0)
    classes = int(labels_N.max()) + 1
    probe = cross_validated_probe(features_ND[train], labels_N[train], folds=folds, classes=classes)
    if is_test_N.any():
        answers = probe.logits(features_ND[is_test_N]).argmax(1)
        return int((answers == labels_N[is_test_N]).sum()), int(is_test_N.sum()), "test part"
    known = probe.held_out_N
    answers = probe.held_out_logits_NK[known].argmax(1)
    return int((answers == labels_N[train][known]).sum()), int(known.sum()), "cross-validated"
