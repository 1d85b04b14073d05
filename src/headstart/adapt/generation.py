"""Text that goes on from a prompt: transformers' own `generate`, on a network that was adapted here."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from headstart.adapt.network import Network
from headstart.errors import ModelError, OptionError
from headstart.models.from_transformers import quiet
from headstart.models.language import LanguagePreprocess
from headstart.models.sentence import positions
from headstart.prove.passages import Conversation
from headstart.runtime import random_state_kept, seed_everything

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Drawing:
    """How each next token is drawn; every number as transformers has it. Without temperature always the most probable one is taken."""

    temperature: float = 1.0
    top_k: int | None = None
    """Only among the so many most probable; None: among all."""
    top_p: float = 1.0
    """Only among the most probable that together have this probability."""
    repetition_penalty: float = 1.0
    max_tokens: int = 200
    stop: tuple[str, ...] = ()
    """Text that ends it, and is left out."""
    seed: int = 0

    def checked(self) -> Drawing:
        """Itself; raises OptionError for what is not possible."""
        for name, value, fits in (
            ("temperature", self.temperature, self.temperature >= 0),
            ("top-k", self.top_k, self.top_k is None or self.top_k >= 1),
            ("top-p", self.top_p, 0 < self.top_p <= 1),
            ("repetition-penalty", self.repetition_penalty, self.repetition_penalty > 0),
            ("max-tokens", self.max_tokens, self.max_tokens >= 1),
            ("stop", self.stop, all(self.stop)),
        ):
            if not fits:
                raise OptionError(f"--{name} {value}: {ALLOWED[name]}.")
        return self

    @property
    def in_words(self) -> str:
        """The settings in half a sentence."""
        if not self.temperature:
            return "always with the most probable token"
        kept = (f", among the {self.top_k} most probable tokens" if self.top_k else "") + (
            f", among tokens that together have a probability of {self.top_p:g}" if self.top_p < 1 else ""
        )
        return f"at temperature {self.temperature:g}{kept}"


ALLOWED = {
    "temperature": "must be 0 or more",
    "top-k": "must be 1 or more",
    "top-p": "must be above 0 and at most 1",
    "repetition-penalty": "must be above 0",
    "max-tokens": "must be 1 or more",
    "stop": "must not be empty",
}


def generate(network: Network, prompt: str, drawing: Drawing, *, turns: bool = False, say: Say | None = None) -> str:
    """What follows `prompt`, which is a question of a conversation where `turns` says so; `say` is given each piece as it comes.

    Raises OptionError for settings that are not possible and a prompt that leaves no room, ModelError for a network that tells no next token.
    """
    drawing = drawing.checked()
    preprocess = network.backbone.preprocess
    if not isinstance(preprocess, LanguagePreprocess):
        raise ModelError(f"{network.backbone.card.name}: was not adapted to tell the next token. Fit it with --task lm.")
    written = preprocess.question(Conversation.of([("user", prompt)]).turns) if turns else prompt
    ids = preprocess.begun(written, written=turns)
    room = (positions(network.backbone.net) or preprocess.longest + drawing.max_tokens) - len(ids)
    if not ids or room < 1:
        lack = "is empty, and the tokenizer has no mark to begin with" if not ids else f"has {len(ids)} tokens, and the model reads {len(ids) + room}"
        raise OptionError(f"--prompt: {lack}. Give {'some text' if not ids else 'less of it'}.")
    tokenizer = preprocess.whole.tokenizer
    model = causal_lm(network)
    stop = (*drawing.stop, "\nUser:") if turns and not preprocess.has_template else drawing.stop
    given = torch.tensor([ids], device=next(network.parameters()).device)
    drawn = {"temperature": drawing.temperature, "top_k": drawing.top_k or 0, "top_p": drawing.top_p} if drawing.temperature else {}
    with quiet(), random_state_kept(given.device.type), torch.inference_mode():
        seed_everything(drawing.seed)
        found = model.generate(
            input_ids=given,
            attention_mask=torch.ones_like(given),
            do_sample=bool(drawing.temperature),
            **drawn,
            repetition_penalty=drawing.repetition_penalty,
            max_new_tokens=min(drawing.max_tokens, room),
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=next((one for one in (tokenizer.pad_token_id, tokenizer.eos_token_id) if one is not None), 0),
            use_cache=True,
            **({"stop_strings": list(stop), "tokenizer": tokenizer} if stop else {}),
            **({"streamer": _Streamer(tokenizer, ids, stop, say)} if say else {}),
        )
    text = continuation(tokenizer, ids, found[0, len(ids) :].tolist())
    return before(text, stop)


def causal_lm(network: Network) -> Any:
    """The network as transformers' own causal language model, sharing its weights; nothing is copied or drawn."""
    from transformers import AutoModelForCausalLM

    net: Any = network.backbone.net
    config = copy.deepcopy(net.config)
    auto: Any = AutoModelForCausalLM
    with quiet(), torch.device("meta"):
        model = auto.from_config(config, trust_remote_code=False)
    setattr(model, model.base_model_prefix, net)
    model.get_output_embeddings().weight = nn.Parameter(network.head.tokens_VD.detach(), requires_grad=False)
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ModelError(f"{network.backbone.card.name}: transformers' model for generating has weights that it lacks. Use GPT-2 or Llama.")
    return model.eval()


def before(text: str, stop: Sequence[str]) -> str:
    """A text up to the first of what stops it."""
    return text[: min((place for one in stop if (place := text.find(one)) >= 0), default=len(text))]


def continuation(tokenizer: Any, ids: Sequence[int], new: Sequence[int]) -> str:
    """The text of new ids: what decoding all adds to decoding the given ones, for some tokenizers leave out a space at the very beginning."""
    given, whole = (tokenizer.decode(part, skip_special_tokens=True, clean_up_tokenization_spaces=False) for part in (list(ids), [*ids, *new]))
    return whole[len(given) :] if whole.startswith(given) else str(tokenizer.decode(new, skip_special_tokens=True))


class _Streamer:
    """Says what is new as soon as it is whole: not half of a sign, and not what may turn out to be the beginning of a stop."""

    def __init__(self, tokenizer: Any, ids: Sequence[int], stop: Sequence[str], say: Say) -> None:
        self._tokenizer, self._ids, self._stop, self._say = tokenizer, list(ids), stop, say
        self._new: list[int] = []
        self._said = 0
        self._has_prompt = False

    def put(self, value: torch.Tensor) -> None:
        """Take note of the prompt, then of each token."""
        if not self._has_prompt:
            self._has_prompt = True
            return
        self._new += value.flatten().tolist()
        self._tell(held=max((len(one) - 1 for one in self._stop), default=0))

    def end(self) -> None:
        """Say what was held back."""
        self._tell(held=0)

    def _tell(self, *, held: int) -> None:
        whole = continuation(self._tokenizer, self._ids, self._new)
        text = before(whole, self._stop)
        upto = len(text) if len(text) < len(whole) else len(text) - held
        if (held or self._stop == ()) and text.endswith("\ufffd"):
            upto = min(upto, len(text.rstrip("\ufffd")))
        if upto > self._said:
            self._say(text[self._said : upto])
            self._said = upto
