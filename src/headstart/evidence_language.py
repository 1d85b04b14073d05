"""Evidence of language models: the verdict by paired losses of the same texts, and the gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.evidence_errors import verdict_by
from headstart.prove.compare import Verdict
from headstart.prove.losses import Losses
from headstart.report.words import number, p_text

MARGIN = 0.01
"""A hundredth of a bit per byte either way makes no difference."""
UNIT = "bits per byte"


def verdict_by_loss(answers: Mapping[str, Losses], groups: np.ndarray | None, seed: int) -> dict[str, Any] | None:
    """The best transfer against the best scratch on the same test texts, documents resampled whole; None without scratch."""
    return verdict_by(answers, groups, seed, MARGIN, "loss", sentence)


def sentence(found: Verdict) -> str:
    """The verdict in plain words."""
    size = f"{number(abs(found.difference.value or 0.0))} {UNIT}"
    low, high = found.difference.low, found.difference.high
    ends = "no interval" if low is None or high is None else f"95 % interval {number(low)} to {number(high)}"
    words = {
        "helped": f"Transfer helped: {size} fewer than the same network trained from scratch",
        "hurt": f"Transfer hurt: {size} more than the same network trained from scratch",
        "same": f"Transfer made no difference: within {number(MARGIN)} {UNIT} of the same network trained from scratch",
        "unclear": "Unclear whether transfer helped against the same network trained from scratch",
    }
    return f"{words[found.word]} ({ends}, {p_text(found.p_value)}, {found.n} test texts)."
