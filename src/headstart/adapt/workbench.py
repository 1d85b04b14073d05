"""Everything trials share: the examples, their targets, backbones, features and prepared inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.adapt.carried import CarriedExamples
from headstart.adapt.exactness import FeatureGap, GradientGap, feature_gap, gradient_gap
from headstart.adapt.examples import UNSEEN, Augment, PreparedExamples, prepare_examples
from headstart.adapt.head_kinds import HEADS, Reads
from headstart.adapt.judge import Judge
from headstart.adapt.memory import Need
from headstart.adapt.network import Network
from headstart.adapt.shards import ByExecutor
from headstart.errors import ModelError
from headstart.events import Listener, Said, silent
from headstart.features.batches import Decode, to_device
from headstart.features.extract import address, extract, for_inference, weights_hash
from headstart.features.staged import Staged
from headstart.features.store import AnyFeatures, InMemory
from headstart.features.tuning import Chooser, Job, fixed
from headstart.features.way import Way
from headstart.files import sha256_text
from headstart.models.backbone import Backbone, Inputs
from headstart.models.resume import Resumed
from headstart.protocols import Executor
from headstart.prove.metrics import METRICS, score
from headstart.registry import pick
from headstart.runtime import Placement, child_seed, random_state_kept, seed_everything
from headstart.tasks import Task
from headstart.tasks.base import Units

if TYPE_CHECKING:  # they load transformers, which pictures have no use for
    from headstart.adapt.asked_source import SourceAsker, SourceTexts

ONE_PASS = 2048
"""Up to so many examples the features of every stage are kept, so that ranking and adapting share one pass."""

SAMPLE = 4
"""Examples on which it is tried whether a network can be cut in two, and how exact reduced precision is."""

SOURCE_BITS = "source_bits_per_byte"
"""Under which validation notes what a trial's network still says of its source's texts."""

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
"""Pairs of (training positions, validation positions) into the rows of a search."""


StepKey = tuple[str, str, int, int]
"""Strategy, backbone, the first stage that moves, batch size."""


@dataclass(slots=True)
class Workbench:
    """The examples of a run (N of them, test inputs included) and what is computed from them once.

    `contents` holds a hash of each item. `targets` are encoded by `task`; rows of locked test examples hold no label (-1, zeros for several labels,
    NaN for a quantity, None where targets are objects) and are never in the rows of a trial. `groups` are what must stay on one side of every split.
    `choose_way` says how features are extracted.
    """

    items: Sequence[Any]
    contents: Sequence[str]
    targets: np.ndarray
    groups: np.ndarray
    task: Task
    classes: tuple[str, ...]
    metric: str
    decode: Decode
    augment: Augment | None
    placement: Placement
    cache: Path
    seed: int
    backbones: dict[str, Backbone]
    listener: Listener = silent
    continued: dict[str, str] = field(default_factory=dict)
    """Backbones that went on learning from unlabelled examples, with the names of what they were before."""
    source_texts: dict[str, SourceTexts] = field(default_factory=dict)
    """By backbone, texts of what it was pre-trained on, by which it is asked what it forgot."""
    heard: list[Said] = field(default_factory=list)
    """In a copy that was sent to another process: what was said there, for whoever sent it."""
    executor: Executor | None = None
    """Who is given shards of features where it runs several jobs at a time; not in a copy that was sent to another process."""
    choose_way: Chooser = fixed
    ways: dict[str, Way] = field(default_factory=dict)
    """What `choose_way` said, by job: a copy in another process has to go the same ways."""
    _staged: dict[str, Staged] = field(default_factory=dict)
    _twins: dict[str, Backbone] = field(default_factory=dict)
    _features: dict[str, AnyFeatures] = field(default_factory=dict)
    _prepared: dict[str, PreparedExamples] = field(default_factory=dict)
    _resumed: dict[tuple[str, int], Resumed | None] = field(default_factory=dict)
    _gaps: dict[tuple[str, bool], FeatureGap | GradientGap] = field(default_factory=dict)
    _carried: dict[tuple[str, int, int], CarriedExamples] = field(default_factory=dict)
    _askers: dict[str, SourceAsker] = field(default_factory=dict)
    step_seconds: dict[StepKey, float] = field(default_factory=dict)
    """Measured seconds of a training step."""
    needs: dict[tuple[str, str, int, bool], Need] = field(default_factory=dict)
    """Measured memory of training by strategy, backbone, the first stage that moves, and whether its frozen part runs as well."""

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process: all but what was computed, which it finds in the cache, and who listens here."""
        kept = ("heard", "listener", "choose_way", "executor")
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name[0] != "_" and one.name not in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy in another process; what is said there is kept."""
        for one in fields(self):
            default = one.default_factory() if callable(one.default_factory) else one.default
            setattr(self, one.name, state.get(one.name, default))
        self.listener = lambda event: self.heard.append(event) if isinstance(event, Said) else None

    def backbone(self, name: str, *, random: bool = False) -> Backbone:
        """The backbone called `name`, or its twin with random weights (the same ones whenever asked)."""
        if not random:
            return self.backbones[name]
        if name not in self._twins:
            with random_state_kept():  # whoever asks first must not draw other numbers than those who ask later
                seed_everything(child_seed(self.seed, "twin", name) % 2**32)
                self._twins[name] = self.backbones[name].twin()
        return self._twins[name]

    def placement_of(self, name: str, *, training: bool = False) -> Placement:
        """Where and in which precision the backbone called `name` runs: in float32 where reduced precision, tried once on a few of
        the examples, is not exact enough for its features, or with `training` for its gradients. The user's word stands unchecked.
        """
        if self.placement.low is None or self.placement.settled or len(self.items) < SAMPLE:
            return self.placement
        exact = replace(self.placement, low=None, settled=True)
        for trains in (False, True) if training else (False,):
            if (name, trains) not in self._gaps:
                with random_state_kept(self.placement.device):
                    check: Callable[..., FeatureGap | GradientGap] = gradient_gap if trains else feature_gap
                    gap = check(self.backbones[name], self._few(name), self.placement)
                self._gaps[name, trains] = gap
                if not gap.is_exact:
                    what = f"{'trains' if trains else 'runs'} in float32"
                    self.listener(Said(f"{name} {what}: in {self.placement.low} its {gap}."))
            if not self._gaps[name, trains].is_exact:
                return exact
        return self.placement

    @property
    def inexact(self) -> dict[str, str]:
        """Why which backbones did not run, or train, in reduced precision."""
        return {name: str(gap) for (name, _), gap in self._gaps.items() if not gap.is_exact}

    def _few(self, name: str) -> Inputs:
        """A few examples, from all over the data, as one batch; no others are decoded."""
        preprocess = self.backbones[name].preprocess
        few = [self.items[row] for row in np.linspace(0, len(self.items) - 1, SAMPLE).astype(int)]
        batch = preprocess.collate([preprocess.prepare(self.decode(item)) for item in few])
        return to_device(batch, self.placement.torch_device)

    @property
    def fingerprint(self) -> str:
        """One hash for all examples in their order."""
        return sha256_text(*self.contents)

    def staged(self, name: str) -> Staged:
        """The features of every stage of a backbone, for any rows."""
        if name not in self._staged:
            self._staged[name] = Staged(
                self.items,
                self.contents,
                self.backbones[name],
                decode=self.decode,
                placement=self.placement_of(name),
                cache=self.cache,
                listener=self.listener,
                choose=self._way,
                others_for=lambda rows: self._others(name, rows),
            )
        return self._staged[name]

    def features(self, name: str, *, random: bool = False) -> AnyFeatures:
        """The features of all examples, extracted at most once per content address."""
        key = f"{name}/{random}"
        if key not in self._features:
            self._features[key] = self._extract(name, random)
        return self._features[key]

    @contextmanager
    def shared_with(self, executor: Executor) -> Iterator[None]:
        """While inside, shards of features are handed to `executor`."""
        self.executor = executor
        try:
            yield
        finally:
            self.executor = None

    def _extract(self, name: str, random: bool) -> AnyFeatures:
        if not random and name in self._staged and len(self.items) <= ONE_PASS:
            every = np.arange(len(self.items))
            self._staged[name].take(every)
            return InMemory(self._staged[name].last(every))
        backbone, placement = self.backbone(name, random=random), self.placement_of(name)
        key = sha256_text(name, self.fingerprint, str(random))
        way = self._way(Job(key, self.items, backbone, self.decode, placement))
        return extract(
            self.items,
            backbone,
            decode=self.decode,
            placement=placement,
            folder=self.cache / "features" / address(backbone, self.fingerprint, placement, way=way),
            listener=self.listener,
            way=way,
            others=self._others(name, np.arange(len(self.items)), random=random),
        )

    def _others(self, name: str, rows: np.ndarray, *, random: bool = False) -> ByExecutor | None:
        return None if self.executor is None else ByExecutor(self.executor, self, name, rows, random)

    def _way(self, job: Job) -> Way:
        if job.key not in self.ways:
            self.ways[job.key] = self.choose_way(job)
        return self.ways[job.key]

    def extraction_s(self, name: str, *, random: bool = False) -> float:
        """Seconds that `features` is expected to take; nothing where they are there, or where nobody measured a pass."""
        pace = self.staged(name).pace
        if f"{name}/{random}" in self._features or pace is None:
            return 0.0
        here = self.staged(name).covers(len(self.items)) and len(self.items) <= ONE_PASS
        return 0.0 if here and not random else pace.seconds * len(self.items)

    def prepared(self, name: str) -> PreparedExamples:
        """All examples as the preprocessing of backbone `name` makes them, ready for training."""
        preprocess = self.backbones[name].preprocess
        key = sha256_text(repr(preprocess.to_dict()), self.fingerprint)
        if key not in self._prepared:
            self._prepared[key] = prepare_examples(
                self.items,
                decode=self.decode,
                preprocess=preprocess,
                path=self.cache / "prepared" / f"{key}.raw",
                threads=self.placement.threads,
            )
            for line in self._prepared[key].told():
                self.listener(Said(line))
        return self._prepared[key]

    def resumed(self, name: str, first: int) -> Resumed | None:
        """The backbone cut before stage `first`, frozen below; None where there is nothing to skip or it cannot be cut."""
        key = (name, first)
        if key not in self._resumed:
            self._resumed[key] = None
            if 0 < first < len(self.backbones[name].stages):
                network = for_inference(self.backbones[name], self.placement_of(name))
                try:
                    self._resumed[key] = Resumed(network, first, self.sample(name))
                except ModelError as error:
                    self.listener(Said(f"Every pass goes through the frozen part again: {error}"))
        return self._resumed[key]

    def sample(self, name: str) -> Inputs:
        """A few prepared examples as one batch, a window of each."""
        return to_device(
            self.prepared(name).batch(np.arange(min(SAMPLE, len(self.items))), UNSEEN), self.placement.torch_device
        )

    def carried(self, name: str, first: int, views: int) -> CarriedExamples:
        """All examples as what goes into stage `first`, as they are and in so many augmented views."""
        key, resumed, placement = (name, first, views), self.resumed(name, first), self.placement_of(name)
        assert resumed is not None
        if key not in self._carried:
            known = (weights_hash(self.backbones[name]), repr(self.backbones[name].preprocess.to_dict()))
            cut = self.backbones[name].stages[first].name
            self._carried[key] = CarriedExamples(
                self.prepared(name),
                self.contents,
                resumed,
                placement,
                self.cache / "carried" / sha256_text(*known, cut, str(placement.low)),
                augment=self.augment,
                views=views,
                listener=self.listener,
            )
        return self._carried[key]

    @property
    def saved_s(self) -> float:
        """Seconds of passes through frozen stages that stored activations have saved in this process."""
        return sum(examples.saved_s for examples in self._carried.values())

    def asker(self, name: str) -> SourceAsker | None:
        """Who asks a network on the backbone called `name` how surprising texts of its source are; None where there are no such texts."""
        if name not in self.source_texts:
            return None
        from headstart.adapt.asked_source import SourceAsker

        if name not in self._askers:
            self._askers[name] = SourceAsker.of(self.backbones[self.continued.get(name, name)], self.source_texts[name])
        return self._askers[name]

    def asked_of_source(self, name: str, network: Network) -> dict[str, float | None]:
        """The bits per byte of the source's texts by a network on the backbone called `name`, under SOURCE_BITS; empty where there are no such texts."""
        asker = self.asker(name)
        if asker is None:
            return {}
        return {SOURCE_BITS: score(METRICS["bits_per_byte"], asker.after(network.backbone.net, getattr(network.head, "tokens_VD", None)))}

    def judge(self, rows: np.ndarray) -> Judge:
        """Who judges logits of `rows`."""
        return Judge(self.task, self.metric, self.targets[rows])

    def aims(self, rows: np.ndarray) -> np.ndarray:
        """What a loss is told of `rows`."""
        return self.task.aims(self.targets[rows])

    def strata(self, rows: np.ndarray) -> np.ndarray:
        """What parts of `rows` balance."""
        return self.task.strata(self.targets[rows])

    @property
    def reads(self) -> Reads:
        """What of a backbone the task's head reads."""
        reads: Reads = pick(HEADS, self.task.head, what="kind of head").reads
        return reads

    @property
    def most_in_batch(self) -> int:
        """How many examples make a batch at most, as far as the task has a say in it."""
        return self.task.most_in_batch

    def few_of(self, places: np.ndarray) -> np.ndarray:
        """Which of these are judged in validation: all, unless the task says how many are enough; then every so many-th."""
        most = self.task.most_validated
        return places if most is None or len(places) <= most else places[np.linspace(0, len(places) - 1, most).astype(int)]

    @property
    def head_is_trained(self) -> bool:
        """Whether the head is a part of the checkpoint, so that it needs no higher rate than the rest."""
        return bool(HEADS[self.task.head].starts_trained)

    def network_on(self, backbone: Backbone, units: Units | None = None) -> Network:
        """A network on `backbone` that ends in the head that a training of the task begins with."""
        head = HEADS[self.task.head].start(backbone, self.outputs) if units is None else None
        return Network(backbone, self.outputs, units, head=head)

    @property
    def outputs(self) -> int:
        """How many outputs a network has."""
        return self.task.outputs(self.classes)

    def right(self, rows: np.ndarray, logits_NK: np.ndarray) -> np.ndarray:
        """What the answer to each of `rows` is worth (n,): whether it is right, or minus by how much it is off."""
        return self.task.worth(self.task.said(logits_NK, self.targets[rows]), self.targets[rows])
