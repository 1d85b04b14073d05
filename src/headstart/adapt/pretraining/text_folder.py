"""The folder of a backbone pre-trained on texts: weights, configuration and tokenizer in transformers' format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from headstart.adapt.asked_source import SAMPLE_FILE, evenly
from headstart.adapt.pretraining.bank import TextBank
from headstart.adapt.pretraining.finish import compact, finish_folder
from headstart.files import read_json, sha256_file, write_json, write_tensors, write_text
from headstart.models.card import SourceCard
from headstart.models.from_transformers import load_folder

HEADS_FOR_TOKENS = ("masked", "causal")
"""Objectives that leave a head which scores tokens."""


def write_text_folder(
    folder: Path, net: Any, tokenizer: Any, bank: TextBank, *, card: SourceCard, seed: int, probe: str | Path | None
) -> Path:
    """Write `net`, its head for tokens included, as a folder that transformers and `load_backbone` read; card.json comes last.

    `card` is completed by what only the files tell; `probe` names labelled texts for figures of transfer. Raises
    ModelError where training left a weight that is no number.
    """
    net.config.architectures = [type(net).__name__]
    write_tensors(folder / "model.safetensors", compact(_untied(net)), {"format": "pt"})
    write_json(folder / "config.json", {**json.loads(net.config.to_json_string(use_diff=True)), "dtype": "float32"})
    tokenizer.model_max_length = int(net.config.max_position_embeddings)  # GPT-2's own name for it is an alias
    tokenizer.save_pretrained(folder)
    vocabulary = folder / "tokenizer.json"
    write_text(vocabulary, json.dumps(read_json(vocabulary), ensure_ascii=False, separators=(",", ":")))
    if card.pretraining["objective"] in HEADS_FOR_TOKENS:  # by it the network can be asked later what it forgot
        card = replace(card, pretraining={**card.pretraining, "sample": _write_sample(folder, bank)})
    backbone = load_folder(folder, spec=card.spec)  # as everyone will have it, weights rounded
    finish_folder(
        folder,
        backbone,
        card,
        examples=len(bank.learned),
        example=lambda row: bank[int(bank.learned[row])],
        seed=seed,
        libraries=("transformers", "tokenizers"),
        probe=probe,
    )
    return folder


def _write_sample(folder: Path, bank: TextBank) -> dict[str, Any]:
    """Put some of the held-out texts beside the weights; returns what the card says of them."""
    texts = evenly([bank[int(row)] for row in bank.held_out])
    write_json(folder / SAMPLE_FILE, texts)
    return {"file": SAMPLE_FILE, "sha256": sha256_file(folder / SAMPLE_FILE), "texts": len(texts)}


def _untied(net: Any) -> dict[str, torch.Tensor]:
    """The state with each tensor once: what is tied is tied again when it is loaded."""
    seen: set[int] = set()
    kept: dict[str, torch.Tensor] = {}
    for name, tensor in net.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            kept[name] = tensor
    return kept
