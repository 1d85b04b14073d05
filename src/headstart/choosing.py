"""The first phase of a run, and the whole of `rank`: candidates loaded, looked at on the training examples, and ordered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from headstart.adapt.carried import VIEWS
from headstart.adapt.strategies import DEFAULT_STRATEGIES, STRATEGIES
from headstart.adapt.trial import Trial
from headstart.adapt.workbench import Workbench
from headstart.choose.cost import Way
from headstart.choose.history import entry_of, read_history, remember
from headstart.choose.knowledge import Knowledge, forecaster, knowledge
from headstart.choose.outlook import Outlook, Scene, floor_accuracy, outlook, sources_map
from headstart.choose.ranking import Contestant, Dropped, Ranking, rank
from headstart.choose.stories import KNOWN, SOLVED, known_already, told_apart
from headstart.choose.unscored import unscored
from headstart.data.audit import audit
from headstart.data.audit_result import Audit
from headstart.data.dataset import Dataset
from headstart.data.fingerprint import fingerprint
from headstart.data.locked import Locked
from headstart.data.modality import MODALITIES
from headstart.data.split import Splits, split
from headstart.errors import DataError, HeadstartError, ModelError, OptionError
from headstart.events import Listener, Said
from headstart.features.tuning import Chooser, Measured, Noted, fixed
from headstart.models.backbone import Backbone
from headstart.models.catalogue import default_candidates
from headstart.models.resolve import load_backbone
from headstart.options import Options
from headstart.protocols import Clock
from headstart.prove.metrics import METRICS
from headstart.run.folder import Run
from headstart.run.journal import Journal
from headstart.runtime import Placement, cache_dir, generator
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


def material_of(dataset: Dataset, *, metric: str | None, seed: int, listener: Listener) -> Material:
    """Audit the examples, set the bad ones aside, split, and lock the test labels away."""
    found = audit(dataset, listener=listener)
    for line in found.lines():
        listener(Said(line))
    parts = split(dataset, found, seed=seed)
    task = TASKS[dataset.kind]
    metric = metric or task.default_metric
    if dataset.kind not in METRICS[metric].kinds:
        known = ", ".join(row.name for row in METRICS.values() if dataset.kind in row.kinds)
        raise OptionError(f"--metric {metric}: does not judge {task.name}. Leave it out, or choose from: {known}.")
    held_out, classes = dataset.take(parts.test), dataset.take(parts.train).classes
    if parts.test and not any(task.knows(names, classes) for names in held_out.labels or ()):
        raise DataError(
            f"{dataset.name}: no test example has a class of the training data ({', '.join(held_out.classes[:5])}; "
            f"in training {', '.join(classes[:5])}). Name the classes alike in both."
        )
    locked = Locked(held_out) if parts.test else None
    return Material(dataset, found, parts, locked, fingerprint(dataset, found.contents), metric, classes)


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
            f"no pre-trained model for {modality} is installed. Install headstart again, or name one with --model."
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
    learned = kept.take(range(seen))
    targets = task.encode(learned.labels or (), material.classes, map(modality.decode, learned.items))
    hidden = np.full((len(rows) - seen, *targets.shape[1:]), _nothing(targets), dtype=targets.dtype)
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
        backbones=_named([task.reading(backbone) for backbone in backbones]),
        listener=listener,
    )


def _nothing(targets: np.ndarray) -> float | None:
    """What stands for a label that is locked."""
    if targets.dtype == object:
        return None
    if np.issubdtype(targets.dtype, np.floating):
        return math.nan
    return -1 if targets.ndim == 1 else 0


def _named(backbones: Sequence[Backbone]) -> dict[str, Backbone]:
    """Backbones by the name on their card; of two with one name the later ones are named by their spec, on the card too.

    Trials, ranking and journal all go by the card's name. One that is given twice counts once.
    """
    named: dict[str, Backbone] = {}
    for backbone in backbones:
        if backbone.card.name in named and backbone.card.spec != named[backbone.card.name].card.spec:
            backbone.card = replace(backbone.card, name=backbone.card.spec)
        named.setdefault(backbone.card.name, backbone)
    return named


def contestant(bench: Workbench, name: str) -> Contestant:
    """A backbone of the workbench as the ranking wants it."""
    backbone, staged = bench.backbones[name], bench.staged(name)
    return Contestant(backbone.card, staged.stages, staged.take)


def known(history: bool) -> Knowledge:
    """What was learned before; without `history` from the shipped tables alone."""
    return knowledge(read_history() if history else ())


def way_chooser(options: Options, run: Run, replay: Journal | None) -> Chooser:
    """How features are extracted: measured within a budget, and noted in the journal; the plain way where trials are counted."""
    measured = Measured(cache_dir(), run.listener)
    return Noted(measured if options.trials is None else fixed, run.journal, replay, run.listener)


def rank_candidates(
    material: Material,
    bench: Workbench,
    *,
    learned: Knowledge,
    clock: Clock | None,
    listener: Listener,
) -> Ranking:
    """The backbones of the workbench ordered on the training examples, or where the task reads single tokens by the prior alone."""
    seen = len(material.splits.train)
    if bench.reads == "tokens":
        cards = [backbone.card for backbone in bench.backbones.values()]
        return unscored(cards, np.arange(seen), knowledge=learned, fingerprint=material.fingerprint)
    return rank(
        [contestant(bench, name) for name in bench.backbones],
        bench.targets[:seen],
        bench.groups[:seen],
        knowledge=learned,
        fingerprint=material.fingerprint,
        clock=clock,
        seed=bench.seed,
        listener=listener,
        left_out=bench.task.left_out,
    )


def rank_again(
    material: Material, bench: Workbench, ranking: Ranking, rows: np.ndarray, *, learned: Knowledge
) -> Ranking:
    """The candidates of `ranking` ordered by the training examples at `rows` alone, whose features are there already."""
    if bench.reads == "tokens":
        return replace(ranking, rows=rows)

    def on_rows(name: str) -> Contestant:
        whole = contestant(bench, name)
        return replace(whole, features=lambda some: whole.features(rows[some]))

    return rank(
        [on_rows(one.card.name) for one in ranking.candidates],
        bench.targets[rows],
        bench.groups[rows],
        knowledge=learned,
        fingerprint=material.fingerprint,
        seed=bench.seed,
        left_out=bench.task.left_out,
    )


def learn(material: Material, bench: Workbench, ranking: Ranking, trials: Sequence[Trial]) -> None:
    """Add to the history what validation said of each backbone; test data have no part in it."""
    if bench.reads == "tokens":  # the history compares what features said with what came of it
        return
    sign = 1 if METRICS[bench.metric].higher_is_better else -1
    worth: dict[str, float] = {}
    for trial in trials:
        if trial.spec.role == "transfer" and bench.metric in trial.values:
            value = sign * trial.values[bench.metric]
            worth[trial.spec.backbone] = max(worth.get(trial.spec.backbone, value), value)
    entry = entry_of(material.fingerprint, ranking, worth)
    if entry is not None:
        remember(entry)


def outlooks(material: Material, bench: Workbench, ranking: Ranking, *, control: bool) -> list[Outlook]:
    """The outlook of each ranked candidate, in the order of the ranking; with `control` with a forecast of the verdict."""
    modality = MODALITIES[material.dataset.modality]
    rows = ranking.rows
    items = [bench.items[row] for row in rows]
    targets = bench.targets[rows]
    seen = len(material.splits.train)
    floor = floor_accuracy(modality.floor_features, items, targets, bench.groups[rows]) if control else None
    scene = Scene(
        items,
        targets,
        material.audit.shapes,
        modality.decode,
        bench.placement,
        everything=seen,
        floor=floor,
        tested=len(material.splits.test) or seen,
        seed=bench.seed,
    )
    # What is known of verdicts was measured in accuracy.
    learned = forecaster(material.dataset.modality) if control and bench.task.reads == "classification" else None
    found = []
    for one in ranking.candidates:
        name = one.card.name
        staged = bench.staged(name)
        known = scene if len(one.rows) == len(rows) else _earlier(scene, bench, one.rows)
        found.append(
            outlook(
                one,
                bench.backbones[name],
                staged.last(one.rows),
                known,
                ways=ways(bench, name, seen),
                forecaster=learned,
                pace=staged.pace,
                source_ND=_source_features(bench, name, one.rows),
            )
        )
    return found


def stories(material: Material, bench: Workbench, ranking: Ranking, ahead: Sequence[Outlook]) -> list[str]:
    """What to know before trusting the ranking, in sentences: of the first candidate, the floor, and the test inputs."""
    best, name = ranking.candidates[0], ranking.candidates[0].card.name
    rows, staged, head = ranking.rows, bench.staged(name), bench.backbones[name].source_head
    told = []
    if not any(found.is_signal for one in ranking.candidates for found in one.evidence.scores.values()):
        told.append(
            "No source's features say more about these labels than about shuffled ones: look at the labels before anything else."
        )
    if head is not None:
        known = known_already(head.probabilities(staged.of(rows, head.stages)), bench.targets[rows], bench.groups[rows])
        if known >= KNOWN:
            called = ", ".join(found for found, _ in ahead[0].portrait.called[:2])
            told.append(
                f"{best.card.name} knew this before: its own classes ({called}) give the labels away. It may have seen these "
                "very examples, and figures on them may flatter."
            )
    floor = ahead[0].floor
    if floor is not None and floor >= SOLVED:
        told.append(
            f"Transfer is hardly needed: a classical method ({MODALITIES[material.dataset.modality].floor_name} with ridge regression) "
            f"{bench.task.left_out.format(share=floor, count=len(rows))}, each left out."
        )
    test = len(bench.items) - len(material.splits.train)
    if test >= FEWEST_TO_COMPARE:
        told += _shifted(bench, name, rows, test)
    return told


FEWEST_TO_COMPARE, MOST_TO_COMPARE = 20, 200


def _shifted(bench: Workbench, name: str, rows: np.ndarray, test: int) -> list[str]:
    """Whether the test inputs, whose labels stay locked, look unlike the training examples."""
    rng = generator(bench.seed, "shift")
    seen = rng.permutation(rows)[:MOST_TO_COMPARE]
    first = len(bench.items) - test
    other = first + rng.permutation(test)[: min(MOST_TO_COMPARE, max(len(seen), FEWEST_TO_COMPARE))]
    staged = bench.staged(name)
    staged.take(other)
    features_ND = np.concatenate([staged.last(seen), staged.last(other)])
    is_other_N = np.arange(len(features_ND)) >= len(seen)
    found = told_apart(features_ND, is_other_N, bench.groups[np.concatenate([seen, other])], rng=rng)
    if not found.is_shift:
        return []
    return [
        f"The test examples look unlike the training examples: features tell them apart (area under the curve {found.auc:.2f}, by "
        f"chance up to {found.chance:.2f}). Expect less on them than these left-out figures say."
    ]


def _source_features(bench: Workbench, name: str, rows: np.ndarray) -> np.ndarray | None:
    """What a source's own head reads of these examples; None where that is the last stage, or where it has none."""
    head = bench.backbones[name].source_head
    return None if head is None or head.stages is None else bench.staged(name).of(rows, head.stages)


