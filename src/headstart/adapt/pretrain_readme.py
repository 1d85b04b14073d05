"""The model card for people: README.md of a pre-trained backbone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headstart.models.card import SourceCard

WAYS = {
    "supervised": "It learned to tell the sources' classes apart; the classifier is not part of it.",
    "distil": "It learned to reproduce the features of a larger network, its teacher, on the sources' pictures; "
    "no labels were used.",
}


def readme(card: SourceCard) -> str:
    """The card as Markdown, with the header that model hubs read."""
    parts = (_what(card), _made(card), _sources(card.pretraining["sources"]), _use(), _limits(card))
    return f"{_front_matter(card)}\n# {card.name}\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(card: SourceCard) -> str:
    values = {
        "library_name": "timm",
        "license": card.licence or "unknown",
        "tags": ["image-feature-extraction", "headstart"],
        "datasets": list(card.data),
    }
    # JSON is YAML too, and quotes every text safely.
    lines = "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
    return f"---\n{lines}---\n"


def _what(card: SourceCard) -> str:
    return (
        f"A backbone without a head, for transfer to other tasks: {card.architecture}, {card.parameters:,} parameters, "
        f"{card.input} in. Source domain: {card.domain or 'not stated'}. Pre-trained from random weights by Headstart."
    )


def _made(card: SourceCard) -> str:
    facts, teacher = card.pretraining, card.pretraining["teacher"]
    lines = ["## How it was made", f"```\n{card.made_with}\n```", WAYS[facts["objective"]]]
    if teacher:
        licence = f", licence {teacher['licence']}" if teacher["licence"] else ""
        lines.append(f"Teacher: {teacher['name']}{licence}, weights SHA-256 `{teacher['weights_sha256']}`.")
    recipe: Mapping[str, Any] = facts["recipe"]
    lines.append(
        f"{recipe['epochs']} epochs over {facts['views']:,} views of {recipe['size']} px in {facts['seconds']:,.0f} s "
        f"on {facts['threads']} {facts['device']} thread{'s' if facts['threads'] != 1 else ''} ({facts['precision']}); "
        f"seed {recipe['seed']}."
    )
    return "\n\n".join(lines)


def _sources(sources: list[dict[str, Any]]) -> str:
    rows = [
        f"| {source['name']} | {source['pictures']:,} | {source['views']:,} | {source['licence'] or 'not stated'} "
        f"| `{source['fingerprint'][:16]}` |"
        for source in sources
    ]
    head = "| source | pictures | views | licence | fingerprint |\n|---|---:|---:|---|---|"
    return "## Sources\n\n" + "\n".join([head, *rows])


def _use() -> str:
    return (
        "## How to use it\n\n```python\nimport headstart\n\n"
        'model = headstart.fit("photos/", models=["path/of/this/folder"])\n\nimport timm\n\n'
        'net = timm.create_model("local-dir:path/of/this/folder", pretrained=True, num_classes=0)\n```'
    )


def _limits(card: SourceCard) -> str:
    return (
        "## Limits\n\nIt has seen its sources only; how far it helps elsewhere has to be measured, and `headstart fit` "
        "does. Matrices are stored in float16. `reference.safetensors` holds mean and low-rank covariance of its "
        f"features on the sources. Weights SHA-256: `{card.weights_sha256}`."
    )
