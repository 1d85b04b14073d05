"""The next token of a text: a language model that goes on learning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import ModelError
from headstart.models.backbone import Backbone
from headstart.models.language import LONGEST, LanguagePreprocess
from headstart.models.packing import keeps_apart
from headstart.models.sentence import positions
from headstart.models.text_preprocess import TextPreprocess
from headstart.prove.losses import ROW, Losses, losses
from headstart.tasks.ngrams import Counts, rows
from headstart.tasks.trained import Trained
from headstart.tasks.whole import with_preprocess

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.tasks.base import Objective, Units


class LanguageModelling:
    """Causal language modelling: the loss is the mean nats of a token that counts.

    A row of a network's outputs is what `prove.losses` says. There are no labels, the texts themselves are what is told, so targets hold
    nothing: a test text is locked in that nothing learns from it, and that it is judged once, at the end.
    """

    name = "language modelling"
    kind = "language"
    reads = "lm"
    default_metric = "bits_per_byte"
    judged: tuple[str, ...] = ("nats_per_token", "perplexity")
    solver: Any = Trained()
    head = "next token"
    floor_name = "how often each token follows another (Witten-Bell)"
    calibrated_by = "temperature"
    guess_name = "how often each token occurs, with one more of each"
    left_out = "explains {share:.1%} of {count} training texts"
    is_right_or_wrong = False
    panels: tuple[str, ...] = ("samples",)
    most_validated: int | None = 64
    """So many texts, each of hundreds of tokens, tell settings apart; judging more takes the time from training."""
    most_in_batch = 8
    """Every token is told, so that few texts make a step; larger ones leave a small budget with too few."""

    def outputs(self, classes: Sequence[str]) -> int:
        """One: nats."""
        return 1

    def encode(self, labels: Sequence[tuple[str, ...]], classes: Sequence[str], examples: Iterable[Any] = ()) -> np.ndarray:
        """Zeros (N): there is nothing to know beside the text."""
        return np.zeros(len(labels), dtype=np.int64)

    def knows(self, labels: tuple[str, ...], classes: Sequence[str]) -> bool:
        """Whether there is no label."""
        return not labels

    def reading(self, backbone: Backbone) -> Backbone:
        """The network reading texts token by token; raises ModelError where it reads no texts or tells no next token."""
        whole = getattr(backbone.preprocess, "whole", backbone.preprocess)
        if not isinstance(whole, TextPreprocess):
            raise ModelError(f"{backbone.card.name}: reads no texts. Name a causal language model, such as a folder of GPT-2 or Llama, with --model.")
        if getattr(backbone, "next_token_VD", None) is None:
            raise ModelError(
                f"{backbone.card.name}: tells no next token in a way that is known here. Name a causal language model, such as a folder of GPT-2 or Llama, with --model."
            )
        most = min(int(whole.tokenizer.model_max_length), positions(backbone.net) or LONGEST)
        preprocess = LanguagePreprocess.over(whole, most)
        preprocess.packs = keeps_apart(backbone.net, len(whole.tokenizer))
        return with_preprocess(backbone, preprocess)

    def aims(self, targets: np.ndarray) -> np.ndarray:
        """The targets, which nothing looks at."""
        return targets

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """All alike."""
        return targets

    def floor(self, examples: Iterable[Any]) -> np.ndarray | None:
        """None: see `token_floors`."""
        return None

    def token_floors(self, learned: Iterable[Any], asked: Iterable[Any], vocabulary: int) -> Mapping[str, np.ndarray]:
        """Rows of what counting says of the prepared texts `asked`, having seen `learned`."""
        single, paired = rows(asked, Counts(learned, vocabulary))
        return {"floor-majority": single, "floor-classical": paired}

    def objective(self, targets: np.ndarray) -> Objective:
        """Mean nats over all tokens of a batch that count."""

        def loss(rows_B3: Tensor, aims_B: Tensor) -> Tensor:
            return rows_B3[:, 0].sum() / rows_B3[:, 1].sum().clamp_min(1)

        return loss

    def units(self, targets: np.ndarray) -> Units | None:
        """Nats are what they are."""
        return None

    def guess(self, targets: np.ndarray, outputs: int, count: int) -> np.ndarray:
        """Raises TypeError: without the texts there is nothing to guess."""
        raise TypeError("what guessing does is told by `token_floors`")

    def calibrate(self, logits_NK: np.ndarray, targets: np.ndarray) -> float:
        """One: probabilities of tokens are left as they are."""
        return 1.0

    def probabilities(self, logits_NK: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """The rows."""
        return np.asarray(logits_NK, dtype=np.float64)

    def said(self, logits_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The rows, whatever the targets."""
        return self.probabilities(logits_NK)

    def decide(self, probabilities_NK: np.ndarray) -> np.ndarray:
        """Nothing is decided: the rows."""
        return probabilities_NK

    def correct(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """No text is right or wrong."""
        return np.zeros(len(probabilities_NK), dtype=bool)

    def worth(self, probabilities_NK: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Minus the bits of each text, in bits per byte."""
        return -self.answers(targets, probabilities_NK).off_N

    def merits(self, logits_NK: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
        """Minus the bits of each text."""
        return [self.worth(self.probabilities(logits_NK), targets)]

    def places(self, targets: np.ndarray) -> None:
        """There are no classes."""

    def names(self, decided: np.ndarray, classes: Sequence[str]) -> list[tuple[str, ...]]:
        """No names."""
        return [()] * len(decided)

    def answers(self, targets: np.ndarray, probabilities_NK: np.ndarray) -> Losses:
        """Nats, tokens and bytes, as the metrics want them."""
        return losses(np.asarray(probabilities_NK).reshape(-1, ROW))
