"""Pre-training as a whole: it learns, it goes on after a kill to the same bits, and it refuses what cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.pictures import class_folders, picture, save
from tests.unit.adapt.pretraining import RECIPE, Ear, Killed, striped, stripes_folder, teacher_folder

from headstart.adapt.pretraining.job import pretrain
from headstart.errors import DataError, ModelNotFound, OptionError, RunError
from headstart.files import read_json, sha256_file
from headstart.models.resolve import load_backbone


def _options(tmp_path, objective, **changed):
    options = {**RECIPE, "objective": objective, "epochs": 2, "views": 7, "learning_rate": 0.01, **changed}
    if objective == "distil":
        teacher = tmp_path / "teacher"
        options |= {"teacher": teacher if teacher.is_dir() else teacher_folder(teacher)}
    return options


def test_supervised_learns_its_classes(tmp_path):
    ear, photos = Ear(), stripes_folder(tmp_path / "photos")
    out = pretrain([photos], out=tmp_path / "out", listener=ear, **_options(tmp_path, "supervised", epochs=12))
    # With a tenth of smoothing, 0.199 is the least that two classes allow, and 0.693 is what chance gives.
    assert ear.losses[-1] < 0.22

    backbone = load_backbone(out)
    features = {
        upright: _features(backbone, [striped(seed, upright=upright) for seed in range(5000, 5010)])
        for upright in (False, True)
    }
    # New pictures lie nearer to the mean of their own kind, taken from the first half, than to the other's.
    means = {upright: found[:5].mean(0) for upright, found in features.items()}
    for upright, found in features.items():
        own, other = ((found[5:] - means[kind]).norm(dim=1) for kind in (upright, not upright))
        assert (own < other).all()


def test_distillation_lowers_the_loss_and_needs_no_labels(tmp_path):
    photos = tmp_path / "photos"
    for seed in range(24):
        save(photos / f"{seed}.png", picture(seed))
    ear = Ear()
    pretrain([photos], out=tmp_path / "out", listener=ear, **_options(tmp_path, "distil", epochs=16))
    assert ear.losses[-1] < 0.7 * ear.losses[0], ear.losses


@pytest.mark.parametrize(
    ("objective", "kill"),
    [
        ("supervised", ("pre-training", 20)),
        ("distil", ("pre-training", 20)),
        ("distil", ("views", 1)),
    ],
)
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, objective, kill):
    photos, options = stripes_folder(tmp_path / "photos"), _options(tmp_path, objective, epochs=3)
    whole = pretrain([photos], out=tmp_path / "whole", **options)
    with pytest.raises(Killed):
        pretrain([photos], out=tmp_path / "killed", listener=Ear(kill=kill), checkpoint_s=0, **options)
    assert not (tmp_path / "killed" / "card.json").exists()

    ear = Ear()
    again = pretrain([photos], out=tmp_path / "killed", listener=ear, **options)
    assert ("Going on" in ear.words) == (kill[0] == "pre-training")
    for name in ("model.safetensors", "reference.safetensors", "config.json"):
        assert sha256_file(again / name) == sha256_file(whole / name)


def test_a_budget_cuts_the_steps(tmp_path):
    photos, ear = stripes_folder(tmp_path / "photos"), Ear()
    pretrain(
        [photos], out=tmp_path / "out", listener=ear, budget=1e-6, **_options(tmp_path, "supervised", epochs=10_000)
    )
    assert (tmp_path / "out" / "card.json").is_file()


def test_a_finished_folder_is_left_alone_and_another_job_in_it_refused(tmp_path):
    photos, options = stripes_folder(tmp_path / "photos", each=4), _options(tmp_path, "supervised", epochs=1, views=4)
    out, ear = pretrain([photos], out=tmp_path / "out", **options), Ear()
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}

    photos = photos.rename(tmp_path / "elsewhere")  # the same pictures are the same source wherever they lie
    pretrain([photos], out=out, listener=ear, **options)
    assert "finished already" in ear.words
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before

    with pytest.raises(RunError, match="another seed"):
        pretrain([photos], out=out, **{**options, "seed": 1})
    with pytest.raises(RunError, match="another sources"):
        pretrain([stripes_folder(tmp_path / "other", each=4, start=50)], out=out, **options)


def test_another_recipe_in_an_unfinished_folder_is_refused(tmp_path):
    photos, options = stripes_folder(tmp_path / "photos"), _options(tmp_path, "supervised")
    with pytest.raises(Killed):
        pretrain([photos], out=tmp_path / "out", listener=Ear(kill=("views", 1)), **options)
    with pytest.raises(RunError, match="another learning rate"):
        pretrain([photos], out=tmp_path / "out", **{**options, "learning_rate": 0.5})


def test_a_folder_of_something_else_is_refused(tmp_path):
    photos = stripes_folder(tmp_path / "photos", each=4)
    with pytest.raises(RunError, match="holds something else"):
        pretrain([photos], out=photos, **_options(tmp_path, "supervised"))


def test_unreadable_pictures_are_said_and_set_aside(tmp_path):
    photos, ear = stripes_folder(tmp_path / "photos", each=4), Ear()
    (photos / "across" / "broken.png").write_bytes(b"no picture")
    out = pretrain([photos], out=tmp_path / "out", listener=ear, **_options(tmp_path, "supervised", epochs=1, views=4))
    assert "set aside 1, unreadable" in ear.words
    assert "broken.png" in ear.words
    assert read_json(out / "card.json")["pretraining"]["sources"][0]["set_aside"] == 1


def test_glyphs_of_the_fonts_are_a_source(tmp_path):
    out = pretrain(
        ["builtin:glyphs"],
        out=tmp_path / "glyph",
        **_options(tmp_path, "supervised", epochs=1, views=1, batch_size=256),
    )
    card = load_backbone(out).card
    assert card.data == ("glyphs",)
    assert card.pretraining["classes"] > 100


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"objective": "distil"}, OptionError, "needs a --teacher"),
        ({"objective": "distil", "teacher": "no/such/folder"}, ModelNotFound, "no/such/folder"),
        ({"teacher": "somewhere"}, OptionError, "--teacher"),
        ({"objective": "guess"}, OptionError, "supervised, distil"),
        ({"architecture": "resnet0"}, OptionError, "--architecture resnet0"),
        ({"architecture": "vit_tiny_patch16_224", "model_args": {}}, OptionError, "32 pixels"),
        ({"model_args": {"channels": {1}}}, OptionError, "--model-args"),
        ({"epochs": 0}, OptionError, "--epochs 0"),
        ({"budget": -1.0}, OptionError, "--budget -1.0"),
        ({"length": 64}, OptionError, "--length: means nothing for pictures"),
        ({"views": [1, 2]}, OptionError, "--views 1,2"),
        ({"licences": ["mit", "mit"]}, OptionError, "--licences"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(tmp_path, changed, error, words):
    photos = stripes_folder(tmp_path / "photos", each=2)
    with pytest.raises(error, match=words) as caught:
        pretrain([photos], out=tmp_path / "out", **{**_options(tmp_path, "supervised"), **changed})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_sources_that_cannot_be_are_refused(tmp_path):
    def attempt(*sources, **changed):
        pretrain(list(sources), out=tmp_path / "out", **{**_options(tmp_path, "supervised"), **changed})

    unlabelled = tmp_path / "unlabelled"
    save(unlabelled / "one.png", picture(1))
    save(unlabelled / "two.png", picture(2))
    empty = tmp_path / "empty"
    empty.mkdir()
    table = tmp_path / "texts.csv"
    table.write_text("text,label\n" + "".join(f"some words {n} here,{'ab'[n % 2]}\n" for n in range(8)))
    with pytest.raises(DataError, match="no sources"):
        attempt()
    with pytest.raises(DataError, match="no such file or folder"):
        attempt(tmp_path / "nowhere")
    with pytest.raises(DataError, match="empty"):
        attempt(empty)
    with pytest.raises(DataError, match="unlabelled"):
        attempt(unlabelled)
    with pytest.raises(DataError, match="not pictures"):
        attempt(table)
    broken = class_folders(tmp_path / "broken", each=2)
    for path in broken.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="broken"):
        attempt(broken)


def _features(backbone, pictures):
    pixels = backbone.preprocess.collate([np.asarray(backbone.preprocess.prepare(one)) for one in pictures])
    with torch.inference_mode():
        return backbone(pixels)
