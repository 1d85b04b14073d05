"""A head that finds an answer in its text: for each word how well an answer begins and ends there, and how well there is none."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.models.backbone import WINDOWS, Backbone, States
from headstart.models.windows import NONE_AT, WORD_FIRST, WORD_LAST, WORD_WINDOW
from headstart.prove.spans import BEST, LONGEST, NOTHING, ROW


class InFloat32(nn.Linear):
    """A linear layer that is not put into half precision, which tells neighbouring words apart too little."""

    in_float32 = True


class SpanHead(nn.Module):
    """Two scores for each token, of weights that are zeros at first: every word is as likely to begin an answer, and to end one.

    Devlin et al. 2019, section 4.2, but with one softmax over all windows of a context together (Clark and Gardner 2018, section 3.3), so that
    scores of different windows mean the same; "no answer" is as likely as the window says that finds it least likely.
    """

    kind: ClassVar[str] = "spans"
    reads: ClassVar[str] = "tokens"
    starts_trained: ClassVar[bool] = False

    def __init__(self, width: int, classes: int) -> None:
        """For D = `width` features of a token; `classes` is 2, begin and end."""
        super().__init__()
        self.in_features, self.out_features = width, classes
        self.score = InFloat32(width, classes)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    @property
    def row_width(self) -> int:
        """The numbers of `prove.spans`."""
        return ROW

    @classmethod
    def start(cls, backbone: Backbone, outputs: int) -> SpanHead:
        """Zeros for the states of the backbone's tokens."""
        return cls(backbone.width, outputs)

    def describe(self) -> dict[str, Any]:
        """Its size."""
        return {"width": self.in_features, "classes": self.out_features}

    def forward(self, seen: States) -> Tensor:
        """Scores (B, 1 + W, 2) of "no answer" and of the W words, as begin and as end; NOTHING where there is no word."""
        with torch.autocast(seen.hidden_VTD.device.type, enabled=False):
            scores_VT2: Tensor = self.score(seen.hidden_VTD.float())
        batch, tokens = seen.inputs, scores_VT2.shape[1]
        scores_P2 = scores_VT2.reshape(-1, 2)
        before_B1 = (batch[WINDOWS].cumsum(0) - batch[WINDOWS])[:, None]

        def at(windows: Tensor, places: Tensor, column: int) -> Tensor:
            return scores_P2[((before_B1 + windows) * tokens + places).clamp_min(0), column]

        window_BW, is_word_BW = batch[WORD_WINDOW], batch[WORD_WINDOW] >= 0
        begin_BW, end_BW = at(window_BW, batch[WORD_FIRST], 0), at(window_BW, batch[WORD_LAST], 1)
        words_BW2 = torch.stack([begin_BW, end_BW], -1).masked_fill(~is_word_BW[..., None], NOTHING)
        each_1Z = torch.arange(batch[NONE_AT].shape[1], device=window_BW.device)[None]
        lacking_BZ1 = (batch[NONE_AT] < 0)[..., None]
        each_1Z = each_1Z.expand_as(batch[NONE_AT]).masked_fill(lacking_BZ1[..., 0], 0)
        none_BZ2 = torch.stack([at(each_1Z, batch[NONE_AT], column) for column in range(2)], -1)
        none_B2 = none_BZ2.masked_fill(lacking_BZ1, -NOTHING).amin(1)
        return torch.cat([none_B2[:, None], words_BW2], 1)

    def kept(self, scores_BS2: Tensor) -> Tensor:
        """Rows (B, ROW): the log probability of "no answer", then those of the best spans of at most LONGEST words, with their words."""
        logs_BS2 = functional.log_softmax(scores_BS2.float(), 1)
        begin_BW, end_BW = logs_BS2[:, 1:, 0], logs_BS2[:, 1:, 1]
        ends_BWR = functional.pad(end_BW, (0, LONGEST - 1), value=NOTHING).unfold(1, LONGEST, 1)
        scores_BP = (begin_BW[..., None] + ends_BWR).flatten(1)
        scores_BK, places_BK = scores_BP.topk(min(BEST, scores_BP.shape[1]), 1)
        first_BK = places_BK // LONGEST + 1
        found_BK3 = torch.stack([scores_BK, first_BK.float(), (first_BK + places_BK % LONGEST).float()], -1)
        is_span_BK = scores_BK > NOTHING / 2
        nothing = torch.tensor([NOTHING, 0.0, 0.0], device=scores_BK.device)
        found_BK3 = torch.where(is_span_BK[..., None], found_BK3, nothing)
        short = BEST - found_BK3.shape[1]
        if short:
            found_BK3 = torch.cat([found_BK3, nothing.expand(len(found_BK3), short, 3)], 1)
        return torch.cat([logs_BS2[:, 0].sum(1, keepdim=True).clamp_min(NOTHING), found_BK3.flatten(1)], 1)
