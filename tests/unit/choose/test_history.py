"""What is remembered of finished runs: validation values alone, on this machine alone, and never when it is switched off."""

from __future__ import annotations

import numpy as np
import pytest

import headstart
from headstart.choose.history import history_path, is_off, read_history
from headstart.choose.knowledge import knowledge
from tests.fakes import TinyBackbone, stripes


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))


def fitted(tmp_path, name="run", **more):
    pictures, labels = stripes(40, classes=2, noise=60.0)
    names = [f"colour {label}" for label in labels]
    backbones = [TinyBackbone("one", 0), TinyBackbone("two", 1)]
    given = {"models": backbones, "trials": 4, "control": "none", "device": "cpu", **more}
    return headstart.fit((pictures, names), out=tmp_path / name, **given)


def test_a_finished_run_is_remembered_by_its_validation_values(tmp_path):
    model = fitted(tmp_path)
    (entry,) = read_history()
    assert entry["fingerprint"] == model.result.data["fingerprint"]
    assert set(entry["worth"]) == {"test:one", "test:two"}
    best = {}
    for trial in model.result.trials:
        name, value = f"test:{trial['backbone']}", trial["validation"]["accuracy"]
        best[name] = max(best.get(name, 0.0), value)
    assert entry["worth"] == pytest.approx(best, abs=1e-6)
    assert all(set(scores) == {"log error", "ridge", "logme", "knn", "lda"} for scores in entry["scores"].values())


def test_it_changes_the_hash_of_the_prior_but_not_the_ranking_of_the_same_data(tmp_path):
    fitted(tmp_path)
    before = knowledge()
    after = knowledge(read_history())
    assert before.sha256 != after.sha256
    (entry,) = read_history()
    cards = [TinyBackbone("one").card, TinyBackbone("two").card]
    assert after.strengths(cards, without=entry["fingerprint"]) == before.strengths(cards, without="")
    assert after.strengths(cards, without="other")[0].sets == 1


def test_history_can_be_switched_off(tmp_path, monkeypatch):
    fitted(tmp_path, history=False)
    assert not history_path().exists()
    monkeypatch.setenv("HEADSTART_HISTORY", "off")
    assert is_off()
    fitted(tmp_path, "second")
    assert not history_path().exists()
    assert read_history() == []


def test_a_line_that_is_not_whole_is_left_aside():
    history_path().parent.mkdir(parents=True)
    history_path().write_text('{"fingerprint": "a", "scores": {}, "worth": {"x": 1}}\n{"fingerp')
    assert [entry["fingerprint"] for entry in read_history()] == ["a"]


def test_what_is_foreseen_is_kept_beside_what_is_found(tmp_path):
    model = fitted(tmp_path, control="scratch", trials=4)
    foreseen = model.result.foresight
    assert foreseen["strategy"] == model.result.chosen["strategy"]
    alike = {foreseen["advice"], foreseen["strategy"]}
    assert foreseen["advice_held"] == (len(alike) == 1 or alike <= {"probe", "stages", "knn"})
    assert foreseen["verdict"] == model.result.verdict["word"]
    assert (tmp_path / "run" / "ranking.html").is_file()
    assert np.isfinite(foreseen["difference"])
