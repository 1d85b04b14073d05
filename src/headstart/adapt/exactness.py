"""How far reduced precision is from float32 on a few examples of the data at hand, and whether that is near enough."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from headstart.adapt.network import Network
from headstart.adapt.precision import spare_slow_layers
from headstart.features.extract import for_inference
from headstart.models.backbone import Backbone, Inputs
from headstart.runtime import Placement, generator

MOST_NOISE = 0.4
"""Features may be off by so much of the distance between examples."""
LEAST_COSINE = 0.5
"""The gradients of a first step may point so far apart."""
CLASSES = 4
"""Of the head through which gradients are compared."""


@dataclass(frozen=True, slots=True)
class FeatureGap:
    """Features in reduced precision beside those in float32: the least cosine between the two of one example, and `noise`, the
    distance between the two relative to that between examples (root mean squares, of features about their mean).

    The cosine flatters a network whose features of all examples are much alike: what tells them apart is the noise's yardstick.
    """

    cosine: float
    noise: float

    @property
    def is_exact(self) -> bool:
        """Whether a head reads the same from both."""
        return self.noise <= MOST_NOISE  # NaN is not

    def __str__(self) -> str:
        return f"features are off by {self.noise:.0%} of what tells examples apart"


@dataclass(frozen=True, slots=True)
class GradientGap:
    """The first step in reduced precision beside float32: the cosine of the gradients of all weights, and how far apart the
    losses are, relative to float32's.
    """

    cosine: float
    loss: float

    @property
    def is_exact(self) -> bool:
        """Whether training takes the same way."""
        return self.cosine >= LEAST_COSINE and math.isfinite(self.loss)

    def __str__(self) -> str:
        return f"gradients have a cosine of {self.cosine:.2f} to the exact ones"


def feature_gap(backbone: Backbone, inputs: Inputs, placement: Placement) -> FeatureGap:
    """Pass `inputs`, a batch of a few unlike examples on the device, in both precisions."""
    exact_ND, low_ND = (_features(backbone, inputs, one) for one in (replace(placement, low=None), placement))
    spread = (exact_ND - exact_ND.mean(0)).square().mean().sqrt()
    noise = (low_ND - exact_ND).square().mean().sqrt() / spread.clamp_min(torch.finfo(torch.float32).tiny)
    return FeatureGap(float(functional.cosine_similarity(exact_ND, low_ND).min()), float(noise))


def gradient_gap(backbone: Backbone, inputs: Inputs, placement: Placement) -> GradientGap:
    """Forward and backward through the whole of a copy of `backbone` in both precisions, without dropout.

    The head is random, drawn from a seed of its own, and set so that logits have mean 0 and variance 1 over the examples.
    """
    exact = replace(placement, low=None)
    features_ND = _features(backbone, inputs, exact)
    targets_N = torch.arange(len(features_ND), device=features_ND.device) % CLASSES
    drawn_KD = generator(0, "gradient gap").normal(size=(CLASSES, features_ND.shape[1]))
    weight_KD = torch.from_numpy(drawn_KD).to(features_ND)
    weight_KD /= ((features_ND - features_ND.mean(0)) @ weight_KD.T).std().clamp_min(torch.finfo(torch.float32).tiny)
    bias_K = -weight_KD @ features_ND.mean(0)
    found = []
    for one in (exact, placement):
        network = Network(copy.deepcopy(backbone).requires_grad_(requires_grad=True), CLASSES)
        network.to(one.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.set_head(weight_KD.cpu().numpy(), bias_K.cpu().numpy())
        spare_slow_layers(network, one)
        with one.autocast():
            logits_NK = network.eval()(inputs)
        loss = functional.cross_entropy(logits_NK.float(), targets_N)
        loss.backward()  # type: ignore[no-untyped-call]
        moved = [(name, parameter.grad) for name, parameter in network.backbone.named_parameters()]
        found.append((float(loss.detach()), {name: grad.flatten() for name, grad in moved if grad is not None}))
    (loss_exact, grad_exact), (loss_low, grad_low) = found
    exact_P, low_P = (torch.cat([grads[name] for name in sorted(grad_exact)]) for grads in (grad_exact, grad_low))
    cosine = float(exact_P.double() @ low_P.double() / (exact_P.double().norm() * low_P.double().norm()))
    return GradientGap(cosine, abs(loss_low - loss_exact) / max(abs(loss_exact), 1e-12))


def _features(backbone: Backbone, inputs: Inputs, placement: Placement) -> Tensor:
    with torch.inference_mode():
        features_ND: Tensor = for_inference(backbone, placement)(inputs)
        return features_ND.float()
