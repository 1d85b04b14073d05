"""A finished model: predict, evaluate, save, load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.adapt.generation import Drawing, Say, generate
from headstart.adapt.network import Network, remade
from headstart.data.dataset import Dataset
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read, read_inputs
from headstart.data.read_tokens import token_lists
from headstart.errors import DataError, NothingReadable, OptionError, RunError
from headstart.features.extract import feature_chunks
from headstart.files import read_json, read_tensors, write_json, write_tensors
from headstart.models.backbone import Backbone
from headstart.models.resolve import rebuild
from headstart.models.weights import load_exactly
from headstart.predicted import Evaluation, Prediction, Predictions, answer
from headstart.predicted_tags import labelled
from headstart.prove.evidence import confusion_counts
from headstart.prove.metrics import evaluate
from headstart.registry import pick
from headstart.run.result import Result
from headstart.runtime import Placement, generator, place
from headstart.tasks import TASKS, Task

if TYPE_CHECKING:
    from headstart.checks.words import Explanation

__all__ = ["Evaluation", "Model", "Prediction", "Predictions", "load"]

FORMAT_VERSION = 2
"""What is written. Version 1 had no `head`: it was linear and read the backbone's own features."""
READABLE = (1, 2)


class Model:
    """A backbone with its head, calibrated, ready for raw inputs.

    `temperature` is what calibration found: what logits are divided by, or how far intervals of a quantity reach.
    """

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
        if self.kind == "tags":
            return self._labelled(dataset)
        probabilities_NK, errors = self._probabilities(dataset)
        if len(errors) == len(dataset):
            raise NothingReadable(f"{next(iter(errors.values()))} None of the {len(dataset)} inputs could be read.")
        decided = self.task.names(self.task.decide(probabilities_NK), self.classes)
        rows, decode = [], MODALITIES[dataset.modality].decode
        for number, name in enumerate(dataset.ids):
            if number in errors:
                rows.append(Prediction(name, (), None, {}, errors[number]))
                continue
            example = decode(dataset.items[number]) if self.network.reads_tokens else None
            rows.append(answer(name, probabilities_NK[number], decided[number], self.classes, self.kind, example))
        return Predictions(tuple(rows), self.classes, self.kind)

    def _labelled(self, dataset: Dataset) -> Predictions:
        rows = labelled(dataset, self._probabilities, self.classes)
        if all(row.error is not None for row in rows):
            raise NothingReadable(f"{rows[0].error} None of the {len(rows)} inputs could be read.")
        return Predictions(tuple(rows), (), self.kind)

    def predict_proba(self, inputs: Any) -> np.ndarray:
        """Calibrated probabilities (N × K), columns in the order of `classes`; of a quantity its value, low and high end (N × 3).

        Raises DataError for an unreadable input.
        """
        probabilities_NK, errors = self._probabilities(self._inputs(inputs))
        if errors:
            raise DataError(next(iter(errors.values())))
        return probabilities_NK

    def explain(self, inputs: Any) -> list[tuple[Prediction, Explanation]]:
        """Predict texts and tell which of their words decided (`checks.words`); what cannot be read is left out.

        Raises MissingExtra without captum, and OptionError for a model that cannot be explained.
        """
        from headstart.checks.words import captum_or_raise, explain

        captum_or_raise()
        dataset = self._inputs(inputs)
        said = self.predict(inputs)
        decode = MODALITIES[dataset.modality].decode
        return [
            (row, explain(self.network, decode(item), kind=self.kind, target=self._explained(row)))
            for item, row in zip(dataset.items, said.rows, strict=True)
            if row.error is None
        ]

    def _explained(self, row: Prediction) -> int | None:
        """The number of the first predicted label; None where there is none, for what the network says loudest."""
        return self.classes.index(row.labels[0]) if row.labels and row.labels[0] in self.classes else None

    def chances(self, items: Sequence[Any]) -> np.ndarray:
        """What the task says of examples of the model's own modality (N × K), calibrated; raises DataError for an unreadable one."""
        blank = [""] * len(items)
        probabilities_NK, errors = self._probabilities(
            Dataset("examples in memory", self.backbone.card.modality, self.task.kind, items, blank, None, blank)  # type: ignore[arg-type]
        )
        if errors:
            raise DataError(next(iter(errors.values())))
        return probabilities_NK

    def generate(
        self,
        prompt: str,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        max_tokens: int = 200,
        stop: Sequence[str] | str = (),
        seed: int = 0,
        chat: bool | None = None,
        say: Say | None = None,
    ) -> str:
        """How a language model goes on from `prompt`, by transformers' own `generate`; `say` is given each piece as soon as it is there.

        With `chat` the prompt is a question and what follows its answer, by default where the model learned from conversations. `stop` is text
        that ends it. The same seed draws the same text. Raises OptionError for settings that are not possible, and for a model of another task.
        """
        if self.kind != "language":
            raise OptionError(f"{self.folder or 'this model'}: was made for {self.task.name}, not to go on with texts. Use `headstart predict`.")
        learned = (self.result.language or {}).get("conversations", False) if self.result else False
        drawing = Drawing(temperature, top_k, top_p, repetition_penalty, max_tokens, (stop,) if isinstance(stop, str) else tuple(stop), seed)
        self.network.to(self.placement.torch_device)
        return generate(self.network, prompt, drawing, turns=learned if chat is None else chat, say=say)

    def evaluate(self, source: Any, *, columns: Columns | None = None) -> Evaluation:
        """Metrics with intervals on labelled data of any supported layout; all its parts are used."""
        dataset = read(source, columns=replace(columns or Columns(), task=self.task.reads))
        self.check_modality(dataset)
        unknown = sorted(set(dataset.classes) - set(self.classes))
        usable = [i for i, names in enumerate(dataset.labels or ()) if self.task.knows(names, self.classes)]
        if not usable:
            raise DataError(
                f"{dataset.name}: none of its labels ({', '.join(unknown[:5])}) is one of the model's ({', '.join(self.classes[:5])})."
            )
        dataset = dataset.take(usable)
        probabilities_NK, errors = self._probabilities(dataset)
        rows = [i for i in range(len(dataset)) if i not in errors]
        if not rows:
            raise DataError(f"{next(iter(errors.values()))} None of the {len(dataset)} examples could be read.")
        measured = dataset.take(rows)
        examples = map(MODALITIES[dataset.modality].decode, measured.items)
        targets = self.task.encode(measured.labels or (), self.classes, examples)
        groups = None if measured.groups is None else np.array(measured.groups)
        answers = self.task.answers(targets, probabilities_NK[rows])
        metrics = evaluate(answers, rng=generator(0, "evaluate"), groups=groups)
        true_N, said_N = self.task.places(targets), self.task.places(self.task.decide(probabilities_NK[rows]))
        confusion = None
        if true_N is not None and said_N is not None:
            counts = confusion_counts(true_N, said_N, len(self.classes))
            confusion = {"classes": list(self.classes), "counts": counts}
        aside = (*(f"{name}: {why}" for name, why in dataset.aside), *errors.values())
        return Evaluation(len(rows), metrics, confusion, aside, tuple(unknown))

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
                self.task.calibrated_by: self.temperature,
                "precision": "fp32" if self.placement.settled and not self.placement.low else "auto",
                "backbone": self.backbone.describe(),
                "card": self.backbone.card.to_dict(),
                "head": self.network.describe_head(),
            },
        )
        return folder

    def _inputs(self, inputs: Any) -> Dataset:
        words = self.kind == "tags"
        columns = Columns(task=self.task.reads) if words else Columns()
        dataset = read_inputs(token_lists(inputs) if words else inputs, modality=self.backbone.card.modality, columns=columns)
        self.check_modality(dataset)
        return dataset

    def check_modality(self, dataset: Dataset) -> None:
        """Raise DataError for examples of another kind than the model was made for."""
        wanted = self.backbone.card.modality
        if dataset.modality != wanted:
            raise DataError(f"{dataset.name}: holds {dataset.modality} examples, this model was made for {wanted}.")

    def _probabilities(self, dataset: Dataset) -> tuple[np.ndarray, dict[int, str]]:
        """What the task says of each example (N × K), rows of zeros where `errors` has an entry. Memory holds a chunk of features
        at a time.
        """
        said = self.task.probabilities(np.zeros((0, self.network.head.row_width)), self.temperature)
        probabilities_NK = np.zeros((len(dataset), said.shape[1]))
        errors: dict[int, str] = {}
        start = 0
        for features_nD in feature_chunks(
            dataset.items,
            self.network.extractor,
            decode=MODALITIES[dataset.modality].decode,
            placement=self.placement,
            stages=self.network.reads,
            refused=errors,
        ):
            rows = np.array([row for row in range(len(features_nD)) if start + row not in errors], dtype=np.int64)
            logits_nK = self.network.answer(features_nD[rows])
            probabilities_NK[start + rows] = self.task.probabilities(logits_nK, self.temperature)
            start += len(features_nD)
        return probabilities_NK, dict(sorted(errors.items()))

    def _repr_html_(self) -> str:
        """The evidence in short, for notebooks."""
        from headstart.report.notebook import html_summary

        return html_summary(self.result) if self.result else f"<p>Headstart model: {self.task.name}</p>"


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
    labels = _described(folder / "labels.json", "classes", "kind")
    task = pick(TASKS, str(labels["kind"]), what="kind of labels")
    config = _described(config_path, "backbone", task.calibrated_by)
    tensors = read_tensors(folder / "model.safetensors")
    if backbone is None:
        backbone = rebuild(config["backbone"], None, folder / "preprocessing")
    network = _network(backbone, config, task.outputs(labels["classes"]), where=config_path)
    load_exactly(network, tensors, where=str(folder / "model.safetensors"))
    placement = place(device, precision=config.get("precision", "auto") if precision == "auto" else precision)
    result = Result.read(folder / "result.json") if (folder / "result.json").is_file() else None
    return Model(
        network.to(torch.device("cpu")).eval(),
        classes=labels["classes"],
        kind=labels["kind"],
        temperature=config[task.calibrated_by],
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


def _network(backbone: Backbone, config: Mapping[str, Any], outputs: int, *, where: Path) -> Network:
    """The network that a model's config describes, without its weights; raises RunError where that is none."""
    if config["format_version"] == 1:
        return Network(backbone, outputs)
    try:
        network = remade(backbone, config["head"])
    except (KeyError, TypeError, OptionError) as error:
        raise RunError(f"{where}: describes no head that fits its backbone ({error}).") from error
    if network.head.out_features != outputs:
        raise RunError(f"{where}: a head of {network.head.out_features} outputs, labels.json asks for {outputs}.")
    return network
