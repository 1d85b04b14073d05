"""What can be used here without a download, the starters among it."""

from __future__ import annotations

import pytest
import timm
import torch
from transformers import AutoModel, AutoTokenizer

from headstart.errors import ModelError, OptionError
from headstart.features.reference import REFERENCE_FILE, read_reference
from headstart.files import sha256_file
from headstart.models.catalogue import (
    default_candidates,
    hub_models,
    models,
    parameters_of,
    register,
    registered,
    select,
    starters,
    unregister,
)
from headstart.models.resolve import STARTERS, load_backbone
from tests.pictures import picture
from tests.tiny_models import timm_folder

NAMES = ("natural", "glyph", "words")
OF_PICTURES = ("natural", "glyph")


def test_the_starters_are_listed_the_broad_one_first():
    assert [card.spec for card in starters()] == ["starter:natural", "starter:glyph", "starter:words"]
    assert default_candidates("image") == ["starter:natural", "starter:glyph"]
    assert default_candidates("text") == ["minilm", "starter:words"]
    assert {card.modality for card in models("image")} == {"image"}
    assert {card.spec for card in models()} >= {"starter:natural", "starter:glyph", "minilm"}


@pytest.mark.parametrize("name", NAMES)
def test_a_starters_card_tells_source_command_licence_and_figures(name):
    card = load_backbone(f"starter:{name}").card
    assert card.domain
    assert card.data
    assert card.licence == "apache-2.0"
    assert card.made_with.startswith("headstart pretrain")
    assert len(card.figures) >= 4
    assert all(source["fingerprint"] and source["licence"] for source in card.pretraining["sources"])
    assert card.weights_sha256 == sha256_file(STARTERS / name / "model.safetensors")
    assert card.pretraining["reference_sha256"] == sha256_file(STARTERS / name / REFERENCE_FILE)
    assert card.made_with in (STARTERS / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_is_small_and_its_statistics_are_of_its_stages(name):
    sizes = {path.name: path.stat().st_size for path in (STARTERS / name).iterdir()}
    assert sizes.pop("model.safetensors") <= 4_000_000
    assert sum(sizes.values()) < 500_000
    backbone = load_backbone(f"starter:{name}")
    assert [len(moments.mean_D) for moments in read_reference(STARTERS / name)] == [
        stage.width for stage in backbone.stages
    ]


@pytest.mark.parametrize("name", OF_PICTURES)
def test_timm_reads_a_starter_and_computes_the_same(name):
    backbone = load_backbone(f"starter:{name}")
    net = timm.create_model(f"local-dir:{STARTERS / name}", pretrained=True, num_classes=0).eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=net), is_training=False)
    photo = picture(3, size=(90, 70))
    with torch.inference_mode():
        wanted = net(transform(photo)[None])
        found = backbone(backbone.preprocess.collate([backbone.preprocess.prepare(photo)]))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


def test_texts_work_with_nothing_installed_beside(monkeypatch):
    monkeypatch.setattr("headstart.models.minilm.folder", lambda: None)
    assert default_candidates("text") == ["starter:words"]


def test_the_starter_for_texts_takes_four_megabytes_in_all():
    assert sum(path.stat().st_size for path in (STARTERS / "words").iterdir()) <= 4_000_000


def test_transformers_reads_the_starter_for_texts_and_computes_the_same():
    folder, backbone = STARTERS / "words", load_backbone("starter:words")
    net, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    texts = ["The library is open on Mondays.", "Où ça? 猫 ???", "a " * 600]
    for text in texts:
        inputs = tokenizer(text, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            wanted = net(**inputs).last_hidden_state.mean(1)
            found = backbone(backbone.preprocess.collate([backbone.preprocess.prepare(text).only(0)]))
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)
    assert len(backbone.preprocess.prepare(texts[-1]).windows) > 1


def test_the_starter_for_texts_knows_what_is_near_to_what():
    backbone = load_backbone("starter:words")
    texts = ["How do I bake bread?", "a recipe for a cake", "the wheel of my bicycle is flat", "cycling with a broken tyre"]
    with torch.inference_mode():
        rows = torch.nn.functional.normalize(
            backbone(backbone.preprocess.collate([backbone.preprocess.prepare(text) for text in texts])), dim=1
        )
    likeness = rows @ rows.T
    assert likeness[0, 1] > likeness[0, 2:].max()
    assert likeness[2, 3] > likeness[2, :2].max()


def test_the_hub_catalogue_is_broad_and_every_figure_names_its_source():
    cards = hub_models()
    assert len(cards) >= 60
    assert {card.modality for card in cards} == {"image", "text", "sound"}
    assert len({card.spec for card in cards}) == len(cards)
    for card in cards:
        assert card.parameters is None or card.parameters > 100_000
        for figure in card.figures.values():
            assert isinstance(figure["value"], int | float)
            assert figure["source"]
            assert figure["unit"]


def test_selecting_keeps_what_fits_and_leaves_out_what_does_not_say():
    cards = hub_models()
    small = select(cards, modality="image", task="classification", max_size="6M", licence="Apache-2.0")
    assert small
    assert all(card.parameters <= 6_000_000 and card.licence == "apache-2.0" for card in small)
    assert all(card.licence is not None for card in select(cards, licence="mit"))


@pytest.mark.parametrize(("text", "count"), [("30M", 30_000_000), ("1.5b", 1_500_000_000), ("260k", 260_000), ("7", 7)])
def test_sizes_are_read_as_people_write_them(text, count):
    assert parameters_of(text) == count


@pytest.mark.parametrize("text", ["", "many", "-3M", "0", "1e999", "nan"])
def test_what_is_no_size_is_an_error(text):
    with pytest.raises(OptionError, match="--max-size"):
        parameters_of(text)


def test_a_folder_is_registered_once_and_taken_out_again(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_DATA", str(tmp_path / "data"))
    timm_folder(tmp_path / "tiny")
    for _ in range(2):
        register(tmp_path / "tiny")
    assert [card.spec for card in registered()] == [str(tmp_path / "tiny")]
    assert str(tmp_path / "tiny") in default_candidates("image")
    unregister(tmp_path / "tiny")
    assert registered() == []
    with pytest.raises(ModelError, match="not registered"):
        unregister(tmp_path / "tiny")
    with pytest.raises(ModelError, match="not a folder"):
        register(tmp_path / "nowhere")
