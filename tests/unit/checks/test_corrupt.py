"""Corruptions of texts: what each does to a text at hand."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.checks.corrupt import CORRUPTIONS, case, dropout, order, typos

TEXT = "The old keeper climbed the winding stairs to light the great lamp above the dark northern sea."


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_stronger_corruption_changes_more():
    for change in (typos, case, order, dropout):
        changed = [
            np.mean([sum(a != b for a, b in zip(TEXT, change(TEXT, strength, rng(seed)), strict=False)) for seed in range(20)])
            for strength in (0.05, 0.5)
        ]
        assert changed[0] < changed[1]


def test_all_words_in_the_other_case_is_the_whole_text_in_the_other_case():
    assert case(TEXT, 1.0, rng()) == TEXT.swapcase()
    assert case("STRASSE straße ﬁ", 1.0, rng()) == "strasse STRAßE ﬁ"


def test_words_left_out_are_so_many_and_one_stays():
    assert len(dropout(TEXT, 0.5, rng()).split()) == len(TEXT.split()) - round(0.5 * len(TEXT.split()))
    assert dropout("only", 1.0, rng()) == "only"
    assert len(dropout("one two three", 1.0, rng()).split()) == 1


def test_typos_mistype_so_many_letters():
    changed = typos("a" * 100, 0.1, rng())
    assert abs(len(changed) - 100) <= 10
    assert changed != "a" * 100


def test_of_a_pair_both_texts_are_changed():
    for one in CORRUPTIONS.values():
        changed = one((TEXT, TEXT.lower()), one.strengths[-1], rng())
        assert isinstance(changed, tuple)
        assert changed[0] != TEXT
        assert changed[1] != TEXT.lower()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_ladder_rises_and_is_told(name):
    one = CORRUPTIONS[name]
    assert list(one.strengths) == sorted(set(one.strengths))
    assert all(0 < strength <= 1 for strength in one.strengths)
    assert "{share}" in one.told
