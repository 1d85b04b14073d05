"""Tiny checkpoints with random weights, each saved by its family's own library, for every adapter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.tiny_models import timm_folder

WORDS = "the a old new keeper climbed winding stairs to light great lamp above dark northern sea train station story".split()
SENTENCES = (
    "the old keeper climbed the winding stairs",
    "a story",
    "the great lamp above the dark northern sea, above the old train station",
    "light",
)
"""Of different lengths, so that a batch of them is padded."""


def torchvision_file(folder: Path, architecture: str) -> str:
    """The spec of a torchvision network with its state dict in safetensors."""
    torch.manual_seed(3)
    net = torchvision.models.get_model(architecture, weights=None, num_classes=1000)
    folder.mkdir(parents=True)
    save_file(net.state_dict(), folder / f"{architecture}.safetensors")
    return f"torchvision:{architecture}={folder / architecture}.safetensors"


def timm_saved(folder: Path, architecture: str, size: int = 32, **arguments: Any) -> str:
    """The spec of a timm network in a folder as timm's `save_for_hf` lays it out."""
    torch.manual_seed(4)
    net = timm.create_model(architecture, pretrained=False, num_classes=3, **arguments)
    timm.models.save_for_hf(net, folder, model_args=arguments or None, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= {"input_size": [3, size, size], "num_classes": 3}
    (folder / "config.json").write_text(json.dumps(config))
    for pickled in folder.glob("*.bin"):
        pickled.unlink()
    return str(folder)


def picture_model(folder: Path, net_class: str, config_class: str, processor_class: str, **settings: Any) -> str:
    """The folder of a transformers image model with its processor, saved with its classifier."""
    torch.manual_seed(5)
    sizes = settings.pop("processor", {})
    net = getattr(transformers, net_class)(getattr(transformers, config_class)(**settings))
    net.save_pretrained(folder)
    getattr(transformers, processor_class)(**sizes).save_pretrained(folder)
    return str(folder)


def text_model(folder: Path, net_class: str, config_class: str, *, bpe: bool, **settings: Any) -> str:
    """The folder of a transformers text model with its tokenizer, saved with a task's head where it has one."""
    torch.manual_seed(6)
    tokenizer = _bpe() if bpe else _wordpiece()
    config = getattr(transformers, config_class)(
        vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **settings
    )
    getattr(transformers, net_class)(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def _wordpiece() -> transformers.PreTrainedTokenizerFast:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    pieces = [
        *special,
        *WORDS,
        *"abcdefghijklmnopqrstuvwxyz,.",
        *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"),
    ]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
    )


def _bpe() -> transformers.PreTrainedTokenizerFast:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=["<pad>", "<end>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<end>", model_max_length=32
    )


BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SMALL = {"size": {"height": 32, "width": 32}}
CROP = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}

PICTURES: dict[str, Callable[[Path], str]] = {
    "timm resnet": lambda folder: str(timm_folder(folder)),
    "timm mobilenetv2": lambda folder: timm_saved(folder, "mobilenetv2_050"),
    "timm vit": lambda folder: timm_saved(
        folder, "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2
    ),
    "timm convnext": lambda folder: timm_saved(folder, "convnext_atto", depths=(1, 1, 1, 1), dims=(8, 8, 16, 16)),
    "timm vgg": lambda folder: timm_saved(folder, "vgg11", mlp_ratio=0.01),
    "torchvision resnet18": lambda folder: torchvision_file(folder, "resnet18"),
    "transformers resnet": lambda folder: picture_model(
        folder, "ResNetForImageClassification", "ResNetConfig", "ConvNextImageProcessor",
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
        processor={"size": {"shortest_edge": 32}, "crop_pct": 0.875},
    ),
    "transformers vit": lambda folder: picture_model(
        folder, "ViTForImageClassification", "ViTConfig", "ViTImageProcessor",
        image_size=32, patch_size=8, **BERT, processor=SMALL,
    ),
    "transformers convnext": lambda folder: picture_model(
        folder, "ConvNextForImageClassification", "ConvNextConfig", "ConvNextImageProcessor",
        hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, processor={"size": {"shortest_edge": 32}, "crop_pct": 0.875},
    ),
    "transformers mobilenetv1": lambda folder: picture_model(
        folder, "MobileNetV1ForImageClassification", "MobileNetV1Config", "MobileNetV1ImageProcessor",
        image_size=32, depth_multiplier=0.25, initializer_range=0.3, processor=CROP,
    ),
}  # fmt: skip
"""Makers of image checkpoints: from an empty folder's path to a spec."""

TEXTS: dict[str, Callable[[Path], str]] = {
    "bert": lambda folder: text_model(
        folder, "BertForMaskedLM", "BertConfig", bpe=False, max_position_embeddings=40, **BERT
    ),
    "roberta": lambda folder: text_model(
        folder, "RobertaForSequenceClassification", "RobertaConfig", bpe=True, max_position_embeddings=40, **BERT
    ),
    "deberta-v2": lambda folder: text_model(
        folder, "DebertaV2ForSequenceClassification", "DebertaV2Config", bpe=False, max_position_embeddings=40,
        relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8, **BERT,
    ),
    "distilbert": lambda folder: text_model(
        folder,
        "DistilBertModel",
        "DistilBertConfig",
        bpe=False,
        max_position_embeddings=40,
        dim=16,
        n_layers=2,
        n_heads=2,
        hidden_dim=32,
    ),
    "gpt2": lambda folder: text_model(
        folder, "GPT2LMHeadModel", "GPT2Config", bpe=True, n_positions=40, n_embd=16, n_layer=2, n_head=2
    ),
    "llama": lambda folder: text_model(
        folder, "LlamaForCausalLM", "LlamaConfig", bpe=True, max_position_embeddings=40, num_key_value_heads=1, **BERT
    ),
}  # fmt: skip
"""Makers of text checkpoints."""
