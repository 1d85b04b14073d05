"""How far one gets without reading: accuracy from length, punctuation or a single word alone, by cross-validation."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.checks.corrupt import Text
from headstart.checks.finding import Finding, Row, told
from headstart.prove.estimate import Estimate, proportion

MOST = 3000
"""Texts that are looked at."""
LEAVES = 16
"""Of the trees that read numbers: enough for a threshold or two per class, too few to learn texts by heart."""
WORDS = 2000
"""The commonest words that a single one is chosen from."""
PART_OF_WAY = 0.5
"""A shortcut that goes so much of the way from guessing to the model is said to be one."""

Array = np.ndarray
Folds = Sequence[tuple[Array, Array]]


def length(texts: Sequence[Text]) -> Array:
    """Characters, words and letters per word, of both texts of a pair (N × 3 or 6)."""
    return np.array([[figure for part in _parts(text) for figure in _sizes(part)] for text in texts], dtype=np.float64)


def punctuation(texts: Sequence[Text]) -> Array:
    """How often each mark stands in a text, and its capitals and digits (N × 34)."""
    return np.array([_marks(" ".join(_parts(text))) for text in texts], dtype=np.float64)


def shortcuts(
    texts: Sequence[Text],
    targets: Array,
    folds_of: Callable[[Array], Folds],
    *,
    model: Estimate,
    model_on: str,
    data: str = "training texts",
    rng: np.random.Generator,
) -> Finding:
    """Each shortcut's accuracy on left-out texts, beside guessing and beside the `model`'s on `model_on`; `data` names the texts.

    `folds_of(rows)` gives folds as positions into rows; targets are class numbers (N,) or zeros and ones (N × K).
    """
    rows = np.sort(rng.permutation(len(texts))[:MOST])
    folds, targets, chosen = folds_of(rows), targets[rows], [texts[row] for row in rows]
    seen = np.concatenate([held_out for _, held_out in folds])
    guess = _scored(_guessing, chosen, targets, folds)
    ways = [(name, note, _scored(way, chosen, targets, folds)) for name, (note, way) in SHORTCUTS.items()]
    best_name, _, best = max(ways, key=lambda found: found[2].value or 0.0)
    floor, top, reached = (one.value or 0.0 for one in (guess, model, best))
    share = (reached - floor) / (top - floor) if top > floor else 0.0
    clear = best.low is not None and guess.high is not None and best.low > guess.high
    verdict = f"{100 * share:.0f} % of the way from guessing to the model" if share > 0 and clear else "no better than guessing, as far as can be told"
    warns = f"{best_name[0].upper()}{best_name[1:]} gets {told(best)} right: a part of the model's accuracy may rest on that." if clear and share >= PART_OF_WAY else ""
    sentence = f"The best shortcut, {best_name}, gets {told(best)} right, guessing the most frequent answer {told(guess)}: {verdict}."
    listed = [
        Row("the model", model, model_on, strong=True),
        *(Row(name, figure, note) for name, note, figure in ways),
        Row("the most frequent answer", guess),
    ]
    on = f"{len(seen):,} {data}, each answered by a shortcut that was fitted without it ({len(folds)} folds)"
    return Finding("shortcuts", "How far one gets without reading", sentence, on, tuple(listed), tuple(_telling(chosen, targets)), warns)


def _by_numbers(measure: Callable[[Sequence[Text]], Array]) -> Callable[..., Array]:
    """A small tree on numbers."""

    def way(seen: Sequence[Text], targets: Array, unseen: Sequence[Text]) -> Array:
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=5, random_state=0)
        return np.asarray(tree.fit(measure(seen), targets).predict(measure(unseen)))

    return way


def _first_word(seen: Sequence[Text], targets: Array, unseen: Sequence[Text]) -> Array:
    """For each first word the most frequent answer to texts that begin with it."""
    place: dict[str, list[int]] = {}
    for row, text in enumerate(seen):
        place.setdefault(_first(text), []).append(row)
    usual = _most_frequent(targets)
    return np.array([_most_frequent(targets[place[word]]) if (word := _first(text)) in place else usual for text in unseen])


def _one_word(seen: Sequence[Text], targets: Array, unseen: Sequence[Text]) -> Array:
    """The one word whose presence says most: one answer with it, one without."""
    tree, vectorizer = _stump(seen, targets)
    return np.asarray(tree.predict(vectorizer.transform(_joined(unseen))))


def _stump(texts: Sequence[Text], targets: Array) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.tree import DecisionTreeClassifier

    vectorizer = CountVectorizer(binary=True, max_features=WORDS, token_pattern=r"(?u)\S+")
    present = vectorizer.fit_transform(_joined(texts))
    return DecisionTreeClassifier(max_depth=1, random_state=0).fit(present, targets), vectorizer


def _guessing(seen: Sequence[Text], targets: Array, unseen: Sequence[Text]) -> Array:
    return np.array([_most_frequent(targets)] * len(unseen))


SHORTCUTS: Mapping[str, tuple[str, Callable[[Sequence[Text], Array, Sequence[Text]], Array]]] = {
    "length alone": ("characters, words, letters per word", _by_numbers(length)),
    "punctuation alone": ("marks, capitals and digits", _by_numbers(punctuation)),
    "the first word alone": ("the usual answer to texts that begin with it", _first_word),
    "one word alone": ("whether the most telling word is there", _one_word),
}


def _scored(way: Callable[..., Array], texts: Sequence[Text], targets: Array, folds: Folds) -> Estimate:
    right = count = 0
    for train, held_out in folds:
        said = way([texts[row] for row in train], targets[train], [texts[row] for row in held_out])
        same = said == targets[held_out]
        right += int((same if same.ndim == 1 else same.all(1)).sum())
        count += len(held_out)
    return proportion(right, count)


def _telling(texts: Sequence[Text], targets: Array) -> list[str]:
    tree, vectorizer = _stump(texts, targets)
    place = int(tree.tree_.feature[0])
    return [f"The most telling single word: “{vectorizer.get_feature_names_out()[place]}”"] if place >= 0 else []


def _most_frequent(targets: Array) -> Any:
    values, counts = np.unique(targets, axis=0, return_counts=True)
    return values[counts.argmax()]


def _joined(texts: Sequence[Text]) -> list[str]:
    return [" ".join(_parts(text)) for text in texts]


def _parts(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _first(text: Text) -> str:
    return next(iter(_parts(text)[0].lower().split()), "")


def _sizes(text: str) -> tuple[float, float, float]:
    words = text.split()
    return len(text), len(words), sum(map(len, words)) / max(1, len(words))


def _marks(text: str) -> list[int]:
    return [
        *(text.count(mark) for mark in string.punctuation),
        sum(letter.isupper() for letter in text),
        sum(letter.isdigit() for letter in text),
    ]
