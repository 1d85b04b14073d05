"""Rendered glyphs and the hands that draw them."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data.audit import audit
from headstart.data.glyphs import CANVAS, CHARACTERS, FILLED, FONTS, Glyph, glyph_dataset, glyph_view, glyphs, render
from headstart.data.read import read


def _ink(picture):
    return np.asarray(picture, dtype=np.float32) / 255


def test_every_character_comes_in_every_font_once():
    found = glyphs()
    assert len(found) == len(set(found)) == len(CHARACTERS) * len(FONTS)
    assert len(set(CHARACTERS)) == len(CHARACTERS)


def test_a_character_that_a_font_lacks_would_show():
    # Every font draws its sign for "missing" for a character of the private use area.
    for font in FONTS:
        missing = _ink(render(Glyph("\ue123", font)))
        np.testing.assert_array_equal(missing, _ink(render(Glyph("\ue124", font))))
        alike = [one for one in CHARACTERS if np.array_equal(_ink(render(Glyph(one, font))), missing)]
        assert alike == []


def test_glyphs_fill_the_canvas_and_lie_in_its_middle():
    for character in "0Wg.":
        ink = _ink(render(Glyph(character, FONTS[0])))
        assert ink.shape == (CANVAS, CANVAS)
        rows, columns = np.flatnonzero(ink.max(1) > 0.2), np.flatnonzero(ink.max(0) > 0.2)
        for found in (rows, columns):
            assert abs((found[0] + found[-1]) / 2 - (CANVAS - 1) / 2) <= 1.5
        assert max(np.ptp(rows), np.ptp(columns)) <= FILLED * CANVAS + 1
    assert _ink(render(Glyph("W", FONTS[0]))).sum() > 4 * _ink(render(Glyph(".", FONTS[0]))).sum()


@pytest.mark.parametrize("size", [8, 48, 112])
def test_a_view_follows_its_generator_and_no_other(size):
    picture = render(Glyph("8", FONTS[0]))
    one, again, other = (glyph_view(picture, size, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one.size == (size, size)
    np.testing.assert_array_equal(np.asarray(one), np.asarray(again))
    assert np.abs(_ink(one) - _ink(other)).mean() > 0.02


def test_views_of_a_colour_picture_are_those_of_its_grey_one():
    picture = render(Glyph("8", FONTS[0]))
    grey, colour = (glyph_view(one, 48, np.random.default_rng(3)) for one in (picture, picture.convert("RGB")))
    np.testing.assert_array_equal(np.asarray(grey), np.asarray(colour))


def test_views_still_show_their_character():
    rng = np.random.default_rng(0)

    def drawn(character):
        views = [_ink(glyph_view(render(Glyph(character, font)), 24, rng)) for font in FONTS for _ in range(6)]
        dark = [1 - view if view[[0, -1]].mean() > 0.5 else view for view in views]
        return np.stack([(view - view.mean()) / view.std() for view in dark]).reshape(len(views), -1)

    one, other = drawn("I"), drawn("O")
    half = len(one) // 2
    means = one[:half].mean(0), other[:half].mean(0)
    right = [
        np.linalg.norm(view - means[own]) < np.linalg.norm(view - means[1 - own])
        for own, views in enumerate((one, other))
        for view in views[half:]
    ]
    assert np.mean(right) > 0.9


def test_as_a_data_set_no_picture_stands_under_two_characters():
    data = read("builtin:glyphs")
    assert data.ids == glyph_dataset().ids
    found = audit(data)
    assert found.conflicts == found.alike_conflicts == ()
    assert set(found.counts) == set(CHARACTERS)
    assert len(found.keep) > 0.95 * len(data)
