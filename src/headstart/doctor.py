"""What Headstart finds on this machine, and what to do about it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from headstart.runtime import CACHE_VARIABLE, bf16_is_native, cache_dir, place

PACKAGES = ("torch", "torchvision", "timm", "transformers", "scikit-learn", "safetensors", "pillow", "pyarrow")
NVIDIA_DEVICE = Path("/dev/nvidia0")
LEAST_FREE_GB = 5
"""Features of a hundred thousand pictures and a few hub models take about this much."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, what was found, and what to do (empty where nothing)."""

    subject: str
    found: str
    advice: str = ""


def findings() -> list[Finding]:
    """Everything worth knowing when something is slow or missing. What is broken is a finding, too."""
    found = [*programs(), *(finding for package in PACKAGES for finding in package_of(package))]
    for look in (compute, memory, caches, network, models):
        found += _attempt(look)
    return [*found, *extras()]


def programs() -> list[Finding]:
    """Headstart and Python."""
    return [
        Finding("headstart", f"{version('headstart')} in {Path(__file__).parent}"),
        Finding("python", f"{sys.version.split()[0]} on {platform.platform()}"),
    ]


def package_of(name: str) -> list[Finding]:
    """A package that Headstart needs."""
    try:
        return [Finding(name, version(name))]
    except PackageNotFoundError:
        return [Finding(name, "not installed", "pip install --force-reinstall headstart")]


def compute() -> list[Finding]:
    """How torch was built, and what it computes on."""
    import torch

    placement = place()
    kind = placement.device.split(":")[0]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    unused = placement.threads < cores and kind == "cpu"
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    device = torch.cuda.get_device_name() if kind == "cuda" else processor()
    native = bf16_is_native(kind)
    return [
        Finding("torch build", build, driver_advice(build, is_used=kind == "cuda")),
        Finding("device", f"{placement.device} ({device})", "faster: --device mps" if has_mps() else ""),
        Finding(
            "threads",
            f"{placement.threads} of {cores} cores",
            "unset OMP_NUM_THREADS, or set it to the number of cores" if unused else "",
        ),
        Finding("reduced precision", "bfloat16, in hardware" if native else "none: bfloat16 would be slower here"),
    ]


def driver_advice(build: str, *, is_used: bool) -> str:
    """What to do where there is an NVIDIA card that torch does not use."""
    if is_used or not (NVIDIA_DEVICE.exists() or shutil.which("nvidia-smi")):
        return ""
    if build == "CPU only":
        return "an NVIDIA card is here: install torch with CUDA (https://pytorch.org/get-started/locally)"
    return "an NVIDIA card is here, but torch cannot use it: check `nvidia-smi` and the driver's version"


def has_mps() -> bool:
    """Whether there is an Apple GPU, which has to be asked for."""
    import torch

    return torch.backends.mps.is_available()


def processor() -> str:
    """The processor's name, as well as it can be told."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory() -> list[Finding]:
    """The memory of the machine."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return []
    total_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return [Finding("memory", f"{total_gb:.1f} GB", "less than 4 GB: prefer --strategy probe" if total_gb < 4 else "")]


def caches() -> list[Finding]:
    """Where things are kept, how large that is, and how much room is left."""
    from huggingface_hub.constants import HF_HUB_CACHE

    ours, hub = cache_dir(), Path(HF_HUB_CACHE)
    free_gb = shutil.disk_usage(nearest_existing(ours)).free / 1e9
    tight = f"make room, or set {CACHE_VARIABLE} to another disk" if free_gb < LEAST_FREE_GB else ""
    return [
        Finding("features cache", f"{ours}: {size_of(ours)}", "may be deleted at any time" if ours.exists() else ""),
        Finding("hub cache", f"{hub}: {size_of(hub)}", "HF_HOME moves it" if tight else ""),
        Finding("room for caches", f"{free_gb:.0f} GB", tight),
    ]


def network() -> list[Finding]:
    """Whether the model hub may be asked; nothing is sent."""
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        return [Finding("model hub", "switched off by HF_HUB_OFFLINE", "unset it to download models")]
    return [Finding("model hub", f"{ENDPOINT} may be asked", "--offline or HF_HUB_OFFLINE=1 switches it off")]


def models() -> list[Finding]:
    """What can be used without a download."""
    from headstart.models.catalogue import models as usable

    found: list[Finding] = []
    for modality, advice in WITHOUT_DOWNLOAD.items():
        names = [card.spec for card in usable(modality)]
        found.append(Finding(f"backbones for {modality}", ", ".join(names) or "none", "" if names else advice))
    return found


WITHOUT_DOWNLOAD = {
    "image": "install headstart again, or name one with --model",
    "text": "install headstart again, or name one with --model",
}


def extras() -> list[Finding]:
    """The optional parts, as the package's metadata name them."""
    found = []
    for extra in metadata("headstart").get_all("Provides-Extra") or []:
        missing = [name for name in packages_of_extra(extra, requires("headstart") or []) if not is_installed(name)]
        advice = f"pip install 'headstart[{extra}]'" if missing else ""
        found.append(Finding(f"extra {extra}", f"without {', '.join(missing)}" if missing else "installed", advice))
    return found


def packages_of_extra(extra: str, requirements: Sequence[str]) -> list[str]:
    """The packages that an extra adds; a requirement reads `name>=1; extra == "this"`."""
    names = []
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        if name and f"extra=='{extra}'" in requirement.replace('"', "'").replace(" ", ""):
            names.append(name[0])
    return names


def is_installed(name: str) -> bool:
    """Whether a distribution is installed."""
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def nearest_existing(folder: Path) -> Path:
    """`folder`, or the closest of its parents that is there."""
    return next(path for path in (folder, *folder.resolve().parents) if path.exists())


def size_of(folder: Path) -> str:
    """The size of a folder's files; "empty" where there are none."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        if path.is_file() and not path.is_symlink():
            total += path.stat().st_size
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if total >= size:
            return f"{total / size:.1f} {unit}"
    return f"{total} bytes" if total else "empty"


def _attempt(look: Callable[[], list[Finding]]) -> list[Finding]:
    """What was found; where a package is broken, that."""
    try:
        return look()
    except (ImportError, OSError) as error:
        advice = "pip install --force-reinstall headstart"
        return [Finding(look.__name__, f"cannot be looked at: {' '.join(str(error).split())}", advice)]
