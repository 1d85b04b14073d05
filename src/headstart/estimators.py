"""scikit-learn citizens: a transformer of pretrained features, and a classifier and a regressor that transfer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from headstart.adapt.ledger import Ledger
from headstart.adapt.proving import Outer, refit_winner
from headstart.adapt.search import Plan, search
from headstart.adapt.strategies import DEFAULT_STRATEGIES, STRATEGIES
from headstart.adapt.winner import winner
from headstart.adapt.workbench import Workbench
from headstart.data.dataset import Dataset
from headstart.data.modality import MODALITIES
from headstart.data.read import read_inputs
from headstart.data.read_python import objects_dataset
from headstart.data.split import inner_folds
from headstart.errors import DataError, MissingExtra, OptionError
from headstart.features.extract import feature_chunks
from headstart.model import Model
from headstart.models.backbone import Backbone
from headstart.models.catalogue import default_candidates
from headstart.models.resolve import load_backbone
from headstart.registry import pick
from headstart.run.clock import BudgetClock, seconds
from headstart.run.executors import Here
from headstart.run.journal import Journal
from headstart.runtime import place
from headstart.tasks import TASKS, Task


class PretrainedFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn raw pictures or texts into the features of a pre-trained backbone.

    `backbone` is anything that `headstart fit --model` takes; None means the first that `headstart models` lists for
    examples of this kind. Stateless apart from loading the backbone: `fit` learns nothing from the data.
    """

    def __init__(
        self, backbone: str | None = None, *, device: str = "auto", precision: str = "auto", offline: bool = False
    ) -> None:
        self.backbone = backbone
        self.device = device
        self.precision = precision
        self.offline = offline

    def fit(self, X: Sequence[Any], y: Any = None) -> Self:
        """Load the backbone."""
        self.backbone_ = _load(self.backbone, X, offline=self.offline)
        self.n_features_out_ = self.backbone_.width
        return self

    def transform(self, X: Sequence[Any]) -> np.ndarray:
        """Features (N × D, float32) of paths, PIL images, arrays or texts; raises DataError for an unreadable one."""
        check_is_fitted(self, "backbone_")
        dataset = _inputs(X, self.backbone_)
        decode = MODALITIES[dataset.modality].decode
        placement = place(self.device, precision=self.precision)
        chunks = feature_chunks(dataset.items, self.backbone_, decode=decode, placement=placement)
        return np.concatenate(list(chunks))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """`feature0` … `featureD-1`."""
        check_is_fitted(self, "backbone_")
        return np.array([f"feature{number}" for number in range(self.n_features_out_)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Inputs are raw examples, not rows of numbers."""
        return _raw_input(super().__sklearn_tags__())


class _Transfer(BaseEstimator):  # type: ignore[misc]
    """What the estimators that transfer share: settings, and a search on all examples."""

    def __init__(
        self,
        backbone: str | None = None,
        *,
        strategies: Sequence[str] = (),
        trials: int = 1,
        budget: str | float | None = None,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        precision: str = "auto",
        offline: bool = False,
    ) -> None:
        self.backbone = backbone
        self.strategies = strategies
        self.trials = trials
        self.budget = budget
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.offline = offline

    def _check(self) -> None:
        if self.budget is None and self.trials < 1:
            raise OptionError(f"trials={self.trials}: must be at least 1.")
        for name in self.strategies:
            pick(STRATEGIES, name, what="strategy")

    def _fit(self, X: Sequence[Any], targets_N: np.ndarray, task: Task, names: tuple[str, ...]) -> Model:
        backbone = _load(self.backbone, X, offline=self.offline)
        dataset = _inputs(X, backbone)
        if len(dataset) != len(targets_N):
            raise DataError(f"X holds {len(dataset)} examples, y {len(targets_N)} labels. They must be as many.")
        with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
            return self._adapt(dataset, targets_N, backbone, Path(folder), task, names)

    def _adapt(
        self,
        dataset: Dataset,
        targets_N: np.ndarray,
        backbone: Backbone,
        folder: Path,
        task: Task,
        names: tuple[str, ...],
    ) -> Model:
        modality = MODALITIES[dataset.modality]
        bench = Workbench(
            items=dataset.items,
            contents=[str(row) for row in range(len(dataset))],  # the cache is this call's own
            targets=targets_N,
            groups=np.arange(len(targets_N)),
            task=task,
            classes=names,
            metric=task.default_metric,
            decode=modality.decode,
            augment=modality.augment,
            placement=place(self.device, precision=self.precision),
            cache=folder,
            seed=_seed(self.random_state),
            backbones={backbone.card.name: backbone},
        )
        rows = np.arange(len(targets_N))
        folds = inner_folds(targets_N, bench.groups, k=4, seed=bench.seed)
        if not folds:
            raise DataError(f"y: {TOO_FEW[task.kind]}, so nothing can be validated. Add examples.")
        outer = Outer(0, rows, np.array([], dtype=np.int64), folds)
        plan = Plan(
            backbones=[backbone.card.name],
            strategies=list(self.strategies or DEFAULT_STRATEGIES),
            control=False,
            trials=self.trials if self.budget is None else None,
        )
        ledger = Ledger(Journal(folder / "journal.jsonl"), folder / "trials")
        clock = BudgetClock(seconds(self.budget))
        trials = search(bench, rows, folds, plan, ledger=ledger, clock=clock, executor=Here())
        best = winner(trials, "transfer", bench)
        if best is None or best.validated is None:
            raise DataError("no trial finished: training diverged. Try precision='fp32' or strategies=('probe',).")
        seen = best.validated
        return Model(
            refit_winner(best, outer, bench),
            classes=names,
            kind=task.kind,
            temperature=task.calibrate(seen.logits, targets_N[seen.rows]),
            placement=bench.placement_of(backbone.card.name, training=best.spec.strategy != "probe"),
        )

    def __sklearn_tags__(self) -> Any:
        """Inputs are raw examples, not rows of numbers."""
        return _raw_input(super().__sklearn_tags__())


TOO_FEW = {"single": "no class has two examples", "quantity": "fewer than two examples"}


class TransferClassifier(ClassifierMixin, _Transfer):  # type: ignore[misc]
    """Classify raw pictures or texts with a pre-trained backbone, adapted as deep as validation supports.

    `backbone` is as in PretrainedFeatures. Without `budget` it runs `trials` trials, which repeats exactly; the default, one trial, is a probe. There is no test
    set and no control here: scikit-learn's own splitters prove it from outside, `headstart.fit` from inside.
    """

    def fit(self, X: Sequence[Any], y: Any) -> Self:
        """Adapt the backbone to examples `X` (N) and labels `y` (N).

        Raises DataError below two classes, or where no class has two examples.
        """
        self._check()
        self.classes_, targets_N = _targets(y)
        names = tuple(str(name) for name in self.classes_)
        self.model_ = self._fit(X, targets_N.astype(np.int64), TASKS["single"], names)
        return self

    def predict_proba(self, X: Sequence[Any]) -> np.ndarray:
        """Calibrated probabilities (N × K), columns in the order of `classes_`."""
        check_is_fitted(self, "model_")
        return self.model_.predict_proba(_inputs(X, self.model_.backbone))

    def predict(self, X: Sequence[Any]) -> np.ndarray:
        """The most probable label of each example (N,)."""
        chances_NK = self.predict_proba(X)
        return np.asarray(self.classes_[chances_NK.argmax(axis=1)])


class TransferRegressor(RegressorMixin, _Transfer):  # type: ignore[misc]
    """Predict a number for raw pictures or texts with a pre-trained backbone; settings as in TransferClassifier."""

    def fit(self, X: Sequence[Any], y: Any) -> Self:
        """Adapt the backbone to examples `X` (N) and numbers `y` (N), in any unit.

        Raises DataError where they are not finite, all equal, or fewer than two.
        """
        self._check()
        self.model_ = self._fit(X, _numbers(y), TASKS["quantity"], ())
        return self

    def predict(self, X: Sequence[Any]) -> np.ndarray:
        """The number for each example (N,), in the unit of `y`."""
        return np.asarray(self.predict_interval(X)[:, 0])

    def predict_interval(self, X: Sequence[Any]) -> np.ndarray:
        """Number, low and high end for each example (N × 3); nine of ten new numbers lie between the ends."""
        check_is_fitted(self, "model_")
        return np.asarray(self.model_.predict_proba(_inputs(X, self.model_.backbone)))


def _raw_input(tags: Any) -> Any:
    tags.input_tags.two_d_array = False
    tags.input_tags.string = True
    tags.no_validation = True
    return tags


def _load(backbone: str | Backbone | None, X: Sequence[Any], *, offline: bool) -> Backbone:
    if backbone is None:
        modality = read_inputs(_examples(X)[:1]).modality
        candidates = default_candidates(modality)
        if not candidates:
            raise MissingExtra(f"no backbone for {modality} is installed. Name one, or install headstart again.")
        backbone = candidates[0]
    return load_backbone(backbone, offline=offline)


def _inputs(X: Sequence[Any], backbone: Backbone) -> Dataset:
    """One example for each member of `X`: a string is a text or the path of a picture, never a folder or table of more."""
    examples = _examples(X)
    wanted = backbone.card.modality
    if wanted == "image" or not any(isinstance(example, np.ndarray) for example in examples[:1]):
        return objects_dataset(examples, modality=wanted)
    raise DataError(f"X: holds arrays, the backbone {backbone.card.name} takes {wanted}. Give strings.")


def _examples(X: Any) -> list[Any]:
    """`X` as a list; a table of one column is its values, one of two columns their pairs."""
    if hasattr(X, "to_numpy"):
        X = X.to_numpy()
    if isinstance(X, str | bytes) or not isinstance(X, Iterable):
        raise DataError(f"X: a {type(X).__name__}. Give a list of texts or pictures, or an array.")
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS" and X.ndim == 2:
        return [row[0] if len(row) == 1 else tuple(row) for row in X.tolist()]
    return list(X)


def _targets(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The classes in order, and the number of each example's class (N)."""
    check_classification_targets(y)
    if type_of_target(y, input_name="y") not in ("binary", "multiclass"):
        raise DataError("y: several labels per example. Give one each; `headstart.fit` takes several.")
    classes, targets_N = np.unique(column_or_1d(y, warn=True), return_inverse=True)
    if len(classes) < 2:
        raise DataError("y: one class only. Add examples of a second class.")
    return classes, targets_N


def _numbers(y: Any) -> np.ndarray:
    """Finite numbers (N) of which two differ."""
    numbers_N: np.ndarray = column_or_1d(y, warn=True)
    if numbers_N.dtype.kind not in "buif":
        raise DataError("y: holds no numbers. Give one number per example, or use TransferClassifier.")
    numbers_N = np.asarray(numbers_N, dtype=np.float64)
    if not np.isfinite(numbers_N).all():
        raise DataError("y: NaN or infinite values. Leave those examples out.")
    if len(numbers_N) < 2 or np.ptp(numbers_N) == 0:
        raise DataError("y: all numbers are the same. Add examples with others.")
    return numbers_N


def _seed(random_state: Any) -> int:
    """A whole number as it is; None or a generator, as scikit-learn takes them, gives a fresh one."""
    return int(random_state if isinstance(random_state, Integral) else check_random_state(random_state).randint(2**31))
