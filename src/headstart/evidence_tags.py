"""Evidence of labelled words: the verdict in span F1, each type's figures, and what was wrong with what was said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.evidence_spans import MARGIN
from headstart.evidence_spans import sentence as in_words
from headstart.prove.compare import compare_f1
from headstart.prove.metrics import METRICS, estimate
from headstart.prove.tag_errors import KINDS, Pair, paired
from headstart.prove.tags import TagAnswers, TrueTags, of_type, said_spans
from headstart.prove.word_texts import words_at
from headstart.run.tags import Mark, TagRow
from headstart.runtime import generator

if TYPE_CHECKING:
    from headstart.adapt.workbench import Workbench
    from headstart.evidence import Tested

NONE = "no span"
"""What a confusion between types calls what was missed, or invented."""


def verdict_by_span_f1(answers: Mapping[str, TagAnswers], groups: np.ndarray | None, seed: int) -> dict[str, Any] | None:
    """The best transfer against the best scratch on the same test texts, by the difference of their span F1; None without scratch."""
    if "scratch" not in answers:
        return None
    transfer, scratch = (np.stack([2 * one.hits_NT.sum(1), (one.said_NT + one.true_NT).sum(1)], 1) for one in (answers["transfer"], answers["scratch"]))
    found = compare_f1(transfer, scratch, margin=MARGIN, rng=generator(seed, "verdict"), groups=groups)
    return {
        "word": found.word,
        "difference": asdict(found.difference),
        "p_value": found.p_value,
        "better": found.better,
        "worse": found.worse,
        "n": found.n,
        "against": "scratch",
        "margin": MARGIN,
        "sentence": in_words(found, "texts"),
    }


def spans_told(answers: TagAnswers, targets: Sequence[TrueTags], rows: np.ndarray, groups: np.ndarray | None, seed: int) -> dict[str, Any]:
    """What `result.json` holds under `spans`: figures of each type, how often what was wrong, and which type was taken for which."""
    pairs = [pair for one, row in zip(targets, rows, strict=True) for pair, _ in pairs_of(one, row)]
    kinds = Counter(pair.kind for pair in pairs)
    return {
        "types": [_type(of_type(answers, number), groups, seed) for number in range(len(answers.types))],
        "errors": {kind: kinds[kind] for kind in KINDS},
        "confusion": _confusion(answers.types, pairs),
    }


def _type(answers: TagAnswers, groups: np.ndarray | None, seed: int) -> dict[str, Any]:
    figures = {
        name: asdict(estimate(METRICS[f"span_{name}"], answers, rng=generator(seed, "type", answers.types[0], name), groups=groups))
        for name in ("precision", "recall", "f1")
    }
    return {"name": answers.types[0], "true": int(answers.true_NT.sum()), "said": int(answers.said_NT.sum()), "right": int(answers.hits_NT.sum()), **figures}


def _confusion(types: Sequence[str], pairs: Sequence[Pair]) -> dict[str, Any]:
    names = [*types, NONE]
    place = {name: number for number, name in enumerate(names)}
    counts = [[0] * len(names) for _ in names]
    for pair in pairs:
        counts[place[pair.true[2] if pair.true else NONE]][place[pair.said[2] if pair.said else NONE]] += 1
    return {"classes": names, "counts": counts}


def pairs_of(true: TrueTags, row: np.ndarray) -> list[tuple[Pair, float | None]]:
    """Each true span with what was said for it, and how sure that was; counted in words."""
    sure = dict(said_spans(row, len(true.tags), true.classes))
    return [(pair, None if pair.said is None else sure[pair.said]) for pair in paired(true.spans, sure)]


def tag_rows(tested: Tested, bench: Workbench, ids: Sequence[str]) -> list[TagRow]:
    """The spans of the test texts, one row per text."""
    rows = []
    for place, row in enumerate(tested.rows):
        text = bench.decode(bench.items[row])
        edges = words_at(text)

        def characters(span: tuple[int, int, str] | None, edges: np.ndarray = edges) -> tuple[int, int, str] | None:
            return None if span is None else (int(edges[0, span[0]]), int(edges[1, span[1] - 1]), span[2])

        found = pairs_of(tested.targets[place], tested.probabilities["transfer"][place])
        marks = tuple(Mark(characters(pair.true), characters(pair.said), pair.kind, sure) for pair, sure in found)
        rows.append(TagRow(ids[row], str(text), marks, int(tested.folds[place])))
    return rows
