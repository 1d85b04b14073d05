"""Whether peak memory grows with the number of pictures: 1,000 against 50,000, each in a process of its own.

    python benchmarks/memory.py [--counts 1000 50000] [--whole 20m]

By default the probe alone is fitted, without a control; `--whole TIME` runs all strategies and controls within that time
instead. The peak is what the operating system says of the process; what result.json holds for each phase stands beside it
(the largest so far, so it never falls).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from environments import words, write_json
from PIL import Image

SIDE, CLASSES = 96, 5
MAXRSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10


@dataclass(frozen=True, slots=True)
class Peak:
    """Memory of one process in MiB: the operating system's figure, and the run's own at the end of each phase."""

    mib: float
    seconds: float
    phases: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="starter:glyph")
    parser.add_argument("--counts", nargs="+", default=["1000", "50000"])
    parser.add_argument("--strategy", default="probe")
    parser.add_argument("--whole", metavar="TIME", help="all strategies and controls within this budget")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    options = ["--budget", chosen.whole] if chosen.whole else ["--strategy", chosen.strategy, "--control", "none"]
    peaks = {}
    for count in map(int, words(chosen.counts)):
        with tempfile.TemporaryDirectory() as scratch:
            write_pictures(Path(scratch) / "data", count)
            found = peaks[count] = fitted(Path(scratch), ["--model", chosen.model, *options])
        told = ", ".join(f"{name} {mib:.0f}" for name, mib in found.phases.items())
        print(f"{count:7,} pictures: peak {found.mib:.0f} MiB in {found.seconds:.0f} s ({told})", flush=True)
    write_json(chosen.json, {str(count): asdict(found) for count, found in peaks.items()})
    print(f"ratio: {peaks[max(peaks)].mib / peaks[min(peaks)].mib:.2f}")


def fitted(scratch: Path, options: list[str]) -> Peak:
    """The peak of `headstart fit` on scratch/data, in a process of its own and without a cache from before."""
    out, said = scratch / "run", scratch / "said.txt"
    command = [sys.executable, "-m", "headstart", "fit", str(scratch / "data"), *options, "--out", str(out)]
    began = time.monotonic()
    with said.open("w") as file:
        environment = {**os.environ, "HEADSTART_CACHE": str(scratch / "cache")}
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)  # the usage of this child alone, which Popen.wait does not give
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}\n{said.read_text()[-3000:]}")
    phases = json.loads((out / "result.json").read_text())["phases"]
    return Peak(usage.ru_maxrss / MAXRSS_PER_MIB, seconds, {phase["name"]: phase["peak_mib"] for phase in phases})


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
