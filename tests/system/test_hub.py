"""Hub models, from a real server on loopback: pinned, checked, refused, and used without network."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save
from tests.families import TEXTS
from tests.hub_server import serving
from tests.tiny_models import timm_folder

from headstart.errors import HubUnreachable, ModelError, ModelNotFound, UnsafeWeights
from headstart.models.catalogue import models
from headstart.models.resolve import load_backbone

NAME = "someone/tiny"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one timm model, and caches of this test's own."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with serving() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        found.push_folder(NAME, timm_folder(tmp_path / "first", seed=1))
        yield found


def _weight(backbone):
    return backbone.net.get_submodule("conv1.0").weight.detach()


def _folder(hub, commit):
    (found,) = Path(huggingface_hub.constants.HF_HUB_CACHE).rglob(f"snapshots/{commit}")
    return found


def test_a_model_is_downloaded_once_and_pinned_to_its_commit(hub):
    (commit,) = hub.commits[NAME]
    first = load_backbone(f"hf-hub:{NAME}")
    assert first.card.revision == commit
    assert commit in first.card.url
    asked = len(hub.asked)
    again = load_backbone(f"hf-hub:{NAME}")
    assert len(hub.asked) == asked, "the second time needs no network"
    assert torch.equal(_weight(first), _weight(again))
    assert [card.spec for card in models() if card.revision] == [f"hf-hub:{NAME}"]


def test_a_branch_that_moves_on_leaves_the_pin_where_it_was(hub, tmp_path):
    first = load_backbone(f"hf-hub:{NAME}")
    later = hub.push_folder(NAME, timm_folder(tmp_path / "second", seed=2))
    assert load_backbone(f"hf-hub:{NAME}").card.revision == first.card.revision != later
    assert torch.equal(_weight(load_backbone(f"hf-hub:{NAME}")), _weight(first))
    named = load_backbone(f"hf-hub:{NAME}@{later}")
    assert named.card.revision == later
    assert not torch.equal(_weight(named), _weight(first))


def test_a_pinned_model_that_was_deleted_here_comes_back_as_the_same_commit(hub, tmp_path):
    first = load_backbone(f"hf-hub:{NAME}")
    hub.push_folder(NAME, timm_folder(tmp_path / "second", seed=2))
    for path in _folder(hub, first.card.revision).iterdir():
        path.unlink()
    again = load_backbone(f"hf-hub:{NAME}")
    assert again.card.revision == first.card.revision
    assert torch.equal(_weight(again), _weight(first))


def test_weights_that_changed_on_disk_are_refused(hub):
    first = load_backbone(f"hf-hub:{NAME}")
    path = _folder(hub, first.card.revision) / "model.safetensors"
    tensors = {name: value + 1 if value.is_floating_point() else value for name, value in load_file(path).items()}
    path.unlink()
    path.write_bytes(save(tensors))
    with pytest.raises(UnsafeWeights, match="not the weights that were downloaded first"):
        load_backbone(f"hf-hub:{NAME}")


def test_pickles_are_refused_and_never_fetched(hub):
    hub.push("someone/pickled", {"config.json": b'{"architecture": "resnet10t"}', "pytorch_model.bin": b"\x80\x04."})
    with pytest.raises(UnsafeWeights, match="only pickled weights"):
        load_backbone("hf-hub:someone/pickled")
    assert not any("pytorch_model.bin" in path for path in hub.asked)


def test_pickles_and_code_beside_safetensors_stay_on_the_hub(hub, tmp_path):
    folder = timm_folder(tmp_path / "mixed")
    for name in ("pytorch_model.bin", "modeling_own.py", "model.onnx"):
        (folder / name).write_bytes(b"not for us")
    hub.push_folder("someone/mixed", folder)
    load_backbone("hf-hub:someone/mixed")
    assert not any(path.endswith((".bin", ".py", ".onnx")) for path in hub.asked)


def test_code_that_comes_with_a_model_is_refused_before_its_weights_are_fetched(hub):
    config = {"model_type": "bert", "auto_map": {"AutoModel": "modeling.Own"}}
    hub.push("someone/code", {"config.json": json.dumps(config).encode(), "model.safetensors": b"", "modeling.py": b""})
    with pytest.raises(UnsafeWeights, match="code that comes with the model"):
        load_backbone("hf:someone/code")
    assert not any(path.endswith((".safetensors", ".py")) for path in hub.asked)


def test_a_text_model_in_transformers_layout(hub, tmp_path):
    hub.push_folder("someone/bert", TEXTS["bert"](tmp_path / "bert"))
    backbone = load_backbone("hf:someone/bert")
    assert backbone.card.modality == "text"
    assert backbone.card.revision == hub.branches["someone/bert"]["main"]


def test_offline_uses_what_is_here_and_says_what_is_not(hub):
    first = load_backbone(f"hf-hub:{NAME}")
    asked = len(hub.asked)
    assert torch.equal(_weight(load_backbone(f"hf-hub:{NAME}", offline=True)), _weight(first))
    with pytest.raises(HubUnreachable, match="not downloaded before") as caught:
        load_backbone("hf-hub:someone/other", offline=True)
    assert "\n" not in str(caught.value)
    assert len(hub.asked) == asked


def test_a_hub_that_cannot_be_reached_is_said_in_one_line(hub, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(HubUnreachable, match="cannot be reached") as caught:
        load_backbone(f"hf-hub:{NAME}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", ["hf:someone/nothing", f"hf-hub:{NAME}@nowhere", "hf:no such name"])
def test_what_the_hub_does_not_have_is_said_in_one_line(hub, spec):
    with pytest.raises(ModelNotFound, match="the hub has no such model, revision or file") as caught:
        load_backbone(spec)
    assert "\n" not in str(caught.value)


def test_a_hub_that_answers_with_another_commit_is_not_trusted(hub):
    wanted = "0" * 40
    hub.branches[NAME][wanted] = hub.branches[NAME]["main"]
    with pytest.raises(UnsafeWeights, match="another commit"):
        load_backbone(f"hf-hub:{NAME}@{wanted}")


def test_a_broken_list_of_pins_is_said(hub, tmp_path):
    load_backbone(f"hf-hub:{NAME}")
    (tmp_path / "cache" / "hub-pins.json").write_text("{")
    with pytest.raises(ModelError, match="Delete it"):
        load_backbone(f"hf-hub:{NAME}")
