"""The one place for device, dtype, threads, seeds and the cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import OptionError

if TYPE_CHECKING:
    import torch

CACHE_VARIABLE, DATA_VARIABLE = "HEADSTART_CACHE", "HEADSTART_DATA"
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""The numbers of glibc's <malloc.h>."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and in which precision networks run. `low` is the reduced precision that pays here, or None."""

    device: str
    threads: int
    low: str | None
    settled: bool = False
    """Whether the user named the precision, or it was found not to be exact enough and changed: it is not looked at again."""

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
    return Placement(
        device=device, threads=torch.get_num_threads(), low=choices[precision], settled=precision != "auto"
    )


def keep_freed_memory() -> None:
    """Let glibc keep up to 2 GiB of freed memory for the next tensor instead of giving it back to the kernel.

    Torch asks for every large tensor anew; by default each one is mapped and unmapped, and faulting its pages in again
    can cost more than the arithmetic, on virtual machines several times more. Nothing happens where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    for parameter, value in ((_MMAP_THRESHOLD, 2**30), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26)):
        mallopt(parameter, value)


def trim_memory() -> None:
    """Give freed memory that `keep_freed_memory` has kept back to the kernel, so that it counts as free."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


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


@contextmanager
def random_state_kept(device: str = "cpu") -> Iterator[None]:
    """Give torch's generators back as they were: what is only measured must not change what is drawn afterwards."""
    import torch

    with torch.random.fork_rng([device] if device.startswith("cuda") else []):
        yield


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


def free_memory(device: str = "cpu") -> int:
    """Bytes that this process may still take on `device`: on a CPU what the machine has available, or less where the control
    group of a container allows less; on a GPU what is free there, what torch keeps for its next tensor included.
    """
    import torch

    kind = device.split(":")[0]
    if kind == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    if kind == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return min(_available(Path("/proc")), _left_to_group(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")))


def _available(proc: Path) -> int:
    """What the machine can give without swapping; half of its memory where it does not say (no Linux)."""
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def _left_to_group(root: Path, own: Path) -> int:
    """Bytes that control groups, of version 2 or 1, leave to this process: the least of its own and all above it.

    Files that the kernel keeps in memory count as used there and are given up when something else wants the room. Inside
    a container its group may be shown as the root.
    """
    left = sys.maxsize
    for line in own.read_text().splitlines() if own.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        limit, used, cached = _GROUP_FILES[bool(controllers)]
        base = root / "memory" if controllers else root
        here = base / path.lstrip("/")
        for folder in (here, *here.parents):
            if folder == root or root in folder.parents:
                left = min(left, _left(folder / limit, folder / used, folder / "memory.stat", cached))
    return left


_GROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Names in version 2 and 1: the limit, what is used, and in `memory.stat` the files that can be given up."""


def _left(limit: Path, used: Path, stat: Path, cached: str) -> int:
    if not limit.is_file() or not used.is_file() or not (most := limit.read_text().strip()).isdigit():
        return sys.maxsize
    lines = stat.read_text().splitlines() if stat.is_file() else []
    files = next((int(line.split()[1]) for line in lines if line.split()[0] == cached), 0)
    return max(0, int(most) - int(used.read_text()) + files)


def peak_memory_mib() -> float:
    """The largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
