"""What a model says of the words of texts: spans with their places, whatever the length of a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.modality import MODALITIES
from headstart.errors import DataError
from headstart.predicted import Labelled, Prediction
from headstart.prove.tags import said_spans
from headstart.prove.word_texts import stretch, stretches, words_at

Rows = Callable[[Dataset], tuple[np.ndarray, dict[int, str]]]
"""From examples to a row for each, as `prove.tags` has it, and why some could not be read."""


def labelled(dataset: Dataset, rows_of: Rows, classes: Sequence[str]) -> list[Prediction]:
    """One prediction for each example; texts that are too long are read in stretches and put together again."""
    decode = MODALITIES[dataset.modality].decode
    errors: dict[int, str] = {}
    texts: list[str] = []
    owners: list[int] = []
    offsets: list[int] = []
    for number, item in enumerate(dataset.items):
        try:
            text = decode(item)
            if not isinstance(text, str):
                raise DataError(f"{dataset.ids[number]}: a pair of texts. Words are labelled in one text.")
        except DataError as error:
            errors[number] = str(error)
            continue
        runs = stretches(text)
        texts += [text] if len(runs) == 1 else [stretch(text, first, end) for first, end in runs]
        owners += [number] * len(runs)
        offsets += [0] if len(runs) == 1 else [int(words_at(text)[0, first]) for first, _ in runs]
    found: list[list[Labelled]] = [[] for _ in dataset.items]
    if texts:
        blank = [""] * len(texts)
        parts = replace(dataset, items=texts, ids=blank, labels=None, parts=blank, groups=None)  # type: ignore[arg-type]
        rows, unread = rows_of(parts)
        for place, (text, owner, offset) in enumerate(zip(texts, owners, offsets, strict=True)):
            if place in unread:
                errors[owner] = unread[place]
                continue
            edges = words_at(text)
            for (first, end, kind), probability in said_spans(rows[place], edges.shape[1], classes):
                begin, stop = int(edges[0, first]), int(edges[1, end - 1])
                found[owner].append(Labelled(str(text)[begin:stop], kind, begin + offset, stop + offset, probability))
    return [_prediction(name, found[number], errors.get(number)) for number, name in enumerate(dataset.ids)]


def _prediction(name: str, spans: Sequence[Labelled], error: str | None) -> Prediction:
    if error is not None:
        return Prediction(name, (), None, {}, error)
    kinds = tuple(dict.fromkeys(one.label for one in spans))
    return Prediction(name, kinds, min((one.probability for one in spans), default=None), {}, spans=tuple(spans))
