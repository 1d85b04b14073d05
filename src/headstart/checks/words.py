"""Which words decided: how much each word of a text spoke for the answer.

Integrated gradients (Sundararajan et al. 2017) over the token embeddings, by captum, the extra `explain`: from a text whose words
are all blanks to the text itself, the gradient of the answer's log-odds is summed along the way. What all words get together is
what the text changed (completeness), which is checked and said. Sub-words are joined to the words that a reader sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.adapt.network import Network
from headstart.checks.corrupt import PIECES, Text
from headstart.errors import MissingExtra, OptionError
from headstart.models.text_backbone import TextBackbone
from headstart.models.text_preprocess import WINDOW_OF

STEPS = (32, 128, 512)
"""Points along the way: more of them where what the words leave unexplained is more than EXACT of what the text changed."""
EXACT = 0.01
TOKENS_AT_ONCE = 4096
LONGEST = 400
"""Words told of a text at most, from its beginning."""
MISSING = "captum is not installed, which tells which words decided. Run: pip install 'headstart[explain]'"


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it stands in the text, and how much it spoke for the answer, in log-odds (for a quantity in its unit)."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What spoke for an answer, word by word; of a pair the words of both, one after the other.

    `target` is the output that was explained; `changed` is by how much the text as a whole moved it against a text of blanks,
    `missing` how much of that the words together leave unexplained, as a share.
    """

    target: int
    words: tuple[Word, ...]
    changed: float
    missing: float
    truncated: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "words": [[word.text, round(word.weight, 4)] for word in self.words]}


def _odds(logits_SK: Tensor, target: int) -> Tensor:
    rest_SJ = torch.cat([logits_SK[:, :target], logits_SK[:, target + 1 :]], dim=1)
    return logits_SK[:, target] if rest_SJ.shape[1] == 0 else logits_SK[:, target] - rest_SJ.logsumexp(1)


def _own(logits_SK: Tensor, target: int) -> Tensor:
    return logits_SK[:, target]


ODDS: Mapping[str, Callable[[Tensor, int], Tensor]] = {"single": _odds, "multi": _own, "quantity": _own}
"""From logits (S, K) to what is explained (S): the log-odds of a class or label, or the number itself."""


def captum_or_raise() -> Any:
    """The attributions of captum; raises MissingExtra, which says what to do, where it is not installed."""
    try:
        from captum import attr
    except ImportError as error:
        raise MissingExtra(MISSING) from error
    return attr


