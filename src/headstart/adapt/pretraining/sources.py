"""The sources of a pre-training: read, audited, and turned into pictures with a way to view each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.adapt.pretraining.views import Pictures, View, crop_view
from headstart.data.audit import audit
from headstart.data.builtin import PREFIX
from headstart.data.dataset import Dataset
from headstart.data.fingerprint import fingerprint
from headstart.data.glyphs import glyph_view
from headstart.data.modality import MODALITIES
from headstart.data.read import read, read_inputs
from headstart.errors import DataError, OptionError
from headstart.events import Listener, Progress, Said

VIEWS: Mapping[str, View] = {f"{PREFIX}glyphs": glyph_view}
"""Sources that are viewed in a way of their own; all others by random crops."""

VIEWS_PER_SOURCE = 40_000
"""Views a source gets by default, shared among its pictures: few pictures are viewed often, many once."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source: its usable pictures as `data`, the fingerprint of all that was read, and how many were set aside."""

    name: str
    data: Dataset
    view: View
    fingerprint: str
    set_aside: int
    licence: str | None

    @property
    def default_views(self) -> int:
        """How many views of each picture make about VIEWS_PER_SOURCE."""
        return max(1, round(VIEWS_PER_SOURCE / len(self.data)))

    def facts(self, views: int) -> dict[str, Any]:
        """What the source card says of it, where each picture is viewed `views` times; JSON-ready."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "pictures": len(self.data),
            "set_aside": self.set_aside,
            "views": len(self.data) * views,
            "licence": self.licence,
        }


def read_sources(
    sources: Sequence[str | Path], *, labelled: bool, licences: Sequence[str], listener: Listener
) -> list[Source]:
    """Every source read and audited; what cannot be used is said and set aside.

    With labels their conflicts and exact duplicates are set aside too, and a test part is left out, so that it stays
    unseen. Raises DataError where there are no pictures or no single labels, OptionError where licences do not fit.
    """
    if not sources:
        raise DataError("pretrain: no sources given. Give a folder, zip or table of pictures, or builtin:glyphs.")
    if licences and len(licences) != len(sources):
        raise OptionError(f"--licences: {len(licences)} for {len(sources)} sources. Give one for each, or none.")
    names = names_of(sources)
    told: list[str | None] = [*licences] or [None] * len(sources)
    return [
        _read(source, name, licence, labelled, listener)
        for source, name, licence in zip(sources, names, told, strict=True)
    ]


def views_of(sources: Sequence[Source], views: Sequence[int] | int | None) -> list[int]:
    """Views per picture of each source: as asked, or by default; raises OptionError for counts that do not fit."""
    if views is None:
        return [source.default_views for source in sources]
    counts = [views] * len(sources) if isinstance(views, int) else list(views)
    if len(counts) != len(sources) or min(counts) < 1:
        raise OptionError(
            f"--views {','.join(map(str, counts))}: give one number from 1 on for each of the {len(sources)} sources."
        )
    return counts


def as_pictures(sources: Sequence[Source], views: Sequence[int]) -> list[Pictures]:
    """What the view bank takes; classes are numbered over all sources, labels are None where they were not read."""
    decode = MODALITIES["image"].decode
    numbers = {name: number for number, name in enumerate(class_names(sources))}
    found = []
    for source, count in zip(sources, views, strict=True):
        labels = _labels(source, several=len(sources) > 1)
        numbered = None if labels is None else np.array([numbers[name] for name in labels], dtype=np.int64)
        found.append(Pictures(source.data.items, decode, numbered, count, source.view))
    return found


def class_names(sources: Sequence[Source]) -> tuple[str, ...]:
    """The classes of all sources, sorted; several sources keep theirs apart by a prefix: `birds/crow`."""
    return tuple(sorted({name for source in sources for name in _labels(source, several=len(sources) > 1) or ()}))


def seen_by(source: Source, row: int, rng: np.random.Generator, size: int) -> Any:
    """A picture of the source as a target's would come: itself, or a view where the source has views of its own."""
    picture = MODALITIES["image"].decode(source.data.items[row])
    return picture if source.view is crop_view else source.view(picture, size, rng).convert("RGB")


def _read(source: str | Path, name: str, licence: str | None, labelled: bool, listener: Listener) -> Source:
    if not str(source).startswith(PREFIX) and not Path(source).exists():
        raise DataError(f"{source}: no such file or folder. Check the path.")
    # Without labels a source is read as `predict` reads it: any folder of pictures will do.
    data = read(source) if labelled else read_inputs([source], modality="image").without_labels()
    if data.modality != "image":
        raise DataError(f"{source}: holds {data.modality}, not pictures. Pre-training here is for pictures.")
    if labelled and data.kind != "single":
        raise DataError(f"{source}: has several labels per picture. Give one label each, or use --objective distil.")
    found = audit(data, listener=_named(listener, name), for_training=labelled)
    for reason, count in found.reasons.items():
        first = next(entry for entry in found.aside if entry[1] == reason)
        listener(Said(f"{name}: set aside {count}, {reason}; the first: {first[0]} ({first[2]})", warning=True))
    keep = [row for row in found.keep if not labelled or data.parts[row] != "test"]
    if len(keep) < len(found.keep):
        listener(Said(f"{name}: its {len(found.keep) - len(keep)} test pictures are left out"))
    if len(keep) < 2:
        raise DataError(f"{source}: {len(keep)} usable pictures. Give more.")
    own = VIEWS.get(str(source), crop_view)
    return Source(name, data.take(keep), own, fingerprint(data, found.contents), len(found.aside), licence)


def _named(listener: Listener, name: str) -> Listener:
    """The audit's progress under the source's name."""

    def hand_on(event: Any) -> None:
        if isinstance(event, Progress):
            event = Progress(f"{event.what} of {name}", event.done, event.total, event.seconds_left)
        listener(event)

    return hand_on


def names_of(sources: Sequence[str | Path]) -> list[str]:
    """What to call each source: its file or folder, without the kind, told apart by numbers where they are alike."""
    names: list[str] = []
    for source in sources:
        path = Path(str(source).removeprefix(PREFIX))
        plain = path.resolve().name if path.is_dir() else path.stem
        alike = sum(name == plain or name.startswith(f"{plain} (") for name in names)
        names.append(f"{plain} ({alike + 1})" if alike else plain)
    return names


def _labels(source: Source, *, several: bool) -> list[str] | None:
    if source.data.labels is None:
        return None
    return [f"{source.name}/{names[0]}" if several else names[0] for names in source.data.labels]
