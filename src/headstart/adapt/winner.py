"""Which trial of a role won, on the examples that all of them validated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.adapt.judge import Judge
from headstart.adapt.strategies import strategy_named
from headstart.adapt.trial import Role, Trial
from headstart.adapt.workbench import Workbench


def winner(trials: Sequence[Trial], role: Role, bench: Workbench) -> Trial | None:
    """The best trial of a role on the examples that all of them validated.

    A deeper strategy has to beat a simpler one by more than chance, and the more so the more settings of it were
    tried: on a few dozen validation examples the largest number is often luck. So has a backbone that went on learning from
    unlabelled examples to beat all that did not, whatever the strategies.
    """
    finished = [trial for trial in trials if trial.spec.role == role and trial.finished]
    if not finished:
        return None
    rows = shared_rows(finished)
    judge = bench.judge(rows)
    plain = [trial for trial in finished if trial.spec.backbone not in bench.continued]
    went_on = [trial for trial in finished if trial.spec.backbone in bench.continued]
    best = _best(plain, rows, judge)
    contender = _best(went_on, rows, judge)
    if best is None or contender is None:
        return best or contender
    return contender if judge.prefers(logits_on(contender, rows), logits_on(best, rows), tried=len(went_on)) else best


def _best(trials: Sequence[Trial], rows: np.ndarray, judge: Judge) -> Trial | None:
    best = None
    for depth in sorted({strategy_named(trial.spec.strategy).depth for trial in trials}):
        level = [trial for trial in trials if strategy_named(trial.spec.strategy).depth == depth]
        contender = max(level, key=lambda trial: judge.value(logits_on(trial, rows)))
        if best is None or judge.prefers(logits_on(contender, rows), logits_on(best, rows), tried=len(level)):
            best = contender
    return best


def shared_rows(trials: Sequence[Trial]) -> np.ndarray:
    """The examples that all of these validated, sorted."""
    shared = set.intersection(*(set(trial.validated.rows.tolist()) for trial in trials if trial.validated))
    return np.array(sorted(shared), dtype=np.int64)


def logits_on(trial: Trial, rows: np.ndarray) -> np.ndarray:
    """What a trial's validation said of these examples."""
    assert trial.validated is not None
    place = {int(row): number for number, row in enumerate(trial.validated.rows)}
    return trial.validated.logits[[place[int(row)] for row in rows]]
