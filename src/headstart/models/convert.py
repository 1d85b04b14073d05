"""Turns pickled weights that the user trusts into safetensors: `python -m headstart.models.convert IN OUT`."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from headstart.errors import HeadstartError, ModelError, ModelNotFound, OptionError, UnsafeWeights
from headstart.files import write_tensors

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
"""Under which of its keys a training checkpoint keeps the weights."""


def convert(pickled: str | Path, out: str | Path) -> Path:
    """Write the tensors of a pickled state dict to the safetensors file `out`, names and values unchanged.

    torch reads it with `weights_only=True`, which allows tensors and plain containers alone. Raises UnsafeWeights
    where the file holds anything else, ModelError where it holds no state dict.
    """
    pickled, out = Path(pickled), Path(out)
    if not pickled.is_file():
        raise ModelNotFound(f"{pickled}: no such file. Check the path.")
    if out.suffix != ".safetensors":
        raise OptionError(f"{out}: must end in .safetensors. Choose another name.")
    try:
        loaded: Any = torch.load(pickled, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeWeights(
            f"{pickled}: holds more than tensors, so reading it could run code. Get its state dict from its maker."
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise ModelError(
            f"{pickled}: not a whole torch file ({str(error).splitlines()[0]}). Download it again."
        ) from error
    write_tensors(out, state_dict(loaded, str(pickled)), {"format": "pt"})
    return out


def state_dict(loaded: Any, where: str) -> dict[str, Tensor]:
    """The tensors by name in what torch loaded, taken out of a training checkpoint's wrapper; copies, none shared."""
    for key in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ModelError(
            f"{where}: holds no state dict (names with tensors). Save model.state_dict() and convert that."
        )
    # Copies, because safetensors refuses tensors that share memory (tied weights).
    return {str(name): tensor.detach().clone().contiguous() for name, tensor in loaded.items()}


def main(arguments: list[str]) -> int:
    """The command; returns its exit code."""
    if len(arguments) != 2:
        print("usage: python -m headstart.models.convert WEIGHTS.pth WEIGHTS.safetensors", file=sys.stderr)
        return 2
    try:
        written = convert(*arguments)
    except HeadstartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"wrote {written}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
