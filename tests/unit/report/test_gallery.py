"""Examples on the page: pictures, excerpts, nothing, and what to do when the room is used up."""

from __future__ import annotations

from base64 import b64decode

import pytest

from headstart.errors import DataError
from headstart.report.gallery import Gallery, named
from headstart.run.predictions import PredictionRow
from tests.unit.report.made import jpeg

ROW = PredictionRow("a/1.jpg", ("ant",), ("bee",), 0.9, 0, (0.1, 0.9))


def unreadable(name):
    raise DataError(f"{name}: cut short. Replace it.")


def test_a_picture_travels_inside_the_page():
    shown = Gallery(jpeg, 100_000).show(ROW)
    kind, content = shown.picture.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    assert b64decode(content) == jpeg("a/1.jpg")
    assert (shown.true, shown.predicted, shown.confidence, shown.text) == ("ant", "bee", 0.9, None)


@pytest.mark.parametrize(
    ("thumbnails", "text"),
    [
        (lambda name: "an excerpt", "an excerpt"),
        (lambda name: None, None),
        (unreadable, "cannot be shown: a/1.jpg: cut short. Replace it."),
        (lambda name: b"GIF89a", "cannot be shown: its thumbnail is neither JPEG nor PNG"),
    ],
)
def test_what_is_no_picture_is_said(thumbnails, text):
    shown = Gallery(thumbnails, 100_000).show(ROW)
    assert (shown.picture, shown.text) == (None, text)


def test_examples_beyond_the_room_keep_their_names():
    gallery = Gallery(lambda name: "x" * 500, 1000)
    first, second, third = (gallery.show(ROW) for _ in range(3))
    assert first.text
    assert second.text
    assert gallery.is_full
    assert (third.text, third.id) == (None, "a/1.jpg")


def test_no_label_is_named():
    assert named(()) == "none"
    assert named(("ant", "bee")) == "ant, bee"
