"""A fit that goes on with unlabelled texts first, and says what it forgot, the whole way through the command line."""

from __future__ import annotations

import csv
import json

import pytest
from tests.unit.adapt.reading import SIZES, TINY, books, sentences
from tests.unit.run.test_result_schema import documented, found_in
from typer.testing import CliRunner

from headstart.adapt.pretraining.continuing import CONTINUES
from headstart.adapt.pretraining.job import pretrain
from headstart.cli import app
from headstart.errors import DataError, OptionError
from headstart.model import load
from headstart.report.terminal_summary import HEIGHT, summary_lines
from headstart.run.result import Result


def run(*arguments):
    found = CliRunner().invoke(app, list(map(str, arguments)))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A small masked model of its own sources, labelled sentences with a test part, and unlabelled ones with some of the test texts among them."""
    folder = tmp_path_factory.mktemp("continued")
    books(folder / "books", count=120, seed=5)
    pretrain([folder / "books"], out=folder / "net", objective="masked", model_args=SIZES["masked"], epochs=1, device="cpu", **{**TINY, "length": 32})
    rows = sentences(90, seed=11)
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "split"])
        writer.writerows([text, text.split()[2] in ("eats", "sees"), "test" if number >= 60 else "train"] for number, text in enumerate(rows))
    books(folder / "more", count=800, seed=8)
    (folder / "more" / "leak.txt").write_text(rows[70])
    return folder


COMMON = ("--trials", 6, "--control", "none", "--strategy", "probe", "--strategy", "full", "--set", "lr=1e-2", "--no-history", "--device", "cpu", "--precision", "fp32")


@pytest.fixture(scope="module")
def finished(place):
    told = run("fit", place / "data.csv", "--model", place / "net", "--unlabelled", place / "more", *COMMON, "--out", place / "run")
    return told, place / "run"


def test_a_run_says_how_going_on_ended_and_what_was_forgotten(finished):
    _, out = finished
    result = json.loads((out / "result.json").read_text())
    assert found_in(result, "", documented(), set()) == []
    found = result["continued"]
    assert found["backbone"] == "net, continued"
    assert found["base"] == "net"
    assert found["kept"] == (result["chosen"]["backbone"] == "net, continued")
    assert found["same"] == 1
    assert found["difference"]["value"] == pytest.approx(found["value"] - found["plain"])
    assert {trial["backbone"] for trial in result["trials"]} == {"net", "net, continued"}
    assert [phase["name"] for phase in result["phases"]][2] == "continue"
    forgot = result["forgetting"]
    assert forgot["objective"] == "masked"
    assert forgot["difference"]["value"] == pytest.approx(forgot["after"]["value"] - forgot["before"]["value"])
    assert {row["strategy"] for row in forgot["strategies"]} == {"full"}
    lines = summary_lines(Result.read(out / "result.json"), report="r.html")
    assert len(lines) <= HEIGHT
    assert any(line.startswith("Continued") for line in lines)
    assert any(line.startswith("Forgotten") for line in lines)
    page = (out / "report.html").read_text()
    assert "Did going on without labels help?" in page
    assert "What was forgotten of the source" in page
    assert "--unlabelled" in page
    assert "on validation" in (out / "README.md").read_text()


def test_the_run_folder_is_all_that_later_commands_need(finished, place, tmp_path):
    _, out = finished
    model = load(out, device="cpu", precision="fp32")
    assert model.predict(["The cat eats the dog and the dog sees the cat, number 3."]).rows[0].error is None
    again = run("fit", place / "data.csv", "--from", out, "--strategy", "probe", "--trials", 1, "--control", "none", "--no-history", "--device", "cpu", "--out", tmp_path / "on")
    assert json.loads((tmp_path / "on" / "result.json").read_text())["continued"] is None, again.output


def test_a_run_that_is_taken_up_again_reads_no_unlabelled_text_twice(finished, place, tmp_path, monkeypatch):
    out = tmp_path / "again"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.pipeline.adapt", None)
        with pytest.raises(TypeError):
            run("fit", place / "data.csv", "--model", place / "net", "--unlabelled", place / "more", *COMMON, "--out", out)
    noted = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    entry = next(one for one in noted if one["kind"] == "continued")
    assert entry["base"] == "net"
    monkeypatch.setattr("headstart.adapt.pretraining.continuing.read_text_sources", None)
    run("fit", place / "data.csv", "--model", place / "net", "--unlabelled", place / "more", *COMMON, "--out", out)
    first, second = (json.loads((folder / "result.json").read_text()) for folder in (finished[1], out))
    assert (out / "model.safetensors").read_bytes() == (finished[1] / "model.safetensors").read_bytes()
    assert first["continued"]["value"] == second["continued"]["value"]


def test_one_that_diverges_is_left_out_and_said(place, tmp_path, monkeypatch):
    def diverged(*given, **more):
        raise FloatingPointError("continued pre-training diverged: its weights are not finite")

    monkeypatch.setitem(CONTINUES, "text", diverged)
    run("fit", place / "data.csv", "--model", place / "net", "--unlabelled", place / "more", *COMMON, "--out", tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["continued"]["backbone"] is None
    assert "diverged" in result["continued"]["missing"]
    assert any("came to nothing" in line for line in (tmp_path / "run" / "report.html").read_text().splitlines())


def test_what_does_not_fit_ends_before_anything_is_made(place, tmp_path):
    with pytest.raises(OptionError, match="the data are image"):
        run("fit", "builtin:digits", "--unlabelled", place / "more", "--out", tmp_path / "a")
    with pytest.raises(DataError, match="no such file"):
        run("fit", place / "data.csv", "--unlabelled", tmp_path / "nowhere", "--out", tmp_path / "b")
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
