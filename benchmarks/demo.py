"""How long `headstart demo` takes once it is installed.

python benchmarks/demo.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from environments import timed


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        command: list[str | Path] = [sys.executable, "-m", "headstart", "demo", "--no-open", "--out", out]
        seconds, _ = timed(command, {"HEADSTART_CACHE": str(Path(scratch) / "cache")})
        result = json.loads((out / "result.json").read_text())
    print(
        f"headstart demo: {seconds:.1f} s, first the source {result['ranking'][0]['backbone']}, "
        f"test accuracy {result['test']['transfer']['accuracy']['value']:.3f}, "
        f"from scratch {result['test']['scratch']['accuracy']['value']:.3f}"
    )


if __name__ == "__main__":
    main()
