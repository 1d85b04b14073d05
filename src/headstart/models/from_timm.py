"""timm models: a hub name, a hub repository or a local folder (config.json and model.safetensors)."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import timm
import timm.data
from timm.models import is_model, model_entrypoint
from torch import Tensor, nn

from headstart.errors import ModelError, ModelNotFound, UnsafeWeights
from headstart.files import read_tensors
from headstart.models.backbone import Stage
from headstart.models.card import SourceCard
from headstart.models.card_file import check_weights, written_card
from headstart.models.image_backbone import ImageBackbone, pixels_in_words
from headstart.models.image_preprocess import ImagePreprocess
from headstart.models.source_head import SourceHead, find_head
from headstart.models.weights import find_weights, fits, load_exactly, read_config, refuse_code, weights_sha256

CROP_MODES = {"center": "shortest", "squash": "exact", "border": "contain"}
SETTINGS = frozenset(item.name for item in fields(timm.models.PretrainedCfg)) - {
    "url",
    "file",
    "hf_hub_id",
    "hf_hub_filename",
    "source",
    "state_dict",
    "num_classes",
    "label_names",
    "label_descriptions",
}
"""What of a checkpoint's settings shapes the network or its input: not where its weights lie, nor its classes."""

TAGGED_DATA = {
    "in1k": "ImageNet-1k",
    "in12k": "ImageNet-12k",
    "in21k": "ImageNet-21k",
    "in22k": "ImageNet-22k",
    "inat21": "iNaturalist 2021",
    "laion2b": "LAION-2B",
    "laion400m": "LAION-400M",
    "lvd142m": "LVD-142M",
    "cc12m": "CC12M",
    "yfcc15m": "YFCC15M",
    "ig1b": "Instagram-1B",
    "yfcc100m": "YFCC100M",
}
"""What timm's own naming of checkpoints says about their data."""


class TimmBackbone(ImageBackbone):
    """A timm model without its classifier; its features are `forward_head(pre_logits=True)`."""

    def __init__(
        self,
        net: nn.Module,
        *,
        recipe: Mapping[str, Any],
        preprocess: ImagePreprocess,
        card: SourceCard,
        stages: tuple[Stage, ...] | None = None,
    ) -> None:
        """`recipe` is what `build` makes the network from."""
        self._recipe = dict(recipe)
        patch = getattr(getattr(net, "patch_embed", None), "patch_size", None)
        side = patch[0] if isinstance(patch, tuple | list) else patch
        nhwc = getattr(net, "output_fmt", "NCHW") == "NHWC"
        super().__init__(net, preprocess=preprocess, card=card, patch=side, nhwc=nhwc, stages=stages)

    def pooled(self, pixels: Tensor) -> Tensor:
        """Timm's features before the classifier."""
        net: Any = self.net
        features_BD: Tensor = net.forward_head(net.forward_features(pixels), pre_logits=True)
        return features_BD

    def describe(self) -> dict[str, Any]:
        """The recipe, preprocessing and card."""
        return {"family": "timm", **self._recipe, "preprocess": self.preprocess.to_dict(), "card": self.card.to_dict()}

    def twin(self) -> TimmBackbone:
        """Random weights as timm initialises them."""
        card = self.card.random_twin()
        return TimmBackbone(
            build(self._recipe), recipe=self._recipe, preprocess=self.preprocess, card=card, stages=self.stages
        )


def load_folder(folder: Path, *, spec: str, card: SourceCard | None = None) -> TimmBackbone:
    """A backbone from a folder as timm writes it for its hub and for `local-dir:`.

    Raises ModelNotFound for an unknown architecture or missing files, UnsafeWeights for pickles, code or weights that
    are not those of the folder's card.json, ModelError where the weights do not fit.
    """
    refuse_code(folder)
    recipe = recipe_of(folder)
    paths = find_weights(folder)
    net = build(recipe)
    tensors = {name: tensor for path in paths for name, tensor in read_tensors(path).items()}
    heads = _heads(net, recipe["pretrained_cfg"].get("classifier") or getattr(net, "default_cfg", {}).get("classifier"))
    native = _in_native_names(net, tensors, recipe["architecture"])
    load_exactly(net, native, heads=heads, where=str(folder))
    preprocess = preprocess_of(recipe["pretrained_cfg"])
    if card is None:
        card = _card(folder, spec, recipe, preprocess)
    digest = weights_sha256(paths)
    check_weights(folder, card, digest)
    counted = sum(parameter.numel() for parameter in net.parameters())
    card = replace(card, spec=spec, parameters=counted, input=pixels_in_words(preprocess), weights_sha256=digest)
    backbone = TimmBackbone(net, recipe=recipe, preprocess=preprocess, card=card)
    labels = read_config(folder / "config.json").get("label_names") or ()
    backbone.source_head = _named(find_head(native, heads, backbone.width, labels), card)
    return backbone


IMAGENET_CLASSES = 1000


def _named(head: SourceHead | None, card: SourceCard) -> SourceHead | None:
    """An ImageNet head gets timm's names of its classes where the folder has none."""
    is_imagenet = any(name.startswith("ImageNet") for name in card.data)
    if head is None or head.labels or not is_imagenet or len(head.bias_Z) != IMAGENET_CLASSES:
        return head
    info: Any = timm.data.ImageNetInfo()  # type: ignore[attr-defined]  # not in timm's __all__
    return replace(head, labels=tuple(info.index_to_description(number) for number in range(IMAGENET_CLASSES)))


def rebuild(description: Mapping[str, Any], folder: Path) -> TimmBackbone:
    """The network of `TimmBackbone.describe`, its weights still random."""
    recipe = {name: description[name] for name in ("architecture", "model_args", "pretrained_cfg")}
    preprocess = ImagePreprocess.from_dict(description["preprocess"])
    return TimmBackbone(
        build(recipe), recipe=recipe, preprocess=preprocess, card=SourceCard.from_dict(description["card"])
    )


