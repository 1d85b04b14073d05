"""Candidates in order: what decides, who is dropped and why, ties, few examples, and a first look at many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart.choose.evidence import Evidence, Measured
from headstart.choose.fusion import Case, earned_share
from headstart.choose.knowledge import ERROR, Knowledge, Past, knowledge, names_of, one_kind
from headstart.choose.layers import Cut, choose_cut
from headstart.choose.prior import UNKNOWN_ERROR, Candidate, Result, Strength, strengths
from headstart.choose.ranking import FIRST_LOOK, Contestant, rank, sample
from headstart.choose.standing import standings, widening
from headstart.errors import DataError, ModelError
from headstart.events import Said
from headstart.models.card import SourceCard

NOTHING = Knowledge((), {}, "0" * 64)


def card(name, **more):
    return SourceCard(spec=f"test:{name}", name=name, modality="image", family="test", architecture="tiny", **more)


def contestant(name, strength, labels, *, width=24, seed=0, seen=None):
    """Features in which the classes lie `strength` apart."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(labels.max() + 1, width))
    features = (rng.normal(size=(len(labels), width)) + strength * centres[labels]).astype(np.float32)

    def take(rows):
        if seen is not None:
            seen.append(len(rows))
        return features[rows]

    return Contestant(card(name), (("last", width),), take)


def ranked(contestants, labels, **more):
    given = {"knowledge": NOTHING, "fingerprint": "f", **more}
    return rank(contestants, labels, np.arange(len(labels)), **given)


def labels_of(count, classes=4, seed=0):
    return np.random.default_rng(seed).integers(0, classes, count)


def test_the_best_features_come_first_and_the_reason_is_said():
    labels = labels_of(200)
    found = ranked([contestant("poor", 0.1, labels, seed=1), contestant("good", 1.5, labels, seed=2)], labels)
    assert [one.card.name for one in found.candidates] == ["good", "poor"]
    assert found.candidates[0].standing.chance_of_first > 0.99
    assert not found.candidates[0].standing.tied
    assert "it comes first in nearly all resamples" in found.why()


def test_candidates_that_cannot_be_told_apart_share_a_place():
    labels = labels_of(60)
    base, rng = contestant("one", 0.6, labels, seed=1).features(np.arange(60)), np.random.default_rng(0)
    shaken = {name: base + 0.2 * rng.normal(size=base.shape).astype(np.float32) for name in ("one", "two", "three")}
    twins = [Contestant(card(name), (("last", 24),), shaken[name].__getitem__) for name in shaken]
    found = ranked(twins, labels)
    first = [one for one in found.candidates if one.standing.place == 1]
    assert len(first) > 1
    assert all(one.standing.tied for one in first)
    assert "level with" in found.why()


def test_one_that_fails_is_dropped_with_its_reason_and_the_others_go_on():
    labels = labels_of(80)

    def broken(rows):
        raise ModelError("broken: its weights are gone.")

    def too_large(rows):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    def not_a_number(rows):
        return np.full((len(rows), 24), np.nan, np.float32)

    stages = (("last", 24),)
    contestants = [
        contestant("good", 1.0, labels),
        *(
            Contestant(card(name), stages, take)
            for name, take in (("broken", broken), ("large", too_large), ("nan", not_a_number))
        ),
    ]
    said = []
    found = ranked(contestants, labels, listener=said.append)
    reasons = {one.name: one.reason for one in found.dropped}
    assert [one.card.name for one in found.candidates] == ["good"]
    assert reasons["broken"] == "broken: its weights are gone."
    assert reasons["large"] == "it does not fit into memory."
    assert "NaN" in reasons["nan"]
    assert sum(isinstance(event, Said) and event.warning for event in said) == 3


def test_none_left_is_an_error_with_all_reasons():
    labels = labels_of(40)

    def broken(rows):
        raise ModelError("gone.")

    with pytest.raises(ModelError, match=r"one: gone.*two: gone"):
        ranked([Contestant(card(name), (("last", 4),), broken) for name in ("one", "two")], labels)


def test_few_examples_of_a_class_are_said_and_widen_the_interval():
    labels = np.array([0] * 40 + [1] * 40 + [2] * 2)
    found = ranked([contestant("one", 1.0, labels), contestant("two", 0.5, labels, seed=1)], labels)
    even = np.arange(82) % 3
    other = ranked([contestant("one", 1.0, even), contestant("two", 0.5, even, seed=1)], even)
    assert "2 examples only" in found.notes[0]
    assert other.notes == ()
    assert widening(2) > widening(5) == 1.0


