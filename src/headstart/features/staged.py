"""Features of a backbone's stages for growing sets of examples: each example is passed through once and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.events import Listener, silent
from headstart.features.batches import Decode
from headstart.features.extract import address, extract
from headstart.features.sharing import Others
from headstart.features.store import Features
from headstart.features.tuning import Chooser, Job, fixed
from headstart.files import sha256_text
from headstart.models.backbone import Backbone
from headstart.models.cut import spaced
from headstart.runtime import Placement

MOST_STAGES = 10
"""Stages that are kept; of more, evenly spaced ones."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds per example: of all that computing features takes, and of the network alone."""

    seconds: float
    network_s: float


@dataclass(slots=True)
class Staged:
    """The features of the stages of `backbone` for the examples in `items`, computed as they are asked for.

    `contents` holds a hash of each item: what was computed for the same examples before, in whatever run, is read from
    `cache`.
    """

    items: Sequence[Any]
    contents: Sequence[str]
    backbone: Backbone
    decode: Decode
    placement: Placement
    cache: Path
    listener: Listener = silent
    choose: Chooser = fixed
    others_for: Callable[[np.ndarray], Others | None] = lambda rows: None
    """Other processes that can compute the examples at some rows, where there are any."""
    _blocks: list[tuple[np.ndarray, Features]] = field(default_factory=list)

    @property
    def kept(self) -> tuple[int, ...]:
        """The numbers of the stages that are kept, ascending, the last one of the backbone among them."""
        return spaced(len(self.backbone.stages), MOST_STAGES)

    @property
    def stages(self) -> tuple[tuple[str, int], ...]:
        """Name and width of each stage that is kept."""
        return tuple((self.backbone.stages[number].name, self.backbone.stages[number].width) for number in self.kept)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Features (n × D) of the examples at `rows`, the stages side by side; what is missing is computed now."""
        missing = np.setdiff1d(rows, self._known())
        if len(missing):
            self._blocks.append((missing, self._extract(missing)))
        return self._read(rows, 0)

    def last(self, rows: np.ndarray) -> np.ndarray:
        """Features (n × D) of the last stage alone, of examples that `take` has seen."""
        return self._read(rows, -self.backbone.width)

    def of(self, rows: np.ndarray, stages: Sequence[int] | None) -> np.ndarray:
        """Features (n × D) of the kept stages with these numbers, side by side, of examples that `take` has seen; None: the last."""
        if stages is None:
            return self.last(rows)
        number_D = np.repeat(self.kept, [width for _, width in self.stages])
        return np.ascontiguousarray(self._read(rows, 0)[:, np.isin(number_D, stages)])

    def missing(self, rows: np.ndarray) -> int:
        """How many of the examples at `rows` would have to be computed."""
        return len(np.setdiff1d(rows, self._known()))

    def covers(self, count: int) -> bool:
        """Whether all of the first `count` examples have been computed."""
        return len(self._known()) >= count

    @property
    def pace(self) -> Pace | None:
        """What computing took per example, whenever that was; None where nobody measured it."""
        timed = [
            (len(rows), features.seconds, features.network_s)
            for rows, features in self._blocks
            if features.seconds is not None and features.network_s is not None
        ]
        if not timed:
            return None
        counts, seconds, network_s = map(sum, zip(*timed, strict=True))
        return Pace(seconds / counts, network_s / counts)

    def _known(self) -> np.ndarray:
        return np.concatenate([rows for rows, _ in self._blocks]) if self._blocks else np.array([], dtype=np.int64)

    def _extract(self, rows: np.ndarray) -> Features:
        data = sha256_text(*(self.contents[row] for row in rows))
        items = [self.items[row] for row in rows]
        job = Job(sha256_text(self.backbone.card.name, data, "stages"), items, self.backbone, self.decode, self.placement, self.kept)
        way = self.choose(job)
        folder = self.cache / "features" / address(self.backbone, data, self.placement, stages=self.kept, way=way)
        return extract(
            items,
            self.backbone,
            decode=self.decode,
            placement=self.placement,
            folder=folder,
            stages=self.kept,
            listener=self.listener,
            way=way,
            others=self.others_for(rows),
        )

    def _read(self, rows: np.ndarray, first: int) -> np.ndarray:
        place = np.empty(len(self.items), dtype=np.int64)
        place[rows] = np.arange(len(rows))
        out_ND: np.ndarray | None = None
        for known, features in self._blocks:
            here = np.flatnonzero(np.isin(known, rows))
            if not len(here):
                continue
            part_nD = features.take(here)[:, first:]
            if out_ND is None:
                out_ND = np.empty((len(rows), part_nD.shape[1]), dtype=np.float32)
            out_ND[place[known[here]]] = part_nD
        return out_ND if out_ND is not None else np.empty((0, sum(width for _, width in self.stages)), dtype=np.float32)
