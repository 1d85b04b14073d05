"""Labelled words, the whole way through the command line with checkpoints of transformers: fit, look, predict, evaluate, and what goes wrong."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from tests.contract.test_token_tasks import shell
from tests.families import TEXTS
from tests.labelled import conll
from tests.unit.run.test_result_schema import documented, found_in

import headstart
from headstart.errors import DataError, ModelError, NothingReadable, OptionError
from headstart.files import read_json
from headstart.models.resolve import load_backbone
from headstart.report.terminal_summary import summary_lines
from headstart.run.result import Result
from headstart.tasks import TASKS

NAMES = {"keeper": "PER", "station": "LOC", "sea": "LOC", "lamp": "THING"}
KINDS = ("old", "new", "great", "dark")


def made(count, seed):
    """Sentences in the words of the tiny tokenizers: a kind and a name are one span together."""
    rng, found = np.random.default_rng(seed), {}
    while len(found) < count:
        words, tags = [], []
        for name in rng.choice(list(NAMES), int(rng.integers(1, 4))):
            with_kind = rng.random() < 0.5
            words += ["the", *([str(rng.choice(KINDS))] if with_kind else []), str(name), str(rng.choice(["climbed", "to", "above"]))]
            tags += ["O", f"B-{NAMES[name]}", *([f"I-{NAMES[name]}"] if with_kind else []), "O"]
        found[tuple(words)] = (words, tags)
    return list(found.values())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run on a folder of CoNLL files, with its control."""
    folder = tmp_path_factory.mktemp("labels")
    (folder / "data").mkdir()
    examples = made(90, 0)
    (folder / "data" / "train.conll").write_text(conll(examples[:60], columns=2, separator="\t"))
    (folder / "data" / "test.conll").write_text(conll(examples[60:], columns=2, separator="\t"))
    model = TEXTS["bert"](folder / "tiny-bert")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(folder / "cache"))
        # In float32: reduced precision may let a near tie fall the other way in a batch of another size.
        options = ("--model", model, "--trials", 2, "--strategy", "full", "--set", "lr=3e-3", "--no-history", "--precision", "fp32")
        assert shell(patch, "fit", folder / "data", *options, "--out", folder / "run") in (0, None)
    return folder


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_run_learns_and_holds_evidence_in_span_f1(run):
    result = Result.read(run / "run" / "result.json")
    assert (result.task["kind"], result.task["metric"], result.data["test"]) == ("tags", "span_f1", 30)
    assert set(result.test) == {"transfer", "scratch", "floor-majority", "floor-classical"}
    assert result.test["transfer"]["span_f1"]["value"] > max(0.6, result.test["floor-classical"]["span_f1"]["value"])
    assert result.test["floor-majority"]["span_f1"]["value"] == 0.0
    assert [one["name"] for one in result.spans["types"]] == ["LOC", "PER", "THING"]
    assert sum(map(sum, result.spans["confusion"]["counts"])) == sum(one["true"] for one in result.spans["types"]) + result.spans["errors"]["invented"]
    assert found_in(read_json(run / "run" / "result.json"), "", documented(), set()) == []
    told = "\n".join(summary_lines(result))
    assert "an F1 of" in told
    assert "most frequent tag" in told
    page = (run / "run" / "report.html").read_text()
    assert "How each type fared" in page
    assert '<mark class="label c' in page
    assert "labels the words of a text" in (run / "run" / "README.md").read_text()
    assert "token-classification" in (run / "run" / "README.md").read_text()


def test_the_predictions_are_as_good_as_the_figures_say(run):
    told = rows(run / "run" / "predictions.csv")
    result = Result.read(run / "run" / "result.json")
    right = sum(not row["error"] for row in told)
    true, said = (sum(bool(row[side]) for row in told) for side in ("true", "predicted"))
    assert 2 * right / (true + said) == pytest.approx(result.test["transfer"]["span_f1"]["value"])
    for kind, times in result.spans["errors"].items():
        assert sum(row["error"] == kind for row in told) == times


