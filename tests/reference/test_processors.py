"""Our preprocessing makes of a picture what the checkpoint's own image processor makes of it, or the model is refused."""

from __future__ import annotations

import numpy as np
import pytest
import transformers
from PIL import Image

from headstart.errors import ModelError
from headstart.models.transformers_image import GREY_LEVELS, read_processor

KNOWN = (
    "BeitImageProcessor", "BitImageProcessor", "CLIPImageProcessor", "ConvNextImageProcessor", "DINOv3ViTImageProcessor",
    "DeiTImageProcessor", "EfficientNetImageProcessor", "MobileNetV1ImageProcessor", "MobileNetV2ImageProcessor",
    "PoolFormerImageProcessor", "PvtImageProcessor", "SegformerImageProcessor", "SiglipImageProcessor", "ViTImageProcessor",
)  # fmt: skip
UNLIKE = {
    "MobileViTImageProcessor": "not supported",  # swaps red and blue
    "LevitImageProcessor": "not supported",  # resizes by a rule of its own
    "TextNetImageProcessor": "no crop",
    "ImageGPTImageProcessor": "does not work",  # wants colour clusters
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.filterwarnings("ignore")
def test_a_processor_is_followed(name, tmp_path):
    processor = getattr(transformers, name)()
    processor.save_pretrained(tmp_path)
    preprocess = read_processor(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    photo = Image.fromarray(pixels).resize((260, 410), Image.Resampling.BICUBIC)
    theirs_3HW = np.asarray(processor(photo, return_tensors="np")["pixel_values"][0], dtype=np.float64)
    back_HW3 = (theirs_3HW.transpose(1, 2, 0) * preprocess.std + preprocess.mean) / preprocess.scale
    assert np.abs(back_HW3 - preprocess.prepare(photo)).mean() <= GREY_LEVELS


@pytest.mark.parametrize("name", UNLIKE)
@pytest.mark.filterwarnings("ignore")
def test_a_processor_with_ways_of_its_own_is_refused_in_one_line(name, tmp_path):
    getattr(transformers, name)().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=UNLIKE[name]) as refused:
        read_processor(tmp_path)
    assert "\n" not in str(refused.value)
