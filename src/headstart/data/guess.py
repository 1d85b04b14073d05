"""Which column means what: named by the user, else guessed, and every guess is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.data.numbers import number_in
from headstart.data.options import PARTS, Columns
from headstart.data.tree import IMAGE_SUFFIXES, suffix
from headstart.errors import DataError

SAMPLE = 200  # cells looked at in a column
LABEL_NAMES = (
    "label labels class classes class_name category categories target y tag tags intent sentiment species".split()
)
IMAGE_NAMES = (
    "image images img picture photo path file filename file_name filepath file_path image_path image_file".split()
)
ROW_NAMES = "id index row number no nr idx key unnamed".split()
"""Columns that count rows."""
TEXT_NAMES = "text sentence content review question query tweet document comment message body utterance title".split()
SPLIT_NAMES = "split part subset fold partition set".split()
QA = "qa"
"""What a user calls labels that are answers in a context."""
ANSWER_NAMES = ("answers", "answer", "answer_text")
PAIR_NAMES = [
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("text1", "text2"),
    ("text_a", "text_b"),
]


@dataclass(frozen=True, slots=True)
class Roles:
    """What each column means; `said` tells which of it was guessed."""

    text: tuple[str, ...]
    image: str | None
    label: tuple[str, ...]
    split: str | None
    group: str | None
    said: tuple[str, ...]
    spans: bool = False
    """Whether labels are answers that stand in the second text."""

    @property
    def modality(self) -> str:
        """`image` where there is an image column, else `text`."""
        return "image" if self.image is not None else "text"


def roles(name: str, table: Mapping[str, Sequence[Any]], columns: Columns, *, labelled: bool) -> Roles:
    """What the columns of `table` mean; raises DataError, listing the columns, for what is not there or not clear."""
    if _are_questions(table, columns, labelled):
        return _question_roles(name, table, columns, labelled)
    label = _named_label(name, table, columns.label) if labelled or columns.label in table else ()
    named = (*columns.text, *filter(None, (columns.image, columns.split, columns.group)))
    for column in named:
        if column not in table:
            raise DataError(f"{name}: no column '{column}'. Name one of its columns: {', '.join(table)}.")
    if columns.image and columns.text:
        raise DataError(f"{name}: both an image and a text column are named. Name one kind.")
    said: list[str] = []
    taken = {*named, *label}
    split = columns.split or _guess_split(table, taken)
    taken |= {split} if split else set()
    image, text = columns.image, columns.text
    if not image and not text:
        image = _guess_image(table, taken)
        text = () if image else _guess_text(table, {*taken, _known(table, LABEL_NAMES, taken) or ""})
        if not image and not text:
            raise DataError(
                f"{name}: no column of pictures or texts among: {', '.join(table)}. Name it with --text or --image."
            )
        said.append(
            f"column{'s' if len(text) > 1 else ''} {' + '.join(text) or image} taken as {'image' if image else 'text'}"
        )
    taken |= {*text, *filter(None, (image,))}
    if labelled and not label:
        guess = _guess_label(table, taken)
        if guess is None:
            raise DataError(f"{name}: no label column found among: {', '.join(table)}. Name it with --label.")
        label = (guess,)
        said.append(f"column {guess} taken as label")
    if split and not columns.split:
        said.append(f"column {split} taken as train/val/test split")
    return Roles(text, image, label, split, columns.group, tuple(said))


def _are_questions(table: Mapping[str, Sequence[Any]], columns: Columns, labelled: bool) -> bool:
    """Whether a table holds questions with answers that stand in their context: as the user says, or by the names of its columns."""
    if columns.task is not None or columns.text or columns.image or columns.label:
        return columns.task == QA
    lower = {column.lower() for column in table}
    return {"question", "context"} <= lower and (not labelled or bool(lower.intersection(ANSWER_NAMES)))


def _question_roles(name: str, table: Mapping[str, Sequence[Any]], columns: Columns, labelled: bool) -> Roles:
    lower = {column.lower(): column for column in table}
    text: tuple[str, ...] = columns.text or tuple(lower[one] for one in ("question", "context") if one in lower)
    label = columns.label or next((lower[one] for one in ANSWER_NAMES if one in lower), None)
    missing = next((one for one in (*text, columns.label, columns.split, columns.group) if one and one not in table), None)
    if missing or len(text) != 2 or (labelled and label is None):
        lacks = f"no column '{missing}'" if missing else "question, context and answers are needed"
        raise DataError(
            f"{name}: {lacks}, and its columns are: {', '.join(table)}. Name them with --text QUESTION --text CONTEXT --label ANSWERS."
        )
    split = columns.split or _guess_split(table, {*text, *filter(None, (label,))})
    # Without titles a context is an article of its own: its questions stay on one side.
    group = columns.group or lower.get("title", text[1])
    said: tuple[str, ...] = (f"answers in column {label} to column {text[0]} are taken to stand in column {text[1]}",) if label and labelled else ()
    kept = f"{'articles' if group == lower.get('title') else 'contexts'} are kept on one side of every split (column {group})"
    said += (kept,) if labelled and not columns.group else ()
    return Roles(text, None, (label,) if label and labelled else (), split, group, said, spans=True)


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, not-a-number, white space, or a struct of nothing."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    if isinstance(value, dict):
        return all(inner is None for inner in value.values())
    return isinstance(value, float) and value != value  # only NaN differs from itself


def looks_like_picture(value: Any) -> bool:
    """Whether a cell holds a picture: an image path, encoded bytes, or a picture or array in memory."""
    if isinstance(value, str):
        return len(value) < 1000 and suffix(value.strip()) in IMAGE_SUFFIXES
    if isinstance(value, dict):
        return bool(value) and value.keys() <= {"bytes", "path"}
    if isinstance(value, Path):
        return True
    return (
        isinstance(value, bytes)
        or hasattr(value, "getexif")
        or getattr(value, "ndim", 0) in (2, 3)
        or hasattr(value, "read")
    )


def _named_label(name: str, table: Mapping[str, Sequence[Any]], label: str | None) -> tuple[str, ...]:
    if label is None:
        return ()
    if label in table:
        return (label,)
    several = tuple(piece.strip() for piece in label.split(","))
    if len(several) > 1 and all(piece in table for piece in several):
        return several
    missing = next(piece for piece in several if piece not in table)
    raise DataError(
        f"{name}: no label column '{missing}'. Its columns are: {', '.join(table)}. Name one of them with --label."
    )


def _guess_split(table: Mapping[str, Sequence[Any]], taken: set[str]) -> str | None:
    for column in table:
        if column.lower() in SPLIT_NAMES and column not in taken:
            words = {str(value).strip().lower() for value in table[column] if not is_missing(value)}
            if words and words <= PARTS.keys():
                return column
    return None


def _guess_image(table: Mapping[str, Sequence[Any]], taken: set[str]) -> str | None:
    pictures = [column for column in table if column not in taken and _mostly(table[column], looks_like_picture)]
    return _known(dict.fromkeys(pictures), IMAGE_NAMES, set()) or (pictures[0] if pictures else None)


def _guess_text(table: Mapping[str, Sequence[Any]], taken: set[str]) -> tuple[str, ...]:
    words = [
        column
        for column in table
        if column not in taken and _mostly(table[column], lambda value: isinstance(value, str))
    ]
    lower = {column.lower(): column for column in words}
    for one, other in PAIR_NAMES:
        if one in lower and other in lower:
            return (lower[one], lower[other])
    known = _known(dict.fromkeys(words), TEXT_NAMES, set())
    if known:
        return (known,)
    return (max(words, key=lambda column: sum(map(len, _sample(table[column])))),) if words else ()


def _guess_label(table: Mapping[str, Sequence[Any]], taken: set[str]) -> str | None:
    known = _known(table, LABEL_NAMES, taken)
    if known:
        return known
    left = [column for column in table if column not in taken]
    repeating = [column for column in left if _repeats(table[column])]
    if repeating:
        return repeating[-1]
    numbers = [column for column in left if column.lower() not in ROW_NAMES and _mostly(table[column], _is_number)]
    return numbers[0] if len(numbers) == 1 else None


def _is_number(value: Any) -> bool:
    return number_in(value) is not None


def _repeats(values: Sequence[Any]) -> bool:
    cells = [str(value) for value in values if not is_missing(value)]
    return len(cells) > 1 and 1 < len(set(cells)) <= max(2, len(cells) // 2)


def _known(table: Mapping[str, Any], names: Sequence[str], taken: set[str]) -> str | None:
    lower = {column.lower(): column for column in table if column not in taken}
    return next((lower[name] for name in names if name in lower), None)


def _sample(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not is_missing(value):
            found.append(value)
        if len(found) == SAMPLE:
            break
    return found


def _mostly(values: Sequence[Any], test: Any) -> bool:
    cells = _sample(values)
    return bool(cells) and sum(map(test, cells)) > len(cells) / 2
