"""AutoGluon MultiModal on the same local weights, its presets as they come.

python autogluon_images.py FOLDER WEIGHTS [SECONDS]    FOLDER with train/CLASS and test/CLASS, WEIGHTS a timm folder; SECONDS to train at most
"""

import json
import sys
import tempfile
from pathlib import Path

import pandas as pd
import timm
from autogluon.multimodal import MultiModalPredictor
from safetensors.torch import load_file

folder, weights = Path(sys.argv[1]), Path(sys.argv[2])
seconds = int(sys.argv[3]) if len(sys.argv) > 3 else None
configuration = json.loads((weights / "config.json").read_text())
create = timm.create_model


def create_here(name, *given, pretrained=False, **arguments):
    """The architecture with the local weights and their own normalisation: this timm is older than its `local-dir:`."""
    arguments = {**arguments, **configuration.get("model_args", {})}
    net = create(name, *given, pretrained=False, pretrained_cfg_overlay=configuration["pretrained_cfg"], **arguments)
    if pretrained:
        own, stored = net.state_dict(), load_file(weights / "model.safetensors")
        fitting = {key: value for key, value in stored.items() if key in own and own[key].shape == value.shape}
        left = net.load_state_dict(fitting, strict=False).missing_keys
        assert all(key.startswith("classifier.") for key in left), left
    return net


timm.create_model = create_here
from autogluon.multimodal.models import timm_image  # noqa: E402  it binds the name when it is imported

timm_image.create_model = create_here


def table(part):
    paths = sorted(path for path in (folder / part).rglob("*") if path.is_file())
    return pd.DataFrame({"image": [str(path) for path in paths], "label": [path.parent.name for path in paths]})


with tempfile.TemporaryDirectory() as out:
    predictor = MultiModalPredictor(label="label", path=out, verbosity=0)
    predictor.fit(
        table("train"),
        time_limit=seconds,
        hyperparameters={
            "model.names": ["timm_image"],
            "model.timm_image.checkpoint_name": configuration["architecture"],
        },
    )
    test = table("test")
    found = predictor.evaluate(test, metrics=["accuracy"])
print("RESULT " + json.dumps({"accuracy": float(found["accuracy"]), "tested": len(test)}))
