"""What a backbone is to the rest of the house: preprocessing, ordered stages, pooled features, a source card."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from headstart.errors import ModelError
from headstart.files import write_json
from headstart.models.card import SourceCard
from headstart.models.source_head import SourceHead

Inputs = Tensor | dict[str, Tensor]
"""A collated batch: uint8 images (B, 3, H, W), or a dict of token tensors (B, T)."""

WINDOWS = "windows"
"""The key in a batch of texts under which stands how many windows each example has (B). Tensors of windows (V, T) then have all those of
the first example first, V being the sum; the others have a row for each example."""
WINDOWED = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
"""The tensors of windows, and all that a network is given of a batch; the rest is for a head that reads tokens."""


@dataclass(frozen=True, slots=True)
class States:
    """What a head sees that reads single tokens: their states (V, T, D) in each window, where there is a token (V, T), and the whole
    batch, with the ids and whatever a preprocessing puts beside them.
    """

    hidden_VTD: Tensor
    mask_VT: Tensor
    inputs: Mapping[str, Tensor]


class Preprocess(Protocol):
    """From one decoded example (PIL image, text, pair of texts) to network inputs, as the checkpoint says."""

    def prepare(self, raw: Any) -> Any:
        """One decoded example made ready: a uint8 array (H, W, 3), or token ids. Thread-safe, deterministic."""
        ...

    def collate(self, prepared: Sequence[Any]) -> Inputs:
        """Several prepared examples as one batch, padded where needed."""
        ...

    def cost(self, prepared: Any) -> int:
        """How much compute one prepared example takes, relative to others (token count; 1 for images)."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description, part of every content address and of the run folder."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the ordered cuts through a backbone: its name, the paths of its modules, the width of its features.

    Parameters that hang on a module which only wraps others (a class token, an embedding of positions) have no
    module of their own: the path of the wrapper, '' for the whole network, then stands in the first stage for
    just those. Going through the stages in order and setting each one's modules therefore ends right.
    """

    name: str
    modules: tuple[str, ...]
    width: int


class Backbone(nn.Module, ABC):
    """A pre-trained network without its task head, cut into ordered stages.

    Parameters of the network live under `self.net`; `stages` run from the input to the output and together cover
    every parameter of it; normalisation of uint8 images happens inside `forward`, on the device.
    """

    card: SourceCard
    preprocess: Preprocess
    stages: tuple[Stage, ...]
    net: nn.Module
    source_head: SourceHead | None = None
    """The classifier it was pre-trained with, where the checkpoint has one that reads its features."""

    @property
    def width(self) -> int:
        """The number D of features that `forward` gives."""
        return self.stages[-1].width

    @abstractmethod
    def forward(self, inputs: Inputs) -> Tensor:
        """The network's own pooled features (B, D), as its family's own pipeline computes them before the head."""

    def states(self, inputs: Inputs) -> States:
        """The last layer's states of single tokens; raises ModelError for a network that has none."""
        raise ModelError(f"{self.card.name}: gives no states per token. Use a text model.")

    def padded_states(self, inputs: Inputs) -> States:
        """The same, each row of the batch passed by itself, as a pass that goes on from a cut needs it."""
        return self.states(inputs)

    @abstractmethod
    def stage_features(self, inputs: Inputs, only: Sequence[int] | None = None) -> list[Tensor]:
        """Pooled features after every stage, each (B, width of the stage); the last equals `forward`.

        With `only` those of the stages with these numbers, ascending, the last stage among them: pooling takes time.
        """

    def width_of(self, stages: Sequence[int] | None) -> int:
        """The number of features of the stages with these numbers together; None: of `forward`."""
        return self.width if stages is None else sum(self.stages[number].width for number in stages)

    def side_by_side(self, inputs: Inputs, stages: Sequence[int]) -> Tensor:
        """Pooled features (B, ΣD) of the stages with these numbers, ascending, from one pass."""
        last = len(self.stages) - 1
        parts = self.stage_features(inputs, stages if last in stages else (*stages, last))
        return torch.cat([part.float() for part in parts[: len(stages)]], 1)

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """What `rebuild` needs to make this network again without its original weights; JSON-ready."""

    @abstractmethod
    def twin(self) -> Backbone:
        """The same architecture and preprocessing with fresh random weights, as its family initialises them.

        Draws from torch's global generator; the caller seeds it.
        """

    def narrowed(self, tokens: np.ndarray) -> AbstractContextManager[None]:
        """While it lasts, batches hold no other token ids than `tokens`, and the network may make use of that."""
        return nullcontext()

    def save_preprocessing(self, folder: Path) -> None:
        """Write what `rebuild` needs beside `describe` into `folder`; here the description for people to read."""
        write_json(folder / "preprocess.json", self.preprocess.to_dict())

    def stage_modules(self, stage: Stage) -> list[nn.Module]:
        """The modules of `stage`."""
        return [self.net.get_submodule(path) for path in stage.modules]
