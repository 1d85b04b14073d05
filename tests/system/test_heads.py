"""Models that read several stages or ask the nearest examples: fit, save, load, predict, and start again from them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from tests.families import PICTURES, TEXTS
from tests.pictures import picture
from typer.testing import CliRunner

import headstart
from headstart import TransferClassifier
from headstart.cli import app
from headstart.errors import RunError
from headstart.files import read_json, read_tensors, write_json, write_tensors
from headstart.models.resolve import load_backbone

FAMILIES = {"image": PICTURES["timm resnet"], "text": TEXTS["bert"]}
GIVEN = {"control": "none", "trials": 1, "history": False, "device": "cpu"}


def examples(modality, folder):
    """Two classes that colour, or words, tell apart: data to fit, and inputs to predict as the command line takes them."""
    rng = np.random.default_rng(0)
    names = [("sea", "train")[number % 2] for number in range(24)]
    if modality == "text":
        words = {"sea": ["dark", "northern", "sea", "light"], "train": ["old", "train", "station", "story"]}
        texts = [f"{' '.join(rng.choice(words[name], 6))} {number}" for number, name in enumerate(names)]
        return (texts, names), ["the dark sea light", "the old station train"]
    colours = {"sea": 0, "train": 2}
    pictures = []
    for number, name in enumerate(names):
        pixels = np.asarray(picture(number, size=(40, 40))).astype(float) * 0.7
        pixels[..., colours[name]] += 70
        pictures.append(np.clip(pixels, 0, 255).astype(np.uint8))
    paths = []
    for number in range(2):
        paths.append(str(folder / f"{number}.png"))
        picture(90 + number, size=(40, 40)).save(paths[-1])
    return (np.stack(pictures), names), paths


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    """The kind of example, the spec of a tiny checkpoint, data, inputs."""
    folder = tmp_path_factory.mktemp("family")
    data, inputs = examples(request.param, folder)
    return request.param, FAMILIES[request.param](folder / "model"), data, inputs


@pytest.mark.parametrize("name", ["stages", "knn"])
def test_the_whole_way_and_on_from_there(family, name, tmp_path):
    modality, spec, data, inputs = family
    model = headstart.fit(data, models=spec, out=tmp_path / "run", strategies=[name], **GIVEN)
    wanted = model.predict_proba(inputs)

    again = headstart.load(tmp_path / "run", device="cpu")
    np.testing.assert_allclose(again.predict_proba(inputs), wanted, atol=1e-6)
    again.save(tmp_path / "copy")
    np.testing.assert_allclose(headstart.load(tmp_path / "copy", device="cpu").predict_proba(inputs), wanted, atol=1e-6)
    done = CliRunner().invoke(
        app, ["predict", str(tmp_path / "run"), *inputs, "--out", str(tmp_path / "p.csv")], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    with (tmp_path / "p.csv").open(newline="") as file:
        told = [[float(row[f"p:{label}"]) for label in model.classes] for row in csv.DictReader(file)]
    np.testing.assert_allclose(told, wanted, atol=1e-4)

    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["chosen"]["strategy"] == name
    card = (tmp_path / "run" / "README.md").read_text()
    assert f"Strategy: {name}" in card
    assert {"stages": "from stage", "knn": "votes temperature"}[name] in card

    # What it can hand on it does: the backbone, untouched, and what it was made for.
    onward = load_backbone(str(tmp_path / "run"))
    assert onward.card.pretraining["classes"] == ["sea", "train"]
    for one, other in zip(onward.net.parameters(), load_backbone(spec).net.parameters(), strict=True):
        assert torch.equal(one, other)
    head = onward.source_head
    assert (head is not None) == (name == "stages")
    if head is not None:
        assert (head.labels, head.stages) == (("sea", "train"), again.network.reads)
        assert head.weight_ZD.shape[1] == onward.width_of(head.stages)
    if modality == "image":
        next_run = headstart.fit(data, models=tmp_path / "run", out=tmp_path / "next", strategies=["probe"], **GIVEN)
        assert next_run.predict_proba(inputs).shape == (2, 2)


@pytest.mark.parametrize("name", ["stages", "knn"])
def test_scikit_learns_classifier_ends_in_one_too(family, name):
    _, spec, (inputs, labels), _ = family
    fitted = TransferClassifier(spec, strategies=(name,), device="cpu").fit(list(inputs), labels)
    assert fitted.predict_proba(list(inputs)).shape == (24, 2)
    assert fitted.score(list(inputs), labels) > 0.7


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """A finished run with a linear head, and a picture."""
    folder = tmp_path_factory.mktemp("probed")
    data, inputs = examples("image", folder)
    headstart.fit(data, models=FAMILIES["image"](folder / "model"), out=folder / "run", strategies=["probe"], **GIVEN)
    return folder / "run", inputs


def test_a_model_of_the_first_format_still_loads(probed, tmp_path):
    run, inputs = probed
    wanted = headstart.load(run, device="cpu").predict_proba(inputs)
    old = headstart.load(run, device="cpu").save(tmp_path / "old")
    config = read_json(old / "config.json")
    del config["head"]
    write_json(old / "config.json", {**config, "format_version": 1})
    tensors = read_tensors(old / "model.safetensors")
    assert {key for key in tensors if key.startswith("head.")} == {"head.weight", "head.bias"}
    np.testing.assert_allclose(headstart.load(old, device="cpu").predict_proba(inputs), wanted, atol=1e-7)
    write_json(old / "config.json", {**config, "format_version": 3})
    with pytest.raises(RunError, match="format 3, this is 2"):
        headstart.load(old)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "forest"}, "kind of head 'forest' is not known"),
        ({"stages": ["attic"]}, "attic"),
        ({"width": None}, "no head that fits"),
        ({"classes": 7}, "a head for 7 classes, labels.json names 2"),
    ],
)
def test_a_head_that_does_not_fit_is_said(probed, tmp_path, changes, says):
    run, _ = probed
    folder = headstart.load(run).save(tmp_path / "copy")
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, "head": {**config["head"], **changes}})
    with pytest.raises(RunError, match=says):
        headstart.load(folder)


def test_a_head_on_other_stages_tells_what_the_old_model_would_call_new_pictures(tmp_path, monkeypatch):
    data, _ = examples("image", tmp_path)
    spec = FAMILIES["image"](tmp_path / "model")
    everything = lambda tried, *given: max(tried, key=lambda one: len(one.stages) * one.share)  # noqa: E731
    monkeypatch.setattr("headstart.adapt.stages.chosen", everything)
    model = headstart.fit(data, models=spec, out=tmp_path / "run", strategies=["stages"], **GIVEN)
    assert model.network.reads is not None
    found = headstart.rank(data, models=[tmp_path / "run"], history=False, device="cpu")
    called = {one["class"]: one["share"] for one in found.ranking[0]["outlook"]["called"]}
    assert called.keys() == {"sea", "train"}
    right = [row.labels[0] for row in model.predict(list(data[0])).rows]
    assert called["sea"] == pytest.approx(right.count("sea") / len(right), abs=0.05)


def test_a_head_on_another_stage_is_not_taken_for_one_on_the_features(probed, tmp_path):
    run, _ = probed
    folder = headstart.load(run).save(tmp_path / "copy")
    config = read_json(folder / "config.json")
    config["head"]["stages"] = [stage.name for stage in headstart.load(run).backbone.stages[:1]]
    write_json(folder / "config.json", config)
    write_tensors(folder / "model.safetensors", read_tensors(run / "model.safetensors"), {"format": "pt"})
    assert load_backbone(str(run)).source_head is not None
    assert load_backbone(str(folder)).source_head is None  # its width is not that of the stage it names
