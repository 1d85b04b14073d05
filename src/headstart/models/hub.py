"""The model hub: which files are fetched, to which commit a model is pinned, and what happens without network."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import huggingface_hub
import huggingface_hub.constants
from huggingface_hub import errors

from headstart.errors import HubUnreachable, ModelError, ModelNotFound, UnsafeWeights
from headstart.files import read_json, write_json
from headstart.models.card import SourceCard
from headstart.models.weights import PICKLES, refuse_code
from headstart.runtime import cache_dir

TEXT_FILES = (".json", ".txt", ".model")  # configurations, vocabularies, sentencepiece tables
COMMIT = re.compile(r"[0-9a-f]{40}")
DEFAULT_ENDPOINT = "https://huggingface.co"
TIMEOUT_S = 10  # the hub stalls silently behind some proxies


@dataclass(frozen=True, slots=True)
class Copy:
    """A model's files on this machine, and the commit they are from."""

    folder: Path
    repository: str
    revision: str | None
    """What the user asked for; None for whatever the repository's default branch held at the first download."""
    commit: str
    url: str


def fetch(repository: str, *, revision: str | None = None, offline: bool = False) -> Copy:
    """The files of a hub model: from the cache where they are there, else downloaded.

    A model stays at the commit that its revision (or default branch) named at the first download, whatever moves on
    the hub. Only configurations, tokenizer files and safetensors are fetched, never code or pickles. Raises
    UnsafeWeights, ModelNotFound or HubUnreachable.
    """
    pin = _pins().get(_key(repository, revision))
    commit: str | None = revision if revision and COMMIT.fullmatch(revision) else None
    folder: Path | None = None
    if pin:
        commit = str(pin["commit"])
        folder = _complete(repository, commit, pin["files"])
    if folder is None and is_offline(offline):
        commit, folder = _from_cache(repository, revision, commit)
    if folder is None or commit is None:
        commit, folder = _download(repository, revision, commit)
    return Copy(folder, repository, revision, commit, f"{_endpoint()}/{repository}/tree/{commit}")


def confirm(copy: Copy, card: SourceCard) -> None:
    """Check the weights that were loaded against those of the first time, and remember them.

    Raises UnsafeWeights where the same commit suddenly has other weights.
    """
    pins = _pins()
    key = _key(copy.repository, copy.revision)
    known = pins.get(key, {}).get("card", {}).get("weights_sha256")
    if known not in (None, card.weights_sha256):
        raise UnsafeWeights(
            f"{copy.folder}: not the weights that were downloaded first (another SHA-256 at the same commit). "
            f"Delete the folder to download them again; if they are meant to differ, also delete {_pins_path()}."
        )
    files = sorted(path.relative_to(copy.folder).as_posix() for path in copy.folder.rglob("*") if path.is_file())
    entry = {"commit": copy.commit, "files": files, "card": card.to_dict()}
    if pins.get(key) != entry:
        write_json(_pins_path(), {**pins, key: entry})


def cached() -> list[SourceCard]:
    """The cards of hub models that were used before and whose files are still here."""
    cards = []
    for key, pin in sorted(_pins().items()):
        if _complete(key.partition("@")[0], pin["commit"], pin["files"]) is not None:
            cards.append(SourceCard.from_dict(pin["card"]))
    return cards


def is_offline(asked: bool) -> bool:
    """Whether the network is off: asked for here, or by HF_HUB_OFFLINE."""
    variable = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    return asked or variable or bool(huggingface_hub.constants.HF_HUB_OFFLINE)


def wanted(names: Sequence[str]) -> list[str]:
    """Which of a repository's files make the model: no code, no pickles, no copies for other runtimes."""
    tops = {name for name in names if "/" not in name}
    kept = []
    for name in names:
        path = PurePosixPath(name)
        # sentence-transformers keeps its modules in folders 0_Transformer, 1_Pooling, …
        if len(path.parts) > 2 or (len(path.parts) == 2 and not path.parts[0][0].isdigit()):
            continue
        if path.suffix in TEXT_FILES or name == "README.md":
            kept.append(name)
        elif path.suffix == ".safetensors":
            spare = path.parent == PurePosixPath() and "model.safetensors" in tops and name != "model.safetensors"
            kept += [] if spare else [name]
    return kept


