"""How language models of a run go on from the beginnings of test texts: a few samples for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from headstart.adapt.generation import Drawing, generate
from headstart.adapt.network import Network
from headstart.adapt.proving import Proved
from headstart.adapt.workbench import Workbench
from headstart.choosing import Material
from headstart.prove.passages import ANSWERS, Conversation

SAMPLES, BEGINNING, SHOWN = 3, 60, 400
"""How many are drawn, from so many characters of a text, and how many characters are shown of what follows."""
DRAWING = Drawing(temperature=0.8, top_k=50, max_tokens=80)


def sampler(material: Material, bench: Workbench) -> Callable[[Network], list[str]]:
    """From a network to what it says after the beginning of each of a few test texts."""
    asked = [beginning(bench.decode(bench.items[row])) for row in _rows(material, bench)]

    def drawn(network: Network) -> list[str]:
        return [generate(network, prompt, DRAWING, turns=turns)[:SHOWN] for prompt, _, turns in asked]

    return drawn


def samples_of(material: Material, bench: Workbench, proved: Sequence[Proved]) -> dict[str, Any] | None:
    """What `result.json` holds under `language`; None for other tasks."""
    if bench.task.kind != "language":
        return None
    shown = proved[0].shown
    ids = [material.dataset.ids[row] for row in (*material.splits.train, *material.splits.test)]
    told = []
    for place, row in enumerate(_rows(material, bench)):
        prompt, truth, _ = beginning(bench.decode(bench.items[row]))
        scratch = shown["scratch"][place] if "scratch" in shown else None
        told.append({"id": ids[row], "prompt": prompt, "transfer": shown["transfer"][place], "scratch": scratch, "truth": truth[:SHOWN]})
    return {
        "conversations": any(isinstance(item, Conversation) for item in bench.items),
        "how": DRAWING.in_words,
        "samples": told,
    }


def _rows(material: Material, bench: Workbench) -> list[int]:
    """A few test rows from all over the test part; of a nested cross-validation, of its first fold."""
    splits = material.splits
    if splits.outer:
        place = {row: number for number, row in enumerate([*splits.train, *splits.test])}
        rows = [place[row] for row in splits.outer[0][1]]
    else:
        rows = list(range(len(splits.train), len(bench.items)))
    return [rows[number] for number in np.unique(np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).astype(int))]


def beginning(example: Any) -> tuple[str, str, bool]:
    """What to go on from, how the text itself goes on, and whether it is a question of a conversation."""
    if isinstance(example, Conversation):
        last = max(number for number, (role, _) in enumerate(example.turns) if role == ANSWERS)
        return example.turns[max(0, last - 1)][1], example.turns[last][1], True
    end = example.find(" ", BEGINNING)
    end = end if 0 <= end < 2 * BEGINNING else min(BEGINNING, max(1, len(example) // 2))
    return str(example[:end]), str(example[end:]), False
