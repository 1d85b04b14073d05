"""What every strategy that moves no weights must do: leave the backbone bit for bit, and repeat itself."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tests.fakes import folds_of, proposed, workbench

from headstart.adapt.network import remade
from headstart.adapt.strategies import CONTROLS, STRATEGIES
from headstart.adapt.trial import Spec
from headstart.adapt.watch import Watch

ROWS = np.arange(48)


def _moves_nothing(strategy, bench):
    backbone = bench.backbones["tiny"]
    return strategy.first(backbone) == len(backbone.stages)


FROZEN = [name for name, strategy in (STRATEGIES | CONTROLS).items() if strategy.schedule(48) is None]


def _fitted(folder, name):
    bench = workbench(folder, count=64, classes=4, noise=90)
    strategy = (STRATEGIES | CONTROLS)[name]
    assert _moves_nothing(strategy, bench)
    settings = proposed(strategy, bench, ROWS)
    spec, folds = Spec(strategy.role, "tiny", name, settings), folds_of(48)
    before = copy.deepcopy(bench.backbone("tiny", random=strategy.role == "random-frozen").state_dict())
    seen = strategy.validate(spec, bench, ROWS, folds, seed=1, watch=Watch())
    network = strategy.refit(spec, seen.found, bench, ROWS, folds, seed=1)
    return bench, seen, network, before, strategy.logits(network, spec, bench, np.arange(48, 64))


@pytest.mark.parametrize("name", FROZEN)
def test_the_backbone_is_bit_identical_and_the_head_the_same_again(name, tmp_path):
    bench, seen, network, before, logits = _fitted(tmp_path / "one", name)
    for key, tensor in network.backbone.state_dict().items():
        assert torch.equal(tensor, before[key]), key
    assert logits.shape == (16, 4)
    assert np.isfinite(logits).all()
    assert set(seen.rows) <= set(ROWS)
    assert bench.judge(seen.rows).values(seen.logits)["accuracy"] > 0.4

    _, again, other, _, same = _fitted(tmp_path / "two", name)
    assert again.found == seen.found
    for key, tensor in network.head.state_dict().items():
        assert torch.equal(tensor, other.head.state_dict()[key]), key
    np.testing.assert_array_equal(logits, same)


@pytest.mark.parametrize("name", FROZEN)
def test_what_a_network_says_of_itself_makes_it_again(name, tmp_path):
    _, _, network, _, _ = _fitted(tmp_path, name)
    again = remade(network.backbone, network.describe_head()).eval()
    again.load_state_dict(network.state_dict())
    pictures = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(again(pictures), network(pictures), rtol=0, atol=0)
