"""Laws of the scores: what means nothing is not seen, width wins nothing, and names and order do not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.choose.evidence import SCORES, Sample, weigh
from headstart.choose.fusion import earned_share, fuse
from headstart.choose.potential import log_error, potential
from headstart.choose.prior import Candidate, Result, centred_ranks, strengths
from headstart.data.split import inner_folds

LEFT_OUT = ("ridge", "logme", "knn", "lda", "h", "nleep")


def sample_of(labels, groups=None):
    groups = np.arange(len(labels)) if groups is None else groups
    return Sample(labels, groups, inner_folds(labels, groups, k=5, seed=0))


def above(features, labels, names=LEFT_OUT):
    found = weigh(features, [("last", features.shape[1])], sample_of(labels), scores=names)
    return found.scores


@pytest.mark.parametrize(("n", "width"), [(100, 512), (200, 64), (200, 1024)])
def test_no_score_sees_signal_in_random_labels(n, width):
    """Over draws each score's standing among its own permutations is even: on average 0, its spread about 1."""
    rng = np.random.default_rng(n + width)
    standing = {name: [] for name in LEFT_OUT}
    for _ in range(8):
        features = rng.normal(size=(n, width)).astype(np.float32)
        for name, found in above(features, rng.integers(0, 4, n)).items():
            standing[name].append(found.above / max(found.spread, 1e-9))
            assert not found.is_signal, name
    for name, values in standing.items():
        assert abs(np.mean(values)) < 1.3, name


@pytest.mark.parametrize("name", LEFT_OUT)
def test_useless_wide_features_never_beat_useful_narrow_ones(name):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    useful = (rng.normal(size=(200, 32)) + 1.2 * np.eye(4, 32)[labels] * 2).astype(np.float32)
    useless = rng.normal(size=(200, 2048)).astype(np.float32)
    assert above(useful, labels, (name,))[name].above > above(useless, labels, (name,))[name].above


@pytest.mark.parametrize("name", LEFT_OUT)
def test_renamed_classes_and_shuffled_examples_change_nothing(name):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 30)
    features = (rng.normal(size=(90, 16)) + np.eye(3, 16)[labels] * 2).astype(np.float32)
    value = above(features, labels, (name,))[name].value
    renamed = above(features, np.array([2, 0, 1])[labels], (name,))[name].value
    assert renamed == pytest.approx(value, abs=0.05)


@pytest.mark.parametrize("name", [name for name in LEFT_OUT if name != "nleep"])
def test_scaled_and_shifted_features_score_the_same(name):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 30)
    features = rng.normal(size=(90, 16)) + np.eye(3, 16)[labels] * 2
    moved = 37.0 * features - 11.0
    first, second = (above(one, labels, (name,))[name].value for one in (features, moved))
    assert second == pytest.approx(first, rel=1e-6, abs=1e-9)


def test_every_score_takes_several_labels():
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 3)) < 0.4).astype(np.int64)
    features = rng.normal(size=(120, 20)).astype(np.float32)
    features[:, :3] += 3 * labels
    found = above(features, labels)
    assert set(found) == set(LEFT_OUT)
    assert all(one.is_signal for name, one in found.items() if name not in ("nleep",)), found


def test_near_duplicates_do_not_vouch_for_each_other():
    """Every example twice, labels of pairs random: only who counts the twin as a neighbour sees anything."""
    rng = np.random.default_rng(0)
    half, labels = rng.normal(size=(80, 64)), rng.integers(0, 2, 80)
    features = np.concatenate([half, half + 1e-3 * rng.normal(size=half.shape)]).astype(np.float32)
    labels, groups = np.concatenate([labels, labels]), np.concatenate([np.arange(80)] * 2)
    stages = [("last", 64)]
    for name in ("ridge", "knn", "lda"):
        apart = weigh(features, stages, sample_of(labels), scores=(name,)).scores[name]
        together = weigh(features, stages, sample_of(labels, groups), scores=(name,)).scores[name]
        assert apart.value > together.value + 0.15, name
        assert together.value < together.chance + 0.15, name


def test_the_table_holds_every_score_that_is_tested_here():
    assert set(SCORES) == {*LEFT_OUT, "leep"}


values = st.lists(st.floats(-5, 5, allow_nan=False), min_size=2, max_size=12)


@given(values)
def test_ranks_are_centred_and_keep_the_order(numbers):
    array = np.array(numbers)
    ranks = centred_ranks(array)
    assert abs(ranks.sum()) < 1e-9
    assert np.all((ranks[:, None] > ranks) == (array[:, None] > array))


@given(st.floats(0, 1), st.floats(0, 1), st.integers(2, 5000))
def test_more_right_answers_are_less_error_and_none_wrong_is_no_certainty(one, other, count):
    low, high = sorted((one, other))
    assert log_error(high, count) <= log_error(low, count)
    assert -np.log(2 * (count + 1)) - 1e-9 <= log_error(1.0, count) < 0


@given(st.lists(st.integers(10_000, 10**9), min_size=2, max_size=8), st.integers(0, 1000))
def test_potential_is_the_error_where_sizes_are_alike_and_the_size_where_errors_are(parameters, seed):
    errors = np.random.default_rng(seed).normal(size=len(parameters))
    alike = potential(errors, [parameters[0]] * len(parameters))
    assert np.array_equal(np.argsort(-alike, kind="stable"), np.argsort(errors, kind="stable"))
    found = potential(np.zeros(len(parameters)), parameters)
    assert np.all((found[:, None] > found) == (np.array(parameters)[:, None] > parameters))
    unknown = potential(errors, [None] * len(parameters))
    assert unknown == pytest.approx(-errors)


@given(st.integers(2, 8), st.integers(0, 1000))
def test_fused_extremes_are_the_two_alone(models, seed):
    rng = np.random.default_rng(seed)
    prior, evidence = rng.normal(size=models), rng.normal(size=models)
    assert np.argmax(fuse(prior, evidence, 0.0)) == np.argmax(prior)
    assert np.argmax(fuse(prior, evidence, 1.0)) == np.argmax(evidence)


def test_no_case_leaves_the_default_share():
    assert earned_share([], default=0.3) == 0.3


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_the_prior_of_a_complete_table_is_the_order_of_mean_ranks(seed):
    rng = np.random.default_rng(seed)
    table = rng.random((5, 6))
    results = [Result("zoo", f"set {d}", f"model {m}", table[d, m]) for d in range(5) for m in range(6)]
    candidates = [Candidate((f"model {m}",)) for m in range(6)]
    found = [one.value for one in strengths(candidates, results, without=frozenset(["set 0"]))]
    mean = np.mean([table[d].argsort().argsort() for d in range(1, 5)], axis=0)
    assert np.all((np.subtract.outer(found, found) > 1e-9) == (np.subtract.outer(mean, mean) > 1e-9))
