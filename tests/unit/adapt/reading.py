"""Tiny pre-trainings on texts for the tests: sentences of a small grammar, networks of a few thousand weights, a teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertModel

from headstart.adapt.pretraining.tokens import train_tokenizer

SIZES = {
    "masked": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "causal": {
        "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 64,
    },
    "distil": {
        "embedding_size": 16, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48,
    },
}  # fmt: skip
TINY = {"length": 16, "vocabulary": 300, "batch_size": 8, "learning_rate": 0.01, "precision": "fp32"}
ANIMALS, ACTS = "cat dog crow bee ant fish horse".split(), "eats sees hears follows finds".split()


def sentences(count: int, *, seed: int = 0) -> list[str]:
    """Sentences in which a word is told by those around it: `the cat eats the crow and the crow sees the cat.`"""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        one, other = rng.choice(ANIMALS, 2, replace=False)
        act, again = rng.choice(ACTS, 2)
        found.append(f"The {one} {act} the {other} and the {other} {again} the {one}, number {rng.integers(1000)}.")
    return found


def books(folder: Path, *, count: int = 120, seed: int = 0) -> Path:
    """Two files of paragraphs."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = sentences(count, seed=seed)
    (folder / "one.txt").write_text("\n\n".join(lines[::2]))
    (folder / "two.md").write_text("\n\n".join(lines[1::2]))
    return folder


def text_teacher(folder: Path) -> Path:
    """A transformers folder of a network with random weights and a tokenizer of its own."""
    tokenizer = train_tokenizer(lambda: iter(sentences(60, seed=9)), "wordpiece", 300, 64)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
