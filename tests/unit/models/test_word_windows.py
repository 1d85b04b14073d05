"""Texts in windows: every word is read, where it has most context, and its first or last token speaks for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.adapt.token_head import TokenHead
from headstart.errors import DataError
from headstart.models.backbone import States
from headstart.models.resolve import load_backbone
from headstart.models.word_windows import WordPreprocess, sees_nothing_ahead
from headstart.prove.spans import NOTHING
from headstart.prove.tags import WORDS, said_in
from headstart.prove.word_texts import Words, words_of
from headstart.tasks import TASKS
from tests.families import TEXTS
from tests.families import WORDS as KNOWN

LONG = " ".join(KNOWN * 5)


@pytest.fixture(scope="module", params=["bert", "gpt2", "llama"])
def backbone(request, tmp_path_factory):
    return TASKS["tags"].reading(load_backbone(TEXTS[request.param](tmp_path_factory.mktemp("words") / "tiny")))


def test_a_network_that_reads_from_left_to_right_is_found_out(backbone):
    is_bert = "bert" in type(backbone.net).__name__.lower()
    assert sees_nothing_ahead(backbone) is not is_bert
    assert backbone.preprocess.by_last is not is_bert


def test_every_word_is_read_where_it_has_most_context(backbone):
    preprocess = backbone.preprocess
    found = preprocess.prepare(LONG)
    assert len(found.ids) > 2
    assert all(len(ids) <= preprocess.longest for ids in found.ids)
    assert (found.places >= 0).all()
    assert found.places.shape == (2, len(words_of(LONG)))
    assert (np.diff(found.places[0]) >= 0).all()
    tokenizer = preprocess.whole.tokenizer
    for word, (window, place) in zip(words_of(LONG), found.places.T.tolist(), strict=True):
        piece = tokenizer.decode([int(found.ids[window][place])]).strip().removeprefix("##")
        assert word.endswith(piece) if preprocess.by_last else word.startswith(piece)


def test_words_that_are_given_are_those_that_are_read(backbone):
    found = backbone.preprocess.prepare(Words.of(["the keeper", "of", "lamp"]))
    assert found.places.shape == (2, 3)
    with pytest.raises(DataError, match="a pair of texts"):
        backbone.preprocess.prepare(("a", "b"))
    with pytest.raises(DataError, match=f"{WORDS + 1} words, over the limit"):
        backbone.preprocess.prepare("a " * (WORDS + 1))


def test_a_saved_preprocessing_reads_alike(backbone, tmp_path):
    backbone.preprocess.save(tmp_path)
    again = WordPreprocess.load(tmp_path, backbone.preprocess.to_dict())
    assert again.to_dict() == backbone.preprocess.to_dict()
    np.testing.assert_array_equal(again.prepare(LONG).places, backbone.preprocess.prepare(LONG).places)


def test_a_batch_labels_each_text_as_it_would_by_itself(backbone):
    head = TokenHead.start(backbone, 3)
    torch.manual_seed(0)
    torch.nn.init.normal_(head.score.weight)
    texts = ["the old keeper", LONG, "light"]

    def rows(some):
        batch = backbone.preprocess.collate([backbone.preprocess.prepare(text) for text in some])
        with torch.no_grad():
            return head.kept(head(backbone.eval().states(batch))).numpy()

    together = rows(texts)
    for text, row in zip(texts, together, strict=True):
        alone = rows([text])[0]
        np.testing.assert_array_equal(row[:WORDS], alone[:WORDS])
        np.testing.assert_allclose(row, alone, atol=1e-4)
        assert (row[:WORDS] > 0).sum() == len(words_of(text))
        assert (said_in(row, len(words_of(text)))[1] <= 0).all()


def test_a_word_without_a_token_is_the_first_tag_and_costs_nothing():
    head = TokenHead(2, 3)
    torch.nn.init.ones_(head.score.weight)
    inputs = {"windows": torch.tensor([1]), "word_window": torch.tensor([[0, -1, -1]]), "word_at": torch.tensor([[0, 0, -1]])}
    scores = head(States(torch.ones(1, 1, 2), torch.ones(1, 1), inputs))
    assert scores[0, 1].tolist() == [0.0, NOTHING, NOTHING]
    assert head.kept(scores)[0, :4].tolist() == [1.0, 1.0, 0.0, 0.0]
    objective = TASKS["tags"].objective(np.array([]))
    assert float(objective(scores.detach(), torch.tensor([[0, 2, -100]]))) == pytest.approx(np.log(3))
