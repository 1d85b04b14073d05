"""The training loop: what moves, what must not, what is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.fakes import CPU, TinyBackbone, stripes, workbench

from headstart.adapt.examples import prepare_examples
from headstart.adapt.finetune import Recipe, best_of, cosine, optimizer_for, predict_logits, seconds_per_step, train
from headstart.adapt.judge import Judge
from headstart.adapt.network import Network, freeze_below, hold_statistics
from headstart.tasks import TASKS

TASK = TASKS["single"]


def _setup(tmp_path, count=32):
    pictures, targets = stripes(count)
    network = Network(TinyBackbone(), 2)
    examples = prepare_examples(
        pictures, decode=lambda item: item, preprocess=network.backbone.preprocess, path=tmp_path / "x.u8", threads=1
    )
    return network, examples, targets


def _train(network, examples, rows, targets, recipe, **more):
    return train(
        network, examples, rows, targets, recipe,
        objective=TASK.loss, placement=CPU, rng=np.random.default_rng(0), **more,
    )  # fmt: skip


def _state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def test_frozen_stages_stay_bit_identical_and_the_others_move(tmp_path):
    network, examples, targets = _setup(tmp_path)
    freeze_below(network.backbone, 2)
    before = _state(network)
    _train(network, examples, np.arange(32), targets, Recipe(epochs=3, learning_rate=1e-2, head_learning_rate=1e-2))
    after = network.state_dict()
    for name in before:
        moved = not torch.equal(before[name], after[name])
        assert moved == name.startswith(("backbone.net.3.", "head.")), name


def test_batch_norm_statistics_are_held_unless_asked(tmp_path):
    for hold in (True, False):
        network, examples, targets = _setup(tmp_path)
        before = network.backbone.net[1].running_mean.clone()
        recipe = Recipe(epochs=1, learning_rate=1e-3, head_learning_rate=1e-3, hold_batch_norm=hold)
        _train(network, examples, np.arange(32), targets, recipe)
        assert torch.equal(before, network.backbone.net[1].running_mean) == hold


def test_frozen_norm_is_in_eval_mode_even_when_moving_norms_train():
    network = Network(TinyBackbone(), 2)
    freeze_below(network.backbone, 2)
    network.train()
    hold_statistics(network, also_moving=False)
    assert not network.backbone.net[1].training
    assert network.backbone.net[3].training


class Told:
    """A judge that finds epochs as good as it is told (the start first), and sees every difference."""

    def __init__(self, values):
        self._values, self._seen = values, []

    def value(self, logits_NK):
        for number, known in enumerate(self._seen):
            if np.array_equal(known, logits_NK):
                return (self._values[number], 0.0)
        self._seen.append(logits_NK)
        return (self._values[len(self._seen) - 1], 0.0)

    def best(self, logits):
        return max(range(len(logits)), key=lambda number: (self.value(logits[number]), number))

    def prefers(self, one_NK, other_NK, *, tried=1):
        return self.value(one_NK) > self.value(other_NK)


@pytest.mark.parametrize(("values", "kept"), [((0, 0, 9, 0, 0, 0, 0), 2), ((0, 5, 1, 2, 5, 3, 5), 6), ((7,) * 7, 6)])
def test_the_best_epoch_is_put_back(values, kept, tmp_path):
    network, examples, targets = _setup(tmp_path, count=48)
    rows, held_out = np.arange(32), np.arange(32, 48)
    recipe = Recipe(epochs=6, learning_rate=1e-2, head_learning_rate=1e-2, batch_size=8)
    trained = _train(network, examples, rows, targets[rows], recipe, validation=(held_out, Told(values)))
    assert trained.best_epoch == kept
    np.testing.assert_array_equal(trained.logits_NK, trained.by_epoch[kept])
    np.testing.assert_allclose(predict_logits(network, examples, held_out, CPU), trained.logits_NK, atol=1e-6)


def test_training_learns(tmp_path):
    network, examples, targets = _setup(tmp_path, count=48)
    rows, held_out = np.arange(32), np.arange(32, 48)
    recipe = Recipe(epochs=6, learning_rate=1e-2, head_learning_rate=1e-2, batch_size=8)
    judge = Judge(TASK, "accuracy", targets[held_out])
    trained = _train(network, examples, rows, targets[rows], recipe, validation=(held_out, judge))
    assert len(trained.by_epoch) == 7
    assert judge.values(trained.logits_NK)["log_loss"] < judge.values(trained.by_epoch[0])["log_loss"]
    assert judge.values(trained.logits_NK)["accuracy"] > 0.9


def test_stops_when_it_only_gets_worse(tmp_path):
    network, examples, targets = _setup(tmp_path)
    recipe = Recipe(epochs=30, learning_rate=1e-3, head_learning_rate=1e-3)
    judge = Told([0, 9, *range(8, -30, -1)])
    trained = _train(network, examples, np.arange(16), targets[:16], recipe, validation=(np.arange(16, 32), judge))
    assert trained.best_epoch == 1
    assert len(trained.by_epoch) == 1 + 1 + 10


def test_an_earlier_epoch_that_is_better_by_chance_is_rarely_taken():
    targets, earlier = np.arange(24) % 2, 0
    for seed in range(60):  # epochs that are equally good, alike as those of one training are
        rng = np.random.default_rng(seed)
        common = np.eye(2)[targets] + rng.normal(size=(24, 2))
        luck = [common + 0.4 * rng.normal(size=(24, 2)) for _ in range(12)]
        earlier += best_of(luck, Judge(TASK, "accuracy", targets)) != 11
    assert earlier <= 15
    sure = np.eye(2)[targets] * 4.0
    assert best_of([sure, *luck], Judge(TASK, "accuracy", targets)) == 0


def test_same_seed_same_weights(tmp_path):
    states = []
    for _ in range(2):
        network, examples, targets = _setup(tmp_path)
        torch.manual_seed(0)
        _train(network, examples, np.arange(32), targets, Recipe(epochs=2, learning_rate=1e-3, head_learning_rate=1e-3))
        states.append(_state(network))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_measuring_a_step_changes_nothing(tmp_path):
    network, examples, targets = _setup(tmp_path)
    before = _state(network)
    seconds = seconds_per_step(
        network, examples, np.arange(32), objective=TASK.loss, targets=targets, placement=CPU, batch_size=8
    )
    assert seconds > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_vectors_are_not_decayed():
    network = Network(TinyBackbone(), 2)
    optimizer = optimizer_for(network, Recipe(epochs=1, learning_rate=1e-3, head_learning_rate=1e-2, weight_decay=0.1))
    for group in optimizer.param_groups:
        assert all((parameter.ndim > 1) == (group["weight_decay"] > 0) for parameter in group["params"])


@pytest.mark.parametrize("steps", [1, 10, 100])
def test_schedule_rises_then_falls_to_nothing(steps):
    factor = cosine(steps, 0.1)
    values = [factor(step) for step in range(steps)]
    assert max(values) == 1.0
    assert all(value > 0 for value in values)
    assert values == sorted(values[: values.index(1.0) + 1]) + sorted(values[values.index(1.0) + 1 :], reverse=True)


def test_pictures_are_read_back_from_disk_as_they_were(tmp_path):
    bench = workbench(tmp_path, count=12)
    examples = bench.prepared("tiny")
    expected = bench.backbone("tiny").preprocess.collate([np.asarray(bench.items[row]) for row in (7, 0)])
    assert torch.equal(examples.batch([7, 0]), expected)


def test_an_examples_number_does_not_depend_on_what_is_already_on_disk(tmp_path):
    first = workbench(tmp_path, count=12).prepared("tiny").batch(range(12))
    second = workbench(tmp_path, count=12).prepared("tiny").batch(range(12))
    assert torch.equal(first, second)
