"""What lies ahead: similarity, mismatches, cost, advice, forecast, and what should be known before trusting a ranking."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from headstart.choose import compatibility
from headstart.choose.compatibility import Form, mismatches
from headstart.choose.cost import Way, predict
from headstart.choose.depth import Situation, advise
from headstart.choose.forecast import MOST_SURE, Clues, forecast, learn
from headstart.choose.knowledge import forecaster
from headstart.choose.outlook import floor_accuracy, guessing, sources_map
from headstart.choose.portrait import portray
from headstart.choose.profile import profile
from headstart.choose.similarity import coverage, energy, flat_map, gaussian_kl, source_of
from headstart.choose.stories import known_already, told_apart
from headstart.errors import DataError
from headstart.features.reference import low_rank_moments
from headstart.models.source_head import SourceHead, find_head
from tests.fakes import CPU, TinyBackbone, stripes


def clues(**more):
    return Clues(**{"probe": 0.8, "floor": 0.6, "chance": 0.1, "examples": 300, "classes": 10, **more})


def test_a_target_like_the_source_is_covered_and_another_is_not():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(20, 20))
    known = low_rank_moments(rng.normal(size=(500, 20)) @ mixing, rank=8)
    source = source_of(known.mean_D, known.factor_DR, known.trace)
    assert coverage(rng.normal(size=(200, 20)) @ mixing, source) > 0.9
    assert coverage(0.2 * rng.normal(size=(200, 20)) @ mixing, source) > 0.95
    assert coverage(rng.normal(size=(200, 20)) @ mixing + 40, source) < 0.05


def test_equal_gaussians_do_not_diverge_and_dead_channels_are_left_out():
    found = gaussian_kl(np.array([1.0, 5.0]), np.array([2.0, 3.0]), np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    assert found[0] == pytest.approx(0)
    assert np.isnan(found[1])


def test_energy_is_low_for_what_the_head_is_sure_of():
    assert energy(np.array([[9.0, 0.0]]))[0] < energy(np.array([[0.5, 0.0]]))[0]


def test_a_map_keeps_distances_that_fit_on_a_plane():
    places = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    distance = np.linalg.norm(places[:, None] - places, axis=2)
    found = flat_map(distance)
    assert np.linalg.norm(found[:, None] - found, axis=2) == pytest.approx(distance)
    assert found[0] == pytest.approx([0, 0])


def test_the_source_that_groups_as_the_labels_do_lies_nearest():
    labels = np.repeat([0, 1, 2], 20)
    rng = np.random.default_rng(0)
    near, far = np.eye(3)[labels] + 0.1 * rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    places = sources_map([far, near], labels)
    assert np.linalg.norm(places[2]) < np.linalg.norm(places[1])


def test_a_portrait_has_what_the_backbone_allows():
    pictures, _ = stripes(24)
    backbone = TinyBackbone()
    features = np.random.default_rng(0).normal(size=(24, 8)).astype(np.float32)
    given = {"decode": lambda item: item, "placement": CPU, "shapes": {}, "rng": np.random.default_rng(0)}
    plain = portray(backbone, pictures, features, reference=None, **given)
    assert plain.measures["batch_norm"] > 0
    assert (plain.farthest, plain.called) == ((), ())
    backbone.source_head = SourceHead(np.eye(3, 8, dtype=np.float32), np.zeros(3, np.float32), ("ant", "bee", "cat"))
    headed = portray(backbone, pictures, features, reference=None, **given)
    assert {name for name, _ in headed.called} <= {"ant", "bee", "cat"}
    assert headed.by == "energy"
    known = portray(backbone, pictures, features, reference=low_rank_moments(features), **given)
    assert known.measures["coverage"] > 0.8
    assert abs(known.measures["kid"]) < 1


def test_batch_norm_sees_a_shift():
    pictures, _ = stripes(24)
    backbone = TinyBackbone()
    with torch.no_grad():
        backbone.net[1].train()
        backbone(backbone.preprocess.collate([backbone.preprocess.prepare(one) for one in pictures]))
        backbone.net[1].momentum = None
        backbone.net[1].reset_running_stats()
        backbone(backbone.preprocess.collate([backbone.preprocess.prepare(one) for one in pictures]))
        backbone.net[1].eval()
    given = {
        "decode": lambda item: item,
        "placement": CPU,
        "shapes": {},
        "reference": None,
        "rng": np.random.default_rng(0),
    }
    features = np.zeros((24, 8), np.float32) + np.arange(8)
    like = portray(backbone, pictures, features, **given).measures["batch_norm"]
    white = portray(backbone, [Image.new("RGB", (8, 8), "white")] * 24, features, **given).measures["batch_norm"]
    assert like < 0.2 < white


def test_batch_norm_is_asked_about_all_examples_that_pass():
    pictures, _ = stripes(8)
    backbone = TinyBackbone().eval()
    prepared = [backbone.preprocess.prepare(one) for one in pictures]
    (norm,) = [module for module in backbone.net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    inputs = []
    handle = norm.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    with torch.no_grad():
        backbone(backbone.preprocess.collate(prepared))
    handle.remove()
    values = inputs[0].double().numpy()
    seen = values.mean((0, 2, 3)), values.var((0, 2, 3))
    theirs = norm.running_mean.numpy(), norm.running_var.numpy()
    assert profile(backbone, prepared, CPU).divergence == pytest.approx(np.mean(gaussian_kl(*seen, *theirs)), rel=1e-4)


def test_grey_small_and_long_pictures_are_said():
    backbone = TinyBackbone()
    form = Form(
        {"modes": {"L": 9, "RGB": 1}, "width": {"median": 3}, "height": {"median": 3}}, [], [np.zeros((8, 8, 3))]
    )
    told = [f"{one.what}: {one.done}" for one in mismatches(backbone, form)]
    assert told[0] == "9 of 10 pictures are grey, the source takes colour: grey is repeated on three channels"
    assert "enlarged 2.7 times" in told[1]
    large = Form({"width": {"median": 800}, "height": {"median": 40}}, [], [np.zeros((8, 8, 3))])
    assert "reduced 5.0 times" in mismatches(backbone, large)[0].done
    backbone.preprocess.to_dict = lambda: {"fit": "shortest"}
    assert "cut off" in compatibility.aspect(backbone, large)[0].done


def test_an_other_language_is_said_for_a_source_that_is_english():
    backbone = TinyBackbone()
    backbone.card = replace(backbone.card, modality="text", domain="web text, English")
    form = Form({"languages": {"German": 9, "unsure": 3}}, [], [])
    assert "look German" in compatibility.language(backbone, form)[0].what
    assert compatibility.language(backbone, Form({"languages": {"English": 9}}, [], [])) == []


def test_deeper_strategies_cost_more():
    pictures, _ = stripes(8)
    backbone = TinyBackbone()
    seen = profile(backbone, [backbone.preprocess.prepare(one) for one in pictures], CPU)
    assert sum(seen.share_S) == pytest.approx(1)
    assert sum(seen.parameters_S) == sum(parameter.numel() for parameter in backbone.net.parameters())
    costs = [
        predict(seen, way, network_s=1e-3, extraction_s=1.0)
        for way in (Way("probe", 3, 0), Way("partial", 2, 90), Way("full", 0, 90))
    ]
    assert costs[0].seconds == 1.0
    assert costs[0].seconds < costs[1].seconds < costs[2].seconds
    stored = predict(seen, Way("partial", 2, 90, stored=100), network_s=1e-3, extraction_s=1.0)
    assert costs[0].seconds < stored.seconds < costs[1].seconds
    assert costs[0].memory_mib < costs[1].memory_mib < costs[2].memory_mib


@pytest.mark.parametrize(
    ("situation", "strategy"),
    [
        (Situation(0.99, 0.1, 400, 4, None), "probe"),
        (Situation(0.6, 0.1, 20, 4, None), "probe"),
        (Situation(0.7, 0.1, 48, 4, "blocks.3"), "full"),
        (Situation(0.8, 0.1, 48, 4, None), "partial"),
        (Situation(0.3, 0.1, 48, 4, None), "full"),
        (Situation(0.8, 0.1, 400, 4, None), "full"),
    ],
)
def test_advice_follows_examples_and_features(situation, strategy):
    found = advise(situation)
    assert found.strategy == strategy
    assert found.reason


def past_cases():
    rng = np.random.default_rng(0)
    given = [clues(probe=probe, floor=0.6) for probe in np.linspace(0.3, 0.95, 40)]
    differences = np.array([one.probe - one.floor + 0.05 * rng.normal() for one in given])
    words = ["helped" if value > 0.03 else "hurt" if value < -0.2 else "unclear" for value in differences]
    return given, differences, words, [f"set {n % 5}" for n in range(40)], [True] * 40


def test_a_forecast_is_never_certain_and_never_foretells_harm():
    learned = learn(*past_cases())
    for probe in (0.0, 0.3, 0.6, 0.8, 1.0):
        found = forecast(learned, clues(probe=probe))
        assert sum(found.chances.values()) == pytest.approx(1)
        assert max(found.chances.values()) <= MOST_SURE + 1e-9
        assert found.word != "hurt"
        assert found.low <= found.difference <= found.high
    assert forecast(learned, clues(probe=0.95)).word == "helped"
    assert forecast(learned, clues(probe=0.35)).word != "helped"


def test_a_forecaster_needs_past_cases_of_both_kinds():
    given, differences, words, sets, real = past_cases()
    with pytest.raises(DataError, match="10 or more in all"):
        learn(given[:5], differences[:5], words[:5], sets[:5], real[:5])
    with pytest.raises(DataError, match="Both kinds"):
        learn(given, differences, ["helped"] * 40, sets, real)


def test_the_shipped_forecaster_prefers_features_that_beat_the_floor():
    learned = forecaster("image")
    assert learned is not None
    good, poor = (forecast(learned, clues(probe=probe)).chances["helped"] for probe in (0.95, 0.3))
    assert good > 0.8
    assert poor < 0.4


def test_a_source_that_names_the_labels_is_found_out():
    labels = np.repeat([0, 1], 30)
    rng = np.random.default_rng(0)
    knows = np.eye(5)[labels * 2] * 0.9 + 0.02
    guesses = rng.dirichlet(np.ones(5), 60)
    assert known_already(knows, labels, np.arange(60)) > 0.95
    assert known_already(guesses, labels, np.arange(60)) < 0.6
    assert known_already(knows, np.eye(2, dtype=int)[labels], np.arange(60)) == 0.0


def test_parts_that_differ_are_told_apart_and_equal_ones_are_not():
    rng = np.random.default_rng(0)
    features, other = rng.normal(size=(160, 40)), np.arange(160) >= 100
    assert not told_apart(features, other, np.arange(160), rng=rng).is_shift
    features[other] += 0.7
    assert told_apart(features, other, np.arange(160), rng=rng).is_shift


def test_the_floor_is_measured_for_numbers_and_for_texts():
    labels = np.repeat([0, 1], 20)
    numbers = floor_accuracy(lambda items: np.array(items, float)[:, None], labels.tolist(), labels, np.arange(40))
    words = [f"{'good' if label else 'bad'} thing {n % 3}" for n, label in enumerate(labels)]
    texts = floor_accuracy(list, words, labels, np.arange(40))
    assert numbers == texts == 1.0
    assert guessing(labels) == (0.5, 2)


def test_a_head_is_found_only_where_it_reads_the_features():
    tensors = {"fc.weight": torch.ones(3, 8), "fc.bias": torch.zeros(3), "other.weight": torch.ones(3, 9)}
    found = find_head(tensors, ("fc",), 8, ("a", "b", "c"))
    assert found is not None
    assert found.labels == ("a", "b", "c")
    assert found.probabilities(np.ones((2, 8))).sum(1) == pytest.approx([1, 1])
    assert find_head(tensors, ("other",), 8) is None
    assert find_head(tensors, ("fc",), 8, ("only one",)).labels == ()


def test_giving_the_labels_away_is_counted_without_ones_own_group():
    rng = np.random.default_rng(0)
    source, labels, groups = rng.dirichlet(np.ones(6), 50), rng.integers(0, 3, 50), rng.integers(0, 20, 50)
    right = 0
    for i in range(50):
        others = groups != groups[i]
        joint = np.array([source[others & (labels == k)].sum(0) for k in range(3)])
        right += (source[i] @ (joint / joint.sum(0)).T).argmax() == labels[i]
    chance = np.bincount(labels).max() / 50
    assert known_already(source, labels, groups) == pytest.approx((right / 50 - chance) / (1 - chance))
