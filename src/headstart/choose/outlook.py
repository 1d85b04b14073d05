"""What lies ahead with each ranked candidate: nearness, how deep to adapt, at which cost, and the verdict to expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.choose.cost import Cost, Way, predict
from headstart.choose.depth import Advice, Situation, advise
from headstart.choose.forecast import Clues, Forecast, Forecaster, forecast
from headstart.choose.portrait import Portrait, portray
from headstart.choose.ranking import Ranked
from headstart.choose.scores import as_columns
from headstart.choose.similarity import flat_map
from headstart.features.batches import Decode
from headstart.features.reference import read_reference
from headstart.features.staged import Pace
from headstart.models.backbone import Backbone
from headstart.runtime import Placement, generator
from headstart.solvers import Array, ridge_left_out, spectrum


@dataclass(frozen=True, slots=True)
class Outlook:
    """What lies ahead with one candidate. `forecast` and `floor` (the classical method's left-out accuracy) are None where no
    control will be trained.
    """

    portrait: Portrait
    advice: Advice
    costs: tuple[Cost, ...]
    forecast: Forecast | None
    floor: float | None


@dataclass(frozen=True, slots=True)
class Scene:
    """The sample that candidates were ranked on, and what an outlook needs of it besides features.

    `rows` are positions among all training examples (`everything` of them in number); `targets` and `items` those of the
    rows; `floor` is the left-out accuracy of a ridge probe on the classical floor's features, None where it was not asked
    for; `tested` how many examples will judge.
    """

    items: Sequence[Any]
    targets: Array
    shapes: Mapping[str, Any]
    decode: Decode
    placement: Placement
    everything: int
    floor: float | None
    tested: int
    seed: int


def outlook(
    found: Ranked,
    backbone: Backbone,
    last_ND: Array,
    scene: Scene,
    *,
    ways: Sequence[Way],
    forecaster: Forecaster | None,
    pace: Pace | None,
    source_ND: Array | None = None,
) -> Outlook:
    """The outlook of a ranked candidate by its last-stage features of the sample (N × D).

    `source_ND` are the features that the source's own head reads, where it is not the last stage's.

    `pace` is what extracting features took per example; without it the pass of a few examples has to do.
    """
    portrait = portray(
        backbone,
        scene.items,
        last_ND,
        decode=scene.decode,
        placement=scene.placement,
        shapes=scene.shapes,
        reference=_reference(backbone),
        source_ND=source_ND,
        rng=generator(scene.seed, "portrait"),
    )
    pace = pace or Pace(portrait.profile.network_s, portrait.profile.network_s)
    extraction_s = pace.seconds * (scene.everything + scene.tested)
    costs = [predict(portrait.profile, way, network_s=pace.network_s, extraction_s=extraction_s) for way in ways]
    chance, classes = guessing(scene.targets)
    cut = found.evidence.cuts[found.evidence.cut]
    is_early = found.evidence.cut < len(found.evidence.cuts) - 1
    probe = float(found.evidence.right_N.mean())
    situation = Situation(probe, chance, scene.everything, classes, cut.name if is_early else None)
    expected = None
    if scene.floor is not None and forecaster is not None:
        clues = Clues(probe, scene.floor, chance, scene.everything, classes)
        expected = forecast(forecaster, clues)
    return Outlook(portrait, advise(situation), tuple(costs), expected, scene.floor)


def guessing(targets: Array) -> tuple[float, int]:
    """The accuracy of always answering with the commonest class, and the number of classes."""
    if targets.ndim == 1:
        counts = np.bincount(targets)
        return float(counts.max() / len(targets)), int((counts > 0).sum())
    share_K = targets.mean(0)
    return float(np.maximum(share_K, 1 - share_K).mean()), int(targets.shape[1])


def floor_accuracy(
    describe: Callable[[Sequence[Any]], np.ndarray | list[str]], items: Sequence[Any], targets: Array, groups_N: Array
) -> float:
    """Left-out accuracy of ridge on what the modality's classical method makes of the items; texts become TF-IDF."""
    made = describe(items)
    if not isinstance(made, np.ndarray):
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\S+", max_features=MOST_TERMS
        )
        made = vectorizer.fit_transform(made).toarray()
    columns_NK = as_columns(targets)
    predicted_NK = ridge_left_out(spectrum(np.asarray(made)), columns_NK, groups_N).predicted_NK
    if targets.ndim == 1:
        return float((predicted_NK.argmax(1) == targets).mean())
    return float(((predicted_NK >= 0.5) == (targets > 0)).mean())


MOST_TERMS = 5000


def sources_map(features: Sequence[Array], targets: Array) -> Array:
    """Places on a plane (1 + M, 2): the target at the origin, then M backbones by their features of the same examples.

    Distance is 1 − centred kernel alignment (Kornblith et al. 2019, eq. 2), to the labels for the target: near it lie sources
    that already group its examples as its labels do.
    """
    grams = [_unit_gram(as_columns(targets)), *(_unit_gram(one.astype(np.float64)) for one in features)]
    likeness_MM = np.array([[float((one * other).sum()) for other in grams] for one in grams])
    return flat_map(np.maximum(1 - likeness_MM, 0))


def _unit_gram(rows_ND: Array) -> Array:
    centred_ND = rows_ND - rows_ND.mean(0)
    gram_NN = centred_ND @ centred_ND.T
    return np.asarray(gram_NN / max(float(np.linalg.norm(gram_NN)), 1e-300))


def _reference(backbone: Backbone) -> Any:
    folder = reference_folder(backbone.card.spec)
    found = read_reference(folder) if folder is not None else None
    return found[-1] if found else None


def reference_folder(spec: str) -> Path | None:
    """The folder of a backbone that may carry reference statistics: a starter's, or a local one."""
    from headstart.models.resolve import STARTERS

    prefix, _, name = spec.partition(":")
    folder = STARTERS / name if prefix == "starter" else Path(spec.removeprefix("local-dir:")).expanduser()
    return folder if folder.is_dir() else None
