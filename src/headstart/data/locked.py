"""Test labels under lock: read once, at the end."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.data.dataset import Dataset


class Locked:
    """Test examples whose inputs are free to see and whose labels can be taken out exactly once."""

    def __init__(self, dataset: Dataset) -> None:
        """Lock the labels of `dataset`; raises ValueError when it has none."""
        if dataset.labels is None:
            raise ValueError("a data set without labels has nothing to lock")
        self.inputs = dataset.without_labels()
        self._labels: Sequence[tuple[str, ...]] | None = dataset.labels
        self.opened_for: str | None = None

    def open(self, reason: str) -> Sequence[tuple[str, ...]]:
        """The labels; raises RuntimeError the second time, saying what they were opened for."""
        if self._labels is None:
            raise RuntimeError(f"test labels asked for ({reason}), but already read once ({self.opened_for})")
        labels, self._labels, self.opened_for = self._labels, None, reason
        return labels

    def __len__(self) -> int:
        """The number of test examples."""
        return len(self.inputs)

    def __repr__(self) -> str:
        """Whether it is locked, never what is inside."""
        state = "locked" if self._labels is not None else f"opened for: {self.opened_for}"
        return f"Locked({len(self.inputs)} examples, {state})"

    def __getstate__(self) -> object:
        """Refuse to be copied or pickled: a copy could be opened again."""
        raise TypeError("locked test labels cannot be copied or pickled")
