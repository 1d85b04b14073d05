"""A network of the user's own, with his own preparation of examples, as a backbone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from headstart.errors import ModelError, OptionError
from headstart.files import sha256_text
from headstart.models.backbone import Backbone, Inputs, Stage
from headstart.models.card import SourceCard
from headstart.models.cut import cut, watch
from headstart.models.image_backbone import mean_of_maps

Prepare = Callable[[Any], Any]
"""From a PIL image (RGB) or a text to an array or tensor without a batch dimension, of the same shape each time."""


class ModulePreprocess:
    """Calls the user's `prepare`; its arrays are stacked to a batch. Integer ids of texts are padded with zeros."""

    def __init__(self, prepare: Prepare, *, name: str, modality: str) -> None:
        """`name` stands for the preparation where features are kept: use another one when the code changes."""
        self._prepare, self._name, self._modality = prepare, name, modality

    def prepare(self, raw: Any) -> np.ndarray:
        """One example as an array."""
        made = self._prepare(raw)
        return made.detach().cpu().numpy() if isinstance(made, Tensor) else np.asarray(made)

    def collate(self, prepared: Sequence[Any]) -> Inputs:
        """A batch: the stacked arrays, or for texts `input_ids` with an `attention_mask` (B, T)."""
        if self._modality == "image":
            return torch.from_numpy(np.stack(prepared))
        width = max(1, *map(len, prepared))
        ids_BT = np.zeros((len(prepared), width), dtype=np.int64)
        mask_BT = np.zeros((len(prepared), width), dtype=np.int64)
        for row, ids in enumerate(prepared):
            ids_BT[row, : len(ids)], mask_BT[row, : len(ids)] = ids, 1
        return {"input_ids": torch.from_numpy(ids_BT), "attention_mask": torch.from_numpy(mask_BT)}

    def cost(self, prepared: Any) -> int:
        """1 for pictures, the number of tokens for texts."""
        return 1 if self._modality == "image" else max(1, len(prepared))

    def to_dict(self) -> dict[str, Any]:
        """The name under which the user knows it; code has no description."""
        return {
            "module": self._name,
            "prepare": getattr(self._prepare, "__qualname__", type(self._prepare).__qualname__),
        }


class ModuleBackbone(Backbone):
    """A backbone around an `nn.Module` of the user's own that gives features (B, D), or states (B, T, D) of texts."""

    preprocess: ModulePreprocess

    def __init__(
        self,
        net: nn.Module,
        *,
        preprocess: ModulePreprocess,
        card: SourceCard,
        sample: Any,
        stages: Sequence[Stage] | None,
        build: Callable[[], nn.Module] | None,
    ) -> None:
        """Use `from_module`."""
        super().__init__()
        self.net, self.preprocess, self.card = net.eval(), preprocess, card
        self._build, self._sample = build, sample
        if stages is not None:
            self.stages = tuple(stages)
            return
        inputs = preprocess.collate([sample])
        self.stages = cut(self.net, lambda: self(inputs), lambda output: self._pool(output, inputs))

    def forward(self, inputs: Inputs) -> Tensor:
        """The module's features (B, D)."""
        if isinstance(inputs, dict):
            output = self.net(inputs["input_ids"], inputs["attention_mask"])
        else:
            weight = next(parameter for parameter in self.net.parameters() if parameter.ndim > 1)
            output = self.net(inputs.to(weight.dtype) if inputs.is_floating_point() else inputs)
        if not isinstance(output, Tensor) or output.ndim not in (2, 3):
            raise ModelError(
                f"{self.card.name}: its forward must return features of shape (B, D), or (B, T, D) for texts. Take its head off."
            )
        return self._pool(output, inputs)

    def stage_features(self, inputs: Inputs, only: Sequence[int] | None = None) -> list[Tensor]:
        """Pooled features after every stage."""
        with watch(self.net, self.stages, lambda output: self._pool(output, inputs), only) as seen:
            last = self(inputs)
        return [*(seen[number] for number in sorted(seen)), last]

    def describe(self) -> dict[str, Any]:
        """Its name alone: the code is the user's."""
        return {"family": "module", "name": self.card.name, "card": self.card.to_dict()}

    def twin(self) -> ModuleBackbone:
        """Random weights: from `build`, else by every module's own `reset_parameters`.

        Raises ModelError where neither reaches all parameters.
        """
        net = self._build() if self._build is not None else _reset(copy.deepcopy(self.net), self.card.name)
        return ModuleBackbone(
            net,
            preprocess=self.preprocess,
            card=self.card.random_twin(),
            sample=self._sample,
            stages=self.stages,
            build=self._build,
        )

    def _pool(self, output: Tensor, inputs: Inputs) -> Tensor:
        if output.ndim == 4:
            return mean_of_maps(output)
        if output.ndim == 3 and isinstance(inputs, dict):
            mask_BT1 = inputs["attention_mask"][..., None].to(output.dtype)
            return (output * mask_BT1).sum(1) / mask_BT1.sum(1)
        return output.mean(1) if output.ndim == 3 else output.flatten(1)


