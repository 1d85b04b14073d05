"""`rank`: which pre-trained model to reuse, how sure that is, and what lies ahead; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.choosing import (
    Given,
    known,
    load_candidates,
    material_of,
    outlooks,
    rank_candidates,
    stories,
    workbench_of,
)
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.errors import OptionError
from headstart.events import Listener, Said, silent
from headstart.models.backbone import Backbone
from headstart.rank_record import RankResult, record_of, write_record
from headstart.run.clock import BudgetClock, seconds
from headstart.runtime import place, seed_everything


def rank(
    data: Any,
    *,
    models: Sequence[str | Path | Backbone] | str | Path | Backbone = (),
    budget: str | float | None = None,
    out: str | Path | None = None,
    text: Sequence[str] | str = (),
    image: str | None = None,
    label: str | None = None,
    split: str | None = None,
    group: str | None = None,
    task: str | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    offline: bool = False,
    history: bool = True,
    listener: Listener = silent,
) -> RankResult:
    """Order pre-trained models for `data` without training any: `data` and `models` as for `fit`.

    With `out`, a folder, `ranking.json` and `ranking.html` are written to it. `budget` is a time such as `60s`: who has not
    been looked at when it ends is dropped, and said to be. Features are kept in the cache, so that the same command, or a
    `fit` after it, does not compute them again. Raises HeadstartError for anything that the caller can mend.
    """
    given: Given = [models] if isinstance(models, str | Path | Backbone) else list(models)
    columns = Columns(
        text=(text,) if isinstance(text, str) else tuple(text),
        image=image,
        label=label,
        split=split,
        group=group,
        task=task,
    )
    clock = BudgetClock(seconds(budget))
    placement = place(device, precision=precision)
    seed_everything(seed)
    material = material_of(read(data, columns=columns), metric=None, seed=seed, listener=listener)
    backbones, lost = load_candidates(given, material.dataset.modality, offline=offline, listener=listener)
    bench = workbench_of(material, backbones, placement=placement, seed=seed, listener=listener)
    if bench.reads == "tokens":
        raise OptionError(
            f"{material.dataset.name}: {bench.task.name} reads single tokens, and sources are ranked by features of whole examples. "
            "Run `headstart fit` with the --model names to compare."
        )
    ranking = rank_candidates(material, bench, learned=known(history), clock=clock, listener=listener)
    ranking = replace(ranking, dropped=(*lost, *ranking.dropped))
    ahead = outlooks(material, bench, ranking, control=True)
    told = stories(material, bench, ranking, ahead)
    record = record_of(material, bench, ranking, ahead, told, seconds=clock.now())
    if out is not None:
        listener(Said(f"Page: {write_record(Path(out), record, material)}"))
    return record
