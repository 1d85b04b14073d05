"""What a distillation from a text encoder needs beside the steps: the teacher, its features of the texts, first embeddings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart.adapt.pretraining.bank import TextBank
from headstart.adapt.pretraining.reading import leading
from headstart.errors import OptionError
from headstart.events import Listener
from headstart.features.extract import extract, feature_chunks
from headstart.files import read_json, replacing, write_json
from headstart.models.resolve import load_backbone
from headstart.models.text_backbone import TextBackbone
from headstart.runtime import Placement

TIMED = 512
"""Texts that the teacher's pace is measured on where there is a budget."""
TEACHER_SHARE = 0.6
"""The teacher's share of the time that is left of a budget: what it has read, the student reads many times in less."""
SPREAD = 0.05
"""The standard deviation of embeddings at the start."""


class Picked(Sequence[str]):
    """Some pieces of a bank, read as they are asked for."""

    def __init__(self, bank: TextBank, rows: np.ndarray) -> None:
        """The pieces `rows`, in that order."""
        self._bank, self._rows = bank, rows

    def __len__(self) -> int:
        """How many."""
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        """One of them, or those of a slice."""
        if isinstance(place, slice):
            return [self._bank[int(row)] for row in self._rows[place]]
        return self._bank[int(self._rows[place])]


def load_text_teacher(spec: str | Path) -> tuple[TextBackbone, dict[str, str | None]]:
    """The encoder that `spec` names, and what the card says of it; raises OptionError for one that does not read texts."""
    backbone = load_backbone(spec)
    if not isinstance(backbone, TextBackbone):
        raise OptionError(f"--teacher {spec}: reads no texts. Give an encoder for texts, such as minilm.")
    card = backbone.card
    return backbone, {"name": card.name, "weights_sha256": card.weights_sha256, "licence": card.licence}


def plain(text: str) -> str:
    """The text as it is: the bank has decoded it."""
    return text


def enough(
    bank: TextBank,
    rows: np.ndarray,
    teacher: TextBackbone,
    placement: Placement,
    note: Path,
    seconds: Callable[[], float] | None,
) -> np.ndarray:
    """As many of the pieces `rows`, from the first, as the teacher can read in its share of the time; noted in `note`."""
    if seconds is not None and not note.is_file():
        some = rows[:TIMED]
        began = time.monotonic()
        for _ in feature_chunks(Picked(bank, some), teacher, decode=plain, placement=placement):
            continue
        pace_s = (time.monotonic() - began) / len(some)
        write_json(note, {"pieces": min(len(rows), max(len(some), int(TEACHER_SHARE * seconds() / pace_s)))})
    return rows[: int(read_json(note)["pieces"])] if note.is_file() else rows


def taught(
    bank: TextBank, rows: np.ndarray, teacher: TextBackbone, placement: Placement, folder: Path, listener: Listener
) -> np.ndarray:
    """The teacher's features (N × D, float16, in a mapped file) of the pieces `rows`; killed, it goes on by shards."""
    path = folder / "taught.f16"
    if not path.is_file():
        found = extract(
            Picked(bank, rows), teacher, decode=plain, placement=placement, folder=folder / "teacher", listener=listener
        )
        with replacing(path) as temporary, temporary.open("wb") as file:
            for part_ND in found.chunks():
                part_ND.astype(np.float16).tofile(file)
    return np.memmap(path, np.float16, "r", shape=(len(rows), teacher.width))


def first_embeddings(
    tokenizer: Any, teacher: TextBackbone, width: int, placement: Placement, path: Path
) -> np.ndarray:
    """Token embeddings (V × width) to begin with: what the teacher makes of each token as a text of its own, in its leading
    directions. Words that mean alike begin alike. Marks begin at zero.

    Source: the idea of van Dongen and Tulkens 2024 (Model2Vec), without their weighting: a layer is trained on top here.
    """
    if not path.is_file():
        special, tokens = set(tokenizer.all_special_tokens), tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        spelt = [tokenizer.convert_tokens_to_string([token]).strip().removeprefix("##").strip() for token in tokens]
        texts = [text or token for text, token in zip(spelt, tokens, strict=True)]
        parts = feature_chunks(texts, teacher, decode=plain, placement=placement)
        features_VD = np.concatenate(list(parts))
        mean_D, directions_DE = leading(features_VD, width)
        rows_VE = (features_VD - mean_D) @ directions_DE
        rows_VE = np.pad(rows_VE, ((0, 0), (0, width - rows_VE.shape[1])))
        rows_VE *= SPREAD / max(float(rows_VE.std()), 1e-12)
        rows_VE[[token in special for token in tokens]] = 0.0
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, rows_VE.astype(np.float32))
    return np.asarray(np.load(path))


def begin(net: Any, first_VE: np.ndarray) -> None:
    """Give the network its first token embeddings; those of positions and segments begin at zero.

    Positions that no text of the training reaches then stay without one, which is better than at a random one.
    """
    with torch.no_grad():
        for name, table in net.embeddings.named_parameters():
            if "position" in name or "token_type" in name:
                table.zero_()
        net.get_input_embeddings().weight.copy_(torch.from_numpy(first_VE))
