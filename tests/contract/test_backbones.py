"""What every adapter of a backbone must do, whatever its family; the tables of checkpoints are in tests/families.py."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tests.families import PICTURES, SENTENCES, TEXTS
from tests.pictures import picture

from headstart.adapt.network import freeze_below
from headstart.errors import ModelError
from headstart.models.card import SourceCard
from headstart.models.from_module import from_module
from headstart.models.resolve import load_backbone, rebuild
from headstart.models.resume import CARRIED, Resumed


def _own_module(folder):
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, 2), torch.nn.ReLU(), torch.nn.Conv2d(6, 5, 3), torch.nn.ReLU())
    return from_module(
        torch.nn.Sequential(net, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()), prepare=_to_array, name="own"
    )


def _to_array(image):
    return np.asarray(image.resize((32, 32)), dtype=np.float32).transpose(2, 0, 1) / 255


MAKERS = {**PICTURES, **TEXTS}
RAW = [picture(seed, size=(48, 40)) for seed in range(4)]


@pytest.fixture(scope="module", params=MAKERS)
def case(request, tmp_path_factory):
    """A loaded backbone with four decoded examples."""
    backbone = load_backbone(MAKERS[request.param](tmp_path_factory.mktemp("model") / "model"))
    return backbone, list(SENTENCES) if request.param in TEXTS else RAW


def _features(backbone, raw):
    with torch.inference_mode():
        return backbone(backbone.preprocess.collate([backbone.preprocess.prepare(one) for one in raw]))


def test_stages_run_from_input_to_output_and_cover_every_parameter_once(case):
    backbone, raw = case
    assert len(backbone.stages) >= 2
    assert len({stage.name for stage in backbone.stages}) == len(backbone.stages)
    covered: dict[int, int] = {}
    for number, stage in enumerate(backbone.stages):
        for module in backbone.stage_modules(stage):
            covered |= {id(parameter): number for parameter in module.parameters()}
    assert covered.keys() == {id(parameter) for parameter in backbone.net.parameters()}
    # Frozen from the input on: what does not move gets no gradient, what moves does.
    backbone = copy.deepcopy(backbone).requires_grad_(True)
    last = backbone.stage_modules(backbone.stages[-1])
    backbone(backbone.preprocess.collate([backbone.preprocess.prepare(one) for one in raw])).square().sum().backward()
    assert any(one.grad is not None and one.grad.abs().max() > 0 for module in last for one in module.parameters())


def test_every_stage_gives_one_row_per_example_in_its_width(case):
    backbone, raw = case
    with torch.inference_mode():
        batch = backbone.preprocess.collate([backbone.preprocess.prepare(one) for one in raw])
        stages, features = backbone.stage_features(batch), backbone(batch)
    assert [tuple(found.shape) for found in stages] == [(4, stage.width) for stage in backbone.stages]
    assert backbone.width == features.shape[1]
    torch.testing.assert_close(stages[-1], features)
    assert all(torch.isfinite(found).all() for found in stages)


def test_features_do_not_depend_on_the_company(case):
    backbone, raw = case
    together = _features(backbone, raw)
    torch.testing.assert_close(_features(backbone, raw[::-1]).flip(0), together, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cat([_features(backbone, [one]) for one in raw]), together, atol=1e-4, rtol=1e-4)
    assert float((together[0] - together[2]).abs().max()) > 1e-6, "different examples have different features"


def test_what_is_written_down_rebuilds_it(case, tmp_path):
    backbone, raw = case
    backbone.save_preprocessing(tmp_path)
    again = rebuild(backbone.describe(), backbone.net.state_dict(), tmp_path)
    torch.testing.assert_close(_features(again.eval(), raw), _features(backbone, raw))
    assert again.stages == backbone.stages
    assert again.preprocess.to_dict() == backbone.preprocess.to_dict()


def test_its_twin_has_its_shape_and_other_weights(case):
    backbone, raw = case
    torch.manual_seed(9)
    twin = backbone.twin().eval()
    assert {name: value.shape for name, value in twin.net.state_dict().items()} == {
        name: value.shape for name, value in backbone.net.state_dict().items()
    }
    assert twin.stages == backbone.stages
    assert not torch.allclose(_features(twin, raw), _features(backbone, raw))
    assert twin.card.weights_sha256 is None


def test_its_card_says_what_it_is(case):
    backbone, raw = case
    card = backbone.card
    assert card.modality == ("text" if isinstance(raw[0], str) else "image")
    assert card.parameters == sum(one.numel() for one in backbone.net.parameters())
    assert len(card.weights_sha256) == 64
    assert SourceCard.from_dict(card.to_dict()) == card


def test_costs_are_tokens_for_texts_and_equal_for_pictures(case):
    backbone, raw = case
    costs = [backbone.preprocess.cost(backbone.preprocess.prepare(one)) for one in raw]
    assert costs == [1] * 4 if backbone.card.modality == "image" else costs[0] > costs[1]


def test_passes_go_on_from_any_cut_with_the_same_features_and_gradients(case):
    backbone, raw = case
    prepared = [backbone.preprocess.prepare(one) for one in raw]
    sample, batch = (backbone.preprocess.collate(some) for some in (prepared, prepared[1:]))
    for first in range(1, len(backbone.stages)):
        whole = copy.deepcopy(backbone)
        freeze_below(whole, first)
        resumed = Resumed(copy.deepcopy(whole), first, sample)
        carried = {**(batch if isinstance(batch, dict) else {}), CARRIED: resumed.carry(batch).detach()}
        expected, found = whole(batch), resumed(carried)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        expected.square().mean().backward()
        found.square().mean().backward()
        for (name, one), other in zip(whole.net.named_parameters(), resumed.backbone.net.parameters(), strict=True):
            assert (one.grad is None) == (other.grad is None), name
            if one.grad is not None:
                torch.testing.assert_close(other.grad, one.grad, atol=1e-5, rtol=1e-4)
        # Whoever goes on using the backbone finds it whole.
        torch.testing.assert_close(_features(resumed.backbone, raw), _features(backbone, raw))


def test_a_network_that_hands_on_more_than_one_tensor_is_not_cut():
    class Skips(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = torch.nn.ModuleList(torch.nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))

        def forward(self, x):
            first = self.blocks[0](x)
            second = self.blocks[1](first).relu()
            return (self.blocks[2](second) + first).mean((2, 3))

    torch.manual_seed(0)
    backbone = from_module(Skips(), prepare=_to_array, name="skips")
    sample = backbone.preprocess.collate([backbone.preprocess.prepare(one) for one in RAW])
    with pytest.raises(ModelError, match="reaches past the cut"):
        Resumed(backbone, 2, sample)


def test_a_network_of_ones_own_is_a_backbone_too(tmp_path):
    backbone = _own_module(tmp_path)
    with torch.inference_mode():
        batch = backbone.preprocess.collate([backbone.preprocess.prepare(one) for one in RAW])
        stages = backbone.stage_features(batch)
    assert [tuple(found.shape) for found in stages] == [(4, stage.width) for stage in backbone.stages]
    assert backbone.width == 5
    assert {id(p) for stage in backbone.stages for m in backbone.stage_modules(stage) for p in m.parameters()} == {
        id(parameter) for parameter in backbone.net.parameters()
    }
