"""Perplexity, bits per byte and counting, each against a few lines of plain arithmetic."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.models.language import Told
from headstart.prove.losses import losses
from headstart.prove.metrics import METRICS, estimate, score
from headstart.tasks import TASKS
from headstart.tasks.ngrams import Counts

ROWS = np.array([[10.0, 5, 20], [30.0, 10, 60], [0.0, 0, 0]])


def test_figures_are_those_of_all_tokens_together_not_means_of_texts():
    found = {name: score(METRICS[name], losses(ROWS)) for name in ("nats_per_token", "perplexity", "bits_per_byte")}
    assert found == pytest.approx({"nats_per_token": 40 / 15, "perplexity": math.exp(40 / 15), "bits_per_byte": 40 / math.log(2) / 80})
    assert losses(ROWS).off_N.mean() == pytest.approx(found["bits_per_byte"])


def test_intervals_are_by_document():
    rng = np.random.default_rng(0)
    nats = np.repeat(rng.normal(100, 20, 10), 8) + rng.normal(0, 1, 80)  # documents differ, their blocks hardly do
    rows = np.stack([nats, np.full(80, 50.0), np.full(80, 200.0)], 1)
    groups = np.repeat(np.arange(10), 8)
    wide, narrow = (estimate(METRICS["bits_per_byte"], losses(rows), rng=np.random.default_rng(1), groups=one) for one in (groups, None))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_what_is_not_finite_is_refused():
    for bad in (np.nan, -1.0, np.inf):
        with pytest.raises(DataError):
            losses(np.array([[bad, 1, 1]]))


def told(ids: list[int]) -> Told:
    places = np.arange(len(ids) - 1)
    return Told((np.array(ids),), np.zeros_like(places), places, np.array(ids[1:]), 3 * len(places))


def test_counting_is_laplace_and_witten_bell():
    learned, asked = [[0, 1, 2, 1, 2], [0, 2, 3]], [[0, 1, 2, 3, 4, 1]]
    found = TASKS["language"].token_floors(map(told, learned), map(told, asked), 5)
    single = Counter(token for ids in learned for token in ids[1:])
    pair = Counter(both for ids in learned for both in pairwise(ids))
    total = sum(single.values())

    def p_single(token):
        return (single[token] + 1) / (total + 5)

    def p_pair(before, token):
        after = [both for both in pair if both[0] == before]
        seen = sum(pair[both] for both in after)
        return (pair[before, token] + len(after) * p_single(token)) / (seen + len(after)) if after else p_single(token)

    steps = list(pairwise(asked[0]))
    wanted = [-sum(math.log(p_single(token)) for _, token in steps), -sum(math.log(p_pair(*step)) for step in steps)]
    assert found["floor-majority"][0].tolist() == pytest.approx([wanted[0], 5, 15])
    assert found["floor-classical"][0].tolist() == pytest.approx([wanted[1], 5, 15])


def test_probabilities_of_counting_sum_to_one():
    counts = Counts(map(told, [[0, 1, 2, 1, 2], [0, 2, 3]]), 5)
    every = np.arange(5)
    assert counts.single(every).sum() == pytest.approx(1)
    for before in range(5):
        assert counts.paired(np.full(5, before), every).sum() == pytest.approx(1)
