"""What a pre-trained text network says of texts that it has not learned from: loss per token, bits per byte, likeness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from headstart.adapt.pretraining.reading import IGNORED, bits_per_byte, bytes_of, token_nats
from headstart.adapt.pretraining.tokens import Around, Listed, Sequences
from headstart.prove.losses import ROW

ROWS = 32

Told = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""From row numbers of sequences to inputs, mask and labels (B × T each)."""


class Texts(Protocol):
    """Pieces of text by their numbers."""

    def __getitem__(self, number: int) -> str:
        """The piece with this number."""
        ...


def measure_tokens(
    net: Any, held: Sequences, told: Told, texts: Texts, fast: Tokenizer, around: Around, objective: str, device: Any
) -> dict[str, Any]:
    """The loss per token and the bits per byte on the held-out sequences, as `losses_of` counts them."""
    rows_P3 = losses_of(net, held, told, texts, fast, around, objective, device)
    nats, count, size = rows_P3.sum(0)
    where = f"{len(rows_P3)} held-out pieces of text, {int(size):,} bytes"
    which, of = ("token", "") if objective == "causal" else ("hidden token", " of hidden tokens")
    return {
        f"held-out loss per {which}": {"value": round(nats / count, 4), "unit": "nats", "source": where},
        f"held-out bits per byte{of}": {"value": round(bits_per_byte(nats, max(1, int(size))), 4), "unit": "bits", "source": where},
    }


def losses_of(
    net: Any, held: Sequences | Listed, told: Told, texts: Texts, fast: Tokenizer, around: Around, objective: str, device: Any
) -> np.ndarray:
    """Nats, tokens and bytes (P × 3) of each piece that the sequences are of, in the order of their numbers.

    Of a causal network all tokens are told, and the bytes are those of the texts. Of a masked one those tokens are told that
    one masking hides, and the bytes are the ones that they stand for: such bits cannot be compared with a causal network's,
    because what follows is known.
    """
    pieces_P, piece_of_N = np.unique(held.pieces, return_inverse=True)
    rows_P3 = np.zeros((len(pieces_P), ROW))
    sizes = None if objective == "causal" else token_bytes(held, texts, fast, around)
    net.eval()
    for start in range(0, len(held), ROWS):
        rows = np.arange(start, min(start + ROWS, len(held)))
        inputs_BT, mask_BT, labels_BT = told(rows)
        with torch.inference_mode():
            nats_n = token_nats(net, inputs_BT, mask_BT, labels_BT, device).double().cpu().numpy()
        row_n, place_n = np.nonzero(labels_BT != IGNORED)
        piece_n = piece_of_N[rows[row_n]]
        np.add.at(rows_P3[:, 0], piece_n, nats_n)
        np.add.at(rows_P3[:, 1], piece_n, 1)
        if sizes is not None:
            np.add.at(rows_P3[:, 2], piece_n, [sizes[int(rows[row])][place] for row, place in zip(row_n, place_n, strict=True)])
    if sizes is None:
        rows_P3[:, 2] = [len(texts[int(piece)].encode(errors="surrogatepass")) for piece in pieces_P]
    return rows_P3


def measure_likeness(parts: torch.nn.ModuleDict, cosines: Callable[[np.ndarray], Tensor], held: int) -> dict[str, Any]:
    """The mean cosine between student and teacher, both less the mean, over the `held` held-out texts."""
    parts.eval()
    with torch.inference_mode():
        found = torch.cat([cosines(np.arange(start, min(start + ROWS, held))) for start in range(0, held, ROWS)])
    where = f"{held} held-out pieces of text; the mean of the teacher's features taken off"
    return {
        "held-out cosine to the teacher": {"value": round(float(found.mean()), 4), "unit": "cosine", "source": where}
    }


def token_bytes(held: Sequences | Listed, texts: Texts, fast: Tokenizer, around: Around) -> list[np.ndarray]:
    """For each sequence the bytes that each of its tokens stands for; marks stand for none."""
    first, marks = len(around.before), len(around.before) + len(around.after)
    found: list[np.ndarray] = []
    left: list[int] = []
    before = -1
    for row in range(len(held)):
        piece, length = int(held.pieces[row]), int(held.lengths[row])
        if piece != before:
            text, before = texts[piece], piece
            left = bytes_of(text, fast.encode(text, add_special_tokens=False).offsets)
        own, left = left[: length - marks], left[length - marks :]
        found.append(np.pad(np.array(own, dtype=np.int64), (first, length - first - len(own))))
    return found