def test_a_loaded_model_says_the_same_with_places_in_the_text(run):
    model = headstart.load(run / "run")
    found = model.predict(run / "data" / "test.conll").rows
    said = [(row.id, span.label, span.text) for row in found for span in row.spans]
    told = rows(run / "run" / "predictions.csv")
    assert len(said) == sum(bool(row["predicted"]) for row in told)
    text = "the old keeper climbed to the sea above"
    row = model.predict([text]).rows[0]
    assert row.spans
    for span in row.spans:
        assert text[span.begin : span.end] == span.text
        assert 0 < span.probability <= 1
    assert row.confidence == min(span.probability for span in row.spans)
    assert model.predict([text.split()]).rows[0].spans == row.spans
    figures = model.evaluate(run / "data" / "test.conll").metrics
    assert figures["span_f1"].value == pytest.approx(model.result.test["transfer"]["span_f1"]["value"])


def test_a_text_of_any_length_is_labelled_throughout(run):
    model = headstart.load(run / "run")
    one = "the old keeper climbed . "
    once = model.predict([one]).rows[0].spans
    many = model.predict(["  " + one * 250]).rows[0]
    text = "  " + one * 250
    assert many.error is None
    assert all(text[span.begin : span.end] == span.text for span in many.spans)
    assert once
    assert max(span.begin for span in many.spans) > 0.9 * len(text)
    assert len({(span.begin, span.end) for span in many.spans}) == len(many.spans)


def test_words_are_labelled_from_the_command_line(run, tmp_path, monkeypatch, capsys):
    (tmp_path / "new.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in ("the great lamp to", "a story")))
    assert shell(monkeypatch, "predict", run / "run", tmp_path / "new.jsonl", "the sea to", "--out", tmp_path / "said.csv") in (0, None)
    assert "spans" in capsys.readouterr().out
    said = rows(tmp_path / "said.csv")
    assert {row["id"] for row in said} == {"new.jsonl row 1", "new.jsonl row 2", "the sea to"}
    assert all(row["text"] == "" or row["label"] in {"PER", "LOC", "THING"} for row in said)
    assert shell(monkeypatch, "evaluate", run / "run", run / "data" / "test.conll") in (0, None)
    assert "span f1" in capsys.readouterr().out
    assert shell(monkeypatch, "check", run / "data") in (0, None)
    assert "3 classes" in capsys.readouterr().out


def test_llama_learns_the_same_from_marked_texts(tmp_path, monkeypatch):
    folder = TEXTS["llama"](tmp_path / "tiny-llama")
    lines = []
    for words, tags in made(48, 1):
        starts = np.cumsum([0, *(len(word) + 1 for word in words)])
        spans, text = [], " ".join(words)
        for place, tag in enumerate(tags):
            if tag.startswith("B-"):
                last = place + 1 if place + 1 < len(tags) and tags[place + 1].startswith("I-") else place
                spans.append([int(starts[place]), int(starts[last]) + len(words[last]), tag[2:]])
        lines.append(json.dumps({"text": text, "entities": spans, "split": "test" if len(lines) % 4 == 3 else "train"}))
    (tmp_path / "marked.jsonl").write_text("\n".join(lines))
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    options = ("--task", "tokens", "--model", folder, "--trials", 1, "--strategy", "lora", "--set", "lr=1e-2", "--control", "none", "--no-history")
    assert shell(monkeypatch, "fit", tmp_path / "marked.jsonl", *options, "--out", tmp_path / "run") in (0, None)
    model = headstart.load(tmp_path / "run")
    assert model.result.verdict is None
    assert model.backbone.preprocess.by_last
    assert model.result.test["transfer"]["span_f1"]["value"] > 0


def test_what_does_not_fit_ends_in_one_line(run, tmp_path):
    options = {"models": str(run / "tiny-bert"), "trials": 1, "history": False, "control": "none"}
    with pytest.raises(OptionError, match="not for a task that reads tokens"):
        headstart.fit(run / "data", strategies=["probe"], out=tmp_path / "a", **options)
    with pytest.raises(OptionError, match="--metric f1: does not judge token labels"):
        headstart.fit(run / "data", metric="f1", out=tmp_path / "b", **options)
    (tmp_path / "other.conll").write_text("Oslo B-TOWN\nis O\n\n")
    with pytest.raises(DataError, match="none of its labels"):
        headstart.load(run / "run").evaluate(tmp_path / "other.conll")
    with pytest.raises(NothingReadable, match="a pair of texts"):
        headstart.load(run / "run").predict([("a text", "another one")])
    with pytest.raises(ModelError, match="reads no texts"):
        TASKS["tags"].reading(load_backbone("starter:glyph"))
