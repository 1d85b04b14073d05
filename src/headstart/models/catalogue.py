"""Which backbones there are: those that work here without a download, and well-kept ones on the hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from headstart.errors import ModelError, OptionError
from headstart.files import read_json, write_json
from headstart.models import minilm
from headstart.models.card import SourceCard
from headstart.models.hub import cached
from headstart.models.resolve import STARTERS, load_backbone
from headstart.models.weights import read_config
from headstart.runtime import data_dir

HUB_CARDS = Path(__file__).parent / "hub_cards"
SIZES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9}


def models(modality: str | None = None) -> list[SourceCard]:
    """The source cards of all backbones that work here as things are, those of `modality` only if given.

    Reads descriptions, no weights. Any local folder and any hub name can be given besides.
    """
    cards = [*starters(), *([minilm.CARD] if minilm.folder() else []), *registered(), *cached()]
    return [card for card in cards if modality in (None, card.modality)]


def starters() -> list[SourceCard]:
    """The cards of the backbones inside the package."""
    return [_starter(path.parent) for path in sorted(STARTERS.glob("*/card.json"), key=_broad_first)]


def default_candidates(modality: str) -> list[str]:
    """The specs that are ranked when the user names none: the extra's, what comes with the package, and what he registered.

    The first is the one to take where nothing is compared.
    """
    cards = [*([minilm.CARD] if minilm.folder() else []), *starters(), *registered()]
    return [card.spec for card in cards if card.modality == modality]


def hub_models(modality: str | None = None) -> list[SourceCard]:
    """The cards of well-kept models on the hub, those of `modality` only if given; nothing is downloaded here."""
    return [card for card in _hub_cards() if modality in (None, card.modality)]


def select(
    cards: Sequence[SourceCard],
    *,
    modality: str | None = None,
    task: str | None = None,
    max_size: str | int | None = None,
    licence: str | None = None,
) -> list[SourceCard]:
    """Those of `cards` that fit: modality, a task they are a usual start for, at most `max_size` parameters (`30M`), licence.

    A card that does not say what is asked for does not fit. Raises OptionError for a task that no card knows, and for a
    size that is none.
    """
    tasks = sorted({name for card in cards for name in card.tasks})
    if task is not None and task not in tasks:
        raise OptionError(f"--task {task}: not known. Choose from: {', '.join(tasks)}.")
    limit = None if max_size is None else parameters_of(max_size)
    return [
        card
        for card in cards
        if (modality is None or card.modality == modality)
        and (task is None or task in card.tasks)
        and (limit is None or (card.parameters is not None and card.parameters <= limit))
        and (licence is None or (card.licence or "").lower() == licence.lower())
    ]


def parameters_of(size: str | int) -> int:
    """A number of parameters from `30M`, `1.5B`, `260k` or a whole number; raises OptionError for anything else."""
    text = str(size).strip().lower()
    unit = SIZES.get(text[-1:], 1.0)
    try:
        value = float(text[:-1] if text[-1:] in SIZES else text) * unit
    except ValueError as error:
        raise OptionError(f"--max-size {size}: not a number of parameters. Write it as 30M or 1.5B.") from error
    if not 0 < value < float("inf"):
        raise OptionError(f"--max-size {size}: must be more than nothing. Write it as 30M or 1.5B.")
    return round(value)


def register(folder: str | Path) -> SourceCard:
    """Add a backbone of the user's own, in a local folder, to what `fit` and `rank` look at by themselves.

    It is loaded once, to see that it can be. Raises what `load_backbone` raises, and ModelError for anything but a folder.
    """
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise ModelError(f"{folder}: not a folder. Give the folder of a model; hub models need no registering.")
    card = replace(load_backbone(path).card, spec=str(path))
    others = [one for one in registered() if one.spec != card.spec]
    write_json(_registry(), [one.to_dict() for one in (*others, card)])
    return card


def unregister(folder: str | Path) -> None:
    """Take a backbone out again; raises ModelError where it is not there."""
    path = str(Path(folder).expanduser().resolve())
    kept = [card for card in registered() if card.spec != path]
    if len(kept) == len(registered()):
        raise ModelError(f"{folder}: not registered. `headstart models` lists what is.")
    write_json(_registry(), [card.to_dict() for card in kept])


def registered() -> list[SourceCard]:
    """The cards of the user's own backbones whose folders are still there, oldest first."""
    path = _registry()
    cards = [SourceCard.from_dict(values) for values in read_json(path)] if path.is_file() else []
    return [card for card in cards if Path(card.spec).is_dir()]


def _registry() -> Path:
    return data_dir() / "models.json"


@cache
def _hub_cards() -> tuple[SourceCard, ...]:
    return tuple(
        SourceCard.from_dict(values)
        for path in sorted(HUB_CARDS.glob("*.json"))
        for values in json.loads(path.read_text(encoding="utf-8"))
    )


def _starter(folder: Path) -> SourceCard:
    values = read_config(folder / "card.json")
    return SourceCard.from_dict({**values, "spec": f"starter:{folder.name}"})


def _broad_first(path: Path) -> tuple[bool, str]:
    # Natural pictures are what most targets are near to.
    return path.parent.name != "natural", path.parent.name
