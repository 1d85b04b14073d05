"""Tables on disk or in a zip: CSV, TSV, JSON lines, JSON and Parquet as frames of columns."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from headstart.data.frame import Aside, Frame, path_beside
from headstart.data.items import item_name, raw_bytes
from headstart.data.options import PARTS, Limits
from headstart.data.read_squad import is_squad, squad_frame
from headstart.data.tree import Tree, suffix
from headstart.errors import DataError


def read_frame(item: Any, *, resolve: Callable[[str], Any], title: str, limits: Limits) -> Frame:
    """The table in `item` as a frame titled `title`; raises DataError when it is no such table or has no rows."""
    kind = suffix(item_name(item))
    if kind == ".parquet":
        frame = _parquet(item, title)
    else:
        text, said = _text(item, title)
        if kind in (".jsonl", ".ndjson", ".json"):
            frame = _json(text, title, whole=kind == ".json")
        else:
            frame = _separated(text, title, "\t" if kind == ".tsv" else ",", limits)
        frame = replace(frame, said=(*said, *frame.said))
    return replace(frame, resolve=resolve, part=part_by_name(title))


def table_frames(path: Path, limits: Limits) -> list[Frame]:
    """The one frame of a table file; paths in it are relative to its folder."""
    return [replace(read_frame(path, resolve=path_beside(path.parent), title=path.name, limits=limits), part="")]


def tree_frames(tree: Tree, names: Sequence[str], limits: Limits) -> list[Frame]:
    """The frames of the tables called `names` in a tree; paths in each are relative to its place in the tree."""
    return [read_frame(tree.files[name], resolve=_inside(tree, name), title=name, limits=limits) for name in names]


def part_by_name(title: str) -> Any:
    """The part that a table's name tells: `train.csv`, `validation-00000.parquet`, `test/metadata.csv`."""
    for piece in reversed(PurePosixPath(title.lower()).parts):
        words = piece.split(".")[0].replace("-", "_").split("_")
        found = [PARTS[word] for word in words if word in PARTS]
        if found:
            return found[0]
    return ""


def _inside(tree: Tree, name: str) -> Callable[[str], Any]:
    folder = PurePosixPath(name).parent

    def resolve(written: str) -> Any:
        inner = (folder / written.replace("\\", "/")).as_posix()
        # What is not in the tree becomes a path that is not there: the audit says so and sets the row aside.
        return tree.files.get(inner, Path(tree.name) / inner)

    return resolve


def _text(item: Any, title: str) -> tuple[str, tuple[str, ...]]:
    """The text of a table, and in words how it was read where that was a guess."""
    content = raw_bytes(item)
    encodings = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    encoding = encodings.get(content[:2], "utf-8-sig")
    try:
        return content.decode(encoding), ()
    except UnicodeDecodeError:
        if b"\0" in content:
            raise DataError(f"{item_name(item)}: not a text file (it holds zero bytes). Save it as UTF-8.") from None
        return content.decode("cp1252", errors="replace"), (f"{title}: not UTF-8, read as Windows-1252",)


def _separated(text: str, title: str, separator: str, limits: Limits) -> Frame:
    first = text.split("\n", 1)[0]
    if separator == "," and "," not in first and (";" in first or "\t" in first):
        separator = ";" if ";" in first else "\t"
    said = () if separator in (",", "\t") else (f"{title}: columns separated by '{separator}'",)
    quotes_are_plain = separator == "\t" and _even_without_quotes(text)
    rows: list[list[str]] = []
    ids: list[str] = []
    aside: list[Aside] = []
    with _any_length():
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=separator,
            quoting=csv.QUOTE_NONE if quotes_are_plain else csv.QUOTE_MINIMAL,
        )
        header = [name.strip() for name in next(reader, [])]
        _require_header(title, header)
        for number, row in enumerate((row for row in reader if row), start=1):
            problem = _row_problem(row, header, limits)
            if problem:
                aside.append((f"{title} row {number}", problem))
            else:
                rows.append([_unquoted(cell) for cell in row] if quotes_are_plain else row)
                ids.append(f"{title} row {number}")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    return Frame(title, columns, ids, aside=tuple(aside), said=said)