def from_module(
    net: nn.Module,
    *,
    prepare: Prepare,
    modality: Literal["image", "text"] = "image",
    name: str = "my model",
    stages: Sequence[Sequence[str]] | None = None,
    build: Callable[[], nn.Module] | None = None,
) -> Backbone:
    """Use a network of one's own as a backbone.

    `net` gives features (B, D) of a batch, its head taken off; for texts it is called with `input_ids` and
    `attention_mask` and may give (B, T, D). `prepare` makes one example ready: a PIL image (RGB) to an array as `net`
    takes it, normalised; a text to a list of token ids. `stages` names the paths of modules, stage by stage, from input to output;
    without it the network is cut by its structure. `build` makes the same network with random weights, for the
    controls; without it every module's `reset_parameters` is called. Raises ModelError for a network that gives no
    features, OptionError for stages that leave parameters out.
    """
    sample: Any = _sample(prepare, modality)
    card = SourceCard(
        spec=name,
        name=name,
        modality=modality,
        family="module",
        architecture=type(net).__name__,
        parameters=sum(parameter.numel() for parameter in net.parameters()),
    )
    preprocess = ModulePreprocess(prepare, name=f"{name} {sha256_text(repr(net))[:12]}", modality=modality)
    ready = preprocess.prepare(sample)
    if stages is None:
        return ModuleBackbone(net, preprocess=preprocess, card=card, sample=ready, stages=None, build=build)
    drafts = [Stage(paths[-1] if paths else str(number), tuple(paths), 0) for number, paths in enumerate(stages)]
    _check_cover(net, drafts)
    backbone = ModuleBackbone(net, preprocess=preprocess, card=card, sample=ready, stages=drafts, build=build)
    with torch.no_grad():
        widths = [features.shape[1] for features in backbone.stage_features(preprocess.collate([ready]))]
    backbone.stages = tuple(
        Stage(draft.name, draft.modules, width) for draft, width in zip(drafts, widths, strict=True)
    )
    return backbone


def _sample(prepare: Prepare, modality: str) -> Any:
    if modality == "text":
        return "one short text"
    from PIL import Image

    return Image.new("RGB", (64, 48), (127, 127, 127))


def _check_cover(net: nn.Module, stages: Sequence[Stage]) -> None:
    known = dict(net.named_modules())
    unknown = [path for stage in stages for path in stage.modules if path not in known]
    if unknown:
        raise OptionError(
            f"stages: the network has no module '{unknown[0]}'. Choose from: {', '.join(list(known)[1:9])}, …."
        )
    covered = {id(parameter) for stage in stages for path in stage.modules for parameter in known[path].parameters()}
    left = [name for name, parameter in net.named_parameters() if id(parameter) not in covered]
    if left:
        raise OptionError(
            f"stages: {len(left)} parameters are in none of them ({', '.join(left[:3])}). Name their modules too."
        )


def _reset(net: nn.Module, name: str) -> nn.Module:
    for module in net.modules():
        reset = getattr(module, "reset_parameters", None)
        own = [key for key, _ in module.named_parameters(recurse=False)]
        if callable(reset):
            reset()
        elif own:
            raise ModelError(
                f"{name}: {type(module).__name__} has parameters ({own[0]}) and no reset_parameters. Give from_module(build=...) for a random twin."
            )
    return net
