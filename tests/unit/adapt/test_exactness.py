"""Reduced precision is used where it is exact enough, and nowhere else."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.fakes import CPU, TinyBackbone, folds_of, proposed, workbench

from headstart.adapt.exactness import LEAST_COSINE, MOST_NOISE, FeatureGap, GradientGap, feature_gap, gradient_gap
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.trial import Spec
from headstart.adapt.watch import Watch
from headstart.features.extract import address
from headstart.model import Model
from headstart.runtime import Placement

LOW = Placement(device="cpu", threads=2, low="bfloat16")


class Offset(TinyBackbone):
    """Features that differ from one example to the next by little beside what they have in common."""

    def stage_features(self, inputs, only=None):
        features = super().stage_features(inputs, only)
        return [*features[:-1], features[-1] + 1000.0]


class Steep(TinyBackbone):
    """Exact features, and a gradient that float32 carries and bfloat16 mostly rounds away."""

    def stage_features(self, inputs, only=None):
        features = super().stage_features(inputs, only)
        return [*features[:-1], _Noisy.apply(features[-1])]


class _Noisy(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.exact = not torch.is_autocast_enabled("cpu")
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient if context.exact else -gradient


def _bench(tmp_path, backbone=None, placement=LOW):
    bench = workbench(tmp_path, count=24)
    bench.placement = placement
    if backbone is not None:
        bench.backbones = {"tiny": backbone}
    said = []
    bench.listener = said.append
    return bench, said


def test_the_noise_is_what_is_off_over_what_tells_examples_apart():
    backbone = TinyBackbone()
    inputs = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    exact, low = TinyBackbone(), TinyBackbone()
    for parameter in low.parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.bfloat16().float()
    with torch.no_grad():
        exact_ND, rounded_ND = exact.eval()(inputs).numpy(), low.eval()(inputs).numpy()
    gap = feature_gap(backbone, inputs, LOW)
    of_weights = np.sqrt(((rounded_ND - exact_ND) ** 2).mean() / ((exact_ND - exact_ND.mean(0)) ** 2).mean())
    assert of_weights / 3 < gap.noise < 30 * of_weights
    assert gap.is_exact
    assert 0.99 < gap.cosine <= 1.0 + 1e-6
    assert feature_gap(backbone, inputs, CPU).noise == 0


def test_the_gradients_of_one_precision_with_itself_are_the_same():
    inputs = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    backbone = TinyBackbone()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    same = gradient_gap(backbone, inputs, CPU)
    assert same.cosine == pytest.approx(1.0, abs=1e-6)
    assert same.loss == 0
    reduced = gradient_gap(backbone, inputs, LOW)
    assert LEAST_COSINE < reduced.cosine < 1
    assert reduced.is_exact
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (FeatureGap(0.9, MOST_NOISE), True),
        (FeatureGap(0.9999, 1.1 * MOST_NOISE), False),
        (FeatureGap(1.0, math.nan), False),
        (GradientGap(LEAST_COSINE, 0.1), True),
        (GradientGap(0.9 * LEAST_COSINE, 0.0), False),
        (GradientGap(math.nan, 0.0), False),
        (GradientGap(1.0, math.inf), False),
    ],
)
def test_what_is_exact(gap, expected):
    assert gap.is_exact == expected


def test_an_exact_backbone_keeps_reduced_precision_and_nothing_is_said(tmp_path):
    bench, said = _bench(tmp_path)
    assert bench.placement_of("tiny") == LOW
    assert bench.placement_of("tiny", training=True) == LOW
    assert not said
    assert not bench.inexact


def test_features_that_would_be_rounded_away_are_computed_in_float32(tmp_path, monkeypatch):
    backbone = Offset("tiny")
    bench, said = _bench(tmp_path, backbone)
    assert bench.placement_of("tiny").low is None
    assert bench.placement_of("tiny", training=True).low is None
    assert [event.text.split(":")[0] for event in said] == ["tiny runs in float32"]
    assert "of what tells examples apart" in bench.inexact["tiny"]
    exact, _ = _bench(tmp_path / "exact", Offset("tiny"), CPU)
    every = np.arange(24)
    np.testing.assert_array_equal(bench.features("tiny").take(every), exact.features("tiny").take(every))
    kept = {path.name for path in (tmp_path / "features").iterdir()}
    assert address(backbone, bench.fingerprint, CPU) in kept
    assert address(backbone, bench.fingerprint, LOW) not in kept
    assert next(bench.resumed("tiny", 2).backbone.parameters()).dtype == torch.float32
    monkeypatch.setattr("headstart.adapt.workbench.feature_gap", lambda *args: pytest.fail("measured twice"))
    assert bench.placement_of("tiny").low is None


def test_gradients_that_point_elsewhere_are_computed_in_float32_and_features_are_not(tmp_path, monkeypatch):
    bench, said = _bench(tmp_path, Steep("tiny"))
    assert bench.placement_of("tiny") == LOW
    assert bench.placement_of("tiny", training=True).low is None
    assert said[0].text.startswith("tiny trains in float32: in bfloat16 its gradients have a cosine of -")
    seen = []
    monkeypatch.setattr(
        "headstart.adapt.moved.train", lambda *args, placement, **more: seen.append(placement) or _Stop.now()
    )
    rows, strategy = np.arange(24), STRATEGIES["full"]
    settings = proposed(strategy, bench, rows)
    with pytest.raises(_Stop):
        strategy.validate(Spec("transfer", "tiny", "full", settings), bench, rows, folds_of(24), seed=0, watch=Watch())
    assert seen[0].low is None


class _Stop(Exception):
    @classmethod
    def now(cls):
        raise cls


def test_who_names_the_precision_gets_it(tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.adapt.workbench.feature_gap", lambda *args: pytest.fail("measured"))
    named = Placement(device="cpu", threads=2, low="bfloat16", settled=True)
    bench, _ = _bench(tmp_path, Offset("tiny"), named)
    assert bench.placement_of("tiny") == named
    assert workbench(tmp_path).placement_of("tiny") == CPU


def test_trying_the_precision_draws_no_random_numbers(tmp_path):
    drawn = []
    for looks in (False, True):
        bench, _ = _bench(tmp_path)
        torch.manual_seed(0)
        if looks:
            bench.placement_of("tiny", training=True)
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)


@pytest.mark.parametrize(("low", "settled", "kept"), [(None, True, "fp32"), (None, False, "auto"), ("bfloat16", True, "auto")])
def test_a_model_remembers_that_it_needs_float32(low, settled, kept, tmp_path, monkeypatch):
    from headstart.adapt.network import Network
    from headstart.files import read_json
    from headstart.model import load

    placement = Placement(device="cpu", threads=2, low=low, settled=settled)
    network = Network(TinyBackbone("tiny"), 2)
    model = Model(network, classes=("a", "b"), kind="single", temperature=1.0, placement=placement)
    model.save(tmp_path)
    assert read_json(tmp_path / "config.json")["precision"] == kept
    asked = []
    monkeypatch.setattr("headstart.model.place", lambda device, precision: asked.append(precision) or CPU)
    load(tmp_path, backbone=TinyBackbone("tiny"))
    load(tmp_path, backbone=TinyBackbone("tiny"), precision="bf16")
    assert asked == [kept, "bf16"]
