"""transformers models, for pictures and for texts, from a folder of configuration, safetensors and preprocessing."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import logging

from headstart.errors import ModelError, UnsafeWeights
from headstart.models.backbone import Backbone
from headstart.models.card import SourceCard
from headstart.models.card_file import check_weights, written_card
from headstart.models.front_matter import front_matter
from headstart.models.image_backbone import pixels_in_words
from headstart.models.image_preprocess import ImagePreprocess
from headstart.models.language import LanguagePreprocess
from headstart.models.sentence import max_length, pooling_of, transformer_folder
from headstart.models.source_head import SourceHead, find_head
from headstart.models.text_backbone import Pooling, TextBackbone
from headstart.models.text_preprocess import TextPreprocess, read_tokenizer
from headstart.models.transformers_image import HubImageBackbone, processor_file, read_processor
from headstart.models.weights import find_weights, read_config, read_some, refuse_code, weights_sha256
from headstart.models.windows import WindowPreprocess
from headstart.models.word_windows import WordPreprocess
from headstart.registry import pick

READ_ERRORS = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, ImportError)


def load_folder(folder: Path, *, spec: str) -> Backbone:
    """A backbone from a folder in transformers' or sentence-transformers' layout; task heads are left out.

    Raises UnsafeWeights for pickles, broken safetensors or code, ModelError where the weights do not fit or the
    architecture is not known, ModelNotFound where files are missing.
    """
    inner = transformer_folder(folder)
    refuse_code(inner)
    refuse_code(folder)
    config = read_model_config(inner)
    paths = find_weights(inner)
    net = load_network(inner, config)
    image = processor_file(inner) is not None
    card = _card(folder, spec, "image" if image else "text", net, weights_sha256(paths))
    if image:
        preprocess = read_processor(inner)
        backbone = HubImageBackbone(net, preprocess=preprocess, card=_with_input(card, pixels_in_words(preprocess)))
        backbone.source_head = _image_head(paths, config, backbone.width)
        return backbone
    tokenizer = read_tokenizer(inner)
    longest, lower = max_length(inner, tokenizer, net)
    texts = TextPreprocess(tokenizer, max_length=longest, lower=lower)
    reader = TextBackbone(
        net, preprocess=texts, card=_with_input(card, f"{longest} tokens"), pooling=pooling_of(folder)
    )
    reader.next_token_VD, reader.folder = _next_token(paths, config, net), inner
    return reader


def _card(folder: Path, spec: str, modality: str, net: nn.Module, digest: str) -> SourceCard:
    """The card that lies in the folder, or what its README says; raises UnsafeWeights for weights of another hash."""
    own: dict[str, Any] = {
        "spec": spec,
        "architecture": type(net).__name__,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "weights_sha256": digest,
    }
    written = written_card(folder)
    if written is not None:
        check_weights(folder, written, digest)
        return replace(written, **own)
    told = front_matter(folder / "README.md")
    return SourceCard(name=_name(folder, spec), modality=modality, family="transformers", **own, **told)


IMAGE_HEADS = ("classifier", "classifier.1", "fc", "head")
"""What transformers calls the last layer of its image classifiers."""


def _image_head(paths: Sequence[Path], config: Any, width: int) -> SourceHead | None:
    tensors = read_some(paths, [f"{name}.{part}" for name in IMAGE_HEADS for part in ("weight", "bias")])
    names = config.id2label or {}
    labels = [str(names[number]) for number in sorted(names)]
    if all(label == f"LABEL_{number}" for number, label in enumerate(labels)):
        labels = []
    return find_head(tensors, IMAGE_HEADS, width, labels)


RESCALED = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""What some families do to their scores of the next token, which is not done here."""


def _next_token(paths: Sequence[Path], config: Any, net: nn.Module) -> Tensor | None:
    """The rows that a causal language model compares its states with to tell the next token; None for other models."""
    if not any("CausalLM" in name or "LMHead" in name for name in config.architectures or ()):
        return None
    if any(getattr(config, name, None) not in (None, 1, 1.0) for name in RESCALED):
        return None
    found = read_some(paths, ["lm_head.weight", "lm_head.bias"])
    if "lm_head.bias" in found:
        return None
    with_embeddings: Any = net
    if config.tie_word_embeddings:
        # Not a copy: a vocabulary is most of a small model.
        embeddings_VD: Tensor = with_embeddings.get_input_embeddings().weight.detach()
        return embeddings_VD
    own = found.get("lm_head.weight")
    return None if own is None else own.float()


