"""Data that are in Python already: pandas, Hugging Face, arrays, PIL images, lists of texts.

pandas and datasets are told by the module their types come from; neither is needed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.conversations import dataset_of
from headstart.data.dataset import Dataset
from headstart.data.frame import Frame
from headstart.data.hugging_face import hub_frames
from headstart.data.labels import Labels, read_labels
from headstart.data.options import Columns, Limits
from headstart.data.tree import IMAGE_SUFFIXES, TEXT_SUFFIXES, suffix
from headstart.errors import DataError

KINDS = "a pandas or Hugging Face data set, or a pair (examples, labels)"


def comes_from(value: Any, package: str) -> bool:
    """Whether a value's type is defined in `package`."""
    return any(base.__module__.split(".")[0] == package for base in type(value).__mro__)


def read_python(source: Any, columns: Columns, limits: Limits, *, labelled: bool = True) -> Dataset:
    """A data set from a Python object; raises DataError for one of an unknown kind."""
    for package, reader in READERS.items():
        if comes_from(source, package):
            return reader(source, columns, limits, labelled)
    if isinstance(source, tuple) and len(source) == 2:
        return pair_dataset(*source, task=columns.task)
    raise DataError(f"a {type(source).__name__}: not data that can be read. Give a path, {KINDS}.")


def _read_pandas(frame: Any, columns: Columns, limits: Limits, labelled: bool) -> Dataset:
    if not hasattr(frame, "columns"):
        raise DataError(f"a pandas {type(frame).__name__}: not a table. Give a DataFrame with a label column.")
    if frame.columns.has_duplicates:
        raise DataError("DataFrame: two columns have the same name. Rename one.")
    cells = {str(name): [_plain(value) for value in frame[name].tolist()] for name in frame.columns}
    table = Frame("DataFrame", cells, [f"row {index}" for index in frame.index])
    return dataset_of("DataFrame", [table], columns, limits, labelled=labelled)


def _plain(value: Any) -> Any:
    """The library's own missing values as None."""
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def _read_hugging_face(source: Any, columns: Columns, limits: Limits, labelled: bool) -> Dataset:
    return dataset_of("Hugging Face data set", hub_frames(source), columns, limits, labelled=labelled)


READERS: dict[str, Callable[[Any, Columns, Limits, bool], Dataset]] = {
    "pandas": _read_pandas,
    "datasets": _read_hugging_face,
}


def pair_dataset(examples: Any, labels: Any, *, task: str | None = None) -> Dataset:
    """A data set from examples and their labels, as scikit-learn takes them; raises DataError."""
    data = objects_dataset(examples)
    found = _labels(labels, task)
    if len(found.values) != len(data):
        raise DataError(f"{len(data)} examples but {len(found.values)} labels. Give one label per example.")
    kept = [row for row, value in enumerate(found.values) if value is not None]
    if not kept:
        raise DataError("no example has a label. Give one label per example.")
    lost = tuple((data.ids[row], found.reason(row)) for row in range(len(data)) if found.values[row] is None)
    named = replace(
        data, labels=[value or () for value in found.values], kind=found.kind, guesses=(*data.guesses, *found.said)
    )
    return replace(named.take(kept), aside=lost) if lost else named


def objects_dataset(examples: Any, *, modality: str | None = None) -> Dataset:
    """Raw examples without labels: arrays (N, H, W[, C]), PIL images, texts, pairs of texts, or paths."""
    items = _items(examples)
    if not items:
        raise DataError("no examples: an empty list. Give at least one.")
    kinds = [modality or _kind(item) for item in items[:200]]
    if len(set(kinds)) > 1:
        raise DataError(f"examples of different kinds: {' and '.join(sorted(set(kinds)))}. Give one kind at a time.")
    if kinds[0] == "image":
        items = [Path(item) if isinstance(item, str) else item for item in items]
    elif all(isinstance(item, list) and len(item) == 2 for item in items):
        items = [tuple(item) for item in items]
    return Dataset(
        name="examples in memory",
        modality=kinds[0],
        kind="single",
        items=items,
        ids=[str(item) if isinstance(item, Path) else f"example {row}" for row, item in enumerate(items)],
        labels=None,
        parts=[""] * len(items),
    )


def _items(examples: Any) -> list[Any]:
    if isinstance(examples, str | bytes | Mapping) or not hasattr(examples, "__len__"):
        raise DataError(f"examples as a {type(examples).__name__}: give a list of texts or pictures, or an array.")
    if hasattr(examples, "detach"):
        examples = examples.detach().cpu().numpy()
    if isinstance(examples, np.ndarray) and examples.dtype.kind not in "OUS":
        if examples.ndim not in (3, 4):
            raise DataError(f"an array of shape {examples.shape}: not pictures. Give (N, H, W) or (N, H, W, C).")
        if np.issubdtype(examples.dtype, np.integer) and examples.dtype not in (np.uint8, np.uint16):
            examples = _to_bytes(examples)
    return [_text_of(item) for item in examples]


def _text_of(item: Any) -> Any:
    return str(item) if isinstance(item, np.str_) else item


def _to_bytes(array: np.ndarray) -> np.ndarray:
    if array.size and (array.min() < 0 or array.max() > 255):
        raise DataError(
            f"an array of {array.dtype} from {array.min()} to {array.max()}: not pictures. Scale it to 0…255."
        )
    return array.astype(np.uint8)


def _kind(item: Any) -> str:
    if isinstance(item, str):
        return "image" if suffix(item) in IMAGE_SUFFIXES and Path(item).is_file() else "text"
    if isinstance(item, Path):
        return "text" if item.suffix.lower() in TEXT_SUFFIXES else "image"
    if isinstance(item, tuple | list):
        return "text"
    if isinstance(item, np.ndarray | bytes) or hasattr(item, "getexif"):
        return "image"
    raise DataError(
        f"an example of type {type(item).__name__}: neither picture nor text. Give arrays, PIL images or strings."
    )


def _labels(labels: Any, task: str | None) -> Labels:
    values = np.asarray(labels) if hasattr(labels, "detach") or hasattr(labels, "to_numpy") else labels
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return read_labels(values.tolist(), names=[str(column) for column in range(values.shape[1])], task=task)
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str):
        raise DataError(f"labels as a {type(labels).__name__}: give a list with one label per example.")
    found = read_labels([[_plain(value)] for value in values], names=["labels"], task=task)
    # In Python several labels come as lists; a separator inside a string is part of the name.
    if found.kind == "multi" and all(isinstance(value, str) for value in values):
        return Labels("single", [(str(value).strip(),) for value in values])
    return found
