"""Windows of questions and contexts: every word is found where it stands, whatever the tokenizer, and nothing is cut off unsaid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.errors import DataError
from headstart.models.backbone import WINDOWS
from headstart.models.resolve import load_backbone, rebuild
from headstart.models.windows import NONE_AT, WORD_FIRST, WORD_LAST, WORD_WINDOW, WindowPreprocess, lowered
from headstart.prove.words import edges
from headstart.tasks import TASKS
from tests.families import TEXTS

CONTEXT = "the old keeper climbed the winding stairs to light the great lamp, above the dark (northern) sea. "


@pytest.fixture(scope="module", params=["bert", "gpt2", "roberta", "llama"])
def reading(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows")
    return TASKS["span"].reading(load_backbone(TEXTS[request.param](folder / "m"))), folder


@pytest.mark.parametrize("times", [1, 4])
def test_each_word_is_read_where_it_stands_with_context_on_both_sides(reading, times):
    backbone, _ = reading
    context = CONTEXT * times
    found = backbone.preprocess.prepare(("the keeper", context))
    words, tokenizer = edges(context), backbone.preprocess.whole.tokenizer
    assert (len(found.ids) > 1) == (sum(map(len, found.ids)) > 32)
    assert all(len(ids) <= 32 for ids in found.ids)
    for number, (window, first, last) in enumerate(found.places.T):
        word = context[words[0, number] : words[1, number]]
        told = tokenizer.decode(found.ids[window][first : last + 1])
        assert told.replace("##", "").replace(" ", "") in (word, "[UNK]")
    # A word that no window's edge touches has a token of context on either side.
    inner = found.places[:, 3:-3]
    lengths = np.array([len(found.ids[window]) for window in inner[0]])
    assert (inner[1] > 0).all()
    assert (inner[2] < lengths).all()


def test_long_questions_are_cut_and_said_to_be(reading):
    backbone, _ = reading
    preprocess = backbone.preprocess
    short, long = preprocess.prepare(("the keeper", CONTEXT)), preprocess.prepare(("the keeper " * 30, CONTEXT * 3))
    assert not short.truncated
    assert long.truncated
    assert (long.places[0] >= 0).all()
    assert any("questions are longer" in line for line in preprocess.told([short, long]))
    assert any("read in windows" in line for line in preprocess.told([short, long]))


def test_a_batch_has_a_row_for_each_window_and_each_example(reading):
    backbone, _ = reading
    prepared = [backbone.preprocess.prepare(("the keeper", text)) for text in (CONTEXT * 3, "a story", CONTEXT)]
    batch = backbone.preprocess.collate(prepared)
    counts = [len(one.ids) for one in prepared]
    assert batch[WINDOWS].tolist() == counts
    assert len(batch["input_ids"]) == sum(counts) == len(batch["attention_mask"])
    for key in (WORD_WINDOW, WORD_FIRST, WORD_LAST, NONE_AT):
        assert len(batch[key]) == 3
    assert (batch[WORD_WINDOW][1, 2:] == -1).all()
    assert [backbone.preprocess.cost(one) for one in prepared] == [sum(map(len, one.ids)) for one in prepared]
    assert backbone(batch).shape == (sum(counts), backbone.width)


def test_it_is_rebuilt_as_it_was_and_a_whole_task_undoes_it(reading):
    backbone, folder = reading
    backbone.save_preprocessing(folder / "saved")
    again = rebuild(backbone.describe(), backbone.net.state_dict(), folder / "saved")
    assert isinstance(again.preprocess, WindowPreprocess)
    assert again.preprocess.to_dict() == backbone.preprocess.to_dict()
    one, other = (each.preprocess.prepare(("the keeper", CONTEXT * 2)) for each in (backbone, again))
    np.testing.assert_array_equal(one.places, other.places)
    plain = TASKS["single"].reading(again)
    assert plain.preprocess is again.preprocess.whole
    assert isinstance(again.preprocess, WindowPreprocess)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), again.parameters(), strict=True))


def test_a_text_without_a_question_is_refused(reading):
    with pytest.raises(DataError, match="pairs of a question"):
        reading[0].preprocess.prepare("a story")


def test_lower_case_moves_nothing():
    assert lowered("İstanbul WAS Straße") == "İstanbul was straße"
