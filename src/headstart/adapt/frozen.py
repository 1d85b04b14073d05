"""Strategies in which the backbone does not move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.adapt.network import Network
from headstart.adapt.probe import solve_probe
from headstart.adapt.space import Settings
from headstart.adapt.still import Still
from headstart.adapt.strategy import NOTHING, Effort, Expected, Proposal
from headstart.adapt.trial import Role, Spec, Validated
from headstart.adapt.watch import Watch
from headstart.adapt.workbench import Folds, Workbench


@dataclass(frozen=True, slots=True)
class Probe(Still):
    """Frozen features and an exact linear solver; on random weights it is a control."""

    name: str = "probe"
    role: Role = "transfer"
    depth: int = 0
    summary: str = "backbone frozen, a linear head solved exactly"
    by_default: bool = True
    expected: Expected = NOTHING

    def propose(
        self,
        chosen: Settings,
        bench: Workbench,
        backbone: str,
        rows: np.ndarray,
        *,
        seconds: float | None,
        effort: Effort,
    ) -> Proposal | None:
        """A probe has nothing to choose: its regularisation path is part of solving it. What takes time is the features."""
        needed = bench.extraction_s(backbone, random=self._random)
        if seconds is not None and needed > max(0.0, seconds) and (self._random or effort is not Effort.LEAST):
            return None
        return Proposal({}, needed)

    def validate(
        self, spec: Spec, bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int, watch: Watch
    ) -> Validated:
        """Out-of-fold logits for the validated rows at the best regularisation."""
        fit = solve_probe(bench, self._features(spec, bench), rows, folds)
        seen = np.unique(np.concatenate([held_out for _, held_out in folds]))
        return Validated(rows[seen], fit.held_out_logits_NK[seen].astype(np.float32), fit.found)

    def refit(
        self, spec: Spec, found: Mapping[str, Any], bench: Workbench, rows: np.ndarray, folds: Folds, *, seed: int
    ) -> Network:
        """The head at the chosen regularisation, on all rows."""
        fit = solve_probe(bench, self._features(spec, bench), rows, folds)
        network = Network(bench.backbone(spec.backbone, random=self._random), bench.outputs)
        network.set_head(fit.weight_KD, fit.bias_K)
        return network.eval()

    def logits(self, network: Network, spec: Spec, bench: Workbench, rows: np.ndarray) -> np.ndarray:
        """Stored features times the head."""
        weight_KD, bias_K = network.head_arrays()
        logits_NK: np.ndarray = self._features(spec, bench).take(rows) @ weight_KD.T + bias_K
        return logits_NK

    @property
    def _random(self) -> bool:
        return self.role == "random-frozen"

    def _features(self, spec: Spec, bench: Workbench) -> Any:
        return bench.features(spec.backbone, random=self._random)
