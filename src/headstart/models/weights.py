"""Weights files on disk: found, refused where they are pickles or come with code, fitted to a network exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor, nn

from headstart.errors import ModelError, ModelNotFound, UnsafeWeights
from headstart.files import read_json, sha256_file, sha256_text

PICKLES = (".bin", ".pth", ".pt", ".ckpt", ".pkl", ".th", ".pickle", ".npz")
CONFIGURATIONS = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
# Counters that inference never reads; converted checkpoints often leave them out.
NOT_NEEDED = ("num_batches_tracked",)


def how_to_convert(path: Path) -> str:
    """The command that turns a pickle into safetensors."""
    return f"If you trust it, run: python -m headstart.models.convert {path} {path.with_suffix('.safetensors')}"


def find_weights(folder: Path) -> list[Path]:
    """The safetensors files of a model folder: model.safetensors, its shards, or the only one there is.

    Raises UnsafeWeights where there are only pickles, ModelNotFound where there are no weights at all or it is not
    clear which.
    """
    whole = folder / "model.safetensors"
    if whole.is_file():
        return [whole]
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(read_config(index).get("weight_map", {}).values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing or not names:
            raise ModelNotFound(
                f"{folder}: {index.name} names weights that are not there ({', '.join(missing[:3])}). Download again."
            )
        return [folder / name for name in names]
    found = sorted(folder.glob("*.safetensors"))
    if len(found) == 1:
        return found
    if found:
        raise ModelNotFound(
            f"{folder}: several weights files ({', '.join(path.name for path in found[:4])}). Name one model.safetensors."
        )
    for path in sorted(folder.iterdir()):
        if path.suffix in PICKLES:
            raise UnsafeWeights(f"{path}: pickled weights can run code and are not loaded. {how_to_convert(path)}")
    raise ModelNotFound(f"{folder}: no model.safetensors in it. Is it a model folder?")


def refuse_pickle(path: Path) -> None:
    """Raise ModelNotFound where there is no file, UnsafeWeights where it is not safetensors by its name."""
    if not path.is_file():
        raise ModelNotFound(f"{path}: no such weights file. Check the path.")
    if path.suffix != ".safetensors":
        raise UnsafeWeights(
            f"{path}: not a safetensors file; pickled weights can run code and are not loaded. {how_to_convert(path)}"
        )


def read_config(path: Path) -> dict[str, Any]:
    """A JSON object from a model folder; raises ModelNotFound where it is missing and ModelError where broken."""
    if not path.is_file():
        raise ModelNotFound(f"{path.parent}: no {path.name} in it. Is it a model folder?")
    try:
        values = read_json(path)
    except ValueError as error:
        raise ModelError(f"{path}: broken JSON ({error}). Download the model again.") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path}: not a JSON object. Download the model again.")
    return values


def refuse_code(folder: Path) -> None:
    """Raise UnsafeWeights where a model folder asks for code of its own: `auto_map` in any of its configurations."""
    for path in (folder / name for name in CONFIGURATIONS):
        values = read_config(path) if path.is_file() else {}
        if values.get("auto_map") or values.get("trust_remote_code"):
            raise UnsafeWeights(
                f"{path}: asks for code that comes with the model (auto_map), which is never run. Choose another model."
            )


def weights_sha256(paths: Iterable[Path]) -> str:
    """The SHA-256 of a weights file; of several, the one over all of theirs."""
    digests = [sha256_file(path) for path in paths]
    return digests[0] if len(digests) == 1 else sha256_text(*digests)


def read_some(paths: Sequence[Path], names: Iterable[str]) -> dict[str, Tensor]:
    """Those tensors of `names` that the safetensors files hold; nothing else is read from disk."""
    found: dict[str, Tensor] = {}
    for path in paths:
        with safe_open(path, framework="pt") as file:
            found |= {name: file.get_tensor(name) for name in set(names).intersection(file.keys())}
    return found


def load_exactly(net: nn.Module, tensors: Mapping[str, Tensor], *, heads: Iterable[str] = (), where: str) -> None:
    """Load `tensors` into `net`: every weight of it, none left over but those under the names in `heads`.

    Raises ModelError saying what does not fit: a network that is random in part must never pass for pre-trained.
    """
    own = net.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith(NOT_NEEDED)]
    heads = tuple(f"{name}." for name in heads)
    unexpected = [
        name for name in tensors if name not in own and not name.startswith(heads) and not name.endswith(NOT_NEEDED)
    ]
    misfits = [name for name in own if name in tensors and own[name].shape != tensors[name].shape]
    if missing or unexpected or misfits:
        faults = (("missing", missing), ("left over", unexpected), ("of another shape", misfits))
        told = "; ".join(f"{len(names)} {what} ({_some(names)})" for what, names in faults if names)
        raise ModelError(
            f"{where}: the weights do not fit the architecture: {told}. Check the architecture in its configuration."
        )
    net.load_state_dict({name: tensor for name, tensor in tensors.items() if name in own}, strict=False)


def fits(net: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    """Whether `tensors` hold every weight that `net` needs, under its names and in its shapes."""
    own = net.state_dict()
    return all(
        name.endswith(NOT_NEEDED) or (name in tensors and tensors[name].shape == own[name].shape) for name in own
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
