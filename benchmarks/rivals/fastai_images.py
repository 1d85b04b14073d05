"""fastai as its documentation shows it: `vision_learner(...).fine_tune(4)` from the same local weights.

python fastai_images.py FOLDER WEIGHTS    FOLDER with train/CLASS and test/CLASS, WEIGHTS a timm folder
"""

import json
import sys
from pathlib import Path

from fastai.vision.all import ImageDataLoaders, Resize, accuracy, aug_transforms, vision_learner

folder, weights = Path(sys.argv[1]), sys.argv[2]
loaders = ImageDataLoaders.from_folder(
    folder,
    train="train",
    valid="test",
    item_tfms=Resize(256),
    batch_tfms=aug_transforms(size=224),
    bs=32,
    num_workers=2,
)
learner = vision_learner(loaders, f"local-dir:{weights}", metrics=accuracy)
with learner.no_bar(), learner.no_logging():
    learner.fine_tune(4)
    _, found = learner.validate()
print("RESULT " + json.dumps({"accuracy": float(found), "tested": len(loaders.valid_ds)}))
