"""Contrastive fine-tuning: the loss, the batches, and the strategy from end to end on a tiny BERT."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.fakes import CPU, folds_of, proposed, workbench
from tests.families import TEXTS, WORDS

from headstart.adapt.contrastive import BATCH, MOST, Contrastive, Features, balanced, pair_regression
from headstart.adapt.finetune import predict_features
from headstart.adapt.ledger import Ledger
from headstart.adapt.network import Network
from headstart.adapt.search import Plan, failed, search
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.strategy import Effort
from headstart.adapt.trial import Spec
from headstart.adapt.watch import Watch
from headstart.adapt.workbench import Workbench
from headstart.errors import ModelError
from headstart.models.resolve import load_backbone
from headstart.run.clock import BudgetClock
from headstart.run.executors import Here
from headstart.run.journal import Journal
from headstart.tasks import TASKS

STRATEGY = STRATEGIES["contrastive"]


def test_the_loss_is_the_mean_over_all_pairs_one_by_one():
    rng = np.random.default_rng(0)
    features_ND, targets_N = rng.normal(size=(9, 5)), np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    errors: dict[bool, list[float]] = {True: [], False: []}
    for one in range(9):
        for other in range(one + 1, 9):
            a, b = features_ND[one], features_ND[other]
            cosine, same = a @ b / np.sqrt(a @ a * (b @ b)), bool(targets_N[one] == targets_N[other])
            errors[same].append((cosine - same) ** 2)
    expected = (np.mean(errors[True]) + np.mean(errors[False])) / 2
    found = pair_regression(torch.from_numpy(features_ND), torch.from_numpy(targets_N))
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("targets", [[1, 1, 1], [0, 1, 2]])
def test_pairs_of_one_kind_alone_are_a_loss_as_well(targets):
    features_ND = torch.eye(3, requires_grad=True)
    loss = pair_regression(features_ND, torch.tensor(targets))
    loss.backward()
    assert loss.item() == pytest.approx(float(targets[0] == targets[1]))
    assert torch.isfinite(features_ND.grad).all()


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return load_backbone(TEXTS["bert"](tmp_path_factory.mktemp("bert") / "model"))


def _bench(bert, cache, count=48):
    """Texts of two classes: with one word or another among others."""
    rng = np.random.default_rng(0)
    targets = np.arange(count) % 2
    told = [("light", "dark")[label] for label in targets]
    items = [" ".join([*rng.choice(WORDS[:8], size=rng.integers(1, 7)), word]) for word in told]
    return Workbench(
        items=items,
        contents=[hashlib.sha256(f"{row} {item}".encode()).hexdigest() for row, item in enumerate(items)],
        targets=targets,
        groups=np.arange(count),
        task=TASKS["single"],
        classes=("light", "dark"),
        metric="accuracy",
        decode=lambda item: item,
        augment=None,
        placement=CPU,
        cache=cache,
        seed=0,
        backbones={"bert": copy.deepcopy(bert)},
    )


def _spec(bench, rows, strategy=STRATEGY, **settings):
    usual = proposed(strategy, bench, rows, backbone="bert")
    return Spec("transfer", "bert", "contrastive", {**usual, **settings})


def test_two_halves_of_like_length_give_what_one_pass_gives(bert, tmp_path):
    bench = _bench(bert, tmp_path)
    inputs = bench.prepared("bert").batch(np.arange(13))
    with torch.no_grad():
        np.testing.assert_allclose(Features(bert)(inputs), bert(inputs), atol=1e-6)
        one = bench.prepared("bert").batch(np.arange(1))
        np.testing.assert_allclose(Features(bert)(one), bert(one), atol=1e-6)


def test_it_learns_and_predicts_what_was_held_out(bert, tmp_path):
    bench, rows, folds = _bench(bert, tmp_path), np.arange(48), folds_of(48)
    spec = _spec(bench, rows, learning_rate=1e-2, steps=40, folds=2)
    validated = STRATEGY.validate(spec, bench, rows, folds, seed=0, watch=Watch())
    np.testing.assert_array_equal(validated.rows, np.concatenate([folds[0][1], folds[1][1]]))
    assert bench.right(validated.rows, validated.logits).mean() > 0.9
    network = STRATEGY.refit(spec, validated.found, bench, rows, folds, seed=0)
    assert bench.right(rows, STRATEGY.logits(network, spec, bench, rows)).mean() > 0.9

    def loss(backbone):
        features_ND = predict_features(Network(backbone, 2), bench.prepared("bert"), rows, CPU)
        return pair_regression(torch.from_numpy(features_ND), torch.from_numpy(bench.targets)).item()

    assert loss(network.backbone) < 0.2 * loss(bench.backbone("bert"))


def test_pictures_can_be_adapted_so_as_well(tmp_path):
    bench, rows, folds = workbench(tmp_path), np.arange(48), folds_of(48)
    settings = {"learning_rate": 1e-2, "steps": 20, "folds": 2}
    validated = STRATEGY.validate(Spec("transfer", "tiny", "contrastive", settings), bench, rows, folds, seed=0, watch=Watch())
    assert bench.right(validated.rows, validated.logits).mean() > 0.9


def test_the_same_spec_gives_the_same_weights_bit_for_bit(bert, tmp_path):
    states, logits = [], []
    for number in range(2):
        bench, rows = _bench(bert, tmp_path / str(number)), np.arange(48)
        spec = _spec(bench, rows, steps=4, folds=1)
        logits.append(STRATEGY.validate(spec, bench, rows, folds_of(48), seed=3, watch=Watch()).logits)
        states.append(STRATEGY.refit(spec, {}, bench, rows, folds_of(48), seed=3).state_dict())
        assert bench.backbone("bert").net.state_dict().keys() == bert.net.state_dict().keys()
    np.testing.assert_array_equal(*logits)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    source = bert.state_dict()
    assert all(torch.equal(tensor, source[name]) for name, tensor in bench.backbone("bert").state_dict().items())
    assert not all(torch.equal(states[0]["backbone." + name], tensor) for name, tensor in source.items())


def test_the_number_of_steps_hardly_depends_on_the_number_of_examples(bert, tmp_path):
    for count in (8, BATCH, 3 * BATCH, MOST):
        schedule = STRATEGY.schedule(count)
        steps = schedule.epochs * -(-count // schedule.batch_size)
        assert steps == pytest.approx(Contrastive().steps, rel=0.25) or schedule.epochs == 1
    assert STRATEGY.schedule(MOST + 1) is None


def test_folds_are_as_many_as_the_time_allows(bert, tmp_path):
    bench, rows = _bench(bert, tmp_path), np.arange(48)
    bench.step_seconds["contrastive", "bert", 0, BATCH] = 1.0
    training_s = STRATEGY.schedule(48).epochs * 2
    found = [proposed(STRATEGY, bench, rows, seconds=times * training_s, backbone="bert") for times in (1.9, 2.1, 3.1, 99)]
    assert found[0] is None
    assert [settings["folds"] for settings in found[1:]] == [1, 2, 3]


def test_the_least_is_fewer_steps_where_time_is_short(bert, tmp_path):
    bench, rows = _bench(bert, tmp_path), np.arange(48)
    bench.step_seconds["contrastive", "bert", 0, BATCH] = 1.0  # two steps are an epoch

    def least(seconds):
        return proposed(STRATEGY, bench, rows, seconds=seconds, backbone="bert", effort=Effort.LEAST)

    assert least(3.9) is None
    assert [(least(s)["folds"], least(s)["steps"]) for s in (4.1, 9.0)] == [(1, 2), (1, 4)]
    assert least(999)["steps"] == STRATEGY.steps


def test_a_step_is_measured_where_time_counts(bert, tmp_path):
    bench = _bench(bert, tmp_path)
    assert proposed(STRATEGY, bench, np.arange(48), seconds=1e9, backbone="bert")["folds"] == 3
    assert bench.step_seconds["contrastive", "bert", 0, BATCH] > 0


def test_it_is_not_for_several_labels_and_not_for_many_examples(tmp_path):
    bench, rows = workbench(tmp_path), np.arange(48)
    spec = Spec("transfer", "tiny", "contrastive", proposed(STRATEGY, bench, rows))
    several = replace(bench, task=TASKS["multi"], targets=np.eye(2, dtype=np.int64)[bench.targets])
    assert proposed(STRATEGY, several, rows) is None
    with pytest.raises(ModelError, match="one label per example"):
        STRATEGY.validate(spec, several, rows, folds_of(48), seed=0, watch=Watch())
    many = np.zeros(MOST + 1, dtype=np.int64)
    assert proposed(STRATEGY, bench, many) is None
    with pytest.raises(ModelError, match="at most 1,000; these are 1,001"):
        STRATEGY.refit(spec, {}, bench, many, [], seed=0)


def test_a_search_for_it_alone_says_why_it_is_refused(tmp_path):
    bench, rows = workbench(tmp_path / "cache"), np.arange(48)
    several = replace(bench, task=TASKS["multi"], targets=np.eye(2, dtype=np.int64)[bench.targets])
    ledger = Ledger(Journal(tmp_path / "journal.jsonl"), tmp_path / "trials")
    plan = Plan(["tiny"], ["contrastive"], False, 2)
    trials = search(several, rows, folds_of(48), plan, ledger=ledger, clock=BudgetClock(60), executor=Here())
    assert "one label per example" in str(failed(trials, "transfer"))


def test_every_batch_holds_pairs_of_many_classes():
    targets_N = np.repeat(np.arange(77), 8)
    batches = balanced(targets_N, 20, np.random.default_rng(0))
    assert [len(batch) for batch in batches] == pytest.approx([31] * 20, abs=2)
    for batch in batches:
        classes, counts = np.unique(targets_N[batch], return_counts=True)
        assert len(classes) >= 14
        assert counts.min() >= 2
