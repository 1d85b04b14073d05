"""Data in Python: pandas, Hugging Face, arrays, PIL images, texts; and the built-in digits."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from tests.pictures import picture, save

from headstart.data.audit import audit
from headstart.data.images import decode
from headstart.data.read import Columns, read, read_inputs
from headstart.errors import DataError, OptionError


def test_pandas(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a b", "c d", None, "e f"], "label": pd.Categorical(["x", "y", "x", None])})
    data = read(frame)
    assert (data.items, data.labels) == (["a b", "c d"], [("x",), ("y",)])
    assert dict(data.aside) == {"row 2": "field 'text' is empty", "row 3": "no label"}
    assert read(pd.DataFrame({"text": ["a", "b"], "label": [1, 2]})).classes == ("1", "2")
    pictures = pd.DataFrame({"image": [picture(1), picture(2)], "label": ["a", "b"]})
    assert read(pictures).modality == "image"
    paths = pd.DataFrame({"path": [str(save(tmp_path / "x.png", picture(3)))], "label": ["a"]})
    assert decode(read(paths).items[0]).tobytes() == picture(3).tobytes()
    with pytest.raises(DataError, match="not a table"):
        read(frame["text"])
    with pytest.raises(DataError, match="no label column 'z'"):
        read(frame, columns=Columns(label="z"))


def test_hugging_face_texts_with_class_names_and_parts() -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    train = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, -1]}, features=features)
    test = datasets.Dataset.from_dict({"text": ["d"], "label": [1]}, features=features)
    data = read(datasets.DatasetDict({"train": train, "validation": test, "unsupervised": test}))
    assert data.labels == [("neg",), ("pos",), ("pos",)]
    assert list(data.parts) == ["train", "train", "val"]
    assert data.aside == (("train row 2", "no label"),)
    assert "left out the part unsupervised" in data.guesses
    assert read(train).classes == ("neg", "pos")
    with pytest.raises(DataError, match="no part is called train"):
        read(datasets.DatasetDict({"x": train}))
    with pytest.raises(DataError, match="without streaming"):
        read(train.to_iterable_dataset())


def test_hugging_face_pictures_stay_encoded_until_asked_for(tmp_path: Path) -> None:
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.Sequence(datasets.ClassLabel(names=["a", "b"]))}
    )
    rows: dict[str, Any] = {"image": [picture(1), picture(2)], "label": [[0, 1], []]}
    data = read(datasets.Dataset.from_dict(rows, features=features))
    assert (data.modality, data.kind, data.labels) == ("image", "multi", [("a", "b"), ()])
    assert decode(pickle.loads(pickle.dumps(data.items[1]))).tobytes() == picture(2).tobytes()
    assert len(audit(data, for_training=False).keep) == 2


def test_hugging_face_writes_its_class_names_into_parquet(tmp_path: Path) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features).to_parquet(
        tmp_path / "t.parquet"
    )
    assert read(tmp_path / "t.parquet").classes == ("neg", "pos")


@pytest.mark.parametrize(
    "examples",
    [
        np.zeros((4, 8, 8), dtype=np.uint8),
        np.zeros((4, 8, 8, 3), dtype=np.float32),
        np.full((4, 8, 8), 200, dtype=np.int64),
        torch.zeros(4, 8, 8),
        [picture(n) for n in range(4)],
    ],
    ids=["uint8", "float", "int64", "torch", "pil"],
)
def test_pictures_in_memory(examples: Any) -> None:
    data = read((examples, ["a", "b", "a", "b"]))
    assert (data.modality, data.classes) == ("image", ("a", "b"))
    assert decode(data.items[0]).mode == "RGB"
    assert read_inputs(examples).labels is None


def test_texts_paths_and_pairs_in_memory(tmp_path: Path) -> None:
    assert read((["one", "two"], [0, 1])).modality == "text"
    assert read(([["a", "b"], ["c", "d"]], [0, 1])).items == [("a", "b"), ("c", "d")]
    path = save(tmp_path / "a.png", picture(1))
    assert read(([str(path), str(path)], [0, 1])).items == [path, path]
    assert read((np.array(["one", "two"]), np.array([True, False]))).classes == ("False", "True")


def test_labels_in_memory() -> None:
    texts = ["one", "two", "three"]
    assert read((texts, [["a", "b"], [], ["a"]])).labels == [("a", "b"), (), ("a",)]
    assert read((texts, np.array([[1, 0], [0, 0], [1, 1]]))).labels == [("0",), (), ("0", "1")]
    assert read((texts, ["a;b", "a", "b"])).kind == "single"
    assert read((texts, pd.Series(["a", "b", None]))).aside == (("example 2", "no label"),)
    assert read((texts, torch.tensor([0, 1, 1]))).classes == ("0", "1")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (3, "a int: not data"),
        ({"a": 1}, "a dict: not data"),
        ((["a"], ["x", "y"]), "1 examples but 2 labels"),
        (([], []), "empty list"),
        (("abc", ["x"]), "examples as a str"),
        ((["a", picture(1)], ["x", "y"]), "different kinds"),
        (([object()], ["x"]), "neither picture nor text"),
        ((np.zeros((4, 4)), [1, 2, 3, 4]), "not pictures"),
        ((np.full((2, 4, 4), 999), [1, 2]), "Scale it"),
        ((["a"], "x"), "labels as a str"),
        ((["a", "b"], [None, None]), "no example has a label"),
    ],
)
def test_what_cannot_be_read(source: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(source)


def test_builtin_digits_are_ten_per_class_and_always_the_same() -> None:
    data, again = read("builtin:digits"), read("builtin:digits")
    assert len(data) == 1797
    assert (data.parts.count("train"), data.parts.count("test")) == (100, 1697)
    assert list(data.parts) == list(again.parts)
    found = audit(data)
    assert set(found.counts.values()) == {10}
    assert len(found.keep) == 1797
    assert np.asarray(data.items[0]).max() > 200
    with pytest.raises(OptionError, match="digits"):
        read("builtin:letters")
