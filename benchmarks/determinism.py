"""Whether two runs of the same trials and seed, and a replay of the first one's journal, give the same weights.

python benchmarks/determinism.py --data PICTURES --weights WEIGHTS
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

from environments import headstart_fit


def main() -> None:
    """Run three times and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="a data set: folder, zip or table")
    parser.add_argument("--weights", required=True, help="a backbone: folder or name")
    parser.add_argument("--trials", default="6")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch) / name for name in ("first", "second", "replayed")}
        given = (chosen.data, "--model", chosen.weights, "--seed", "0")
        for name in ("first", "second"):
            headstart_fit(*given, "--trials", chosen.trials, out=folders[name])
        headstart_fit(*given, "--replay", folders["first"] / "journal.jsonl", out=folders["replayed"])
        found = {
            name: hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
            for name, folder in folders.items()
        }
    for name, digest in found.items():
        print(f"{name:9} {digest}")
    print("the same, bit for bit" if len(set(found.values())) == 1 else "DIFFERENT")


if __name__ == "__main__":
    main()
