"""Activation checkpointing of any network, stage by stage, without changing its code (Chen et al. 2016, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from headstart.errors import ModelError
from headstart.models.backbone import Backbone
from headstart.models.cut import is_inside
from headstart.models.resume import Resumed


@contextmanager
def checkpointed(backbone: Backbone | Resumed) -> Iterator[None]:
    """While it lasts, forward passes keep of the stages that move only what goes into their modules; the backward pass, which may
    come later, computes the rest again.

    Gradients are the same: dropout draws the same numbers again, and batch norm does not count a batch twice.
    """
    wrapped: list[nn.Module] = []
    try:
        for module in moving_parts(backbone):
            module.forward = _again(module.forward, module)
            wrapped.append(module)
        yield
    finally:
        for module in wrapped:
            del module.forward


def moving_parts(backbone: Backbone | Resumed) -> list[nn.Module]:
    """The modules of all stages from the first in which anything moves, none inside another.

    Single layers are left out: what goes into them is all they keep, and some change it in place.
    """
    whole = backbone.backbone if isinstance(backbone, Resumed) else backbone
    moves = [any(_moves(module) for module in whole.stage_modules(stage)) for stage in whole.stages]
    if True not in moves:
        return []
    paths = [path for stage in whole.stages for path in stage.modules]
    late = [path for stage in whole.stages[moves.index(True) :] for path in stage.modules]
    own = [whole.net.get_submodule(path) for path in late if not any(is_inside(other, path) for other in paths)]
    return [module for module in own if any(True for _ in module.children())]


def _moves(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _again(forward: Callable[..., Any], module: nn.Module) -> Callable[..., Any]:
    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(module)

    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        given = [(value, value._version) for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        output = checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)
        if any(value._version != version for value, version in given):
            raise ModelError(
                f"{type(module).__name__} changes what goes into it in place: it cannot be computed again. "
                "Choose another model, or --strategy probe; or run it where more memory is free."
            )
        return output

    return run


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Put the running statistics of batch norm back at the end."""
    learning = [one for one in module.modules() if isinstance(one, _BatchNorm) and one.training]
    before = [{name: buffer.clone() for name, buffer in one.named_buffers(recurse=False)} for one in learning]
    try:
        yield
    finally:
        for one, values in zip(learning, before, strict=True):
            for name, value in values.items():
                one.get_buffer(name).copy_(value)
