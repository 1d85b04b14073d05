"""Shards dealt out among processes: all of them, the cores divided, and what happens when a process is gone."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import CPU, TinyBackbone, stripes

from headstart.events import Progress, Said
from headstart.features import extract as extract_module
from headstart.features.extract import Shard, extract, extract_shards
from headstart.features.sharing import are_worth_it, portions
from headstart.features.way import Way


class Workers:
    """Computes portions here, but for those that its `fails` names: their process was ended."""

    def __init__(self, items, backbone, *, workers=2, fails=()):
        self.items, self.backbone, self.workers, self.fails = items, backbone, workers, fails
        self.portions, self.cancelled = [], 0

    def submit(self, portion):
        self.portions.append(portion)
        future = Future()
        if len(self.portions) - 1 in self.fails:
            future.set_exception(BrokenExecutor())
            return future
        shards = [Shard(path, self.items[rows.start : rows.stop]) for path, rows in portion.shards]
        extract_shards(
            shards, self.backbone, decode=same, placement=portion.placement, stages=portion.stages, way=portion.way,
            count=sum(len(shard.items) for shard in shards),
        )  # fmt: skip
        future.set_result(None)
        return future

    def cancel(self):
        self.cancelled += 1


def same(item):
    return item


@pytest.fixture
def pictures(monkeypatch):
    monkeypatch.setattr(extract_module, "ROWS_PER_SHARD", 4)
    return stripes(18)[0]


def test_every_missing_shard_is_handed_out_once(pictures, tmp_path):
    backbone, told = TinyBackbone(), []
    alone = extract(pictures, backbone, decode=same, placement=CPU, folder=tmp_path / "alone")
    whole = tmp_path / "shared"
    extract(pictures, backbone, decode=same, placement=CPU, folder=whole)
    (whole / "manifest.json").unlink()
    (whole / "00001.safetensors").unlink()
    (whole / "00002.safetensors").unlink()
    workers = Workers(pictures, backbone)
    found = extract(
        pictures, backbone, decode=same, placement=CPU, folder=whole, others=workers, listener=told.append
    )
    assert [[path.name for path, _ in portion.shards] for portion in workers.portions] == [
        ["00001.safetensors"],
        ["00002.safetensors"],
    ]
    np.testing.assert_array_equal(found.take(range(18)), alone.take(range(18)))
    assert told[-1] == Progress("features of tiny", 18, 18, 0.0)


def test_what_an_ended_process_leaves_undone_is_done_here_and_said(pictures, tmp_path):
    backbone, told = TinyBackbone(), []
    workers = Workers(pictures, backbone, fails=(1,))
    found = extract(
        pictures, backbone, decode=same, placement=CPU, folder=tmp_path / "a", others=workers, listener=told.append
    )
    alone = extract(pictures, backbone, decode=same, placement=CPU, folder=tmp_path / "b")
    np.testing.assert_array_equal(found.take(range(18)), alone.take(range(18)))
    assert workers.cancelled == 1
    said = [event.text for event in told if isinstance(event, Said) and event.warning]
    assert len(said) == 1
    assert "was ended from outside" in said[0]


def test_one_shard_is_not_handed_out(pictures, tmp_path):
    workers = Workers(pictures, TinyBackbone())
    extract(pictures[:4], TinyBackbone(), decode=same, placement=CPU, folder=tmp_path, others=workers)
    assert not workers.portions


@pytest.mark.parametrize(("streams", "workers", "expected"), [(2, 2, True), (1, 2, False), (3, 4, False), (8, 3, True)])
def test_streams_can_be_divided_but_not_the_cores_of_one(streams, workers, expected):
    assert are_worth_it(Workers([], None, workers=workers), 9, Way(streams=streams)) is expected


@pytest.mark.parametrize(
    ("threads", "streams", "workers", "own"), [(2, 2, 2, (1, 1)), (8, 8, 3, (2, 2)), (8, 4, 2, (4, 2)), (9, 2, 2, (4, 1))]
)
def test_a_batch_is_passed_on_as_many_cores_as_here(threads, streams, workers, own):
    shards = [(number, range(4)) for number in range(5)]
    placement = replace(CPU, threads=threads)
    dealt = portions(shards, workers, stages=None, placement=placement, way=Way(streams=streams))
    assert sorted(number for portion in dealt for number, _ in portion.shards) == list(range(5))
    assert {(portion.placement.threads, portion.way.streams) for portion in dealt} == {own}
    assert own[0] // own[1] == threads // streams
