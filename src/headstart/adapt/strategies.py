"""How deep to adapt, as a table: all strategies by name, and the controls that transfer is judged against."""

from __future__ import annotations

from headstart.adapt.frozen import Probe
from headstart.adapt.gradual import SLOWEST, unfreeze_gradually
from headstart.adapt.moved import FineTune
from headstart.adapt.movers import BIASES, NORMS, LowRank, Stages
from headstart.adapt.neighbours import Neighbours
from headstart.adapt.stages import SeveralStages
from headstart.adapt.strategy import Expected, Strategy

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Probe(),
        SeveralStages(),
        Neighbours(),
        FineTune(
            "bias", "transfer", 1, "head solved first, then biases trained with it",
            mover=BIASES, rates=(1e-3, 3e-3, 3e-4), steps=300, by_default=False,
        ),
        FineTune(
            "norms", "transfer", 1, "head solved first, then scales and shifts of normalisation layers trained with it",
            mover=NORMS, rates=(1e-3, 3e-3, 3e-4), steps=300, by_default=False,
        ),
        FineTune(
            "partial", "transfer", 2, "head solved first, then the last third of the stages trained with it",
            mover=Stages(1 / 3, shares=(1 / 6, 1 / 3, 1 / 2, 2 / 3)), rates=(1e-4, 3e-4, 3e-5, 1e-3), steps=300, expected=Expected(0.16, 0.42),
        ),
        FineTune(
            "gradual", "transfer", 4, "head solved first, then stage after stage set free from the top, lower ones learning slower",
            mover=Stages(1.0), rates=(3e-4, 1e-3, 1e-4), steps=300, by_default=False,
            slowest=SLOWEST, tricks=(unfreeze_gradually,),
        ),
        FineTune(
            "lora", "transfer", 3, "head solved first, then low-rank additions to every layer, merged in the end (LoRA)",
            mover=LowRank(), rates=(1e-3, 3e-4, 3e-3), steps=300, by_default=False,
        ),
        FineTune(
            "dora", "transfer", 3, "the same with the length of each weight row learnt apart (DoRA)",
            mover=LowRank(decomposed=True), rates=(1e-3, 3e-4, 3e-3), steps=300, by_default=False,
        ),
        FineTune(
            "full", "transfer", 4, "head solved first, then every stage trained with it",
            mover=Stages(1.0), rates=(1e-4, 3e-5, 3e-4, 1e-5), steps=300, expected=Expected(0.21, 0.47),
        ),
    )
}  # fmt: skip
"""Ways to transfer, by name.

What `partial` and `full` are expected to gain over the probe is what benchmarks/ranking/tables/truth.jsonl says of them: the mean and
spread of the log of the ratio of errors.
"""

CONTROLS: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Probe("random-frozen", "random-frozen", 0, "a probe on the same network with random weights"),
        FineTune(
            "scratch", "scratch", 5, "the same network from random weights, tuned within the same budget",
            mover=Stages(1.0), rates=(1e-3, 3e-3, 3e-4, 1e-4), steps=600,
        ),
    )
}  # fmt: skip
"""What transfer is judged against, by name."""


def strategy_named(name: str) -> Strategy:
    """The strategy or control called `name`."""
    return STRATEGIES[name] if name in STRATEGIES else CONTROLS[name]


DEFAULT_STRATEGIES = tuple(name for name, strategy in STRATEGIES.items() if strategy.by_default)
"""What a search tries unasked."""