def _download(repository: str, revision: str | None, commit: str | None) -> tuple[str, Path]:
    where = f"{repository}@{commit or revision}" if commit or revision else repository
    api = huggingface_hub.HfApi(endpoint=_endpoint(), library_name="headstart")
    try:
        info = api.model_info(repository, revision=commit or revision, timeout=TIMEOUT_S)
        found = str(info.sha)
        if commit is not None and found != commit:
            raise UnsafeWeights(f"{where}: the hub answers with another commit, {found[:12]}. Do not use this hub.")
        names = [sibling.rfilename for sibling in info.siblings or ()]
        _refuse_without_safetensors(names, where)
        files = wanted(names)
        first = _fetch_file(repository, "config.json", found)
        refuse_code(first.parent)
        for name in files:
            _fetch_file(repository, name, found)
            if name.endswith("config.json"):
                refuse_code(first.parent)
    except ModelError:
        raise
    except (
        errors.RepositoryNotFoundError,
        errors.RevisionNotFoundError,
        errors.EntryNotFoundError,
        errors.HFValidationError,
    ) as error:
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise _unreachable(where, error) from error
        raise ModelNotFound(
            f"{where}: the hub has no such model, revision or file, or it is private or gated. Check the name; for a gated one set HF_TOKEN."
        ) from error
    except _connection_errors() as error:
        raise _unreachable(where, error) from error
    return found, first.parent


def _fetch_file(repository: str, name: str, commit: str) -> Path:
    return Path(
        huggingface_hub.hf_hub_download(
            repository, name, revision=commit, endpoint=_endpoint(), etag_timeout=TIMEOUT_S, library_name="headstart"
        )
    )


def _refuse_without_safetensors(names: Sequence[str], where: str) -> None:
    if any(name.endswith(".safetensors") for name in names):
        return
    pickles = [name for name in names if PurePosixPath(name).suffix in PICKLES]
    if pickles:
        raise UnsafeWeights(
            f"{where}: has only pickled weights ({pickles[0]}), which can run code and are not loaded. "
            "Choose a revision or repository with safetensors."
        )
    raise ModelNotFound(f"{where}: has no weights in it. Check the name.")


def _complete(repository: str, commit: str, files: Sequence[str]) -> Path | None:
    """The snapshot's folder if all `files` are in the cache."""
    paths = [_cached_file(repository, name, commit) for name in files]
    found = [path for path in paths if path is not None]
    config = _cached_file(repository, "config.json", commit)
    return config.parent if config is not None and len(found) == len(files) else None


def _from_cache(repository: str, revision: str | None, commit: str | None) -> tuple[str, Path]:
    """What any tool has downloaded of this model before; raises HubUnreachable where that is nothing."""
    config = _cached_file(repository, "config.json", commit or revision or "main")
    if config is None:
        raise HubUnreachable(
            f"{repository}: not downloaded before, and the network is switched off (--offline or HF_HUB_OFFLINE). "
            "Run once with network, or give a local folder."
        )
    return config.parent.name, config.parent


def _cached_file(repository: str, name: str, revision: str) -> Path | None:
    found = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def _connection_errors() -> tuple[type[Exception], ...]:
    """What huggingface_hub lets through where the network fails; its HTTP client's name differs by version."""
    client: type[Exception] = errors.HfHubHTTPError.__mro__[1]
    for base in errors.HfHubHTTPError.__mro__:
        if base.__name__ == "HTTPError":
            client = base
    return (client, OSError, errors.OfflineModeIsEnabled)


def _unreachable(where: str, error: Exception) -> HubUnreachable:
    told = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return HubUnreachable(
        f"{where}: the hub at {_endpoint()} cannot be reached ({told}). Check the network or HF_ENDPOINT, or give a local folder."
    )


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", DEFAULT_ENDPOINT).rstrip("/")


def _key(repository: str, revision: str | None) -> str:
    return f"{repository}@{revision or ''}"


def _pins_path() -> Path:
    return cache_dir() / "hub-pins.json"


def _pins() -> Mapping[str, Any]:
    path = _pins_path()
    if not path.is_file():
        return {}
    try:
        pins: Mapping[str, Any] = read_json(path)
    except ValueError as error:
        raise ModelError(f"{path}: broken ({error}). Delete it to pin hub models anew.") from error
    return pins
