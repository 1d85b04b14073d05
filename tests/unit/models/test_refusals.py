"""What is no usable model is refused in one line that says what to do."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from headstart.errors import HeadstartError, MissingExtra, ModelError, ModelNotFound, UnsafeWeights
from headstart.models import minilm
from headstart.models.resolve import load_backbone, rebuild
from tests.families import PICTURES, TEXTS
from tests.tiny_models import timm_folder


@pytest.fixture
def folder(tmp_path):
    return timm_folder(tmp_path / "model")


def _refused(spec, error, words):
    with pytest.raises(error, match=words) as caught:
        load_backbone(spec)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, HeadstartError)


def _configured(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_folder_of_pickles(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    _refused(folder, UnsafeWeights, "pickled weights can run code.*convert")


def test_a_torchvision_pickle(tmp_path):
    torch.save({}, tmp_path / "resnet18.pth")
    _refused(f"torchvision:resnet18={tmp_path / 'resnet18.pth'}", UnsafeWeights, "not a safetensors file")
    _refused("torchvision:resnet18", UnsafeWeights, "torchvision publishes pickled weights")


@pytest.mark.parametrize("left", [0, 7, 100, -40])
def test_a_file_that_is_cut_off(folder, left):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    _refused(folder, UnsafeWeights, "safetensors")


def test_a_pickle_that_calls_itself_safetensors(folder):
    torch.save({}, folder / "model.safetensors")
    _refused(folder, UnsafeWeights, "safetensors")


def test_code_of_its_own(folder):
    _configured(folder, auto_map={"AutoModel": "own.Model"})
    _refused(folder, UnsafeWeights, "auto_map")


@pytest.mark.parametrize("change", ["missing", "left over", "of another shape"])
def test_weights_that_do_not_fit(folder, change):
    tensors = load_file(folder / "model.safetensors")
    name = "layer1.0.conv1.weight"
    if change == "missing":
        del tensors[name]
    elif change == "left over":
        tensors["layer9.weight"] = torch.zeros(3)
    else:
        tensors[name] = torch.zeros(2, 2)
    save_file(tensors, folder / "model.safetensors")
    _refused(folder, ModelError, f"1 {change} ")


def test_text_weights_that_do_not_fit(tmp_path):
    spec = TEXTS["bert"](tmp_path / "bert")
    _configured(tmp_path / "bert", num_hidden_layers=3)
    _refused(spec, ModelError, "missing")


def test_configurations_that_cannot_be_used(folder, tmp_path):
    (folder / "config.json").write_text("{")
    _refused(folder, ModelError, "broken JSON")
    (folder / "config.json").unlink()
    _refused(folder, ModelNotFound, "no config.json")
    other = timm_folder(tmp_path / "other")
    _configured(other, architecture="resnet0")
    _refused(other, ModelNotFound, "resnet0")
    TEXTS["bert"](tmp_path / "bert")
    _configured(tmp_path / "bert", model_type="berd")
    _refused(tmp_path / "bert", ModelError, "berd")


def test_an_encoder_with_a_decoder(tmp_path):
    import transformers

    config = transformers.T5Config(d_model=8, d_ff=8, num_layers=1, num_heads=1, d_kv=8, vocab_size=16)
    transformers.T5Model(config).save_pretrained(tmp_path / "t5")
    _refused(tmp_path / "t5", ModelError, "an encoder and a decoder")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("no/such/folder", "no such model or folder"),
        ("starter:none", "no such starter"),
        ("timm:resnet9999", "timm knows no such model"),
        ("torchvision:resnet9999", "no such model"),
        ("torchvision:resnet18.WORST", "no such weights"),
        ("gopher:model", "no such model or folder"),
        ("", "no such model or folder|config.json"),
    ],
)
def test_names_that_nobody_knows(spec, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _refused(spec, ModelNotFound, words)


def test_a_file_where_a_folder_is_wanted(folder):
    _refused(folder / "model.safetensors", ModelNotFound, "a file, not a model folder")


def test_weights_that_are_not_those_of_the_card(folder):
    card = load_backbone(folder).card
    from headstart.models.from_timm import load_folder

    changed = {name: value + 1 for name, value in load_file(folder / "model.safetensors").items()}
    save_file(changed, folder / "model.safetensors")
    with pytest.raises(UnsafeWeights, match=r"not those of its card\.json"):
        load_folder(folder, spec="x", card=card)


def test_without_the_extra_minilm_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(minilm, "folder", lambda: None)
    _refused("minilm", MissingExtra, "offline-text")


def test_minilm_that_was_changed_is_refused(monkeypatch, tmp_path):
    copy = shutil.copytree(minilm.folder(), tmp_path / "minilm")
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\0\0")
    monkeypatch.setattr(minilm, "folder", lambda: copy)
    _refused("minilm", UnsafeWeights, "SHA-256|sha256")


def test_a_description_does_not_take_other_weights(folder, tmp_path):
    backbone = load_backbone(folder)
    other = load_backbone(PICTURES["timm vit"](tmp_path / "vit"))
    with pytest.raises(ModelError, match="do not fit"):
        rebuild(backbone.describe(), other.net.state_dict(), folder)
