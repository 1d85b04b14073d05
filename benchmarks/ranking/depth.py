"""How deep: does the advice find the strategy that is best, and what does following it cost?

    python benchmarks/ranking/depth.py

Reads tables/truth.jsonl and tables/evidence.json. A cell is one candidate on one data set for which all strategies named were
measured on the same draw. Advice sees the draw's training examples alone.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
from truth import rows
from zoo import IMAGE_SETS, TEXT_SETS

from headstart.choose.depth import Situation, advise

TABLES = Path(__file__).parent / "tables"
DRAW = 0


def main() -> None:
    """Print accuracy by rule, means over cells."""
    evidence = json.loads((TABLES / "evidence.json").read_text())
    found = {(row["data"], row["backbone"], row["strategy"]): row["accuracy"] for row in rows() if row["draw"] == DRAW}
    for ways in (("probe", "partial", "full"), ("probe", "partial")):
        cells = [
            cell(name, model, entry, found, ways)
            for name, entry in evidence.items()
            for model in entry["candidates"]
            if name in (*IMAGE_SETS, *TEXT_SETS)
        ]
        told = [one for one in cells if one is not None]
        if not told:
            continue
        values = {way: np.array([one[0][way] for one in told]) for way in ways}
        best = np.max(list(values.values()), axis=0)
        advised = np.array([one[0][one[1]] for one in told])
        print(f"{len(told)} cells with {', '.join(ways)}: points behind the best of them")
        for called, accuracy in {
            **{f"always {way}": value for way, value in values.items()},
            "as advised": advised,
        }.items():
            print(f"  {called:16s} {100 * (best - accuracy).mean():.2f} (worst {100 * (best - accuracy).max():.1f})")
        print(
            "  advised:",
            dict(Counter(one[1] for one in told)),
            "within a point of the best:",
            f"{(best - advised <= 0.01).mean():.0%}",
        )


def cell(name: str, model: str, entry: dict, found: dict, ways: tuple[str, ...]) -> tuple[dict[str, float], str] | None:
    """Accuracies by strategy and the advice; None where something was not measured."""
    if not all((name, model, way) in found for way in ways):
        return None
    told = entry["candidates"][model][str(DRAW)]
    early = None if told["cut_is_last"] else told["cut"]
    situation = Situation(
        told["right"], entry["guessing"][str(DRAW)], entry["examples"][str(DRAW)], entry["classes"], early
    )
    advice = advise(situation).strategy
    return {way: found[name, model, way] for way in ways}, advice if advice in ways else ways[-1]


if __name__ == "__main__":
    main()
