"""The folder that a pre-training leaves: what timm and Headstart make of it, and what its cards say."""

from __future__ import annotations

import shlex
import shutil

import numpy as np
import pytest
import timm
import torch
from tests.pictures import picture, zipped
from tests.unit.adapt.pretraining import RECIPE, stripes_folder, teacher_folder
from timm.data import create_transform, resolve_model_data_config

from headstart.adapt.pretraining.job import pretrain
from headstart.adapt.pretraining.sources import read_sources, views_of
from headstart.adapt.pretraining.teacher import Renormalised, load_teacher
from headstart.data.fingerprint import fingerprint
from headstart.data.read import read, read_inputs
from headstart.errors import OptionError, UnsafeWeights
from headstart.events import silent
from headstart.features.reference import read_reference
from headstart.files import read_json, read_tensors, sha256_file, write_json, write_tensors
from headstart.models.card import SourceCard
from headstart.models.resolve import load_backbone


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A distilled backbone from two sources, one of them a zip."""
    root = tmp_path_factory.mktemp("made")
    photos = stripes_folder(root / "photos", each=6)
    archive = zipped(stripes_folder(root / "more", each=3, start=70), root / "more.zip")
    teacher = teacher_folder(root / "teacher")
    out = pretrain(
        [photos, archive], out=root / "out", objective="distil", teacher=teacher, epochs=1,
        views=[2, 3], name="Stripes", domain="stripes", licences=["CC0-1.0", "MIT"], weights_licence="apache-2.0",
        input_size=48, **RECIPE,
    )  # fmt: skip
    return photos, archive, teacher, out


def test_timm_itself_loads_it_with_equal_features(made):
    out = made[-1]
    net = timm.create_model(f"local-dir:{out}", pretrained=True).eval()
    assert net.num_classes == 0
    settings = resolve_model_data_config(net)
    assert list(settings["input_size"]) == [3, 48, 48]
    assert list(settings["mean"]) == [0.5, 0.5, 0.5]
    transform, backbone = create_transform(**settings), load_backbone(out)
    pictures = [picture(3, size=(70, 50)), picture(4)]
    with torch.inference_mode():
        theirs = net(torch.stack([transform(one) for one in pictures]))
        ours = backbone(backbone.preprocess.collate([backbone.preprocess.prepare(one) for one in pictures]))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_timm_gives_it_a_new_classifier(made):
    assert timm.create_model(f"local-dir:{made[-1]}", pretrained=True, num_classes=5).fc.out_features == 5


def test_the_folder_holds_no_pickle_and_no_working_files(made):
    names = {path.name for path in made[-1].iterdir()}
    assert names == {"model.safetensors", "config.json", "card.json", "reference.safetensors", "README.md"}


def test_matrices_are_in_half_precision_without_a_head(made):
    tensors = read_tensors(made[-1] / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values() if tensor.ndim > 1} == {torch.float16}
    assert not any(name.startswith("fc.") for name in tensors)


def test_the_card_says_how_it_was_made(made):
    _photos, archive, teacher, out = made
    card = load_backbone(out).card
    assert card.name == "Stripes"
    assert card.domain == "stripes"
    assert card.data == ("photos", "more")
    assert card.licence == "apache-2.0"
    assert card.input == "48 px RGB"
    assert card.weights_sha256 == sha256_file(out / "model.safetensors")
    assert card.parameters == sum(parameter.numel() for parameter in load_backbone(out).parameters())
    facts = card.pretraining
    first, second = facts["sources"]
    assert (first["pictures"], first["views"], first["licence"]) == (12, 24, "CC0-1.0")
    assert (second["pictures"], second["views"], second["licence"]) == (6, 18, "MIT")
    assert second["fingerprint"] == fingerprint(read_inputs([archive], modality="image"))
    assert facts["objective"] == "distil"
    assert facts["teacher"]["weights_sha256"] == sha256_file(teacher / "model.safetensors")
    assert facts["views"] == 42
    assert facts["seconds"] > 0
    assert facts["reference_sha256"] == sha256_file(out / "reference.safetensors")
    assert SourceCard.from_dict(read_json(out / "card.json")).to_dict() == {**card.to_dict(), "spec": "out"}


def test_the_command_on_the_card_says_all_that_differs_from_the_defaults(made):
    photos, archive, teacher, out = made
    words = shlex.split(load_backbone(out).card.made_with)
    assert words[:6] == ["headstart", "pretrain", str(photos), str(archive), "--out", str(out)]
    options = words[6:]
    for flag, value in {
        "--teacher": str(teacher), "--views": "2,3", "--size": "32", "--epochs": "1", "--batch-size": "16",
        "--input-size": "48",
        "--model-args": '{"channels": [8, 8, 16, 16], "stem_width": 8}', "--precision": "fp32",
        "--weights-licence": "apache-2.0",
    }.items():  # fmt: skip
        assert options[options.index(flag) + 1] == value
    assert [options[n + 1] for n, word in enumerate(options) if word == "--licence"] == ["CC0-1.0", "MIT"]
    assert "--objective" not in options
    assert "--architecture" not in options


def test_the_card_for_people_names_sources_licences_and_command(made):
    text = (made[-1] / "README.md").read_text()
    for words in ("# Stripes", "headstart pretrain", "CC0-1.0", "MIT", "| photos | 12 | 24 |", "timm.create_model"):
        assert words in text


def test_reference_statistics_are_those_of_the_features_on_the_source(made):
    photos, archive, _, out = made
    backbone, moments = load_backbone(out), read_reference(out)
    assert (out / "reference.safetensors").stat().st_size < 500_000
    assert [len(found.mean_D) for found in moments] == [stage.width for stage in backbone.stages]
    items = [*read(photos).items, *read(archive).items]
    prepared = [backbone.preprocess.prepare(_decoded(item)) for item in items]
    with torch.inference_mode():
        stages = backbone.stage_features(backbone.preprocess.collate(prepared))
    for found, features in zip(moments, stages, strict=True):
        rows = features.double().numpy()
        np.testing.assert_allclose(found.mean_D, rows.mean(0), atol=2e-3 * np.abs(rows).max())
        covariance = np.cov(rows, rowvar=False)
        np.testing.assert_allclose(found.covariance(), covariance, atol=5e-3 * np.abs(covariance).max())


def test_other_weights_under_the_card_are_refused(made, tmp_path):
    copy = shutil.copytree(made[-1], tmp_path / "copy")
    tensors = read_tensors(copy / "model.safetensors")
    write_tensors(copy / "model.safetensors", {name: tensor * 0 for name, tensor in tensors.items()})
    with pytest.raises(UnsafeWeights, match="not those of its card"):
        load_backbone(copy)


def test_a_twin_of_it_knows_of_no_source(made):
    card = load_backbone(made[-1]).twin().card
    assert not card.pretraining
    assert card.data == ()
    assert card.made_with is None


def test_supervised_classes_of_several_sources_are_kept_apart(tmp_path):
    photos, others = (
        stripes_folder(tmp_path / "a" / "photos", each=3),
        stripes_folder(tmp_path / "b" / "photos", each=3, start=90),
    )
    out = pretrain([photos, others], out=tmp_path / "out", objective="supervised", epochs=1, views=2, **RECIPE)
    card = load_backbone(out).card
    assert card.pretraining["classes"] == 4
    assert card.data == ("photos", "photos (2)")


def test_a_test_part_is_not_learned_from_by_labels(tmp_path):
    stripes_folder(tmp_path / "photos" / "train", each=3)
    stripes_folder(tmp_path / "photos" / "test", each=2, start=300)
    labelled, plain = (
        read_sources([tmp_path / "photos"], labelled=labelled, licences=(), listener=silent)[0]
        for labelled in (True, False)
    )
    assert len(labelled.data) == 6
    assert len(plain.data) == 10


def test_views_are_shared_among_the_pictures_of_a_source(tmp_path):
    sources = read_sources([stripes_folder(tmp_path / "photos", each=4)], labelled=True, licences=(), listener=silent)
    assert views_of(sources, None) == [5000]
    assert views_of(sources, 3) == [3]


def test_a_teacher_gets_pixels_as_it_was_trained_on(tmp_path):
    plain, _ = load_teacher(teacher_folder(tmp_path / "plain"), size=64)
    other, _ = load_teacher(teacher_folder(tmp_path / "other", mean=0.4, std=0.2), size=64)
    assert not isinstance(plain, Renormalised)
    assert isinstance(other, Renormalised)
    from_0_to_1 = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = plain.forward_features((from_0_to_1 - 0.4) / 0.2)
        found = other.forward_features(from_0_to_1 * 2 - 1)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_teacher_without_a_feature_map_is_refused(tmp_path):
    arguments = {"img_size": 32, "embed_dim": 16, "depth": 1, "num_heads": 2}
    net = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0, **arguments)
    write_json(
        tmp_path / "vit" / "config.json",
        {
            "architecture": "vit_tiny_patch16_224",
            "model_args": arguments,
            "pretrained_cfg": {"input_size": [3, 32, 32]},
        },
    )
    write_tensors(tmp_path / "vit" / "model.safetensors", net.state_dict())
    with pytest.raises(OptionError, match="no feature map"):
        load_teacher(tmp_path / "vit", size=32)
    with pytest.raises(OptionError, match="Set --size"):
        load_teacher(tmp_path / "vit", size=48)


def _decoded(item):
    from headstart.data.modality import MODALITIES

    return MODALITIES["image"].decode(item)
