"""torchvision models from a safetensors file of their state dict; torchvision itself publishes only pickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torchvision
from torch import Tensor, nn

from headstart.errors import ModelError, ModelNotFound, UnsafeWeights
from headstart.files import read_tensors
from headstart.models.backbone import Stage
from headstart.models.card import SourceCard
from headstart.models.image_backbone import ImageBackbone, pixels_in_words
from headstart.models.image_preprocess import ImagePreprocess
from headstart.models.source_head import find_head
from headstart.models.weights import load_exactly, refuse_pickle, weights_sha256

AUXILIARY = ("aux1", "aux2", "AuxLogits")  # extra classifiers that GoogLeNet and Inception train with


class TorchvisionBackbone(ImageBackbone):
    """A torchvision classifier without its last linear layer, whose input is its features."""

    def __init__(
        self,
        net: nn.Module,
        *,
        recipe: Mapping[str, str],
        preprocess: ImagePreprocess,
        card: SourceCard,
        stages: tuple[Stage, ...] | None = None,
    ) -> None:
        """`recipe` holds the architecture's name and that of the weights whose preprocessing is used."""
        self._recipe = dict(recipe)
        patch = getattr(net, "patch_size", None)
        nhwc = "Swin" in type(net).__name__
        super().__init__(
            net,
            preprocess=preprocess,
            card=card,
            patch=patch if isinstance(patch, int) else None,
            nhwc=nhwc,
            stages=stages,
        )

    def pooled(self, pixels: Tensor) -> Tensor:
        """The input of the layer that was taken off."""
        features_BD: Tensor = self.net(pixels)
        return features_BD

    def describe(self) -> dict[str, Any]:
        """The recipe, preprocessing and card."""
        return {
            "family": "torchvision",
            **self._recipe,
            "preprocess": self.preprocess.to_dict(),
            "card": self.card.to_dict(),
        }

    def twin(self) -> TorchvisionBackbone:
        """Random weights as torchvision initialises them."""
        net, _ = build(self._recipe["architecture"])
        card = self.card.random_twin()
        return TorchvisionBackbone(net, recipe=self._recipe, preprocess=self.preprocess, card=card, stages=self.stages)


def load(name: str, file: Path | None, *, spec: str) -> TorchvisionBackbone:
    """The torchvision model `name` (or `name.WEIGHTS`, for the preprocessing of those weights) with the weights in `file`.

    Raises ModelNotFound for an unknown name, UnsafeWeights without a safetensors file, ModelError where it does not fit.
    """
    architecture, _, chosen = name.partition(".")
    published = _published(architecture, chosen)
    if file is None:
        url = published.url.rpartition("/")[2]
        raise UnsafeWeights(
            f"{spec}: torchvision publishes pickled weights, which can run code and are not loaded. Get {published.url}, run: "
            f"python -m headstart.models.convert {url} {architecture}.safetensors, and give {spec}={architecture}.safetensors"
        )
    refuse_pickle(file)
    net, head = build(architecture)
    tensors = read_tensors(file)
    load_exactly(net, tensors, heads=(head, *AUXILIARY), where=str(file))
    preprocess = preprocess_of(published)
    card = SourceCard(
        spec=spec,
        name=architecture,
        modality="image",
        family="torchvision",
        architecture=architecture,
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        input=pixels_in_words(preprocess),
        weights_sha256=weights_sha256([file]),
    )
    backbone = TorchvisionBackbone(
        net, recipe={"architecture": architecture, "weights": published.name}, preprocess=preprocess, card=card
    )
    backbone.source_head = find_head(tensors, (head,), backbone.width, published.meta.get("categories") or ())
    return backbone


def rebuild(description: Mapping[str, Any], folder: Path) -> TorchvisionBackbone:
    """The network of `TorchvisionBackbone.describe`, its weights still random."""
    recipe = {name: description[name] for name in ("architecture", "weights")}
    preprocess = ImagePreprocess.from_dict(description["preprocess"])
    net, _ = build(recipe["architecture"])
    return TorchvisionBackbone(
        net, recipe=recipe, preprocess=preprocess, card=SourceCard.from_dict(description["card"])
    )


def build(architecture: str) -> tuple[nn.Module, str]:
    """The network with random weights, its last linear layer replaced by nothing, and that layer's path."""
    # GoogLeNet and Inception would else build their extra classifiers, and warn that initialising takes long.
    extra: dict[str, Any] = (
        {"aux_logits": False, "init_weights": True} if architecture in ("googlenet", "inception_v3") else {}
    )
    net = torchvision.models.get_model(architecture, weights=None, **extra)
    linear = [path for path, module in net.named_modules() if isinstance(module, nn.Linear)]
    last = linear[-1] if linear else ""
    if not last or last.split(".")[0] not in ("fc", "classifier", "heads", "head"):
        raise ModelError(
            f"torchvision:{architecture}: does not end in a linear layer. Use another model, such as resnet18."
        )
    parent, _, name = last.rpartition(".")
    setattr(net.get_submodule(parent), name, nn.Identity())
    return net, last


def preprocess_of(published: Any) -> ImagePreprocess:
    """The evaluation transform that torchvision publishes with these weights."""
    preset = published.transforms()
    if type(preset).__name__ != "ImageClassification":
        raise ModelError(f"{published}: not a model for single pictures. Use a classification model.")
    crop, resize = preset.crop_size[0], preset.resize_size[0]
    mean, std = preset.mean, preset.std
    return ImagePreprocess(
        size=(crop, crop),
        resize=(resize, resize),
        fit="shortest",
        interpolation=preset.interpolation.value,
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
    )


def _published(architecture: str, chosen: str) -> Any:
    names = torchvision.models.list_models(module=torchvision.models)
    if architecture not in names:
        near = [name for name in names if name.startswith(architecture[:4])]
        raise ModelNotFound(
            f"torchvision:{architecture}: no such model. "
            + (f"Near names: {', '.join(near[:6])}." if near else f"Try {names[0]}.")
        )
    weights: Any = torchvision.models.get_model_weights(architecture)
    if not chosen:
        return weights.DEFAULT
    if chosen not in weights.__members__:
        raise ModelNotFound(
            f"torchvision:{architecture}.{chosen}: no such weights. Choose from: {', '.join(weights.__members__)}."
        )
    return weights[chosen]
