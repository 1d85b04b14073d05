"""How much memory a step takes, and that steps in parts or with checkpoints are the same steps."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import CPU, TinyBackbone, folds_of, proposed, workbench
from tests.families import PICTURES, SENTENCES, TEXTS
from tests.pictures import picture
from torch import nn

from headstart.adapt.checkpoint import checkpointed
from headstart.adapt.divergence import Divergence
from headstart.adapt.examples import prepare_examples
from headstart.adapt.finetune import Recipe, train
from headstart.adapt.ledger import Ledger
from headstart.adapt.memory import (
    ONCE,
    PASSING,
    WORKSPACE,
    WORKSPACE_AGAIN,
    Line,
    Need,
    Portion,
    in_plain_words,
    measure_need,
    parts_of,
    portion,
)
from headstart.adapt.moved import recipe_of
from headstart.adapt.network import Network, freeze_below, hold_statistics
from headstart.adapt.proving import Outer, refit_best
from headstart.adapt.search import Plan, search
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.strategy import Schedule
from headstart.adapt.trial import Spec
from headstart.adapt.winner import winner
from headstart.errors import HeadstartError, ModelError
from headstart.models.backbone import Stage
from headstart.models.resolve import load_backbone
from headstart.run.clock import BudgetClock
from headstart.run.executors import Here
from headstart.run.journal import Journal
from headstart.tasks import TASKS

FAMILIES = {
    "ResNet": PICTURES["timm resnet"],
    "VGG": PICTURES["timm vgg"],
    "ViT": PICTURES["timm vit"],
    "BERT": TEXTS["bert"],
    "GPT": TEXTS["gpt2"],
}
TARGETS = torch.tensor([0, 1, 1, 0])


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    """A backbone with four prepared examples."""
    folder = tmp_path_factory.mktemp("family")
    backbone = load_backbone(FAMILIES[request.param](folder / "model"))
    raw = list(SENTENCES) if backbone.card.modality == "text" else [picture(n, size=(48, 40)) for n in range(4)]
    examples = prepare_examples(
        raw, decode=lambda item: item, preprocess=backbone.preprocess, path=folder / "x.raw", threads=1
    )
    return backbone, examples


def _network(backbone, first=0):
    network = Network(copy.deepcopy(backbone), 2)
    freeze_below(network.backbone, first)
    with torch.no_grad():
        network.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    return network


def _gradients(network, inputs, *, micro_batch=None, checkpoint=False, learn=False):
    """Gradients of a step from the same random state, dropout and all, and the network's state after it."""
    torch.manual_seed(1)
    network.train()
    hold_statistics(network, also_moving=not learn)
    network.zero_grad(set_to_none=True)
    for part, places in parts_of(inputs, 4, micro_batch):
        with checkpointed(network.backbone) if checkpoint else nullcontext():
            logits = network(part)
        (TASKS["single"].loss(logits, TARGETS[places]) * (len(logits) / 4)).backward()
    return {name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None}


@pytest.mark.parametrize("cut", [False, True])
def test_checkpoints_change_no_gradient(family, cut):
    backbone, examples = family
    network = _network(backbone, first=len(backbone.stages) // 2 if cut else 0)
    inputs = examples.batch(np.arange(4))
    whole = _gradients(network, inputs)
    again = _gradients(network, inputs, checkpoint=True)
    assert whole.keys() == again.keys()
    assert any(gradient.any() for name, gradient in whole.items() if name.startswith("backbone."))
    for name, gradient in whole.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-6, atol=1e-7)
    assert not any("forward" in vars(module) for module in network.modules())


