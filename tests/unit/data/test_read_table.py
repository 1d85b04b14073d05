"""Tables: formats, what columns are taken for, labels, and rows that are set aside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.pictures import class_folders, picture, save, zipped

from headstart.data.audit import audit
from headstart.data.images import decode
from headstart.data.options import Columns, Limits
from headstart.data.read import read, read_inputs
from headstart.errors import DataError

ROWS = [{"text": f"a sentence, number {n}", "label": "yn"[n % 2]} for n in range(6)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write `rows` in the format that the suffix of `path` names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(rows[0])
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".tsv":
        path.write_text("\n".join("\t".join(str(v) for v in line) for line in [names, *(r.values() for r in rows)]))
    else:
        quoted = [",".join('"' + str(v).replace('"', '""') + '"' for v in row.values()) for row in rows]
        path.write_text("\n".join([",".join(names), *quoted]))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_every_format_says_the_same(tmp_path: Path, suffix: str) -> None:
    data = read(write(tmp_path / f"t{suffix}", ROWS))
    assert data.items == [row["text"] for row in ROWS]
    assert data.labels == [(row["label"],) for row in ROWS]
    assert data.ids[2] == f"t{suffix} row 3"
    assert data.guesses == ("column text taken as text", "column label taken as label")


def test_labels_are_words_even_where_they_look_like_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\na b,001\nc d,2\n")
    assert read(tmp_path / "t.csv").classes == ("001", "2")
    assert read(write(tmp_path / "t.parquet", [{"text": "a", "label": 1.0}, {"text": "b", "label": 2.0}])).classes == (
        "1",
        "2",
    )


def test_separators_marks_and_encodings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufefftext;label\ngrün, ja;y\nrot;n\n".encode())
    data = read(tmp_path / "a.csv")
    assert data.items == ["grün, ja", "rot"]
    assert any("';'" in guess for guess in data.guesses)
    (tmp_path / "b.csv").write_bytes("text,label\ngrün,y\nrot,n\n".encode("cp1252"))
    assert read(tmp_path / "b.csv").items[0] == "grün"
    (tmp_path / "c.csv").write_text("text,label\ngrün,y\nrot,n\n", encoding="utf-16")
    assert read(tmp_path / "c.csv").items[0] == "grün"
    (tmp_path / "d.tsv").write_text('text\tlabel\n"open quote\ty\n"he said ""hi"""\tn\n')
    assert read(tmp_path / "d.tsv").items == ['"open quote', 'he said "hi"']
    (tmp_path / "e.tsv").write_text('text\tlabel\n"two\nlines"\ty\nb\tn\n')
    assert read(tmp_path / "e.tsv").items[0] == "two\nlines"


@pytest.mark.parametrize(
    ("rows", "text", "label"),
    [
        (
            [{"id": n, "premise": "p q", "hypothesis": f"h {n}", "label": n % 2} for n in range(4)],
            ("premise", "hypothesis"),
            "label",
        ),
        ([{"Review": f"good {n}", "stars": str(n % 2)} for n in range(6)], ("Review",), "stars"),
        ([{"a": "x", "b": f"a long sentence {n}", "kind": "ps"[n % 2]} for n in range(6)], ("b",), "kind"),
    ],
)
def test_columns_are_guessed_and_said(
    tmp_path: Path, rows: list[dict[str, Any]], text: tuple[str, ...], label: str
) -> None:
    data = read(write(tmp_path / "t.csv", rows))
    expected = rows[1][text[0]] if len(text) == 1 else tuple(rows[1][column] for column in text)
    assert data.items[1] == expected
    assert data.labels is not None
    assert data.labels[1] == (str(rows[1][label]),)
    assert " + ".join(text) in data.guesses[0]
    assert f"column {label} taken as label" in data.guesses


