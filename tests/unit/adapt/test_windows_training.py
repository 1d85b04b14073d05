"""Training on long texts: an epoch shows one window of each, another one the next time; predictions read all of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.fakes import CPU
from tests.families import TEXTS
from tests.unit.models.test_windows import text_of

from headstart.adapt.carried import CarriedExamples
from headstart.adapt.examples import UNSEEN, prepare_examples
from headstart.adapt.finetune import predict_logits
from headstart.adapt.network import Moving, Network
from headstart.models.resolve import load_backbone
from headstart.models.resume import Resumed
from headstart.models.text_preprocess import WINDOW_OF

ITEMS = ["the old keeper", text_of(45), "a story", text_of(70, seed=1), text_of(20, seed=2)]


@pytest.fixture(params=["bert", "gpt2"])
def backbone(request, tmp_path):
    return load_backbone(TEXTS[request.param](tmp_path / "model"))


def examples_of(backbone, tmp_path):
    return prepare_examples(
        ITEMS, decode=lambda item: item, preprocess=backbone.preprocess, path=tmp_path / "prepared", threads=1
    )


def test_an_epoch_shows_one_window_and_the_epochs_show_them_all(backbone, tmp_path):
    examples, rows = examples_of(backbone, tmp_path), np.arange(len(ITEMS))
    windows = backbone.preprocess.prepare(ITEMS[1]).windows
    seen = []
    for epoch in range(len(windows)):
        batch = examples.batch(rows, epoch)
        assert len(batch["input_ids"]) == len(ITEMS)
        assert WINDOW_OF not in batch
        length = int(batch["attention_mask"][1].sum())
        seen.append(batch["input_ids"][1, :length].tolist())
    assert seen == [window.ids.tolist() for window in windows]
    assert examples.batch(rows, UNSEEN)["input_ids"][1].tolist() == examples.batch(rows, 0)["input_ids"][1].tolist()
    assert WINDOW_OF in examples.batch(rows)


def test_stored_activations_show_the_same_windows_and_give_the_same_answers(backbone, tmp_path):
    examples, rows = examples_of(backbone, tmp_path), np.arange(len(ITEMS))
    first = len(backbone.stages) - 1
    network = Network(backbone, 3).eval()
    torch.nn.init.normal_(network.head.weight)
    whole = predict_logits(network, examples, rows, CPU)
    sample = examples.batch(rows[:4], UNSEEN)
    carried = CarriedExamples(
        examples, [f"{row}" for row in rows], Resumed(backbone, first, sample), CPU, tmp_path / "carried"
    )
    moving = Moving(network, first, sample)
    np.testing.assert_allclose(predict_logits(moving, carried, rows, CPU), whole, atol=1e-4)
    for epoch in (0, 1, 2):
        carried.ready(rows, epoch)
        with torch.inference_mode():
            plain, resumed = network(examples.batch(rows, epoch)), moving(carried.batch(rows, epoch))
        torch.testing.assert_close(resumed, plain, atol=1e-4, rtol=1e-3)