def test_checkpoints_draw_dropout_again_and_count_batch_norm_once(tmp_path):
    backbone = load_backbone(TEXTS["bert"](tmp_path / "bert"))
    assert any(isinstance(module, nn.Dropout) and module.p > 0 for module in backbone.modules())
    inputs = backbone.preprocess.collate([backbone.preprocess.prepare(text) for text in SENTENCES])
    network = _network(backbone)
    drawn, again = (_gradients(network, inputs, checkpoint=checkpoint) for checkpoint in (False, True))
    for name, gradient in drawn.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-6, atol=1e-7)
    plain = _gradients_at_rest(network.eval(), inputs, None)
    assert not all(torch.allclose(plain[name], gradient, rtol=1e-3) for name, gradient in drawn.items())

    resnet = load_backbone(PICTURES["timm resnet"](tmp_path / "resnet"))
    pixels = resnet.preprocess.collate([resnet.preprocess.prepare(picture(n, size=(48, 40))) for n in range(4)])
    states = []
    for checkpoint in (False, True):
        network = _network(resnet)
        _gradients(network, pixels, checkpoint=checkpoint, learn=True)
        states.append(network.state_dict())
    assert not torch.equal(states[0]["backbone.net.bn1.running_mean"], resnet.net.bn1.running_mean)
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_gradients_of_parts_add_up_to_those_of_the_batch(family, micro_batch):
    backbone, examples = family
    network = _network(backbone)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    network.eval()
    inputs = examples.batch(np.arange(4))
    whole, parts = (_gradients_at_rest(network, inputs, size) for size in (None, micro_batch))
    most = max(float(gradient.abs().max()) for gradient in whole.values())
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=0, atol=1e-6 * max(1.0, most), msg=name)


def _gradients_at_rest(network, inputs, micro_batch):
    network.zero_grad(set_to_none=True)
    for part, places in parts_of(inputs, 4, micro_batch):
        logits = network(part)
        (TASKS["single"].loss(logits, TARGETS[places]) * (len(logits) / 4)).backward()
    return {name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None}


def test_training_in_parts_and_with_checkpoints_ends_with_the_same_weights(tmp_path):
    weights = []
    for micro_batch, checkpoint in ((None, False), (3, False), (None, True), (5, True)):
        bench = workbench(tmp_path, count=24)
        network = Network(bench.backbone("tiny"), 2)
        recipe = Recipe(
            epochs=2, learning_rate=1e-2, head_learning_rate=1e-2, batch_size=8,
            micro_batch=micro_batch, checkpoint=checkpoint,
        )  # fmt: skip
        train(
            network, bench.prepared("tiny"), np.arange(24), bench.targets, recipe,
            objective=bench.task.loss, placement=CPU, rng=np.random.default_rng(0),
        )  # fmt: skip
        weights.append(network.state_dict())
    for others in weights[1:]:
        for name, value in weights[0].items():
            torch.testing.assert_close(others[name], value, rtol=0, atol=2e-5)


class Stack(TinyBackbone):
    """Four stages of two wide layers each, whose memory can be counted by hand."""

    WIDTH = 64

    def __init__(self):
        super().__init__()
        wide = self.WIDTH
        self.net = nn.Sequential(
            nn.Sequential(nn.Linear(192, wide), nn.Tanh()),
            *(nn.Sequential(nn.Linear(wide, wide), nn.Tanh(), nn.Linear(wide, wide), nn.Tanh()) for _ in range(3)),
        )
        self.stages = tuple(Stage(str(number), (str(number),), wide) for number in range(4))

    def forward(self, inputs):
        return self.net(inputs.flatten(1).float() / 255)


def test_a_stage_that_changes_its_input_in_place_is_not_computed_again():
    backbone = Stack()
    backbone.net[1] = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(Stack.WIDTH, Stack.WIDTH))
    with checkpointed(backbone), pytest.raises(ModelError, match="changes what goes into it in place"):
        backbone(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))


