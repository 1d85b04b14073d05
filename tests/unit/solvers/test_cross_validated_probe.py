"""The probe: choosing C, missing classes, and what it refuses."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
import pytest

from headstart.errors import DataError, OptionError
from headstart.prove.answers import probabilities
from headstart.solvers import cross_validated_probe, logistic_path
from headstart.solvers.arrays import Array
from headstart.solvers.lbfgs import Minimum, minimise
from headstart.solvers.logistic import DEFAULT_CS

RNG = np.random.default_rng(0)
LABELS_N = np.arange(30) % 3
FEATURES_ND = RNG.normal(size=(30, 4)) + 2 * np.eye(3, 4)[LABELS_N]
FOLDS = [(np.flatnonzero(np.arange(30) // 3 % 3 != f), np.flatnonzero(np.arange(30) // 3 % 3 == f)) for f in range(3)]


def test_the_best_score_is_chosen_and_everything_is_reported() -> None:
    probe = cross_validated_probe(FEATURES_ND, LABELS_N, folds=FOLDS, Cs=[100.0, 0.01, 1.0])
    assert probe.Cs == (0.01, 1.0, 100.0)
    assert probe.scores[probe.Cs.index(probe.C)] == min(probe.scores)
    assert probe.held_out_N.all()
    assert np.isfinite(probe.held_out_logits_NK).all()
    assert probe.converged
    assert (probe.probabilities(FEATURES_ND).argmax(1) == LABELS_N).mean() > 0.7


def test_the_path_ends_where_weaker_regularisation_only_gets_worse() -> None:
    noise_ND = np.random.default_rng(1).normal(size=(30, 8))
    probe = cross_validated_probe(noise_ND, LABELS_N, folds=FOLDS)
    assert len(probe.Cs) == len(probe.scores) < len(DEFAULT_CS)
    by_accuracy = cross_validated_probe(noise_ND, LABELS_N, folds=FOLDS, select="accuracy")
    assert by_accuracy.Cs == DEFAULT_CS


def test_equal_scores_go_to_the_smaller_log_loss() -> None:
    separable_ND = FEATURES_ND + 50 * np.eye(3, 4)[LABELS_N]
    by_accuracy = cross_validated_probe(separable_ND, LABELS_N, folds=FOLDS, select="accuracy")
    by_loss = cross_validated_probe(separable_ND, LABELS_N, folds=FOLDS)
    assert set(by_accuracy.scores) == {1.0}
    assert by_accuracy.C == by_loss.C


def test_one_given_validation_part_leaves_the_other_rows_unknown() -> None:
    probe = cross_validated_probe(FEATURES_ND, LABELS_N, folds=FOLDS[:1])
    assert probe.held_out_N.sum() == len(FOLDS[0][1])
    assert np.isnan(probe.held_out_logits_NK[~probe.held_out_N]).all()


def test_a_class_with_one_example_keeps_its_column_with_a_small_probability() -> None:
    labels_N = LABELS_N.copy()
    labels_N[4] = 3
    probe = cross_validated_probe(FEATURES_ND, labels_N, folds=FOLDS)
    fold = next(i for i, (_, out) in enumerate(FOLDS) if 4 in out)
    p_nK = probabilities(probe.held_out_logits_NK[FOLDS[fold][1]], several=False)
    assert (p_nK[:, 3] > 0).all()
    assert (p_nK[:, 3] < 0.05).all()
    assert probe.probabilities(FEATURES_ND)[4, 3] > 0.05  # fitted on everything, it is known


@pytest.mark.parametrize("classes", [2, 3])
def test_a_fold_that_trains_on_one_class_answers_it(classes: int) -> None:
    labels_N = np.array([0, 0, 0, 1])
    folds = [(np.array([0, 1]), np.array([2, 3])), (np.array([2, 3]), np.array([0, 1]))]
    probe = cross_validated_probe(FEATURES_ND[:4], labels_N, folds=folds, classes=classes)
    p_nK = probabilities(probe.held_out_logits_NK[[2, 3]], several=False)
    assert (p_nK.argmax(1) == 0).all()
    assert (p_nK > 0.05).all()


def test_a_constant_column_of_several_labels_gets_its_share() -> None:
    truth_NK = np.stack([LABELS_N == 0, np.ones(30), np.zeros(30)], 1).astype(int)
    probe = cross_validated_probe(FEATURES_ND, truth_NK, folds=FOLDS, select="macro_f1")
    p_NK = probe.probabilities(FEATURES_ND)
    np.testing.assert_allclose(p_NK[:, 1:], [[30.5 / 31, 0.5 / 31]] * 30)
    assert probe.several


def test_constant_features_give_the_shares_of_the_classes() -> None:
    path = logistic_path(np.ones((30, 4)), np.minimum(LABELS_N, 1), Cs=[1.0])
    np.testing.assert_allclose(probabilities(path.bias_CK[0][None], several=False), [[1 / 3, 2 / 3]], atol=1e-6)


def test_a_small_stream_is_taken_into_memory() -> None:
    def chunks() -> Iterator[Array]:
        yield FEATURES_ND[:11]
        yield FEATURES_ND[11:]

    streamed = cross_validated_probe(chunks, LABELS_N, folds=FOLDS)
    np.testing.assert_array_equal(
        streamed.weight_KD, cross_validated_probe(FEATURES_ND, LABELS_N, folds=FOLDS).weight_KD
    )


def test_the_same_input_gives_the_same_bits() -> None:
    one, other = (cross_validated_probe(FEATURES_ND, LABELS_N, folds=FOLDS) for _ in range(2))
    np.testing.assert_array_equal(one.weight_KD, other.weight_KD)
    np.testing.assert_array_equal(one.held_out_logits_NK, other.held_out_logits_NK)


@pytest.mark.parametrize(
    ("folds", "why"),
    [
        ([], "none given"),
        ([(np.arange(5), np.array([], int))], "fold 1 is empty"),
        ([(np.arange(5), np.array([30]))], "outside the 30 rows"),
        ([(np.arange(5), np.array([4, 5]))], "rows that it trains on"),
        ([(np.arange(5), np.array([7])), (np.arange(5), np.array([7]))], "held out twice"),
    ],
)
def test_folds_are_checked(folds: list[tuple[Array, Array]], why: str) -> None:
    with pytest.raises(DataError, match=why):
        cross_validated_probe(FEATURES_ND, LABELS_N, folds=folds)


def test_options_and_lengths_are_checked() -> None:
    with pytest.raises(OptionError, match="subset_accuracy"):
        cross_validated_probe(FEATURES_ND, LABELS_N, folds=FOLDS, select="subset_accuracy")
    for bad in ([], [0.0], [-1.0, 2.0]):
        with pytest.raises(OptionError, match="above zero"):
            cross_validated_probe(FEATURES_ND, LABELS_N, folds=FOLDS, Cs=bad)
    with pytest.raises(DataError, match="30 for 29 rows"):
        cross_validated_probe(FEATURES_ND[:29], LABELS_N, folds=FOLDS)
    with pytest.raises(DataError, match="NaN"):
        cross_validated_probe(FEATURES_ND * np.inf, LABELS_N, folds=FOLDS)


def test_the_minimiser_says_when_it_gave_up() -> None:
    def run() -> Generator[Array, tuple[float, Array], Minimum]:
        return (yield from minimise(np.full(2, 9.0), tolerance=1e-12, noise=1e-15, limit=3))

    search, ended = run(), None
    point = next(search)
    while ended is None:
        try:
            point = search.send((float((point**4).sum()), 4 * point**3))
        except StopIteration as stopped:
            ended = stopped.value
    assert ended.evaluations == 3
    assert not ended.converged
