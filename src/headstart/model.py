"""A finished model: predict, evaluate, save, load."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart.adapt.network import Network, remade
from headstart.data.dataset import Dataset
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read, read_inputs
from headstart.errors import DataError, NothingReadable, OptionError, RunError
from headstart.features.batches import CHUNK
from headstart.features.extract import feature_chunks
from headstart.files import read_json, read_tensors, replacing, write_json, write_tensors
from headstart.models.backbone import Backbone
from headstart.models.resolve import rebuild
from headstart.models.weights import load_exactly
from headstart.prove.estimate import Estimate
from headstart.prove.evidence import confusion_counts
from headstart.prove.metrics import evaluate
from headstart.registry import pick
from headstart.run.result import Result
from headstart.runtime import Placement, generator, place
from headstart.tasks import TASKS, Task

FORMAT_VERSION = 2
"""What is written. Version 1 had no `head`: it was linear and read the backbone's own features."""
READABLE = (1, 2)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer; where the input could not be read, `error` says why and nothing is predicted."""

    id: str
    labels: tuple[str, ...]
    confidence: float | None
    probabilities: Mapping[str, float]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers in the order of the inputs."""

    rows: tuple[Prediction, ...]
    classes: tuple[str, ...]

    def to_csv(self, path: str | Path) -> None:
        """Write id, predicted, confidence, error and one probability per class."""
        with replacing(Path(path)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "predicted", "confidence", "error", *(f"p:{name}" for name in self.classes)])
            for row in self.rows:
                chances = [f"{row.probabilities[name]:.6g}" if row.probabilities else "" for name in self.classes]
                confidence = "" if row.confidence is None else f"{row.confidence:.6g}"
                writer.writerow([row.id, ";".join(row.labels), confidence, row.error or "", *chances])

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        from headstart.report.notebook import html_predictions

        return html_predictions(self)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics of a model on labelled data, each with a 95 % interval."""

    n: int
    metrics: Mapping[str, Estimate]
    confusion: Mapping[str, Any] | None
    set_aside: tuple[str, ...] = ()
    unknown_labels: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {
            "n": self.n,
            "metrics": {name: asdict(estimate) for name, estimate in self.metrics.items()},
            "confusion": self.confusion,
            "set_aside": list(self.set_aside),
            "unknown_labels": list(self.unknown_labels),
        }


class Model:
    """A backbone with its head, calibrated, ready for raw inputs."""

    def __init__(
        self,
        network: Network,
        *,
        classes: Sequence[str],
        kind: str,
        temperature: float,
        placement: Placement,
        result: Result | None = None,
        folder: Path | None = None,
    ) -> None:
        """Use `headstart.fit` or `headstart.load`."""
        self.network = network
        self.classes = tuple(classes)
        self.kind = kind
        self.temperature = temperature
        self.placement = placement
        self.result = result
        self.folder = folder

    @property
    def backbone(self) -> Backbone:
        """The adapted backbone."""
        return self.network.backbone

    @property
    def task(self) -> Task:
        """What the labels are."""
        return pick(TASKS, self.kind, what="kind of labels")

    def predict(self, inputs: Any) -> Predictions:
        """Predict raw inputs: paths, folders, tables, data frames, texts, PIL images, arrays, or a list of them.

        An input that cannot be read gets an error and no label; raises NothingReadable, a DataError, where none can.
        """
        dataset = self._inputs(inputs)
        probabilities_NK, errors = self._probabilities(dataset)
        if len(errors) == len(dataset):
            raise NothingReadable(f"{next(iter(errors.values()))} None of the {len(dataset)} inputs could be read.")
        decided = self.task.names(self.task.decide(probabilities_NK), self.classes)
        rows = []
        for number, name in enumerate(dataset.ids):
            if number in errors:
                rows.append(Prediction(name, (), None, {}, errors[number]))
                continue
            chances = dict(zip(self.classes, map(float, probabilities_NK[number]), strict=True))
            rows.append(Prediction(name, decided[number], confidence(probabilities_NK[number], self.kind), chances))
        return Predictions(tuple(rows), self.classes)

    def predict_proba(self, inputs: Any) -> np.ndarray:
        """Calibrated probabilities (N × K), columns in the order of `classes`; raises DataError for an unreadable input."""
        probabilities_NK, errors = self._probabilities(self._inputs(inputs))
        if errors:
            raise DataError(next(iter(errors.values())))
        return probabilities_NK

    def evaluate(self, source: Any, *, columns: Columns | None = None) -> Evaluation:
        """Metrics with intervals on labelled data of any supported layout; all its parts are used."""
        dataset = read(source, columns=columns or Columns())
        self._check_modality(dataset)
        known = set(self.classes)
        unknown = sorted(set(dataset.classes) - known)
        usable = [i for i, names in enumerate(dataset.labels or ()) if known.issuperset(names)]
        if not usable:
            raise DataError(
                f"{dataset.name}: none of its labels ({', '.join(unknown[:5])}) is one of the model's ({', '.join(self.classes[:5])})."
            )
        dataset = dataset.take(usable)
        probabilities_NK, errors = self._probabilities(dataset)
        rows = [i for i in range(len(dataset)) if i not in errors]
        if not rows:
            raise DataError(f"{next(iter(errors.values()))} None of the {len(dataset)} examples could be read.")
        targets = self.task.encode(dataset.take(rows).labels or (), self.classes)
        metrics = evaluate(self.task.answers(targets, probabilities_NK[rows]), rng=generator(0, "evaluate"))
        counts = confusion_counts(targets, self.task.decide(probabilities_NK[rows]), len(self.classes))
        confusion = None if counts is None else {"classes": list(self.classes), "counts": counts}
        return Evaluation(len(rows), metrics, confusion, tuple(errors.values()), tuple(unknown))

    def save(self, folder: str | Path) -> Path:
        """Write weights, labels and preprocessing to `folder`; `headstart.load` reads them again."""
        folder = Path(folder)
        self.backbone.save_preprocessing(folder / "preprocessing")
        write_tensors(folder / "model.safetensors", self.network.state_dict(), {"format": "pt"})
        write_json(folder / "labels.json", {"classes": list(self.classes), "kind": self.kind})
        write_json(
            folder / "config.json",
            {
                "format_version": FORMAT_VERSION,
                "library_name": "headstart",
                "modality": self.backbone.card.modality,
                "temperature": self.temperature,
                "precision": "fp32" if self.placement.settled and not self.placement.low else "auto",
                "backbone": self.backbone.describe(),
                "card": self.backbone.card.to_dict(),
                "head": self.network.describe_head(),
            },
        )
        return folder

    def _inputs(self, inputs: Any) -> Dataset:
        dataset = read_inputs(inputs, modality=self.backbone.card.modality)
        self._check_modality(dataset)
        return dataset

    def _check_modality(self, dataset: Dataset) -> None:
        wanted = self.backbone.card.modality
        if dataset.modality != wanted:
            raise DataError(f"{dataset.name}: holds {dataset.modality} examples, this model was made for {wanted}.")

    def _probabilities(self, dataset: Dataset) -> tuple[np.ndarray, dict[int, str]]:
        """Probabilities (N × K), rows of zeros where `errors` has an entry. One chunk is decoded at a time."""
        decode = MODALITIES[dataset.modality].decode
        probabilities_NK = np.zeros((len(dataset), len(self.classes)))
        errors: dict[int, str] = {}

        def attempt(item: Any) -> Any:
            try:
                return decode(item)
            except DataError as error:
                return error

        with ThreadPoolExecutor(self.placement.threads) as pool:
            for start in range(0, len(dataset), CHUNK):
                decoded = list(pool.map(attempt, dataset.items[start : start + CHUNK]))
                errors |= {start + i: str(raw) for i, raw in enumerate(decoded) if isinstance(raw, DataError)}
                rows = [start + i for i in range(len(decoded)) if start + i not in errors]
                for features_nD in feature_chunks(
                    [decoded[row - start] for row in rows],
                    self.backbone,
                    decode=_as_is,
                    placement=self.placement,
                    stages=self.network.reads,
                ):
                    logits_nK = self.network.answer(features_nD)
                    probabilities_NK[rows] = self.task.probabilities(logits_nK, self.temperature)
        return probabilities_NK, errors

    def _repr_html_(self) -> str:
        """The evidence in short, for notebooks."""
        from headstart.report.notebook import html_summary

        return html_summary(self.result) if self.result else f"<p>Headstart model, {len(self.classes)} classes</p>"


def load(
    folder: str | Path, *, device: str = "auto", precision: str = "auto", backbone: Backbone | None = None
) -> Model:
    """Load a run folder or what `Model.save` wrote.

    A model of one's own code cannot be rebuilt from a file: hand its `backbone` in. Raises RunError for a folder that
    is not a finished run.
    """
    folder = Path(folder)
    config_path = folder / "config.json"
    if not config_path.is_file() or not (folder / "model.safetensors").is_file():
        raise RunError(f"{folder}: no model here (config.json and model.safetensors). Is the run finished?")
    config = _described(config_path, "format_version")
    if config["format_version"] not in READABLE:
        raise RunError(
            f"{config_path}: format {config['format_version']}, this is {FORMAT_VERSION}. Use the Headstart that wrote it."
        )
    config = _described(config_path, "backbone", "temperature")
    labels = _described(folder / "labels.json", "classes", "kind")
    pick(TASKS, str(labels["kind"]), what="kind of labels")
    tensors = read_tensors(folder / "model.safetensors")
    if backbone is None:
        backbone = rebuild(config["backbone"], None, folder / "preprocessing")
    network = _network(backbone, config, len(labels["classes"]), where=config_path)
    load_exactly(network, tensors, where=str(folder / "model.safetensors"))
    placement = place(device, precision=config.get("precision", "auto") if precision == "auto" else precision)
    result = Result.read(folder / "result.json") if (folder / "result.json").is_file() else None
    return Model(
        network.to(torch.device("cpu")).eval(),
        classes=labels["classes"],
        kind=labels["kind"],
        temperature=config["temperature"],
        placement=placement,
        result=result,
        folder=folder,
    )


def _described(path: Path, *needed: str) -> dict[str, Any]:
    """The JSON object in a file of a run folder; raises RunError where it is missing, damaged or lacks a key."""
    try:
        values = read_json(path)
    except FileNotFoundError as error:
        raise RunError(f"{path}: not there. Restore it, or run `headstart fit` again.") from error
    except ValueError as error:
        raise RunError(f"{path}: no JSON ({error}). Restore it, or run `headstart fit` again.") from error
    missing = [name for name in needed if not isinstance(values, dict) or name not in values]
    if missing:
        raise RunError(f"{path}: lacks {', '.join(missing)}. Restore it, or run `headstart fit` again.")
    return dict(values)


def _network(backbone: Backbone, config: Mapping[str, Any], classes: int, *, where: Path) -> Network:
    """The network that a model's config describes, without its weights; raises RunError where that is none."""
    if config["format_version"] == 1:
        return Network(backbone, classes)
    try:
        network = remade(backbone, config["head"])
    except (KeyError, TypeError, OptionError) as error:
        raise RunError(f"{where}: describes no head that fits its backbone ({error}).") from error
    if network.head.out_features != classes:
        raise RunError(f"{where}: a head for {network.head.out_features} classes, labels.json names {classes}.")
    return network


def _as_is(raw: Any) -> Any:
    return raw


def confidence(chances_K: np.ndarray, kind: str) -> float:
    """The probability of the predicted class; for several labels, that of the least certain decision."""
    return float(chances_K.max() if kind == "single" else np.maximum(chances_K, 1 - chances_K).min())
