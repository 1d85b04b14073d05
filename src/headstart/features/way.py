"""How passes through a network are made: features differ by rounding from way to way, so the way is part of their address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headstart.runtime import Placement

BATCH = 32
"""Pictures in a batch where nothing was measured; texts fill as much with tokens (`by_cost`)."""
GPU_BATCH = 64
"""The same on a GPU, which a small batch does not fill."""
MOST_STREAMS = 16
"""Each stream holds the activations of a batch of its own."""


@dataclass(frozen=True, slots=True)
class Way:
    """`forward` names an entry of `FORWARDS`; `batch` is the number of pictures in a batch; `streams` how many batches are
    in work at a time, the processor's cores shared out among them.
    """

    forward: str = "eager"
    batch: int = BATCH
    streams: int = 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for addresses and the journal."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Way:
        """The inverse of `to_dict`."""
        return cls(values["forward"], values["batch"], values["streams"])

    def __str__(self) -> str:
        """For people."""
        return f"{self.forward}, {self.batch} at a time, {self.streams} stream{'s' * (self.streams > 1)}"


def plain(placement: Placement) -> Way:
    """The way that no measurement has a say in: the same on every machine with as many cores."""
    return Way(batch=BATCH if placement.device == "cpu" else GPU_BATCH, streams=streams(placement))


def streams(placement: Placement) -> int:
    """As many streams as there are cores: one that decodes leaves the others computing, and no core waits for another one
    in the middle of a layer. A GPU takes one batch after the other.
    """
    return min(placement.threads, MOST_STREAMS) if placement.device == "cpu" else 1
