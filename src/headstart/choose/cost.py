"""What each strategy would cost with a backbone on this machine, from what its passes took."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.choose.profile import Profile

BYTES_PER_WEIGHT = 4
MOVING_COPIES = 4
"""What a moving weight needs besides itself: its gradient, two moments of Adam, and a copy of the start."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Predicted seconds and peak memory (MiB, weights and activations) of one strategy."""

    strategy: str
    seconds: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Way:
    """A strategy as its cost sees it: the first stage that moves, its training steps of a batch, and in how many passes of an
    example the stages before it are computed once for all steps.
    """

    name: str
    first: int
    steps: int
    batch: int = 32
    stored: int = 0


def predict(profile: Profile, way: Way, *, network_s: float, extraction_s: float) -> Cost:
    """Seconds and memory of `way`, where a pass takes `network_s` per example and all features `extraction_s`.

    With nothing moving features are all. Else each step is a forward and a backward pass over the stages that move, and what
    goes into them is computed once.
    """
    first, passes = way.first, way.steps * way.batch
    back = sum(share * times for share, times in zip(profile.share_S[first:], profile.backward_S[first:], strict=True))
    frozen = sum(profile.share_S[:first]) * min(way.stored or passes, passes)
    moving = (sum(profile.share_S[first:]) + back) * passes
    seconds = extraction_s + network_s * profile.padding * (frozen + moving)
    weights = sum(profile.parameters_S) + MOVING_COPIES * sum(profile.parameters_S[first:])
    # A layer's input and output are there at a time; what is needed for the way back stays.
    kept = 2 * profile.largest + sum(profile.activations_S[first:])
    memory = BYTES_PER_WEIGHT * (weights + way.batch * kept)
    return Cost(way.name, seconds, memory / 2**20)
