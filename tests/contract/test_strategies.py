"""What every strategy that moves weights must do to every family: what moves moves, all else stays bit for bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tests.fakes import CPU
from tests.families import PICTURES, SENTENCES, TEXTS
from tests.pictures import picture

from headstart.adapt.contrastive import Features, balanced, pair_regression
from headstart.adapt.examples import prepare_examples
from headstart.adapt.finetune import Recipe, optimizer_for, predict_logits, train
from headstart.adapt.moved import FineTune
from headstart.adapt.movers import Stages
from headstart.adapt.network import Network, freeze_below
from headstart.adapt.strategies import STRATEGIES
from headstart.errors import ModelError
from headstart.models.resolve import load_backbone
from headstart.tasks import TASKS

FAMILIES = {
    "ResNet": PICTURES["timm resnet"],
    "VGG": PICTURES["timm vgg"],
    "ViT": PICTURES["timm vit"],
    "BERT": TEXTS["bert"],
    "GPT": TEXTS["gpt2"],
}
LACKS = {
    ("norms", "vgg11"): "no normalisation layer",
    ("dora", "vgg11"): "no linear layer",
    ("dora", "resnet10t"): "no linear layer",
}
MOVING = {name: strategy for name, strategy in STRATEGIES.items() if isinstance(strategy, FineTune)}


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


def test_every_parameter_belongs_to_one_stage_and_learns_at_its_rate(family):
    network = Network(copy.deepcopy(family[0]), 2)
    stages = network.stage_parameters()
    owned = [id(parameter) for stage in stages for parameter in stage]
    assert sorted(owned) == sorted(id(parameter) for parameter in network.backbone.parameters())
    optimizer = optimizer_for(network, Recipe(1, 1.0, 7.0, rate_decay=0.5))
    rate = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    for number, stage in enumerate(stages):
        assert {rate[id(parameter)] for parameter in stage} == {0.5 ** (len(stages) - 1 - number)}
        freeze_below(network.backbone, number + 1)
        assert not any(parameter.requires_grad for parameter in stage)


@pytest.mark.parametrize("name", MOVING)
def test_what_is_frozen_stays_and_what_was_added_is_merged(family, name):
    backbone, examples = family
    mover, rows = MOVING[name].mover, np.arange(4)
    if missing := LACKS.get((name, backbone.card.architecture)):
        with pytest.raises(ModelError, match=missing):
            mover.release(copy.deepcopy(backbone), examples.batch(rows))
        return
    network = Network(copy.deepcopy(backbone), 2)
    with torch.no_grad():
        network.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    before = predict_logits(network, examples, rows, CPU)
    released = mover.release(network.backbone, examples.batch(rows))
    np.testing.assert_allclose(predict_logits(network, examples, rows, CPU), before, atol=1e-5)
    moving = {number for number, one in network.backbone.named_parameters() if one.requires_grad}
    assert moving
    recipe = Recipe(epochs=3, learning_rate=1e-2, head_learning_rate=1e-2, batch_size=4)
    targets = np.array([0, 1, 0, 1])
    rng = np.random.default_rng(0)
    objective, tricks = TASKS["single"].loss, MOVING[name].tricks
    train(network, examples, rows, targets, recipe, objective=objective, placement=CPU, rng=rng, tricks=tricks)
    assert {n for n, one in network.backbone.named_parameters() if one.grad is not None and one.grad.any()} <= moving
    apart = predict_logits(network, examples, rows, CPU)
    mover.settle(released)
    merged = predict_logits(network, examples, rows, CPU)
    np.testing.assert_allclose(merged, apart, atol=1e-5 * max(1.0, float(np.abs(apart).max())))
    assert not np.allclose(merged, before, atol=1e-4)
    source, learnt = backbone.net.state_dict(), network.backbone.net.state_dict()
    assert source.keys() == learnt.keys()
    changed = {key for key in source if not torch.equal(source[key], learnt[key])}
    expected = {key.removeprefix("net.") for key in moving if "lora_" not in key}
    if name in ("lora", "dora"):
        expected = {key.split(".lora_")[0].removeprefix("net.") + ".weight" for key in moving}
    assert changed <= expected
    assert changed


def test_what_contrastive_fine_tuning_freezes_stays_and_gradients_reach_the_rest(family):
    backbone, examples = family
    network, rows, targets = Features(copy.deepcopy(backbone)), np.arange(4), np.array([0, 1, 0, 1])
    mover = Stages(0.5)
    mover.release(network.backbone, examples.batch(rows))
    recipe = Recipe(epochs=3, learning_rate=1e-2, head_learning_rate=1e-2, batch_size=4)
    rng = np.random.default_rng(0)
    train(network, examples, rows, targets, recipe, objective=pair_regression, placement=CPU, rng=rng, deal=balanced)
    moving = {name for name, one in network.backbone.named_parameters() if one.requires_grad}
    reached = {name for name, one in network.backbone.named_parameters() if one.grad is not None and one.grad.any()}
    source, learnt = backbone.state_dict(), network.backbone.state_dict()
    changed = {name for name in source if not torch.equal(source[name], learnt[name])}
    assert reached
    assert reached <= moving
    assert source.keys() == learnt.keys()
    assert changed
    assert changed <= moving


def test_a_network_that_reads_its_layers_settings_takes_no_additions(tmp_path):
    reads = load_backbone(PICTURES["transformers mobilenetv1"](tmp_path / "model"))
    sample = reads.preprocess.collate([reads.preprocess.prepare(picture(0, size=(48, 40)))])
    with pytest.raises(ModelError, match="do not fit"):
        MOVING["lora"].mover.release(reads, sample)
