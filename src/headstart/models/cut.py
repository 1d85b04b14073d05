"""Cuts any network into ordered stages by its own structure, and watches what comes out of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headstart.errors import ModelError
from headstart.models.backbone import Stage

REPEATED = frozenset({"blocks", "block", "layers", "layer", "stages", "features", "h"})
"""What families call the row of like blocks that makes up most of a network."""

Pool = Callable[[Tensor], Tensor]
"""From one stage's activations of a batch to pooled features (B, D)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A module that is never cut further; `repeated` where it is one of a row of blocks."""

    path: str
    module: nn.Module
    repeated: bool

    @property
    def is_heavy(self) -> bool:
        """Whether a stage may begin here: it has parameters and does more than normalise."""
        has_parameters = any(True for _ in self.module.parameters())
        return has_parameters and "norm" not in type(self.module).__name__.lower()


def cut(net: nn.Module, run: Callable[[], Tensor], pool: Pool) -> tuple[Stage, ...]:
    """The stages of `net` in the order in which `run`, one forward pass of a dummy input, goes through them.

    What comes before the first row of blocks is one stage, each block another; what follows begins new ones.
    Normalisations and modules without parameters belong to what they follow. Modules that `run` never calls
    (embeddings read by their weight, unused parts) go to the first stage: whoever freezes it freezes them.
    `run` returns the network's own features, whose width is that of the last stage.
    """
    units = list(_units(net, ""))
    order, features = _fired(units, run)
    silent = [unit.path for unit in units if unit not in order and any(True for _ in unit.module.parameters())]
    groups = _grouped(order)
    if not groups:
        raise ModelError(f"{type(net).__name__}: no part of the network has parameters. Use another model.")
    loose = [
        path for path in _wrappers(net, "") if any(True for _ in net.get_submodule(path).parameters(recurse=False))
    ]
    names = ["stem" if not groups[0][0].repeated and len(groups) > 1 else groups[0][0].path]
    names += [group[0].path for group in groups[1:]]
    paths = [tuple(unit.path for unit in group) for group in groups]
    paths[0] = (*loose, *silent, *paths[0])
    drafts = tuple(Stage(name, modules, 0) for name, modules in zip(names, paths, strict=True))
    with torch.no_grad(), watch(net, drafts, pool) as seen:
        run()
    widths = [seen[number].shape[-1] for number in range(len(drafts) - 1)] + [features.shape[-1]]
    return tuple(Stage(draft.name, draft.modules, width) for draft, width in zip(drafts, widths, strict=True))


def spaced(count: int, most: int) -> tuple[int, ...]:
    """The numbers of at most `most` of `count` stages, evenly spaced, the last among them."""
    return tuple(
        round(count - 1 - step * (count - 1) / max(1, min(count, most) - 1)) for step in range(min(count, most))
    )[::-1]


@contextmanager
def watch(
    net: nn.Module, stages: Sequence[Stage], pool: Pool, only: Sequence[int] | None = None
) -> Iterator[dict[int, Tensor]]:
    """While open, fill the dict with the pooled output of each stage but the last (by number): of its module that ran last.

    With `only` no other stages than those are looked at.
    """
    seen: dict[int, Tensor] = {}
    paths = [path for stage in stages for path in stage.modules]
    handles = []

    def keep(number: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is not None:
                seen[number] = pool(tensor)

        return hook

    for number, stage in enumerate(stages[:-1]):
        if only is not None and number not in only:
            continue
        own = [path for path in stage.modules if not any(is_inside(other, path) for other in paths)]
        handles += [net.get_submodule(path).register_forward_hook(keep(number)) for path in own]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def first_tensor(output: Any) -> Tensor | None:
    """The activations in what a module returned: a tensor, or the first of a tuple or mapping."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        return output[0]
    return None


def _is_row(name: str, module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList) or (isinstance(module, nn.Sequential) and name in REPEATED)


def _is_wrapper(module: nn.Module) -> bool:
    return any(_is_row(name, child) for name, child in module.named_children())


def _units(module: nn.Module, path: str) -> Iterator[Unit]:
    for name, child in module.named_children():
        here = f"{path}.{name}" if path else name
        if _is_row(name, child):
            yield from (Unit(f"{here}.{key}", element, True) for key, element in child.named_children())
        elif _is_wrapper(child):
            yield from _units(child, here)
        else:
            yield Unit(here, child, False)


def _wrappers(module: nn.Module, path: str) -> Iterator[str]:
    yield path
    for name, child in module.named_children():
        if not _is_row(name, child) and _is_wrapper(child):
            yield from _wrappers(child, f"{path}.{name}" if path else name)


def _fired(units: Sequence[Unit], run: Callable[[], Tensor]) -> tuple[list[Unit], Tensor]:
    """The units that `run` calls, by their first call, and what it returns.

    Left out are those without parameters that give no single tensor: tables of rotary angles, masks.
    """
    order: list[Unit] = []

    def note(unit: Unit) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            counts = isinstance(output, Tensor) or any(True for _ in unit.module.parameters())
            if counts and unit not in order:
                order.append(unit)

        return hook

    handles = [unit.module.register_forward_hook(note(unit)) for unit in units]
    try:
        with torch.no_grad():
            features = run()
    finally:
        for handle in handles:
            handle.remove()
    return order, features


def _grouped(order: Sequence[Unit]) -> list[list[Unit]]:
    groups: list[list[Unit]] = []
    before_row = any(unit.repeated for unit in order)
    for unit in order:
        before_row = before_row and not unit.repeated
        if not groups or (unit.is_heavy and not before_row):
            groups.append([unit])
        else:
            groups[-1].append(unit)
    return groups


def is_inside(path: str, wrapper: str) -> bool:
    """Whether the module at `path` is a part of the one at `wrapper`."""
    return path != wrapper and (wrapper == "" or path.startswith(f"{wrapper}."))
