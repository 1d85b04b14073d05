"""Concepts or facts: the checks at the end of a fit on texts, within a share of its budget, and by hand on any labelled data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.adapt.proving import Proved
from headstart.adapt.strategies import strategy_named
from headstart.adapt.workbench import Workbench
from headstart.checks.corrupt import Text
from headstart.checks.finding import Finding
from headstart.checks.kept import VERSIONS, Subject, behaviour, ladder
from headstart.checks.memorised import memorised
from headstart.checks.shortcuts import shortcuts
from headstart.checks.words import explain
from headstart.choosing import Material
from headstart.data.audit import audit
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.data.split import inner_folds
from headstart.errors import DataError, MissingExtra, OptionError
from headstart.events import Listener, Said, silent
from headstart.evidence import Tested
from headstart.features.extract import feature_chunks
from headstart.model import Model
from headstart.options import Options
from headstart.prove.estimate import Estimate, proportion
from headstart.run.folder import Run
from headstart.runtime import generator

CHECKED: Mapping[str, tuple[str, ...]] = {"text": ("single", "multi", "ordinal")}
"""Modalities that have checks, and the kinds of labels that they are for."""
CHECKS_SHARE = 0.06
"""Share of a budget that the checks may take."""
MOST_TEXTS, FEWEST_TEXTS = 200, 30
"""Texts that are corrupted: with fewer, intervals are too wide to say anything."""
TIMED_ON = 16
FOLDS = 5
EXPLAINED = 3
"""Right and wrong answers, as many of each, of which the words are told."""
LONGEST_EXPLAINED = 80
"""Words of a text that is chosen to be explained on the page, where there is one so short."""
OUT_OF_TIME = "no time was left within the budget"


def has_checks(material: Material, bench: Workbench) -> bool:
    """Whether there are checks for these data: texts with classes."""
    return bench.task.kind in CHECKED.get(material.dataset.modality, ())


def checks_share(material: Material, bench: Workbench) -> float:
    """The share of a budget that is kept for the checks."""
    return CHECKS_SHARE if has_checks(material, bench) else 0.0


def check_answers(
    material: Material, bench: Workbench, proved: Sequence[Proved], tested: Tested, options: Options, run: Run
) -> dict[str, Any] | None:
    """What the answers rest on, as a phase of a run; None where there are no checks for such data, and none after an interruption."""
    if not has_checks(material, bench):
        return None
    with run.phase("check"):
        seconds = min(CHECKS_SHARE * options.budget_s, run.clock.seconds_left()) if options.budget_s else float("inf")
        seconds = 0.0 if run.clock.interrupted else seconds
        return checked(material, bench, proved, tested, seconds=seconds, seed=options.seed, listener=run.listener)


@dataclass(slots=True)
class _Account:
    """Time, and what was found and left out within it."""

    seconds: float
    listener: Listener
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    words: Mapping[str, Any] | None = None
    _began: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        return self.seconds - (time.monotonic() - self._began)

    @contextmanager
    def within(self, what: str) -> Iterator[bool]:
        """Whether there is time for a check; where not, that is noted."""
        there = self.left_s > 0
        if not there:
            self.left_out.append(f"{what}: {OUT_OF_TIME}")
        yield there

    def add(self, *findings: Finding | None) -> None:
        self.findings += [found for found in findings if found is not None]

    def result(self) -> dict[str, Any]:
        for line in self.left_out:
            self.listener(Said(f"Left out: {line}."))
        return {"findings": [found.to_dict() for found in self.findings], "words": self.words, "left_out": self.left_out}


def checked(
    material: Material,
    bench: Workbench,
    proved: Sequence[Proved],
    tested: Tested,
    *,
    seconds: float,
    seed: int,
    listener: Listener = silent,
) -> dict[str, Any]:
    """What the winner's answers rest on, JSON-ready: each test text is answered by a model that has not seen it.

    The cheap checks come first; what `seconds` leave no time for is left out, and said.
    """
    account, task = _Account(seconds, listener), bench.task
    models = {split.number: _model(split, bench) for split in proved if split.network is not None}
    rng = generator(seed, "concepts")
    rows = np.sort(rng.permutation(len(tested.rows))[:MOST_TEXTS])
    texts = [bench.decode(bench.items[row]) for row in tested.rows[rows].tolist()]
    chances_NK = tested.probabilities["transfer"]
    right = proportion(int(task.correct(chances_NK, tested.targets).sum()), len(tested.rows))
    training = np.arange(len(material.splits.train))
    seen = [bench.decode(bench.items[row]) for row in training.tolist()]
    with account.within("accuracy from shortcuts") as there:
        if there:
            account.add(_shortcuts(seen, bench.targets[training], bench.groups[training], right, "all test texts", seed))
    name = proved[0].winners["transfer"].spec.backbone
    with account.within("memorisation and shuffled labels") as there:
        if there and bench.extraction_s(name) < account.left_s:
            account.add(
                *memorised(
                    bench.features(name).take(training),
                    bench.targets[training],
                    bench.outputs,
                    groups_N=bench.groups[training],
                    shown=lambda row: f"{', '.join(task.names(bench.targets[[row]], bench.classes)[0])}: {_short(seen[row])}",
                    of=f"the frozen features of {name}",
                    rng=generator(seed, "memorised"),
                )
            )
        elif there:
            account.left_out.append(f"memorisation and shuffled labels: {OUT_OF_TIME}")
    folds = tested.folds[rows]
    each = "each answered by a model that had not seen it" if len(models) > 1 else "drawn at random"

    def subject(count: int) -> Subject:
        def answer(some: Sequence[Text], of: np.ndarray) -> np.ndarray:
            return _by_fold(models, folds[:count][of], some)

        on = f"{count} test texts, {each}"
        return Subject(texts[:count], tested.targets[rows[:count]], bench.classes, answer, task.decide, task.correct, on, seed)

    _changed(account, subject, len(rows))
    with account.within("which words decided") as there:
        if there:
            account.words = _words(account, models, material, bench, tested)
    return account.result()


def check_model(model: Model, source: Any, *, columns: Columns | None = None, listener: Listener = silent) -> dict[str, Any]:
    """The same checks of a finished model on labelled data, all of them; the figures are the model's only if it has not seen the data.

    Raises DataError for data of another kind, and OptionError for a model that has no checks.
    """
    if model.kind not in CHECKED.get(model.backbone.card.modality, ()):
        raise OptionError("checks of a model are there for texts with classes. Use `headstart check DATA` for the data alone.")
    dataset = read(source, columns=columns or Columns())
    model.check_modality(dataset)
    found = audit(dataset, listener=listener, for_training=False)
    usable = [row for row in found.keep if dataset.labels is not None and model.task.knows(dataset.labels[row], model.classes)]
    if not usable:
        raise DataError(f"{dataset.name}: none of its labels is one of the model's ({', '.join(model.classes[:5])}).")
    clusters = dict(zip(found.keep, found.near, strict=True))
    groups, dataset = np.array([clusters[row] for row in usable]), dataset.take(usable)
    task, decode = model.task, MODALITIES[dataset.modality].decode
    targets, texts = task.encode(dataset.labels or (), model.classes), [decode(item) for item in dataset.items]
    account, seed = _Account(float("inf"), listener), 0
    chosen = np.sort(generator(seed, "concepts").permutation(len(texts))[:MOST_TEXTS])
    some = [texts[row] for row in chosen]

    def subject(count: int) -> Subject:
        on = f"{count} texts of {dataset.name}"
        return Subject(some[:count], targets[chosen[:count]], model.classes, lambda given, of: model.chances(given), task.decide, task.correct, on, seed)

    right_N = task.correct(model.chances(some), targets[chosen])
    right = proportion(int(right_N.sum()), len(right_N))
    account.add(_shortcuts(texts, targets, groups, right, f"{len(some)} of these texts", seed, f"texts of {dataset.name}"))
    few = np.sort(generator(seed, "memorised").permutation(len(texts))[:MOST_TEXTS * FOLDS])
    items = [dataset.items[row] for row in few.tolist()]
    features = feature_chunks(items, model.backbone, decode=decode, placement=model.placement)
    account.add(
        *memorised(
            np.concatenate(list(features)), targets[few], task.outputs(model.classes), groups_N=groups[few],
            shown=lambda row: f"{', '.join(task.names(targets[few[[row]]], model.classes)[0])}: {_short(texts[int(few[row])])}",
            of="the features of the model as it is", data=f"texts of {dataset.name}", rng=generator(seed, "memorised"),
        )
    )  # fmt: skip
    _changed(account, subject, len(some))
    return account.result()


def _model(split: Proved, bench: Workbench) -> Model:
    """The winner of an outer split, ready for texts of any make."""
    spec = split.winners["transfer"].spec
    backbone = bench.backbones[spec.backbone]
    moves = strategy_named(spec.strategy).first(backbone) < len(backbone.stages)
    return Model(
        split.network,  # type: ignore[arg-type]
        classes=bench.classes,
        kind=bench.task.kind,
        temperature=split.temperatures["transfer"],
        placement=bench.placement_of(spec.backbone, training=moves),
    )


def _by_fold(models: Mapping[int, Model], folds_N: np.ndarray, texts: Sequence[Text]) -> np.ndarray:
    """Each text's answer by the model of its fold (N × K)."""
    parts: dict[int, np.ndarray] = {}
    for fold in np.unique(folds_N).tolist():
        here = np.flatnonzero(folds_N == fold)
        parts[fold] = models[fold].chances([texts[place] for place in here.tolist()])
    width = next(iter(parts.values())).shape[1]
    chances_NK = np.empty((len(texts), width))
    for fold, part in parts.items():
        chances_NK[folds_N == fold] = part
    return chances_NK


