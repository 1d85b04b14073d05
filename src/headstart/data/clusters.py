"""Sets that grow together (union by smaller root, with path halving)."""

from __future__ import annotations

import numpy as np


class Clusters:
    """N members, each alone at first; the cluster's name is its smallest member."""

    def __init__(self, count: int) -> None:
        """Start with `count` clusters of one."""
        self._parent = list(range(count))

    def find(self, member: int) -> int:
        """The name of the member's cluster."""
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def join(self, one: int, other: int) -> None:
        """Make one cluster of two."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parent[second] = first

    def together(self, one: int, other: int) -> bool:
        """Whether two members are in one cluster."""
        return self.find(one) == self.find(other)

    def names(self) -> np.ndarray:
        """The cluster's name of every member (N,)."""
        return np.array([self.find(member) for member in range(len(self._parent))], dtype=np.int64)
