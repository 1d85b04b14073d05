"""How near feature extraction comes to what the machine can do.

    python benchmarks/extraction.py --data DATA --weights WEIGHTS

Pictures (DATA/hymenoptera/hymenoptera.zip, a timm folder WEIGHTS): the ceiling is additive, the seconds that one core takes to
decode and prepare everything, spread over the cores, plus the bare forward pass in bf16 and channels last with the data
in memory. Texts (DATA/trec6/train.csv, MiniLM): the ceiling is tokenising everything at once and a bare loop over
batches sorted by length, in bf16. Both are measured in turns with ours, and the median of the ratios is told.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart.data.modality import MODALITIES
from headstart.data.read import read
from headstart.features.extract import extract, for_inference
from headstart.models.backbone import Backbone
from headstart.models.resolve import load_backbone
from headstart.runtime import place

REPEATS, BATCH, TOKENS = 5, 64, 4096


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    chosen = parser.parse_args()
    pictures = read(chosen.data / "hymenoptera" / "hymenoptera.zip").items
    compare("pictures", load_backbone(chosen.weights), "image", pictures, picture_ceiling)
    texts = read(chosen.data / "trec6" / "train.csv").items
    compare("texts", load_backbone("minilm"), "text", texts, text_ceiling)


def compare(what: str, backbone: Backbone, modality: str, items: Any, ceiling: Callable[..., float]) -> None:
    """Print throughput and its share of the ceiling."""
    decode, ratios, ours = MODALITIES[modality].decode, [], []
    for _ in range(REPEATS + 1):
        best = ceiling(backbone, items, decode)
        seconds = extraction(backbone, items, decode)
        ratios.append(best / seconds)
        ours.append(len(items) / seconds)
    ratios, ours = ratios[1:], ours[1:]  # the first turn warms caches
    print(
        f"{what}: {statistics.median(ours):.0f} a second, {statistics.median(ratios):.1%} of the ceiling "
        f"({min(ratios):.1%} to {max(ratios):.1%} in {REPEATS} turns)",
        flush=True,
    )


def extraction(backbone: Backbone, items: Any, decode: Callable[[Any], Any]) -> float:
    """Seconds of Headstart's extraction, writing to disk included."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        extract(items, backbone, decode=decode, placement=place(), folder=Path(folder) / "features")
        return time.perf_counter() - began


def picture_ceiling(backbone: Backbone, items: Any, decode: Callable[[Any], Any]) -> float:
    """Decoding spread over the cores plus the bare forward pass."""
    threads = torch.get_num_threads()
    began = time.perf_counter()
    ready = [backbone.preprocess.prepare(decode(item)) for item in items]
    decoding = (time.perf_counter() - began) / threads
    net = for_inference(backbone, place())
    pixels = torch.from_numpy(np.stack(ready)).permute(0, 3, 1, 2)
    batches = [batch.contiguous(memory_format=torch.channels_last) for batch in pixels.split(BATCH)]
    return decoding + forward(net, batches)


def text_ceiling(backbone: Backbone, items: Any, decode: Callable[[Any], Any]) -> float:
    """Tokenising at once plus the bare forward pass over batches sorted by length."""
    network: Any = backbone
    tokenizer = network.preprocess.tokenizer
    began = time.perf_counter()
    tokens = tokenizer([decode(item) for item in items], truncation=True)["input_ids"]
    order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
    batches, start = [], 0
    while start < len(order):
        rows = order[start : start + max(1, TOKENS // len(tokens[order[start]]))]
        batches.append(tokenizer.pad({"input_ids": [tokens[row] for row in rows]}, return_tensors="pt"))
        start += len(rows)
    tokenising = time.perf_counter() - began
    net = for_inference(backbone, place())
    return tokenising + forward(
        net, [{name: batch[name] for name in ("input_ids", "attention_mask")} for batch in batches]
    )


def forward(net: torch.nn.Module, batches: list[Any]) -> float:
    """Seconds of the bare forward pass."""
    began = time.perf_counter()
    with torch.inference_mode():
        for batch in batches:
            net(batch)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
