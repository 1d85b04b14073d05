"""Which way of passing pays for a job: measured on its first examples, remembered per machine, network and precision.

Small jobs go the plain way and measure nothing. What is chosen by a clock cannot repeat by itself: a run notes it in its
journal (`Noted`), and one that must repeat bit for bit does not measure (`fixed`).
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from headstart.events import Listener, Said, silent
from headstart.features.batches import Decode
from headstart.features.extract import for_inference
from headstart.features.forward import FORWARDS
from headstart.features.passes import passes
from headstart.features.way import Way, plain
from headstart.files import read_json, sha256_text, write_json
from headstart.models.backbone import Backbone
from headstart.runtime import Placement

MEASURED_FROM = 4096
"""Examples from which on a job is measured at all."""
SAMPLE = 128
"""Examples that each way is measured on."""
SHARE = 1 / 20
"""Of a job's time that measuring batch sizes and streams may take."""
BATCHES = (64, 16)
STARTS_S: Mapping[str, float] = {"compiled": 40.0, "captured": 2.0}
"""What building a way of passing is guessed to take before it was once measured."""
GAIN = 1 / 4
"""Share of a job's time that such a way is expected to save; it is tried where that is more than what building takes."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be extracted; `key` names it in the journal."""

    key: str
    items: Sequence[Any]
    backbone: Backbone
    decode: Decode
    placement: Placement
    stages: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """A way as it was measured: seconds before its first batch was through, and per example from there on."""

    way: Way
    start_s: float
    example_s: float

    def seconds(self, count: int) -> float:
        """What `count` examples take."""
        return self.start_s + count * self.example_s


Chooser = Callable[[Job], Way]


def fixed(job: Job) -> Way:
    """The way that no clock has a say in."""
    return plain(job.placement)


@dataclass(frozen=True, slots=True)
class Measured:
    """Chooses by measuring, and remembers under `cache`."""

    cache: Path
    listener: Listener = silent

    def __call__(self, job: Job) -> Way:
        """The way that takes the least time for `job`, building included."""
        count = len(job.items)
        if count < MEASURED_FROM:
            return fixed(job)
        path = self.cache / "ways" / f"{_machine_and_network(job)}.json"
        tried = _read(path)
        known = {one.way for one in tried}
        for way in _candidates(job, tried):
            if way not in known:
                tried.append(measure(job, way))
        for name, why in _hopeful(job, tried):
            if why:
                self.listener(Said(f"features of {job.backbone.card.name}: passes stay as they are, {why}."))
                continue
            found = self._try(job, replace(cheapest(tried, count).way, forward=name))
            tried += [found] if found else []
        _write(path, tried)
        return cheapest(tried, count).way

    def _try(self, job: Job, way: Way) -> Tried | None:
        try:
            first = measure(job, way)
            # Again: what the compiler left in its cache is what later runs, and this one, start from.
            again = measure(job, way, sample=2 * way.batch * way.streams)
        except RuntimeError as error:  # a compiler's errors are children of it
            self.listener(
                Said(f"features of {job.backbone.card.name}: not {way.forward} ({_first_line(error)}).", warning=True)
            )
            return Tried(way, float("inf"), float("inf"))
        return replace(first, start_s=min(first.start_s, again.start_s))