def rebuild(description: Mapping[str, Any], folder: Path) -> Backbone:
    """The network of a `describe()` with its preprocessing in `folder`, its weights still random."""
    values = dict(description["config"])
    config = CONFIG_MAPPING[values["model_type"]].from_dict(values)
    card = SourceCard.from_dict(description["card"])
    net = build(config)
    if description["modality"] == "image":
        return HubImageBackbone(net, preprocess=ImagePreprocess.from_dict(description["preprocess"]), card=card)
    pooling = Pooling(tuple(description["pooling"]["modes"]), description["pooling"]["normalise"])
    reading = pick(PREPROCESSES, description["preprocess"].get("reads", TextPreprocess.kind), what="way to read texts")
    reader = TextBackbone(net, preprocess=reading.load(folder, description["preprocess"]), card=card, pooling=pooling)
    if reader.is_tied:  # the embeddings that will be loaded tell the next token too, where any did
        reader.next_token_VD = _next_token((), config, net)
    return reader


PREPROCESSES: Mapping[str, Any] = {reading.kind: reading for reading in (TextPreprocess, WindowPreprocess, LanguagePreprocess, WordPreprocess)}
"""Ways to read texts, by the name in their description."""


def read_model_config(folder: Path) -> PretrainedConfig:
    """A folder's configuration; raises ModelError for an architecture that this transformers does not have."""
    values = read_config(folder / "config.json")
    kind = values.get("model_type")
    if kind not in CONFIG_MAPPING:
        raise ModelError(
            f"{folder}: transformers knows no model_type '{kind}'. Check config.json, or update transformers."
        )
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except READ_ERRORS as error:
        raise ModelError(
            f"{folder}/config.json: not a usable configuration ({_first_line(error)}). Download the model again."
        ) from error
    if config.is_encoder_decoder:
        raise ModelError(
            f"{folder}: a {kind} model has an encoder and a decoder, which is not supported. Use an encoder such as BERT."
        )
    return config


def load_network(folder: Path, config: PretrainedConfig) -> nn.Module:
    """The base network with the folder's weights in float32, complete: nothing of it is left random."""
    try:
        with quiet():
            net, told = AutoModel.from_pretrained(
                folder,
                config=copy.deepcopy(config),
                dtype=torch.float32,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except SafetensorError as error:
        raise UnsafeWeights(
            f"{folder}: not a whole safetensors file ({error}). Download or convert it again."
        ) from error
    except READ_ERRORS as error:
        raise ModelError(
            f"{folder}: transformers cannot load it ({_first_line(error)}). Check its config.json."
        ) from error
    _check_complete(net, told, folder)
    return _base(net)


def build(config: PretrainedConfig) -> nn.Module:
    """The base network of a configuration with random weights."""
    auto: Any = AutoModel
    with quiet():
        return _base(auto.from_config(copy.deepcopy(config), dtype=torch.float32, trust_remote_code=False))


def _base(net: Any) -> nn.Module:
    # The dense layer over the first token serves one pre-training task; few checkpoints carry it and no pooling here reads it.
    if hasattr(getattr(net, "pooler", None), "dense"):
        net.pooler = None
    if getattr(net.config, "use_cache", False):
        net.config.use_cache = False
    base: nn.Module = net
    return base


def _check_complete(net: Any, told: Mapping[str, Any], folder: Path) -> None:
    """Raise ModelError where weights of the base network are missing, misshapen, or more than it has layers for."""
    dropped = ("pooler.",) if hasattr(getattr(net, "pooler", None), "dense") else ()
    missing = sorted(name for name in told["missing_keys"] if not name.startswith(dropped or "\0"))
    misfits = sorted(str(entry[0]) for entry in told["mismatched_keys"])
    prefix = f"{net.base_model_prefix}." if net.base_model_prefix else "\0"
    parts = tuple(f"{name}." for name, _ in net.named_children() if name != "pooler")
    left = sorted(name for name in told["unexpected_keys"] if name.removeprefix(prefix).startswith(parts or "\0"))
    faults = (("missing", missing), ("of another shape", misfits), ("left over", left))
    said = "; ".join(f"{len(names)} {what} ({', '.join(names[:3])})" for what, names in faults if names)
    if said:
        raise ModelError(f"{folder}: the weights do not fit its config.json: {said}. Download the model again.")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from reporting on keys that are checked here, and from drawing bars."""
    talk: Any = logging
    verbosity, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity_error()
    talk.disable_progress_bar()
    try:
        yield
    finally:
        talk.set_verbosity(verbosity)
        if bars:
            talk.enable_progress_bar()


def _with_input(card: SourceCard, described: str) -> SourceCard:
    return SourceCard.from_dict({**card.to_dict(), "input": described})


def _name(folder: Path, spec: str) -> str:
    return spec.partition(":")[2].split("@")[0] if spec.startswith("hf:") else folder.name


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
