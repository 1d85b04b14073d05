"""An answer that stands in its text, or none: extractive question answering."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.spans import answer_of
from headstart.errors import ModelError
from headstart.models.backbone import Backbone
from headstart.models.sentence import positions
from headstart.models.text_preprocess import TextPreprocess
from headstart.models.windows import LONGEST as LONGEST_WINDOW
from headstart.models.windows import WindowPreprocess
from headstart.prove.spans import LONGEST, NOTHING, Right, Spans, best_threshold, chosen, judged, no_answer
from headstart.prove.words import edges
from headstart.tasks.trained import Trained
from headstart.tasks.whole import with_preprocess

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.tasks.base import Objective, Units

NEAR = 10
"""Words to either side of a candidate that the floor compares with the question."""


class QuestionAnswering:
    """Spans of the context with their log probabilities, and "no answer" with a threshold chosen on validation.

    A row of a network's outputs is what `prove.spans` says. Words are those of `prove.words`, whatever the tokenizer: a backbone's
    preprocessing says where each of them stands among its tokens.
    """

    name = "question answering"
    kind = "span"
    reads = "qa"
    default_metric = "f1"
    judged: tuple[str, ...] = ("answer_log_loss", "exact_match")
    solver: Any = Trained()
    head = "spans"
    floor_name = "the words beside those of the question"
    calibrated_by = "threshold"
    guess_name = "never an answer"
    left_out = "answers {share:.1%} of {count} training questions"
    is_right_or_wrong = True
    panels: tuple[str, ...] = ("answers",)
    most_validated: int | None = 200
    """So many questions tell settings apart; reading more of their contexts takes the time from training."""
    most_in_batch = 8
    """A context is hundreds of tokens, and a head that begins with nothing needs many steps rather than large ones."""

    def outputs(self, classes: Sequence[str]) -> int:
        """Two: begin and end."""
        return 2

    def encode(
        self, labels: Sequence[tuple[str, ...]], classes: Sequence[str], examples: Iterable[Any] = ()
    ) -> np.ndarray:
        """What is right for each example (N, objects of `Right`), from its answers and its context."""
        targets = np.empty(len(labels), dtype=object)
        for row, (written, (_, context)) in enumerate(zip(labels, examples, strict=True)):
            answers = [answer_of(one) for one in written]
            texts = tuple(dict.fromkeys(text for text, _ in answers))
            targets[row] = Right(context, texts, words_at(context, *answers[0]) if answers else (0, 0))
        return targets

    def knows(self, labels: tuple[str, ...], classes: Sequence[str]) -> bool:
        """Whether they are answers with their places."""
        return all(re.search(r" @\d+$", one) for one in labels)

    def reading(self, backbone: Backbone) -> Backbone:
        """The network reading windows of question and context; raises ModelError where it has no text to read."""
        whole = getattr(backbone.preprocess, "whole", backbone.preprocess)
        if not isinstance(whole, TextPreprocess):
            raise ModelError(f"{backbone.card.name}: reads no texts. Use a text model.")
        # Not `whole.max_length`: how much of a text a sentence encoder reads is no limit of its network.
        most = min(int(whole.tokenizer.model_max_length), positions(backbone.net) or LONGEST_WINDOW)
        return with_preprocess(backbone, WindowPreprocess.over(whole, most))

    def aims(self, targets: np.ndarray) -> np.ndarray:
        """First and last word of the answer (n × 2), from 1; zeros where there is none."""
        return np.array([one.aim for one in targets], dtype=np.int64).reshape(-1, 2)

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Whether there is an answer (n)."""
        return np.array([int(bool(one.answers)) for one in targets], dtype=np.int64)

    def floor(self, examples: Iterable[Any]) -> np.ndarray:
        """The words beside those of the question: see `beside`."""
        return np.stack([row_of(beside(question, context)) for question, context in examples])

    def objective(self, targets: np.ndarray) -> Objective:
        """Mean cross-entropy of begin and end, in nats."""
        from torch.nn.functional import cross_entropy

        def loss(scores_BS2: Tensor, aims_B2: Tensor) -> Tensor:
            scores_BS2 = scores_BS2.float()
            # An answer that begins or ends with a sign that the tokenizer leaves out cannot be learnt.
            reached = scores_BS2.detach().gather(1, aims_B2[:, None]).squeeze(1) > NOTHING / 2
            aims_B2 = aims_B2.masked_fill(~reached, -100)
            parts = [
                cross_entropy(scores_BS2[..., end], aims_B2[:, end], reduction="sum", ignore_index=-100) for end in range(2)
            ]
            return (parts[0] + parts[1]) / (2 * len(aims_B2))

        return loss

    def units(self, targets: np.ndarray) -> Units | None:
        """Scores are what they are."""
        return None

    def guess(self, targets: np.ndarray, outputs: int, count: int) -> np.ndarray:
        """Never an answer."""
        return no_answer(count)

    def calibrate(self, logits_NK: np.ndarray, targets: np.ndarray) -> float:
        """The threshold for "no answer" that gives the best F1."""
        return best_threshold(targets.tolist(), logits_NK)

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 0.0) -> np.ndarray:
        """The rows behind the threshold (N, 1 + ROW)."""
        threshold_N1 = np.full((len(logits_NK), 1), temperature, dtype=np.float64)
        return np.concatenate([threshold_N1, np.asarray(logits_NK, dtype=np.float64)], axis=1)

    def said(self, logits_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """At the best threshold for these targets."""
        return self.probabilities(logits_NK, self.calibrate(logits_NK, targets))

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """First and last word of each answer (N × 2), zeros for none."""
        return chosen(probabilities_NK[:, 1:], probabilities_NK[:, 0])

    def correct(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Whether each answer is exactly a right one."""
        exact_N: np.ndarray = self.answers(targets, probabilities_NK).exact_N
        return exact_N

    def worth(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The F1 of each answer."""
        f1_N: np.ndarray = self.answers(targets, probabilities_NK).f1_N
        return f1_N

    def merits(self, logits_NK: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """F1 at the best threshold, and the log of the probability given to right answers."""
        found = self.answers(targets, self.said(logits_NK, targets))
        return [found.f1_N, -found.nats_N]

    def places(self, targets: np.ndarray) -> None:
        """There are no classes."""

    def names(self, decided: np.ndarray, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """The words by their numbers; what they are stands in the text."""
        return [(f"words {first} to {last}",) if first else () for first, last in decided.tolist()]

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> Spans:
        """What the answers are worth, as the metrics want them."""
        return judged(targets.tolist(), probabilities_NK[:, 1:], probabilities_NK[:, 0])


def words_at(context: str, text: str, start: int) -> tuple[int, int]:
    """The first and last word of an answer that begins at the character `start`, counted from 1; a word that is cut in two counts whole."""
    words = edges(context)
    end = start + len(text)
    first = int(np.searchsorted(words[1], start, side="right"))
    last = int(np.searchsorted(words[0], end, side="left")) - 1
    return first + 1, max(first, last) + 1


def row_of(words: tuple[int, int]) -> np.ndarray:
    """A row that is sure of these words."""
    row: np.ndarray = no_answer(1)[0]
    row[:4] = (NOTHING, 0.0, *words)
    return row


def beside(question: str, context: str) -> tuple[int, int]:
    """The first run of words, none of them in the question and no sign among them, that has most words of the question within NEAR words to
    either side, each counted once; first and last word from 1.
    """
    words = [context[begin:end].lower() for begin, end in edges(context).T]
    asked = {question[begin:end].lower() for begin, end in edges(question).T}
    is_asked = [word in asked and word.isalnum() for word in words]
    best, found, begin = -1, (1, 1), None
    for place in range(len(words) + 1):
        inside = place < len(words) and words[place].isalnum() and not is_asked[place]
        if inside and begin is None:
            begin = place
        if begin is not None and (not inside or place - begin == LONGEST):
            around = range(max(0, begin - NEAR), min(len(words), place + NEAR))
            near = len({words[number] for number in around if is_asked[number]})
            if near > best:
                best, found = near, (begin + 1, place)
            begin = place if inside else None
    return found
