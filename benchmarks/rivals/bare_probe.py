"""The shortest thing that works: timm's features, picture by picture in batches, and scikit-learn's LogisticRegression.

python bare_probe.py FOLDER WEIGHTS    FOLDER with train/CLASS and test/CLASS, WEIGHTS a timm folder
"""

import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from timm.data import create_transform, resolve_model_data_config

BATCH = 32

folder, weights = Path(sys.argv[1]), sys.argv[2]
net = timm.create_model(f"local-dir:{weights}", pretrained=True, num_classes=0).eval()
transform = create_transform(**resolve_model_data_config(net), is_training=False)


def features(part):
    paths = sorted(path for path in (folder / part).rglob("*") if path.is_file())
    rows = []
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH):
            pictures = [transform(Image.open(path).convert("RGB")) for path in paths[start : start + BATCH]]
            rows.append(net(torch.stack(pictures)).numpy())
    return np.concatenate(rows), [path.parent.name for path in paths]


train_ND, train_labels = features("train")
test_ND, test_labels = features("test")
probe = LogisticRegression(max_iter=1000).fit(train_ND, train_labels)
print("RESULT " + json.dumps({"accuracy": float(probe.score(test_ND, test_labels)), "tested": len(test_labels)}))