def test_named_columns_settle_it(tmp_path: Path) -> None:
    rows = [
        {"one": f"a {n}", "two": f"b {n}", "x": "pq"[n % 2], "fold": ["train", "test"][n > 3], "who": n // 2}
        for n in range(6)
    ]
    columns = Columns(text=("two", "one"), label="x", split="fold", group="who")
    data = read(write(tmp_path / "t.csv", rows), columns=columns)
    assert data.items[0] == ("b 0", "a 0")
    assert data.parts.count("test") == 2
    assert data.groups == ["=0", "=0", "=1", "=1", "=2", "=2"]
    assert data.guesses == ()


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (Columns(label="kind"), "no label column 'kind'. Its columns are: text, label."),
        (Columns(text=("body",)), "no column 'body'"),
        (Columns(text=("text",), image="label"), "both an image and a text column"),
        (Columns(group="who"), "no column 'who'"),
    ],
)
def test_columns_that_are_not_there(tmp_path: Path, columns: Columns, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read(write(tmp_path / "t.csv", ROWS), columns=columns)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_label_and_no_example_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no label column found"):
        read(write(tmp_path / "t.csv", [{"text": f"all different {n}", "id": n} for n in range(5)]))
    with pytest.raises(DataError, match="no column of pictures or texts"):
        read(write(tmp_path / "u.parquet", [{"label": "a", "n": 3.5}, {"label": "b", "n": 4.5}]))


def test_pictures_by_path_beside_the_table_and_in_a_zip(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for n in range(4):
        save(root / "img" / f"{n}.png", picture(n))
    write(root / "labels.csv", [{"file": f"img/{n}.png", "species": "ab"[n % 2]} for n in range(4)])
    for data in (read(root / "labels.csv"), read(root), read(zipped(root, tmp_path / "set.zip"))):
        assert data.modality == "image"
        assert decode(data.items[3]).tobytes() == picture(3).tobytes()
        assert data.classes == ("a", "b")


def test_a_path_that_is_not_there_is_set_aside_by_the_audit(tmp_path: Path) -> None:
    class_folders(tmp_path, each=2)
    rows = [{"path": f"{name}/{n}.png", "label": name} for name in ("ants", "bees") for n in range(2)]
    found = audit(read(write(tmp_path / "t.csv", [*rows, {"path": "ants/none.png", "label": "ants"}])))
    assert [(name, reason) for name, reason, _ in found.aside] == [("t.csv row 5", "unreadable")]
    assert "no such file" in found.aside[0][2]


def test_pictures_inside_parquet(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", picture(1))
    cell = {"bytes": path.read_bytes(), "path": "x.png"}
    rows = [
        {"image": cell, "label": 0},
        {"image": {"bytes": None, "path": None}, "label": 1},
        {"image": cell, "label": 1},
    ]
    data = read(write(tmp_path / "t.parquet", rows))
    assert decode(data.items[0]).tobytes() == picture(1).tobytes()
    assert data.aside == (("t.parquet row 2", "field 'image' is empty"),)


def test_tables_named_after_parts(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", ROWS)
    write(tmp_path / "test-00000-of-00001.csv", ROWS[:2])
    write(tmp_path / "notes.jsonl", [{"a": 1}])
    data = read(tmp_path)
    assert sorted(data.parts) == ["test"] * 2 + ["train"] * 6
    (tmp_path / "val.csv").write_text("text,kind\na,b\n")
    with pytest.raises(DataError, match="no column 'label'"):
        read(tmp_path)


def test_split_column(tmp_path: Path) -> None:
    rows = [
        {**row, "split": word} for row, word in zip(ROWS, ["train", "Train", "valid", "test", "", "train"], strict=True)
    ]
    data = read(write(tmp_path / "t.csv", rows))
    assert list(data.parts) == ["train", "train", "val", "test", "", "train"]
    rows[0]["split"] = "whatever"
    found = read(write(tmp_path / "t.csv", rows), columns=Columns(split="split"))
    assert found.aside == (("t.csv row 1", "'whatever' in column 'split' is no part (train, val, test)"),)


def test_rows_that_cannot_be_used_are_set_aside_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('text,label\ngood,y\n,n\nno label,\na,b,c\n"' + "x" * 300 + '",n\nfine,n\n')
    data = read(tmp_path / "t.csv", limits=Limits(field_characters=200))
    assert data.items == ["good", "fine"]
    told = dict(data.aside)
    assert told["t.csv row 2"] == "field 'text' is empty"
    assert told["t.csv row 3"] == "no label"
    assert told["t.csv row 4"] == "3 fields where the header has 2"
    assert "300 characters, over the limit of 200" in told["t.csv row 5"]


def test_a_field_over_the_limit_in_every_row_stops(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(f"{'x' * 140_000},{label}" for label in "yn"))
    with pytest.raises(DataError, match=r"140,000 characters, over the limit .* every row"):
        read(tmp_path / "t.csv")


def test_broken_json_lines_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "a", "label": "x"}\n{broken\n[1]\n\n{"text": "b", "label": "y"}\n')
    data = read(tmp_path / "t.jsonl")
    assert data.items == ["a", "b"]
    assert [name for name, _ in data.aside] == ["t.jsonl row 2", "t.jsonl row 3"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.csv", "", "empty"),
        ("t.csv", "text,label\n", "nothing to read"),
        ("t.csv", "text,text\na,b\n", "two columns are called 'text'"),
        ("t.json", "[1, 2", "not JSON"),
        ("t.jsonl", "nonsense\n", "nothing to read .*not JSON"),
        ("t.parquet", "nonsense", "not a whole Parquet"),
        ("t.csv", "text,label\na,\nb,\n", "no label in any row"),
    ],
)
def test_tables_that_cannot_be_read_stop_in_one_line(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=says) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["red;round", "red", "round", ""], [("red", "round"), ("red",), ("round",), ()]),
        (["red|round", "red|flat", "flat"], [("red", "round"), ("flat", "red"), ("flat",)]),
        (['["red", "round"]', '["red"]', "[]"], [("red", "round"), ("red",), ()]),
    ],
)
def test_several_labels_in_one_column(tmp_path: Path, cells: list[str], expected: list[tuple[str, ...]]) -> None:
    rows = [{"text": f"t {n}", "label": cell} for n, cell in enumerate(cells)]
    data = read(write(tmp_path / "t.csv", rows))
    assert data.kind == "multi"
    assert data.labels == expected


