"""Long texts in windows: what is read, how windows are joined, and what old models do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.models.resolve import load_backbone, rebuild
from headstart.models.text_backbone import Pooling, joined
from headstart.models.text_preprocess import MOST_WINDOWS, WINDOW_OF, TextPreprocess
from tests.families import TEXTS

WORDS = "old new keeper climbed winding stairs light great lamp above dark northern sea train station story".split()


def text_of(words: int, seed: int = 0) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words))


@pytest.fixture(scope="module", params=["bert", "gpt2"])
def backbone(request, tmp_path_factory):
    return load_backbone(TEXTS[request.param](tmp_path_factory.mktemp("windows") / "model"))


def plain_ids(preprocess: TextPreprocess, text: str) -> list[int]:
    return preprocess.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]


def inner_ids(preprocess: TextPreprocess, window) -> list[int]:
    special = set(preprocess.tokenizer.all_special_ids)
    return [number for number in window.ids.tolist() if number not in special]


def test_a_text_that_fits_is_one_window_as_the_tokenizer_makes_it(backbone):
    tokens = backbone.preprocess.prepare("the old keeper")
    assert len(tokens.windows) == 1
    assert not tokens.truncated
    assert tokens.ids.tolist() == backbone.preprocess.tokenizer("the old keeper")["input_ids"]


def test_windows_overlap_and_together_hold_every_token_in_order(backbone):
    text = text_of(40)
    tokens = backbone.preprocess.prepare(text)
    assert len(tokens.windows) > 1
    assert not tokens.truncated
    assert all(len(window) <= backbone.preprocess.max_length for window in tokens.windows)
    whole = plain_ids(backbone.preprocess, text)
    windows = [inner_ids(backbone.preprocess, window) for window in tokens.windows]
    room = max(map(len, windows))
    step = room - int(room / 8)
    read = []
    for number, window in enumerate(windows):
        assert window == whole[number * step : number * step + len(window)]
        read += window[len(read) - number * step :]
    assert read == whole


def test_the_first_window_is_what_was_read_before_there_were_windows(backbone):
    before = TextPreprocess(backbone.preprocess.tokenizer, max_length=backbone.preprocess.max_length, windows=1)
    text = text_of(60)
    cut = before.prepare(text)
    assert len(cut.windows) == 1
    assert cut.truncated
    assert cut.ids.tolist() == backbone.preprocess.prepare(text).ids.tolist()


def test_of_a_very_long_text_windows_are_spread_from_its_beginning_to_its_end(backbone):
    text = text_of(900)
    tokens = backbone.preprocess.prepare(text)
    assert len(tokens.windows) == MOST_WINDOWS
    assert tokens.truncated
    whole = plain_ids(backbone.preprocess, text)
    first, last = (inner_ids(backbone.preprocess, tokens.windows[place]) for place in (0, -1))
    assert first == whole[: len(first)]
    assert last == whole[-len(last) :]


def test_windows_run_over_the_longer_text_of_a_pair_and_the_other_stands_in_each(backbone):
    for short_first in (True, False):
        pair = ("the lamp", text_of(60)) if short_first else (text_of(60), "the lamp")
        tokens = backbone.preprocess.prepare(pair)
        short = plain_ids(backbone.preprocess, "the lamp")
        assert len(tokens.windows) > 1
        assert not tokens.truncated
        for window in tokens.windows:
            ids = inner_ids(backbone.preprocess, window)
            assert (ids[: len(short)] if short_first else ids[-len(short) :]) == short
            assert len(window) <= backbone.preprocess.max_length


def test_of_two_long_texts_the_shorter_one_is_cut_to_half_a_window_and_that_is_told(backbone):
    tokens = backbone.preprocess.prepare((text_of(50), text_of(60, seed=1)))
    assert tokens.truncated
    assert 1 < len(tokens.windows) <= MOST_WINDOWS


def test_features_of_a_batch_are_those_of_its_texts_one_by_one(backbone):
    texts = ["the old keeper", text_of(45), text_of(30, seed=2), "a story"]
    prepared = [backbone.preprocess.prepare(text) for text in texts]
    batch = backbone.preprocess.collate(prepared)
    assert batch[WINDOW_OF].tolist() == [n for n, tokens in enumerate(prepared) for _ in tokens.windows]
    with torch.inference_mode():
        together = backbone(batch)
        alone = torch.cat([backbone(backbone.preprocess.collate([tokens])) for tokens in prepared])
        stages = backbone.stage_features(batch)
    assert together.shape == (4, backbone.width)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert all(len(stage) == 4 for stage in stages)
    torch.testing.assert_close(stages[-1], together)


def test_features_are_the_means_of_windows_weighted_by_tokens(backbone):
    tokens = backbone.preprocess.prepare(text_of(45))
    with torch.inference_mode():
        rows = torch.stack([backbone(backbone.preprocess.collate([tokens.only(n)]))[0] for n in range(len(tokens.windows))])
        found = backbone(backbone.preprocess.collate([tokens]))[0]
    weights = torch.tensor([float(len(window)) for window in tokens.windows])
    torch.testing.assert_close(found, (weights[:, None] * rows).sum(0) / weights.sum(), atol=1e-5, rtol=1e-4)


def test_the_joined_mean_over_tokens_is_the_mean_over_all_tokens():
    torch.manual_seed(0)
    states, mask = torch.randn(5, 7, 3), (torch.arange(7) < torch.tensor([7, 7, 2, 4, 7])[:, None]).long()
    owner = torch.tensor([0, 0, 0, 1, 1])
    found = Pooling()(states, mask, owner)
    for text in (0, 1):
        own = owner == text
        torch.testing.assert_close(found[text], states[own][mask[own].bool()].mean(0))


def test_joined_rows_of_single_windows_are_left_as_they_are():
    rows = torch.randn(3, 4)
    assert joined(rows, torch.ones(3, 2), None) is rows


def test_normalised_features_of_windows_have_length_one():
    states, mask = torch.randn(3, 4, 6), torch.ones(3, 4)
    assert Pooling(normalise=True)(states, mask, torch.tensor([0, 0, 1])).norm(dim=1).tolist() == pytest.approx([1, 1])


def test_a_model_saved_before_there_were_windows_cuts_texts_off_as_it_did(backbone, tmp_path):
    backbone.save_preprocessing(tmp_path)
    described = dict(backbone.describe())
    described["preprocess"] = {name: described["preprocess"][name] for name in ("tokenizer_sha256", "max_length", "lower")}
    old = rebuild(described, None, tmp_path)
    assert len(old.preprocess.prepare(text_of(60)).windows) == 1
    assert old.preprocess.to_dict() == described["preprocess"]
    new = rebuild(backbone.describe(), None, tmp_path)
    assert len(new.preprocess.prepare(text_of(60)).windows) > 1
    assert new.preprocess.to_dict() == backbone.preprocess.to_dict()
    assert len(new.preprocess.in_one_window().prepare(text_of(60)).windows) == 1
