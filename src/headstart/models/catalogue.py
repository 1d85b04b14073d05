"""What can be used here without a download: starters, the text extra, hub models downloaded before."""

from __future__ import annotations

from pathlib import Path

from headstart.models import minilm
from headstart.models.card import SourceCard
from headstart.models.hub import cached
from headstart.models.resolve import STARTERS
from headstart.models.weights import read_config


def models(modality: str | None = None) -> list[SourceCard]:
    """The source cards of all backbones that work here as things are, those of `modality` only if given.

    Reads descriptions, no weights. Any local folder and any hub name can be given besides.
    """
    cards = [*starters(), *([minilm.CARD] if minilm.folder() else []), *cached()]
    return [card for card in cards if modality in (None, card.modality)]


def starters() -> list[SourceCard]:
    """The cards of the backbones inside the package."""
    return [_starter(path.parent) for path in sorted(STARTERS.glob("*/card.json"), key=_broad_first)]


def default_candidates(modality: str) -> list[str]:
    """The specs that `fit` ranks when the user names none; empty where nothing is installed for `modality`."""
    return [
        card.spec for card in [*starters(), *([minilm.CARD] if minilm.folder() else [])] if card.modality == modality
    ]


def _starter(folder: Path) -> SourceCard:
    values = read_config(folder / "card.json")
    return SourceCard.from_dict({**values, "spec": f"starter:{folder.name}"})


def _broad_first(path: Path) -> tuple[bool, str]:
    # Natural pictures are what most targets are near to.
    return path.parent.name != "natural", path.parent.name
