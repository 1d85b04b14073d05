"""What `pretrain` was asked for, whatever the sources hold, and the command that asks for the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from headstart.adapt.pretraining.steps import CHECKPOINT_S
from headstart.errors import OptionError
from headstart.events import Listener, silent

NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of `pretrain`, which says what they mean; None where the sources' kind decides."""

    sources: Sequence[str | Path]
    out: Path
    objective: str | None = None
    teacher: str | Path | None = None
    architecture: str | None = None
    model_args: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = None
    input_size: int | None = None
    text: str | None = None
    tokenizer: str | None = None
    vocabulary: int | None = None
    length: int | None = None
    epochs: int | None = None
    budget: float | None = None
    views: Sequence[int] | int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float = 0.02
    seed: int = 0
    probe: str | Path | None = None
    name: str | None = None
    domain: str | None = None
    licences: Sequence[str] = ()
    weights_licence: str | None = None
    device: str = "auto"
    precision: str = "auto"
    checkpoint_s: float = CHECKPOINT_S
    keep_work: bool = False
    listener: Listener = field(default=silent, compare=False)

    def completed(self, defaults: Mapping[str, Any], others: Sequence[str], kind: str) -> Asked:
        """With `defaults` for what was not said; raises OptionError for one of `others`, which mean nothing for this kind."""
        for name in others:
            if getattr(self, name) is not None:
                raise OptionError(f"--{name.replace('_', '-')}: means nothing for {kind}. Leave it out.")
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})

    def command_line(self, defaults: Mapping[str, Any]) -> str:
        """The command that does the same; what is at its default is left out."""
        words = ["headstart", "pretrain", *map(str, self.sources), "--out", str(self.out)]
        for item in fields(self):
            value = getattr(self, item.name)
            plain = {} if item.name == "model_args" else defaults.get(item.name, item.default)
            if item.name not in NOT_STATED and value != plain:
                words += _as_option(item.name, value)
        return shlex.join(words)


NOT_STATED = ("sources", "out", "checkpoint_s", "keep_work", "listener")
"""Arguments that stand elsewhere in the command, or do not shape the weights."""


def plain_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping as JSON would give it back; raises OptionError for what JSON cannot say."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(values)))
    except TypeError as error:
        raise OptionError(f"--model-args: {error}. Give plain numbers, texts and lists.") from error
    return plain


def _as_option(key: str, value: Any) -> list[str]:
    flag = f"--{key.replace('_', '-')}"
    if isinstance(value, Mapping):
        return [flag, json.dumps(plain_arguments(value))]
    if key == "licences":
        return [word for licence in value for word in ("--licence", str(licence))]
    if key == "budget":
        return [flag, f"{value:g}s"]
    return [flag, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
