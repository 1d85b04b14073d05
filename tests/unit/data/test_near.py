"""The searches for near-duplicates at scale: all planted copies found, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart.data import image_near, text_near
from headstart.data.clusters import Clusters
from headstart.data.image_look import sketch

MIB = 2**20


def planted(count: int) -> tuple[np.ndarray, Callable[[int], Any]]:
    """Sketches of `count` random pictures, the last tenth brighter copies of the first."""
    rng = np.random.default_rng(0)
    sketches = rng.integers(0, 200, (count, 256), dtype=np.uint8)
    copies = count // 10
    sketches[-copies:] = sketches[:copies] + 10

    def item_of(row: int) -> Image.Image:
        return Image.fromarray(sketches[row].reshape(16, 16)).resize((64, 64))

    return sketches, item_of


@pytest.mark.parametrize("count", [100, 50_000])
def test_planted_pictures_are_found_in_bounded_memory(count: int) -> None:
    sketches, item_of = planted(count)
    tracemalloc.start()
    pairs = sorted(image_near.near(sketches, item_of))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    copies = count // 10
    assert pairs == [(row, count - copies + row) for row in range(copies)]
    assert peak < 64 * MIB


def test_one_great_cluster_stays_cheap() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 240, 256, dtype=np.uint8)
    sketches = base + rng.integers(0, 3, (3000, 256), dtype=np.uint8)
    looked = 0

    def item_of(row: int) -> Image.Image:
        nonlocal looked
        looked += 1
        return Image.fromarray(sketches[row].reshape(16, 16)).resize((64, 64))

    clusters = Clusters(3000)
    for one, other in image_near.near(sketches, item_of):
        clusters.join(one, other)
    assert len(set(clusters.names().tolist())) == 1
    assert looked < 20_000


def test_nothing_and_one_have_no_pairs() -> None:
    empty = np.zeros((0, 256), dtype=np.uint8)
    for sketches in (empty, np.arange(256, dtype=np.uint8)[None]):
        assert list(image_near.near(sketches, lambda row: None)) == []
        assert list(text_near.near(sketches, lambda row: "")) == []


def test_planted_texts_are_found_among_many() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghij"), 7)) for _ in range(400)]
    samples = [" ".join(rng.choice(words, 20)) for _ in range(2000)]
    samples += [text + "." for text in samples[:100]]
    sketches = np.stack([row for text in samples if (row := text_near.minhash(text)) is not None])
    clusters = Clusters(len(samples))
    for one, other in text_near.near(sketches, samples.__getitem__):
        clusters.join(one, other)
    names = clusters.names()
    assert np.array_equal(names[2000:], np.arange(100))
    assert len(set(names.tolist())) == 2000


def test_sketch_of_a_plain_picture_is_none() -> None:
    assert sketch(Image.new("RGB", (50, 50), "red")) is None
