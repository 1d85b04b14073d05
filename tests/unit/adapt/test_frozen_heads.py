"""Strategies that leave the backbone alone: what they choose, what they never see, and what they end as."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.fakes import TinyBackbone, folds_of, proposed, workbench
from torch import nn

from headstart.adapt import stages as stages_file
from headstart.adapt.drawn import draw
from headstart.adapt.head_kinds import HEADS, Head
from headstart.adapt.network import Network, remade
from headstart.adapt.stages import Reading, ScaledStages
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.trial import Spec
from headstart.adapt.watch import Watch
from headstart.errors import ModelError
from headstart.models.backbone import Stage
from headstart.tasks import TASKS

ROWS, TEST = np.arange(64), np.arange(64, 96)


def _bench(folder, **changes):
    return workbench(folder, count=96, classes=4, noise=90, **changes)


def _solved(bench, name):
    spec, folds = Spec("transfer", "tiny", name, {}), folds_of(64)
    seen = STRATEGIES[name].validate(spec, bench, ROWS, folds, seed=0, watch=Watch())
    network = STRATEGIES[name].refit(spec, seen.found, bench, ROWS, folds, seed=0)
    return seen, network, lambda rows: STRATEGIES[name].logits(network, spec, bench, rows)


class Lossy(TinyBackbone):
    """Its last stage has forgotten nearly everything that the one before knew."""

    def __init__(self, name="tiny", seed=0):
        super().__init__(name, seed)
        with torch.no_grad():
            self.net[3].weight.zero_()
            self.net[3].weight[:, 0, 1, 1] = 1
        self.stages = (*self.stages[:2], Stage("body", ("3",), 8))


@pytest.mark.parametrize("name", ["stages", "knn"])
def test_a_forward_pass_answers_as_stored_features_do(tmp_path, name):
    bench = _bench(tmp_path)
    bench.backbones["tiny"] = Lossy()
    seen, network, logits = _solved(bench, name)
    assert np.array_equal(np.sort(seen.rows), ROWS)
    inputs = network.backbone.preprocess.collate([network.backbone.preprocess.prepare(bench.items[r]) for r in TEST])
    with torch.inference_mode():
        np.testing.assert_allclose(network(inputs).numpy(), logits(TEST), atol=1e-3)
    assert bench.right(TEST, logits(TEST)).mean() > 0.5


def test_it_reads_an_earlier_stage_where_the_last_one_forgot(tmp_path):
    bench = _bench(tmp_path)
    bench.backbones["tiny"] = Lossy()
    probe, _, _ = _solved(bench, "probe")
    seen, network, _ = _solved(bench, "stages")
    assert network.reads is not None
    assert (
        bench.judge(seen.rows).values(seen.logits)["accuracy"]
        > bench.judge(probe.rows).values(probe.logits)["accuracy"]
    )


def test_where_the_last_stage_says_all_it_is_the_probe_and_wins_nothing(tmp_path):
    bench = _bench(tmp_path)
    bench.targets[:] = np.random.default_rng(1).integers(0, 4, 96)  # no stage knows more than another
    probe, plain, _ = _solved(bench, "probe")
    seen, network, _ = _solved(bench, "stages")
    assert seen.found["from_stage"] == "body"
    np.testing.assert_array_equal(seen.logits, probe.logits)
    assert not bench.judge(seen.rows).prefers(seen.logits, probe.logits)
    for one, other in zip(network.head_arrays(), plain.head_arrays(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_held_out_has_no_say_in_its_own_answer(tmp_path):
    bench, folds = _bench(tmp_path), folds_of(64)
    told = []
    for shift in (0, 1):
        seen = draw(ROWS, bench.targets, folds, 64)
        labels = seen.targets.copy()
        labels[folds[0][1]] = (labels[folds[0][1]] + shift) % 4
        stages = ScaledStages(bench.staged("tiny"), replace(seen, targets=labels), 4)
        told.append(stages.tried(Reading(stages.names, 0.3), Cs=[1.0]).held_out_logits_NK)
    out = np.zeros(64, bool)
    out[folds[0][1]] = True
    np.testing.assert_array_equal(told[0][out], told[1][out])
    assert not np.array_equal(told[0][~out], told[1][~out])


def test_one_stage_that_is_the_last_is_a_plain_probe(tmp_path):
    bench = _bench(tmp_path)
    stages = ScaledStages(bench.staged("tiny"), draw(ROWS, bench.targets, folds_of(64), 64), 4)
    assert stages.solved(Reading(("body",)), 1.0).reads is None
    assert stages.solved(Reading(("stem",)), 1.0).reads == (0,)
    assert stages.solved(Reading(stages.names), 1.0).reads == (0, 1, 2)


@pytest.mark.parametrize(
    ("name", "limit"), [("stages", {}), ("knn", {"MOST_NUMBERS": 32 * 8}), ("knn", {"MOST_REMEMBERED": 32})]
)
def test_more_examples_than_fit_are_drawn_evenly_and_said(tmp_path, monkeypatch, name, limit):
    told = []
    bench = _bench(tmp_path)
    bench.listener = lambda event: told.append(str(event))
    monkeypatch.setattr("headstart.adapt.stages.MOST_NUMBERS", 32 * 20)  # 32 examples of all stages
    monkeypatch.setattr("headstart.adapt.stages.chosen", lambda *given: Reading(("stem", "norm", "body"), 0.2))
    for constant, value in limit.items():
        monkeypatch.setattr(f"headstart.adapt.neighbours.{constant}", value)
    seen, _, logits = _solved(bench, name)
    assert len(seen.rows) == 32
    assert np.ptp(np.bincount(bench.targets[seen.rows])) <= 1
    assert logits(TEST).shape == (32, 4)
    assert any("of 64 examples" in line for line in told)


def test_an_example_is_no_neighbour_of_itself_or_its_like(tmp_path):
    bench = _bench(tmp_path)
    bench.targets[:] = np.random.default_rng(0).integers(0, 4, 96)  # nothing to learn: only oneself would know
    bench.groups[:] = np.arange(96) // 2
    _, _, logits = _solved(bench, "knn")
    assert bench.right(ROWS, logits(ROWS)).mean() < 0.55
    assert np.isfinite(logits(ROWS)).all()


def test_a_new_example_is_answered_as_the_shipped_model_answers_it(tmp_path):
    bench = _bench(tmp_path)
    bench.groups[:] = np.arange(96) % 32  # the new ones have kin among the remembered
    _, network, logits = _solved(bench, "knn")
    np.testing.assert_array_equal(logits(TEST), network.answer(bench.features("tiny").take(TEST)))
    assert not np.array_equal(logits(ROWS), network.answer(bench.features("tiny").take(ROWS)))


def test_labels_by_the_handful_are_voted_on_too(tmp_path):
    bench = _bench(tmp_path)
    bench.task, bench.metric = TASKS["multi"], TASKS["multi"].default_metric
    bench.targets = np.stack([bench.targets % 2, bench.targets // 2], 1)
    bench.classes = ("odd", "high")
    for name in ("stages", "knn"):
        seen, network, logits = _solved(bench, name)
        assert bench.judge(seen.rows).values(seen.logits)["macro_f1"] > 0.6
        assert bench.task.probabilities(logits(TEST)).shape == (32, 2)
        again = remade(network.backbone, network.describe_head())
        again.load_state_dict(network.state_dict())
        features = np.random.default_rng(0).normal(size=(5, network.backbone.width_of(network.reads)))
        np.testing.assert_array_equal(
            again.eval().answer(features.astype(np.float32)), network.answer(features.astype(np.float32))
        )


@pytest.mark.parametrize("name", ["stages", "knn"])
def test_numbers_are_no_classes(tmp_path, name):
    class Numbers:
        kind, name = "numbers", "regression"

    bench = _bench(tmp_path)
    bench.task = Numbers()
    assert proposed(STRATEGIES[name], bench, ROWS) is None
    with pytest.raises(ModelError, match="Leave it out"):
        STRATEGIES[name].validate(Spec("transfer", "tiny", name, {}), bench, ROWS, folds_of(64), seed=0, watch=Watch())


def test_a_pass_that_takes_too_long_is_not_proposed(tmp_path):
    bench = _bench(tmp_path)
    staged = bench.staged("tiny")
    staged.take(ROWS[:8])
    strategy = STRATEGIES["stages"]
    assert proposed(strategy, bench, ROWS, seconds=staged.pace.seconds) is None
    assert proposed(strategy, bench, ROWS, seconds=1e6) == {}
    assert proposed(strategy, bench, ROWS[:8], seconds=1e-9) == {}
    assert stages_file.SHARES[0] == 1.0


def test_every_head_is_remade_from_what_it_says():
    made = {
        "linear": HEADS["linear"](5, 3),
        "neighbours": HEADS["neighbours"](5, 3, 7, 2, 0.1, "single"),
    }
    assert made.keys() == {name for name, head in HEADS.items() if head.reads == "features"}
    for kind, head in made.items():
        assert isinstance(head, Head)
        again = HEADS[kind](**head.describe())
        assert {name: one.shape for name, one in again.state_dict().items()} == {
            name: one.shape for name, one in head.state_dict().items()
        }
        network = Network(TinyBackbone(), 3, head=head)
        assert isinstance(remade(TinyBackbone(), network.describe_head()).head, nn.Module)
