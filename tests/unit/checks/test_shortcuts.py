"""Shortcuts: data in which one of them works, and data in which none does."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.checks.shortcuts import SHORTCUTS, length, punctuation, shortcuts
from headstart.data.split import inner_folds
from headstart.prove.estimate import proportion

LABELS = np.arange(120) % 2


def words(rng, count):
    return " ".join(rng.choice(["old", "sea", "lamp", "train", "stairs", "story"], count))


def made(name):
    """Texts whose label only this shortcut gives away."""
    rng = np.random.default_rng(0)
    texts = []
    for label in LABELS:
        text = words(rng, 12 if label and name == "length alone" else 5)
        if name == "punctuation alone":
            text += "!" if label else "?"
        if name == "the first word alone":
            text = f"{('who', 'when')[label] if rng.random() < 0.9 else 'how'} {text} {rng.choice(['who', 'when'])}"
        if name == "one word alone":
            text = f"{text} {'indeed' if label else ''} {words(rng, 2)}".strip()
        texts.append(text)
    return texts


def found(texts, labels=LABELS):
    return shortcuts(
        texts,
        labels,
        lambda rows: inner_folds(labels[rows], np.arange(len(rows)), k=4, seed=0),
        model=proportion(115, 120),
        model_on="these texts",
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("name", SHORTCUTS)
def test_a_shortcut_that_works_is_found_and_warned_of(name):
    told = found(made(name))
    figures = {row.name: row.figure.value for row in told.rows}
    assert figures[name] > 0.85
    assert told.warning
    if name == "one word alone":
        assert "indeed" in told.examples[0]


def test_where_none_works_nothing_is_warned_of():
    told = found(made("none"))
    assert not told.warning
    assert "no better than guessing" in told.sentence
    assert told.rows[0].strong
    assert all(row.figure.low <= 0.6 for row in told.rows[1:])


def test_several_labels_are_right_where_all_are():
    several = np.stack([LABELS, 1 - LABELS], axis=1)
    assert {row.name: row.figure.value for row in found(made("punctuation alone"), several).rows}["punctuation alone"] > 0.9


def test_of_a_pair_both_texts_are_measured():
    assert length([("ab cd", "e")]).tolist() == [[5, 2, 2, 1, 1, 1]]
    assert punctuation([("a!", "B?1")]).sum() == 4
