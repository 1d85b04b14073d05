"""What moves when weights move: stages from a cut on, normalisations, biases, or low-rank additions to every layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import nn

from headstart.adapt.network import freeze_below
from headstart.adapt.space import Choice, Settings, Space
from headstart.errors import ModelError
from headstart.models.backbone import Backbone, Inputs


class Mover(Protocol):
    """Says which weights of a backbone move; stateless."""

    @property
    def space(self) -> Space:
        """What can be tuned about it."""
        ...

    def set(self, settings: Settings) -> Mover:
        """The same with what `settings` say of its space."""
        ...

    def first(self, backbone: Backbone) -> int:
        """The first stage in which anything moves; those before it could be computed once."""
        ...

    def release(self, backbone: Backbone, sample: Inputs) -> Any:
        """Freeze all but what moves, adding to the network what has to be added; what `settle` needs.

        Raises ModelError for a network in which nothing of the kind is there to move, or which does not allow the addition:
        `sample`, a batch of a few examples, is passed through to see.
        """
        ...

    def settle(self, released: Any) -> None:
        """Make the network again what it was, with what was learnt merged into its weights."""
        ...


@dataclass(frozen=True, slots=True)
class Stages:
    """The last `share` of the stages."""

    share: float
    shares: tuple[float, ...] = ()
    """Other shares that may be tried."""

    @property
    def space(self) -> Space:
        """The share."""
        return {"share": Choice(self.shares)} if self.shares else {}

    def set(self, settings: Settings) -> Stages:
        """Another share."""
        return replace(self, share=settings.get("share", self.share)) if self.shares else self

    def first(self, backbone: Backbone) -> int:
        """Where the share begins; at least the last stage moves."""
        return min(len(backbone.stages) - 1, round(len(backbone.stages) * (1 - self.share)))

    def release(self, backbone: Backbone, sample: Inputs) -> None:
        """Freeze the stages before."""
        freeze_below(backbone, self.first(backbone))

    def settle(self, released: None) -> None:
        """Nothing was added."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Some parameters of every layer that has them: `of` gives those of one module, `what` names them to people."""

    what: str
    of: Callable[[nn.Module], list[nn.Parameter]]

    @property
    def space(self) -> Space:
        """Nothing to tune."""
        return {}

    def set(self, settings: Settings) -> Parts:
        """Itself."""
        return self

    def first(self, backbone: Backbone) -> int:
        """The first stage that has any."""
        having = (
            number
            for number, stage in enumerate(backbone.stages)
            if any(self.of(part) for module in backbone.stage_modules(stage) for part in module.modules())
        )
        return next(having, 0)

    def release(self, backbone: Backbone, sample: Inputs) -> None:
        """Freeze everything else."""
        backbone.requires_grad_(requires_grad=False)
        parameters = [parameter for module in backbone.net.modules() for parameter in self.of(module)]
        if not parameters:
            raise ModelError(f"{backbone.card.name}: has no {self.what} to move.")
        for parameter in parameters:
            parameter.requires_grad = True

    def settle(self, released: None) -> None:
        """Nothing was added."""


@dataclass(frozen=True, slots=True)
class LowRank:
    """Low-rank additions to all linear layers, and as LoRA to whole convolutions (LoRA, Hu et al. 2022; DoRA, Liu et al. 2024), by peft.

    They start at zero, so that training starts from the source; at the end they are merged into the weights.
    """

    rank: int = 8
    decomposed: bool = False
    """Learn the length of each weight row beside its direction (DoRA)."""

    @property
    def space(self) -> Space:
        """The rank."""
        return {"rank": Choice((4, 8, 16, 32))}

    def set(self, settings: Settings) -> LowRank:
        """Another rank."""
        return replace(self, rank=settings.get("rank", self.rank))

    def first(self, backbone: Backbone) -> int:
        """The first stage."""
        return 0

    def release(self, backbone: Backbone, sample: Inputs) -> Any:
        """Add to every layer; freeze all else."""
        from peft import LoraConfig
        from peft.tuners.lora import LoraModel

        added = {path: module for path, module in backbone.net.named_modules() if self._is_added_to(module)}
        if not added:
            raise ModelError(f"{backbone.card.name}: has no linear layer to add to.")
        backbone.requires_grad_(requires_grad=False)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=2 * self.rank,
            target_modules=list(added),
            use_dora=self.decomposed,
            fan_in_fan_out=all(_is_transposed(module) for module in added.values()),
        )
        try:
            released = LoraModel(backbone.net, config, "default")
            with torch.no_grad():
                backbone(sample)
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{backbone.card.name}: low-rank additions do not fit into it ({error}).") from error
        return released

    def settle(self, released: Any) -> None:
        """Merge the additions."""
        released.merge_and_unload()

    def _is_added_to(self, module: nn.Module) -> bool:
        whole = isinstance(module, nn.Conv2d) and module.groups == 1
        # Row lengths of convolutions, whose memory is channels-last here, are more than peft takes.
        return isinstance(module, nn.Linear) or _is_transposed(module) or (whole and not self.decomposed)


def _of_norms(module: nn.Module) -> list[nn.Parameter]:
    is_leaf = not any(True for _ in module.children())
    is_norm = is_leaf and "norm" in type(module).__name__.lower()
    return list(module.parameters(recurse=False)) if is_norm else []


def _bias(module: nn.Module) -> list[nn.Parameter]:
    bias = getattr(module, "bias", None)
    return [bias] if isinstance(bias, nn.Parameter) else []


NORMS = Parts("normalisation layer with weights", _of_norms)
"""Scales and shifts of normalisation layers (Frankle et al. 2021)."""
BIASES = Parts("biases", _bias)
"""Biases of all layers, shifts of normalisations among them (BitFit, Ben Zaken et al. 2022)."""


def _is_transposed(module: nn.Module) -> bool:
    """Whether it is one of GPT-2's linear layers, which hold their weights the other way round."""
    return type(module).__name__ == "Conv1D"
