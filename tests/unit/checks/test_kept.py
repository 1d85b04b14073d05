"""What is kept of answers: models whose behaviour is known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.checks.kept import CELLS, Subject, behaviour, ladder
from headstart.checks.templates import INVARIANCES, NAMES, negations, other_names, other_numbers, poles_of
from headstart.tasks import TASKS

TASK = TASKS["single"]
GOOD = {"good", "great", "wonderful", "excellent", "delightful"}


def by_words(texts, of):
    """Positive where a good word stands; not upset by case, blind to "not"."""
    good = np.array([any(word.strip(".,!").lower() in GOOD for word in text.split()) for text in texts], dtype=float)
    return np.stack([0.9 - 0.8 * good, 0.1 + 0.8 * good], axis=1)


def by_not(texts, of):
    """The same, but turned by a "not"."""
    chances = by_words(texts, of)
    turned = np.array(["not" in text.split() for text in texts])
    return np.where(turned[:, None], chances[:, ::-1], chances)


TEXTS = [f"it was {'a great' if number % 2 else 'a long'} story that Anna told {number + 10} times" for number in range(24)]


def subject(answer):
    targets = np.arange(24) % 2
    return Subject(TEXTS, targets, ("negative", "positive"), answer, TASK.decide, TASK.correct, "made texts")


def test_the_ladder_begins_with_the_texts_as_they_are_and_counts_what_stays_right():
    one = subject(by_words)
    found = ladder(one, by_words(TEXTS, None))
    assert len(found.rows) == 1 + CELLS
    assert found.rows[0].figure.value == 1.0
    figures = {row.name: row.figure.value for row in found.rows}
    assert figures["all words in other case"] == 1.0
    assert figures["all words out of order"] == 1.0
    assert figures["50 % of words left out"] < 1.0
    assert "(100–100)" not in found.sentence
    assert found == ladder(one, by_words(TEXTS, None))


def test_every_version_is_asked_of_the_example_it_was_made_from():
    seen = []

    def answer(texts, of):
        seen.append((list(texts), np.asarray(of)))
        return by_words(texts, of)

    ladder(subject(answer), by_words(TEXTS, None))
    texts, of = seen[0]
    assert len(texts) == CELLS * len(TEXTS)
    assert of.tolist() == list(range(len(TEXTS))) * CELLS


@pytest.mark.parametrize(("answer", "falls", "turns"), [(by_words, 0.0, 0.0), (by_not, 1.0, 1.0)])
def test_a_negation_must_turn_what_is_said(answer, falls, turns):
    found = behaviour(subject(answer), answer(TEXTS, None))
    shares = {row.name: row.figure.value for row in found.rows}
    assert shares["negation: the chance of what is negated falls"] == falls
    assert shares["negation: the answer turns"] == turns
    assert shares["other names: the answer stays"] == 1.0
    assert shares["other numbers: the answer stays"] == 1.0


def test_a_model_that_goes_by_names_is_found_out():
    def by_name(texts, of):
        anna = np.array(["Anna" in text for text in texts], dtype=float)
        return np.stack([anna, 1 - anna], axis=1)

    found = behaviour(subject(by_name), by_name(TEXTS, None))
    shares = {row.name: row.figure.value for row in found.rows}
    assert shares["other names: the answer stays"] == 0.0
    assert any(line.startswith("other names, another answer") for line in found.examples)


def test_what_too_few_texts_have_is_left_out_and_said():
    plain = Subject(["a story"] * 12, np.zeros(12, int), ("a", "b"), by_words, TASK.decide, TASK.correct, "made texts")
    found = behaviour(plain, by_words(plain.texts, None))
    assert [row.name for row in found.rows] == ["a name in front: the answer stays"]
    assert "other names, other numbers, negation" in found.on


def test_names_are_swapped_alike_and_numbers_keep_their_digits():
    rng = np.random.default_rng(0)
    changed = other_names("Anna met Peter, then Anna left.", rng)
    first, _, second, _, again, _ = changed.replace(",", "").split()
    assert first == again
    assert first not in ("Anna", "Peter", second)
    assert {first, second} <= set(NAMES)
    assert other_names("nobody we know", rng) is None
    assert [len(one) for one in other_numbers("7 of 1024", rng).split()] == [1, 2, 4]
    assert other_numbers("none", rng) is None
    assert INVARIANCES[0](("Anna", "no name"), rng)[1] == "no name"


def test_poles_are_told_by_name_and_only_where_there_are_two():
    assert poles_of(["Negative", "neutral", "positive"]) == {"negative": 0, "positive": 2}
    assert poles_of(["sport", "politics"]) == {}
    assert poles_of(["good", "positive"]) == {}
    assert len(negations()) == 80
    assert all(one.negated != one.plain and " not " in one.negated for one in negations())
