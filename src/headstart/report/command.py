"""The command that a run was made with, from its recorded options."""

from __future__ import annotations

import shlex
from typing import Any

from headstart.run.result import Result

FLAGS = {
    "metric": "--metric",
    "trials": "--trials",
    "device": "--device",
    "precision": "--precision",
    "control": "--control",
    "task": "--task",
    "source_sample": "--source-sample",
}
USUAL = {"device": "auto", "precision": "auto", "control": "scratch"}
REPEATED = {"models": "--model", "strategies": "--strategy", "unlabelled": "--unlabelled"}


def fit_command(result: Result, out: str) -> str:
    """The `headstart fit` command of a run, quoted for a shell; defaults are left out, but for budget and seed."""
    options = result.options
    words = ["headstart", "fit", str(result.data["name"])]
    for name, flag in REPEATED.items():
        words += [word for value in options.get(name) or () for word in (flag, str(value))]
    if options.get("budget_s") is not None:
        words += ["--budget", f"{options['budget_s']:g}s"]
    for name, flag in FLAGS.items():
        value = options.get(name)
        if value is not None and value != USUAL.get(name):
            words += [flag, str(value)]
    words += _columns(options.get("columns") or {})
    words += ["--seed", str(result.seed)]
    words += ["--offline"] if options.get("offline") else []
    words += ["--no-history"] if options.get("history") is False else []
    return shlex.join([*words, "--out", out])


def _columns(columns: dict[str, Any]) -> list[str]:
    words = [word for name in columns.get("text") or () for word in ("--text", name)]
    for name in ("image", "label", "split", "group"):
        words += [f"--{name}", columns[name]] if columns.get(name) else []
    return words
