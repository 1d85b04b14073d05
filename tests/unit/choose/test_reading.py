"""How a tokenizer reads texts is counted and said."""

from __future__ import annotations

import pytest

from headstart.choose.reading import reading
from headstart.data.texts import decode
from headstart.models.resolve import load_backbone
from tests.fakes import TinyBackbone
from tests.families import TEXTS
from tests.unit.models.test_windows import text_of


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return load_backbone(TEXTS["bert"](tmp_path_factory.mktemp("reading") / "model"))


def test_texts_are_counted_by_how_they_are_read(backbone):
    items = ["the old keeper", text_of(50), text_of(900), "Это очень хорошо", "xylophone zygote quixotic", "the sea", ""]
    found = reading(backbone, items, decode)
    assert found is not None
    assert (found.of, found.windowed, found.truncated, found.unknown, found.spelled) == (7, 2, 1, 1, 1)
    told = " ".join(found.lines())
    assert "2 of 7 texts are longer than the 32 tokens of model" in told
    assert "1 of 7 texts are not read whole by model: they have more than 8 windows" in told
    assert "does not know" in told
    assert "pieces per word" in told


def test_nothing_is_said_where_texts_are_read_as_they_are(backbone):
    assert reading(backbone, ["the old keeper", ("the sea", "a story")], decode).lines() == []


def test_other_backbones_have_no_tokenizer():
    assert reading(TinyBackbone(), [], decode) is None
