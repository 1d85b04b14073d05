"""What can be computed of the model catalogue: recomputed without weights, and compared with its files.

python benchmarks/catalogue.py            prints the differences; the exit code is 1 where there are any
python benchmarks/catalogue.py --write    corrects the computed fields in place

Networks are built on the meta device or from fake tensors, so nothing is downloaded and no number is multiplied. For
`timm:` rows, licence, input and address come from timm's own settings; for the others only parameters and multiply-adds
are computed, from the configuration in the tables below. Parameters are counted as Headstart counts them when it loads
a model: without the classifier, and without BERT's pooling layer.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers import set_fused_attn
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import ClapAudioModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from headstart.models.from_transformers import build

FILES = ("image.json", "text.json", "sound.json")
TOKENS = 128
SECONDS = 10

INAT = {"img_size": 336}
FACE = {"img_size": 112, "patch_size": 8}
HUB: dict[str, tuple[str, int, dict[str, Any]]] = {
    "hf-hub:timm/convnext_large_mlp.laion2b_ft_augreg_inat21": ("convnext_large_mlp", 384, {}),
    "hf-hub:timm/vit_large_patch14_clip_336.laion2b_ft_augreg_inat21": ("vit_large_patch14_clip_336", 336, INAT),
    "hf-hub:timm/eva02_large_patch14_clip_336.merged2b_ft_inat21": ("eva02_large_patch14_clip_336", 336, INAT),
    "hf-hub:gaunernst/vit_tiny_patch8_112.arcface_ms1mv3": ("vit_tiny_patch16_224", 112, FACE),
    "hf-hub:gaunernst/vit_tiny_patch8_112.cosface_ms1mv3": ("vit_tiny_patch16_224", 112, FACE),
    "hf-hub:gaunernst/vit_small_patch8_gap_112.cosface_ms1mv3": (
        "vit_small_patch16_224",
        112,
        {**FACE, "class_token": False, "global_pool": "avg"},
    ),
    "hf-hub:1aurent/vit_small_patch16_224.kaiko_ai_towards_large_pathology_fms": ("vit_small_patch16_224", 224, {}),
    "hf-hub:1aurent/vit_base_patch16_224.kaiko_ai_towards_large_pathology_fms": ("vit_base_patch16_224", 224, {}),
}
"""timm's architecture, input size and arguments of repositories that timm itself does not list."""

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
SMALL = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 1536}
BERT = {"model_type": "bert", "vocab_size": 30522}
CASED = {"model_type": "bert", "vocab_size": 28996}
ROBERTA = {"model_type": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}
XLM_R = {"model_type": "xlm-roberta", "vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1}
DISTILBERT = {"model_type": "distilbert", "vocab_size": 30522}
DEBERTA = {
    "model_type": "deberta-v2",
    "vocab_size": 128100,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "type_vocab_size": 0,
    "relative_attention": True,
    "position_buckets": 256,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
}
ELECTRA_BASE = {"embedding_size": 768, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
MPNET = {"model_type": "mpnet", "vocab_size": 30527, "max_position_embeddings": 514}
GPT2 = {"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024}
PYTHIA = {"model_type": "gpt_neox", "vocab_size": 50304, "tie_word_embeddings": False}
SMOLLM2 = {"model_type": "llama", "vocab_size": 49152, "tie_word_embeddings": True}
QWEN3 = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
}
WAV2VEC2 = {"model_type": "wav2vec2"}
STABLE = {**LARGE, "feat_extract_norm": "layer", "do_stable_layer_norm": True}
LV60 = {**WAV2VEC2, **STABLE, "conv_bias": True}
WAVLM = {"model_type": "wavlm"}
DATA2VEC = {"model_type": "data2vec-audio"}


def whisper(width: int, encoder: int, decoder: int, heads: int, vocabulary: int) -> dict[str, Any]:
    """A Whisper of `width` with these numbers of layers."""
    return {
        "model_type": "whisper",
        "vocab_size": vocabulary,
        "d_model": width,
        "encoder_layers": encoder,
        "decoder_layers": decoder,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
    }


CONFIGS: dict[str, dict[str, Any]] = {
    "hf:microsoft/rad-dino": {"model_type": "dinov2", "image_size": 518, "patch_size": 14},
    "hf:google-bert/bert-base-uncased": BERT,
    "hf:google-bert/bert-base-cased": CASED,
    "hf:google-bert/bert-large-uncased": {**BERT, **LARGE},
    "hf:google-bert/bert-large-cased": {**CASED, **LARGE},
    "hf:google-bert/bert-base-multilingual-cased": {**BERT, "vocab_size": 119547},
    "hf:FacebookAI/roberta-base": ROBERTA,
    "hf:FacebookAI/roberta-large": {**ROBERTA, **LARGE},
    "hf:FacebookAI/xlm-roberta-base": XLM_R,
    "hf:distilbert/distilbert-base-uncased": DISTILBERT,
    "hf:distilbert/distilbert-base-multilingual-cased": {**DISTILBERT, "vocab_size": 119547},
    "hf:distilbert/distilroberta-base": {**ROBERTA, "num_hidden_layers": 6},
    "hf:microsoft/deberta-v3-xsmall": {
        **DEBERTA,
        "hidden_size": 384,
        "num_attention_heads": 6,
        "intermediate_size": 1536,
    },
    "hf:microsoft/deberta-v3-small": {**DEBERTA, "num_hidden_layers": 6},
    "hf:microsoft/deberta-v3-base": DEBERTA,
    "hf:microsoft/deberta-v3-large": {**DEBERTA, **LARGE},
    "hf:microsoft/mdeberta-v3-base": {**DEBERTA, "vocab_size": 251000},
    "hf:google/electra-small-discriminator": {"model_type": "electra", "vocab_size": 30522},
    "hf:google/electra-base-discriminator": {"model_type": "electra", "vocab_size": 30522, **ELECTRA_BASE},
    "hf:albert/albert-base-v2": {
        "model_type": "albert",
        "vocab_size": 30000,
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "hf:answerdotai/ModernBERT-base": {"model_type": "modernbert", "vocab_size": 50368},
    "hf:answerdotai/ModernBERT-large": {
        "model_type": "modernbert",
        "vocab_size": 50368,
        "hidden_size": 1024,
        "intermediate_size": 2624,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
    },
    "hf:microsoft/MiniLM-L12-H384-uncased": {**BERT, **SMALL},
    "hf:sentence-transformers/all-MiniLM-L6-v2": {**BERT, **SMALL, "num_hidden_layers": 6},
    "hf:sentence-transformers/all-MiniLM-L12-v2": {**BERT, **SMALL},
    "hf:sentence-transformers/all-mpnet-base-v2": MPNET,
    "hf:sentence-transformers/multi-qa-mpnet-base-dot-v1": MPNET,
    "hf:sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2": {**BERT, **SMALL, "vocab_size": 250037},
    "hf:intfloat/e5-small-v2": {**BERT, **SMALL},
    "hf:intfloat/e5-base-v2": BERT,
    "hf:intfloat/e5-large-v2": {**BERT, **LARGE},
    "hf:intfloat/multilingual-e5-small": {**BERT, **SMALL, "vocab_size": 250037},
    "hf:intfloat/multilingual-e5-base": XLM_R,
    "hf:intfloat/multilingual-e5-large": {**XLM_R, **LARGE},
    "hf:BAAI/bge-small-en-v1.5": {**BERT, **SMALL},
    "hf:BAAI/bge-base-en-v1.5": BERT,
    "hf:BAAI/bge-large-en-v1.5": {**BERT, **LARGE},
    "hf:thenlper/gte-small": {**BERT, **SMALL},
    "hf:thenlper/gte-base": BERT,
    "hf:thenlper/gte-large": {**BERT, **LARGE},
    "hf:Snowflake/snowflake-arctic-embed-s": {**BERT, **SMALL},
    "hf:dmis-lab/biobert-v1.1": CASED,
    "hf:microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract": BERT,
    "hf:microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext": BERT,
    "hf:allenai/scibert_scivocab_uncased": {**BERT, "vocab_size": 31090},
    "hf:emilyalsentzer/Bio_ClinicalBERT": CASED,
    "hf:ProsusAI/finbert": BERT,
    "hf:nlpaueb/legal-bert-base-uncased": BERT,
    "hf:vinai/bertweet-base": {**ROBERTA, "vocab_size": 64001, "max_position_embeddings": 130},
    "hf:openai-community/gpt2": GPT2,
    "hf:openai-community/gpt2-medium": {**GPT2, "n_embd": 1024, "n_layer": 24, "n_head": 16},
    "hf:openai-community/gpt2-large": {**GPT2, "n_embd": 1280, "n_layer": 36, "n_head": 20},
    "hf:openai-community/gpt2-xl": {**GPT2, "n_embd": 1600, "n_layer": 48, "n_head": 25},
    "hf:distilbert/distilgpt2": {**GPT2, "n_layer": 6},
    "hf:EleutherAI/pythia-70m": {
        **PYTHIA,
        "hidden_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
    },
    "hf:EleutherAI/pythia-160m": {
        **PYTHIA,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "hf:EleutherAI/pythia-410m": {**PYTHIA, **LARGE},
    "hf:facebook/opt-125m": {
        "model_type": "opt",
        "vocab_size": 50272,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "ffn_dim": 3072,
        "max_position_embeddings": 2048,
    },
    "hf:HuggingFaceTB/SmolLM2-135M": {
        **SMOLLM2,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    },
    "hf:HuggingFaceTB/SmolLM2-360M": {
        **SMOLLM2,
        "hidden_size": 960,
        "intermediate_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
    },
    "hf:TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T": {
        "model_type": "llama",
        "vocab_size": 32000,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 22,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
    },
    "hf:meta-llama/Llama-3.2-1B": {
        "model_type": "llama",
        "vocab_size": 128256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
    },
    "hf:Qwen/Qwen2.5-0.5B": {
        "model_type": "qwen2",
        "vocab_size": 151936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
    },
    "hf:Qwen/Qwen3-0.6B-Base": QWEN3,
    "hf:Qwen/Qwen3-0.6B": QWEN3,
    "hf:facebook/wav2vec2-base": WAV2VEC2,
    "hf:facebook/wav2vec2-base-960h": WAV2VEC2,
    "hf:facebook/wav2vec2-large": {**WAV2VEC2, **LARGE},
    "hf:facebook/wav2vec2-large-960h": {**WAV2VEC2, **LARGE},
    "hf:facebook/wav2vec2-large-lv60": LV60,
    "hf:facebook/wav2vec2-large-960h-lv60-self": LV60,
    "hf:facebook/wav2vec2-large-xlsr-53": LV60,
    "hf:facebook/wav2vec2-xls-r-300m": LV60,
    "hf:facebook/mms-300m": LV60,
    "hf:facebook/hubert-base-ls960": {"model_type": "hubert"},
    "hf:facebook/hubert-large-ll60k": {"model_type": "hubert", **STABLE, "conv_bias": True},
    "hf:facebook/hubert-large-ls960-ft": {"model_type": "hubert", **STABLE, "conv_bias": True},
    "hf:microsoft/wavlm-base": WAVLM,
    "hf:microsoft/wavlm-base-plus": WAVLM,
    "hf:microsoft/wavlm-large": {**WAVLM, **STABLE},
    "hf:facebook/data2vec-audio-base": DATA2VEC,
    "hf:facebook/data2vec-audio-base-960h": DATA2VEC,
    "hf:openai/whisper-tiny.en": whisper(384, 4, 4, 6, 51864),
    "hf:openai/whisper-tiny": whisper(384, 4, 4, 6, 51865),
    "hf:openai/whisper-base.en": whisper(512, 6, 6, 8, 51864),
    "hf:openai/whisper-base": whisper(512, 6, 6, 8, 51865),
    "hf:openai/whisper-small.en": whisper(768, 12, 12, 12, 51864),
    "hf:openai/whisper-small": whisper(768, 12, 12, 12, 51865),
    "hf:openai/whisper-medium.en": whisper(1024, 24, 24, 16, 51864),
    "hf:openai/whisper-medium": whisper(1024, 24, 24, 16, 51865),
    "hf:distil-whisper/distil-small.en": whisper(768, 12, 4, 12, 51864),
    "hf:distil-whisper/distil-medium.en": whisper(1024, 24, 2, 16, 51864),
    "hf:MIT/ast-finetuned-audioset-10-10-0.4593": {"model_type": "audio-spectrogram-transformer"},
    "hf:laion/clap-htsat-unfused": {"model_type": "clap_audio_model"},
}
"""The configuration values of transformers models that shape them; what is not named is transformers' default."""


def main() -> None:
    """Compare or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="correct the computed fields in place")
    write = parser.parse_args().write
    torch.set_num_threads(1)
    set_fused_attn(False)  # the counter sees plain matrix products
    differences = 0
    for file in FILES:
        path = Path(str(importlib.resources.files("headstart.models") / "hub_cards" / file))
        rows = json.loads(path.read_text(encoding="utf-8"))
        for row in rows:
            for field, computed in differing(row):
                differences += 1
                print(f"{file:12} {row['spec']:60} {field:13} {row.get(field)!s:>20} -> {computed}")
                row[field] = computed
        if write:
            path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        counted = sum(row["parameters"] is not None for row in rows)
        print(
            f"{file}: {len(rows)} rows, {counted} with parameters, {sum(not row['figures'] for row in rows)} without figures"
        )
    if differences:
        print(f"{differences} differences{', written' if write else '. Run again with --write to correct them'}")
    sys.exit(bool(differences) and not write)


def differing(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The computed fields of a row that are not what it says."""
    for field, computed in facts(row).items():
        if row.get(field) != computed:
            yield field, computed


def facts(row: dict[str, Any]) -> dict[str, Any]:
    """What can be computed of a row; nothing where there is no configuration to build it from."""
    spec = row["spec"]
    if spec.startswith("timm:"):
        return timm_facts(spec.removeprefix("timm:"))
    if spec in HUB:
        name, side, arguments = HUB[spec]
        return {"architecture": name, "input": f"{side} px RGB", **picture_costs(name, (3, side, side), arguments)}
    if spec in CONFIGS:
        return transformers_costs(CONFIGS[spec])
    return {}


def timm_facts(name: str) -> dict[str, Any]:
    """Of a model that timm lists: settings, parameters and multiply-adds."""
    if name not in timm.list_pretrained():
        raise SystemExit(f"timm:{name}: not in timm.list_pretrained(). Correct the name.")
    settings: Any = timm.get_pretrained_cfg(name)
    height, width = settings.input_size[1:]
    return {
        "architecture": settings.architecture,
        "licence": settings.license,
        "input": f"{height} px RGB" if height == width else f"{height} × {width} px RGB",
        "url": f"https://huggingface.co/{settings.hf_hub_id}",
        **picture_costs(name, settings.input_size, {}),
    }


def picture_costs(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> dict[str, Any]:
    """Parameters and multiply-adds of a timm model for one picture of `shape`."""
    with torch.device("meta"):
        net = timm.create_model(name, pretrained=False, num_classes=0, **arguments).eval()
        picture_1CHW = torch.empty(1, *shape)
    return {"parameters": size(net), "macs": macs(net, picture_1CHW), "macs_input": f"{shape[-1]} px"}


def transformers_costs(values: dict[str, Any]) -> dict[str, Any]:
    """Parameters and multiply-adds of a transformers model; of Whisper the encoder alone is run, of CLAP the audio tower."""
    values = dict(values)
    kind = values.pop("model_type")
    config: Any = CONFIG_MAPPING[kind](**values)
    if kind == "clap_audio_model":
        return clap_costs(config)
    config._attn_implementation = "eager"
    with FakeTensorMode(), torch.device("meta"):
        net: Any = build(config)
        net.eval()
        if kind == "whisper":
            counted, words = macs(net.encoder, torch.zeros(1, 80, 3000)), "30 s, encoder only"
        elif kind == "audio-spectrogram-transformer":
            counted, words = macs(net, torch.zeros(1, 1024, 128)), f"{SECONDS} s"
        elif kind == "dinov2":
            side = config.image_size
            counted, words = macs(net, torch.zeros(1, 3, side, side)), f"{side} px"
        elif hasattr(config, "feat_extract_norm") or kind == "data2vec-audio":
            counted, words = macs(net, torch.zeros(1, SECONDS * 16_000)), f"{SECONDS} s"
        else:
            counted, words = macs(net, torch.zeros(1, TOKENS, dtype=torch.long)), f"{TOKENS} tokens"
    return {"parameters": size(net), "macs": counted, "macs_input": words}


def clap_costs(config: Any) -> dict[str, Any]:
    """Parameters and multiply-adds of CLAP's audio tower, which reads numbers while it is made and is made for real."""
    net = ClapAudioModel(config).eval().to("meta")
    sound_11TF = torch.zeros(1, 1, 1001, 64, device="meta")
    return {"parameters": size(net), "macs": macs(net, sound_11TF), "macs_input": f"{SECONDS} s, audio tower"}


def size(net: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in net.parameters())


def macs(net: nn.Module, example: Tensor) -> int:
    """Multiply-adds of matrix products and convolutions for one example; torch counts two operations for each."""
    net.requires_grad_(False)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(example)
    return counter.get_total_flops() // 2


if __name__ == "__main__":
    main()
