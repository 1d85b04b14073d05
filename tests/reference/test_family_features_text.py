"""Features of a text checkpoint equal those of transformers' own tokenizer and network, pooled over the tokens."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from tests.families import SENTENCES, TEXTS

from headstart.models.resolve import load_backbone


def _own(spec):
    """Hidden states (B, T, D) and mask (B, T)."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(spec)
    net = transformers.AutoModel.from_pretrained(spec, dtype=torch.float32).eval()
    batch = tokenizer(list(SENTENCES), padding=True, truncation=True, return_tensors="pt")
    batch.pop("token_type_ids", None) if net.config.model_type in ("distilbert", "gpt2", "llama") else None
    return net(**batch).last_hidden_state, batch["attention_mask"]


def _found(spec):
    backbone = load_backbone(spec)
    return backbone(backbone.preprocess.collate([backbone.preprocess.prepare(text) for text in SENTENCES]))


@pytest.mark.parametrize("family", TEXTS)
def test_features_of_texts_are_the_mean_of_the_familys_own_states(family, tmp_path):
    spec = TEXTS[family](tmp_path / "model")
    with torch.inference_mode():
        hidden_BTD, mask_BT = _own(spec)
        wanted = (hidden_BTD * mask_BT[..., None]).sum(1) / mask_BT.sum(1, keepdim=True)
        torch.testing.assert_close(_found(spec), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("mode", ["cls_token", "mean_tokens", "max_tokens", "lasttoken"])
@pytest.mark.parametrize("normalise", [False, True])
def test_pooling_is_what_sentence_transformers_recorded(mode, normalise, tmp_path):
    folder = tmp_path / "model"
    spec = TEXTS["bert"](folder)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    modules += [{"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
    modules += [{"idx": 2, "name": "2", "path": "2_N", "type": "sentence_transformers.models.Normalize"}] * normalise
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 16, f"pooling_mode_{mode}": True})
    )
    with torch.inference_mode():
        hidden_BTD, mask_BT = _own(spec)
        wanted = {
            "cls_token": hidden_BTD[:, 0],
            "mean_tokens": (hidden_BTD * mask_BT[..., None]).sum(1) / mask_BT.sum(1, keepdim=True),
            "max_tokens": hidden_BTD.masked_fill(mask_BT[..., None] == 0, -torch.inf).amax(1),
            "lasttoken": hidden_BTD[torch.arange(len(SENTENCES)), mask_BT.sum(1) - 1],
        }[mode]
        wanted = torch.nn.functional.normalize(wanted, dim=1) if normalise else wanted
        torch.testing.assert_close(_found(spec), wanted, atol=1e-5, rtol=1e-4)
