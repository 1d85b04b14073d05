"""`pretrain`: from sources to a backbone folder with its source card; killed at any moment, it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.adapt.pretraining.asked import NO_ARGUMENTS, Asked
from headstart.adapt.pretraining.checks import WORK, above_zero
from headstart.adapt.pretraining.from_pictures import OBJECTIVES
from headstart.adapt.pretraining.pictures import pretrain_pictures
from headstart.adapt.pretraining.reading import READINGS
from headstart.adapt.pretraining.steps import CHECKPOINT_S
from headstart.adapt.pretraining.texts import pretrain_texts
from headstart.data.passages import holds_texts
from headstart.errors import DataError
from headstart.events import Listener, Said, silent


def pretrain(
    sources: Sequence[str | Path],
    *,
    out: str | Path,
    objective: str | None = None,
    teacher: str | Path | None = None,
    architecture: str | None = None,
    model_args: Mapping[str, Any] = NO_ARGUMENTS,
    size: int | None = None,
    input_size: int | None = None,
    text: str | None = None,
    tokenizer: str | None = None,
    vocabulary: int | None = None,
    length: int | None = None,
    epochs: int | None = None,
    budget: float | None = None,
    views: Sequence[int] | int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float = 0.02,
    seed: int = 0,
    probe: str | Path | None = None,
    name: str | None = None,
    domain: str | None = None,
    licences: Sequence[str] = (),
    weights_licence: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    checkpoint_s: float = CHECKPOINT_S,
    keep_work: bool = False,
    listener: Listener = silent,
) -> Path:
    """Pre-train a network from random weights on `sources`; returns `out`, a backbone folder.

    `sources` are folders, zips or tables, all of pictures or all of texts, `builtin:glyphs`, or plain text files. What is not
    said (None) has a default for each kind. `licences` are those of the sources, one each; `weights_licence` is that of the
    result; `probe` names labelled data of the same kind, on which figures of transfer are taken. `budget` is in seconds:
    the number of steps, and of texts that a teacher reads, is cut to what fits.

    Pictures: `objective` "distil" learns the features of `teacher` (a convolutional network of timm's, by anything that
    `load_backbone` takes) and needs no labels; "supervised" learns the classes. `architecture` is one of timm's. `views` says
    how often each picture is viewed, one number or one per source; by default each source gets about 40,000 views. Views
    are `size` pixels; the finished folder declares `input_size` (default: the same).

    Texts: "masked" tells hidden tokens, "causal" the next token, "distil" the features of `teacher`, an encoder such as
    `minilm`. `text` names the column of tables. A tokenizer of the kind `tokenizer` ("wordpiece" or "bpe") with at most
    `vocabulary` tokens is trained on the texts; sequences are `length` tokens.

    The same call goes on where a killed one stopped, and does nothing where it is finished. Its working files, in
    `out`/work, go at the end unless `keep_work`. Raises DataError, OptionError or ModelError for what cannot be
    used, RunError where `out` holds something else.
    """
    given = {**locals(), "out": Path(out)}
    asked = Asked(**given)
    if budget is not None:
        above_zero({"budget": budget})
    do = pretrain_texts if is_of_texts(sources, objective) else pretrain_pictures
    if not do(asked):
        listener(Said(f"{asked.out} is finished already."))
    if not keep_work and (asked.out / WORK).is_dir():
        shutil.rmtree(asked.out / WORK)
    return asked.out


def is_of_texts(sources: Sequence[str | Path], objective: str | None) -> bool:
    """Whether the sources are read as texts: what only one kind has as an objective settles it, else what they hold.

    Raises DataError where some hold texts and others pictures.
    """
    if objective in READINGS.keys() ^ set(OBJECTIVES):
        return objective in READINGS
    found = [holds_texts(source) for source in sources]
    if len(set(found)) > 1:
        odd = sources[found.index(not found[0])]
        raise DataError(f"{odd}: holds {'texts' if not found[0] else 'pictures'}, unlike {sources[0]}. Give one kind.")
    return any(found)
