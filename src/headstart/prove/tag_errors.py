"""Which said span answers which true one, and what is wrong about it (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headstart.prove.tags import Span

RIGHT, TYPE, LIMITS, BOTH, MISSED, INVENTED = "right", "wrong type", "wrong limits", "wrong type and limits", "missed", "invented"
KINDS = (MISSED, INVENTED, TYPE, LIMITS, BOTH)
"""What may be wrong."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A true span and the said one that answers it, one of them None where it has no counterpart; `kind` is RIGHT or one of KINDS."""

    true: Span | None
    said: Span | None
    kind: str


def paired(true: Iterable[Span], said: Iterable[Span]) -> list[Pair]:
    """Every true and every said span once, in the order of the text: first what is equal, then what has the same limits, then what shares words
    with the same type, then what shares words at all; of several that one which shares most. What is left was missed, or invented.
    """
    left_true, left_said = sorted(true), sorted(said)
    found: list[Pair] = []
    for kind, fits in FITS:
        for one in list(left_true):
            shared = {other: _shared(one, other) for other in left_said if fits(one, other)}
            if shared:
                best = max(shared, key=lambda other: shared[other])
                found.append(Pair(one, best, kind))
                left_true.remove(one)
                left_said.remove(best)
    found += [Pair(one, None, MISSED) for one in left_true]
    found += [Pair(None, one, INVENTED) for one in left_said]
    return sorted(found, key=lambda pair: pair.true or pair.said or (0, 0, ""))


def _shared(one: Span, other: Span) -> int:
    return min(one[1], other[1]) - max(one[0], other[0])


FITS: tuple[tuple[str, Callable[[Span, Span], bool]], ...] = (
    (RIGHT, lambda one, other: one == other),
    (TYPE, lambda one, other: one[:2] == other[:2]),
    (LIMITS, lambda one, other: _shared(one, other) > 0 and one[2] == other[2]),
    (BOTH, lambda one, other: _shared(one, other) > 0),
)
"""What makes a pair, the nearest first."""
