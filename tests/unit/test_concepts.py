"""The checks at the end of a fit and by hand: within a budget, nested, for several labels, and what is refused."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import headstart
from headstart.cli import main
from headstart.concepts import check_model
from headstart.errors import DataError, OptionError
from headstart.events import Said
from tests.families import TEXTS
from tests.pictures import class_folders
from tests.system.test_text_families import COLUMNS, table
from tests.unit.run.test_result_schema import documented, found_in

FEW = {"strategies": ["probe"], "control": "none", "device": "cpu"}


@pytest.fixture(scope="module")
def patch(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("headstart.concepts.MOST_TEXTS", 8)
        patch.setattr("headstart.concepts.FEWEST_TEXTS", 4)
        patch.setattr("headstart.concepts.EXPLAINED", 1)
        yield patch


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return TEXTS["bert"](tmp_path_factory.mktemp("bert") / "model")


@pytest.fixture(scope="module")
def nested(patch, bert, tmp_path_factory):
    """A run without a test part: every text is tested by a model that has not seen it."""
    folder = tmp_path_factory.mktemp("nested")
    rows = table(folder / "data.csv", "one").read_text().replace(",split", ",part")
    texts = [line.rsplit(",", 2) for line in rows.splitlines()[1:]]
    heard = []
    model = headstart.fit(
        ([text for text, _, _ in texts], [label for _, label, _ in texts]),
        models=[bert], trials=1, out=folder / "run", listener=heard.append, **FEW,
    )  # fmt: skip
    return model, folder / "run", heard


def test_a_real_run_holds_what_is_documented(nested):
    seen, types = set(), documented()
    assert found_in(json.loads((nested[1] / "result.json").read_text()), "", types, seen) == []
    assert {path for path in types if path.startswith("concepts.")} <= seen


def test_each_text_is_answered_by_a_model_that_has_not_seen_it(nested):
    found = {one["name"]: one for one in nested[0].result.concepts["findings"]}
    assert "each answered by a model that had not seen it" in found["ladder"]["on"]
    assert found["ladder"]["rows"][0]["figure"]["n"] == 8
    assert found["shortcuts"]["rows"][0]["figure"]["value"] == nested[0].result.test["transfer"]["accuracy"]["value"]
    assert [phase["name"] for phase in nested[0].result.phases].count("check") == 1


def test_how_texts_are_read_is_said(nested):
    said = [event.text for event in nested[2] if isinstance(event, Said)]
    assert any("longer than the 32 tokens" in line for line in said)


def test_the_page_shows_words_and_findings(nested):
    page = (nested[1] / "report.html").read_text()
    assert 'id="concepts"' in page
    assert 'id="words"' in page


def test_what_a_budget_leaves_no_time_for_is_left_out_and_said(patch, bert, tmp_path):
    patch.setattr("headstart.concepts.CHECKS_SHARE", 1e-9)
    heard = []
    model = headstart.fit(
        table(tmp_path / "data.csv", "several"), models=[bert], budget="20s", out=tmp_path / "run", text="text",
        label="wet,long", split="split", listener=heard.append, **FEW,
    )  # fmt: skip
    patch.setattr("headstart.concepts.CHECKS_SHARE", 0.06)
    found = model.result.concepts
    assert found["findings"] == []
    assert len(found["left_out"]) == 4
    assert sum("no time was left within the budget" in event.text for event in heard if isinstance(event, Said)) == 4


def run(capsys, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["headstart", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_by_hand_on_the_command_line(nested, tmp_path, capsys, monkeypatch):
    data = table(tmp_path / "more.csv", "one")
    code, out, err = run(capsys, monkeypatch, "check", nested[1], data, *COLUMNS["one"])
    assert code == 0, err
    for title in ("When texts are corrupted", "What is remembered", "How well shuffled labels", "without reading"):
        assert title in out
    assert "texts of" in out


def test_words_on_the_command_line(nested, capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, "explain", nested[1], "dark northern sea", "old train")
    assert code == 0, err
    assert "dark northern sea" in out
    assert out.count("strongest:") == 2


def test_by_hand_what_does_not_fit_ends_in_one_line(nested, tmp_path, capsys, monkeypatch):
    (tmp_path / "other.csv").write_text("text,label\n" + "".join(f"a text of its own {n},{'xy'[n % 2]}\n" for n in range(8)))
    for words in (("check", nested[1], tmp_path / "other.csv"), ("check", tmp_path, tmp_path / "other.csv")):
        code, _, err = run(capsys, monkeypatch, *words)
        assert code == 2
        assert err.strip().splitlines()[-1].startswith("headstart: ")
    with pytest.raises(DataError, match="holds image examples"):
        check_model(nested[0], class_folders(tmp_path / "photos", each=3))


def test_models_of_pictures_have_no_checks(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    model = headstart.fit(class_folders(tmp_path / "photos", each=8), trials=1, out=tmp_path / "run", models=["starter:glyph"], **FEW)
    assert model.result.concepts is None
    with pytest.raises(OptionError, match="texts with classes"):
        check_model(model, tmp_path / "photos")


def test_chances_are_what_predict_says(nested):
    texts = ["dark northern sea", "old train station"]
    rows = nested[0].predict(texts).rows
    np.testing.assert_allclose(nested[0].chances(texts)[:, 0], [row.probabilities[nested[0].classes[0]] for row in rows])
