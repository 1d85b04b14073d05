"""How much memory a step takes, and that steps in parts or with checkpoints are the same steps."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from tests.fakes import CPU, folds_of, workbench
from tests.families import PICTURES, SENTENCES, TEXTS
from tests.pictures import picture
from torch import nn

from headstart.adapt.checkpoint import checkpointed
from headstart.adapt.examples import prepare_examples
from headstart.adapt.finetune import Recipe, train
from headstart.adapt.memory import Line, Need, Portion, in_plain_words, measure_need, parts_of, portion
from headstart.adapt.network import Moving, Network, freeze_below, hold_statistics
from headstart.errors import OutOfMemory
from headstart.models.resolve import load_backbone
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
    drawn = _gradients(network, inputs)
    with_other_numbers = [_gradients(network.eval(), inputs) for _ in range(1)][0]
    again = _gradients(network, inputs, checkpoint=True)
    for name, gradient in drawn.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(with_other_numbers[name], gradient, rtol=1e-6, atol=1e-7)

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


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
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
