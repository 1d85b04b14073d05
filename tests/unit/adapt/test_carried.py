"""Activations at a cut: computed once, kept in shards, the same whoever asks."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from tests.fakes import CPU, TinyBackbone, folds_of, proposed, stripes, workbench
from tests.families import SENTENCES, TEXTS

from headstart.adapt import carried
from headstart.adapt.carried import CarriedExamples, make_room, views_with_room
from headstart.adapt.examples import prepare_examples
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.strategy import Effort
from headstart.adapt.trial import Spec
from headstart.data.image_augment import augment
from headstart.models.resolve import load_backbone
from headstart.models.resume import CARRIED, Resumed

COUNT = 24


def examples_of(backbone, items, path):
    return prepare_examples(
        items, decode=lambda item: item, preprocess=backbone.preprocess, path=path / "x.raw", threads=1
    )


def kept(path, *, views=3, listener=lambda event: None):
    pictures, _ = stripes(COUNT)
    backbone = TinyBackbone().eval()
    examples = examples_of(backbone, pictures, path)
    resumed = Resumed(backbone, 2, examples.batch([0, 1]))
    contents = [f"content {row}" for row in range(COUNT)]
    return CarriedExamples(
        examples, contents, resumed, CPU, path / "carried", augment=augment, views=views, listener=listener
    )


def shown(found, rows, epoch=None):
    found.ready(rows, epoch)
    return found.batch(rows, epoch)[CARRIED]


def test_without_an_epoch_examples_are_shown_as_they_are(tmp_path):
    found = kept(tmp_path)
    rows = np.array([7, 2, 11])
    with torch.no_grad():
        expected = found.resumed.carry(found.examples.batch(rows))
    torch.testing.assert_close(shown(found, rows), expected)
    more = np.array([2, 20, 7, 0])
    with torch.no_grad():
        torch.testing.assert_close(shown(found, more), found.resumed.carry(found.examples.batch(more)))


def test_epochs_show_the_views_in_turn(tmp_path):
    found, rows = kept(tmp_path), np.arange(8)
    views = [shown(found, rows, epoch) for epoch in range(6)]
    for epoch in range(3):
        assert torch.equal(views[epoch], views[epoch + 3])
        assert not torch.allclose(views[epoch], views[(epoch + 1) % 3])
        assert not torch.allclose(views[epoch], shown(found, rows))


def test_nothing_is_computed_twice_not_even_by_another_run(tmp_path, monkeypatch):
    rows = np.arange(12)
    once = kept(tmp_path)
    assert once.missing(rows) == 4 * COUNT  # neighbours in a chunk come along
    first = [shown(once, rows), shown(once, rows, 1)]
    assert once.missing(rows) == 2 * COUNT
    again = kept(tmp_path)

    def refuse(inputs):
        raise AssertionError("computed again")

    monkeypatch.setattr(again.resumed, "carry", refuse)
    assert torch.equal(shown(again, rows), first[0])
    assert torch.equal(shown(again, rows, 1), first[1])
    assert torch.equal(shown(again, rows[::-1].copy()), first[0].flip(0))


def test_a_view_does_not_depend_on_who_asked_first(tmp_path, monkeypatch):
    monkeypatch.setattr(carried, "CHUNK", 8)
    fold, other = kept(tmp_path / "one"), kept(tmp_path / "two")
    shown(fold, np.array([1, 3, 9]), 0)  # what a fold trains on comes first here, everything at once there
    shown(fold, np.array([20, 0]), 0)
    every = np.arange(COUNT)
    assert torch.equal(shown(fold, every, 0), shown(other, every, 0))
    assert fold.missing(every) == other.missing(every)


def test_shards_are_small_and_read_as_one(tmp_path, monkeypatch):
    whole = shown(kept(tmp_path / "one"), np.arange(COUNT))
    monkeypatch.setattr(carried, "SHARD_BYTES", 1)
    monkeypatch.setattr(carried, "by_cost", lambda costs: np.array_split(np.arange(len(costs)), 5))
    found = kept(tmp_path / "many")
    assert torch.equal(shown(found, np.arange(COUNT)), whole)
    assert len(list((tmp_path / "many" / "carried").rglob("*.safetensors"))) == 5


def test_half_a_block_is_no_block(tmp_path):
    first = shown(kept(tmp_path), np.arange(8))
    for manifest in (tmp_path / "carried").rglob("manifest.json"):
        manifest.unlink()
    assert torch.equal(shown(kept(tmp_path), np.arange(8)), first)


def test_texts_keep_their_tokens_and_no_padding(tmp_path):
    backbone = load_backbone(TEXTS["bert"](tmp_path / "bert"))
    examples = examples_of(backbone, list(SENTENCES), tmp_path)
    resumed = Resumed(backbone, 1, examples.batch([0, 1, 2]))
    found = CarriedExamples(examples, list(SENTENCES), resumed, CPU, tmp_path / "carried")
    rows = np.arange(len(SENTENCES))
    states = shown(found, rows)
    batch = examples.batch(rows)
    with torch.no_grad():
        whole, mask = resumed.carry(batch), batch["attention_mask"].bool()
        torch.testing.assert_close(states[mask], whole[mask], atol=1e-5, rtol=1e-4)
        assert not states[~mask].any()
        found.ready(rows)
        torch.testing.assert_close(resumed(found.batch(rows)), backbone(batch), atol=1e-5, rtol=1e-4)
    on_disk = sum(path.stat().st_size for path in (tmp_path / "carried").rglob("*.safetensors"))
    assert on_disk < mask.sum() * 16 * 4 + 1000
    assert found.views == 0


@pytest.mark.parametrize(
    ("room", "wanted", "views"),
    [(1e9, 8, 8), (6000, 8, 5), (5000, 8, 4), (4999, 8, None), (1000, 0, 0), (999, 0, None), (3000, 2, 2)],
)
def test_views_take_the_room_that_there_is(room, wanted, views):
    assert views_with_room(10, 100, wanted, room) == views


def test_what_was_used_longest_ago_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(carried, "ROOM_BYTES", 2500)
    for name in ("old", "older", "new", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(bytes(600))
        age = {"old": 200, "older": 300, "new": 100, "own": 400}[name]
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    make_room(tmp_path, keep=tmp_path / "own")
    assert {path.name for path in tmp_path.iterdir()} == {"old", "new", "own"}


def test_training_on_what_is_kept_gives_what_training_on_examples_gives(tmp_path):
    bench, rows = workbench(tmp_path / "cache", count=32), np.arange(32)
    strategy, folds = STRATEGIES["partial"], folds_of(32)
    chosen = strategy.portfolio[0]
    settings = dict(strategy.propose(chosen, bench, "tiny", rows, seconds=None, effort=Effort.FIRST).settings)
    assert settings["views"] == 0  # nothing is augmented here: one view serves all epochs
    logits = []
    for views in (0, None):
        spec = Spec("transfer", "tiny", "partial", {**settings, "views": views})
        network = strategy.refit(spec, {"best_epoch": 3, "head": "trained"}, bench, rows, folds, seed=1)
        logits.append(strategy.logits(network, spec, bench, rows))
        frozen = bench.backbones["tiny"].net[0].weight
        assert torch.equal(network.backbone.net[0].weight, frozen)
        assert not torch.equal(network.backbone.net[3].weight, bench.backbones["tiny"].net[3].weight)
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-4)


def test_fewer_views_are_kept_where_time_is_short(tmp_path, monkeypatch):
    bench, rows = workbench(tmp_path / "cache", count=64), np.arange(64)
    bench.augment = lambda inputs, rng: inputs
    monkeypatch.setattr(CarriedExamples, "measure", lambda self, rows: (1.0, 1.0))  # a second for each pass
    strategy = STRATEGIES["partial"]
    bench.step_seconds["partial", "tiny", strategy.first(bench.backbones["tiny"]), 32] = 1e-3
    views = [proposed(strategy, bench, rows, seconds=seconds)["views"] for seconds in (None, 1e4, 1100.0, 800.0)]
    assert views == [8, 8, 4, 0]


def test_what_reading_saves_is_counted(tmp_path):
    bench, rows = workbench(tmp_path / "cache", count=32), np.arange(32)
    kept = bench.carried("tiny", 2, 0)
    assert bench.saved_s == 0
    kept.ready(rows)
    for _ in range(3):
        kept.batch(rows)
    kept.pass_s, kept.seconds = 0.5, 2.0
    assert bench.saved_s == 3 * 32 * 0.5 - 2.0