def _changed(account: _Account, subject: Callable[[int], Subject], count: int) -> None:
    """The ladder and the behaviours on as many texts as there is time for, measured on a few."""
    what = "corrupted texts, and changes whose effect is known"
    if account.left_s <= 0:
        account.left_out.append(f"{what}: {OUT_OF_TIME}")
        return
    few, began = subject(min(TIMED_ON, count)), time.monotonic()
    few.answer(few.texts, np.arange(len(few.texts)))
    each_s = (time.monotonic() - began) / max(1, len(few.texts))
    fits = int(min(count, account.left_s / max(1e-9, each_s * VERSIONS)))
    if fits < min(FEWEST_TEXTS, count):
        account.left_out.append(f"{what}: {OUT_OF_TIME} (there was for {fits} texts)")
        return
    whole = subject(fits)
    clean_NK = whole.answer(whole.texts, np.arange(fits))
    account.add(ladder(whole, clean_NK), behaviour(whole, clean_NK))


def _shortcuts(
    texts: Sequence[Text], targets: np.ndarray, groups: np.ndarray, right: Estimate, right_on: str, seed: int, data: str = "training texts"
) -> Finding | None:
    def folds_of(rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        return inner_folds(targets[rows], groups[rows], k=FOLDS, seed=seed)

    if not folds_of(np.arange(len(texts))):
        return None
    return shortcuts(texts, targets, folds_of, model=right, model_on=right_on, data=data, rng=generator(seed, "shortcuts"))


def _words(
    account: _Account, models: Mapping[int, Model], material: Material, bench: Workbench, tested: Tested
) -> Mapping[str, Any]:
    """A few test texts, right and wrong, with how much each word spoke for the answer."""
    task, chances_NK = bench.task, tested.probabilities["transfer"]
    right_N = task.correct(chances_NK, tested.targets)
    said, true = (task.names(values, bench.classes) for values in (task.decide(chances_NK), tested.targets))
    ids = [material.dataset.ids[row] for row in (*material.splits.train, *material.splits.test)]
    examples: list[dict[str, Any]] = []
    for wanted in (False, True):
        for place in _telling(tested, bench, np.flatnonzero(right_N == wanted)):
            if account.left_s <= 0:
                account.left_out.append(f"more words that decided: {OUT_OF_TIME}")
                return {"examples": examples, "missing": ""}
            row, predicted = int(tested.rows[place]), said[place]
            target = bench.classes.index(predicted[0]) if predicted else None
            network = models[int(tested.folds[place])].network
            try:
                found = explain(network, bench.decode(bench.items[row]), kind=task.kind, target=target)
            except (MissingExtra, OptionError) as error:
                account.listener(Said(str(error)))
                return {"examples": [], "missing": str(error)}
            names = {"id": ids[row], "true": list(true[place]), "predicted": list(predicted), "right": wanted}
            examples.append({**names, "for": bench.classes[found.target], **found.to_dict()})
    return {"examples": examples, "missing": ""}


def _telling(tested: Tested, bench: Workbench, places: np.ndarray) -> list[int]:
    """Answers to explain: the surest ones, to short texts first."""
    if not len(places):
        return []
    sure_N = tested.probabilities["transfer"][places].max(1)
    order = places[np.argsort(-sure_N, kind="stable")]
    first = [int(place) for place in order[: 20 * EXPLAINED]]
    short = [place for place in first if _length(bench.decode(bench.items[tested.rows[place]])) <= LONGEST_EXPLAINED]
    return [*short, *(place for place in first if place not in short)][:EXPLAINED]


def _length(text: Text) -> int:
    return sum(len(part.split()) for part in ((text,) if isinstance(text, str) else text))


def _short(text: Text) -> str:
    whole = " ".join((text if isinstance(text, str) else " ⁄ ".join(text)).split())
    return whole if len(whole) <= 160 else f"{whole[:159]}…"


def lines(concepts: Mapping[str, Any]) -> list[str]:
    """What was found, in sentences."""
    return [f"{found['title']}: {found['sentence']}" for found in concepts["findings"]]


