"""Several data sets as one."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.data.dataset import Dataset
from headstart.errors import DataError


def merged(datasets: Sequence[Dataset]) -> Dataset:
    """The examples of all `datasets` in turn, without labels; raises DataError where there are none or kinds differ."""
    if not datasets:
        raise DataError("nothing to read: no files given. Give files, folders or a table.")
    kinds = sorted({data.modality for data in datasets})
    if len(kinds) > 1:
        raise DataError(f"{' and '.join(kinds)} together: give one kind at a time.")
    first = datasets[0]
    return Dataset(
        name=first.name if len(datasets) == 1 else f"{first.name} and {len(datasets) - 1} more",
        modality=first.modality,
        kind=first.kind,
        items=[item for data in datasets for item in data.items],
        ids=[name for data in datasets for name in data.ids],
        labels=None,
        parts=[part for data in datasets for part in data.parts],
        guesses=tuple(dict.fromkeys(word for data in datasets for word in data.guesses)),
        aside=tuple(entry for data in datasets for entry in data.aside),
    )
