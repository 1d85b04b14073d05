"""Prepared training examples: decoded once, read back batch by batch, whatever their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from headstart.features.batches import Decode, prepared
from headstart.files import replacing
from headstart.models.backbone import Inputs, Preprocess
from headstart.models.text_preprocess import Tokens

TOGETHER = 512  # examples collated at once to look at their tokens
UNSEEN = -1
"""The epoch of a batch that only a measurement sees: no augmented view, and of a long text the first window."""
Augment = Callable[[Inputs, np.random.Generator], Inputs]


class Examples(Protocol):
    """What the training loop reads: batches of rows. Without an epoch they are shown as they are; in an epoch of a training
    perhaps in another view, and of a long text one window, another one each time.

    `seconds` is what computing them has taken so far, reading not counted.
    """

    seconds: float

    def ready(self, rows: np.ndarray, epoch: int | None = None) -> None:
        """Compute what batches of `rows` will need."""
        ...

    def batch(self, rows: np.ndarray, epoch: int | None = None) -> Inputs:
        """Some rows as one collated batch."""
        ...

    def costs(self, rows: np.ndarray) -> list[int]:
        """The relative compute of each of `rows`."""
        ...

    def tokens(self, rows: np.ndarray) -> np.ndarray:
        """The distinct token ids in batches of `rows`, padding included; none where no embedding will be asked."""
        ...


class PreparedExamples:
    """Examples as the backbone's preprocessing makes them, kept on disk (images) or in memory (token ids).

    Images are the bulk: they go to one flat file of equal rows, and a batch reads just its rows.
    """

    seconds = 0.0

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        rows: list[Any] | None = None,
        path: Path | None = None,
        like: np.ndarray | None = None,
    ) -> None:
        """Use `prepare_examples` to make one; `like` is any one of the arrays in the file at `path`."""
        self._preprocess, self._rows, self._path, self._like = preprocess, rows, path, like

    @property
    def are_tokens(self) -> bool:
        """Whether they are texts, whose batches are padded."""
        return self._rows is not None and not isinstance(self._rows[0], np.ndarray)

    def ready(self, rows: Sequence[int] | np.ndarray, epoch: int | None = None) -> None:
        """They all are."""

    def batch(self, rows: Sequence[int] | np.ndarray, epoch: int | None = None) -> Inputs:
        """The examples in `rows` as one collated batch: texts whole, or with an epoch a window of each, the others of a long
        text in other epochs. A step then costs what it costs with texts that fit.
        """
        if self._rows is not None:
            return self._preprocess.collate([self.window(row, epoch) for row in rows])
        assert self._path is not None
        assert self._like is not None
        examples = []
        with self._path.open("rb") as file:
            for row in rows:
                file.seek(int(row) * self._like.nbytes)
                raw = np.frombuffer(file.read(self._like.nbytes), dtype=self._like.dtype)
                examples.append(raw.reshape(self._like.shape))
        return self._preprocess.collate(examples)

    def window(self, row: int, epoch: int | None) -> Any:
        """What an epoch shows of an example in memory; all of it without an epoch."""
        assert self._rows is not None
        example = self._rows[row]
        return example if epoch is None or not isinstance(example, Tokens) else example.only(max(0, epoch))

    def lengths(self, row: int) -> list[int]:
        """The tokens of each window of a text; none where it has one window only."""
        example = None if self._rows is None else self._rows[row]
        return [len(one) for one in example.windows] if isinstance(example, Tokens) and len(example.windows) > 1 else []

    def costs(self, rows: Sequence[int] | np.ndarray) -> list[int]:
        """The relative compute of each of `rows`."""
        if self._rows is None:
            return [1] * len(rows)
        return [self._preprocess.cost(self._rows[row]) for row in rows]

    def tokens(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The distinct token ids in batches of `rows`, padding included; none for pictures."""
        distinct = [np.array([], dtype=np.int64)]
        for start in range(0, len(rows) if self._rows is not None else 0, TOGETHER):
            batch = self.batch(rows[start : start + TOGETHER])
            if isinstance(batch, dict) and "input_ids" in batch:
                distinct.append(np.unique(batch["input_ids"].numpy()))
        return np.unique(np.concatenate(distinct))


def prepare_examples(
    items: Sequence[Any], *, decode: Decode, preprocess: Preprocess, path: Path, threads: int
) -> PreparedExamples:
    """Decode and prepare all `items`; images are written to `path`, or read from there when already whole."""
    chunks = prepared(items, decode, preprocess, threads=threads)
    first = next(chunks)
    if not isinstance(first[0], np.ndarray):
        rows = [*first, *(example for chunk in chunks for example in chunk)]
        return PreparedExamples(preprocess, rows=rows)
    like = first[0]
    if not (path.is_file() and path.stat().st_size == len(items) * like.nbytes):
        with replacing(path) as temporary, temporary.open("wb") as file:
            for chunk in (first, *([] if len(first) == len(items) else chunks)):
                file.write(np.ascontiguousarray(np.stack(chunk), dtype=like.dtype).data)
    return PreparedExamples(preprocess, path=path, like=like)
