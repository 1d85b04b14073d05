"""What every task must do; a new row of TASKS needs an example here."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.data.options import TASK_NAMES
from headstart.prove.metrics import METRICS, evaluate, score
from headstart.report.panels import PANELS
from headstart.report.words import MAIN
from headstart.tasks import TASKS

LABELS = {
    "single": [("a",), ("b",), ("c",), ("b",)] * 6,
    "multi": [("a",), ("a", "b"), (), ("c",)] * 6,
    "ordinal": [("1",), ("2",), ("3",), ("2",)] * 6,
    "quantity": [(str(number),) for number in np.linspace(-3, 20, 24).round(2)],
}
CLASSES = {"single": ("a", "b", "c"), "multi": ("a", "b", "c"), "ordinal": ("1", "2", "3"), "quantity": ()}


WHOLE = [kind for kind, task in TASKS.items() if task.head == "linear"]
"""Tasks that read an example as a whole; test_token_tasks.py has the others."""


@pytest.fixture(params=WHOLE)
def case(request):
    """A task, its targets, and features that tell of them."""
    task = TASKS[request.param]
    targets = task.encode(LABELS[request.param], CLASSES[request.param])
    columns = targets if targets.ndim == 2 else targets[:, None]
    rng = np.random.default_rng(0)
    base = np.concatenate([columns, columns**2, np.sin(columns)], axis=1).astype(float)
    return task, CLASSES[request.param], targets, base + rng.normal(0, 0.3, base.shape)


def folds(count):
    rows = np.arange(count)
    return [(rows[rows % 3 != fold], rows[rows % 3 == fold]) for fold in range(3)]


@pytest.mark.parametrize("kind", TASKS)
def test_it_says_what_the_house_asks(kind):
    task = TASKS[kind]
    assert task.reads in TASK_NAMES
    assert {panel.name for panel in PANELS} >= set(task.panels)
    assert task.kind in METRICS[task.default_metric].kinds
    assert all(task.kind in METRICS[name].kinds for name in task.judged)
    assert task.kind in METRICS[MAIN[task.kind]].kinds
    assert "{share" in task.left_out


def test_what_is_encoded_is_named_again(case):
    task, classes, targets, _ = case
    named = task.names(targets, classes)
    assert [task.encode([one], classes).tolist() for one in named] == [[one] for one in targets.tolist()]
    assert all(task.knows(one, classes) for one in named)


def test_the_solver_finds_a_head_that_beats_the_guess(case):
    task, classes, targets, features = case
    outputs = task.outputs(classes)
    solved = task.solver.solve(features, targets, folds=folds(len(targets)), outputs=outputs)
    assert solved.weight_KD.shape == (outputs, features.shape[1])
    assert solved.held_out_logits_NK.shape == (len(targets), outputs)
    heads = (
        task.solver.soften(features, targets, solved, outputs=outputs),
        task.solver.settle(features, targets, outputs=outputs),
    )
    assert all(weight.shape == (outputs, features.shape[1]) and bias.shape == (outputs,) for weight, bias in heads)
    metric = METRICS[task.default_metric]
    guess = task.guess(targets, outputs, len(targets))
    values = [
        score(metric, task.answers(targets, task.probabilities(logits)))
        for logits in (solved.held_out_logits_NK, guess)
    ]
    assert (values[0] > values[1]) == metric.higher_is_better
    assert task.solver.loss(solved.held_out_logits_NK, targets) < task.solver.loss(guess, targets)


def test_every_metric_of_the_kind_has_an_interval_around_it(case):
    task, classes, targets, features = case
    solved = task.solver.solve(features, targets, folds=folds(len(targets)), outputs=task.outputs(classes))
    found = evaluate(task.answers(targets, task.probabilities(solved.held_out_logits_NK)), rng=np.random.default_rng(0), resamples=200)
    assert set(found) == {name for name, metric in METRICS.items() if task.kind in metric.kinds}
    for figure in found.values():
        assert figure.low is None or figure.low <= figure.value <= figure.high


def test_the_objective_falls_along_its_gradient_and_is_finite(case):
    task, classes, targets, features = case
    head = torch.nn.Linear(features.shape[1], task.outputs(classes))
    torch.nn.init.zeros_(head.weight)
    objective = task.objective(targets)
    inputs, aims = torch.tensor(features, dtype=torch.float32), torch.from_numpy(targets)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        loss = objective(head(inputs), aims)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert np.isfinite(losses).all()


def test_better_logits_have_better_merits_and_worth(case):
    task, classes, targets, features = case
    solved = task.solver.solve(features, targets, folds=folds(len(targets)), outputs=task.outputs(classes))
    good, bad = solved.held_out_logits_NK, task.guess(targets, task.outputs(classes), len(targets))
    merits = zip(task.merits(good, targets), task.merits(bad, targets), strict=True)
    assert all(one.shape == (len(targets),) and one.mean() > other.mean() for one, other in merits)
    worth = [task.worth(task.probabilities(logits), targets).astype(float).mean() for logits in (good, bad)]
    assert worth[0] > worth[1]


def test_what_calibration_finds_is_one_number_that_answers_take(case):
    task, classes, targets, features = case
    solved = task.solver.solve(features, targets, folds=folds(len(targets)), outputs=task.outputs(classes))
    found = task.calibrate(solved.held_out_logits_NK, targets)
    assert found > 0
    said = task.probabilities(solved.held_out_logits_NK, found)
    assert len(said) == len(targets)
    if task.kind in ("single", "ordinal"):
        np.testing.assert_allclose(said.sum(1), 1)
        assert said.shape == (len(targets), len(classes))


def test_chances_of_an_order_never_rise_and_decide_for_the_median():
    task = TASKS["ordinal"]
    rng = np.random.default_rng(1)
    said = task.probabilities(rng.normal(0, 3, (50, 4)))
    assert (said >= -1e-12).all()
    decided = task.places(task.decide(said))
    assert decided.tolist() == [int(np.flatnonzero(np.cumsum(row) >= 0.5)[0]) for row in said]
