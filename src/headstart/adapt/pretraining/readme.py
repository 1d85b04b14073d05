"""The model card for people: README.md of a pre-trained backbone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.adapt.pretraining.reading import READINGS
from headstart.models.card import SourceCard

WAYS = {
    "supervised": "It learned to tell the sources' classes apart; the classifier is not part of it.",
    "distil": "It learned to reproduce the features of a larger network, its teacher, on the sources' pictures; "
    "no labels were used.",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What a card says otherwise of pictures than of texts."""

    library: str
    tag: str
    ways: Mapping[str, str]
    columns: tuple[str, ...]
    use: str
    limits: str


WORDS: Mapping[str, Words] = {
    "image": Words(
        "timm",
        "image-feature-extraction",
        WAYS,
        ("pictures", "views"),
        'model = headstart.fit("photos/", models=["path/of/this/folder"])\n\nimport timm\n\n'
        'net = timm.create_model("local-dir:path/of/this/folder", pretrained=True, num_classes=0)',
        "Matrices are stored in float16.",
    ),
    "text": Words(
        "transformers",
        "feature-extraction",
        {name: reading.told for name, reading in READINGS.items()},
        ("documents", "pieces", "characters"),
        'model = headstart.fit("texts.csv", models=["path/of/this/folder"])\n\n'
        "from transformers import AutoModel, AutoTokenizer\n\n"
        'net = AutoModel.from_pretrained("path/of/this/folder")\n'
        'tokenizer = AutoTokenizer.from_pretrained("path/of/this/folder")',
        "Its features are the mean of the states of a text's tokens. Matrices are stored in float16.",
    ),
}


def readme(card: SourceCard) -> str:
    """The card as Markdown, with the header that model hubs read."""
    words = WORDS[card.modality]
    parts = (
        _what(card),
        _made(card, words),
        _sources(card.pretraining["sources"], words.columns),
        _figures(card.figures),
        f"## How to use it\n\n```python\nimport headstart\n\n{words.use}\n```",
        _limits(card, words),
    )
    return f"{_front_matter(card, words)}\n# {card.name}\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(card: SourceCard, words: Words) -> str:
    values = {
        "library_name": words.library,
        "license": card.licence or "unknown",
        "tags": [words.tag, "headstart"],
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


def _made(card: SourceCard, words: Words) -> str:
    facts, teacher = card.pretraining, card.pretraining["teacher"]
    lines = ["## How it was made", f"```\n{card.made_with}\n```", words.ways[facts["objective"]]]
    if teacher:
        licence = f", licence {teacher['licence']}" if teacher["licence"] else ""
        lines.append(f"Teacher: {teacher['name']}{licence}, weights SHA-256 `{teacher['weights_sha256']}`.")
    lines.append(
        f"{_seen(facts)} in {facts['seconds']:,.0f} s "
        f"on {facts['threads']} {facts['device']} thread{'s' if facts['threads'] != 1 else ''} ({facts['precision']}); "
        f"seed {facts['recipe']['seed']}."
    )
    return "\n\n".join(lines)


def _seen(facts: Mapping[str, Any]) -> str:
    recipe: Mapping[str, Any] = facts["recipe"]
    if "views" in facts:
        return f"{recipe['epochs']} epochs over {facts['views']:,} views of {recipe['size']} px"
    return (
        f"{facts['steps']:,} steps of {recipe['batch_size']} over {facts['sequences']:,} sequences of at most "
        f"{recipe['length']} tokens, {facts['tokens']:,} in all, of a {recipe['tokenizer']} tokenizer trained on the sources"
    )


def _sources(sources: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    rows = [
        f"| {source['name']} | {' | '.join(f'{source[name]:,}' for name in columns)} | {source['licence'] or 'not stated'} "
        f"| `{source['fingerprint'][:16]}` |"
        for source in sources
    ]
    head = f"| source | {' | '.join(columns)} | licence | fingerprint |\n|---|{'---:|' * len(columns)}---|---|"
    return "## Sources\n\n" + "\n".join([head, *rows])


def _figures(figures: Mapping[str, Any]) -> str:
    told = [
        f"| {name} | {figure['value']} {figure['unit']} | {figure['source']} |" for name, figure in figures.items()
    ]
    return "## Figures\n\n" + "\n".join(["| what | value | on what |", "|---|---:|---|", *told]) if told else ""


def _limits(card: SourceCard, words: Words) -> str:
    return (
        "## Limits\n\nIt has seen its sources only; how far it helps elsewhere has to be measured, and `headstart fit` "
        f"does. {words.limits} `reference.safetensors` holds mean and low-rank covariance of its "
        f"features on the sources. Weights SHA-256: `{card.weights_sha256}`."
    )