def test_poor_candidates_are_looked_at_once_only():
    labels = labels_of(700)
    looks = {name: [] for name in ("best", "near", "poor", "worse")}
    strengths_of = {"best": 1.0, "near": 0.9, "poor": 0.05, "worse": 0.0}
    contestants = [
        contestant(name, strengths_of[name], labels, seed=n, seen=looks[name]) for n, name in enumerate(looks)
    ]
    found = ranked(contestants, labels)
    assert looks["best"] == [FIRST_LOOK, 700]
    assert looks["poor"] == [FIRST_LOOK]
    assert looks["worse"] == [FIRST_LOOK]
    assert {one.card.name for one in found.candidates[2:]} == {"poor", "worse"}
    assert [len(one.rows) for one in found.candidates] == [700, 700, FIRST_LOOK, FIRST_LOOK]
    assert [one.standing.place for one in found.candidates[2:]] == [3, 4]


def test_the_sample_keeps_two_of_every_class():
    labels = np.concatenate([np.zeros(3000, int), np.repeat(np.arange(1, 200), 2)])
    rows = sample(labels, np.random.default_rng(0))
    assert len(rows) == 1000
    assert np.bincount(labels[rows]).min() == 2
    assert np.all(np.diff(rows) > 0)


def test_the_same_seed_gives_the_same_standing():
    labels = labels_of(90)
    both = [ranked([contestant("a", 0.5, labels), contestant("b", 0.4, labels, seed=1)], labels) for _ in range(2)]
    assert [one.standing for one in both[0].candidates] == [one.standing for one in both[1].candidates]


def test_equal_evidence_leaves_the_order_to_the_prior():
    each = np.tile([0.0, 1.0], 50)
    evidence = [
        Evidence({"ridge": Measured(0.5, 0.0, 0.01, 0.02, each)}, (Cut("last", 4, 0.5, 0, 0),), 0, each > 0)
    ] * 2
    priors = [Strength(-0.4, 0.01, 5), Strength(0.4, 0.01, 5)]
    found = standings(
        evidence, priors, [None] * len(priors), np.arange(100), share=0.5, widen=1.0, rng=np.random.default_rng(0)
    )
    assert found[1].place == 1
    assert found[1].value > found[0].value


def test_the_last_stage_is_kept_unless_another_is_better_beyond_chance():
    labels, rng = labels_of(200), np.random.default_rng(1)
    columns = np.eye(4)[labels]
    useful, useless = rng.normal(size=(200, 16)) + 2 * columns @ rng.normal(size=(4, 16)), rng.normal(size=(200, 16))
    stages = [("early", 16), ("late", 16)]
    cuts, at = choose_cut(np.concatenate([useful, useless], 1), stages, columns, np.arange(200))
    assert cuts[at].name == "early"
    cuts, at = choose_cut(np.concatenate([useless, rng.normal(size=(200, 16))], 1), stages, columns, np.arange(200))
    assert cuts[at].name == "late"


def test_layers_of_one_width_also_stand_as_their_mean():
    labels, rng = labels_of(120), np.random.default_rng(1)
    columns = np.eye(4)[labels]
    signal = columns @ rng.normal(size=(4, 8))
    layers = [signal + 3 * rng.normal(size=(120, 8)) for _ in range(6)]
    cuts, at = choose_cut(np.concatenate(layers, 1), [(f"layer {n}", 8) for n in range(6)], columns, np.arange(120))
    assert cuts[at].name == "mean of layers"


def past(data, worth, fingerprint=None, scores=None):
    return Past("zoo", data, fingerprint, scores or {}, worth)


def test_a_data_set_never_vouches_for_itself():
    known = Knowledge(
        (past("own", {"a": 1.0, "b": 0.0}, "mine"), past("other", {"a": 0.0, "b": 1.0}, "yours")), {}, "x"
    )
    cards = [card("a"), card("b")]
    without = known.strengths(cards, without="mine")
    assert without[0].value < without[1].value
    assert [one.sets for one in without] == [1, 1]


def test_what_nothing_is_known_of_is_in_the_middle_and_unsure():
    (found,) = strengths([Candidate(("new",))], [Result("zoo", "d", "a", 1.0), Result("zoo", "d", "b", 0.0)])
    assert found == Strength(0.0, UNKNOWN_ERROR, 0)


def test_traits_tell_of_models_that_no_table_knows():
    results = [Result("zoo", f"set {d}", f"m{n}", float(n)) for d in range(3) for n in range(6)]
    traits = {f"m{n}": {"ImageNet-1k top-1": 60.0 + 4 * n} for n in range(6)}
    better, worse = strengths(
        [Candidate(("x",), {"ImageNet-1k top-1": 85.0}), Candidate(("y",), {"ImageNet-1k top-1": 58.0})],
        results,
        traits=traits,
    )
    assert better.value > 0.2 > -0.2 > worse.value


def test_a_broken_line_in_a_table_is_an_error():
    with pytest.raises(DataError, match="a on d"):
        strengths([], [Result("zoo", "d", "a", float("nan"))])