def _row_problem(row: Sequence[str], header: Sequence[str], limits: Limits) -> str | None:
    longest = max(map(len, row))
    if longest > limits.field_characters and len(row) != len(header):
        return (
            f"a field of {longest:,} characters is over the limit of {limits.field_characters:,} (an unclosed quote?)"
        )
    return None if len(row) == len(header) else f"{len(row)} fields where the header has {len(header)}"


def _require_header(title: str, header: Sequence[str]) -> None:
    doubled = [name for name in header if header.count(name) > 1]
    if not header:
        raise DataError(f"{title}: no header line. Put the columns' names in its first line.")
    if doubled:
        raise DataError(f"{title}: two columns are called '{doubled[0]}'. Rename one.")


def _even_without_quotes(text: str) -> bool:
    """Whether every line has as many tabs as the first: quotation marks then belong to the text."""
    lines = text.splitlines()
    return all(line.count("\t") == lines[0].count("\t") for line in lines if line)


def _unquoted(cell: str) -> str:
    """A field without the quotation marks a writer put around it, where they are well formed."""
    inner = cell[1:-1]
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return cell


@contextmanager
def _any_length() -> Iterator[None]:
    """Let csv read fields of any length: an over-long one shall cost its row, not the table."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _json(text: str, title: str, *, whole: bool) -> Frame:
    """JSON lines, one JSON list of objects, or the layout of SQuAD; lines that are broken are set aside."""
    rows: list[tuple[int, Any]] = []
    aside: list[Aside] = []
    if whole and (squad := _squad(text)) is not None:
        return squad_frame(squad, title)
    if whole and text.lstrip().startswith("["):
        try:
            rows = list(enumerate(json.loads(text), start=1))
        except json.JSONDecodeError as error:
            raise DataError(f"{title}: not JSON ({error}). Give a list of objects, or one object per line.") from error
    else:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                try:
                    rows.append((number, json.loads(line)))
                except json.JSONDecodeError as error:
                    aside.append((f"{title} row {number}", f"not JSON ({error.msg} at character {error.pos})"))
    objects = [(number, row) for number, row in rows if isinstance(row, dict)]
    aside += [(f"{title} row {number}", "not a JSON object") for number, row in rows if not isinstance(row, dict)]
    names = list(dict.fromkeys(name for _, row in objects for name in row))
    columns = {name: [row.get(name) for _, row in objects] for name in names}
    return Frame(title, columns, [f"{title} row {number}" for number, _ in objects], aside=tuple(aside))


def _squad(text: str) -> Mapping[str, Any] | None:
    """What a JSON file holds in the layout of SQuAD; None for any other."""
    if not text.lstrip().startswith("{") or '"paragraphs"' not in text:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return None  # lines of JSON: each is read, and told of, by itself
    return value if is_squad(value) else None


def _parquet(item: Any, title: str) -> Frame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(item if isinstance(item, Path) else pa.BufferReader(raw_bytes(item)))
    except FileNotFoundError as error:
        raise DataError(f"{title}: no such file. Correct the path.") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{title}: not a whole Parquet file ({str(error).splitlines()[0]}). Write it again.") from error
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    ids = [f"{title} row {number}" for number in range(1, table.num_rows + 1)]
    return Frame(title, columns, ids, class_names=_hugging_face_classes(table.schema.metadata))


def _hugging_face_classes(metadata: dict[bytes, bytes] | None) -> dict[str, Sequence[str]]:
    """The class names that Hugging Face's `datasets` writes into the Parquet files it makes."""
    if not metadata or b"huggingface" not in metadata:
        return {}
    features = json.loads(metadata[b"huggingface"]).get("info", {}).get("features", {})
    named: dict[str, Sequence[str]] = {}
    for column, feature in features.items():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if isinstance(inner, dict) and "names" in inner:
            named[column] = list(inner["names"])
    return named
