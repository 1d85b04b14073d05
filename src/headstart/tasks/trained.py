"""What tasks share that read single tokens: heads that are trained, never solved."""

from __future__ import annotations

from typing import Any, Never

from headstart.solvers import Array


class Trained:
    """In place of a solver: there is none for a head that reads tokens, and no strategy that is tried for it asks for one."""

    name = "training"
    strengths: tuple[float, ...] = ()

    def solve(self, features: Any, targets: Array, **kwargs: Any) -> Never:
        """Raises TypeError."""
        raise TypeError("a head that reads single tokens is trained, not solved")

    soften = settle = sparse = solve

    def loss(self, logits_NK: Array, targets: Array) -> Never:
        """Raises TypeError."""
        raise TypeError("a head that reads single tokens is trained, not solved")
