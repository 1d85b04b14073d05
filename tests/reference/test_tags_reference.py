"""Spans, F1 and their comparison against the published rules of CoNLL's evaluation, written down here once more, and against counting by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from headstart.data.tag_schemes import read_tags
from headstart.prove.compare import compare_f1
from headstart.prove.metrics import METRICS, estimate, score
from headstart.prove.tags import TrueTags, judged, row_of, spans_of, tag_names

TYPES = ("PER", "LOC")
IOB = ("O", *(f"{prefix}-{kind}" for prefix in "BI" for kind in TYPES))
BIOES = ("O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in TYPES))
ENDS_BETWEEN = {("B", "B"), ("B", "S"), ("B", "O"), ("I", "B"), ("I", "S"), ("I", "O")}
STARTS_BETWEEN = {("E", "E"), ("E", "I"), ("S", "E"), ("S", "I"), ("O", "E"), ("O", "I")}


def parted(tag):
    return ("O", "") if tag == "O" else tuple(tag.split("-", 1))


def ends(before, now):
    """Whether a chunk ends between two tags (Tjong Kim Sang and Buchholz 2000, and the evaluation published with CoNLL-2000)."""
    (one, kind), (other, next_kind) = parted(before), parted(now)
    return (one, other) in ENDS_BETWEEN or one in ("E", "S") or (one != "O" and kind != next_kind)


def starts(before, now):
    """Whether a chunk begins between two tags."""
    (one, kind), (other, next_kind) = parted(before), parted(now)
    return other in ("B", "S") or (one, other) in STARTS_BETWEEN or (other != "O" and kind != next_kind)


def chunks(tags):
    """All chunks of a sentence, by trying every pair of places."""
    padded = ("O", *tags, "O")
    found = set()
    for first, end in product(range(1, len(tags) + 1), range(2, len(tags) + 2)):
        if first < end and starts(padded[first - 1], padded[first]) and ends(padded[end - 1], padded[end]):
            inside = range(first + 1, end)
            if not any(starts(padded[place - 1], padded[place]) or ends(padded[place - 1], padded[place]) for place in inside):
                found.add((first - 1, end - 1, parted(padded[first])[1]))
    return found


def conll_f1(true, said):
    """Precision, recall and F1 over all sentences together, as the evaluation counts them."""
    pairs = [(chunks(one), chunks(other)) for one, other in zip(true, said, strict=True)]
    right, given_, there = (sum(map(len, part)) for part in ([a & b for a, b in pairs], [b for _, b in pairs], [a for a, _ in pairs]))
    precision, recall = right / given_ if given_ else 0.0, right / there if there else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0


def answers(true, said, classes=None):
    classes = classes or tag_names([*true, *said])
    number = {tag: place for place, tag in enumerate(classes)}
    targets = [TrueTags(tuple(number[tag] for tag in tags), classes) for tags in true]
    return judged(targets, np.stack([row_of([number[tag] for tag in tags]) for tags in said]))


def tagged(tags):
    return st.lists(st.sampled_from(tags), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(tagged(IOB))
def test_spans_are_the_chunks_of_the_published_rules(tags):
    assert set(spans_of(tags)) == chunks(tags)
    assert len(spans_of(tags)) == len(chunks(tags))


@settings(max_examples=200, deadline=None)
@given(st.lists(tagged(BIOES), min_size=1, max_size=4))
def test_whatever_is_read_keeps_its_chunks(sentences):
    read = read_tags(sentences)
    if any(tag != "O" for tags in sentences for tag in tags):
        assert [set(spans_of(tags)) for tags in read.tags] == [chunks(tags) for tags in sentences]
        assert read_tags(read.tags).tags == read.tags
        assert not any(read_tags(read.tags).odd)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from(IOB), st.sampled_from(IOB)), min_size=1, max_size=8), min_size=1, max_size=5))
def test_figures_are_those_of_the_published_evaluation(sentences):
    true, said = ([[pair[side] for pair in one] for one in sentences] for side in range(2))
    found, expected = answers(true, said, tag_names([IOB])), conll_f1(true, said)
    for name, value in zip(("span_precision", "span_recall", "span_f1"), expected, strict=True):
        figure = score(METRICS[name], found)
        if figure is None:  # no span, said or true: the published figure is 0
            assert value == 0.0
        else:
            assert figure == pytest.approx(value)
    flat = [[tag for tags in side for tag in tags] for side in (true, said)]
    assert score(METRICS["token_accuracy"], found) == pytest.approx(accuracy_score(*flat))


def test_a_case_worked_by_hand():
    true = ["B-PER I-PER O B-LOC O B-ORG I-ORG".split(), "O O B-LOC B-LOC".split()]
    said = ["B-PER I-PER O B-ORG O O I-ORG".split(), "B-LOC O B-LOC I-LOC".split()]
    # True: PER 0-2, LOC 3-4, ORG 5-7; LOC 2-3, LOC 3-4. Said: PER 0-2, ORG 3-4, ORG 6-7; LOC 0-1, LOC 2-4. One is right.
    found = answers(true, said)
    assert score(METRICS["span_precision"], found) == pytest.approx(1 / 5)
    assert score(METRICS["span_recall"], found) == pytest.approx(1 / 5)
    assert score(METRICS["span_f1"], found) == pytest.approx(1 / 5)
    assert score(METRICS["type_f1"], found) == pytest.approx((1 + 0 + 0) / 3)
    assert score(METRICS["token_accuracy"], found) == pytest.approx(7 / 11)
    assert found.correct_N.tolist() == [False, False]


def test_labels_of_words_without_prefixes_are_counted_one_by_one():
    true, said = [["DT", "NN", "VB"], ["NN"]], [["DT", "VB", "VB"], ["NN"]]
    assert score(METRICS["span_f1"], answers(true, said)) == score(METRICS["token_accuracy"], answers(true, said)) == 3 / 4


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=2, max_size=7))
def test_the_chance_of_a_difference_is_counted_over_all_exchanges(counts):
    table = np.array([(2 * a, 2 * a + b + 1, 2 * c, 2 * c + d + 1) for a, b, c, d in counts], dtype=float)
    found = compare_f1(table[:, :2], table[:, 2:], margin=0.01, rng=np.random.default_rng(0))

    def gain(rows):
        up, down, other_up, other_down = rows.sum(0)
        return up / down - other_up / other_down

    exchanged = table[:, [2, 3, 0, 1]]
    every = [gain(np.where(np.array(flips)[:, None], exchanged, table)) for flips in product((0, 1), repeat=len(table))]
    assert found.difference.value == pytest.approx(gain(table))
    assert found.p_value == pytest.approx(np.mean(np.abs(every) >= abs(gain(table)) - 1e-12))
    turned = compare_f1(table[:, 2:], table[:, :2], margin=0.01, rng=np.random.default_rng(0))
    assert (turned.better, turned.worse, turned.p_value) == (found.worse, found.better, pytest.approx(found.p_value))


def test_a_flawless_figure_has_the_interval_of_so_many_texts():
    found = estimate(METRICS["span_f1"], answers([["B-PER", "O"]] * 20, [["B-PER", "O"]] * 20), rng=np.random.default_rng(0))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 20))


def test_many_sentences_are_compared_by_random_exchanges_and_by_groups():
    rng = np.random.default_rng(3)
    hits, other = rng.binomial(2, 0.9, 200), rng.binomial(2, 0.6, 200)
    one, two = (np.stack([2 * right, np.full(200, 4)], 1) for right in (hits, other))
    found = compare_f1(one, two, margin=0.01, rng=rng)
    assert (found.word, found.n) == ("helped", 200)
    assert found.difference.low < found.difference.value < found.difference.high
    assert compare_f1(one, one, margin=0.01, rng=rng).p_value == 1.0
    grouped = compare_f1(one, two, margin=0.01, rng=rng, groups=np.arange(200) // 20)
    assert "groups" in grouped.difference.method
    assert grouped.p_value == pytest.approx(2 / 2**10)
