"""Gradual unfreezing: stages begin to move one after the other, from the top (ULMFiT, Howard & Ruder 2018, section 3.3)."""

from __future__ import annotations

from headstart.adapt.hooks import Course, Hooks

SLOWEST = 2.6**-3
"""The rate of the first stage, as a share of the last one's. In the paper each layer learns 2.6 times slower than the one above it
(discriminative rates, section 3.1), and its network has four; deeper ones have the same span here, in smaller steps."""
THAWING = 1 / 2
"""The share of the epochs after which everything moves. The paper frees a layer per epoch, which deep networks have not enough of."""


def unfreeze_gradually(course: Course) -> Hooks:
    """The last stage that moves begins with the head; those below follow at even distances, and none is frozen again.

    Source features are least likely to be forgotten when what is most specific has settled first.
    """
    stages = [[one for one in stage if one.requires_grad] for stage in course.network.stage_parameters()]
    waiting = [stage for stage in stages if stage]

    def begin_epoch(epoch: int) -> None:
        moving = stages_moving(epoch, course.epochs, len(waiting))
        for number, stage in enumerate(waiting):
            for parameter in stage:
                parameter.requires_grad = number >= len(waiting) - moving

    return Hooks(begin_epoch=begin_epoch)


def stages_moving(epoch: int, epochs: int, stages: int) -> int:
    """How many of so many stages move in an epoch, counted from 0."""
    return min(stages, 1 + int(epoch * (stages - 1) / (THAWING * epochs)))
