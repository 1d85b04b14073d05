"""Runs that are killed again and again, at random moments, and end as if nothing had happened.

    python -m tests.system.soak --kills 60 --seed 0

A small run is made once without interruption. Then the same command is started and killed with SIGKILL until so many kills are
reached and it has come to its end: its weights, predictions and trials must be those of the first, and nothing half-written may
be left. What was killed when is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.pictures import class_folders
from tests.tiny_models import timm_folder

SAME = ("model.safetensors", "predictions.csv", "splits.json")
TRIALS = 6


def soak(folder: Path, *, kills: int, seed: int) -> Counter[str]:
    """Kill `kills` times, over as many whole runs as that takes; how often each phase was hit. Raises AssertionError."""
    photos, model = folder / "photos", timm_folder(folder / "model")
    for part, start in (("train", 0), ("test", 500)):
        class_folders(photos / part, each=10, start=start)
    rng, hit = random.Random(seed), Counter[str]()
    whole_s = _whole(photos, model, folder / "whole", folder / "cache-whole")
    number = 0
    while sum(hit.values()) < kills:
        run, cache = folder / f"run-{number}", folder / f"cache-{number}"
        _until_finished(lambda run=run, cache=cache: _fit(photos, model, run, cache), run, rng, whole_s, hit, kills)
        _compare(run, folder / "whole")
        number += 1
    return hit


def _whole(photos: Path, model: Path, run: Path, cache: Path) -> float:
    began = time.monotonic()
    status = _wait(_forked(lambda: _fit(photos, model, run, cache)))
    assert status == 0, "the uninterrupted run failed"
    return time.monotonic() - began


def _until_finished(
    fit: Callable[[], None], run: Path, rng: random.Random, whole_s: float, hit: Counter[str], kills: int
) -> None:
    """Start and kill until the run is finished, or let it finish when there were kills enough."""
    while not (run / "result.json").is_file() or not (run / "report.html").is_file():
        child = _forked(fit)
        if sum(hit.values()) >= kills:
            assert _wait(child) == 0, "the run did not go on to its end"
            continue
        ended, _, _ = select.select([os.pidfd_open(child)], [], [], rng.uniform(0, whole_s / 2))
        if not ended:
            os.kill(child, signal.SIGKILL)
            hit[_phase(run)] += 1
        _wait(child)


def _fit(photos: Path, model: Path, run: Path, cache: Path) -> None:
    os.environ["HEADSTART_CACHE"] = str(cache)
    import headstart

    headstart.fit(photos, models=model, trials=TRIALS, seed=0, out=run, device="cpu", history=False)


def _forked(job: Callable[[], None]) -> int:
    """A child process that does the job; forked, because importing torch takes longer than the whole run."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        job()
        status = 0
    finally:
        os._exit(status)


def _wait(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _phase(run: Path) -> str:
    """The phase that a killed run was in."""
    log = run / "log.jsonl"
    lines = log.read_text().splitlines() if log.is_file() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]
    named = [event for event in events if event["event"] in ("PhaseStarted", "PhaseEnded")]
    if not named:
        return "before the first phase"
    return named[-1]["name"] if named[-1]["event"] == "PhaseStarted" else f"after {named[-1]['name']}"


def _compare(run: Path, whole: Path) -> None:
    for name in SAME:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), f"{name} differs after kills"
    assert _trials(run) == _trials(whole), "other trials after kills"
    assert _curves(run) == _curves(whole), "other learning curves after kills"
    left = [str(path.relative_to(run)) for path in run.rglob("*.half")]
    assert not left, f"half-written: {left}"


def _trials(run: Path) -> list[tuple[Any, ...]]:
    found = json.loads((run / "result.json").read_text())["trials"]
    return [(trial["strategy"], trial["backbone"], trial["settings"], trial["validation"]) for trial in found]


def _curves(run: Path) -> list[tuple[Any, ...]]:
    points = json.loads((run / "result.json").read_text())["head_start"]["points"]
    return [(point["labels"], point["transfer"], point["scratch"]) for point in points]


def main() -> None:
    """Print where it was killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    import headstart.pipeline  # noqa: F401  imported once, before the first fork

    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        hit = soak(Path(folder), kills=chosen.kills, seed=chosen.seed)
        print(f"{sum(hit.values())} kills in {time.monotonic() - began:.0f} s, the same result each time")
        for name, count in hit.most_common():
            print(f"  {count:3d} in {name}")


if __name__ == "__main__":
    main()
