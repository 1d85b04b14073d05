"""How deep to adapt: a recommendation with its reason, from the number of examples and the scores by stage (pure)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """The strategy to expect most of, and why in one clause."""

    strategy: str
    reason: str


@dataclass(frozen=True, slots=True)
class Situation:
    """Left-out accuracy of a probe and of guessing, examples and classes, and whether an earlier stage answers clearly
    better than the last (`early` is its name). Of a quantity, the share of its variance that is explained; its classes are
    tenths of its range.
    """

    probe: float
    chance: float
    examples: int
    classes: int
    early: str | None
    is_quantity: bool = False


SOLVED = 0.97
"""From here on there is nothing left to win by moving weights."""
FEW_PER_CLASS = 8
"""Below, there is too little to move weights by."""
MANY_PER_CLASS = 20
"""From here on every stage may move."""


def advise(found: Situation) -> Advice:
    """The recommended strategy; benchmarks/ranking compares it with what the search finds best."""
    per_class = found.examples / max(1, found.classes)
    answer, per = ("explain", "tenth of the range") if found.is_quantity else ("answer", "class")
    share = (found.probe - found.chance) / max(1e-9, 1 - found.chance)
    if found.probe >= SOLVED:
        return Advice("probe", f"frozen features {answer} {found.probe:.0%} already, there is little left to win")
    if per_class < FEW_PER_CLASS:
        return Advice("probe", f"{per_class:.0f} examples per {per} are too few to move weights by")
    if found.early is not None:
        return Advice(
            "full", f"features of {found.early} answer better than the last ones: the late stages should be rewritten"
        )
    if per_class >= MANY_PER_CLASS:
        return Advice(
            "full",
            f"{per_class:.0f} examples per {per} can move every stage, and features alone leave {1 - found.probe:.0%} "
            + ("unexplained" if found.is_quantity else "wrong"),
        )
    if share > 0.6:
        return Advice(
            "partial",
            f"features fit well ({found.probe:.0%}), {per_class:.0f} examples per {per} can sharpen the last stages",
        )
    return Advice(
        "full", f"features {answer} only {max(0.0, found.probe):.0%}: the source's own late stages do not fit this target"
    )