def test_several_labels_in_lists_and_in_flag_columns(tmp_path: Path) -> None:
    rows = [{"text": f"t {n}", "label": names} for n, names in enumerate([["b", "a"], [], ["a"]])]
    assert read(write(tmp_path / "t.parquet", rows)).labels == [("a", "b"), (), ("a",)]
    flags = [{"text": "x y", "sun": 1, "rain": 0}, {"text": "z", "sun": 1, "rain": 1}]
    data = read(write(tmp_path / "f.csv", flags), columns=Columns(label="sun,rain"))
    assert (data.kind, data.labels) == ("multi", [("sun",), ("rain", "sun")])
    with pytest.raises(DataError, match="neither 0 nor 1"):
        read(write(tmp_path / "g.csv", [{"text": "x", "sun": 1, "rain": 7}]), columns=Columns(label="sun,rain"))


def test_a_class_name_with_a_separator_is_one_class(tmp_path: Path) -> None:
    rows = [{"text": f"t {n}", "label": ["either; or", "neither"][n % 2]} for n in range(4)]
    data = read(write(tmp_path / "t.csv", rows))
    assert (data.kind, data.classes) == ("single", ("either; or", "neither"))


def test_quantities_are_no_classes(tmp_path: Path) -> None:
    rows = [{"text": f"t {n}", "label": n * 1.37 + 0.01} for n in range(30)]
    data = read(write(tmp_path / "t.csv", rows))
    assert (data.kind, data.classes, data.values[1]) == ("quantity", (), pytest.approx(1.38))


def test_tables_to_predict_need_no_label(tmp_path: Path) -> None:
    data = read_inputs([write(tmp_path / "t.csv", [{"text": "a b"}, {"text": "c d"}])])
    assert (data.items, data.labels) == (["a b", "c d"], None)
    assert read_inputs([write(tmp_path / "u.csv", ROWS)]).labels is None
    assert read_inputs(["just a sentence."], modality="text").items == ["just a sentence."]


def test_a_table_in_another_encoding_is_read_and_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("text,label\ngrün und rot,a\nblau und gelb,b\n".encode("cp1252"))
    found = read(tmp_path / "t.csv")
    assert found.items[0] == "grün und rot"
    assert "t.csv: not UTF-8, read as Windows-1252" in found.guesses


def test_a_huge_field_costs_its_row_and_not_the_table(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("w") as file:
        file.write("text,label\na story,x\n")
        file.write("y" * 20_000_000 + ",x\n")
        file.write("the sea,z\n")
    found = read(tmp_path / "t.csv")
    assert len(found) == 2
    assert [(name, "20,000,000 characters, over the limit" in why) for name, why in found.aside] == [("t.csv row 2", True)]
