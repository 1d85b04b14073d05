"""How long `headstart --help` takes, and whether it imports torch.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

REPEATS = 9


def main() -> None:
    """Measure and print; the exit code is 1 where torch is imported."""
    command = str(Path(sys.executable).with_name("headstart"))
    if not Path(command).is_file():
        raise SystemExit(f"{command}: not there. Run this with the Python that Headstart is installed in.")
    seconds, bare = [], []
    for _ in range(REPEATS):  # alternating, so that both meet the same noise
        seconds.append(wall([command, "--help"]))
        bare.append(wall([sys.executable, "-c", "pass"]))
    print(f"headstart --help: median {statistics.median(seconds):.3f} s, least {min(seconds):.3f} s")
    print(f"python -c pass:   median {statistics.median(bare):.3f} s")
    loaded = imported([command, "--help"])
    print(f"imports torch: {'torch' in loaded} ({len(loaded)} modules)")
    sys.exit("torch" in loaded)


def wall(command: list[str]) -> float:
    """Seconds of a process."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def imported(command: list[str]) -> set[str]:
    """Every module that a Python script imports, however deep: -X importtime indents what another module asks for."""
    done = subprocess.run([sys.executable, "-X", "importtime", *command], capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[-1].strip() for line in lines}


if __name__ == "__main__":
    main()
