"""What a text network is pre-trained on: hidden tokens, the next token, or a larger encoder's features."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.adapt.pretraining.tokens import Listed, Sequences, padded

HIDDEN, AS_MASK, AS_OTHER = 0.15, 0.8, 0.1
"""The share of tokens to be told, and of those the shares that are shown as the mask and as a random other token."""
Rows = Sequences | Listed

IGNORED = -100
"""The label of a token that is not to be told."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The ids that a masking needs: the mask, the padding, all marks that are never hidden, and how many ids there are."""

    mask: int
    pad: int
    special: tuple[int, ...]
    vocabulary: int

    @classmethod
    def of(cls, tokenizer: Any) -> Marks:
        """Those of a transformers tokenizer; without a mask there is nothing to hide tokens with, and without a padding any id will do."""
        pad = next((one for one in (tokenizer.pad_token_id, tokenizer.eos_token_id) if one is not None), 0)
        mask = -1 if tokenizer.mask_token_id is None else tokenizer.mask_token_id
        return cls(mask, pad, tuple(tokenizer.all_special_ids), len(tokenizer))


def masked(
    ids_BT: np.ndarray, mask_BT: np.ndarray, marks: Marks, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels (B × T) of masked language modelling: of every sequence 15 % of the tokens, at least one, are hidden.

    Of those 80 % become the mask, 10 % a random token that is no mark, 10 % stay; labels are IGNORED elsewhere.
    Source: Devlin et al. 2019, section 3.1.
    """
    can_BT = (mask_BT == 1) & ~np.isin(ids_BT, marks.special)
    draw_BT = np.where(can_BT, rng.random(ids_BT.shape), np.inf)
    # At least one of each sequence, else short ones would teach nothing; none where there are only marks.
    chosen_BT = (draw_BT < HIDDEN) | ((draw_BT == draw_BT.min(1, keepdims=True)) & can_BT)
    labels_BT = np.where(chosen_BT, ids_BT, IGNORED)
    how_BT = rng.random(ids_BT.shape)
    plain = np.setdiff1d(np.arange(marks.vocabulary), marks.special)
    other_BT = plain[rng.integers(len(plain), size=ids_BT.shape)]
    inputs_BT = np.where(chosen_BT & (how_BT < AS_MASK), marks.mask, ids_BT)
    inputs_BT = np.where(chosen_BT & (how_BT >= AS_MASK) & (how_BT < AS_MASK + AS_OTHER), other_BT, inputs_BT)
    return inputs_BT, labels_BT


def following(ids_BT: np.ndarray, mask_BT: np.ndarray) -> np.ndarray:
    """Labels (B × T) of causal language modelling: at each token the next one, IGNORED where there is none."""
    labels_BT = np.full_like(ids_BT, IGNORED)
    labels_BT[:, :-1] = np.where(mask_BT[:, 1:] == 1, ids_BT[:, 1:], IGNORED)
    return labels_BT


def teller(marks: Marks, objective: str) -> Callable[[Rows, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """From sequences, some of their row numbers and randomness to inputs, mask and labels (B × T each) of an objective."""

    def told(
        sequences: Rows, rows: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ids_BT, mask_BT = padded([sequences[int(row)] for row in rows], marks.pad)
        if objective == "causal":
            return ids_BT, mask_BT, following(ids_BT, mask_BT)
        inputs_BT, labels_BT = masked(ids_BT, mask_BT, marks, rng)
        return inputs_BT, mask_BT, labels_BT

    return told


def token_nats(net: Any, inputs_BT: np.ndarray, mask_BT: np.ndarray, labels_BT: np.ndarray, device: Any) -> Tensor:
    """What the network finds surprising: nats of each token that is to be told, in reading order."""
    ids, mask, labels = (torch.from_numpy(array).to(device) for array in (inputs_BT, mask_BT, labels_BT))
    told_BT = labels != IGNORED

    def only_told(module: nn.Module, given: Any, output: Any) -> Any:
        # Scores over a whole vocabulary are most of a small network's work, and most tokens are not told.
        output.last_hidden_state = output.last_hidden_state[told_BT][None]
        return output

    hook = net.base_model.register_forward_hook(only_told)
    try:
        logits_nV = net(input_ids=ids, attention_mask=mask).logits[0]
    finally:
        hook.remove()
    return F.cross_entropy(logits_nV.float(), labels[told_BT], reduction="none")


def bits_per_byte(nats: float, count: int) -> float:
    """Nats in all over `count` bytes of text, as bits for each of them: what models with other tokens can be compared by."""
    return nats / math.log(2) / count


class Likeness(nn.Module):
    """How like a student's mean state is to a teacher's features, in the teacher's own leading directions.

    The student's features are compared as they are, without a layer between: what varies much in the teacher then varies much
    in the student, and a probe on few labels relies on that.
    """

    mean_D: Tensor
    directions_DE: Tensor

    def __init__(self, taught_ND: np.ndarray, width: int) -> None:
        """For a student of `width`; `taught_ND` are the teacher's features of many texts."""
        super().__init__()
        mean_D, directions_DE = leading(taught_ND, width)
        self.register_buffer("mean_D", torch.from_numpy(mean_D.astype(np.float32)))
        self.register_buffer("directions_DE", torch.from_numpy(directions_DE.astype(np.float32)))

    def loss(self, states_BE: Tensor, taught_BD: Tensor) -> Tensor:
        """One less the cosine, averaged; the mean is taken off first: a direction that all texts share teaches nothing."""
        return (1 - self.cosines(states_BE, taught_BD)).mean()

    def cosines(self, states_BE: Tensor, taught_BD: Tensor) -> Tensor:
        """The cosine (B,) of each text."""
        return F.cosine_similarity(states_BE, (taught_BD - self.mean_D) @ self.directions_DE, dim=1)


def leading(rows_ND: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean (D,) of rows, and their `width` directions of largest variance, or as many as there are (D × width).

    The largest entry of each direction is positive, so that equal rows give equal numbers.
    """
    rows_ND = rows_ND.astype(np.float64)
    mean_D = rows_ND.mean(0)
    centred_ND = rows_ND - mean_D
    _, directions_DD = np.linalg.eigh(centred_ND.T @ centred_ND)
    directions_DE = directions_DD[:, ::-1][:, :width]
    largest = np.abs(directions_DE).argmax(0)
    return mean_D, directions_DE * np.sign(directions_DE[largest, np.arange(directions_DE.shape[1])])


def mean_state(net: Any, ids_BT: np.ndarray, mask_BT: np.ndarray, device: Any) -> Tensor:
    """The mean (B × D) of the states of each text's tokens, as `TextBackbone` takes it."""
    ids, mask = (torch.from_numpy(array).to(device) for array in (ids_BT, mask_BT))
    states_BTD = net(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    means_BD: Tensor = (states_BTD * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return means_BD


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to learn: which networks can, how its result is read by transformers, the tokens it takes, and what it says of it."""

    architectures: tuple[str, ...]
    auto: str
    tokenizer: str
    told: str


READINGS: Mapping[str, Reading] = {
    "masked": Reading(
        ("bert", "electra"), "AutoModelForMaskedLM", "wordpiece",
        "It learned to tell hidden tokens from those around them (masked language modelling).",
    ),
    "causal": Reading(
        ("llama", "gpt2"), "AutoModelForCausalLM", "bpe",
        "It learned to tell each token from those before it (causal language modelling).",
    ),
    "distil": Reading(
        ("electra", "bert"), "AutoModel", "wordpiece",
        "It learned to reproduce the features that a larger encoder, its teacher, gives to the texts; no labels were used.",
    ),
}  # fmt: skip
"""The first architecture is the default."""


def small(architecture: str, vocabulary: int, length: int, marks: Mapping[str, int | None]) -> dict[str, Any]:
    """The configuration of a small network: four layers of 256 (distilled ones: one of 192 on embeddings of 96), no dropout.

    A single pass over little text does not overfit, and what is not random goes on to the same weights after a kill.
    """
    return {"vocab_size": vocabulary, **SIZES[architecture](length), **marks}


def _bert(length: int) -> dict[str, Any]:
    return {
        "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024,
        "max_position_embeddings": length, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    }  # fmt: skip


def _electra(length: int) -> dict[str, Any]:
    return {
        **_bert(length), "embedding_size": 96, "hidden_size": 192, "num_hidden_layers": 1, "intermediate_size": 384,
    }  # fmt: skip


def _llama(length: int) -> dict[str, Any]:
    return {
        "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4,
        "intermediate_size": 704, "max_position_embeddings": length, "tie_word_embeddings": True,
    }  # fmt: skip


def _gpt2(length: int) -> dict[str, Any]:
    return {
        "n_embd": 256, "n_layer": 4, "n_head": 4, "n_positions": length,
        "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0,
    }  # fmt: skip


SIZES: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "bert": _bert,
    "electra": _electra,
    "llama": _llama,
    "gpt2": _gpt2,
}


def bytes_of(text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    """How many bytes of UTF-8 each of the spans of characters takes."""
    return [len(text[start:end].encode(errors="surrogatepass")) for start, end in spans]
