"""`pretrain`: from sources to a backbone folder with its source card; killed at any moment, it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.adapt.pretrain_asked import NO_ARGUMENTS, Asked
from headstart.adapt.pretrain_checks import WORK
from headstart.adapt.pretrain_pictures import pretrain_pictures
from headstart.adapt.pretrain_steps import CHECKPOINT_S
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
    epochs: int | None = None,
    views: Sequence[int] | int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float = 0.02,
    seed: int = 0,
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
    """Pre-train a timm architecture from random weights on `sources`; returns `out`, a backbone folder.

    `sources` are folders, zips or tables of pictures, or `builtin:glyphs`. `objective` "distil" learns the features
    of `teacher` (a convolutional network of timm's, by anything that `load_backbone` takes) and needs no labels;
    "supervised" learns the classes. `views` says how often each picture is viewed, one number or one per source; by
    default each source gets about 40,000 views. Views are `size` pixels; the finished folder declares `input_size`
    (default: the same). `licences` are those of the sources, one each; `weights_licence` is that of the result.

    The same call goes on where a killed one stopped, and does nothing where it is finished. Its working files, in
    `out`/work, go at the end unless `keep_work`. Raises DataError, OptionError or ModelError for what cannot be
    used, RunError where `out` holds something else.
    """
    given = {**locals(), "out": Path(out)}
    asked = Asked(**given)
    if not pretrain_pictures(asked):
        listener(Said(f"{asked.out} is finished already."))
    if not keep_work and (asked.out / WORK).is_dir():
        shutil.rmtree(asked.out / WORK)
    return asked.out
