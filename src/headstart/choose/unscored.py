"""Candidates in an order without a look at any example: for tasks that read single tokens, of which pooled features say little (pure)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.choose.evidence import Evidence
from headstart.choose.knowledge import Knowledge
from headstart.choose.layers import Cut
from headstart.choose.ranking import Ranked, Ranking
from headstart.choose.standing import Standing
from headstart.models.card import SourceCard
from headstart.prove.estimate import undefined
from headstart.solvers import Array

WHY = "first by what is known of models in general, or as it was named; this task reads single tokens, so nothing was measured beforehand"


def unscored(cards: Sequence[SourceCard], rows: Array, *, knowledge: Knowledge, fingerprint: str) -> Ranking:
    """The candidates by the prior alone; equals stay as they were named. All share the first place: nobody knows better."""
    priors = knowledge.strengths(cards, without=fingerprint)
    evidence = Evidence({}, (Cut("last", 0, 0.0, 0.0, 0.0),), 0, np.empty(0))
    nothing = undefined(len(rows), "a task that reads single tokens")
    ranked = [
        Ranked(card, Standing(prior.value, 1, len(cards) > 1, 1, len(cards), 1 / len(cards)), evidence, prior, nothing, rows, 0.0)
        for card, prior in zip(cards, priors, strict=True)
    ]
    ranked.sort(key=lambda one: -one.prior.value)
    return Ranking(tuple(ranked), rows, 0.0, knowledge.sha256, unscored=WHY)