def explain(network: Network, text: Text, *, kind: str, target: int | None = None) -> Explanation:
    """How much each word of `text` spoke for output number `target`, by default the one that is said.

    Raises MissingExtra without captum, and OptionError for a model that has no gradient from its answer to its words.
    """
    attr = captum_or_raise()
    backbone, odds = _explainable(network, kind)
    encodings, truncated = backbone.preprocess.encodings(text)
    inputs = backbone.preprocess.collate([backbone.preprocess.prepare(text)])
    assert isinstance(inputs, dict)
    inputs.pop(WINDOW_OF, None)
    count = len(encodings)
    names = [name for name in inputs if name != "input_ids"]

    def score(ids_RT: Tensor, *rest: Tensor) -> Tensor:
        given = {"input_ids": ids_RT, **dict(zip(names, rest, strict=True))}
        if count > 1:  # every step along the way is a text of as many windows
            given[WINDOW_OF] = torch.arange(len(ids_RT), device=ids_RT.device) // count
        return odds(network(given), int(target or 0))

    device = next(backbone.parameters()).device
    inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
    was = [parameter.requires_grad for parameter in network.parameters()]
    network.eval()
    if target is None:
        with torch.no_grad():
            logits_1K = network({**inputs, **({WINDOW_OF: torch.zeros(count, dtype=torch.long, device=device)} if count > 1 else {})})
        target = int(logits_1K[0].argmax())
    ids_RT, rest = inputs["input_ids"], tuple(inputs[name] for name in names)
    blank_RT = _blanks(backbone, encodings, ids_RT)
    layer = _embeddings(backbone)
    try:
        network.requires_grad_(requires_grad=False)
        layer.requires_grad_(requires_grad=True)  # so that a gradient reaches what the layer gives
        with torch.no_grad():
            changed = float(score(ids_RT, *rest)) - _at_blanks(layer, blank_RT, lambda: float(score(ids_RT, *rest)))
        for steps in STEPS:
            weights_RTD = attr.LayerIntegratedGradients(score, layer).attribute(
                ids_RT,
                baselines=blank_RT,
                additional_forward_args=rest,
                n_steps=steps,
                internal_batch_size=count * max(1, TOKENS_AT_ONCE // ids_RT.numel()),
            )
            weights_RT = weights_RTD.sum(-1).detach().double().cpu().numpy()
            missing = abs(changed - float(weights_RT.sum())) / max(abs(changed), 1e-6)
            if missing <= EXACT:
                break
    finally:
        for parameter, moved in zip(network.parameters(), was, strict=True):
            parameter.requires_grad_(moved)
    words = _joined(backbone, text, encodings, weights_RT)
    return Explanation(int(target), tuple(words[:LONGEST]), changed, missing, truncated or len(words) > LONGEST)


def _explainable(network: Network, kind: str) -> tuple[TextBackbone, Callable[[Tensor, int], Tensor]]:
    backbone = network.backbone
    if not isinstance(backbone, TextBackbone):
        raise OptionError("which words decided can be told of text models from transformers only.")
    if kind not in ODDS:
        raise OptionError(f"which words decided cannot be told for {kind} labels. It can for classes, several labels and quantities.")
    if network.head.kind != "linear":
        raise OptionError(
            "this model votes by its nearest examples, which has no gradient to tell words by. Fit with --strategy probe to see them."
        )
    return backbone, ODDS[kind]


def _embeddings(backbone: TextBackbone) -> nn.Module:
    net: Any = backbone.net
    found: nn.Module = net.get_input_embeddings()
    return found


def _blanks(backbone: TextBackbone, encodings: Sequence[Any], ids_RT: Tensor) -> Tensor:
    """The same windows with every word a blank: a mask, else padding; special tokens stay."""
    tokenizer = backbone.preprocess.tokenizer
    blank = next(number for number in (tokenizer.mask_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if number is not None)
    blank_RT = ids_RT.clone()
    for row, encoding in enumerate(encodings):
        special = torch.tensor(encoding.special_tokens_mask, dtype=torch.bool, device=ids_RT.device)
        blank_RT[row, : len(special)] = torch.where(special, ids_RT[row, : len(special)], blank)
    return blank_RT


def _at_blanks(layer: nn.Module, blank_RT: Tensor, score: Callable[[], float]) -> float:
    """What is said where the embeddings are those of blanks and all else (positions, segments, masks) is as in the text."""
    blank_RTD = layer(blank_RT)
    handle = layer.register_forward_hook(lambda module, args, output: blank_RTD)
    try:
        return score()
    finally:
        handle.remove()


def _joined(backbone: TextBackbone, text: Text, encodings: Sequence[Any], weights_RT: np.ndarray) -> list[Word]:
    """The weights of tokens added up over the words between white space that they lie in, in the order of the text."""
    parts = [part for part in backbone.preprocess.read(text) if part is not None]
    spans = [[(found.start(), found.end()) for found in PIECES.finditer(part) if not found[0].isspace()] for part in parts]
    sums = [np.zeros(len(places)) for places in spans]
    for row, encoding in enumerate(encodings):
        for place, (part, (start, end)) in enumerate(zip(encoding.sequence_ids, encoding.offsets, strict=True)):
            if part is None or start == end or not spans[part]:
                continue
            # The last word that begins before the token's last character: a token may carry the space in front of it.
            word = int(np.searchsorted([begin for begin, _ in spans[part]], end - 1, side="right")) - 1
            sums[part][max(0, word)] += weights_RT[row, place]
    return [
        Word(parts[part][start:end], float(weight))
        for part, places in enumerate(spans)
        for (start, end), weight in zip(places, sums[part], strict=True)
    ]
