"""Whether cost grows linearly with the number of examples, phase by phase, and memory not at all.

    python benchmarks/scaling.py --sizes 32768 65536 131072 262144
    python benchmarks/scaling.py --phases split neighbours probe --sizes 32768 65536 131072 262144

Pictures of 16 × 16 pixels, smooth as photographs are, and short texts are drawn on the fly, each from its own seed; about one in fifty nearly repeats
an earlier one. Each size runs in a process of its own, so that its peak memory is its own. Phases: the audit with its search for
near-duplicates, the split, extraction (a backbone of two convolutions for pictures, hashed words for texts: what surrounds the network is
measured, not the network), nearest neighbours, the probe, and prediction. With `--phases` only some are run: where the audit is left out the split is
given the near-duplicates as they were drawn, and where extraction is left out features are drawn as well, of the same width. Told are seconds of processor time, all threads
together, which other work on the machine hardly disturbs, and peak memory in MiB; the exponent is the slope of the logarithm of either over that of
the size, by least squares.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

import numpy as np
from environments import write_json

SIDE, CLASSES, COPIED = 16, 4, 50
SIZES = [32_768, 65_536, 131_072, 262_144]
WORDS = 20_000
KINDS = ("pictures", "texts")
PHASES = ("audit", "split", "extraction", "neighbours", "probe", "prediction")
WIDTH = 64


def main() -> None:
    """Run every kind and size, then print exponents."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES), help="what to measure")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "SIZE"), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measured(chosen.one[0], int(chosen.one[1]), set(chosen.phases))))
        return
    found: dict[str, dict[int, dict[str, float]]] = {}
    for kind in chosen.kinds:
        found[kind] = {}
        for size in chosen.sizes:
            command = [sys.executable, __file__, "--one", kind, str(size), "--phases", *chosen.phases]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            figures = found[kind][size] = json.loads(done.stdout.splitlines()[-1])
            print(f"{kind} {size}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()), flush=True)
        tell(kind, found[kind])
    write_json(chosen.json, found)


def tell(kind: str, found: dict[int, dict[str, float]]) -> None:
    """Print the exponent of each phase and of memory."""
    if len(found) < 2:
        return
    sizes = np.log(list(found))
    for phase in next(iter(found.values())):
        values = np.log([max(figures[phase], 1e-6) for figures in found.values()])
        print(f"{kind}: {phase}: exponent {np.polyfit(sizes, values, 1)[0]:.3f}", flush=True)


class Drawn(Sequence[Any]):
    """Examples that are drawn when they are asked for, always alike."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.count = kind, count
        rng = np.random.default_rng(0)
        # Like those of photographs, their amplitudes fall with frequency (Field 1987).
        waves = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])[..., None]
        self.amplitudes = 1 / np.maximum(waves, 1 / SIDE)
        self.patterns = rng.normal(size=(CLASSES, 1, 1, 3))
        self.words = np.array(["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 6)) for _ in range(WORDS)])

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, at: int) -> Any: ...

    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...

    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return [self[row] for row in range(*at.indices(self.count))]
        copied = at % COPIED == COPIED - 1
        row = at - COPIED // 2 if copied else at
        rng = np.random.default_rng((1, row))
        return self._picture(row, at, rng, copied) if self.kind == "pictures" else self._text(row, rng, copied)

    def _picture(self, row: int, at: int, rng: np.random.Generator, copied: bool) -> np.ndarray:
        waves = np.fft.fft2(rng.normal(size=(SIDE, SIDE, 3)), axes=(0, 1))
        field = np.fft.ifft2(self.amplitudes * waves, axes=(0, 1)).real
        pixels = 128 + 40 * field / field.std() + 25 * self.patterns[row % CLASSES]
        if copied:
            pixels = pixels + np.random.default_rng((2, at)).normal(0, 1, pixels.shape)
        return np.clip(pixels, 0, 255).astype(np.uint8)

    def _text(self, row: int, rng: np.random.Generator, copied: bool) -> str:
        own = rng.integers(0, WORDS // 8, 4) * 8 + row % CLASSES
        words = [*self.words[rng.integers(0, WORDS, 16)], *self.words[own]]
        return " ".join(words) + ("!" if copied else "")


def measured(kind: str, count: int, phases: set[str]) -> dict[str, float]:
    """Processor seconds of each phase for so many examples, and the peak memory in MiB."""
    from headstart.adapt.probe import features_source
    from headstart.data.audit import audit
    from headstart.data.dataset import Dataset
    from headstart.data.modality import MODALITIES
    from headstart.data.split import inner_folds, split
    from headstart.features.extract import extract
    from headstart.runtime import peak_memory_mib, place
    from headstart.solvers import cross_validated_probe, knn_loo

    place()
    items = Drawn(kind, count)
    labels = np.arange(count) % CLASSES
    labels[COPIED - 1 :: COPIED] = labels[COPIED - 1 - COPIED // 2 :: COPIED][: count // COPIED]
    modality = MODALITIES["image" if kind == "pictures" else "text"]
    data = Dataset(
        kind, "image" if kind == "pictures" else "text", "single", items, [str(row) for row in range(count)],
        [(f"class {label}",) for label in labels], [""] * count,
    )  # fmt: skip
    spent: dict[str, float] = {}

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        if name in phases:
            spent[name] = time.process_time() - began

    with tempfile.TemporaryDirectory() as folder:
        with phase("audit"):
            found = audit(data) if "audit" in phases else known(data)
        with phase("split"):
            parts = split(data, found, seed=0)
        backbone = tiny_backbone(kind)
        placement, kept = place(precision="fp32"), Path(folder) / "f"
        if "extraction" in phases:
            with phase("extraction"):
                features = extract(items, backbone, decode=modality.decode, placement=placement, folder=kept)
        elif phases & {"neighbours", "probe", "prediction"}:
            features = drawn_features(labels, kept)
        if "neighbours" in phases:
            with phase("neighbours"):
                knn_loo(features.chunks, labels)
        right = None
        if phases & {"probe", "prediction"}:
            rows = np.array(parts.train)
            folds = inner_folds(labels[rows], np.array(parts.groups)[rows], k=4, seed=0)
            with phase("probe"):
                source = features_source(features, rows)
                probe = cross_validated_probe(source, labels[rows], folds=folds, classes=CLASSES)
            with phase("prediction"):
                answers = np.concatenate([probe.logits(features_nD).argmax(1) for features_nD in features.chunks()])
            right = float((answers == labels).mean())
    return {**spent, "memory": peak_memory_mib()} | ({} if right is None else {"right": right})


def known(data: Any) -> Any:
    """An audit that finds nothing but the near-duplicates that were drawn, without looking."""
    from headstart.data.audit_result import Audit

    near = np.arange(len(data))
    near[COPIED - 1 :: COPIED] -= COPIED // 2
    nothing: tuple[Any, ...] = ()
    return Audit(
        data.name, "example", len(data), list(range(len(data))), near.tolist(), *[nothing] * 7, {}, {}, {}, nothing, nothing
    )


def drawn_features(labels: np.ndarray, folder: Path) -> Any:
    """Features (N × WIDTH) whose class means lie apart by less than the spread, as extraction would leave them."""
    from headstart.features.store import ROWS_PER_SHARD, FeatureWriter

    means = np.random.default_rng(0).normal(size=(CLASSES, WIDTH)).astype(np.float32) * 0.2
    writer = FeatureWriter(folder, width=WIDTH)
    for start in range(0, len(labels), ROWS_PER_SHARD):
        own = labels[start : start + ROWS_PER_SHARD]
        noise = np.random.default_rng((3, start)).standard_normal((len(own), WIDTH), dtype=np.float32)
        writer.add(means[own] + noise)
    return writer.close()


def tiny_backbone(kind: str) -> Any:
    """A backbone that costs next to nothing, of either kind."""
    import torch
    from torch import nn

    from headstart.models.backbone import Backbone, Stage
    from headstart.models.card import SourceCard

    class Pictures:
        def prepare(self, raw: Any) -> np.ndarray:
            return np.asarray(raw)

        def collate(self, prepared: Sequence[np.ndarray]) -> torch.Tensor:
            return torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2)

        def cost(self, prepared: Any) -> int:
            return 1

        def to_dict(self) -> dict[str, Any]:
            return {}

    class Texts(Pictures):
        def prepare(self, raw: Any) -> Any:
            return [hash_of(word) for word in raw.split()]

        def collate(self, prepared: Sequence[Any]) -> Any:
            ids = torch.zeros(len(prepared), max(map(len, prepared)), dtype=torch.long)
            for row, words in enumerate(prepared):
                ids[row, : len(words)] = torch.tensor(words)
            return {"input_ids": ids, "attention_mask": (ids > 0).long()}

        def cost(self, prepared: Any) -> int:
            return len(prepared)

    class Tiny(Backbone):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            convolutions = nn.Sequential(nn.Conv2d(3, 16, 5, stride=4), nn.ReLU(), nn.Conv2d(16, WIDTH, 3), nn.ReLU())
            self.net = convolutions if kind == "pictures" else nn.Embedding(4096, WIDTH)
            self.preprocess = Pictures() if kind == "pictures" else Texts()
            self.stages = (Stage("all", ("",), WIDTH),)
            self.card = SourceCard(spec="tiny", name="tiny", modality="image", family="none", architecture="tiny")

        def forward(self, inputs: Any) -> torch.Tensor:
            out: torch.Tensor
            if isinstance(inputs, dict):
                out = self.net(inputs["input_ids"]).mean(1)
            else:
                out = self.net(inputs.float() / 127.5 - 1).mean((2, 3))
            return out

        def stage_features(self, inputs: Any, only: Any = None) -> list[torch.Tensor]:
            return [self(inputs)]

        def describe(self) -> dict[str, Any]:
            return {}

        def twin(self) -> Any:
            raise NotImplementedError

    return Tiny()


def hash_of(word: str) -> int:
    """A number from 1 to 4095, the same in every process."""
    value = 0
    for letter in word:
        value = (value * 31 + ord(letter)) % 4095
    return value + 1


if __name__ == "__main__":
    main()
