"""The first phase of a run, and the whole of `rank`: candidates loaded, looked at on the training examples, and ordered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headstart.adapt.workbench import Workbench
from headstart.choose.history import read_history
from headstart.choose.knowledge import Knowledge, knowledge
from headstart.choose.ranking import Contestant, Dropped, Ranking, rank
from headstart.data.audit_result import Audit
from headstart.data.dataset import Dataset
from headstart.data.locked import Locked
from headstart.data.modality import MODALITIES
from headstart.data.split import Splits
from headstart.errors import HeadstartError, ModelError, OptionError
from headstart.events import Listener, Said
from headstart.models.backbone import Backbone
from headstart.models.catalogue import default_candidates
from headstart.models.resolve import load_backbone
from headstart.protocols import Clock
from headstart.runtime import Placement, cache_dir
from headstart.tasks import TASKS

Given = Sequence[str | Path | Backbone]


@dataclass(frozen=True, slots=True)
class Material:
    """The audited data and how it is split."""

    dataset: Dataset
    audit: Audit
    splits: Splits
    locked: Locked | None
    fingerprint: str
    metric: str
    classes: tuple[str, ...]


def load_candidates(
    given: Given, modality: str, *, offline: bool, listener: Listener
) -> tuple[list[Backbone], list[Dropped]]:
    """The backbones in `given`, or those that come with the package and the user's own.

    One that cannot be loaded is dropped with its reason. Raises the reason itself where only one was asked for, and
    ModelError with all reasons where none is left.
    """
    names = list(given) or list(default_candidates(modality))
    if not names:
        raise OptionError(
            f"no pre-trained model for {modality} is installed. "
            "Run `pip install 'headstart[offline-text]'`, or name one with --model."
        )
    loaded: list[Backbone] = []
    dropped: list[Dropped] = []
    for name in names:
        try:
            backbone = name if isinstance(name, Backbone) else load_backbone(name, offline=offline)
            _refuse_other(backbone, modality)
        except HeadstartError as error:
            if len(names) == 1:
                raise
            dropped.append(Dropped(str(name), str(error)))
            listener(Said(f"{name} is left out: {error}", warning=True))
            continue
        loaded.append(backbone)
    if not loaded:
        raise ModelError("none of the candidates can be used. " + " ".join(one.reason for one in dropped))
    return loaded, dropped


def _refuse_other(backbone: Backbone, modality: str) -> None:
    if backbone.card.modality != modality:
        raise OptionError(f"--model {backbone.card.spec}: made for {backbone.card.modality}, the data are {modality}.")


def workbench_of(
    material: Material, backbones: Sequence[Backbone], *, placement: Placement, seed: int, listener: Listener
) -> Workbench:
    """A workbench over the training examples, then the test examples without their labels."""
    dataset, splits = material.dataset, material.splits
    modality, task = MODALITIES[dataset.modality], TASKS[dataset.kind]
    rows = [*splits.train, *splits.test]
    kept = dataset.take(rows)
    seen = len(splits.train)
    targets = task.encode(kept.take(range(seen)).labels or (), material.classes)
    hidden = np.full((len(rows) - seen, *targets.shape[1:]), -1 if targets.ndim == 1 else 0, dtype=targets.dtype)
    return Workbench(
        items=kept.items,
        contents=[material.audit.contents[row].hex() for row in rows],
        targets=np.concatenate([targets, hidden]),
        groups=np.asarray(splits.groups)[rows],
        task=task,
        classes=material.classes,
        metric=material.metric,
        decode=modality.decode,
        augment=modality.augment,
        placement=placement,
        cache=cache_dir(),
        seed=seed,
        backbones=_named(backbones),
        listener=listener,
    )


def _named(backbones: Sequence[Backbone]) -> dict[str, Backbone]:
    """Backbones by the name on their card; of two with one name the second goes by its spec."""
    named: dict[str, Backbone] = {}
    for backbone in backbones:
        named[backbone.card.name if backbone.card.name not in named else backbone.card.spec] = backbone
    return named


def contestant(bench: Workbench, name: str) -> Contestant:
    """A backbone of the workbench as the ranking wants it."""
    backbone, staged = bench.backbones[name], bench.staged(name)
    return Contestant(backbone.card, tuple((stage.name, stage.width) for stage in backbone.stages), staged.take)


def known(history: bool) -> Knowledge:
    """What was learned before; without `history` from the shipped tables alone."""
    return knowledge(read_history() if history else ())


def rank_candidates(
    material: Material,
    bench: Workbench,
    *,
    learned: Knowledge,
    clock: Clock | None,
    listener: Listener,
) -> Ranking:
    """The backbones of the workbench ordered on the training examples."""
    seen = len(material.splits.train)
    return rank(
        [contestant(bench, name) for name in bench.backbones],
        bench.targets[:seen],
        bench.groups[:seen],
        knowledge=learned,
        fingerprint=material.fingerprint,
        clock=clock,
        seed=bench.seed,
        listener=listener,
    )
