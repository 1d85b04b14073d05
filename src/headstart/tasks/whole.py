"""What all tasks share that read an example as a whole: one feature vector, a linear head that can be solved."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from headstart.models.backbone import Backbone


class Whole:
    """A base for tasks whose head reads features; targets are what the loss is told and what splits balance."""

    head = "linear"
    floor_name = ""

    most_in_batch: int = 32
    most_validated: int | None = None

    def reading(self, backbone: Backbone) -> Backbone:
        """The backbone as it is; what an earlier task made of its preprocessing is undone."""
        whole = getattr(backbone.preprocess, "whole", None)
        return backbone if whole is None else with_preprocess(backbone, whole)

    def aims(self, targets: np.ndarray) -> np.ndarray:
        """The targets themselves."""
        return targets

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """The targets themselves."""
        return targets

    def probabilities(self, logits_NK: np.ndarray) -> np.ndarray:
        """What logits say, as it is without calibration."""
        raise NotImplementedError

    def said(self, logits_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The same whatever the targets: no decision hangs on calibration."""
        return self.probabilities(logits_NK)

    def floor(self, examples: Iterable[Any]) -> np.ndarray | None:
        """None: it is the modality's."""
        return None


def with_preprocess(backbone: Backbone, preprocess: Any) -> Backbone:
    """The same network, its weights shared, that prepares examples in another way."""
    changed = copy.copy(backbone)
    changed.preprocess = preprocess
    return changed
