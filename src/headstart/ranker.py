"""`rank`: which pre-trained model to reuse, how sure that is, and what lies ahead; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from headstart import saving
from headstart.choose.outlook import Outlook
from headstart.choose.ranking import Ranking
from headstart.choosing import (
    Given,
    Material,
    known,
    load_candidates,
    material_of,
    outlooks,
    placed_on_map,
    rank_candidates,
    workbench_of,
)
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.errors import RunError
from headstart.events import Listener, Said, silent
from headstart.files import read_json, write_json
from headstart.models.backbone import Backbone
from headstart.report.rank_page import write_rank_page
from headstart.run.clock import BudgetClock, seconds
from headstart.runtime import place, seed_everything

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RankResult:
    """Everything `ranking.json` holds; every field is JSON-ready.

    - `data`: `{"name", "fingerprint", "modality", "kind", "classes", "examples", "looked_at"}`.
    - `ranking`: candidates, best first, as in `result.json`, each with `outlook` (see docs/result-schema.md).
    - `why`: one sentence; `notes`: what should be known of all figures; `dropped`: `[{"name", "reason"}]`.
    - `share`: weight of evidence beside the prior; `prior_sha256`: hash of what the prior was learned from.
    - `map`: `[{"name", "x", "y"}]`, the target first.
    """

    data: Mapping[str, Any]
    ranking: Sequence[Mapping[str, Any]]
    why: str
    notes: Sequence[str]
    dropped: Sequence[Mapping[str, str]]
    share: float
    prior_sha256: str
    map: Sequence[Mapping[str, Any]]
    seed: int
    seconds: float
    versions: Mapping[str, str]
    schema_version: int = SCHEMA_VERSION

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> RankResult:
        """The inverse of `write`; raises RunError for another version."""
        values = read_json(path)
        if values.get("schema_version") != SCHEMA_VERSION:
            raise RunError(
                f"{path}: schema version {values.get('schema_version')}, this is {SCHEMA_VERSION}. Rank again."
            )
        return cls(**{item.name: values[item.name] for item in fields(cls)})


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
        text=(text,) if isinstance(text, str) else tuple(text), image=image, label=label, split=split, group=group
    )
    clock = BudgetClock(seconds(budget))
    placement = place(device, precision=precision)
    seed_everything(seed)
    material = material_of(read(data, columns=columns), metric=None, seed=seed, listener=listener)
    backbones, lost = load_candidates(given, material.dataset.modality, offline=offline, listener=listener)
    bench = workbench_of(material, backbones, placement=placement, seed=seed, listener=listener)
    ranking = rank_candidates(material, bench, learned=known(history), clock=clock, listener=listener)
    ranking = replace(ranking, dropped=(*lost, *ranking.dropped))
    ahead = outlooks(material, bench, ranking, control=True)
    places = placed_on_map(bench, ranking)
    result = RankResult(
        data={
            "name": material.dataset.name,
            "fingerprint": material.fingerprint,
            "modality": material.dataset.modality,
            "kind": material.dataset.kind,
            "classes": list(material.classes),
            "examples": len(material.splits.train),
            "looked_at": len(ranking.rows),
        },
        ranking=[
            {**row, "outlook": outlook_of(one, material, found.rows)}
            for row, one, found in zip(saving.ranking_of(ranking), ahead, ranking.candidates, strict=True)
        ],
        why=ranking.why(),
        notes=list(ranking.notes),
        dropped=[asdict(one) for one in ranking.dropped],
        share=ranking.share,
        prior_sha256=ranking.prior_sha256,
        map=_map(ranking, places),
        seed=seed,
        seconds=round(clock.now(), 2),
        versions=saving.versions(),
    )
    if out is not None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        result.write(folder / "ranking.json")
        write_rank_page(folder / "ranking.html", asdict(result), saving.thumbnails_of(material))
        listener(Said(f"Page: {folder / 'ranking.html'}"))
    return result


def outlook_of(found: Outlook, material: Material, rows: Any) -> dict[str, Any]:
    """An outlook as a row; the farthest examples by their ids."""
    ids = material.dataset.ids
    train = material.splits.train
    expected = found.forecast
    return {
        "measures": {name: value for name, value in found.portrait.measures.items() if value is not None},
        "called": [{"class": name, "share": share} for name, share in found.portrait.called],
        "mismatches": [asdict(one) for one in found.portrait.mismatches],
        "farthest": {"by": found.portrait.by, "ids": [ids[train[rows[row]]] for row in found.portrait.farthest]},
        "advice": asdict(found.advice),
        "costs": [asdict(one) for one in found.costs],
        "forecast": None
        if expected is None
        else {
            "word": expected.word,
            "chances": dict(expected.chances),
            "difference": expected.difference,
            "low": expected.low,
            "high": expected.high,
            "sentence": expected.in_words(),
        },
    }


def _map(ranking: Ranking, places: Any) -> list[dict[str, Any]]:
    whole = [one.card.name for one in ranking.candidates if len(one.rows) == len(ranking.rows)]
    return [
        {"name": name, "x": float(x), "y": float(y)}
        for name, (x, y) in zip(["your data", *whole], places.tolist(), strict=True)
    ]
