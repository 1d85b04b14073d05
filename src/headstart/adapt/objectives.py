"""What a backbone is pre-trained on: labels, or a teacher's features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.adapt.segments import segments


class Objective(nn.Module):
    """A loss for views, and whatever is learned besides the student for it.

    `phases` are the shares of the steps after which the loss changes; the learning rate starts anew in each.
    """

    phases: tuple[float, ...] = (1.0,)

    def loss(
        self, student: nn.Module, views_BCHW: Tensor, rows: np.ndarray, phase: int, rng: np.random.Generator
    ) -> Tensor:
        """The loss of a batch of views, which are numbers `rows` of the bank."""
        raise NotImplementedError

    def pieces(self, student: nn.Module) -> Sequence[nn.Module]:
        """Parts whose gradients are clipped each for itself; together they hold all that moves."""
        return [student, self]


class Supervised(Objective):
    """Class labels, by cross-entropy with label smoothing 0.1."""

    def __init__(self, labels: np.ndarray, width: int, classes: int) -> None:
        """`labels` (N,) are the class numbers of the bank's views; `width` is that of the student's features."""
        super().__init__()
        self.labels = torch.from_numpy(labels)
        self.head = nn.Linear(width, classes)

    def loss(
        self, student: nn.Module, views_BCHW: Tensor, rows: np.ndarray, phase: int, rng: np.random.Generator
    ) -> Tensor:
        """Mean cross-entropy of the batch."""
        logits_BK = self.head(student(views_BCHW)).float()
        return F.cross_entropy(logits_BK, self.labels[torch.from_numpy(rows)].to(logits_BK.device), label_smoothing=0.1)


class Distil(Objective):
    """A teacher's feature maps, segment by segment where the two networks can be cut alike, else the last one alone.

    Cut alike, each segment first learns its part apart from the others, from what the teacher's segment before it
    gives (APART of the steps): small functions of few inputs, that a thousand pictures are enough for. Then the
    student runs as a whole, with every segment's output still held to the teacher's. Sources: Romero et al. 2015
    (FitNets: hints on the way); Li et al. 2020 (blockwise supervision with the teacher's input).
    """

    APART = 0.3
    MIXED = 0.5
    """Share of the batches in which views are blended: pictures that the sources do not hold."""

    def __init__(self, teacher: nn.Module, student: nn.Module, size: int) -> None:
        """Compare the two on views of `size` pixels; `teacher` takes the same views and is not trained."""
        super().__init__()
        self.teacher = [part.requires_grad_(False) for part in segments(teacher)]
        own = segments(student)
        self._dtype = next(parameter.dtype for parameter in teacher.parameters() if parameter.ndim > 1)
        shapes = [_shapes(own, size, torch.float32), _shapes(self.teacher, size, self._dtype)]
        self.alike = len(own) > 1 and shapes[0] == shapes[1]
        self.phases = (self.APART, 1 - self.APART) if self.alike else (1.0,)
        last_own, last_taught = shapes[0][-1][0], shapes[1][-1][0]
        self.to_teacher = nn.Identity() if self.alike else nn.Conv2d(last_own, last_taught, 1)

    def loss(
        self, student: nn.Module, views_BCHW: Tensor, rows: np.ndarray, phase: int, rng: np.random.Generator
    ) -> Tensor:
        """The sum of the errors, each relative to the variance of what is to be matched."""
        if rng.random() < self.MIXED:
            views_BCHW = mixed(views_BCHW, rng)
        taught = self._taught(views_BCHW)
        if not self.alike:
            given: Tensor = self.to_teacher(segments_forward(student, views_BCHW)[-1])
            wanted = F.adaptive_avg_pool2d(taught[-1].float(), (given.shape[2], given.shape[3]))
            return relative_error(given.float(), wanted) + _pooled_error(given, wanted)
        apart = phase == 0
        given_maps: list[Tensor] = []
        for part, before in zip(segments(student), taught, strict=False):
            given_maps.append(part(before if apart or not given_maps else given_maps[-1]))
        pairs = zip(given_maps, taught[1:], strict=True)
        errors = [relative_error(given.float(), wanted.float()) for given, wanted in pairs]
        return torch.stack(errors).sum() + _pooled_error(given_maps[-1], taught[-1])

    def pieces(self, student: nn.Module) -> Sequence[nn.Module]:
        """Each segment for itself: their losses differ in size, and one must not hold the others back."""
        return segments(student) if self.alike else [student, self.to_teacher]

    def _taught(self, views_BCHW: Tensor) -> list[Tensor]:
        """The views, then what each of the teacher's segments makes of them."""
        found = [views_BCHW]
        with torch.no_grad(), torch.autocast(views_BCHW.device.type, enabled=False):
            x = views_BCHW.to(self._dtype)
            for part in self.teacher:
                x = part(x)
                found.append(x)
        return found


def segments_forward(net: nn.Module, pixels: Tensor) -> list[Tensor]:
    """The output of every segment in turn."""
    found: list[Tensor] = []
    for part in segments(net):
        found.append(part(found[-1] if found else pixels))
    return found


def mixed(views_BCHW: Tensor, rng: np.random.Generator) -> Tensor:
    """Each view blended with another one of the batch, by a share of its own (Zhang et al. 2018)."""
    device, count = views_BCHW.device, len(views_BCHW)
    share = torch.from_numpy(rng.uniform(size=(count, 1, 1, 1)).astype(np.float32)).to(device)
    other = torch.from_numpy(rng.permutation(count)).to(device)
    return torch.lerp(views_BCHW[other], views_BCHW, share).contiguous(memory_format=torch.channels_last)


def relative_error(given: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error per channel (dimension 1) in units of its variance, all averaged.

    A tenth of the mean variance is added to each, so that channels that hardly vary do not outweigh the others.
    """
    over = [dimension for dimension in range(wanted.ndim) if dimension != 1]
    variance = wanted.var(over, keepdim=True)
    return ((given - wanted).square() / (variance + 0.1 * variance.mean() + 1e-12)).mean()


def _pooled_error(given_BCHW: Tensor, wanted_BCHW: Tensor) -> Tensor:
    return relative_error(given_BCHW.float().mean((2, 3)), wanted_BCHW.float().mean((2, 3)))


def _shapes(parts: Sequence[nn.Module], size: int, dtype: torch.dtype) -> list[tuple[int, ...]]:
    """The shape (C, H, W) of each segment's output."""
    found, training = [], [part.training for part in parts]
    x = torch.zeros(1, 3, size, size, dtype=dtype, device=next(parts[-1].parameters()).device)
    with torch.no_grad():
        for part in parts:
            x = part.eval()(x)
            found.append(tuple(x.shape[1:]))
    for part, was in zip(parts, training, strict=True):
        part.train(was)
    return found
