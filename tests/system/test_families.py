"""A checkpoint saved by its family's own library goes all the way: fit, save, load, predict."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.families import SENTENCES, picture_model, text_model, timm_saved, torchvision_file
from tests.pictures import class_folders, picture

import headstart

LAYERS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}

CHECKPOINTS = {
    "ResNet, torchvision": lambda folder: torchvision_file(folder, "resnet18"),
    "ResNet, timm": lambda folder: timm_saved(folder, "resnet10t", channels=(8, 8, 16, 16)),
    "ResNet, transformers": lambda folder: picture_model(
        folder, "ResNetForImageClassification", "ResNetConfig", "ConvNextImageProcessor",
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
        processor={"size": {"shortest_edge": 32}, "crop_pct": 0.875},
    ),
    "VGG, timm": lambda folder: timm_saved(folder, "vgg11", mlp_ratio=0.01),
    "BERT": lambda folder: text_model(
        folder, "BertForSequenceClassification", "BertConfig", bpe=False, max_position_embeddings=40, **LAYERS
    ),
    "GPT-2": lambda folder: text_model(
        folder, "GPT2LMHeadModel", "GPT2Config", bpe=True, n_positions=40, n_embd=16, n_layer=2, n_head=2
    ),
}  # fmt: skip


def _texts():
    """Two classes that a bag of tokens tells apart."""
    rng = np.random.default_rng(0)
    words = {"sea": ["dark", "northern", "sea", "light"], "train": ["old", "train", "station", "story"]}
    drawn = [(name, " ".join(rng.choice(words[name], 6))) for name in words for _ in range(14)]
    texts = [f"{text} {number}" for number, (_, text) in enumerate(drawn)]
    return texts, [name for name, _ in drawn]


LARGE = ("ResNet, torchvision", "VGG, timm")
"""A probe is enough of these: every stage of the others moves as well, through the same loop."""


@pytest.mark.parametrize(
    ("family", "strategy"),
    [
        *((family, "probe") for family in CHECKPOINTS),
        *((family, "full") for family in CHECKPOINTS if family not in LARGE),
    ],
)
def test_a_checkpoint_of_the_family_goes_all_the_way(family, strategy, tmp_path):
    spec = CHECKPOINTS[family](tmp_path / "model")
    is_text = family in ("BERT", "GPT-2")
    data = _texts() if is_text else class_folders(tmp_path / "photos", each=10)
    model = headstart.fit(data, models=[spec], out=tmp_path / "run", strategies=[strategy], trials=1, control="none")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["chosen"]["strategy"] == strategy
    assert 0 <= result["test"]["transfer"]["accuracy"]["value"] <= 1

    inputs = list(SENTENCES) if is_text else [picture(seed, size=(40, 40)) for seed in range(4)]
    found = headstart.load(tmp_path / "run").predict(inputs)
    for row, wanted in zip(found.rows, model.predict(inputs).rows, strict=True):
        assert row.labels == wanted.labels
        assert row.confidence == pytest.approx(wanted.confidence, abs=1e-4)
