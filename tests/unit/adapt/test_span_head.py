"""The head that finds answers: by brute force, on windows in parts, on stored activations."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tests.fakes import CPU
from tests.families import TEXTS

from headstart.adapt.carried import CarriedExamples
from headstart.adapt.examples import prepare_examples
from headstart.adapt.finetune import Recipe, predict_logits, train
from headstart.adapt.head_kinds import HEADS
from headstart.adapt.memory import measure_need, parts_of
from headstart.adapt.network import Moving, Network, freeze_below, remade
from headstart.adapt.span_head import SpanHead
from headstart.data.spans import label
from headstart.features.extract import for_inference
from headstart.models.resolve import load_backbone
from headstart.models.resume import Resumed
from headstart.models.windows import NONE_AT, WORD_FIRST, WORD_LAST, WORD_WINDOW
from headstart.prove.spans import BEST, LONGEST, NOTHING, ROW
from headstart.tasks import TASKS

TASK = TASKS["span"]
CONTEXT = "the old keeper climbed the winding stairs to light the great lamp above the dark northern sea. "
RAW = [("the keeper", CONTEXT), ("a story", "a story"), ("the lamp", CONTEXT * 3), ("the sea", "the sea")]
LABELS = [
    (label("winding stairs", CONTEXT.index("winding")),),
    (),
    (label("great lamp", CONTEXT.index("great") + 2 * len(CONTEXT)),),
    (label("sea", 4),),
]
ROWS = np.arange(len(RAW))


@pytest.fixture(scope="module", params=["bert", "gpt2"])
def case(request, tmp_path_factory):
    """A network with a head of chance, and its prepared examples."""
    folder = tmp_path_factory.mktemp("spans")
    backbone = TASK.reading(load_backbone(TEXTS[request.param](folder / "m")))
    examples = prepare_examples(RAW, decode=lambda one: one, preprocess=backbone.preprocess, path=folder / "x", threads=1)
    network = Network(backbone, 2, head=HEADS["spans"].start(backbone, 2)).eval()
    with torch.no_grad():
        network.head.score.weight.normal_(generator=torch.Generator().manual_seed(0))
    return network, examples, folder


def test_scores_are_those_of_the_tokens_where_words_stand(case):
    network, examples, _ = case
    batch = examples.batch(ROWS)
    with torch.no_grad():
        scores, hidden = network(batch), network.backbone.states(batch).hidden_VTD
        per_token = network.head.score(hidden)
    start = 0
    for row, windows in enumerate(batch["windows"].tolist()):
        own = per_token[start : start + windows]
        none = torch.stack([own[window, batch[NONE_AT][row, window]] for window in range(windows)]).amin(0)
        torch.testing.assert_close(scores[row, 0], none)
        for word, window in enumerate(batch[WORD_WINDOW][row].tolist()):
            expected = torch.full((2,), NOTHING)
            if window >= 0:
                first, last = (int(batch[key][row, word]) for key in (WORD_FIRST, WORD_LAST))
                expected = torch.stack([own[window, first, 0], own[window, last, 1]])
            torch.testing.assert_close(scores[row, 1 + word], expected)
        start += windows


def test_the_best_spans_are_those_that_trying_all_finds():
    generator = torch.Generator().manual_seed(1)
    scores = 3 * torch.randn(3, 50, 2, generator=generator)
    scores[1, 5:] = NOTHING  # four words only
    rows = SpanHead(4, 2).kept(scores)
    assert rows.shape == (3, ROW)
    assert torch.isfinite(rows).all()
    logs = torch.log_softmax(scores, 1)
    torch.testing.assert_close(rows[:, 0], logs[:, 0].sum(1))
    for row in range(3):
        tried = [
            (float(logs[row, first, 0] + logs[row, last, 1]), first, last)
            for first in range(1, 50)
            for last in range(first, min(50, first + LONGEST))
        ]
        best = sorted((one for one in tried if one[0] > NOTHING / 2), reverse=True)[:BEST]
        found = rows[row, 1:].reshape(-1, 3)
        np.testing.assert_allclose(found[: len(best), 0], [one[0] for one in best], rtol=1e-5)
        assert found[: len(best), 1:].int().tolist() == [[first, last] for _, first, last in best]
        assert (found[len(best) :, 0] == NOTHING).all()


def test_windows_stay_with_their_examples_when_a_batch_is_passed_in_parts(case):
    network, examples, _ = case
    batch = examples.batch(ROWS)
    with torch.no_grad():
        whole = network.rows(batch)
        parts = [(network.rows(part), places) for part, places in parts_of(batch, len(ROWS), 1)]
    assert [places for _, places in parts] == [slice(row, row + 1) for row in range(len(ROWS))]
    torch.testing.assert_close(torch.cat([rows for rows, _ in parts]), whole, atol=1e-4, rtol=1e-4)


def test_stored_activations_of_windows_give_what_a_whole_pass_gives(case):
    network, examples, folder = case
    first = len(network.backbone.stages) - 1
    sample = examples.batch(ROWS)
    moving = Moving(network, first, sample)
    resumed = Resumed(for_inference(network.backbone, CPU), first, sample)
    carried = CarriedExamples(examples, [str(row) for row in ROWS], resumed, CPU, folder / "carried")
    whole, kept = predict_logits(network, examples, ROWS, CPU), predict_logits(moving, carried, ROWS, CPU)
    np.testing.assert_allclose(kept, whole, atol=1e-4)


def test_training_learns_the_answers_and_what_is_frozen_stays(case):
    network, examples, _ = case
    network = copy.deepcopy(network)
    first = len(network.backbone.stages) - 1
    freeze_below(network.backbone, first)
    before = {name: one.clone() for name, one in network.named_parameters()}
    targets = TASK.encode(LABELS, (), RAW)
    assert TASK.aims(targets).tolist() == [[6, 7], [0, 0], [2 * 18 + 11, 2 * 18 + 12], [2, 2]]
    recipe = Recipe(80, 1e-2, 3e-2, batch_size=4, micro_batch=2)
    rng = np.random.default_rng(0)
    train(network, examples, ROWS, TASK.aims(targets), recipe, objective=TASK.objective(targets), placement=CPU, rng=rng)
    said = TASK.probabilities(predict_logits(network, examples, ROWS, CPU))
    found = [one.text(*map(int, span)) for one, span in zip(targets, TASK.decide(said), strict=True)]
    assert found == ["winding stairs", "", "great lamp", "sea"]
    changed = {name for name, one in network.named_parameters() if not torch.equal(one, before[name])}
    assert changed == {name for name, one in network.named_parameters() if one.requires_grad}


def test_it_is_remade_from_what_it_says_and_its_need_of_memory_is_measured(case):
    network, examples, _ = case
    again = remade(network.backbone, network.describe_head())
    assert again.reads_tokens
    assert {name: one.shape for name, one in again.state_dict().items()} == {name: one.shape for name, one in network.state_dict().items()}
    need = measure_need(network, examples, ROWS, CPU, hold=True)
    assert 0 < need.whole(2) < need.whole(8)
    low = for_inference(network, type(CPU)(device="cpu", threads=1, low="bfloat16"))
    assert low.head.score.weight.dtype == torch.float32
    assert next(low.backbone.parameters()).dtype == torch.bfloat16
