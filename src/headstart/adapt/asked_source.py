"""What a network still knows of its source: how surprising texts of the source's domain are to it, by the head that it was pre-trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from headstart.adapt.pretraining.measure import losses_of
from headstart.adapt.pretraining.reading import Marks, teller
from headstart.adapt.pretraining.telling import Telling, telling_of
from headstart.adapt.pretraining.tokens import Listed
from headstart.data.passages import SetAside, cut_up, documents
from headstart.errors import DataError, ModelError
from headstart.files import read_json, sha256_file
from headstart.models.backbone import Backbone
from headstart.prove.losses import Losses, losses
from headstart.runtime import generator, random_state_kept

MOST, CHARACTERS, LONGEST = 32, 1000, 256
"""Texts in a sample, characters of each at most, and tokens in a sequence."""
SAMPLE_FILE = "source-sample.json"
"""The file beside a source card that holds a sample of what its model did not learn from, but might have."""


@dataclass(frozen=True, slots=True)
class SourceTexts:
    """A sample of a source's domain: what it is called, and its texts."""

    name: str
    texts: tuple[str, ...]


def sample_of(source: str | Path) -> SourceTexts:
    """Evenly spaced pieces of the texts in a file or folder; raises DataError where there is none."""
    pieces = [
        piece
        for document in documents(source)
        if not isinstance(document, SetAside)
        for piece in cut_up(document.text, CHARACTERS, joined=True)
    ]
    if not pieces:
        raise DataError(f"--source-sample {source}: no usable text. Give a file or folder of texts.")
    return SourceTexts(Path(source).name, tuple(evenly(pieces)))


def evenly(pieces: Sequence[str]) -> list[str]:
    """At most MOST of them, from all over."""
    places = np.unique(np.linspace(0, len(pieces) - 1, min(MOST, len(pieces))).round().astype(int))
    return [pieces[int(place)][:CHARACTERS] for place in places]


def carried_sample(backbone: Backbone) -> SourceTexts | None:
    """The sample that the source card names, from the checkpoint's folder; None where there is none, or the file is gone.

    Raises ModelError for a file that is not the one on the card.
    """
    told, folder = backbone.card.pretraining.get("sample"), getattr(backbone, "folder", None)
    path = folder / told["file"] if told is not None and folder is not None else None
    if path is None or not path.is_file():
        return None
    if told is not None and sha256_file(path) != told["sha256"]:
        raise ModelError(f"{path}: not the sample that card.json names (another SHA-256). Get the folder again, or remove the file.")
    return SourceTexts(f"held-out texts of {', '.join(backbone.card.data) or 'its sources'}", tuple(read_json(path)))


class SourceAsker:
    """Asks networks of one architecture the same tokens of the same texts."""

    def __init__(self, telling: Telling, sample: SourceTexts) -> None:
        """By the head of `telling`, which was saved with the checkpoint."""
        self.sample, self.objective = sample, telling.objective
        self._telling, self._own = telling, telling.net.base_model
        longest = min(LONGEST, telling.whole.max_length)
        self._sequences = Listed(sample.texts, telling.fast, telling.around, longest)

    @classmethod
    def of(cls, backbone: Backbone, sample: SourceTexts) -> SourceAsker:
        """For a backbone as it was pre-trained; raises ModelError where it has no head that could be asked."""
        with random_state_kept():
            telling = telling_of(backbone)
        if not telling.is_saved:
            raise ModelError(f"{backbone.card.name}: has no head for tokens that could be asked what it forgot.")
        return cls(telling, sample)

    def before(self) -> Losses:
        """What the source says itself."""
        return self.after(self._own)

    def after(self, base: nn.Module, tokens_VD: Tensor | None = None) -> Losses:
        """What another network of its architecture says, for each text; `tokens_VD` where it has learned what states are compared with.

        Of a masked model the bytes are those of the hidden tokens. The network is left as it is, in eval mode or not.
        """
        own_VD, training = self._telling.tokens_VD().detach(), base.training
        self._telling.stand_on(base, tokens_VD)
        told, rng = teller(Marks.of(self._telling.tokenizer), self.objective), generator(0, "source sample")
        device = next(base.parameters()).device
        try:
            rows_N3 = losses_of(
                self._telling.net, self._sequences, lambda rows: told(self._sequences, rows, rng), self.sample.texts,
                self._telling.fast, self._telling.around, self.objective, device,
            )  # fmt: skip
        finally:
            base.train(training)
            self._telling.stand_on(self._own, own_VD)
        return losses(rows_N3)
