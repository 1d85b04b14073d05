"""`headstart.fit` from Python: what it takes, what it gives back, and that a saved model is the same model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import headstart
from headstart.errors import DataError, ModelError, RunError
from headstart.models.from_module import from_module
from tests.families import TEXTS
from tests.pictures import class_folders
from tests.tiny_models import timm_folder

QUICK = {"strategies": ["probe"], "trials": 1, "control": "none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return timm_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return TEXTS["bert"](tmp_path_factory.mktemp("encoder") / "bert")


def _pixels(count=24):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 90, (count, 20, 20, 3)).astype(np.uint8)
    for number in range(count):
        pixels[number, ..., 2 * (number % 2)] += 150
    return pixels, [("red", "blue")[number % 2] for number in range(count)]


def _sentences():
    rng = np.random.default_rng(0)
    words = {"sea": ["dark", "northern", "sea", "light"], "train": ["old", "train", "station", "story"]}
    rows = [(" ".join([*rng.choice(words[name], 6), str(number)]), name) for number in range(14) for name in words]
    return [text for text, _ in rows], [name for _, name in rows]


def _same(first, second, inputs):
    for one, other in zip(first.predict(inputs).rows, second.predict(inputs).rows, strict=True):
        assert one.labels == other.labels
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


def test_arrays_pictures_and_a_list_of_them(folder, tmp_path):
    pixels, labels = _pixels()
    model = headstart.fit((pixels, labels), models=folder, out=tmp_path / "a", **QUICK)
    assert model.result.test["transfer"]["accuracy"]["value"] > 0.8
    pictures = [Image.fromarray(one) for one in pixels]
    _same(model, headstart.fit((pictures, labels), models=folder, out=tmp_path / "b", **QUICK), pictures)
    assert [row.labels for row in model.predict(pictures[:2]).rows] == [("red",), ("blue",)]


def test_a_model_that_was_saved_and_loaded_is_the_same(folder, tmp_path):
    pixels, labels = _pixels()
    model = headstart.fit((pixels, labels), models=folder, out=tmp_path / "run", **QUICK)
    model.save(tmp_path / "saved")
    for place in ("run", "saved"):
        again = headstart.load(tmp_path / place)
        _same(model, again, list(pixels))
        assert again.classes == ("blue", "red")


def test_texts_and_pairs_of_texts(encoder, tmp_path):
    texts, labels = _sentences()
    model = headstart.fit((texts, labels), models=encoder, out=tmp_path / "one", **QUICK)
    assert model.predict(["the dark northern sea light"]).rows[0].labels == ("sea",)
    pairs = [(text, text.split()[0]) for text in texts]
    model = headstart.fit((pairs, labels), models=encoder, out=tmp_path / "two", **QUICK)
    assert len(model.predict(pairs[:3]).rows) == 3


def test_a_data_frame(encoder, tmp_path):
    texts, labels = _sentences()
    frame = pd.DataFrame({"what was said": texts, "about": labels})
    model = headstart.fit(frame, text="what was said", label="about", models=encoder, out=tmp_path / "run", **QUICK)
    assert model.classes == ("sea", "train")


def test_a_network_of_ones_own(tmp_path):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.Conv2d(8, 16, 3, 2), torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    )  # fmt: skip

    def prepare(image):
        return np.asarray(image.resize((24, 24)), dtype=np.float32).transpose(2, 0, 1) / 255

    own = from_module(net, prepare=prepare, name="own")
    pixels, labels = _pixels()
    model = headstart.fit((pixels, labels), models=own, out=tmp_path / "run", **{**QUICK, "strategies": ["full"]})
    assert model.result.chosen["strategy"] == "full"
    with pytest.raises(ModelError, match="code of your own"):
        headstart.load(tmp_path / "run")
    _same(model, headstart.load(tmp_path / "run", backbone=from_module(net, prepare=prepare, name="own")), list(pixels))


@pytest.mark.parametrize("kind", ["image", "text"])
def test_several_labels_per_example(kind, folder, encoder, tmp_path):
    rng = np.random.default_rng(1)
    tags = [tuple(name for name in ("warm", "wet") if rng.random() < 0.5) or ("warm",) for _ in range(40)]
    if kind == "image":
        examples = rng.integers(0, 60, (40, 20, 20, 3)).astype(np.uint8)
        for number, names in enumerate(tags):
            examples[number, ..., 0] += 150 * ("warm" in names)
            examples[number, ..., 2] += 150 * ("wet" in names)
        models = folder
    else:
        words = {"warm": "lamp light great", "wet": "sea dark northern"}
        examples = [" ".join([*(words[name] for name in names), str(number)]) for number, names in enumerate(tags)]
        models = encoder
    out = tmp_path / "run"
    model = headstart.fit((examples, tags), models=models, out=out, trials=3)
    assert model.kind == "multi"
    figures = model.result.test["transfer"]
    assert figures["macro_f1"]["value"] > 0.6
    assert model.result.verdict["against"] == "scratch"
    found = model.predict(list(examples[:8]))
    assert all(set(row.labels) <= {"warm", "wet"} for row in found.rows)
    _same(model, headstart.load(out), list(examples[:8]))
    measured = model.evaluate((examples, tags))
    assert 0 < measured.metrics["macro_f1"].value <= 1
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "warm" in page
    assert "<!doctype html" in page.lower()


def test_results_show_themselves_in_a_notebook(folder, tmp_path):
    photos = class_folders(tmp_path / "photos", each=8)
    model = headstart.fit(photos, models=folder, out=tmp_path / "run", **QUICK)
    for shown in (model, model.predict([photos / "ants" / "0.png"])):
        html = shown._repr_html_()
        assert html.startswith("<")
    assert "ants" in model.predict([photos / "ants" / "0.png"])._repr_html_()
    assert "<script" not in model._repr_html_()


def test_one_picture_by_itself_is_one_example(folder, tmp_path):
    pixels, labels = _pixels()
    model = headstart.fit((pixels, labels), models=folder, out=tmp_path / "run", **QUICK)
    for one in (pixels[0], Image.fromarray(pixels[0])):
        assert [row.labels for row in model.predict(one).rows] == [("red",)]


def test_an_unfinished_run_on_other_data_is_not_taken_up(folder, tmp_path):
    pixels, labels = _pixels()
    headstart.fit((pixels, labels), models=folder, out=tmp_path / "run", **QUICK)
    with pytest.raises(RunError, match="other data"):
        headstart.fit((255 - pixels, labels), models=folder, out=tmp_path / "run", **QUICK)
    (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(RunError, match="other data"):
        headstart.fit((255 - pixels, labels), models=folder, out=tmp_path / "run", **QUICK)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("labels.json", None, "not there"), ("labels.json", "{", "no JSON"), ("config.json", "{}", "format_version")],
)
def test_a_damaged_run_folder_says_what_is_wrong(name, content, says, folder, tmp_path):
    pixels, labels = _pixels()
    headstart.fit((pixels, labels), models=folder, out=tmp_path / "run", **QUICK)
    (tmp_path / "run" / name).unlink()
    if content is not None:
        (tmp_path / "run" / name).write_text(content)
    with pytest.raises(RunError, match=says):
        headstart.load(tmp_path / "run")


def test_test_classes_named_otherwise_are_said(folder, tmp_path):
    class_folders(tmp_path / "parts" / "train")
    class_folders(tmp_path / "parts" / "test", classes=("Ants", "Bees"), start=500)
    with pytest.raises(DataError, match="no test example has a class of the training data"):
        headstart.fit(tmp_path / "parts", models=folder, out=tmp_path / "run", **QUICK)
