"""What every task over single tokens must do, and the whole way through the command line with checkpoints of transformers."""

from __future__ import annotations

import csv
import json
import pickle
import sys

import numpy as np
import pytest
import torch
from tests.families import TEXTS
from tests.questions import squad, write_squad
from tests.unit.run.test_result_schema import documented, found_in

import headstart
from headstart.adapt.head_kinds import HEADS
from headstart.adapt.network import Network
from headstart.adapt.strategies import STRATEGIES
from headstart.cli import main
from headstart.data.spans import label
from headstart.errors import DataError, ModelError, OptionError
from headstart.files import read_json
from headstart.models.backbone import States
from headstart.models.resolve import load_backbone
from headstart.prove.metrics import METRICS, evaluate
from headstart.prove.tags import tag_names
from headstart.prove.word_texts import words_of
from headstart.report.terminal_summary import summary_lines
from headstart.run.result import Result
from headstart.tasks import TASKS
from headstart.tasks.base import LearnsFloor

CONTEXT = "the old keeper climbed the winding stairs to light the great lamp"
EXAMPLES = {
    "language": [CONTEXT, "a story", ("the keeper", CONTEXT)] * 4,
    "span": [("the keeper", CONTEXT), ("a story", "a story"), ("the lamp", CONTEXT + ". " + CONTEXT)] * 4,
    "tags": [CONTEXT, "a story", "the keeper. " + CONTEXT + ". " + CONTEXT + ". " + CONTEXT] * 4,
}
TAGS = {"the": "O", "keeper": "B-PER", "stairs": "B-LOC", "lamp": "I-LOC"}
"""By the word alone, so that a head on a frozen network can learn them; a lamp continues nothing but stairs, which do not stand before it."""
LABELS = {"tags": [tuple(TAGS.get(word, "O") for word in words_of(text)) for text in EXAMPLES["tags"]], "language": [()] * 12, "span": [(label("winding", CONTEXT.index("winding")),), (), (label("great lamp", CONTEXT.index("great")),)] * 4}
OVER_TOKENS = [kind for kind, task in TASKS.items() if HEADS[task.head].reads == "tokens"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return TEXTS["bert"](tmp_path_factory.mktemp("bert") / "tiny-bert")


FAMILIES = {"language": "gpt2", "span": "bert", "tags": "bert"}
STRATA = {"language": 1, "span": 2, "tags": 2}
CLASSES = {"language": (), "span": (), "tags": tag_names(LABELS["tags"])}


@pytest.fixture(params=OVER_TOKENS)
def case(request, tmp_path_factory):
    """A task, its targets, a backbone that reads as it wants, and a batch of all examples."""
    task = TASKS[request.param]
    folder = tmp_path_factory.mktemp("tokens") / "tiny"
    backbone = task.reading(load_backbone(TEXTS[FAMILIES[task.kind]](folder)))
    batch = backbone.preprocess.collate([backbone.preprocess.prepare(raw) for raw in EXAMPLES[task.kind]])
    return task, task.encode(LABELS[task.kind], CLASSES[task.kind], EXAMPLES[task.kind]), backbone, batch


def test_rows_are_finite_and_as_wide_as_the_head_says(case):
    task, targets, backbone, batch = case
    head = HEADS[task.head].start(backbone, task.outputs(CLASSES[task.kind]))
    with torch.no_grad():
        rows = Network(backbone, task.outputs(CLASSES[task.kind]), head=head).rows(batch).numpy()
    assert rows.shape == (len(targets), head.row_width)
    assert np.isfinite(rows).all()
    said = task.probabilities(rows)
    assert len(said) == len(task.decide(said)) == len(task.worth(said, targets)) == len(targets)
    found = evaluate(task.answers(targets, said), rng=np.random.default_rng(0), resamples=100)
    assert set(found) == {name for name, metric in METRICS.items() if task.kind in metric.kinds}
    prepared = [backbone.preprocess.prepare(raw) for raw in EXAMPLES[task.kind]]
    if task.kind == "language":
        floors = list(task.token_floors(prepared, prepared, head.vocabulary).values())
    else:
        floor = task.learned_floor(EXAMPLES[task.kind], targets, EXAMPLES[task.kind]) if isinstance(task, LearnsFloor) else task.floor(EXAMPLES[task.kind])
        floors = [task.guess(targets, task.outputs(CLASSES[task.kind]), len(targets)), floor]
    assert [floor.shape for floor in floors] == [rows.shape] * 2


def test_the_objective_falls_along_its_gradient_and_merits_rise(case):
    task, targets, backbone, batch = case
    head = HEADS[task.head].start(backbone, task.outputs(CLASSES[task.kind]))
    with torch.no_grad():
        seen = backbone.states(batch)
    seen = States(seen.hidden_VTD + 0.0, seen.mask_VT, seen.inputs)
    Network(backbone, task.outputs(CLASSES[task.kind]), head=head)
    objective, aims = task.objective(targets), torch.from_numpy(task.aims(targets))
    before = head.kept(head(seen)).detach().numpy()
    moving = list(head.parameters()) or [head.tokens_VD]
    optimizer = torch.optim.Adam(moving, lr=0.1)
    losses = []
    for _ in range(40):
        loss = objective(head(seen), aims)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    after = head.kept(head(seen)).detach().numpy()
    for one, other in zip(task.merits(after, targets), task.merits(before, targets), strict=True):
        assert one.shape == (len(targets),)
        assert one.mean() > other.mean()
    assert np.isfinite(task.calibrate(after, targets))


def test_targets_travel_to_other_processes_and_splits_know_their_strata(case):
    task, targets, _, _ = case
    again = pickle.loads(pickle.dumps(targets))
    np.testing.assert_array_equal(task.aims(again), task.aims(targets))
    assert len(task.strata(targets)) == len(targets)
    assert len(np.unique(task.strata(targets))) == STRATA[task.kind]


def test_strategies_that_serve_tokens_move_weights():
    serving = {name for name, strategy in STRATEGIES.items() if "tokens" in strategy.serves}
    assert {"partial", "full", "lora"} <= serving
    assert serving.isdisjoint({"probe", "stages", "knn", "contrastive"})


def shell(patch, *words):
    """Run a command in this process; its exit status."""
    patch.setattr(sys, "argv", ["headstart", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.fixture(scope="module")
def run(bert, tmp_path_factory):
    """A whole run on a file in two parts, some questions without an answer, with its control."""
    folder = tmp_path_factory.mktemp("answers")
    (folder / "data").mkdir()
    write_squad(folder / "data" / "train-v2.0.json", 16, unanswerable=True)
    write_squad(folder / "data" / "test-v2.0.json", 6, unanswerable=True, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(folder / "cache"))
        options = ("--model", bert, "--trials", 2, "--strategy", "full", "--strategy", "probe", "--no-history")
        assert shell(patch, "fit", folder / "data", *options, "--out", folder / "run") in (0, None)
    return folder


def test_the_run_holds_evidence_in_f1_against_both_floors_and_scratch(run):
    result = Result.read(run / "run" / "result.json")
    assert (result.task["kind"], result.task["metric"]) == ("span", "f1")
    assert set(result.test) == {"transfer", "scratch", "floor-majority", "floor-classical"}
    assert result.test["floor-majority"]["f1"]["value"] == pytest.approx(1 / 3)
    assert result.test["floor-majority"]["no_answer_right"]["value"] == 1.0
    assert [trial["strategy"] for trial in result.trials] == ["full", "scratch"]
    assert "points" in result.verdict["sentence"] or result.verdict["word"] in ("same", "unclear")
    assert result.calibration["answerable"] == pytest.approx(2 / 3)
    assert result.gap["train"]["value"] is not None
    assert found_in(read_json(run / "run" / "result.json"), "", documented(), set()) == []
    told = "\n".join(summary_lines(result))
    assert "never an answer" in told
    assert "have an answer in their context" in told
    assert "F1" in (run / "run" / "README.md").read_text()
    page = (run / "run" / "report.html").read_text()
    assert "Answers, right and wrong" in page
    assert '<mark class="' in page


def test_what_was_predicted_is_as_good_as_the_figures_say(run):
    result = Result.read(run / "run" / "result.json")
    with (run / "run" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert np.mean([float(row["f1"]) for row in rows]) == pytest.approx(result.test["transfer"]["f1"]["value"], abs=1e-6)
    contexts = {
        f"test-v2.0.json question {one['id']}": paragraph["context"]
        for article in squad(6, unanswerable=True, seed=1)["data"]
        for paragraph in article["paragraphs"]
        for one in paragraph["qas"]
    }
    for row in rows:
        assert contexts[row["id"]][int(row["begin"]) : int(row["end"])] == row["predicted"]
        assert 0 <= float(row["confidence"]) <= 1


def test_a_loaded_model_says_the_same_and_gives_the_best_answers_in_order(run):
    model = headstart.load(run / "run")
    with (run / "run" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        told = {row["id"]: row for row in csv.DictReader(file)}
    found = model.predict(run / "data" / "test-v2.0.json").rows
    assert {row.id: row.answers[0].text for row in found} == {name: row["predicted"] for name, row in told.items()}
    for row in found:
        others = [one.probability for one in row.answers[1:]]
        assert others == sorted(others, reverse=True)
        assert len({one.text for one in row.answers}) == len(row.answers)
        assert "" in [one.text for one in row.answers]
    figures = model.evaluate(run / "data" / "test-v2.0.json").metrics
    assert figures["f1"].value == pytest.approx(model.result.test["transfer"]["f1"]["value"])
    assert "groups" in figures["exact_match"].method or figures["exact_match"].low is None


def test_questions_are_answered_from_the_command_line(run, tmp_path, monkeypatch, capsys):
    lines = [{"question": "the lamp", "context": "a lamp old. a sea dark"}, {"question": "the sea", "context": "a sea new"}]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert shell(monkeypatch, "predict", run / "run", tmp_path / "asked.jsonl", "--out", tmp_path / "said.csv") in (0, None)
    with (tmp_path / "said.csv").open(newline="") as file:
        said = list(csv.DictReader(file))
    assert [row["id"] for row in said] == ["asked.jsonl row 1", "asked.jsonl row 2"]
    assert all(line["context"][int(row["begin"]) : int(row["end"])] == row["answer"] for line, row in zip(lines, said, strict=True))
    capsys.readouterr()
    (tmp_path / "context.txt").write_text(lines[0]["context"])
    options = ("--context", tmp_path / "context.txt", "--question", "the lamp", "--best", 2)
    assert shell(monkeypatch, "ask", run / "run", *options) in (0, None)
    once = capsys.readouterr().out.splitlines()
    assert len(once) == 2
    assert said[0]["answer"] in once[0] or "(no answer" in once[0]
    asked = iter([lines[0]["context"] + "\n", "the lamp\n", "the lamp\n", ""])
    monkeypatch.setattr(sys.stdin, "readline", lambda: next(asked), raising=False)
    assert shell(monkeypatch, "ask", run / "run", "--best", 2) in (0, None)
    assert capsys.readouterr().out.splitlines() == once * 2


def test_a_finished_run_is_a_source_for_texts_and_for_questions(run):
    plain = TASKS["single"].reading(load_backbone(str(run / "run")))
    batch = plain.preprocess.collate([plain.preprocess.prepare("the old keeper")])
    assert plain(batch).shape == (1, plain.width)
    windows = TASKS["span"].reading(load_backbone(str(run / "run")))
    assert windows.preprocess.prepare(("the keeper", CONTEXT)).ids


def test_gpt_finds_answers_from_a_table_too(tmp_path, monkeypatch):
    folder = TEXTS["gpt2"](tmp_path / "tiny-gpt2")
    rows = [
        {"question": one["question"], "context": paragraph["context"], "answer": one["answers"][0]["text"], "title": article["title"]}
        for article in squad(12)["data"]
        for paragraph in article["paragraphs"]
        for one in paragraph["qas"]
    ]
    with (tmp_path / "asked.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "split"])
        writer.writeheader()
        writer.writerows({**row, "split": "test" if number % 12 < 3 else "train"} for number, row in enumerate(rows))
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    options = ("--task", "qa", "--model", folder, "--trials", 1, "--strategy", "partial", "--control", "none", "--no-history")
    assert shell(monkeypatch, "fit", tmp_path / "asked.csv", *options, "--out", tmp_path / "run") in (0, None)
    model = headstart.load(tmp_path / "run")
    assert model.result.verdict is None
    assert model.temperature == 1e4
    assert all(row.answers[0].text for row in model.predict([("the lamp", "a lamp old. a sea dark")]).rows)


def test_what_does_not_fit_ends_in_one_line(run, bert, tmp_path):
    options = {"models": bert, "trials": 1, "history": False, "control": "none"}
    with pytest.raises(OptionError, match=r"not for a task that reads tokens\. Choose from: .*partial"):
        headstart.fit(run / "data", strategies=["probe"], out=tmp_path / "a", **options)
    with pytest.raises(OptionError, match="reads single tokens"):
        headstart.rank(run / "data", models=bert, history=False)
    with pytest.raises(OptionError, match="--metric accuracy: does not judge question answering"):
        headstart.fit(run / "data", metric="accuracy", out=tmp_path / "b", **options)
    with pytest.raises(DataError, match="a text by itself"):
        headstart.load(run / "run").predict(["one text"])
    with pytest.raises(ModelError, match="reads no texts"):
        TASKS["span"].reading(load_backbone("starter:glyph"))
