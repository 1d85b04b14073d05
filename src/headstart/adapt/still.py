"""What strategies have in common in which nothing moves."""

from __future__ import annotations

from headstart.adapt.head_kinds import Reads
from headstart.adapt.space import Settings, Space
from headstart.models.backbone import Backbone


class Still:
    """A base for strategies that solve a head on features and train nothing: one trial says all."""

    __slots__ = ()

    @property
    def serves(self) -> tuple[Reads, ...]:
        """Heads that can be solved read features."""
        return ("features",)

    @property
    def space(self) -> Space:
        """Nothing to tune: solving chooses."""
        return {}

    @property
    def portfolio(self) -> tuple[Settings, ...]:
        """The only trial."""
        return ({},)

    def first(self, backbone: Backbone) -> int:
        """Nothing moves."""
        return len(backbone.stages)

    def schedule(self, examples: int) -> None:
        """It is solved, not trained."""
