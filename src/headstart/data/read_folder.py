"""A tree of files as a data set: a folder per class, with or without folders for the parts."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.data.dataset import Dataset, Part
from headstart.data.options import PARTS
from headstart.data.tree import IMAGE_SUFFIXES, TEXT_SUFFIXES, Tree, suffix
from headstart.errors import DataError

Place = tuple[Part, str | None, str]
"""The part, the class (None where there is none) and the name of a file."""


def tree_dataset(tree: Tree, *, labelled: bool = True) -> Dataset:
    """The pictures, or else the .txt files, of a tree; raises DataError where there are none, or no class folders.

    Understood: `class/…`, `part/class/…` and `class/part/…`, below any number of wrapping folders; what lies deeper
    belongs to its class. With `labelled=False` files outside class folders are taken up too, and no labels are given.
    """
    modality, names = _media(tree)
    said = [_ignored(tree, names)] if len(names) < len(tree.files) else []
    if not labelled:
        return _dataset(tree, modality, [("", None, name) for name in names], labelled=False, said=said)
    places, layout = _places(names)
    stray = [name for _, label, name in places if label is None]
    placed = [place for place in places if place[1] is not None]
    if not placed:
        raise DataError(
            f"{tree.name}: no class folders, only loose files. Put one folder of {modality}s per class into it."
        )
    if stray:
        said.append(f"{len(stray)} loose files are in no class folder and are set aside, the first: {stray[0]}")
    aside = tuple((name, "in no class folder") for name in stray)
    return _dataset(tree, modality, placed, labelled=True, said=[layout, *said], aside=aside)


def _dataset(
    tree: Tree,
    modality: str,
    places: Sequence[Place],
    *,
    labelled: bool,
    said: Sequence[str],
    aside: tuple[tuple[str, str], ...] = (),
) -> Dataset:
    return Dataset(
        name=tree.name,
        modality=modality,
        kind="single",
        items=[tree.files[name] for _, _, name in places],
        ids=[name for _, _, name in places],
        labels=[(label or "",) for _, label, _ in places] if labelled else None,
        parts=[part for part, _, _ in places],
        guesses=tuple(said),
        aside=aside,
    )


def _media(tree: Tree) -> tuple[str, list[str]]:
    """The modality and its files: pictures where there are any in class folders, else texts."""
    pictures, texts = tree.having(IMAGE_SUFFIXES), tree.having(TEXT_SUFFIXES)
    if not pictures and not texts:
        kinds = ", ".join(sorted({suffix(name) or "no suffix" for name in tree.files}))
        raise DataError(
            f"{tree.name}: holds no pictures and no .txt files, only {kinds}. Give a folder per class, or a table."
        )
    return ("image", pictures) if len(pictures) >= len(texts) else ("text", texts)


def _places(names: Sequence[str]) -> tuple[list[Place], str]:
    """Where each file belongs, and the layout in words."""
    folders = {name: name.split("/")[:-1] for name in names}
    skip = _wrapping(list(folders.values()))
    inner = {name: pieces[skip:] for name, pieces in folders.items()}
    tops = {pieces[0].lower() for pieces in inner.values() if pieces}
    seconds = {pieces[1].lower() for pieces in inner.values() if len(pieces) > 1}
    if tops and (tops <= PARTS.keys() or "train" in tops) and seconds:
        placed: list[Place] = [_in_part(name, pieces) for name, pieces in inner.items()]
        found = ", ".join(sorted({pieces[0] for pieces in inner.values() if pieces and pieces[0].lower() in PARTS}))
        return placed, f"layout: a folder per class inside {found}"
    if seconds and seconds <= PARTS.keys() and all(len(pieces) > 1 for pieces in inner.values() if pieces):
        parts = [
            (PARTS[pieces[1].lower()], pieces[0], name) if pieces else ("", None, name)
            for name, pieces in inner.items()
        ]
        return parts, "layout: train and test folders inside a folder per class"  # type: ignore[return-value]
    return [("", pieces[0] if pieces else None, name) for name, pieces in inner.items()], "layout: a folder per class"


def _in_part(name: str, pieces: Sequence[str]) -> Place:
    part = PARTS.get(pieces[0].lower()) if pieces else None
    if part is None or len(pieces) < 2:
        return "", None, name
    return part, pieces[1], name


def _wrapping(folders: Sequence[Sequence[str]]) -> int:
    """How many leading folders all files share and that are neither a class nor a part."""
    count = 0
    while all(len(pieces) > count + 1 for pieces in folders):
        shared = {pieces[count] for pieces in folders}
        if len(shared) > 1 or next(iter(shared)).lower() in PARTS:
            break
        count += 1
    return count


def _ignored(tree: Tree, names: Sequence[str]) -> str:
    taken = set(names)
    others = [name for name in tree.files if name not in taken]
    shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
    return f"ignored {len(others)} other file{'s' if len(others) > 1 else ''}: {shown}"
