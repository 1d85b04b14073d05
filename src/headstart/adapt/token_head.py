"""A head that labels words: of each the score of every tag, read off the state of the token that speaks for it."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.adapt.span_head import InFloat32
from headstart.models.backbone import WINDOWS, Backbone, States
from headstart.models.windows import WORD_WINDOW
from headstart.models.word_windows import WORD_AT
from headstart.prove.spans import NOTHING
from headstart.prove.tags import ROW, WORDS


class TokenHead(nn.Module):
    """A score for each of K tags (Devlin et al. 2019, section 5.3), of weights that are zeros at first: every tag is as likely."""

    kind: ClassVar[str] = "tags"
    reads: ClassVar[str] = "tokens"
    starts_trained: ClassVar[bool] = False

    def __init__(self, width: int, classes: int) -> None:
        """For D = `width` features of a token and K `classes`."""
        super().__init__()
        self.in_features, self.out_features = width, classes
        self.score = InFloat32(width, classes)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    @property
    def row_width(self) -> int:
        """The numbers of `prove.tags`."""
        return ROW

    @classmethod
    def start(cls, backbone: Backbone, outputs: int) -> TokenHead:
        """Zeros for the states of the backbone's tokens."""
        return cls(backbone.width, outputs)

    def describe(self) -> dict[str, Any]:
        """Its size."""
        return {"width": self.in_features, "classes": self.out_features}

    def forward(self, seen: States) -> Tensor:
        """Scores (B, W, K) of the words' tags; where no token stands for a word the first tag is all there is, and the others are NOTHING, as all are
        where there is no word.
        """
        batch, tokens = seen.inputs, seen.hidden_VTD.shape[1]
        before_B1 = (batch[WINDOWS].cumsum(0) - batch[WINDOWS])[:, None]
        at_BW = ((before_B1 + batch[WORD_WINDOW]) * tokens + batch[WORD_AT]).clamp_min(0)
        with torch.autocast(seen.hidden_VTD.device.type, enabled=False):
            scores_BWK: Tensor = self.score(seen.hidden_VTD.flatten(0, 1)[at_BW].float())
        nothing_BWK = torch.full_like(scores_BWK, NOTHING)
        nothing_BWK[..., 0].masked_fill_(batch[WORD_AT] >= 0, 0.0)
        return torch.where((batch[WORD_WINDOW] >= 0)[..., None], scores_BWK, nothing_BWK)

    def kept(self, scores_BWK: Tensor) -> Tensor:
        """Rows (B, ROW): the number of each word's most probable tag, from 1, and the log of its probability; zeros where there is no word."""
        logs_BW, tags_BW = functional.log_softmax(scores_BWK.float(), -1).max(-1)
        room, is_word_BW = WORDS - scores_BWK.shape[1], scores_BWK.amax(-1) > NOTHING / 2
        parts = ((tags_BW + 1.0) * is_word_BW, logs_BW * is_word_BW)
        return torch.cat([functional.pad(part, (0, room)) for part in parts], 1)
