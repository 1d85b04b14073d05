"""Laws of the corruptions, whatever the text, the strength and the seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.checks.corrupt import CORRUPTIONS, case, dropout, order, typos
from headstart.checks.templates import INVARIANCES

texts = st.text(min_size=1, max_size=60)
strengths = st.floats(0, 1)
seeds = st.integers(0, 2**32 - 1)


def rng(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", CORRUPTIONS)
@given(text=texts, seed=seeds)
@settings(max_examples=40)
def test_strength_zero_changes_nothing(name, text, seed):
    assert CORRUPTIONS[name](text, 0.0, rng(seed)) == text
    assert CORRUPTIONS[name]((text, text), 0.0, rng(seed)) == (text, text)


@pytest.mark.parametrize("name", CORRUPTIONS)
@given(text=texts, strength=strengths, seed=seeds)
@settings(max_examples=40)
def test_the_same_seed_gives_the_same_text(name, text, strength, seed):
    assert CORRUPTIONS[name](text, strength, rng(seed)) == CORRUPTIONS[name](text, strength, rng(seed))


@given(text=texts, strength=strengths, seed=seeds)
def test_a_text_with_words_keeps_one(text, strength, seed):
    for one in CORRUPTIONS.values():
        assert bool(one.change(text, strength, rng(seed)).strip()) == bool(text.strip())


@given(text=texts, strength=strengths, seed=seeds)
def test_typos_keep_the_length_within_the_letters_mistyped(text, strength, seed):
    letters = sum(letter.isalpha() for letter in text)
    mistyped = max(1, round(strength * letters)) if strength > 0 else 0
    assert abs(len(typos(text, strength, rng(seed))) - len(text)) <= min(letters, mistyped)


@given(text=texts, strength=strengths, seed=seeds)
def test_case_keeps_everything_but_case(text, strength, seed):
    changed = case(text, strength, rng(seed))
    assert len(changed) == len(text)
    assert all(one == other or one == other.swapcase() for one, other in zip(text, changed, strict=True))


@given(text=texts, strength=strengths, seed=seeds)
def test_words_out_of_order_are_the_same_words_and_spaces(text, strength, seed):
    changed = order(text, strength, rng(seed))
    assert Counter(changed.split()) == Counter(text.split())
    assert [len(piece) for piece in changed if piece.isspace()] == [len(piece) for piece in text if piece.isspace()]


@given(text=texts, strength=strengths, seed=seeds)
def test_dropout_keeps_the_order(text, strength, seed):
    left = iter(text.split())
    assert all(word in left for word in dropout(text, strength, rng(seed)).split())


@given(text=st.text(alphabet="abAnnaPeter 0123456789.,", min_size=1, max_size=60), seed=seeds)
def test_other_names_and_numbers_change_nothing_else(text, seed):
    for test in INVARIANCES[:2]:
        changed = test(text, rng(seed))
        if changed is not None:
            assert changed != text
            assert len(changed.split()) == len(text.split())
