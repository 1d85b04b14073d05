"""A checkpoint's network with its head for tokens: an encoder tells hidden tokens, a decoder the next one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

from headstart.adapt.pretraining.reading import READINGS
from headstart.adapt.pretraining.tokens import Around, plain
from headstart.errors import ModelError
from headstart.models.backbone import Backbone
from headstart.models.from_transformers import READ_ERRORS, quiet
from headstart.models.text_backbone import TextBackbone
from headstart.models.text_preprocess import TextPreprocess


@dataclass(slots=True)
class Telling:
    """A network `net` that scores tokens, of a checkpoint's weights, in the manner of `objective` (a row of READINGS); `is_saved` says whether the
    checkpoint had the head, else it is random, but for what it shares with the embeddings.
    """

    net: Any
    objective: str
    whole: TextPreprocess
    is_saved: bool

    @property
    def tokenizer(self) -> Any:
        """The checkpoint's."""
        return self.whole.tokenizer

    @property
    def fast(self) -> Tokenizer:
        """What encodes, as the checkpoint's texts are encoded."""
        return plain(self.tokenizer, lower=self.whole.lower)

    @property
    def around(self) -> Around:
        """The marks of a sequence."""
        return Around.of_checkpoint(self.tokenizer, causal=self.objective == "causal")

    def tokens_VD(self) -> Tensor:
        """What the head compares states with."""
        weight: Tensor = self.net.get_output_embeddings().weight
        return weight

    def stand_on(self, base: nn.Module, tokens_VD: Tensor | None = None) -> None:
        """Put the head on another network of the same architecture; where it is tied to the embeddings, to those of that one, else it
        compares with `tokens_VD` where they are given.
        """
        setattr(self.net, self.net.base_model_prefix, base)
        own: Any = base
        if self.net.config.tie_word_embeddings:
            self.net.get_output_embeddings().weight = own.get_input_embeddings().weight
        elif tokens_VD is not None:
            self.net.get_output_embeddings().weight = nn.Parameter(tokens_VD.detach())
        self.net.to(next(base.parameters()).device)


def objective_of(backbone: Backbone) -> str:
    """How a text backbone was pre-trained, as far as its architecture tells: "causal" or "masked".

    Raises ModelError for one that can do neither: no network of transformers, no tokenizer, or no mask token for a masked one.
    """
    name = backbone.card.name
    whole = getattr(backbone.preprocess, "whole", backbone.preprocess)
    if not isinstance(backbone, TextBackbone) or not isinstance(whole, TextPreprocess):
        raise ModelError(f"{name}: has no tokenizer, so that it cannot tell tokens. Use a text model of transformers.")
    net: Any = backbone.net
    if backbone.next_token_VD is not None:
        return "causal"
    if type(net.config) in MODEL_FOR_MASKED_LM_MAPPING:
        if whole.tokenizer.mask_token_id is None:
            raise ModelError(f"{name}: its tokenizer has no mask token, so that no token can be hidden. Use another model.")
        return "masked"
    if type(net.config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return "causal"
    raise ModelError(f"{name}: transformers has no head for tokens for a {net.config.model_type}. Use another model.")


def telling_of(backbone: Backbone) -> Telling:
    """The backbone's weights under its head for tokens, the checkpoint's own where it was saved; nothing drops out. The backbone itself is left as
    it is. A head that is not there is drawn from torch's generator. Raises ModelError as `objective_of` does.
    """
    objective = objective_of(backbone)
    assert isinstance(backbone, TextBackbone)
    whole: TextPreprocess = getattr(backbone.preprocess, "whole", backbone.preprocess)
    base: Any = backbone.net
    config = copy.deepcopy(base.config)
    for name in [name for name, value in config.to_dict().items() if "drop" in name and isinstance(value, float)]:
        setattr(config, name, 0.0)  # what is not random goes on to the same weights after a kill
    auto = getattr(transformers, READINGS[objective].auto)
    # Of a causal model the backbone keeps what its head compares with.
    net, is_saved = _made(auto, config, backbone.folder if objective == "masked" else None)
    net.base_model.load_state_dict(base.state_dict())
    if objective == "causal":
        is_saved = backbone.next_token_VD is not None
        if is_saved and not config.tie_word_embeddings:
            with torch.no_grad():
                net.get_output_embeddings().weight.copy_(backbone.next_token_VD)
    return Telling(net.eval(), objective, whole, is_saved)


def _made(auto: Any, config: Any, folder: Path | None) -> tuple[Any, bool]:
    """The network, and whether the checkpoint's folder has everything of it."""
    with quiet():
        if folder is None:
            return auto.from_config(config, dtype=torch.float32), False
        try:
            net, told = auto.from_pretrained(
                folder, config=config, dtype=torch.float32, trust_remote_code=False, use_safetensors=True,
                local_files_only=True, ignore_mismatched_sizes=True, output_loading_info=True,
            )  # fmt: skip
        except READ_ERRORS as error:
            raise ModelError(f"{folder}: its head for tokens cannot be read ({error}). Get the folder again.") from error
    return net, not _lacks(net, told)


def _lacks(net: Any, told: Mapping[str, Any]) -> bool:
    """Whether anything of the head was not in the checkpoint."""
    inside = f"{net.base_model_prefix}."
    lost = [*told["missing_keys"], *(entry[0] for entry in told["mismatched_keys"])]
    return any(not str(name).startswith(inside) for name in lost)
