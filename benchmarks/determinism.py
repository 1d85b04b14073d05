"""Whether two runs of the same trials and seed, and a replay of the first one's journal, give the same weights.

    python benchmarks/determinism.py --data DATA --weights WEIGHTS

DATA holds hymenoptera/hymenoptera.zip, or is a data set itself; WEIGHTS holds timm folders, or is one. With `--budget`
instead of `--trials` the first run is bounded by the clock, which nothing can repeat but a replay: then only that is compared.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

from environments import headstart_fit, weights_folder

SET, MODEL = "hymenoptera", "mobilenetv2_100_imagenet_tf2"


def main() -> None:
    """Run two or three times and compare; the exit code is 1 where the weights differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {SET}/{SET}.zip, or a data set")
    parser.add_argument("--weights", type=Path, required=True, help="folder with timm folders, or one of them")
    parser.add_argument("--model", default=MODEL, help="which of the timm folders")
    parser.add_argument("--trials", default="6")
    parser.add_argument("--budget", help="bound the first run by time instead, such as 60s")
    chosen = parser.parse_args()
    inside = chosen.data / SET / f"{SET}.zip"
    given = (
        inside if inside.is_file() else chosen.data,
        "--model",
        weights_folder(chosen.weights, chosen.model),
        "--seed",
        "0",
    )
    bound = ("--budget", chosen.budget) if chosen.budget else ("--trials", chosen.trials)
    with tempfile.TemporaryDirectory() as scratch:
        names = ("first",) if chosen.budget else ("first", "second")
        folders = {name: Path(scratch) / name for name in (*names, "replayed")}
        for name in names:
            headstart_fit(*given, *bound, out=folders[name])
        headstart_fit(*given, "--replay", folders["first"] / "journal.jsonl", out=folders["replayed"])
        found = {
            name: hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
            for name, folder in folders.items()
        }
    for name, digest in found.items():
        print(f"{name:9} {digest}")
    same = len(set(found.values())) == 1
    print("the same, bit for bit" if same else "DIFFERENT")
    sys.exit(not same)


if __name__ == "__main__":
    main()
