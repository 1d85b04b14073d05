"""`read`: whatever a user may hand in, as one `Dataset`. The readers are a table; this file only chooses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.builtin import PREFIX, read_builtin
from headstart.data.conversations import LM, dataset_of
from headstart.data.dataset import Dataset
from headstart.data.labels import as_task
from headstart.data.merge import merged
from headstart.data.options import Columns, Limits
from headstart.data.read_conll import CONLL_SUFFIXES, MAYBE_SUFFIXES, conll_names, file_conll, is_conll_file, tree_conll
from headstart.data.read_corpus import PROSE_SUFFIXES, file_corpus, is_corpus, tree_corpus
from headstart.data.read_folder import tree_dataset
from headstart.data.read_python import objects_dataset, read_python
from headstart.data.read_table import part_by_name, table_frames, tree_frames
from headstart.data.read_tokens import TOKENS
from headstart.data.read_zip import zip_tree
from headstart.data.tree import IMAGE_SUFFIXES, TABLE_SUFFIXES, TEXT_SUFFIXES, Tree, folder_tree, suffix
from headstart.errors import DataError

__all__ = ["Columns", "Limits", "read", "read_inputs"]

DEFAULT_LIMITS = Limits()
NO_COLUMNS = Columns()
TAKES = "a folder, .zip, .csv, .tsv, .jsonl, .parquet or .conll, or a .txt or .md file of text to learn"


def read(source: Any, *, columns: Columns = NO_COLUMNS, limits: Limits = DEFAULT_LIMITS) -> Dataset:
    """The labelled examples in `source`, not yet decoded.

    `source`: a folder or zip (a folder per class, with or without part folders; or tables such as train.csv and
    test.csv), a table file, `builtin:digits`, a pandas DataFrame, a Hugging Face Dataset or DatasetDict, or a pair
    `(examples, labels)`. Raises DataError, in one line, for what cannot be read.
    """
    if isinstance(source, Dataset):
        return source
    if isinstance(source, str) and source.startswith(PREFIX):
        return as_task(read_builtin(source), columns.task)
    if isinstance(source, str | Path):
        return _read_path(Path(source), columns, limits, labelled=True)
    return read_python(source, columns, limits)


def read_inputs(
    sources: Any,
    *,
    modality: str | None = None,
    columns: Columns = NO_COLUMNS,
    limits: Limits = DEFAULT_LIMITS,
) -> Dataset:
    """Examples to predict, without labels: paths of files, folders, zips or tables, or examples in memory.

    A picture by itself (a PIL image, bytes, an array of two dimensions or with up to four channels last) is a list of
    one. With `modality` "text" a string that is no file is itself the example; with "image" it is a path. A file that
    is missing or broken is kept as an example, so that its row can say so.
    """
    if isinstance(sources, Dataset):
        return sources.without_labels()
    if isinstance(sources, str | Path):
        sources = [sources]
    elif _is_picture(sources):
        sources = sources[None] if hasattr(sources, "ndim") else [sources]
    if not isinstance(sources, list | tuple):
        if hasattr(sources, "columns") or hasattr(sources, "features"):
            return read_python(sources, columns, limits, labelled=False)
        return objects_dataset(sources, modality=modality)
    if not all(isinstance(source, str | Path) for source in sources):
        return objects_dataset(sources, modality=modality)
    return merged([_read_input(source, modality, columns, limits) for source in sources])


def _read_input(source: str | Path, modality: str | None, columns: Columns, limits: Limits) -> Dataset:
    if isinstance(source, str) and source.startswith(PREFIX):
        return read_builtin(source).without_labels()
    if _is_text(source, modality):
        data = objects_dataset([source], modality="text")
        return replace(data, ids=[" ".join(str(source).split())[:80]])
    path = Path(source)
    if path.is_dir() or suffix(path.name) in TABLE_SUFFIXES | CONLL_SUFFIXES | {".zip"}:
        return _read_path(path, columns, limits, labelled=False)
    return objects_dataset([path], modality=modality)


def _is_picture(source: Any) -> bool:
    """Whether something in memory is one picture, as against many of them."""
    if hasattr(source, "getexif") or isinstance(source, bytes):
        return True
    is_array = hasattr(source, "detach") or (isinstance(source, np.ndarray) and source.dtype.kind in "buif")
    return is_array and (source.ndim == 2 or (source.ndim == 3 and source.shape[-1] <= 4))


def _is_text(source: str | Path, modality: str | None) -> bool:
    """Whether a string is an example by itself: it names no file, and texts are wanted or nothing hints at a path."""
    if isinstance(source, Path) or modality == "image" or _exists(Path(source)):
        return False
    known = IMAGE_SUFFIXES | TABLE_SUFFIXES | TEXT_SUFFIXES | CONLL_SUFFIXES | {".zip"}
    return suffix(source) not in known or " " in source.strip()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a text too long for a name
        return False


def _read_path(path: Path, columns: Columns, limits: Limits, *, labelled: bool) -> Dataset:
    if not _exists(path):
        raise DataError(f"{path}: no such file or folder. Check the path.")
    if path.is_dir():
        return _read_tree(folder_tree(path), columns, limits, labelled=labelled)
    kind = suffix(path.name)
    if kind == ".zip":
        return _read_tree(zip_tree(path, limits), columns, limits, labelled=labelled)
    if _is_conll(path, columns):
        return file_conll(path, columns, labelled=labelled)
    if kind in TABLE_SUFFIXES:
        return dataset_of(str(path), table_frames(path, limits), columns, limits, labelled=labelled)
    if kind in PROSE_SUFFIXES and labelled and columns.task in (None, LM):
        return file_corpus(path)
    raise DataError(f"{path}: a file of a kind that cannot be read as labelled data. Give {TAKES}.")


def _is_conll(path: Path, columns: Columns) -> bool:
    """Whether a file has a word a line, as far as the user does not say otherwise."""
    if columns.task not in (None, TOKENS):
        return False
    return is_conll_file(path) or (columns.task == TOKENS and suffix(path.name) in MAYBE_SUFFIXES)


def _read_tree(tree: Tree, columns: Columns, limits: Limits, *, labelled: bool) -> Dataset:
    """Tables where they are what the tree holds, or where they describe its pictures; else class folders."""
    if columns.task in (None, TOKENS) and not tree.having(IMAGE_SUFFIXES) and (files := conll_names(tree)):
        return tree_conll(tree, files, columns, labelled=labelled)
    if labelled and not columns.are_named and (is_corpus(tree) if columns.task is None else columns.task == LM and tree.having(PROSE_SUFFIXES)):
        return tree_corpus(tree)
    tables = _tables(tree)
    if tables:
        found = dataset_of(tree.name, tree_frames(tree, tables, limits), columns, limits, labelled=labelled)
        return replace(
            found, guesses=(f"read the table{'s' if len(tables) > 1 else ''} {', '.join(tables)}", *found.guesses)
        )
    if labelled and columns.are_named:
        raise DataError(
            f"{tree.name}: columns are named, but it holds no table. Leave the options out, or give the table."
        )
    archives = tree.having(frozenset({".zip"}))
    if (
        len(archives) == 1
        and not tree.having(IMAGE_SUFFIXES | TEXT_SUFFIXES)
        and isinstance(tree.files[archives[0]], Path)
    ):
        return _read_path(Path(tree.name) / archives[0], columns, limits, labelled=labelled)
    data = tree_dataset(tree, labelled=labelled)
    return as_task(data, columns.task) if labelled else data


def _tables(tree: Tree) -> list[str]:
    """The tables to read a tree by: those named after parts, or `metadata`, or the only one beside no class folders."""
    media = [name for name in tree.having(IMAGE_SUFFIXES | TEXT_SUFFIXES) if "/" in name]
    # A JSON file beside pictures or texts tells of them; train-v2.0.json and dev-v2.0.json by themselves are the data.
    tables = [
        name
        for name in tree.having(TABLE_SUFFIXES)
        if suffix(name) != ".json" or (not media and part_by_name(name.rsplit("/", 1)[-1]))
    ]
    parts = [name for name in tables if part_by_name(name.rsplit("/", 1)[-1])]
    metadata = [name for name in tables if name.rsplit("/", 1)[-1].lower().startswith("metadata.")]
    if metadata:
        return metadata
    if not media:
        return parts or (tables if len(tables) == 1 else [])
    flat = len({name.rsplit("/", 1)[0] for name in media}) == 1
    return (parts or tables[:1]) if flat else []
