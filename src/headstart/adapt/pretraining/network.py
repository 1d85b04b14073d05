"""A text network trained on a bank of texts by one of the ways of reading, with what it says of texts held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from headstart.adapt.precision import training_pass
from headstart.adapt.pretraining.bank import TextBank
from headstart.adapt.pretraining.distil import begin, enough, first_embeddings, taught
from headstart.adapt.pretraining.measure import measure_likeness, measure_tokens
from headstart.adapt.pretraining.reading import (
    READINGS,
    Likeness,
    Marks,
    mean_state,
    small,
    teller,
    token_nats,
)
from headstart.adapt.pretraining.steps import Learning, Settings, Steps
from headstart.adapt.pretraining.tokens import Around, Sequences, batches, padded
from headstart.errors import OptionError
from headstart.events import Listener
from headstart.models.from_transformers import quiet
from headstart.models.text_backbone import TextBackbone
from headstart.runtime import Placement, child_seed, generator, seed_everything


@dataclass(frozen=True, slots=True)
class TextRecipe:
    """Everything that decides the weights; kept in the folder, so that a resumed run is held to it."""

    architecture: str
    model_args: Mapping[str, Any]
    objective: str
    tokenizer: str
    vocabulary: int
    length: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network, on the CPU in eval mode, with figures on held-out texts and counts for its card."""

    net: Any
    figures: Mapping[str, Any]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a training takes place: the texts, their tokenizer with the marks around a sequence, the working files, and who listens."""

    bank: TextBank
    tokenizer: Any
    fast: Tokenizer
    around: Around
    work: Path
    placement: Placement
    listener: Listener
    checkpoint_s: float
    seconds: Callable[[], float] | None


def create_reader(recipe: TextRecipe, vocabulary: int, marks: Mapping[str, int | None]) -> Any:
    """The architecture with random weights; raises OptionError for arguments that it does not take."""
    values = {**small(recipe.architecture, vocabulary, recipe.length, marks), **recipe.model_args}
    try:
        config = CONFIG_MAPPING[recipe.architecture](**values)
        with quiet():
            net = getattr(transformers, READINGS[recipe.objective].auto).from_config(config, dtype=torch.float32)
    except (TypeError, ValueError, KeyError, RuntimeError, ZeroDivisionError, AttributeError) as error:
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OptionError(f"--model-args: {recipe.architecture} cannot be made with them ({told}).") from error
    if hasattr(getattr(net, "pooler", None), "dense"):
        net.pooler = None  # it serves another way of training and nothing here would teach it
    return net


def train_reader(recipe: TextRecipe, desk: Desk, teacher: TextBackbone | None) -> Trained:
    """Train from random weights by the recipe's objective; killed at any moment, the same call goes on."""
    seed_everything(child_seed(recipe.seed, "student") % 2**32)
    net = create_reader(recipe, len(desk.tokenizer), marks_of(desk.tokenizer))
    return _distil(net, recipe, desk, teacher) if teacher is not None else tell(net, recipe, desk)


def marks_of(tokenizer: Any) -> dict[str, int | None]:
    """The ids of marks as a configuration names them."""
    names = ("pad_token_id", "bos_token_id", "eos_token_id")
    return {name: getattr(tokenizer, name) for name in names}


def tell(net: Any, recipe: TextRecipe, desk: Desk) -> Trained:
    """Masked or causal language modelling, from the weights that `net` has."""
    found = _sequences(recipe, desk, "learned", desk.bank.learned, whole=True)
    told = teller(Marks.of(desk.tokenizer), recipe.objective)

    def loss(rows: np.ndarray, phase: int, rng: np.random.Generator) -> Tensor:
        with training_pass(desk.placement):
            return token_nats(net, *told(found, rows, rng), desk.placement.torch_device).mean()

    steps = _step(nn.ModuleDict({"net": net}), loss, [net], found.lengths, recipe, desk)
    counts = {"tokens": found.tokens, "sequences": len(found), "steps": steps}
    figures = held_out_figures(net, recipe, desk)
    return Trained(net.cpu().eval(), figures, counts)


def held_out_figures(net: Any, recipe: TextRecipe, desk: Desk) -> dict[str, Any]:
    """What a network says of the held-out texts; always of the same tokens."""
    held = _sequences(recipe, desk, "held", desk.bank.held_out, whole=True)
    told, rng = teller(Marks.of(desk.tokenizer), recipe.objective), generator(recipe.seed, "held out")
    device = desk.placement.torch_device
    return measure_tokens(
        net, held, lambda rows: told(held, rows, rng), desk.bank, desk.fast, desk.around, recipe.objective, device
    )


def _distil(net: Any, recipe: TextRecipe, desk: Desk, teacher: TextBackbone) -> Trained:
    bank, work, placement = desk.bank, desk.work, desk.placement
    rows = generator(recipe.seed, "pieces").permutation(bank.learned)
    rows = enough(bank, rows, teacher, placement, work / "pieces.json", desk.seconds)
    both = np.concatenate([bank.held_out, rows])
    taught_ND = taught(bank, both, teacher, placement, work, desk.listener)
    found = _sequences(recipe, desk, "read", both, whole=False)
    width = net.get_input_embeddings().embedding_dim
    begin(net, first_embeddings(desk.tokenizer, teacher, width, placement, work / "embeddings.npy"))
    held = len(bank.held_out)
    likeness = Likeness(taught_ND[held : held + DIRECTIONS_OF], net.config.hidden_size)
    pad, device = desk.tokenizer.pad_token_id, placement.torch_device

    def pair(rows: np.ndarray) -> tuple[Tensor, Tensor]:
        ids_BT, mask_BT = padded([found[int(row)] for row in rows], pad)
        wanted_BD = torch.from_numpy(taught_ND[rows].astype(np.float32)).to(device)
        return mean_state(net, ids_BT, mask_BT, device), wanted_BD

    def loss(rows: np.ndarray, phase: int, rng: np.random.Generator) -> Tensor:
        with training_pass(placement):
            return likeness.loss(*pair(rows + held))

    parts = nn.ModuleDict({"net": net, "likeness": likeness})
    steps = _step(parts, loss, [net], found.lengths[held:], recipe, desk)
    figures = measure_likeness(parts, lambda rows: likeness.cosines(*pair(rows)), held)
    counts = {"tokens": found.tokens, "sequences": len(found) - held, "steps": steps}
    return Trained(net.cpu().eval(), figures, counts)


DIRECTIONS_OF = 20_000
"""Texts that the mean and the leading directions of a teacher's features are taken over."""


def _sequences(recipe: TextRecipe, desk: Desk, name: str, rows: np.ndarray, *, whole: bool) -> Sequences:
    return Sequences.write(
        desk.work, name, desk.bank, rows, desk.fast, desk.around, recipe.length, whole=whole, listener=desk.listener
    )


def _step(
    parts: nn.ModuleDict,
    loss: Callable[[np.ndarray, int, np.random.Generator], Tensor],
    pieces: list[nn.Module],
    lengths_N: np.ndarray,
    recipe: TextRecipe,
    desk: Desk,
) -> int:
    learning = Learning(parts, loss, pieces, order=lambda rng: batches(lengths_N, recipe.batch_size, rng))
    how = Settings(recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.weight_decay, recipe.seed)
    steps = Steps(learning, how, len(lengths_N), desk.work / "checkpoint.pt", desk.placement)
    return steps.run(desk.listener, desk.checkpoint_s, desk.seconds)
