"""Hooks of the training loop, and the tricks that ship."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import CPU, TinyBackbone, folds_of, stripes, workbench

from headstart.adapt.examples import prepare_examples
from headstart.adapt.finetune import Recipe, optimizer_for, train
from headstart.adapt.gradual import stages_moving, unfreeze_gradually
from headstart.adapt.hooks import Hooks, Tricks
from headstart.adapt.judge import Judge
from headstart.adapt.moved import recipe_of
from headstart.adapt.network import Network, freeze_below
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.strategy import Effort
from headstart.adapt.trial import Spec
from headstart.adapt.watch import Watch
from headstart.tasks import TASKS

TASK = TASKS["single"]
ROWS = np.arange(16)


def _setup(tmp_path, count=24):
    pictures, targets = stripes(count)
    network = Network(TinyBackbone(), 2)
    examples = prepare_examples(
        pictures, decode=lambda item: item, preprocess=network.backbone.preprocess, path=tmp_path / "x.u8", threads=1
    )
    return network, examples, targets


def _train(setup, *tricks, epochs=2, **more):
    network, examples, targets = setup
    recipe = Recipe(epochs, 1e-2, 1e-2, batch_size=8, stop_after=more.pop("stop_after", None))
    return train(
        network, examples, ROWS, targets[ROWS], recipe,
        objective=TASK.loss, placement=CPU, rng=np.random.default_rng(0), tricks=tricks, **more,
    )  # fmt: skip


def test_hooks_are_called_around_every_step_and_epoch_in_their_order(tmp_path):
    called = []

    def trick(name):
        def begin(course):
            assert (course.epochs, course.steps, len(course.targets)) == (2, 2, 16)
            return Hooks(
                groups=lambda groups: called.append(f"{name} groups") or groups,
                begin_epoch=lambda epoch: called.append(f"{name} begin {epoch}"),
                before_step=lambda inputs, targets: called.append(f"{name} before") or (inputs, targets),
                loss=lambda loss, logits_BK, targets: called.append(f"{name} loss") or loss,
                after_step=lambda step: called.append(f"{name} after {step}"),
                end_epoch=lambda epoch: called.append(f"{name} end {epoch}"),
            )

        return begin

    _train(_setup(tmp_path), trick("a"), lambda course: Hooks(), trick("b"))
    step = ["a before", "b before", "a loss", "b loss", "a after {}", "b after {}"]
    expected = ["a groups", "b groups"]
    for epoch in range(2):
        expected += [f"a begin {epoch}", f"b begin {epoch}"]
        expected += [one.format(2 * epoch + number) for number in range(2) for one in step]
        expected += [f"b end {epoch}", f"a end {epoch}"]
    assert called == expected


def test_hooks_change_batches_losses_and_rates(tmp_path):
    seen = []

    def softer(course):
        def before_step(inputs, targets):
            return inputs.flip(0), torch.nn.functional.one_hot(targets, 2).float().flip(0)

        def loss(before, logits_BK, targets):
            assert torch.equal(before, TASK.loss(logits_BK, targets))
            seen.append(targets)
            return 0.0 * before

        return Hooks(before_step=before_step, loss=loss, groups=lambda groups: [{**one, "lr": 0.0} for one in groups])

    setup = _setup(tmp_path)
    before = {name: value.clone() for name, value in setup[0].state_dict().items()}
    _train(setup, softer)
    assert all(targets.shape == (8, 2) for targets in seen)
    assert all(torch.equal(before[name], value) for name, value in setup[0].state_dict().items())


def test_a_trick_that_draws_at_random_leaves_the_order_of_the_examples_alone(tmp_path):
    def watching(draws):
        seen = []

        def begin(course):
            def before_step(inputs, targets):
                course.rng.random(draws)
                seen.append(inputs.clone())
                return inputs, targets

            return Hooks(before_step=before_step)

        return begin, seen

    (quiet, one), (drawing, other) = watching(0), watching(5)
    _train(_setup(tmp_path), quiet)
    _train(_setup(tmp_path), drawing)
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_weights_put_in_place_at_the_end_of_an_epoch_are_judged_and_kept(tmp_path):
    """As an average of the weights does it: shown when judged, taken out again before the next step."""

    def shown(course):
        own = []

        def end_epoch(epoch):
            own[:] = [course.network.head.bias.detach().clone()]
            torch.nn.init.constant_(course.network.head.bias, 7.0 + epoch)

        def begin_epoch(epoch):
            if own:
                assert course.network.head.bias[0] == 7.0 + epoch - 1
                course.network.head.bias.data.copy_(own[0])

        return Hooks(begin_epoch=begin_epoch, end_epoch=end_epoch)

    setup, held_out = _setup(tmp_path), np.arange(16, 24)
    _train(setup, shown)
    assert setup[0].head.bias.tolist() == [8.0, 8.0]
    trained = _train(setup, shown, validation=(held_out, Judge(TASK, "accuracy", setup[2][held_out])))
    if trained.best_epoch:
        assert setup[0].head.bias.tolist() == [6.0 + trained.best_epoch] * 2


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_each_stage_learns_slower_than_the_one_above_it(decay):
    network = Network(TinyBackbone(), 2)
    optimizer = optimizer_for(network, Recipe(1, 0.1, 0.3, rate_decay=decay))
    rate = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
    for name, parameter in network.named_parameters():
        stage = {"backbone.net.0": 0, "backbone.net.1": 1, "backbone.net.3": 2}.get(name.rpartition(".")[0])
        assert rate[id(parameter)] == pytest.approx(0.3 if stage is None else 0.1 * decay ** (2 - stage)), name


def test_without_hooks_nothing_changes():
    assert Tricks(()).before_step("inputs", "targets") == ("inputs", "targets")
    assert Tricks((Hooks(),)).groups([{"lr": 1}]) == [{"lr": 1}]


def test_stages_are_set_free_from_the_top_and_those_below_stay_bit_for_bit(tmp_path):
    for stop_after, moved in ((1, {"3"}), (3, {"3", "1"}), (4, {"3", "1", "0"})):
        setup = _setup(tmp_path)
        before = {name: value.clone() for name, value in setup[0].backbone.net.named_parameters()}
        _train(setup, unfreeze_gradually, epochs=5, stop_after=stop_after)
        after = dict(setup[0].backbone.net.named_parameters())
        assert {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])} == moved


def test_what_was_frozen_from_the_start_is_never_set_free(tmp_path):
    setup = _setup(tmp_path)
    freeze_below(setup[0].backbone, 1)
    before = setup[0].backbone.net[0].weight.clone()
    _train(setup, unfreeze_gradually, epochs=4)
    assert torch.equal(setup[0].backbone.net[0].weight, before)


@given(epochs=st.integers(1, 50), stages=st.integers(1, 40))
def test_stages_move_more_and_more_until_half_of_the_epochs(epochs, stages):
    moving = [stages_moving(epoch, epochs, stages) for epoch in range(epochs)]
    assert moving[0] == 1
    assert moving == sorted(moving)
    assert all(number == stages for epoch, number in enumerate(moving) if 2 * epoch >= epochs and epoch)


def test_settings_of_an_older_journal_are_read_as_they_were_meant():
    older = {
        "epochs": 3, "learning_rate": 1e-4, "head_learning_rate": 1e-3, "weight_decay": 0.01, "batch_size": 16, "warmup": 0.1,
        "hold_batch_norm": True, "stop_after": None, "folds": 1, "views": 8,
    }  # fmt: skip
    recipe = recipe_of(Spec("transfer", "tiny", "partial", older), stop_after=2)
    assert recipe == Recipe(3, 1e-4, 1e-3, batch_size=16, stop_after=2)
    assert recipe.rate_decay == 1.0


def test_gradual_learns_slowest_in_the_first_stage(tmp_path):
    bench = workbench(tmp_path / "cache", count=32)
    strategy = STRATEGIES["gradual"]
    proposal = strategy.propose(strategy.portfolio[0], bench, "tiny", np.arange(32), seconds=None, effort=Effort.FIRST)
    recipe = recipe_of(Spec("transfer", "tiny", "gradual", proposal.settings))
    optimizer = optimizer_for(Network(bench.backbone("tiny"), 2), recipe)
    rates = sorted({group["lr"] for group in optimizer.param_groups})
    assert rates[0] == pytest.approx(recipe.learning_rate * 2.6**-3)
    assert rates[-2:] == pytest.approx([recipe.learning_rate, recipe.head_learning_rate])


def test_gradual_is_validated_and_repeated_bit_for_bit(tmp_path):
    bench, rows, strategy = workbench(tmp_path / "cache", count=32), np.arange(32), STRATEGIES["gradual"]
    chosen = strategy.portfolio[0]
    proposal = strategy.propose(chosen, bench, "tiny", rows, seconds=None, effort=Effort.FIRST)
    spec = Spec("transfer", "tiny", "gradual", {**proposal.settings, "epochs": 4})
    validated = strategy.validate(spec, bench, rows, folds_of(32), seed=1, watch=Watch())
    assert bench.right(validated.rows, validated.logits).mean() > 0.9
    found = {**validated.found, "best_epoch": 3}
    one, two = (strategy.refit(spec, found, bench, rows, folds_of(32), seed=1).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    source = bench.backbones["tiny"].state_dict()
    assert not any(torch.equal(one[f"backbone.net.{name}.weight"], source[f"net.{name}.weight"]) for name in (0, 1, 3))
