"""A network cut in two: what goes into its first moving stage is computed once, and forward passes go on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from headstart.errors import ModelError
from headstart.models.backbone import Backbone, Inputs, States
from headstart.models.cut import is_inside

CARRIED = "carried"
"""The key in a batch under which the activations at the cut come."""
CLOSE = 1e-3
"""How far, relative to the largest feature, a resumed pass in float32 may be from a whole one."""


Ended = TypeVar("Ended")
Answer = Callable[[Tensor], Any]
"""From the first tensor that a module is given to empty tensors of the shapes that it would answer with."""


class Resumed(nn.Module):
    """A backbone whose stages before number `first` are frozen and not run again.

    `carry(inputs)` gives what goes into stage `first` (B, …). `forward` takes a batch in which it stands under CARRIED, beside
    whatever else a batch holds (an attention mask), and gives the features (B, D) that the whole backbone would give.

    How: the modules of the frozen stages answer with empty tensors of the right shape, so that the network's own forward runs
    through to the first moving module at next to no cost, and there the activations are put in. Networks whose frozen part
    hands more across the cut than that one tensor do not allow it: the constructor tries on `sample`, a batch of two or more
    unlike examples, and raises ModelError where the features differ.
    """

    def __init__(self, backbone: Backbone, first: int, sample: Inputs) -> None:
        """Cut `backbone`, which is not copied and put in eval mode, before stage `first` of 1 … S − 1."""
        super().__init__()
        if not 0 < first < len(backbone.stages):
            raise ValueError(f"cannot cut {len(backbone.stages)} stages before number {first}")
        self.backbone, self.first = backbone.eval(), first
        paths = [path for stage in backbone.stages for path in stage.modules]
        frozen = [
            backbone.net.get_submodule(path)
            for stage in backbone.stages[:first]
            for path in stage.modules
            if not any(is_inside(other, path) for other in paths)
        ]
        self._dtype = next(one.dtype for one in backbone.parameters() if one.ndim > 1)
        moving = [backbone.net.get_submodule(path) for path in backbone.stages[first].modules if path]
        self._entry, self._answers = self._record(moving, frozen, sample)
        self._check(sample)

    @property
    def width(self) -> int:
        """The number D of features."""
        return self.backbone.width

    @property
    def cut(self) -> str:
        """Where it is cut, for people."""
        return f"{self.backbone.stages[self.first].name} of {self.backbone.card.name}"

    def narrowed(self, tokens: np.ndarray) -> AbstractContextManager[None]:
        """Embeddings lie before the cut: there is nothing to narrow."""
        return nullcontext()

    def carry(self, inputs: Inputs) -> Tensor:
        """What goes into the first moving stage (B, …); nothing after it is computed."""
        reached: list[Tensor] = []

        def stop(module: nn.Module, args: Any, kwargs: Any) -> None:
            reached.append(_first(args, kwargs)[1])
            raise _Reached

        handle = self._entry.register_forward_pre_hook(stop, with_kwargs=True)
        try:
            self.backbone(inputs)
        except _Reached:
            return reached[0]
        finally:
            handle.remove()
        raise ModelError(f"{self.backbone.card.name}: its pass does not reach {self.backbone.stages[self.first].name}.")

    def forward(self, inputs: Inputs) -> Tensor:
        """Features (B, D) from the activations at the cut."""
        features_BD: Tensor = self._onwards(inputs, self.backbone)
        return features_BD

    def states(self, inputs: Inputs) -> States:
        """The states of single tokens from the activations at the cut."""
        return self._onwards(inputs, self.backbone.padded_states)

    def _onwards(self, inputs: Inputs, ending: Callable[[Inputs], Ended]) -> Ended:
        """What `ending`, a pass of the backbone, gives where it goes on from the cut."""
        if not isinstance(inputs, dict):
            raise TypeError("a resumed pass takes a dict that holds the activations at the cut")
        carried = inputs[CARRIED].to(self._dtype)
        rest: Inputs = {name: tensor for name, tensor in inputs.items() if name != CARRIED}
        if not rest:
            # A picture nobody looks at: the frozen stages' answers do not depend on it.
            rest = torch.zeros(len(carried), 3, 1, 1, dtype=torch.uint8, device=carried.device)

        def enter(module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
            return _replaced(args, kwargs, carried)

        handle = self._entry.register_forward_pre_hook(enter, with_kwargs=True)
        try:
            with self._skipped():
                return ending(rest)
        finally:
            handle.remove()

    def _record(
        self, moving: list[nn.Module], frozen: list[nn.Module], sample: Inputs
    ) -> tuple[nn.Module, list[tuple[nn.Module, Answer]]]:
        """Which moving module is reached first, and what the frozen ones answer."""
        called: list[nn.Module] = []
        answers: dict[nn.Module, Answer] = {}

        def note(module: nn.Module, args: Any, kwargs: Any) -> None:
            called.append(module)

        def keep(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            answers[module] = _like(output, _first(args, kwargs)[1])

        handles = [module.register_forward_pre_hook(note, with_kwargs=True) for module in moving]
        handles += [module.register_forward_hook(keep, with_kwargs=True) for module in frozen]
        try:
            with torch.no_grad():
                self.backbone(sample)
        finally:
            for handle in handles:
                handle.remove()
        if not called:
            raise ModelError(
                f"{self.backbone.card.name}: its pass does not reach {self.backbone.stages[self.first].name}."
            )
        return called[0], list(answers.items())

    @contextmanager
    def _skipped(self) -> Iterator[None]:
        """While open, the frozen modules answer at no cost."""
        for module, answer in self._answers:
            module.forward = lambda *args, _answer=answer, **kwargs: _answer(_first(args, kwargs)[1])
        try:
            yield
        finally:
            for module, _ in self._answers:
                del module.forward

    def _check(self, sample: Inputs) -> None:
        try:
            with torch.no_grad():
                whole_BD = self.backbone(sample).float()
                given = dict(sample) if isinstance(sample, dict) else {}
                again_BD = self({**given, CARRIED: self.carry(sample)}).float()
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            raise ModelError(f"{self.backbone.card.name}: cannot be resumed at a cut ({error}).") from error
        if not torch.allclose(whole_BD, again_BD, rtol=0, atol=CLOSE * float(whole_BD.abs().max())):
            raise ModelError(f"{self.backbone.card.name}: what is frozen reaches past the cut.")


class _Reached(Exception):
    """The pass has come to the cut."""


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int | str, Tensor]:
    """The first tensor that a module is given, and where it stands."""
    places: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
    for place, value in places:
        if isinstance(value, Tensor):
            return place, value
    raise ModelError("a module at the cut is given no tensor")


def _replaced(args: tuple[Any, ...], kwargs: dict[str, Any], tensor: Tensor) -> tuple[Any, Any]:
    place, _ = _first(args, kwargs)
    if isinstance(place, int):
        return (*args[:place], tensor, *args[place + 1 :]), kwargs
    return args, {**kwargs, place: tensor}


def _like(output: Any, given: Tensor) -> Answer:
    """A function from what a module is given to empty tensors of the shapes that it once answered with.

    Leading lengths that input and output had in common are those of the input again; the others stay.
    """
    if isinstance(output, Tensor):
        shared = 0
        for own, other in zip(output.shape, given.shape, strict=False):
            if own != other:
                break
            shared += 1
        tail, dtype = output.shape[shared:], output.dtype
        return lambda new: torch.zeros((), dtype=dtype, device=new.device).expand(*new.shape[:shared], *tail)
    if isinstance(output, dict):
        parts = {name: _like(value, given) for name, value in output.items()}
        return lambda new: type(output)(**{name: part(new) for name, part in parts.items()})
    if isinstance(output, tuple | list):
        answers = [_like(value, given) for value in output]
        return lambda new: type(output)([answer(new) for answer in answers])
    return lambda new: output
