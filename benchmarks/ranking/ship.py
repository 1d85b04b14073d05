"""The package's own measured table: what `evidence.py` and `truth.py` found, as the prior reads it.

    python benchmarks/ranking/ship.py --data DATA --weights WEIGHTS

Worth is the best validation value of a strategy: what `truth.py` measured are answers on examples that no fit saw, pooled over
draws. Each data set carries the fingerprint that `fit` gives it, so that it never vouches for itself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from ranking import TABLES, USED, worth
from zoo import DRAWS, IMAGE_SETS, TEXT_SETS, image_zoo, text_zoo

import headstart.choose
from headstart.choose.knowledge import ERROR, names_of
from headstart.choose.potential import log_error
from headstart.data.audit import audit
from headstart.data.fingerprint import fingerprint
from headstart.data.read import read

SHIPPED = Path(headstart.choose.__file__).parent / "tables" / "measured.json"


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    chosen = parser.parse_args()
    evidence = json.loads((TABLES / "evidence.json").read_text())
    values = worth(("probe", "partial", "full"))
    names = {}
    for zoo in (image_zoo(chosen.weights), text_zoo(chosen.weights)):
        names |= {model: names_of(load().card)[0] for model, load in zoo.items() if "(random)" not in model}
    entries = []
    for name in (*IMAGE_SETS, *TEXT_SETS):
        found = evidence.get(name, {}).get("candidates", {})
        models = [model for model in sorted(values[name]) if model in found]
        if len(models) < 2:
            continue
        source = chosen.data / name / f"{name}.zip"
        data = read(source if source.is_file() else chosen.data / name)
        entries.append(
            {
                "zoo": "small backbones on small data, benchmarks/ranking",
                "data_set": name,
                "fingerprint": fingerprint(data, audit(data).contents),
                "scores": {
                    names[model]: {
                        ERROR: error_of(found[model], evidence[name]["examples"]),
                        **{kind: mean_above(found[model], kind) for kind in USED},
                    }
                    for model in models
                },
                "worth": {names[model]: round(values[name][model], 4) for model in models},
            }
        )
        print(name, len(models), flush=True)
    SHIPPED.write_text(json.dumps(entries, indent=1) + "\n")


def error_of(draws: dict, examples: dict) -> float:
    """The mean log error of the left-out ridge probe and the nearest neighbours, mean over draws."""
    found = [
        log_error(np.array([draws[draw]["right"], draws[draw]["scores"]["knn"][0]]), count).mean()
        for draw, count in examples.items()
    ]
    return round(float(np.mean(found)), 5)


def mean_above(draws: dict, kind: str) -> float:
    """A score above chance, mean over draws."""
    found = [draws[str(number)]["scores"][kind] for number in range(DRAWS)]
    return round(float(np.mean([value - chance for value, chance, _ in found])), 5)


if __name__ == "__main__":
    main()
