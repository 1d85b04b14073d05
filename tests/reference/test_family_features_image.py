"""Features of a checkpoint equal those of its family's own pipeline on the same file."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
import torchvision
import transformers
from PIL import Image
from safetensors.torch import load_file
from tests.families import PICTURES

from headstart.models.resolve import load_backbone


def _photo(seed: int, size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


PHOTOS = [_photo(1, (60, 44)), _photo(2, (33, 90)), _photo(3, (300, 200)), _photo(4, (32, 32))]


def _timm(spec):
    net = timm.create_model(f"local-dir:{spec}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=net), is_training=False)
    return net.forward_head(net.forward_features(torch.stack([transform(photo) for photo in PHOTOS])), pre_logits=True)


def _transformers(spec):
    net = transformers.AutoModel.from_pretrained(spec).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(spec)
    # One by one: some processors want pictures of equal size in a batch.
    pixels = torch.cat([processor(photo, return_tensors="pt")["pixel_values"] for photo in PHOTOS])
    found = net(pixels)
    pooled = getattr(found, "pooler_output", None)
    # ViT's classifier reads the class token; its pooler's dense layer is no part of that.
    return found.last_hidden_state[:, 0] if net.config.model_type == "vit" else pooled.flatten(1)


def _torchvision(spec):
    name, _, file = spec.partition(":")[2].partition("=")
    net = torchvision.models.get_model(name, weights=None)
    net.load_state_dict(load_file(file))
    net.fc = torch.nn.Identity()
    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    return net.eval()(torch.stack([transform(photo) for photo in PHOTOS]))


OWN = {"timm": _timm, "transformers": _transformers, "torchvision": _torchvision}


@pytest.mark.parametrize("family", PICTURES)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_features_of_pictures_are_the_familys_own(family, tmp_path):
    spec = PICTURES[family](tmp_path / "model")
    with torch.inference_mode():
        wanted = OWN[family.split()[0]](spec)
        backbone = load_backbone(spec)
        prepared = [backbone.preprocess.prepare(photo) for photo in PHOTOS]
        found = backbone(backbone.preprocess.collate(prepared))
    assert found.shape == wanted.shape
    # Where a processor keeps fractions of a grey level between its steps, we keep whole ones.
    spread = float(wanted.std(0).mean())
    assert float((found - wanted).abs().max()) < 0.02 * spread + 1e-5
