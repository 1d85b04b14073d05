"""The one place for device, dtype, threads, seeds and the cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import OptionError

if TYPE_CHECKING:
    import torch

CACHE_VARIABLE, DATA_VARIABLE = "HEADSTART_CACHE", "HEADSTART_DATA"
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""The numbers of glibc's <malloc.h>."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and in which precision networks run. `low` is the reduced precision that pays here, or None."""

    device: str
    threads: int
    low: str | None

    @property
    def torch_device(self) -> torch.device:
        """The device as torch wants it."""
        import torch

        return torch.device(self.device)

    def autocast(self) -> torch.autocast:
        """A context in which matrix products run in the reduced precision, where there is one."""
        import torch

        dtype = getattr(torch, self.low) if self.low else torch.bfloat16
        return torch.autocast(self.device.split(":")[0], dtype=dtype, enabled=self.low is not None)


def place(device: str = "auto", *, precision: str = "auto") -> Placement:
    """Choose device and precision. `device`: auto, cpu, cuda, cuda:N, mps; `precision`: auto, fp32, bf16.

    Reduced precision is used only where the hardware multiplies bf16 natively: elsewhere it is slower than fp32.
    Raises OptionError for a device that is not here.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = device.split(":")[0]
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(kind, False):
        here = ", ".join(name for name, is_here in present.items() if is_here)
        raise OptionError(f"--device {device}: not available on this machine. Use one of: auto, {here}.")
    choices = {"fp32": None, "bf16": "bfloat16", "auto": "bfloat16" if bf16_is_native(kind) else None}
    if precision not in choices:
        raise OptionError(f"--precision {precision}: choose from auto, fp32, bf16.")
    if kind == "cpu":
        keep_freed_memory()
    return Placement(device=device, threads=torch.get_num_threads(), low=choices[precision])


def keep_freed_memory() -> None:
    """Let glibc keep up to 2 GiB of freed memory for the next tensor instead of giving it back to the kernel.

    Torch asks for every large tensor anew; by default each one is mapped and unmapped, and faulting its pages in again
    can cost more than the arithmetic, on virtual machines several times more. The heaps that glibc gives to threads cannot
    be told so; all threads therefore share one. Nothing happens where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, 2**30), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26))
    for parameter, value in settings:
        mallopt(parameter, value)


def bf16_is_native(kind: str) -> bool:
    """Whether this kind of device multiplies bfloat16 in hardware."""
    import torch

    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def seed_everything(seed: int) -> None:
    """Set the seed of torch, numpy's legacy generator and Python, and ask torch for deterministic kernels."""
    import random

    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  third-party code still draws from it
    torch.manual_seed(seed)
    # The same as use_deterministic_algorithms(True, warn_only=True) without its import of the compiler, a second long.
    torch.set_deterministic_debug_mode("warn")
    # Filling fresh memory with NaN is for finding bugs, and costs several times the computation itself here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A generator that depends on the seed and on what it is for, so that parts do not share one stream."""
    return np.random.default_rng(child_seed(seed, *names))


def child_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed derived from `seed` and the names of what it is for."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def cache_dir() -> Path:
    """The folder for what can be computed again; `HEADSTART_CACHE` names another one."""
    from platformdirs import user_cache_path

    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else user_cache_path("headstart")


def data_dir() -> Path:
    """The folder for what is kept for the user and cannot be computed again; `HEADSTART_DATA` names another one."""
    from platformdirs import user_data_path

    chosen = os.environ.get(DATA_VARIABLE)
    return Path(chosen) if chosen else user_data_path("headstart")


def peak_memory_mib() -> float:
    """The largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
