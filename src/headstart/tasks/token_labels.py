"""A label for each word of a text: named entities, parts of speech."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import ModelError
from headstart.models.backbone import Backbone
from headstart.models.sentence import positions
from headstart.models.text_preprocess import TextPreprocess
from headstart.models.word_windows import LONGEST, WordPreprocess, sees_nothing_ahead
from headstart.prove.spans import NOTHING
from headstart.prove.tags import WORDS, TagAnswers, TrueTags, judged, row_of, spans_of, type_names
from headstart.prove.word_texts import words_of
from headstart.tasks.trained import Trained
from headstart.tasks.whole import with_preprocess

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.tasks.base import Objective, Units

NO_WORD = -100
"""The aim of a place where there is no word: no loss is counted there."""


class TokenLabels:
    """The most probable tag of each word; spans by CoNLL's reading of tags, in which one that continues nothing begins a span.

    A constrained decoder (Viterbi) would weigh the scores of neighbouring words against rules that the network has not learned; read this way the
    figures are those of CoNLL's evaluation for what the network says. A row of a network's outputs is what `prove.tags` says.
    """

    name = "token labels"
    kind = "tags"
    reads = "tokens"
    default_metric = "span_f1"
    judged: tuple[str, ...] = ("token_log_loss", "token_accuracy")
    solver: Any = Trained()
    head = "tags"
    floor_name = "the most frequent tag of each word, of unknown ones by shape and ending"
    calibrated_by = "temperature"
    guess_name = "always the most frequent tag"
    left_out = "labels {share:.1%} of {count} training texts"
    is_right_or_wrong = True
    panels: tuple[str, ...] = ("types", "labelled")
    most_validated: int | None = 1000
    """So many texts tell settings apart; a sentence is short."""
    most_in_batch = 8
    """Every word is told, so that few texts make a step, and a head that begins with nothing needs many steps."""

    def outputs(self, classes: Sequence[str]) -> int:
        """One per tag."""
        return max(2, len(classes))

    def encode(
        self, labels: Sequence[tuple[str, ...]], classes: Sequence[str], examples: Iterable[Any] = ()
    ) -> np.ndarray:
        """What is right for each example (N, objects of `TrueTags`)."""
        number, all_classes = {tag: place for place, tag in enumerate(classes)}, tuple(classes)
        targets = np.empty(len(labels), dtype=object)
        for row, tags in enumerate(labels):
            targets[row] = TrueTags(tuple(number[tag] for tag in tags), all_classes)
        return targets

    def knows(self, labels: tuple[str, ...], classes: Sequence[str]) -> bool:
        """Whether all are tags of the training data."""
        return set(classes).issuperset(labels)

    def reading(self, backbone: Backbone) -> Backbone:
        """The network reading words in windows; raises ModelError where it reads no texts."""
        whole = getattr(backbone.preprocess, "whole", backbone.preprocess)
        if not isinstance(whole, TextPreprocess):
            raise ModelError(f"{backbone.card.name}: reads no texts. Use a text model.")
        most = min(int(whole.tokenizer.model_max_length), positions(backbone.net) or LONGEST)
        return with_preprocess(backbone, WordPreprocess.over(whole, most, by_last=sees_nothing_ahead(backbone)))

    def aims(self, targets: np.ndarray) -> np.ndarray:
        """The tag of each word (n × words of the longest text), NO_WORD where there is none."""
        aims = np.full((len(targets), max((len(one.tags) for one in targets), default=0)), NO_WORD, dtype=np.int64)
        for row, one in enumerate(targets):
            aims[row, : len(one.tags)] = one.tags
        return aims

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Which types of spans occur (n × T)."""
        types = type_names(targets[0].classes) if len(targets) else ()
        place = {kind: number for number, kind in enumerate(types)}
        held = np.zeros((len(targets), max(1, len(types))), dtype=np.int64)
        for row, one in enumerate(targets):
            held[row, [place[kind] for _, _, kind in one.spans]] = 1
        return held

    def floor(self, examples: Iterable[Any]) -> np.ndarray | None:
        """None: see `learned_floor`."""
        return None

    def learned_floor(self, learned: Iterable[Any], targets: np.ndarray, asked: Iterable[Any]) -> np.ndarray:
        """Rows of what counting says of the texts `asked`: each word's most frequent tag in the texts `learned`; of an unknown word that of words of
        its shape and ending, else that of its shape.
        """
        counts: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
        for text, one in zip(learned, targets, strict=True):
            for word, tag in zip(words_of(text), one.tags, strict=True):
                for key in keys(word):
                    counts[key][tag] += 1
        usual = counts[()].most_common(1)[0][0]
        best = {key: found.most_common(1)[0][0] for key, found in counts.items()}
        texts = map(words_of, asked)
        rows = [row_of([next((best[key] for key in keys(word) if key in best), usual) for word in text]) for text in texts]
        return np.stack(rows)

    def objective(self, targets: np.ndarray) -> Objective:
        """Mean cross-entropy over the words of a batch, in nats."""
        from torch.nn.functional import cross_entropy

        def loss(scores_BWK: Tensor, aims_BL: Tensor) -> Tensor:
            aims_BW = aims_BL[:, : scores_BWK.shape[1]]
            # What the tokenizer makes nothing of cannot be learnt.
            aims_BW = aims_BW.masked_fill(scores_BWK.detach()[..., 1] <= NOTHING / 2, NO_WORD)
            count = (aims_BW != NO_WORD).sum().clamp_min(1)
            return cross_entropy(scores_BWK.float().flatten(0, 1), aims_BW.flatten(), reduction="sum", ignore_index=NO_WORD) / count

        return loss

    def units(self, targets: np.ndarray) -> Units | None:
        """Scores are what they are."""
        return None

    def guess(self, targets: np.ndarray, outputs: int, count: int) -> np.ndarray:
        """The most frequent tag for every word."""
        numbers, times = np.unique(np.concatenate([one.tags for one in targets]), return_counts=True)
        return np.tile(row_of(np.full(WORDS, numbers[times.argmax()]), np.log(times.max() / times.sum())), (count, 1))

    def calibrate(self, logits_NK: np.ndarray, targets: np.ndarray) -> float:
        """One: probabilities of tags are left as they are."""
        return 1.0

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """The rows."""
        return np.asarray(logits_NK, dtype=np.float64)

    def said(self, logits_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The rows, whatever the targets."""
        return self.probabilities(logits_NK)

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """The numbers of the tags (N × WORDS), from 1."""
        return probabilities_NK[:, :WORDS].astype(np.int64)

    def correct(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether all spans of each text are right, and none beside."""
        return self.answers(targets, probabilities_NK).correct_N

    def worth(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether all spans of each text are right."""
        return self.correct(probabilities_NK, targets)

    def merits(self, logits_NK: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """Minus the wrong spans of each text, and the log of the probability of its true tags."""
        found = self.answers(targets, self.probabilities(logits_NK))
        return [found.gained_N, -found.nats_N]

    def places(self, targets: np.ndarray) -> None:
        """A text has any number of labels."""

    def names(self, decided: np.ndarray, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """The types of the spans of each text, in their order."""
        tags = ([classes[number - 1] for number in row.tolist() if number] for row in decided)
        return [tuple(kind for _, _, kind in spans_of(one)) for one in tags]

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> TagAnswers:
        """What the tags are worth, as the metrics want them."""
        return judged(targets.tolist(), probabilities_NK)


def keys(word: str) -> list[tuple[str, ...]]:
    """What a word is counted under, the most telling first: itself, its shape with its ending, its shape, and what all words share."""
    shape = "".join("X" if sign.isupper() else "x" if sign.isalpha() else "9" if sign.isdigit() else sign for sign in word)
    short = "".join(sign for place, sign in enumerate(shape) if place == 0 or shape[place - 1] != sign)
    return [("word", word), ("ending", short, word[-3:].lower()), ("shape", short), ()]