def test_what_is_kept_is_counted_by_the_byte(tmp_path):
    backbone, bench = Stack(), workbench(tmp_path)
    network = Network(backbone, 2)
    need = measure_need(network, bench.prepared("tiny"), np.arange(8), CPU, hold=True)
    wide, each = 4 * Stack.WIDTH, 4 * 192
    parameters = sum(one.nbytes for one in network.parameters())
    largest = each + wide
    # Once each: the first layer's input, and each of the seven outputs of tanh, which are also what goes into the next layer.
    assert need.whole.each == each + 7 * wide + WORKSPACE * largest
    assert need.whole.fixed == 0
    # The four inputs and the last output, and what is inside the largest stage: one more.
    assert need.checkpointed.each == each + 4 * wide + wide + WORKSPACE_AGAIN * largest
    assert need.settled == 2 * parameters + 3 * parameters + ONCE
    assert need(10) == need.settled + max(10 * need.whole.each, PASSING * 64 * largest)
    freeze_below(backbone, 3)
    frozen = measure_need(network, bench.prepared("tiny"), np.arange(8), CPU, hold=True)
    assert frozen.whole.each == 3 * wide + WORKSPACE * largest
    assert frozen.settled < need.settled


@pytest.mark.parametrize("cut", [False, True])
def test_measuring_changes_nothing(family, cut):
    backbone, examples = family
    network = _network(backbone, first=1 if cut else 0).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    small, large = (
        measure_need(network, examples, np.arange(count), CPU, hold=False).whole.each for count in (2, 4)
    )
    assert small > 0
    assert large > 0
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


NEED = Need(settled=1000, whole=Line(0, 100), checkpointed=Line(0, 20), predicting=50)


@pytest.mark.parametrize(
    ("free", "least", "expected"),
    [
        (10_000, 1, Portion(None, False)),
        (4_000, 1, Portion(16, False)),
        (1_400, 1, Portion(1, False)),
        (2_050, 8, Portion(None, True)),
        (1_320, 1, Portion(2, True)),
        (1, 1, Portion(2, True)),  # predictions would need as much
    ],
)
def test_the_fastest_way_that_fits_is_taken(free, least, expected):
    assert portion(NEED, 32, free, least=least) == expected


@settings(max_examples=60, deadline=None)
@given(free=st.floats(0, 1e5), batch_size=st.integers(1, 64), least=st.integers(1, 8), each=st.floats(1, 500))
def test_what_is_chosen_fits_or_is_the_least_there_is(free, batch_size, least, each):
    need = Need(settled=1000, whole=Line(10, each), checkpointed=Line(40, each / 4), predicting=0)
    chosen = portion(need, batch_size, free, least=least)
    size = chosen.micro_batch or batch_size
    taken = need(size, checkpoint=chosen.checkpoint)
    sizes = {batch_size, *(half for k in range(1, 8) if (half := math.ceil(batch_size / 2**k)) >= least)}
    assert size in sizes
    everything = [need(one, checkpoint=again) for one in sizes for again in (False, True)]
    assert taken <= 0.8 * free or taken == min(everything) > 0.8 * free
    assert need(batch_size) > 0.8 * free or chosen == Portion(None, checkpoint=False)


def _short(monkeypatch, free):
    monkeypatch.setattr("headstart.adapt.memory.free_memory", lambda device: free)


def test_short_memory_is_a_setting_of_the_trial(tmp_path, monkeypatch):
    bench, rows = workbench(tmp_path), np.arange(48)
    plenty = proposed(STRATEGIES["full"], bench, rows)
    assert (plenty["micro_batch"], plenty["checkpoint"]) == (None, False)
    need = bench.needs["full", "tiny", 0, True]
    bench.needs["full", "tiny", 0, True] = Need(need.settled, Line(0, 1e6), Line(0, 9e5), predicting=0)
    _short(monkeypatch, (need.settled + 4e6) / 0.79)
    short = proposed(STRATEGIES["full"], bench, rows)
    assert (short["batch_size"], short["micro_batch"], short["checkpoint"]) == (16, 4, False)
    assert recipe_of(Spec("transfer", "tiny", "full", plenty)).micro_batch is None
    old = {name: value for name, value in plenty.items() if name not in ("micro_batch", "checkpoint")}
    assert recipe_of(Spec("transfer", "tiny", "full", old)) == recipe_of(Spec("transfer", "tiny", "full", plenty))


