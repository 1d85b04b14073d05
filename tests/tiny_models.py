"""Tiny checkpoints as the families' own libraries save them."""

import json
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file


def timm_folder(folder: Path, *, size: int = 32, channels: tuple[int, ...] = (8, 8, 16, 16), seed: int = 0) -> Path:
    """A resnet10t with random weights in timm's `local-dir` layout."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = timm.create_model("resnet10t", num_classes=5, channels=list(channels))
    folder.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, folder / "model.safetensors")
    config = {
        "architecture": "resnet10t",
        "num_classes": 5,
        "num_features": channels[-1],
        "model_args": {"channels": list(channels)},
        "pretrained_cfg": {
            "input_size": [3, size, size],
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "num_classes": 5,
            "first_conv": "conv1.0",
            "classifier": "fc",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder
