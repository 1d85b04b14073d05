"""Candidates on the workbench: each has a name of its own, on its card as well."""

from __future__ import annotations

from dataclasses import replace

import headstart
from tests.fakes import TinyBackbone, stripes


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
