"""What can be used here without a download, the starters among it."""

from __future__ import annotations

import pytest
import timm
import torch

from headstart.features.reference import REFERENCE_FILE, read_reference
from headstart.files import sha256_file
from headstart.models.catalogue import default_candidates, models, starters
from headstart.models.resolve import STARTERS, load_backbone
from tests.pictures import picture

NAMES = ("natural", "glyph")


def test_the_starters_are_listed_the_broad_one_first():
    assert [card.spec for card in starters()] == ["starter:natural", "starter:glyph"]
    assert default_candidates("image") == ["starter:natural", "starter:glyph"]
    assert default_candidates("text") == ["minilm"]
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


@pytest.mark.parametrize("name", NAMES)
def test_timm_reads_a_starter_and_computes_the_same(name):
    backbone = load_backbone(f"starter:{name}")
    net = timm.create_model(f"local-dir:{STARTERS / name}", pretrained=True, num_classes=0).eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=net), is_training=False)
    photo = picture(3, size=(90, 70))
    with torch.inference_mode():
        wanted = net(transform(photo)[None])
        found = backbone(backbone.preprocess.collate([backbone.preprocess.prepare(photo)]))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)
