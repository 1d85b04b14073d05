"""Questions on made-up passages, in the words that the tiny tokenizers know: what a network of two layers can learn by heart and more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

THINGS = ("lamp", "station", "train", "story", "sea", "keeper")
KINDS = ("old", "new", "great", "dark", "northern", "winding")


def passage(rng: np.random.Generator) -> tuple[str, dict[str, str]]:
    """A passage that says of three things what kind of thing each is, and what it says."""
    things = [str(name) for name in rng.choice(THINGS, 3, replace=False)]
    kinds = [str(name) for name in rng.choice(KINDS, 3, replace=False)]
    return ". ".join(f"a {thing} {kind}" for thing, kind in zip(things, kinds, strict=True)), dict(zip(things, kinds, strict=True))


def squad(count: int, *, unanswerable: bool = False, seed: int = 0) -> dict[str, Any]:
    """A file of SQuAD with `count` paragraphs, one in each article; with `unanswerable` every third question has no answer."""
    rng, articles = np.random.default_rng(seed), []
    for number in range(count):
        context, said = passage(rng)
        questions = []
        for place, (thing, kind) in enumerate(said.items()):
            none = unanswerable and place == 2
            asked = next(name for name in THINGS if name not in said) if none else thing
            found = {"id": f"{number}-{place}", "question": f"the {asked}", "answers": []}
            if not none:
                found["answers"] = [{"text": kind, "answer_start": context.index(kind)}]
            questions.append(found | ({"is_impossible": none} if unanswerable else {}))
        articles.append({"title": f"article {number}", "paragraphs": [{"context": context, "qas": questions}]})
    return {"version": "v2.0" if unanswerable else "1.1", "data": articles}


def write_squad(path: Path, count: int, **options: Any) -> Path:
    """The same in a file."""
    path.write_text(json.dumps(squad(count, **options)), encoding="utf-8")
    return path
