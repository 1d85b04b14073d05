"""From what a user names to a backbone: one table of prefixes, and folders told apart by their configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from headstart.errors import ModelError, ModelNotFound, OptionError
from headstart.models.backbone import Backbone
from headstart.models.weights import load_exactly, read_config
from headstart.registry import pick

STARTERS = Path(__file__).parent / "starter"

FORMS = "starter:NAME, minilm, timm:NAME, hf-hub:ORG/NAME, hf:ORG/NAME, torchvision:NAME=FILE.safetensors, a model folder, or the folder of a run"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: the whole spec, its part after the prefix, and how the hub may be used."""

    spec: str
    name: str
    offline: bool
    revision: str | None


def load_backbone(spec: str | Path | Backbone, *, offline: bool = False, revision: str | None = None) -> Backbone:
    """The backbone that `spec` names, ready for use.

    `starter:NAME` (in the package), `minilm` (extra offline-text), `timm:NAME`, `hf-hub:ORG/NAME[@REV]` (timm's layout
    on the hub), `hf:ORG/NAME[@REV]` (transformers' layout), `torchvision:NAME[.WEIGHTS]=FILE.safetensors`, a local
    folder in timm's, transformers' or sentence-transformers' layout, the folder of a finished run, or a Backbone, which is
    given back.
    `revision` pins a hub model to a commit, branch or tag; with `offline` only what was downloaded before is used.
    Raises ModelNotFound, UnsafeWeights, HubUnreachable, MissingExtra or ModelError, each saying what to do.
    """
    if isinstance(spec, Backbone):
        return spec
    text = str(spec)
    prefix, colon, name = text.partition(":")
    if text == "minilm":
        prefix, colon, name = "minilm", ":", ""
    path = Path(text).expanduser()
    if path.is_dir() or (isinstance(spec, Path) or not colon):
        return _local(path, text)
    if colon and prefix in LOADERS:
        return LOADERS[prefix](Request(text, name, offline, revision))
    raise ModelNotFound(f"{text}: no such model or folder. Give {FORMS}.")


def rebuild(description: Mapping[str, Any], weights: Mapping[str, Tensor] | None, folder: Path) -> Backbone:
    """The backbone of a `describe()`, with what `save_preprocessing` wrote in `folder`.

    `weights` are the state of its `net`; without them it is random until a state dict is loaded. Raises ModelError
    where they do not fit, or where the network's code is the user's own.
    """
    backbone = pick(REBUILDERS, str(description.get("family")), what="model family")(description, folder)
    if weights is not None:
        load_exactly(backbone.net, weights, where=str(folder))
    return backbone


def _local(folder: Path, spec: str) -> Backbone:
    folder = _without_scheme(folder)
    if folder.is_file():
        raise ModelNotFound(
            f"{folder}: a file, not a model folder. Give its folder, or torchvision:NAME={folder.name} for torchvision weights."
        )
    if not folder.is_dir():
        raise ModelNotFound(f"{spec}: no such model or folder. Give {FORMS}.")
    if read_config(folder / "config.json").get("library_name") == "headstart":
        from headstart.models.from_run import load_folder as load_run

        return load_run(folder, spec=spec)
    if (folder / "modules.json").is_file() or "model_type" in read_config(folder / "config.json"):
        from headstart.models.from_transformers import load_folder as load_transformers

        return load_transformers(folder, spec=spec)
    from headstart.models.from_timm import load_folder as load_timm

    return load_timm(folder, spec=spec)


def _without_scheme(folder: Path) -> Path:
    return Path(str(folder).removeprefix("local-dir:")).expanduser()


def _local_dir(request: Request) -> Backbone:
    return _local(Path(request.name), request.spec)


def _starter(request: Request) -> Backbone:
    folder = STARTERS / request.name
    if not request.name or not (folder / "config.json").is_file():
        here = ", ".join(f"starter:{path.parent.name}" for path in sorted(STARTERS.glob("*/config.json")))
        raise ModelNotFound(f"{request.spec}: no such starter. Choose from: {here or 'none is installed'}.")
    return _local(folder, request.spec)


def _minilm(request: Request) -> Backbone:
    from headstart.models import minilm

    return minilm.load()


def _timm(request: Request) -> Backbone:
    from headstart.models.from_timm import repository

    name, _, revision = request.name.partition("@")
    return _from_hub(replace(request, name=f"{repository(name)}@{revision}" if revision else repository(name)))


def _from_hub(request: Request) -> Backbone:
    """A hub repository in either layout, pinned."""
    from headstart.models.hub import confirm, fetch

    repository, _, named = request.name.partition("@")
    if named and request.revision and named != request.revision:
        raise OptionError(f"{request.spec}: also asked for revision {request.revision}. Give one of them.")
    copy = fetch(repository, revision=named or request.revision, offline=request.offline)
    backbone = _local(copy.folder, request.spec)
    name = repository.rpartition("/")[2]
    backbone.card = replace(backbone.card, spec=request.spec, name=name, revision=copy.commit, url=copy.url)
    confirm(copy, backbone.card)
    return backbone


def _torchvision(request: Request) -> Backbone:
    from headstart.models.from_torchvision import load

    name, _, file = request.name.partition("=")
    return load(name, Path(file).expanduser() if file else None, spec=request.spec)


LOADERS: Mapping[str, Callable[[Request], Backbone]] = {
    "starter": _starter,
    "minilm": _minilm,
    "timm": _timm,
    "hf-hub": _from_hub,
    "hf": _from_hub,
    "torchvision": _torchvision,
    "local-dir": _local_dir,
}


def _rebuild_timm(description: Mapping[str, Any], folder: Path) -> Backbone:
    from headstart.models.from_timm import rebuild as again

    return again(description, folder)


def _rebuild_torchvision(description: Mapping[str, Any], folder: Path) -> Backbone:
    from headstart.models.from_torchvision import rebuild as again

    return again(description, folder)


def _rebuild_transformers(description: Mapping[str, Any], folder: Path) -> Backbone:
    from headstart.models.from_transformers import rebuild as again

    return again(description, folder)


def _rebuild_module(description: Mapping[str, Any], folder: Path) -> Backbone:
    raise ModelError(
        f"{description.get('name', 'the model')}: its network is code of your own and cannot be rebuilt from a file. "
        "Hand it in: headstart.load(folder, backbone=from_module(...))."
    )


REBUILDERS: Mapping[str, Callable[[Mapping[str, Any], Path], Backbone]] = {
    "timm": _rebuild_timm,
    "torchvision": _rebuild_torchvision,
    "transformers": _rebuild_transformers,
    "module": _rebuild_module,
}
