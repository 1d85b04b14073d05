"""`ranking.json`: the record of a ranking, with what lies ahead of each candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from headstart import saving
from headstart.adapt.workbench import Workbench
from headstart.choose.forecast import Forecast
from headstart.choose.outlook import Outlook
from headstart.choose.ranking import Ranking
from headstart.choosing import Material, placed_on_map
from headstart.errors import RunError
from headstart.files import read_json, write_json
from headstart.report.rank_page import write_rank_page

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


def record_of(
    material: Material,
    bench: Workbench,
    ranking: Ranking,
    ahead: Sequence[Outlook],
    told: Sequence[str],
    *,
    seconds: float,
) -> RankResult:
    """Everything about a ranking, JSON-ready; `told` is what should be known before trusting it."""
    return RankResult(
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
        notes=[*ranking.notes, *told],
        dropped=[asdict(one) for one in ranking.dropped],
        share=ranking.share,
        prior_sha256=ranking.prior_sha256,
        map=_map(ranking, placed_on_map(bench, ranking)),
        seed=bench.seed,
        seconds=round(seconds, 2),
        versions=saving.versions(),
    )


def write_record(folder: Path, record: RankResult, material: Material) -> Path:
    """Write `ranking.json` and `ranking.html` to `folder`; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    record.write(folder / "ranking.json")
    return write_rank_page(folder / "ranking.html", asdict(record), saving.thumbnails_of(material))


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
        "forecast": forecast_of(expected) if expected is not None else None,
    }


def forecast_of(expected: Forecast) -> dict[str, Any]:
    """A forecast as a row."""
    return {
        "word": expected.word,
        "chances": dict(expected.chances),
        "difference": expected.difference,
        "low": expected.low,
        "high": expected.high,
        "sentence": expected.in_words(),
    }


def _map(ranking: Ranking, places: Any) -> list[dict[str, Any]]:
    whole = [one.card.name for one in ranking.candidates if len(one.rows) == len(ranking.rows)]
    return [
        {"name": name, "x": float(x), "y": float(y)}
        for name, (x, y) in zip(["your data", *whole], places.tolist(), strict=True)
    ]
