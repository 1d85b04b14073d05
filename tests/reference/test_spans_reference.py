"""F1, exact match and the threshold for "no answer" against their published definitions, written down a second time by brute force."""

from __future__ import annotations

import re
import string

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.prove.metrics import METRICS, evaluate
from headstart.prove.spans import ALWAYS, BEST, NOTHING, ROW, Right, best_threshold, chosen, judged, no_answer
from headstart.prove.words import edges, is_exact, normalised, word_f1

WORDS = st.sampled_from(["the", "a", "An", "lamp", "lamps", "Lamp.", "old", "1815", "of", "--", "theatre", "l'an", "", "U.S.", "é", "\u00a0", "%"])
TEXTS = st.lists(WORDS, max_size=6).map(" ".join)


def published(text):
    """The steps of the evaluation script published with SQuAD, one by one."""
    text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    text = re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)
    return text.split()


def f1_by_hand(said, truth):
    """Overlap counted by crossing words off."""
    said, truth = published(said), published(truth)
    if not said or not truth:
        return float(said == truth)
    left, shared = list(truth), 0
    for word in said:
        if word in left:
            left.remove(word)
            shared += 1
    return 2 * shared / (len(said) + len(truth))


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_f1_and_exact_match_are_the_published_ones(said, right):
    truths = right or [""]
    assert word_f1(said, right) == np.float64(max(f1_by_hand(said, truth) for truth in truths)).item() or abs(
        word_f1(said, right) - max(f1_by_hand(said, truth) for truth in truths)
    ) < 1e-12
    assert is_exact(said, right) == any(published(said) == published(truth) for truth in truths)
    assert normalised(said) == " ".join(published(said))


def test_known_cases_of_the_definition():
    assert word_f1("the old lamp", ["Old lamp!"]) == 1.0
    assert word_f1("in 1815", ["1815"]) == np.float64(2 / 3)
    assert word_f1("", []) == 1.0
    assert word_f1("lamp", []) == 0.0
    assert word_f1("", ["lamp"]) == 0.0
    assert word_f1("The", ["a"]) == 1.0  # both are nothing once articles are gone
    assert word_f1("lamp lamp", ["lamp"]) == np.float64(2 / 3)


def made(seed, count=40):
    """Right answers, and rows of spans with scores of chance."""
    rng = np.random.default_rng(seed)
    rows, right = no_answer(count), []
    for number in range(count):
        context = " ".join(rng.choice(["lamp", "sea", "old", "story", "train"], 8))
        words = edges(context)
        first = int(rng.integers(1, 8))
        text = context[words[0, first - 1] : words[1, first]]
        has = rng.random() < 0.6
        right.append(Right(context, (text,) if has else (), (first, first + 1) if has else (0, 0)))
        rows[number, 0] = rng.normal()
        places = rng.permutation(7)[:5]
        scores = np.sort(rng.normal(size=5).round(1))[::-1]
        for place, (begin, score) in enumerate(zip(places, scores, strict=True)):
            rows[number, 1 + 3 * place : 4 + 3 * place] = (score, begin + 1, begin + 2)
    return right, rows


def test_the_threshold_is_the_best_of_all_there_could_be():
    for seed in range(6):
        right, rows = made(seed)
        found = best_threshold(right, rows)
        margins = rows[:, 0] - rows[:, 1]
        tried = np.concatenate([margins + step for step in (-1e-4, 0.0, 1e-4)] + [[-1e3, 1e3, 0.0]])
        best = max(judged(right, rows, threshold).f1_N.mean() for threshold in tried)
        assert judged(right, rows, found).f1_N.mean() == best
        assert np.abs(margins - found).min() > 1e-6


def test_where_every_question_has_an_answer_one_is_always_given():
    right, rows = made(1)
    answered = [one for one in right if one.answers]
    kept = rows[[bool(one.answers) for one in right]]
    assert best_threshold(answered, kept) == ALWAYS
    kept[:, 0] = 5.0
    assert judged(answered, kept, ALWAYS).answered_N.all()
    assert not judged(answered, kept, 0.0).answered_N.any()


def test_a_row_without_any_span_is_no_answer_whatever_the_threshold():
    assert (chosen(no_answer(3), ALWAYS) == 0).all()
    assert no_answer(2).shape == (2, ROW)
    assert (no_answer(1)[0, 1::3] == NOTHING).sum() == BEST


def test_metrics_are_means_over_the_questions_they_speak_of():
    right, rows = made(2)
    answers = judged(right, rows, 0.3)
    found = evaluate(answers, rng=np.random.default_rng(0), resamples=200, groups=np.arange(len(right)) // 3)
    has = np.array([bool(one.answers) for one in right])
    said = [one.text(*map(int, span)) for one, span in zip(right, chosen(rows, 0.3), strict=True)]
    f1 = np.array([max((f1_by_hand(text, truth) for truth in one.answers), default=float(not text)) for text, one in zip(said, right, strict=True)])
    np.testing.assert_allclose(found["f1"].value, f1.mean())
    np.testing.assert_allclose(found["answer_f1"].value, f1[has].mean())
    np.testing.assert_allclose(found["no_answer_right"].value, np.mean([not text for text, one in zip(said, has, strict=True) if not one]))
    assert set(found) == {name for name, metric in METRICS.items() if "span" in metric.kinds}
    for figure in found.values():
        assert figure.low <= figure.value <= figure.high
        assert "of groups" in figure.method


def test_the_log_loss_adds_up_all_spans_that_are_right():
    context = "lamp sea lamp"
    row = no_answer(1)
    row[0, :7] = (np.log(0.1), np.log(0.4), 1, 1, np.log(0.3), 3, 3)
    one = Right(context, ("Lamp",), (1, 1))
    np.testing.assert_allclose(judged([one], row, 0.0).nats_N, -np.log(0.7), rtol=1e-5)
    np.testing.assert_allclose(judged([Right(context, (), (0, 0))], row, 0.0).nats_N, -np.log(0.1), rtol=1e-5)
