"""Files that are old or new, never half: temporary file, fsync, rename. Lines that are whole or not there. And hashes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import UnsafeWeights

if TYPE_CHECKING:
    import torch


HALF = ".half"
"""What the names of files end with that are being written."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what is written there takes its place when the block ends well.

    Raises OSError with the folder in it where there is no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=HALF)
    os.close(handle)
    temporary = Path(name)
    try:
        with _naming(path.parent):
            yield temporary
            # mkstemp makes the file private; a result is for everyone the folder is for.
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written anywhere in `folder`, in which nobody else may be at work."""
    for path in folder.rglob(f".*{HALF}"):
        path.unlink(missing_ok=True)


def append_line(path: Path, line: str, *, sync: bool = False) -> None:
    """Add `line` to the end of `path`: the whole of it, or, where that fails or is broken off, nothing.

    Half a line would make one with the next that is added. With `sync` it is on the disk when this returns. Raises
    OSError with the folder in it where there is no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    left = memoryview(f"{line}\n".encode(errors="backslashreplace"))
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # what another process adds meanwhile must not be cut off
        before = os.fstat(file).st_size
        try:
            with _naming(path.parent):
                while left:
                    left = left[os.write(file, left) :]
                if sync:
                    os.fsync(file)
        except BaseException:
            os.ftruncate(file, before)
            raise
    finally:
        os.close(file)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` in one step.

    A file name that is no Unicode is written with escapes, which JSON reads back as they were: a run must not fail for it.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON; raises ValueError for NaN or infinity, which JSON does not have."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON from `path`."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write `tensors` as safetensors in one step, sorted by name so that equal tensors make equal bytes."""
    from safetensors.torch import save_file

    ordered = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    with replacing(path) as temporary:
        save_file(ordered, temporary, metadata=dict(metadata or {}))


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read safetensors from `path`; raises UnsafeWeights when the file is something else or is cut short."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UnsafeWeights(f"{path}: not a whole safetensors file ({error}). Download or convert it again.") from error


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(*parts: str) -> str:
    """The SHA-256 over `parts`, each set off so that joining differently gives another hash."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()


def reserve(path: Path, size: int) -> None:
    """Make `path` at least `size` bytes long, with room on the disk for all of them where the system can promise it.

    Who writes to a mapped file without it is killed by the system when the disk is full. Raises OSError with the folder in it.
    """
    with _naming(path.parent), path.open("ab") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        elif file.tell() < size:
            file.truncate(size)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Tell in errors of a full disk which folder was written to: the system does not say, and safetensors says it in words."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            error.filename = str(folder)
        raise
    except Exception as error:
        told = re.search(r"\(os error (\d+)\)", str(error))
        if told is None:
            raise
        raise OSError(int(told[1]), os.strerror(int(told[1])), str(folder)) from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
