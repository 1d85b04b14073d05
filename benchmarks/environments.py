"""Environments for the rivals, so that none of them touches Headstart's own, and timed processes in them.

    python benchmarks/environments.py --environments ENVS                                  makes all of them ahead of time
    python benchmarks/environments.py --environments ENVS fastai --run SCRIPT.py ARGUMENTS  times a script in one of them

An environment that is already there with the same pins is used again. The second form prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PACKAGES = {
    "fastai": ("fastai==2.8.12", "timm==1.0.31"),
    "setfit": ("setfit==1.2.0", "sentence-transformers==6.2.0"),
    "autogluon": ("autogluon.multimodal==1.6.3",),
    "transformer-ranker": ("transformer-ranker==0.2.0",),
}
OWN = ("bare",)
"""Rivals made of packages that Headstart needs as well: they run in its environment."""
HERE = Path(__file__).parent
MADE = "made-from.txt"
"""The pins that an environment was made from; written last, so that half an installation is not taken for a whole one."""
MARK = "RESULT "
"""What a rival's script prints before the JSON of its figures."""
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True, slots=True)
class Timed:
    """A finished process: its figures and the wall time of the whole of it, imports included."""

    figures: dict[str, float]
    seconds: float


def python_of(name: str, folder: Path) -> Path:
    """The interpreter of a rival's environment below `folder`; made with uv the first time.

    Everything is compiled to bytecode at once: otherwise a rival may compile its imports anew in every timed process.
    """
    if name in OWN:
        return Path(sys.executable)
    if name not in PACKAGES:
        raise SystemExit(f"{name}: no such rival. Choose from {', '.join([*PACKAGES, *OWN])}.")
    python, made, pins = folder / name / "bin" / "python", folder / name / MADE, "\n".join(PACKAGES[name])
    if made.is_file() and made.read_text() == pins:
        return python
    uv = shutil.which("uv")
    if uv is None:
        raise SystemExit("uv makes the rivals' environments and is not here. Run: pip install uv")
    if not python.is_file():
        subprocess.run([uv, "venv", "--quiet", "--python", "3.11", folder / name], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PACKAGES[name]], check=True)
    compile_all(python, folder / name)
    made.write_text(pins)
    return python


def compile_all(python: Path, environment: Path) -> None:
    """Write bytecode for every module; uv's own --compile-bytecode leaves out what is installed already."""
    # The exit code says only that some file is no Python of this version: templates and tests of a few packages are not.
    subprocess.run([python, "-m", "compileall", "-qq", "-j", "0", environment / "lib"], stdout=subprocess.DEVNULL)
    if not any(environment.rglob("site-packages/torch/__pycache__/__init__.*.pyc")):
        raise SystemExit(f"{environment}: no bytecode was written. Is the folder writable?")


def rival(name: str, script: str | Path, *arguments: str | Path, environments: Path) -> Timed:
    """Run `rivals/SCRIPT` (or a script by its whole path) in the rival's environment."""
    python = python_of(name, environments)
    seconds, output = timed([python, HERE / "rivals" / script, *arguments])
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if not lines:
        raise SystemExit(f"{script}: printed no line that begins with {MARK!r}\n{output[-2000:]}")
    return Timed(json.loads(lines[-1].removeprefix(MARK)), seconds)


def headstart_fit(*arguments: str | Path, out: Path) -> Timed:
    """Run `headstart fit` as a process of its own, without a cache from before."""
    environment = {"HEADSTART_CACHE": str(out.parent / f"{out.name}-cache")}
    command = [sys.executable, "-m", "headstart", "fit", *arguments, "--out", out]
    seconds, _ = timed(command, environment)
    accuracy = json.loads((out / "result.json").read_text())["test"]["transfer"]["accuracy"]
    return Timed({"accuracy": accuracy["value"], "tested": accuracy["n"]}, seconds)


def timed(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Seconds of wall time and standard output; ends with the process's own words where it fails.

    Bytecode may be written, whatever the shell says, so that every contestant can keep what it compiled.
    """
    inherited = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    began = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env={**inherited, **(environment or {})}
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return seconds, done.stdout


def weights_folder(given: Path, name: str) -> Path:
    """The timm folder `name` below a folder of weights; `given` itself where it is a timm folder already."""
    folder = given if (given / "config.json").is_file() else given / name
    if not (folder / "config.json").is_file():
        raise SystemExit(f"{folder}: no config.json there. Give --weights a folder that holds {name}/config.json.")
    return folder


def words(given: Sequence[str]) -> list[str]:
    """Names separated by spaces, commas or both."""
    return [name for word in given for name in word.split(",") if name]


def write_json(path: Path | None, value: Any) -> None:
    """Write what was measured, where a path was given."""
    if path is not None:
        path.write_text(json.dumps(value, indent=2) + "\n")


def main() -> None:
    """Make environments, or time a script in one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--environments", type=Path, required=True, help="the folder they are, or will be, in")
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(PACKAGES)} (default: all)")
    parser.add_argument("--run", nargs=argparse.REMAINDER, metavar="SCRIPT", help="a script and its arguments")
    chosen = parser.parse_args()
    if not chosen.run:
        for name in chosen.names or PACKAGES:
            print(f"{name}: {python_of(name, chosen.environments)}", flush=True)
        return
    if len(chosen.names) != 1:
        parser.error("--run takes exactly one environment")
    script, *arguments = chosen.run
    print(
        json.dumps(asdict(rival(*chosen.names, Path(script).resolve(), *arguments, environments=chosen.environments)))
    )


if __name__ == "__main__":
    main()
