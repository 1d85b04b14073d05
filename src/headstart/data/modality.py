"""The modalities: what the rest of the house may ask of a kind of data, so that nothing else asks which it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.data import image_augment, image_floor, image_look, image_near, images, text_near, texts
from headstart.data.look import Look

ItemOf = Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class Modality:
    """One kind of data. Every function is deterministic and safe to call from several threads.

    - `decode(item)`: the example itself, as a backbone's preprocessing takes it; raises DataError, never makes one up.
    - `content(item)`: the bytes whose SHA-256 stands for the item.
    - `audit_one(item)`: one cheap look; raises DataError for what `decode` would refuse.
    - `same(one, other)`: whether two items are equal once decoded.
    - `near(sketches, item_of)`: pairs of rows that are near-duplicates, enough to join every cluster.
    - `describe(shapes, kinds)`: sizes or lengths in JSON, `line` for people.
    - `augment(batch, rng)`: a changed copy of a collated batch, for training.
    - `floor_features(items)`: what the classical floor is fitted on: numbers (N × D), or texts for TF-IDF.
    - `thumbnail(item, px)`: JPEG bytes or an excerpt, to show to people.
    """

    name: str
    noun: str
    floor_name: str
    decode: Callable[[Any], Any]
    content: Callable[[Any], bytes]
    audit_one: Callable[[Any], Look]
    same: Callable[[Any, Any], bool]
    near: Callable[[np.ndarray, ItemOf], Iterator[tuple[int, int]]]
    describe: Callable[[np.ndarray, Mapping[str, int]], dict[str, Any]]
    augment: Callable[[Any, np.random.Generator], Any]
    floor_features: Callable[[Sequence[Any]], np.ndarray | list[str]]
    thumbnail: Callable[[Any, int], bytes | str]
    strategies: tuple[str, ...] = ()
    """Ways to adapt that a search tries for it unasked, beside the usual ones."""


def _near_texts(sketches_NK: np.ndarray, item_of: ItemOf) -> Iterator[tuple[int, int]]:
    return text_near.near(sketches_NK, lambda row: texts.joined(texts.decode(item_of(row))))


MODALITIES: dict[str, Modality] = {
    "image": Modality(
        name="image",
        noun="pictures",
        floor_name="colour and gradient histograms",
        decode=images.decode,
        content=images.encoded,
        audit_one=image_look.audit_one,
        same=image_look.same,
        near=image_near.near,
        describe=image_look.describe,
        augment=image_augment.augment,
        floor_features=image_floor.floor_features,
        thumbnail=images.thumbnail,
    ),
    "text": Modality(
        name="text",
        noun="texts",
        floor_name="TF-IDF",
        decode=texts.decode,
        content=texts.content,
        audit_one=texts.audit_one,
        same=texts.same,
        near=_near_texts,
        describe=texts.describe,
        augment=texts.augment,
        floor_features=texts.floor_features,
        thumbnail=texts.thumbnail,
        strategies=("contrastive",),
    ),
}
