"""Headstart: choose a pre-trained model, adapt it as deep as your data allows, prove that it helped."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.errors import HeadstartError as HeadstartError
    from headstart.estimators import PretrainedFeatures as PretrainedFeatures
    from headstart.estimators import TransferClassifier as TransferClassifier
    from headstart.estimators import TransferRegressor as TransferRegressor
    from headstart.model import Model as Model
    from headstart.model import load as load
    from headstart.pipeline import fit as fit
    from headstart.ranker import rank as rank

__version__ = "0.1.0"

# Names are imported when first used: `import headstart` alone must not load torch.
_HOMES = {
    "HeadstartError": "headstart.errors",
    "Model": "headstart.model",
    "PretrainedFeatures": "headstart.estimators",
    "TransferClassifier": "headstart.estimators",
    "TransferRegressor": "headstart.estimators",
    "check": "headstart.data.check",
    "fit": "headstart.pipeline",
    "load": "headstart.model",
    "models": "headstart.models.catalogue",
    "pretrain": "headstart.adapt.pretraining.job",
    "rank": "headstart.ranker",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headstart' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
