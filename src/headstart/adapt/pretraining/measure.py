"""What a pre-trained text network says of texts that it has not learned from: loss per token, bits per byte, likeness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.adapt.pretraining.bank import TextBank
from headstart.adapt.pretraining.reading import IGNORED, bits_per_byte, bytes_of, token_nats
from headstart.adapt.pretraining.tokens import KINDS, Sequences

ROWS = 32


def measure_tokens(
    net: Any,
    held: Sequences,
    told: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
    bank: TextBank,
    tokenizer: Any,
    kind: str,
    objective: str,
    device: Any,
) -> dict[str, Any]:
    """The loss per token and the bits per byte on the held-out sequences.

    Of a causal network all tokens are told, and the bytes are those of the texts. Of a masked one those tokens are told that
    one masking hides, and the bytes are the ones that they stand for: such bits cannot be compared with a causal network's,
    because what follows is known.
    """
    total, count, size = 0.0, 0, 0
    sizes = None if objective == "causal" else _token_bytes(held, bank, tokenizer, sum(mark is not None for mark in KINDS[kind].around))
    net.eval()
    for start in range(0, len(held), ROWS):
        rows = np.arange(start, min(start + ROWS, len(held)))
        inputs_BT, mask_BT, labels_BT = told(rows)
        with torch.inference_mode():
            nats = token_nats(net, inputs_BT, mask_BT, labels_BT, device)
        total, count = total + float(nats.sum()), count + len(nats)
        if sizes is not None:
            size += sum(
                int(sizes[int(row)][np.flatnonzero(labels != IGNORED)].sum())
                for row, labels in zip(rows, labels_BT, strict=True)
            )
    if sizes is None:
        size = sum(len(bank[int(row)].encode(errors="surrogatepass")) for row in np.unique(held.pieces))
    where = f"{len(np.unique(held.pieces))} held-out pieces of text, {size:,} bytes"
    which = "token" if objective == "causal" else "hidden token"
    return {
        f"held-out loss per {which}": {"value": round(total / count, 4), "unit": "nats", "source": where},
        f"held-out bits per byte{'' if sizes is None else ' of hidden tokens'}": {
            "value": round(bits_per_byte(total, max(1, size)), 4), "unit": "bits", "source": where,
        },
    }  # fmt: skip


def measure_likeness(parts: torch.nn.ModuleDict, cosines: Callable[[np.ndarray], Tensor], held: int) -> dict[str, Any]:
    """The mean cosine between student and teacher, both less the mean, over the `held` held-out texts."""
    parts.eval()
    with torch.inference_mode():
        found = torch.cat([cosines(np.arange(start, min(start + ROWS, held))) for start in range(0, held, ROWS)])
    where = f"{held} held-out pieces of text; the mean of the teacher's features taken off"
    return {
        "held-out cosine to the teacher": {"value": round(float(found.mean()), 4), "unit": "cosine", "source": where}
    }


def _token_bytes(held: Sequences, bank: TextBank, tokenizer: Any, marks: int) -> list[np.ndarray]:
    """For each sequence the bytes that each of its tokens stands for; marks stand for none.

    `marks` stand around every sequence, one of them before it.
    """
    fast = tokenizer.backend_tokenizer
    found: list[np.ndarray] = []
    left: list[int] = []
    before = -1
    for row in range(len(held)):
        piece, length = int(held.pieces[row]), int(held.lengths[row])
        if piece != before:
            text, before = bank[piece], piece
            left = bytes_of(text, fast.encode(text, add_special_tokens=False).offsets)
        own, left = left[: length - marks], left[length - marks :]
        found.append(np.pad(np.array(own, dtype=np.int64), (1, length - 1 - len(own))))
    return found
