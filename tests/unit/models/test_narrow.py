"""Training with a narrowed embedding is training with the whole one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from headstart.adapt.examples import prepare_examples
from headstart.models.resolve import load_backbone
from tests.families import TEXTS

SENTENCES = ["dark northern sea light", "old train station story", "great lamp light", "the old sea"]


def _backbone(family, folder):
    backbone = load_backbone(TEXTS[family](folder / family))
    examples = prepare_examples(
        SENTENCES, decode=str, preprocess=backbone.preprocess, path=folder / "unused", threads=1
    )
    return backbone.eval(), examples


def _trained(backbone, batch, tokens):
    """Three steps of Adam on a made-up target."""
    with backbone.narrowed(tokens):
        optimizer = torch.optim.Adam(backbone.parameters(), lr=1e-2)
        for _ in range(3):
            optimizer.zero_grad()
            functional.mse_loss(backbone(batch), torch.ones(len(SENTENCES), backbone.width)).backward()
            optimizer.step()
    return {name: tensor.clone() for name, tensor in backbone.state_dict().items()}


@pytest.mark.parametrize("family", TEXTS)
def test_the_weights_are_those_of_training_with_the_whole_table(family, tmp_path):
    found = []
    for use in (True, False):
        backbone, examples = _backbone(family, tmp_path / str(use))
        batch, tokens = examples.batch(range(4)), examples.tokens(range(4))
        found.append(_trained(backbone, batch, tokens if use else np.array([], dtype=np.int64)))
    narrow, whole = found
    assert narrow.keys() == whole.keys()
    for name in whole:
        torch.testing.assert_close(narrow[name], whole[name], atol=1e-6, rtol=1e-5, msg=name)


def test_only_the_rows_in_use_are_held_and_the_others_stay_as_they_were(tmp_path):
    backbone, examples = _backbone("bert", tmp_path)
    tokens = examples.tokens([0, 2])
    before = backbone.net.get_input_embeddings().weight.detach().clone()
    with backbone.narrowed(tokens):
        held = backbone.net.get_input_embeddings()
        assert held.weight.shape == (len(tokens), before.shape[1])
        with torch.no_grad():
            held.weight += 1
        with pytest.raises(IndexError):
            backbone(examples.batch([1]))
    after = backbone.net.get_input_embeddings().weight
    assert after.shape == before.shape
    np.testing.assert_array_equal(np.flatnonzero((after != before).any(1).numpy()), tokens)
    torch.testing.assert_close(after[tokens], before[tokens] + 1)


def test_a_frozen_table_is_left_alone(tmp_path):
    backbone, examples = _backbone("bert", tmp_path)
    table = backbone.net.get_input_embeddings()
    table.requires_grad_(False)
    with backbone.narrowed(examples.tokens([0])):
        assert backbone.net.get_input_embeddings() is table


def test_the_network_is_whole_again_after_an_error(tmp_path):
    backbone, examples = _backbone("bert", tmp_path)
    table = backbone.net.get_input_embeddings()
    with pytest.raises(RuntimeError, match="in the middle"), backbone.narrowed(examples.tokens([0])):
        raise RuntimeError("in the middle")
    assert backbone.net.get_input_embeddings() is table
