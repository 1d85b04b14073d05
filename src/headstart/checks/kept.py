"""What of a model's answers stays when texts are changed: under a ladder of corruptions, and under changes whose effect is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.checks.corrupt import CORRUPTIONS, Text
from headstart.checks.finding import Finding, Row, told
from headstart.checks.templates import INVARIANCES, negations, poles_of
from headstart.prove.estimate import Estimate, proportion
from headstart.runtime import generator

FEWEST = 10
"""Fewer texts that a change applies to say nothing."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and N texts that it was not trained on.

    `answer(texts, of_N)` gives what the task's `probabilities` gives (N × K) for texts made from the examples at `of_N`, so that
    of several models the one answers that has not seen the example. `decide` and `correct` are the task's.
    """

    texts: Sequence[Text]
    targets: np.ndarray
    classes: Sequence[str]
    answer: Callable[[Sequence[Text], np.ndarray], np.ndarray]
    decide: Callable[[np.ndarray], np.ndarray]
    correct: Callable[[np.ndarray, np.ndarray], np.ndarray]
    on: str
    seed: int = 0

    def alike(self, one_NK: np.ndarray, other_NK: np.ndarray) -> np.ndarray:
        """Whether two answers are the same (N,)."""
        same = self.decide(one_NK) == self.decide(other_NK)
        return np.asarray(same if same.ndim == 1 else same.all(1))

    def chunked(self, texts: Sequence[Sequence[Text]]) -> list[np.ndarray]:
        """Answers to several versions of all texts, from one pass over them together."""
        flat = [text for version in texts for text in version]
        chances = self.answer(flat, np.tile(np.arange(len(self.texts)), len(texts)))
        return np.split(chances, len(texts))


CELLS = sum(len(one.strengths) for one in CORRUPTIONS.values())
VERSIONS = 1 + CELLS + len(INVARIANCES)
"""How often each text is passed through the network, at most."""


def ladder(subject: Subject, clean_NK: np.ndarray) -> Finding:
    """Accuracy on the same texts, corrupted ever more; `clean_NK` are the answers to them as they are."""
    cells = [(one, strength) for one in CORRUPTIONS.values() for strength in one.strengths]
    changed = [
        [one(text, strength, generator(subject.seed, "corrupt", one.name, str(strength), row)) for row, text in enumerate(subject.texts)]
        for one, strength in cells
    ]
    right_N = subject.correct(clean_NK, subject.targets)
    clean = proportion(int(right_N.sum()), len(right_N))
    rows = [Row("as they are", clean, strong=True)]
    worst: dict[str, tuple[Estimate, str]] = {}
    for (one, strength), chances_NK in zip(cells, subject.chunked(changed), strict=True):
        still_N = subject.correct(chances_NK, subject.targets)
        figure = proportion(int(still_N.sum()), len(still_N))
        kept = proportion(int((still_N & right_N).sum()), int(right_N.sum()))
        title = one.told.format(share=f"{100 * strength:.0f} % of" if strength < 1 else "all")
        rows.append(Row(title, figure, f"keeps {told(kept)} of right answers"))
        worst[one.name] = (figure, title)
    hardest = min(worst.values(), key=lambda found: found[0].value or 0.0)
    mildest = max(worst.values(), key=lambda found: found[0].value or 0.0)
    sentence = (
        f"Of the texts as they are {told(clean)} are answered right. Of the strongest corruptions it bears {mildest[1]} best, "
        f"{told(mildest[0])}, and {hardest[1]} worst, {told(hardest[0])}."
    )
    examples = [f"{title.name}: {_shown(version[0])}" for title, version in zip(rows[1:], changed, strict=True)] if subject.texts else []
    return Finding("ladder", "When texts are corrupted", sentence, subject.on, tuple(rows), tuple(examples))


def behaviour(subject: Subject, clean_NK: np.ndarray) -> Finding | None:
    """The share of answers that stay where they must, and move where they must; None where nothing applies."""
    rows, examples, skipped = [], [], []
    for test in INVARIANCES:
        made = [(row, test(text, generator(subject.seed, test.name, row))) for row, text in enumerate(subject.texts)]
        applies = [(row, text) for row, text in made if text is not None]
        if len(applies) < FEWEST:
            skipped.append(test.name)
            continue
        of_n = np.array([row for row, _ in applies])
        chances_nK = subject.answer([text for _, text in applies], of_n)
        stays_n = subject.alike(clean_NK[of_n], chances_nK)
        rows.append(Row(f"{test.name}: the answer stays", proportion(int(stays_n.sum()), len(stays_n)), test.told))
        moved = [applies[place] for place in np.flatnonzero(~stays_n)[:SHOWN]]
        examples += [f"{test.name}, another answer: {_shown(subject.texts[row])} → {_shown(text)}" for row, text in moved]
    direction = _negated(subject)
    rows += direction
    if not rows:
        return None
    weakest = min(rows, key=lambda row: row.figure.value or 0.0)
    sentence = f"Answers behave as they must in {told(rows[0].figure)} of the cases of “{rows[0].name}”"
    if len(rows) > 1:
        sentence = f"Of {len(rows)} behaviours that can be known in advance, the weakest is “{weakest.name}”: {told(weakest.figure)} of the cases"
    if not direction:
        skipped.append("negation, which needs one class called positive and one called negative")
    on = subject.on + (f"; left out, because fewer than {FEWEST} texts have them: {', '.join(skipped)}" if skipped else "")
    return Finding("behaviour", "When the right effect of a change is known", f"{sentence}.", on, tuple(rows), tuple(examples))


def _negated(subject: Subject) -> list[Row]:
    """Made sentences: "not" must lower the chance of the pole that the adjective speaks for."""
    poles = poles_of(subject.classes)
    if not poles or (len(subject.texts) and not isinstance(subject.texts[0], str)):
        return []
    made = negations()
    texts = [one.plain for one in made] + [one.negated for one in made]
    chances = subject.answer(texts, np.zeros(len(texts), dtype=np.int64))
    own = np.array([poles[one.pole] for one in made])
    plain_n, negated_n = (part[np.arange(len(made)), own] for part in np.split(chances, 2))
    count = len(made)
    lowered = proportion(int((negated_n < plain_n).sum()), count)
    turned = subject.decide(chances)
    flips = (turned[:count] == own) & (turned[count:] != own)
    note = f"{count} made sentences such as “{made[0].negated}”"
    return [
        Row("negation: the chance of what is negated falls", lowered, note),
        Row("negation: the answer turns", proportion(int(flips.sum()), count), note),
    ]


def _shown(text: Text) -> str:
    whole = " ".join((text if isinstance(text, str) else " ⁄ ".join(text)).split())
    return whole if len(whole) <= 120 else f"{whole[:119]}…"
