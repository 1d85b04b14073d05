"""The card.json of a model folder, which says what is known of its pre-training, and the weights that it speaks of."""

from __future__ import annotations

from pathlib import Path

from headstart.errors import UnsafeWeights
from headstart.models.card import SourceCard
from headstart.models.weights import read_config

CARD_FILE = "card.json"


def written_card(folder: Path) -> SourceCard | None:
    """The card in `folder`, or None where there is none; raises ModelError where it is broken."""
    path = folder / CARD_FILE
    return SourceCard.from_dict(read_config(path)) if path.is_file() else None


def check_weights(folder: Path, card: SourceCard, digest: str) -> None:
    """Raise UnsafeWeights where the weights, of this SHA-256, are not those of the card."""
    if card.weights_sha256 not in (None, digest):
        raise UnsafeWeights(
            f"{folder}: the weights are not those of its card.json (SHA-256 {digest[:12]}…). Get the folder again."
        )