def _searched(bench, folder, trials=3, clock=None):
    ledger, rows = Ledger(Journal(folder / "journal.jsonl"), folder / "trials"), np.arange(len(bench.items))
    plan = Plan(["tiny"], ("probe", "full"), False, None if clock else trials)
    return search(bench, rows, folds_of(len(rows)), plan, ledger=ledger, clock=clock or BudgetClock(None), executor=Here())


@pytest.mark.parametrize("budget", [None, 60.0])
def test_where_nothing_fits_training_is_not_begun_and_the_probe_wins(budget, tmp_path, monkeypatch):
    _short(monkeypatch, 10)
    monkeypatch.setattr("headstart.adapt.moved.train", lambda *args, **more: pytest.fail("trained"))
    bench = workbench(tmp_path / "cache")
    trials = _searched(bench, tmp_path, trials=2, clock=BudgetClock(budget) if budget else None)
    full = [trial for trial in trials if trial.spec.strategy == "full"]
    assert full
    assert all("GiB are free. Choose a smaller model, or --strategy probe" in trial.error for trial in full)
    assert winner(trials, "transfer", bench) is trials[0]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_memory_that_runs_out_all_the_same_fails_one_trial(error, tmp_path, monkeypatch):
    def greedy(*args, **more):
        raise error

    bench = workbench(tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr("headstart.adapt.moved.train", greedy)
        trials = _searched(bench, tmp_path, trials=2)
    assert trials[1].error.startswith("full on tiny: ran out of memory. Choose a smaller model")
    assert winner(trials, "transfer", bench) is trials[0]
    again = _searched(workbench(tmp_path / "cache"), tmp_path, trials=2)
    assert again[1].error == trials[1].error


def test_another_error_of_torch_is_not_taken_for_short_memory():
    with pytest.raises(RuntimeError, match="shapes"), in_plain_words("x"):
        raise RuntimeError("shapes cannot be multiplied")


def test_a_winner_that_cannot_be_refitted_gives_way_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.adapt.moved.FineTune.schedule", lambda self, examples, most=32: Schedule(3, 16, 1))
    bench, said = workbench(tmp_path / "cache"), []
    trials = _searched(bench, tmp_path, trials=3)
    rows = np.arange(48)
    outer = Outer(0, rows, rows[:0], folds_of(48))
    monkeypatch.setattr("headstart.adapt.proving.winner", lambda left, role, bench: left[-1] if left else None)
    monkeypatch.setattr("headstart.adapt.moved.train", _out_of_memory)
    bench.listener = said.append
    best, *_ = refit_best(trials, "transfer", outer, bench)
    assert best is trials[0]
    assert "cannot be trained on all examples: full on tiny: ran out of memory" in said[0].text
    with pytest.raises(HeadstartError, match="no transfer trial can be trained on all examples"):
        refit_best(trials[1:], "transfer", outer, bench)


def _out_of_memory(*args, **more):
    raise MemoryError


@pytest.mark.parametrize("worst", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_training_at_once(worst, tmp_path):
    bench, steps = workbench(tmp_path, count=32), []

    def objective(logits, targets):
        steps.append(1)
        return bench.task.loss(logits, targets) * (worst if len(steps) == 3 else 1.0)

    with pytest.raises(FloatingPointError, match="diverged: its loss is not finite"):
        train(
            Network(bench.backbone("tiny"), 2), bench.prepared("tiny"), np.arange(32), bench.targets,
            Recipe(epochs=5, learning_rate=1e-3, head_learning_rate=1e-3, batch_size=8),
            objective=objective, placement=CPU, rng=np.random.default_rng(0),
        )  # fmt: skip
    assert len(steps) == 3


def test_a_diverged_loss_is_not_forgotten_between_two_looks():
    divergence = Divergence()
    on_gpu = [torch.tensor(value, device="meta") for value in (1.0, 2.0)]
    divergence.see(on_gpu[0])  # nothing can be read from a meta tensor: no look was taken
    divergence._fine = torch.tensor(False)
    with pytest.raises(FloatingPointError):
        divergence.look()
    Divergence().look()