def test_evidence_that_orders_past_sets_earns_its_share():
    rng = np.random.default_rng(0)
    cases = [Case(rng.normal(size=8), (worth := rng.random(8)), worth) for _ in range(6)]
    assert earned_share(cases, default=0.05) > 0.5
    cases = [Case((worth := rng.random(8)), rng.normal(size=8), worth) for _ in range(6)]
    assert earned_share(cases, default=0.9) < 0.5


def test_the_shipped_knowledge_knows_its_models_and_has_a_hash():
    found = knowledge()
    assert len(found.sha256) == 64
    assert found.sha256 == knowledge().sha256
    assert knowledge([{"fingerprint": "f", "scores": {}, "worth": {"a": 1.0, "b": 0.5}}]).sha256 != found.sha256
    (known,) = found.strengths(
        [
            card("resnet50", data=("ImageNet-1k",)).__class__.from_dict(
                {**card("r").to_dict(), "spec": "timm:resnet50.tv_in1k"}
            )
        ],
        without="x",
    )
    assert known.sets == 11


def test_sources_of_one_kind_are_told_from_several():
    assert one_kind([card("a", data=("ImageNet-1k",)), card("b", data=("ImageNet-1k",))])
    assert not one_kind([card("a", data=("ImageNet-1k",)), card("b", data=("LAION-2B",))])
    assert not one_kind([card("a"), card("b")])
    assert names_of(card("a", weights_sha256="abc")) == ("abc", "test:a", "a")


class Ticking:
    """A clock with time for so many looks at it."""

    def __init__(self, looks):
        self.looks = looks

    def now(self):
        return 0.0

    def seconds_left(self):
        self.looks -= 1
        return float(max(0, self.looks))


def test_who_was_not_looked_at_in_time_is_dropped_and_the_first_always_counts():
    labels = labels_of(80)
    contestants = [contestant(name, 0.5, labels, seed=seed) for seed, name in enumerate(("one", "two", "three"))]
    found = ranked(contestants, labels, clock=Ticking(1))
    assert [one.card.name for one in found.candidates] == ["one"]
    assert [one.name for one in found.dropped] == ["two", "three"]
    assert all("--budget" in one.reason for one in found.dropped)


def test_who_had_a_first_look_only_comes_behind_and_is_not_dropped():
    labels = labels_of(700)
    looks = {name: [] for name in ("poor", "worse", "near", "best")}
    strong = {"best": 1.0, "near": 0.9, "poor": 0.05, "worse": 0.0}
    contestants = [contestant(name, strong[name], labels, seed=n, seen=looks[name]) for n, name in enumerate(looks)]
    # Three looks after the first at 256, one check after them all: then the best alone is looked at again.
    found = ranked(contestants, labels, clock=Ticking(5))
    assert found.dropped == ()
    assert found.candidates[0].card.name == "best"
    assert looks["best"] == [FIRST_LOOK, 700]
    assert looks["near"] == [FIRST_LOOK]
    assert {one.card.name for one in found.candidates} == set(looks)


def test_a_past_run_on_a_shipped_data_set_is_not_its_own_witness():
    shipped = [
        past(f"set {n}", {"a": 1.0, "b": 0.5, "c": 0.0}, f"print {n}", {m: {ERROR: -1.0} for m in "abc"})
        for n in range(2)
    ]
    again = past("print 0", {"a": 0.0, "b": 0.5, "c": 1.0}, "print 0")
    known = Knowledge((*shipped, again), {}, "x")
    cards = [card(name) for name in "abc"]
    first, _ = known._cases([replace(one, spec=one.name) for one in cards], "none")
    assert first.prior_M[0] > first.prior_M[2]


def test_a_larger_network_is_ahead_where_frozen_features_are_alike():
    each = np.tile([0.0, 1.0, 1.0, 1.0], 50)
    found = Evidence({"knn": Measured(0.75, 0.25, 0.01, 0.3, each)}, (Cut("last", 4, 0.5, 0, 0),), 0, each > 0)
    priors = [Strength(0.0, 0.01, 5)] * 3
    rng = np.random.default_rng(0)
    placed = standings([found] * 3, priors, [10**6, 10**7, None], np.arange(200), share=0.7, widen=1.0, rng=rng)
    assert placed[1].value > placed[2].value > placed[0].value  # of unknown size: in the middle


def test_errors_count_by_their_ratio_and_both_classifiers_count():
    def answers(ridge, neighbours):
        rows = np.arange(1000)
        scores = {"knn": Measured(neighbours, 0.5, 0.01, 0.6, (rows < 1000 * neighbours).astype(float))}
        return Evidence(scores, (Cut("last", 4, 0.5, 0, 0),), 0, rows < 1000 * ridge)

    assert answers(0.98, 0.98).log_error == pytest.approx(np.log(20.5 / 1001))
    assert answers(0.98, 0.96).log_error == pytest.approx((np.log(20.5 / 1001) + np.log(40.5 / 1001)) / 2)
    assert answers(0.96, 0.98).log_error == answers(0.98, 0.96).log_error