class Notes(Protocol):
    """An append-only record, such as a run's journal."""

    def append(self, kind: str, **values: Any) -> None:
        """Add an entry."""
        ...

    def of(self, kind: str, **where: Any) -> list[Mapping[str, Any]]:
        """Entries of a kind, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Noted:
    """Chooses once per job and notes it; what stands in the `journal`, or in the one that is `replayed`, holds."""

    choose: Chooser
    journal: Notes
    replayed: Notes | None = None
    listener: Listener = silent

    def __call__(self, job: Job) -> Way:
        """The way that is noted for `job`, or a choice that is noted now; small jobs, which go the plain way, need no note."""
        own = self.journal.of("extraction", job=job.key)
        noted = own or (self.replayed.of("extraction", job=job.key) if self.replayed else [])
        way = self._here(job, Way.from_dict(noted[-1]["way"])) if noted else self._new(job)
        if not own and len(job.items) >= MEASURED_FROM:
            self.journal.append("extraction", job=job.key, backbone=job.backbone.card.name, way=way.to_dict())
        return way

    def _new(self, job: Job) -> Way:
        return fixed(job) if self.replayed else self.choose(job)

    def _here(self, job: Job, way: Way) -> Way:
        lack = FORWARDS[way.forward].lack(job.backbone, job.placement)
        if lack:
            name = job.backbone.card.name
            self.listener(
                Said(f"features of {name}: not {way.forward} as noted, {lack}; they differ by rounding.", warning=True)
            )
        return fixed(job) if lack else way


def cheapest(tried: Sequence[Tried], count: int) -> Tried:
    """What takes the least time for `count` examples; of equals the first."""
    return min(tried, key=lambda one: one.seconds(count))


def measure(job: Job, way: Way, *, sample: int | None = None) -> Tried:
    """Extract the first examples of `job` and throw them away."""
    sample = sample or max(SAMPLE, 4 * way.batch * way.streams)
    items, seen, ends = job.items[:sample], [0], [time.perf_counter()]

    def tick(count: int) -> None:
        seen.append(seen[-1] + count)
        ends.append(time.perf_counter())

    network = for_inference(job.backbone, job.placement)
    for _ in passes(
        [items], network, decode=job.decode, placement=job.placement, way=way, stages=job.stages, tick=tick
    ):
        pass
    warm = min(way.streams, len(ends) - 2) if len(ends) > 2 else 0
    example_s = (ends[-1] - ends[warm]) / max(1, seen[-1] - seen[warm])
    return Tried(way, max(0.0, ends[warm] - ends[0] - example_s * seen[warm]), example_s)


def _candidates(job: Job, tried: Sequence[Tried]) -> Iterator[Way]:
    """The plain way first, then other sizes of batch and a single stream, while the job is long enough to pay for them."""
    first = plain(job.placement)
    yield first
    left = len(job.items) * SHARE - SAMPLE
    others = [replace(first, batch=batch) for batch in BATCHES]
    others += [Way(batch=BATCHES[0])] if first.streams > 1 else []
    for way in others:
        left -= max(SAMPLE, 4 * way.batch * way.streams)
        if left >= 0:
            yield way


def _hopeful(job: Job, tried: Sequence[Tried]) -> Iterator[tuple[str, str]]:
    """Ways that have to be built and have not been tried, where the job may pay for them, each with what it lacks."""
    known = {one.way.forward for one in tried}
    seconds = cheapest(tried, len(job.items)).seconds(len(job.items))
    for name, start_s in STARTS_S.items():
        if name not in known and seconds * GAIN > start_s:
            why = FORWARDS[name].lack(job.backbone, job.placement)
            if not why or name == _usual(job.placement):
                yield name, why


def _usual(placement: Placement) -> str:
    return "captured" if placement.device.startswith("cuda") else "compiled"


def _machine_and_network(job: Job) -> str:
    machine = (platform.node(), platform.machine(), platform.processor(), torch.__version__)
    shapes = [f"{name} {tuple(tensor.shape)}" for name, tensor in job.backbone.state_dict().items()]
    return sha256_text(
        *machine, repr(job.placement), repr(job.backbone.preprocess.to_dict()), repr(job.stages), *shapes
    )


def _read(path: Path) -> list[Tried]:
    if not path.is_file():
        return []
    entries = read_json(path)
    infinite = float("inf")
    return [
        Tried(
            Way.from_dict(one["way"]),
            *(infinite if one[name] is None else one[name] for name in ("start_s", "example_s")),
        )
        for one in entries
    ]


def _write(path: Path, tried: Sequence[Tried]) -> None:
    finite = [(one, one.example_s < float("inf")) for one in tried]
    write_json(
        path,
        [
            {
                "way": one.way.to_dict(),
                "start_s": one.start_s if is_finite else None,
                "example_s": one.example_s if is_finite else None,
            }
            for one, is_finite in finite
        ],
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
