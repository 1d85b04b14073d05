"""Environments for the rivals, so that none of them touches Headstart's own, and timed processes in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {
    "fastai": ("fastai==2.8.12", "timm==1.0.31"),
    "setfit": ("setfit==1.2.0", "sentence-transformers==6.2.0"),
    "autogluon": ("autogluon.multimodal==1.6.3",),
}
HERE = Path(__file__).parent
MARK = "RESULT "
"""What a rival's script prints before the JSON of its figures."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A finished process: its figures and the wall time of the whole of it, imports included."""

    figures: dict[str, float]
    seconds: float


def python_of(name: str, folder: Path) -> Path:
    """The interpreter of a rival's environment below `folder`; made with uv the first time."""
    python = folder / name / "bin" / "python"
    if not python.is_file():
        subprocess.run(["uv", "venv", "--quiet", "--python", "3.11", folder / name], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *PACKAGES[name]], check=True)
    return python


def rival(name: str, script: str, *arguments: str | Path, environments: Path) -> Timed:
    """Run `rivals/SCRIPT` in the rival's environment."""
    python = python_of(name, environments)
    seconds, output = timed([python, HERE / "rivals" / script, *arguments])
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    return Timed(json.loads(lines[-1].removeprefix(MARK)), seconds)


def headstart_fit(*arguments: str | Path, out: Path) -> Timed:
    """Run `headstart fit` as a process of its own, without a cache from before."""
    environment = {"HEADSTART_CACHE": str(out.parent / f"{out.name}-cache")}
    command = [sys.executable, "-m", "headstart", "fit", *arguments, "--out", out]
    seconds, _ = timed(command, environment)
    accuracy = json.loads((out / "result.json").read_text())["test"]["transfer"]["accuracy"]["value"]
    return Timed({"accuracy": accuracy}, seconds)


def timed(command: list[str | Path], environment: dict[str, str] | None = None) -> tuple[float, str]:
    """Seconds of wall time and standard output; ends with the process's own words where it fails."""
    began = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return seconds, done.stdout
