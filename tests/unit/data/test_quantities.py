"""Labels that are numbers or stand in an order: what is guessed, what is said, what is set aside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.pictures import class_folders, picture, save

from headstart.data.audit import audit
from headstart.data.labels import read_labels
from headstart.data.numbers import is_quantity, quantile_bins, written
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.data.split import split
from headstart.errors import DataError, OptionError


def table(path: Path, labels: list[object], **more: list[object]) -> Path:
    frame = pd.DataFrame({"text": [f"words {number} and more of them" for number in range(len(labels))], "label": labels, **more})
    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".parquet": lambda: frame.to_parquet(path),
    }[path.suffix]()
    return path


def fractions(count: int = 30) -> list[float]:
    return [round(number * 1.37 + 0.01, 2) for number in range(count)]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_many_different_fractions_are_a_quantity_and_it_is_said(tmp_path, suffix):
    data = read(table(tmp_path / f"t{suffix}", fractions()))
    assert data.kind == "quantity"
    assert data.values.tolist() == fractions()
    assert data.classes == ()
    assert any("taken as a quantity" in guess for guess in data.guesses)


def test_numbers_in_python_are_a_quantity():
    texts = [f"text {number}" for number in range(30)]
    for labels in (np.array(fractions()), fractions(), pd.Series(fractions())):
        assert read((texts, labels)).values.tolist() == fractions()
    assert read((texts, np.arange(30) % 3)).kind == "single"
    assert read((texts, np.arange(30) % 3), columns=Columns(task="regression")).values[:3].tolist() == [0, 1, 2]
    assert read(pd.DataFrame({"text": texts, "label": fractions()})).kind == "quantity"


def test_hugging_face_numbers_are_a_quantity():
    datasets = pytest.importorskip("datasets")
    found = read(datasets.Dataset.from_dict({"text": [f"t {n}" for n in range(30)], "label": fractions()}))
    assert (found.kind, found.values[1]) == ("quantity", 1.38)


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ([1, 2, 3, 4, 5] * 6, False),
        (list(range(30)), True),
        ([1.5, 2.5, 3.5] * 10, False),
        (["1.5", "2.25", "4"], True),
        ([1.0, 2.0, 3.0] * 10, False),
        ([*fractions(), "broken"], True),
        ([*fractions(), *["word"] * 8], False),
        (["red", "blue"] * 9, False),
        ([True, False] * 12, False),
    ],
)
def test_what_is_clearly_a_quantity(cells, found):
    assert is_quantity(cells) is found


def test_cells_that_hold_no_number_are_set_aside_and_listed(tmp_path):
    labels = [*map(str, fractions(40)), "n/a", "", "inf", "nan", "12 kg"]
    for task in (None, "regression"):
        data = read(table(tmp_path / "t.csv", labels), columns=Columns(task=task))
        assert len(data) == 40
        assert len(data.aside) == 5
        reasons = [why for _, why in data.aside]
        assert sum("is no finite number" in why for why in reasons) >= 2
        assert any("12 kg" in why for why in reasons)
        found = audit(data)
        assert found.reasons["left out by the reader"] == 5


def test_nothing_but_words_is_one_clear_error(tmp_path):
    path = table(tmp_path / "t.csv", ["1,5", "2,5", "3,5"])
    with pytest.raises(DataError, match="'1,5' in column 'label' is no finite number, nor is any other"):
        read(path, columns=Columns(task="regression"))


def test_all_equal_is_one_clear_error(tmp_path):
    data = read(table(tmp_path / "t.csv", [3.5] * 12), columns=Columns(task="regression"))
    with pytest.raises(DataError, match=r"every training example has the number 3\.5"):
        audit(data)


def test_an_unknown_task_lists_the_choices(tmp_path):
    with pytest.raises(OptionError, match="classification, ordinal, regression"):
        read(table(tmp_path / "t.csv", fractions()), columns=Columns(task="guess"))


def test_the_user_decides(tmp_path):
    path = table(tmp_path / "t.csv", fractions())
    assert read(path, columns=Columns(task="classification")).kind == "single"
    stars = table(tmp_path / "s.csv", [1, 2, 3, 10, 2] * 4)
    ordered = read(stars, columns=Columns(task="ordinal"))
    assert (ordered.kind, ordered.classes) == ("ordinal", ("1", "2", "3", "10"))
    assert any("1 < 2 < 3 < 10" in guess for guess in ordered.guesses)


def test_folders_of_numbers_are_an_order_or_a_quantity_on_request(tmp_path):
    folder = class_folders(tmp_path / "photos", classes=("2-mild", "10-severe", "1-none"))
    assert read(folder).kind == "single"
    ordered = read(folder, columns=Columns(task="ordinal"))
    assert ordered.classes == ("1-none", "2-mild", "10-severe")
    with pytest.raises(DataError, match="does not begin with a number"):
        read(class_folders(tmp_path / "words"), columns=Columns(task="ordinal"))
    numbers = read(class_folders(tmp_path / "ages", classes=("3", "40")), columns=Columns(task="regression"))
    assert set(numbers.values) == {3.0, 40.0}


def test_two_names_with_one_place_are_no_order():
    with pytest.raises(DataError, match="same place"):
        read_labels([["1 a"], ["1 b"]], names=["label"], task="ordinal")


def test_a_lone_column_of_numbers_is_taken_as_the_label(tmp_path):
    frame = pd.DataFrame({"id": range(30), "review": [f"a b {n}" for n in range(30)], "price": fractions()})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert read(tmp_path / "t.csv").values.tolist() == fractions()


def test_parts_are_alike_in_their_numbers_and_groups_stay_together(tmp_path):
    rng = np.random.default_rng(0)
    labels = list(rng.exponential(10, 200).round(3))
    groups = [f"g{number // 4}" for number in range(200)]
    data = read(table(tmp_path / "t.csv", labels, patient=groups), columns=Columns(group="patient", task="regression"))
    parts = split(data, audit(data), seed=0)
    assert parts.scheme == "nested cross-validation"
    assert len(parts.outer) == 5
    for train, test in parts.outer:
        assert not {groups[row] for row in train} & {groups[row] for row in test}
        assert abs(np.median(data.values[test]) - np.median(data.values)) < 4
    assert parts.unmeasured == ()


def test_groups_whose_numbers_are_all_their_own_can_be_measured(tmp_path):
    labels = [float(number // 6) + 0.5 for number in range(60)]
    data = read(table(tmp_path / "t.csv", labels, site=[f"s{n // 6}" for n in range(60)]), columns=Columns(group="site", task="regression"))
    assert sorted(row for _, test in split(data, audit(data), seed=0).outer for row in test) == list(range(60))


def test_numbers_of_equal_pictures_contradict_only_where_they_lie_apart(tmp_path):
    rows = []
    for number in range(20):
        save(tmp_path / f"{number}.png", picture(number))
        rows.append((f"{number}.png", float(number) + 0.25))
    for name, copy, label in (("near.png", 3, 3.3), ("far.png", 5, 15.0)):
        save(tmp_path / name, picture(copy))
        rows.append((name, label))
    pd.DataFrame(rows, columns=["image", "label"]).to_csv(tmp_path / "t.csv", index=False)
    found = audit(read(tmp_path / "t.csv", columns=Columns(task="regression")))
    assert [[name for name, _ in group] for group in found.conflicts] == [["t.csv row 6", "t.csv row 22"]]
    assert found.reasons["exact duplicate"] == 1
    assert found.to_dict()["quantity"]["max"] == 19.25
    json.dumps(found.to_dict())


def test_bins_are_of_equal_filling_and_equal_values_share_one():
    bins = quantile_bins(np.arange(100.0))
    assert np.bincount(bins).tolist() == [10] * 10
    assert len(set(quantile_bins(np.ones(50)))) == 1
    assert quantile_bins(np.arange(7.0)).tolist() == [0] * 7


@pytest.mark.parametrize("value", [3.0, -0.1, 1e-7, 123456789.25, 2.0**60])
def test_a_number_is_written_so_that_it_comes_back(value):
    assert float(written(value)) == value
