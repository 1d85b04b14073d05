"""A number or a place in an order, the whole way: from labelled pictures and texts to a proven model and its answers."""

from __future__ import annotations

import csv
import pickle
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

import headstart
from headstart.cli import main
from headstart.errors import DataError, OptionError
from headstart.files import read_json
from headstart.report.cautions import cautions
from headstart.report.command import fit_command
from headstart.report.terminal_summary import summary_lines
from headstart.run.predictions import read_numbers
from headstart.run.result import Result
from tests.families import TEXTS
from tests.pictures import save
from tests.tiny_models import timm_folder
from tests.unit.run.test_result_schema import OF_NUMBERS, documented, found_in

QUICK = {"strategies": ["probe"], "trials": 1, "control": "none", "history": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return timm_folder(tmp_path_factory.mktemp("model") / "tiny")


def reds(count=60, seed=0):
    """Pictures whose red is their number, from 10 to 90."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(10, 90, count).round(2)
    pixels = rng.integers(0, 60, (count, 20, 20, 3)).astype(np.uint8)
    pixels[..., 0] += (1.8 * truth).astype(np.uint8)[:, None, None]
    return [Image.fromarray(one) for one in pixels], truth


def frame(**more):
    pictures, truth = reds()
    split = ["test" if number % 3 == 0 else "train" for number in range(len(truth))]
    return pd.DataFrame({"image": pictures, "redness": truth, "split": split, **more})


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A whole run with fine-tuning and both controls, on a given test part."""
    out = tmp_path_factory.mktemp("runs") / "red"
    options = {"strategies": ["probe", "partial"], "trials": 4, "history": False, "label": "redness"}
    return headstart.fit(frame(), models=folder, out=out, **options), out


def test_the_evidence_is_in_the_users_own_unit(run):
    model, out = run
    result = model.result
    assert (result.task["kind"], result.task["name"], result.task["metric"]) == ("quantity", "regression", "mae")
    assert set(result.test) == {"transfer", "scratch", "random-frozen", "floor-majority", "floor-classical"}
    assert result.test["transfer"]["mae"]["value"] < 8 < result.test["floor-majority"]["mae"]["value"]
    assert result.test["transfer"]["r2"]["value"] > 0.8
    assert result.floor_names == {
        "floor-majority": "always the median",
        "floor-classical": "colour and gradient histograms with ridge regression",
    }
    errors = {role: figure["mae"]["value"] for role, figure in result.test.items()}
    assert result.verdict["difference"]["value"] == pytest.approx(errors["scratch"] - errors["transfer"])
    assert result.verdict["margin"] == pytest.approx(0.01 * errors["floor-majority"])
    assert result.verdict["word"] in ("helped", "unclear")
    assert "from scratch (95 % interval" in result.verdict["sentence"]
    assert result.calibration["level"] == 0.9
    assert result.calibration["width"] == pytest.approx(2 * result.calibration["reach"])
    assert result.gap["test"]["value"] == pytest.approx(errors["transfer"])
    assert result.gap["train"]["low"] < result.gap["train"]["value"] < result.gap["train"]["high"]
    again = Result.read(out / "result.json")
    assert (again.test, again.verdict, again.calibration, again.gap) == (result.test, result.verdict, result.calibration, result.gap)
    assert all(trial["error"] is None for trial in result.trials)


def test_what_result_json_holds_is_documented(run):
    _, out = run
    seen, types = set(), documented()
    assert found_in(read_json(out / "result.json"), "", types, seen) == []
    assert seen >= OF_NUMBERS


def test_the_folder_holds_every_prediction_and_a_page(run):
    model, out = run
    rows = read_numbers(out / "predictions.csv")
    truth = frame()["redness"][::3]
    assert [row.true for row in rows] == pytest.approx(list(truth))
    assert np.mean([abs(row.off) for row in rows]) == pytest.approx(model.result.test["transfer"]["mae"]["value"], rel=1e-6)
    held = np.mean([row.low <= row.true <= row.high for row in rows])
    assert held == pytest.approx(model.result.calibration["coverage"]["value"])
    page = (out / "report.html").read_text(encoding="utf-8")
    for anchor in ("scatter", "far_off", "intervals", "metrics", "data", "made"):
        assert f'id="{anchor}"' in page
    for anchor in ("confusion", "classes", "calibration", "mistakes"):
        assert f'id="{anchor}"' not in page
    assert page.count("<circle class=\"after\"") == len(rows)
    assert "always the median" in page
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "It says a number for a picture" in card
    assert "pipeline_tag" not in card
    lines = summary_lines(model.result, report="report.html")
    assert ": off by " in lines[0]
    assert any(line.startswith("Intervals") and "made to hold 90 %" in line for line in lines)
    assert all(len(line) <= 80 for line in lines)
    assert cautions(model.result, read_json(out / "audit.json"))


def test_cautions_know_what_is_off(run):
    result = run[0].result
    coverage = {"value": 0.6, "low": 0.5, "high": 0.7, "n": 20, "method": "exact binomial"}
    gap = {**result.gap, "difference": {**result.gap["difference"], "high": -0.5 * result.gap["test"]["value"]}}
    guess = dict(result.test["transfer"]["mae"])
    worse = replace(
        result,
        calibration={**result.calibration, "coverage": coverage},
        gap=gap,
        test={**result.test, "floor-majority": {**result.test["floor-majority"], "mae": guess}},
    )
    titles = {caution.title: caution.text for caution in cautions(worse, {})}
    assert "hold 60.0 % (50–70) of the test values" in titles["Intervals too narrow"]
    assert "is off by" in titles["Knows its training data better"]
    assert titles["No better than guessing"].startswith("Always the median is off by")
    held = replace(worse, calibration={**result.calibration, "coverage": {**coverage, "high": 0.93}})
    assert "Intervals too narrow" not in {caution.title for caution in cautions(held, {})}


def test_a_saved_model_says_value_low_and_high(run, tmp_path):
    model, out = run
    pictures, truth = reds(8, seed=5)
    first, again = model.predict(pictures), headstart.load(out).predict(pictures)
    for row, same, true in zip(first.rows, again.rows, truth, strict=True):
        assert row.value == pytest.approx(same.value, abs=1e-3)
        assert row.high - row.value == pytest.approx(model.result.calibration["reach"])
        assert row.value - row.low == pytest.approx(row.high - row.value)
        assert abs(row.value - true) < 30
        assert (row.labels, row.confidence) == ((), None)
    first.to_csv(tmp_path / "said.csv")
    with (tmp_path / "said.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["id", "value", "low", "high", "error"]
    assert float(lines[1][1]) == pytest.approx(first.rows[0].value, rel=1e-6)
    assert "interval" in first._repr_html_()


def test_evaluate_reads_few_numbers_as_numbers_and_sets_words_aside(run, tmp_path):
    model, _ = run
    pictures, truth = reds(6, seed=6)
    lines = ["image,redness"]
    for number, (picture, value) in enumerate(zip(pictures, truth, strict=True)):
        save(tmp_path / f"{number}.png", picture)
        lines.append(f"{number}.png,{value}")
    lines.append("0.png,unknown")
    (tmp_path / "more.csv").write_text("\n".join(lines))
    found = model.evaluate(tmp_path / "more.csv")
    assert found.n == 6
    assert found.metrics["mae"].value < 15
    assert "no finite number" in found.set_aside[0]
    assert found.confusion is None


def test_the_command_line(run, tmp_path, monkeypatch, capsys):
    _, out = run
    save(tmp_path / "new.png", reds(1)[0][0])
    (tmp_path / "broken.png").write_bytes(b"no picture")
    words = ["predict", out, tmp_path / "new.png", tmp_path / "broken.png", "--out", tmp_path / "said.csv"]
    monkeypatch.setattr(sys, "argv", ["headstart", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert not ended.value.code
    assert "90 % interval" in told.out
    assert "not read" in told.out
    assert len((tmp_path / "said.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("words", [["--task", "regression"], ["--task", "classification"]])
def test_check_takes_what_labels_are(words, tmp_path, monkeypatch, capsys):
    pd.DataFrame({"text": [f"a text {n}" for n in range(8)], "label": [1, 2] * 4}).to_csv(tmp_path / "t.csv")
    monkeypatch.setattr(sys, "argv", ["headstart", "check", str(tmp_path / "t.csv"), *words])
    with pytest.raises(SystemExit):
        main()
    assert ("numbers from 1 to 2" if "regression" in words else "2 classes") in capsys.readouterr().out


def test_texts_with_a_quantity_by_nested_cross_validation(tmp_path):
    encoder = TEXTS["bert"](tmp_path / "bert")
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 9, 30)
    texts = [" ".join(["sea", *rng.choice(["train", "story", "light"], length - 1)]) for length in lengths]
    numbers = 1000 * lengths + rng.normal(0, 10, 30)
    model = headstart.fit((texts, numbers), models=encoder, out=tmp_path / "run", **QUICK)
    assert model.result.data["scheme"] == "nested cross-validation"
    assert model.result.test["transfer"]["mae"]["n"] == model.result.data["train"]
    assert model.result.test["transfer"]["mae"]["value"] < model.result.test["floor-majority"]["mae"]["value"]
    assert "no verdict" in summary_lines(model.result)[0] + summary_lines(model.result)[1]


def test_an_order_is_proved_by_its_ranks(folder, tmp_path):
    pictures, truth = reds(66, seed=3)
    labels = [f"{int(value // 20)}" for value in truth]
    split = ["test" if number % 3 == 0 else "train" for number in range(66)]
    table = pd.DataFrame({"image": pictures, "label": labels, "split": split})
    model = headstart.fit(table, models=folder, out=tmp_path / "run", task="ordinal", **QUICK)
    result = model.result
    assert (result.task["kind"], result.task["classes"]) == ("ordinal", ["0", "1", "2", "3", "4"])
    assert result.test["transfer"]["rank_mae"]["value"] < result.test["floor-majority"]["rank_mae"]["value"]
    assert "classes on average" in " ".join(summary_lines(result)[:2])
    assert "--task ordinal" in fit_command(result, "out")
    assert sum(map(sum, result.confusion["counts"])) == 22
    found = headstart.load(tmp_path / "run").predict(pictures[:4])
    for row in found.rows:
        assert sum(row.probabilities.values()) == pytest.approx(1)
        upto = np.cumsum(list(row.probabilities.values()))
        assert row.labels == (result.task["classes"][int(np.flatnonzero(upto >= 0.5)[0])],)
        assert row.confidence == pytest.approx(row.probabilities[row.labels[0]])
    assert model.evaluate((pictures, labels)).metrics["quadratic_kappa"].value > 0.3


def test_a_ranking_for_a_quantity(folder, tmp_path):
    other = timm_folder(tmp_path / "other", seed=3)
    found = headstart.rank(frame(), models=[folder, other], label="redness", history=False, out=tmp_path / "rank")
    assert all(0 <= entry["score"] <= 1 and entry["low"] <= entry["score"] <= entry["high"] for entry in found.ranking)
    assert set(found.ranking[0]["scores"]) == {"ridge", "knn", "logme"}
    assert found.ranking[0]["outlook"]["forecast"] is None
    assert "of the variance" in found.why
    assert "Left-out R²" in (tmp_path / "rank" / "ranking.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, -7.0), (0.001, 5.0)])
def test_shifted_and_scaled_targets_shift_and_scale_predictions(folder, tmp_path, scale, shift):
    pictures, truth = reds(36)
    kept = {**QUICK, "strategies": ["partial"]}
    own = frame().iloc[:36]
    one = headstart.fit(own, label="redness", models=folder, out=tmp_path / "one", **kept)
    moved = own.assign(redness=own["redness"] * scale + shift)
    other = headstart.fit(moved, label="redness", models=folder, out=tmp_path / "two", **kept)
    said = [np.array([[row.value, row.low, row.high] for row in model.predict(pictures[:6]).rows]) for model in (one, other)]
    np.testing.assert_allclose(said[1], said[0] * scale + shift, atol=0.02 * scale * truth.std())


def test_the_estimator_behaves_as_scikit_learns(folder):
    pictures, truth = reds(40)
    model = headstart.TransferRegressor(str(folder))
    assert cross_val_score(model, pictures, truth, cv=2).mean() > 0.7
    fitted = clone(model).fit(pictures, truth)
    values = fitted.predict(pictures[:5])
    assert values.shape == (5,)
    np.testing.assert_allclose(fitted.predict_interval(pictures[:5])[:, 0], values)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(fitted)).predict(pictures[:5]), values)
    with pytest.raises(NotFittedError):
        model.predict(pictures[:5])
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(fitted.predict([pictures[i] for i in order]), fitted.predict(pictures)[order], rtol=1e-4)


@pytest.mark.parametrize(
    ("y", "why"),
    [(["a"] * 4, "no numbers"), ([1.0, np.nan, 2, 3], "NaN"), ([2.0] * 4, "the same"), ([1.0, 2.0, 3.0], "as many")],
)
def test_the_estimator_refuses_what_is_no_number(folder, y, why):
    with pytest.raises(DataError, match=why):
        headstart.TransferRegressor(str(folder)).fit(reds(4)[0], y)


def test_a_metric_of_another_task_lists_those_of_this_one(folder, tmp_path):
    with pytest.raises(OptionError, match=r"does not judge regression.*mae, rmse, r2, spearman"):
        headstart.fit(frame(), label="redness", models=folder, metric="accuracy", out=tmp_path / "run", **QUICK)
    with pytest.raises(OptionError, match="classification, lm, ordinal, qa, regression"):
        headstart.fit(frame(), label="redness", models=folder, task="guess", out=tmp_path / "run", **QUICK)
