"""`result.json`: the public, versioned record of what a finished run proves.

The schema is documented in docs/result-schema.md; a change that removes or redefines a key raises SCHEMA_VERSION.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from headstart.errors import RunError
from headstart.files import read_json, write_json

SCHEMA_VERSION = 1

Figure = Mapping[str, Any]
"""`{"value": float | None, "low": float | None, "high": float | None, "n": int, "method": str}`: an interval at 95 %."""


@dataclass(frozen=True, slots=True)
class Result:
    """Everything `result.json` holds; every field is JSON-ready.

    - `task`: `{"name", "modality", "kind", "classes", "metric", "higher_is_better", "labels_without_figures"}`.
    - `data`: `{"name", "fingerprint", "examples", "set_aside", "train", "val", "test", "scheme", "groups"}`, where `scheme`
      is `given test`, `held out` or `nested cross-validation`.
    - `ranking`: candidates, best first: `{"backbone", "place", "tied", "places", "chance_of_first", "score", "low", "high",
      "examples", "scores", "prior", "cut", "cuts", "domain", "parameters", "licence", "input", "seconds", "chosen", "why"}`.
    - `trials`: every finished trial: `{"number", "fold", "role", "backbone", "strategy", "settings",
      "validation": {metric: value}, "seconds", "chosen", "error"}`; `role` is `transfer`, `scratch` or `random-frozen`.
    - `chosen`: `{"backbone", "strategy", "settings", "why", "card"}`.
    - `test`: `{"transfer" | "scratch" | "random-frozen" | "floor-majority" | "floor-classical": {metric: Figure}}`;
      `floor_names` says which classical method the floor is.
    - `verdict`: None without a scratch control, else `{"word", "difference": Figure, "p_value", "better", "worse",
      "n", "against", "sentence"}`.
    - `calibration`: `{"temperature", "ece_before": Figure, "ece_after": Figure, "bins": [{"low", "high", "confidence",
      "accuracy", "accuracy_low", "accuracy_high", "count"}], "bins_before": [...]}`.
    - `confusion`: `{"classes", "counts": [[int]]}` for one label per example (rows true, columns predicted), else None.
    - `gap`: `{"train", "test", "difference"}`: accuracy on training and on test data.
    - `foresight`: what was expected of the shipped backbone before training, beside what was found; None without a control.
    - `head_start`: how many labels and seconds transfer saves, `{"labels": Figure, "seconds": Figure, "level", "limit", "needed", "seen",
      "points", "folds", "missing"}`; None without a scratch control.
    - `concepts`: what the answers rest on, `{"findings": [{"name", "title", "sentence", "on", "rows", "examples", "warning"}], "words",
      "left_out"}`; None where there are no checks for such data.
    - `language`: of a language model `{"conversations", "how", "samples": [{"id", "prompt", "transfer", "scratch", "truth"}]}`, else None.
    - `spans`: of labelled words `{"types": [{"name", "true", "said", "right", "precision": Figure, "recall": Figure, "f1": Figure}], "errors", "confusion"}`,
      else None.
    - `continued`: how the backbone went on with unlabelled examples and what validation said of it, `{"backbone", "base", "kept", "metric", "value",
      "plain", "difference": Figure, "objective", "head", "texts", "tokens", "steps", "passes", "seconds", "same", "held_out", "before", "after", "missing"}`;
      None where there were none.
    - `forgetting`: the loss on text of the source's domain, `{"sample", "texts", "objective", "before": Figure, "after": Figure, "difference":
      Figure, "strategies": [{"strategy", "backbone", "validation", "source"}]}`; None where there was no such text, or no head to ask.
    - `phases`: `[{"name", "seconds", "peak_mib"}]`; `seed`, `versions`, `options`, `machine` as used.
    """

    task: Mapping[str, Any]
    data: Mapping[str, Any]
    ranking: Sequence[Mapping[str, Any]]
    trials: Sequence[Mapping[str, Any]]
    chosen: Mapping[str, Any]
    test: Mapping[str, Mapping[str, Figure]]
    floor_names: Mapping[str, str]
    verdict: Mapping[str, Any] | None
    calibration: Mapping[str, Any] | None
    confusion: Mapping[str, Any] | None
    gap: Mapping[str, Any] | None
    phases: Sequence[Mapping[str, Any]]
    seed: int
    versions: Mapping[str, str]
    options: Mapping[str, Any]
    machine: Mapping[str, Any]
    foresight: Mapping[str, Any] | None = None
    head_start: Mapping[str, Any] | None = None
    concepts: Mapping[str, Any] | None = None
    language: Mapping[str, Any] | None = None
    spans: Mapping[str, Any] | None = None
    continued: Mapping[str, Any] | None = None
    forgetting: Mapping[str, Any] | None = None
    schema_version: int = SCHEMA_VERSION

    def write(self, path: Path) -> None:
        """Write the result as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Result:
        """Read a result; what later releases added to this version is left aside.

        Raises RunError where there is none, where it is damaged, and where another schema version wrote it.
        """
        if not path.is_file():
            raise RunError(
                f"{path.parent}: no result.json, so no finished run. Run the same `headstart fit` to finish it."
            )
        try:
            values = read_json(path)
        except ValueError as error:
            raise RunError(
                f"{path}: no JSON ({error}). Restore it, or run `headstart fit` into another folder."
            ) from error
        version = values.get("schema_version") if isinstance(values, dict) else None
        if version != SCHEMA_VERSION:
            raise RunError(
                f"{path}: schema version {version}, this is version {SCHEMA_VERSION}. Use the Headstart that wrote it."
            )
        known = [item.name for item in fields(cls) if item.name in values]
        missing = [item.name for item in fields(cls) if item.default is MISSING and item.name not in values]
        if missing:
            raise RunError(
                f"{path}: lacks {', '.join(missing)}. Restore it, or run `headstart fit` into another folder."
            )
        return cls(**{name: values[name] for name in known})
