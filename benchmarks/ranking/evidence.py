"""Scores of every candidate on every data set, from the features that `truth.py` left, beside what they were worth.

    python benchmarks/ranking/evidence.py --data DATA --weights WEIGHTS --work WORK

Writes tables/evidence.json: for each data set, candidate and draw every score on the draw's training examples alone, and the
same with permuted labels; and the classical floor. With --ship the package's own tables are written as well: measured.json
(for the prior) and forecast.json (for the guard).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from truth import rows
from zoo import DRAWS, IMAGE_SETS, SAME_DATA, TEXT_SETS, Target, draw, target

from headstart.choose.evidence import NEED_SOURCE, SCORES, Sample, weigh
from headstart.choose.outlook import floor_accuracy, guessing
from headstart.data.modality import MODALITIES
from headstart.data.split import inner_folds
from headstart.features.staged import MOST_STAGES
from headstart.features.store import Features
from headstart.models.cut import spaced

TABLE = Path(__file__).parent / "tables" / "evidence.json"


def main() -> None:
    """Compute what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    chosen = parser.parse_args()
    table: dict[str, Any] = json.loads(TABLE.read_text()) if TABLE.is_file() else {}
    measured = {(row["data"], row["backbone"]) for row in rows()}
    for name in (*IMAGE_SETS, *TEXT_SETS):
        found: Target | None = None
        entry = table.setdefault(name, {"floor": {}, "guessing": {}, "examples": {}, "candidates": {}})
        for model in sorted({model for data, model in measured if data == name}):
            folder = chosen.work / "features" / name / model
            if (name, model) in SAME_DATA or len(entry["candidates"].get(model, {})) == DRAWS:
                continue
            if not (folder / "about.json").is_file():
                continue
            found = found or target(chosen.data, name)
            entry["candidates"][model] = {str(number): scores(found, folder, number) for number in range(DRAWS)}
            print(name, model, flush=True)
        if found is not None:
            describe_target(found, entry)
        TABLE.write_text(json.dumps(table, indent=1) + "\n")


def scores(found: Target, folder: Path, number: int) -> dict[str, Any]:
    """All scores of a candidate on one draw's training examples."""
    parts = draw(found, number)
    features = Features.open(folder)
    assert features is not None
    about = json.loads((folder / "about.json").read_text())
    labels_n, groups_n = found.labels_N[parts.train], found.groups_N[parts.train]
    pairs = inner_folds(labels_n.tolist(), groups_n.tolist(), k=5, seed=0)
    sample = Sample(labels_n, groups_n, [(np.array(inner), np.array(held_out)) for inner, held_out in pairs])
    wanted = [name for name in SCORES if name not in NEED_SOURCE]
    ends = np.cumsum(about["widths"])
    kept = spaced(len(ends), MOST_STAGES)
    staged_ND = features.take(parts.train)
    evidence = weigh(
        np.concatenate(
            [staged_ND[:, ends[number] - about["widths"][number] : ends[number]] for number in kept], axis=1
        ),
        [(about["stages"][number], about["widths"][number]) for number in kept],
        sample,
        scores=wanted,
        seed=number,
    )
    cut = evidence.cuts[evidence.cut]
    return {
        "scores": {
            name: [round(one.value, 5), round(one.chance, 5), round(one.spread, 5)]
            for name, one in evidence.scores.items()
        },
        "right": round(float(evidence.right_N.mean()), 5),
        "cut": cut.name,
        "cut_is_last": evidence.cut == len(evidence.cuts) - 1,
        "gain": round(cut.gain, 5),
    }


def describe_target(found: Target, entry: dict[str, Any]) -> None:
    """What is known of the target without any candidate, draw by draw."""
    modality = MODALITIES[found.data.modality]
    for number in range(DRAWS):
        rows_n = draw(found, number).train
        items, labels_n = [found.data.items[row] for row in rows_n], found.labels_N[rows_n]
        floor = floor_accuracy(modality.floor_features, items, labels_n, found.groups_N[rows_n])
        chance, classes = guessing(labels_n)
        entry["floor"][str(number)] = round(floor, 5)
        entry["guessing"][str(number)] = round(chance, 5)
        entry["examples"][str(number)] = len(rows_n)
        entry["classes"] = classes


if __name__ == "__main__":
    main()