def _earlier(scene: Scene, bench: Workbench, rows: np.ndarray) -> Scene:
    """The scene of a candidate that was left out after the first look."""
    return replace(scene, items=[bench.items[row] for row in rows], targets=bench.targets[rows])


def ways(bench: Workbench, name: str, examples: int) -> list[Way]:
    """Every strategy as its cost sees it: one whole trial, validation folds and refit included.

    What is solved on frozen features takes one pass, however many stages it reads: the probe stands for all of it.
    """
    found: list[Way] = []
    kept = 1 if bench.backbones[name].card.modality == "text" else 1 + VIEWS
    for strategy in (STRATEGIES[name] for name in DEFAULT_STRATEGIES):
        schedule, first = strategy.schedule(examples), strategy.first(bench.backbones[name])
        if schedule is None:
            if all(way.steps for way in found):
                found.append(Way(strategy.name, first, 0))
            continue
        epoch = math.ceil(examples / schedule.batch_size)
        trainings = schedule.folds * (1 - 1 / INNER_FOLDS) + 1
        steps = round(epoch * schedule.epochs * trainings)
        found.append(Way(strategy.name, first, steps, schedule.batch_size, stored=kept * examples))
    return found


INNER_FOLDS = 4
"""Folds of a search's own rows."""


def placed_on_map(bench: Workbench, ranking: Ranking) -> np.ndarray:
    """The target (first) and the candidates that were looked at in full, on a plane."""
    whole = [one for one in ranking.candidates if len(one.rows) == len(ranking.rows)]
    features = [bench.staged(one.card.name).last(ranking.rows) for one in whole]
    return sources_map(features, bench.targets[ranking.rows])
