"""What sentence-transformers writes beside a transformers model: its folder, pooling and longest input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from headstart.errors import ModelError
from headstart.models.text_backbone import POOLINGS, Pooling
from headstart.models.text_preprocess import LONGEST
from headstart.models.weights import read_config

# pooling_mode_<key> in older configurations
FLAGS = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}


def transformer_folder(folder: Path) -> Path:
    """Where the transformers model lies: `folder`, or the part of it that modules.json names first."""
    modules = _modules(folder)
    inner = folder / modules[0]["path"] if modules else folder
    return inner if (inner / "config.json").is_file() else folder


def pooling_of(folder: Path) -> Pooling:
    """The pooling that sentence-transformers recorded; without a record, the mean over the text's tokens.

    Raises ModelError for a module that would have to be computed and is not known here.
    """
    modes: tuple[str, ...] = ("mean",)
    normalise = False
    for module in _modules(folder)[1:]:
        kind = module["type"].rpartition(".")[2]
        if kind == "Pooling":
            modes = _modes(folder / module["path"] / "config.json")
        elif kind == "Normalize":
            normalise = True
        elif kind != "Dropout":
            raise ModelError(
                f"{folder}: its module {kind} (modules.json) is not supported. Use another sentence model."
            )
    return Pooling(modes, normalise)


def max_length(folder: Path, tokenizer: Any, net: nn.Module) -> tuple[int, bool]:
    """How many tokens of a text are read, and whether texts are put in lower case first.

    The least of what sentence-transformers recorded, the tokenizer's limit, the network's positions, and LONGEST.
    """
    recorded = folder / "sentence_bert_config.json"
    values = read_config(recorded) if recorded.is_file() else {}
    limits = [values.get("max_seq_length"), tokenizer.model_max_length, positions(net)]
    return min([LONGEST, *(int(limit) for limit in limits if limit)]), bool(values.get("do_lower_case", False))


def positions(net: Any) -> int | None:
    """How many tokens the network has positions for; None where it has no limit."""
    most = getattr(net.config, "max_position_embeddings", None)
    if not most or most < 0:
        return None
    table = getattr(getattr(net, "embeddings", None), "position_embeddings", None)
    # RoBERTa and its kin count positions from after the padding id.
    reserved = getattr(table, "padding_idx", None)
    return int(most) - (0 if reserved is None else reserved + 1)


def _modes(path: Path) -> tuple[str, ...]:
    values = read_config(path)
    named = values.get("pooling_mode")
    if named is not None:
        modes = (named,) if isinstance(named, str) else tuple(named)
    else:
        modes = tuple(mode for flag, mode in FLAGS.items() if values.get(f"pooling_mode_{flag}"))
    unknown = [mode for mode in modes if mode not in POOLINGS]
    if unknown or not modes:
        raise ModelError(
            f"{path}: pooling {', '.join(unknown) or 'not given'} is not known. Use another sentence model."
        )
    return modes


def _modules(folder: Path) -> list[dict[str, Any]]:
    path = folder / "modules.json"
    if not path.is_file():
        return []
    try:
        modules: list[dict[str, Any]] = sorted(
            json.loads(path.read_text(encoding="utf-8")), key=lambda module: module["idx"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: broken ({error}). Download the model again.") from error
    return modules
