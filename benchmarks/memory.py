"""Whether peak memory grows with the number of pictures: 1,000 against 50,000, each in a process of its own.

python benchmarks/memory.py --model starter:glyph [--counts 1000,50000]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from environments import timed
from PIL import Image

SIDE, CLASSES = 96, 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="starter:glyph")
    parser.add_argument("--counts", default="1000,50000")
    parser.add_argument("--strategy", default="probe")
    chosen = parser.parse_args()
    peaks = {}
    for count in map(int, chosen.counts.split(",")):
        with tempfile.TemporaryDirectory() as scratch:
            write_pictures(Path(scratch) / "data", count)
            out = Path(scratch) / "run"
            command: list[str | Path] = [
                sys.executable, "-m", "headstart", "fit", Path(scratch) / "data", "--model", chosen.model,
                "--strategy", chosen.strategy, "--control", "none", "--out", out,
            ]  # fmt: skip
            seconds, _ = timed(command, {"HEADSTART_CACHE": str(Path(scratch) / "cache")})
            phases = json.loads((out / "result.json").read_text())["phases"]
            peaks[count] = max(phase["peak_mib"] for phase in phases)
            told = ", ".join(f"{phase['name']} {phase['peak_mib']:.0f}" for phase in phases)
            print(f"{count:7,} pictures: peak {peaks[count]:.0f} MiB in {seconds:.0f} s ({told})", flush=True)
    least, *_, most = peaks.values()
    print(f"ratio: {most / least:.2f}")


def write_pictures(folder: Path, count: int) -> None:
    """`count` JPEG files of noise over a colour and slope of their class, with train and test folders."""
    rng = np.random.default_rng(0)
    slope_HW = np.linspace(-1, 1, SIDE)[:, None] * np.linspace(-1, 1, SIDE)[None, :]
    for number in range(count):
        kind = number % CLASSES
        part = "test" if number % 10 == 9 - kind else "train"
        base = 128 + 40 * np.cos(kind + np.arange(3)) + 20 * slope_HW[..., None] * (kind - 2)
        coarse = rng.normal(0, 30, (12, 12, 3)).repeat(8, 0).repeat(8, 1)
        path = folder / part / f"kind{kind}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(base + coarse, 0, 255).astype(np.uint8)).save(path, quality=85)


if __name__ == "__main__":
    main()
