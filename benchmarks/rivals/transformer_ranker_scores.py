"""transformer-ranker's three scores of given features: run by ../ranking/rival.py in the rival's environment.

    python transformer_ranker_scores.py FEATURES.npz

FEATURES.npz holds arrays `features/NAME` (N × D) and `labels/NAME` (N). Prints one JSON object: scores and seconds by name.
"""

import json
import sys
import time

import numpy as np
import torch
from transformer_ranker.estimators import HScore, LogME, NearestNeighbors

ESTIMATORS = {"hscore": HScore, "logme": LogME, "knn": NearestNeighbors}


def main() -> None:
    """Score everything in the file."""
    with np.load(sys.argv[1]) as file:
        names = [name.removeprefix("features/") for name in file.files if name.startswith("features/")]
        found = {}
        for name in names:
            features = torch.from_numpy(file[f"features/{name}"]).float()
            labels = torch.from_numpy(file[f"labels/{name}"]).long()
            found[name] = {}
            for called, estimator in ESTIMATORS.items():
                began = time.perf_counter()
                try:
                    value = float(estimator().fit(embeddings=features, labels=labels))
                except (RuntimeError, ValueError, torch.linalg.LinAlgError) as error:
                    value = None
                    print(f"{name} {called}: {error}", file=sys.stderr)
                found[name][called] = [value, time.perf_counter() - began]
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main()
