"""Candidates on the workbench: each has a name of its own, on its card as well."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

import headstart
from headstart.choosing import known, material_of, rank_again, rank_candidates, workbench_of
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.events import silent
from tests.fakes import CPU, TinyBackbone, stripes


def test_two_backbones_of_one_name_stay_two(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    first, second = TinyBackbone("same", 0), TinyBackbone("same", 1)
    second.card = replace(second.card, spec="test:other")
    pictures, labels = stripes(40, classes=2, noise=60.0)
    data = (pictures, [f"colour {label}" for label in labels])
    found = headstart.rank(data, models=[first, second, first], history=False, device="cpu")
    assert {entry["backbone"] for entry in found.ranking} == {"same", "test:other"}
    scores = {entry["backbone"]: entry["scores"]["ridge"]["value"] for entry in found.ranking}
    assert scores["same"] != scores["test:other"]


def test_several_labels_are_ranked_like_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    pictures, labels = stripes(48, classes=4, noise=60.0)
    data = (pictures, [[f"a {label // 2}", f"b {label % 2}"] for label in labels])
    found = headstart.rank(data, models=[TinyBackbone("one", 0), TinyBackbone("two", 1)], history=False, device="cpu")
    assert found.data["kind"] == "multi"
    assert all(0 <= entry["low"] <= entry["score"] <= entry["high"] <= 1 for entry in found.ranking)


def test_what_an_outer_fold_tests_has_no_say_in_what_is_tried_on_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    pictures, labels = stripes(40, classes=2, noise=60.0)
    dataset = read((pictures, [str(label) for label in labels]), columns=Columns())
    material = material_of(dataset, metric=None, seed=0, listener=silent)
    models = [TinyBackbone(f"tiny {seed}", seed) for seed in range(3)]
    bench = workbench_of(material, models, placement=CPU, seed=0, listener=silent)
    ranking = rank_candidates(material, bench, learned=known(history=False), clock=None, listener=silent)
    rows = np.arange(30)
    once = rank_again(material, bench, ranking, rows, learned=known(history=False))
    bench.targets[30:] = bench.targets[30:][::-1].copy()
    again = rank_again(material, bench, ranking, rows, learned=known(history=False))
    assert [one.score for one in once.candidates] == [one.score for one in again.candidates]
    whole = {one.card.name: one.score.value for one in ranking.candidates}
    assert {one.card.name: one.score.value for one in once.candidates} != whole


def test_every_search_has_an_order_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    pictures, labels = stripes(40, classes=2, noise=60.0)
    data = (pictures, [str(label) for label in labels])
    models = [TinyBackbone("one", 0), TinyBackbone("two", 1)]
    given = {"models": models, "history": False, "device": "cpu", "strategies": ["probe"], "trials": 1}
    headstart.fit(data, out=tmp_path / "run", control="none", **given)
    folds = json.loads((tmp_path / "run" / "splits.json").read_text())["folds"]
    entries = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    ordered = [entry["fold"] for entry in entries if entry["kind"] == "ranking"]
    assert ordered == list(range(len(folds) + 1))
