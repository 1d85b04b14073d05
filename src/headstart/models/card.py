"""The source card: what is known of a backbone's pre-training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceCard:
    """What is known of a backbone's pre-training. What is not known is None or empty, never guessed.

    `spec` is what loads it again (`timm:resnet18.a1_in1k`, `starter:glyph`, a folder); `family` the adapter (timm,
    torchvision, transformers, module); `domain` says in words what it was trained on and `data` names the data
    sets; `parameters` counts those of the backbone without its head; `input` describes what one example becomes
    (`128 px RGB`, `256 tokens`); `revision` is the hub commit it is pinned to; `weights_sha256` the hash of its
    weights file; `figures` are published or measured figures: a number whose name says it all, or `{"value", "unit",
    "source"}`; `year` is that of publication, `macs` the multiply-adds of one example at `macs_input`, `tasks` what it is a
    usual start for; `pretraining` is what `headstart pretrain` notes of its own backbones: objective, sources with fingerprints and licences, teacher, recipe.
    """

    spec: str
    name: str
    modality: str
    family: str
    architecture: str
    domain: str | None = None
    data: tuple[str, ...] = ()
    licence: str | None = None
    parameters: int | None = None
    input: str | None = None
    revision: str | None = None
    weights_sha256: str | None = None
    url: str | None = None
    made_with: str | None = None
    year: int | None = None
    macs: int | None = None
    macs_input: str | None = None
    tasks: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    pretraining: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SourceCard:
        """The inverse of `to_dict`; keys that this version does not know are left aside."""
        known = {item.name for item in fields(cls)}
        taken = {key: value for key, value in values.items() if key in known}
        for name in ("data", "tasks"):
            if name in taken:
                taken[name] = tuple(taken[name])
        return cls(**taken)

    def random_twin(self) -> SourceCard:
        """The card of the same architecture with random weights: nothing is known of a source, because there is none."""
        return replace(
            self,
            name=f"{self.name} (random weights)",
            domain=None,
            data=(),
            revision=None,
            weights_sha256=None,
            made_with=None,
            figures={},
            pretraining={},
        )
