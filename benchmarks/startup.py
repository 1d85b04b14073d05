"""How long `headstart --help` takes, and whether it imports torch.

python benchmarks/startup.py
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time

REPEATS = 9


def main() -> None:
    """Measure and print."""
    command = shutil.which("headstart") or f"{sys.prefix}/bin/headstart"
    seconds, bare = [], []
    for _ in range(REPEATS):  # alternating, so that both meet the same noise
        seconds.append(wall([command, "--help"]))
        bare.append(wall([sys.executable, "-c", "pass"]))
    print(f"headstart --help: median {statistics.median(seconds):.3f} s, least {min(seconds):.3f} s")
    print(f"python -c pass:   median {statistics.median(bare):.3f} s")
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", command, "--help"], capture_output=True, text=True, check=True
    ).stderr
    print(f"imports torch: {'| torch' in loaded}")


def wall(command: list[str]) -> float:
    """Seconds of a process."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
