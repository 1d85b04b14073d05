"""Networks for quantities: trained in standard deviations, speaking in the user's own unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.fakes import CPU, TinyBackbone, folds_of, stripes, workbench

from headstart.adapt.finetune import Recipe, predict_logits, train
from headstart.adapt.floor import classical_logits, tfidf_logits
from headstart.adapt.head_kinds import LinearHead
from headstart.adapt.network import HeadInUnits, Network
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.trial import Spec
from headstart.adapt.watch import Watch
from headstart.runtime import generator
from headstart.tasks import TASKS
from headstart.tasks.base import Units


def bench_of(folder, *, scale=1.0, shift=0.0):
    """The workbench of the tests with a number for every picture: its mean red."""
    pictures, _ = stripes(48)
    numbers = np.array([np.asarray(one)[..., 0].mean() for one in pictures])
    task = TASKS["quantity"]
    return replace(workbench(folder), targets=numbers * scale + shift, task=task, classes=(), metric="mae")


def spec(**changes):
    settings = {
        "epochs": 3, "learning_rate": 3e-3, "head_learning_rate": 3e-2, "weight_decay": 0.01, "batch_size": 16, "warmup": 0.1,
        "hold_batch_norm": True, "stop_after": None, "folds": 2, "views": None,
    }  # fmt: skip
    return Spec("transfer", "tiny", "full", {**settings, **changes})


def test_a_fresh_head_says_the_mean():
    network = Network(TinyBackbone(), 1, Units(40.0, 7.0)).eval()
    with torch.no_grad():
        np.testing.assert_allclose(network(torch.zeros(3, 3, 8, 8)).numpy(), 40.0)


def test_a_head_is_given_and_taken_in_the_users_unit():
    network = Network(TinyBackbone(), 1, Units(1000.0, 50.0)).eval()
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(0, 20, (1, 8)), np.array([990.0])
    network.set_head(weight, bias)
    for given, taken in zip((weight, bias), network.head_arrays(), strict=True):
        np.testing.assert_allclose(taken, given, rtol=1e-5)
    pictures = torch.from_numpy(rng.integers(0, 255, (5, 3, 8, 8)).astype(np.float32))
    plain = network.with_plain_head()
    assert not isinstance(plain.head, HeadInUnits)
    with torch.no_grad():
        features = network.backbone(pictures).numpy()
        np.testing.assert_allclose(network(pictures).numpy(), features @ weight.T + bias, rtol=1e-4)
        np.testing.assert_allclose(plain(pictures).numpy(), network(pictures).numpy(), rtol=1e-4)


def test_a_network_of_classes_keeps_its_head():
    network = Network(TinyBackbone(), 3)
    assert network.with_plain_head() is network
    assert type(network.head) is LinearHead


@pytest.mark.parametrize("name", ["probe", "full"])
@pytest.mark.parametrize(("scale", "shift"), [(1000.0, -50.0), (1e-3, 2.0)])
def test_the_unit_of_the_targets_changes_nothing_else(tmp_path, name, scale, shift):
    strategy, rows, folds, said = STRATEGIES[name], np.arange(48), folds_of(48), []
    chosen = spec() if name == "full" else Spec("transfer", "tiny", "probe")
    for number, bench in enumerate((bench_of(tmp_path / "a"), bench_of(tmp_path / "b", scale=scale, shift=shift))):
        seen = strategy.validate(chosen, bench, rows, folds, seed=1, watch=Watch())
        network = strategy.refit(chosen, seen.found, bench, rows, folds, seed=1).with_plain_head()
        values = np.concatenate([seen.logits, strategy.logits(network, chosen, bench, rows)])
        said.append(values if number else values * scale + shift)
    np.testing.assert_allclose(said[1], said[0], atol=2e-3 * scale * bench_of(tmp_path / "c").targets.std())


def test_the_order_of_rows_does_not_matter_to_a_probe(tmp_path):
    bench, rows = bench_of(tmp_path), np.arange(48)
    order = np.random.default_rng(2).permutation(48)
    place = np.argsort(order)
    folds = folds_of(48)
    moved = [(np.sort(place[train]), np.sort(place[out])) for train, out in folds]
    probe, chosen = STRATEGIES["probe"], Spec("transfer", "tiny", "probe")
    one = probe.refit(chosen, {}, bench, rows, folds, seed=0).head_arrays()
    other = probe.refit(chosen, {}, bench, order, moved, seed=0).head_arrays()
    for first, second in zip(one, other, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-5)


def test_training_brings_numbers_nearer(tmp_path):
    bench, rows = bench_of(tmp_path, scale=100.0), np.arange(48)
    network = Network(TinyBackbone(), 1, bench.task.units(bench.targets))
    examples = bench.prepared("tiny")
    before = predict_logits(network, examples, rows, CPU)
    train(
        network, examples, rows, bench.targets, Recipe(epochs=12, learning_rate=1e-2, head_learning_rate=3e-2, batch_size=16),
        objective=bench.task.objective(bench.targets), placement=CPU, rng=generator(0, "t"),
        validation=(rows, bench.judge(rows)),
    )  # fmt: skip
    after = predict_logits(network, examples, rows, CPU)
    errors = [np.abs(values[:, 0] - bench.targets).mean() for values in (before, after)]
    assert errors[1] < 0.6 * errors[0]
    judge = bench.judge(rows)
    assert judge.prefers(after, before)
    assert not judge.prefers(before, after)
    assert judge.values(after)["mae"] == pytest.approx(errors[1])


def test_the_classical_floor_predicts_numbers_from_pictures_and_texts():
    rng = np.random.default_rng(0)
    folds, solver = folds_of(48), TASKS["quantity"].solver
    numbers = rng.uniform(0, 100, 48)
    found = classical_logits(lambda some: np.array(some)[:, None] * [1.0, -2.0] + 3, list(numbers), numbers, list(numbers[:5]), folds, 1, solver)
    np.testing.assert_allclose(found[:, 0], numbers[:5], atol=1)
    counts = rng.integers(1, 8, 48)
    texts = [" ".join(["sea"] * count + ["station"]) for count in counts]
    said = tfidf_logits(texts, counts * 10.0, texts, folds, 1, solver)
    assert np.abs(said[:, 0] - counts * 10).mean() < np.abs(counts * 10 - np.median(counts * 10)).mean()
