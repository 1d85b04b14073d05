"""Texts with labelled words, from any source, as a data set: tags in one scheme, long texts in stretches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headstart.data.dataset import Dataset, Part
from headstart.data.tag_schemes import SCHEMES, read_tags
from headstart.errors import DataError
from headstart.prove.tags import WORDS, spans_of
from headstart.prove.word_texts import Words, stretch, stretches

FEW = 20
"""With fewer documents than this in a part they are not kept whole: nothing could be held out, and no interval be told."""
TAKES = "Give CoNLL files (a word a line with its tag), lists of tokens and ner_tags, or texts with entities (start, end, label)."


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence or a text by the name people know it by: its `words`, or a `text` that knows them, and the tags as they are written (None where it has
    none); the part it is in, what belongs together, and what was odd.
    """

    id: str
    words: tuple[str, ...] = ()
    text: Words | None = None
    tags: tuple[str, ...] | None = None
    part: Part = ""
    group: str | None = None
    odd: tuple[str, ...] = ()


def words_dataset(
    name: str,
    sentences: Sequence[Sentence],
    *,
    aside: Iterable[tuple[str, str]] = (),
    said: Sequence[str] = (),
    labelled: bool = True,
    grouped: bool = False,
) -> Dataset:
    """The sentences as examples; raises DataError where there is none, or no span in any. `grouped` says that groups were asked for: then
    they are kept however few there are.
    """
    lost = list(aside)
    if not sentences:
        why = f" ({lost[0][0]}: {lost[0][1]})" if lost else ""
        raise DataError(f"{name}: no sentence with labelled words{why}. {TAKES}")
    has_tags = labelled and all(one.tags is not None for one in sentences)
    read = read_tags([one.tags or () for one in sentences]) if has_tags else None
    told = [*said]
    if read:
        count = Counter(kind for tags in read.tags for _, _, kind in spans_of(tags))
        if not count:
            raise DataError(f"{name}: every word is outside (O), so there is nothing to learn. {TAKES}")
        told.append(f"{SCHEMES[read.scheme]}; {len(sentences):,} texts with {sum(count.values()):,} spans of {len(count)} types")
    groups = _groups(sentences, 1 if grouped else FEW)
    if groups is None and any(one.group for one in sentences):
        told.append(f"fewer than {FEW} documents: their sentences are not kept together")
    items: list[Words] = []
    ids: list[str] = []
    labels: list[tuple[str, ...]] = []
    rows: list[int] = []
    for row, one in enumerate(sentences):
        tags = read.tags[row] if read else ()
        odd = (*one.odd, *(read.odd[row] if read else ()))
        text = Words.of(one.words, odd) if one.text is None else one.text
        runs = stretches(text, tags)
        for number, (first, end) in enumerate(runs):
            items.append(stretch(text, first, end, odd) if len(runs) > 1 else Words.at(text, text.edges, odd))
            ids.append(one.id if len(runs) == 1 else f"{one.id} stretch {number + 1}")
            labels.append(tags[first:end])
            rows.append(row)
    if len(items) > len(sentences):
        told.append(f"texts of more than {WORDS} words are read in stretches, kept on one side of every split")
        groups = groups or [one.id for one in sentences]
    return Dataset(
        name=name,
        modality="text",
        kind="tags",
        items=items,
        ids=ids,
        labels=labels if read else None,
        parts=[sentences[row].part for row in rows],
        groups=None if groups is None else [groups[row] for row in rows],
        guesses=tuple(told),
        aside=tuple(lost),
    )


def _groups(sentences: Sequence[Sentence], fewest: int) -> list[str] | None:
    """What belongs together; None where nothing does, or where a part would have fewer groups than that."""
    if all(one.group is None for one in sentences):
        return None
    named: dict[Part, set[str]] = {}
    for one in sentences:
        named.setdefault(one.part, set()).add(one.group or one.id)
    if any(len(groups) < fewest for groups in named.values()):
        return None
    return [one.group or one.id for one in sentences]