def repository(name: str) -> str:
    """The hub repository of a timm model name; raises ModelNotFound for a name that timm does not know or host."""
    try:
        known = timm.get_pretrained_cfg(name) if is_model(name) else None
    except RuntimeError as error:
        raise ModelNotFound(f"timm:{name}: {error}. See timm.list_pretrained() for the names.") from error
    if known is None:
        near = timm.list_models(f"*{name.split('.')[0].split('_')[0]}*")[:5]
        raise ModelNotFound(
            f"timm:{name}: timm knows no such model. "
            + (f"Near names: {', '.join(near)}." if near else "See timm.list_models().")
        )
    if not known.hf_hub_id:
        raise ModelNotFound(
            f"timm:{name}: timm has no weights for it on the hub. Choose one of timm.list_pretrained()."
        )
    return str(known.hf_hub_id)


def recipe_of(folder: Path) -> dict[str, Any]:
    """Architecture, arguments and data settings from a folder's config.json, in either of timm's layouts."""
    config = read_config(folder / "config.json")
    settings = dict(config.get("pretrained_cfg", config))
    architecture = config.get("architecture", settings.get("architecture"))
    if not isinstance(architecture, str) or not is_model(architecture.split(".")[0]):
        raise ModelNotFound(
            f"{folder}: timm knows no architecture '{str(architecture)[:60]}'. Check config.json, or update timm."
        )
    if settings.get("custom_load"):
        raise UnsafeWeights(
            f"{folder}: asks for a loader of its own (custom_load), which is not run. Save it with timm.models.save_for_hf."
        )
    kept = {name: value for name, value in settings.items() if name in SETTINGS}
    return {"architecture": architecture, "model_args": config.get("model_args") or {}, "pretrained_cfg": kept}


def build(recipe: Mapping[str, Any]) -> nn.Module:
    """The network of a recipe without its classifier, random weights."""
    arguments = {name: value for name, value in recipe["model_args"].items() if name != "num_classes"}
    settings = {
        name: tuple(value) if isinstance(value, list) else value for name, value in recipe["pretrained_cfg"].items()
    }
    try:
        net: nn.Module = timm.create_model(
            recipe["architecture"], pretrained=False, pretrained_cfg=settings, num_classes=0, **arguments
        )
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"{recipe['architecture']}: timm cannot build it with {arguments} ({error}). Check config.json."
        ) from error
    return net


def preprocess_of(settings: Mapping[str, Any]) -> ImagePreprocess:
    """Timm's evaluation transform for these data settings; raises ModelError for anything but RGB input."""
    resolve: Any = timm.data.resolve_data_config  # type: ignore[attr-defined]  # not in timm's __all__
    data = resolve(pretrained_cfg=dict(settings))
    channels, height, width = data["input_size"]
    if channels != 3:
        raise ModelError(
            f"{settings.get('tag') or 'model'}: takes inputs of {channels} channel(s), not RGB pictures. Use another model."
        )
    scaled = (math.floor(height / data["crop_pct"]), math.floor(width / data["crop_pct"]))
    fit: Any = CROP_MODES.get(data["crop_mode"], "shortest")
    if fit == "shortest" and scaled[0] != scaled[1]:
        fit = "cover"
    fill = tuple(round(255 * value) for value in data["mean"]) if fit == "contain" else (0, 0, 0)
    return ImagePreprocess(
        size=(height, width),
        resize=scaled,
        fit=fit,
        interpolation="bilinear" if data["interpolation"] == "random" else data["interpolation"],
        fill=(fill[0], fill[1], fill[2]),
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
    )


def _in_native_names(net: nn.Module, tensors: dict[str, Tensor], architecture: str) -> Mapping[str, Tensor]:
    """`tensors` under the network's names: as they are where they fit, else through timm's own renaming for it."""
    if fits(net, tensors):
        return tensors
    module = sys.modules[model_entrypoint(architecture.split(".")[0]).__module__]
    rename = getattr(module, "checkpoint_filter_fn", None)
    if rename is None:
        return tensors
    try:
        renamed: Mapping[str, Tensor] = rename(dict(tensors), net)
    except (KeyError, RuntimeError, AttributeError, TypeError, IndexError, ValueError):
        return tensors  # not a foreign checkpoint either: load_exactly says what does not fit
    return renamed


def _heads(net: nn.Module, classifier: Any) -> tuple[str, ...]:
    """The paths of the layers that were taken off; where a whole block of them was (LeViT's norm and linear), its path."""
    names = () if not classifier else (classifier,) if isinstance(classifier, str) else tuple(classifier)
    known = dict(net.named_modules())
    blocks = {name: name.rpartition(".")[0] for name in names}
    return tuple(blocks[name] if isinstance(known.get(blocks[name]), nn.Identity) else name for name in names)


def _card(folder: Path, spec: str, recipe: Mapping[str, Any], preprocess: ImagePreprocess) -> SourceCard:
    written = written_card(folder)
    if written is not None:
        return written
    settings = recipe["pretrained_cfg"]
    tag = str(settings.get("tag") or "")
    name = f"{recipe['architecture']}.{tag}" if tag else recipe["architecture"]
    data = tuple(TAGGED_DATA[part] for part in tag.split("_") if part in TAGGED_DATA)
    return SourceCard(
        spec=spec,
        name=name,
        modality="image",
        family="timm",
        architecture=recipe["architecture"],
        domain="photographs" if data else None,
        data=data,
        licence=settings.get("license"),
        url=settings.get("origin_url"),
    )
