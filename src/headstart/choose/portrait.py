"""What a backbone makes of some of the target's examples: how near they are to its source, told without the source's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.choose.compatibility import Form, Mismatch, mismatches
from headstart.choose.profile import PASSED, Profile, profile
from headstart.choose.similarity import coverage, energy, frechet, kid, source_of
from headstart.features.batches import Decode
from headstart.features.reference import LowRankMoments
from headstart.models.backbone import Backbone
from headstart.models.text_backbone import TextBackbone
from headstart.runtime import Placement
from headstart.solvers import Array

LOOKED_AT = 64
"""Texts that are made into tokens once more, for what features do not hold."""
FARTHEST = 5
TOP_CLASSES = 5


@dataclass(frozen=True, slots=True)
class Portrait:
    """Measures of nearness by name (None where the source does not allow them), and what goes with them.

    - `batch_norm`: mean divergence in nats of the target's channels from the running statistics.
    - `confidence`, `energy`: mean probability of the source's best class, and mean energy in nats; `called`: what the source
      calls the examples most often, with shares.
    - `frechet`, `kid`, `coverage`: against the source card's reference statistics.
    - `fertility`: tokens per word; `unknown`: share of tokens the vocabulary lacks; `bits_per_byte`: of a causal model.

    `farthest` are the rows of the sample that are farthest from the source, by the measure `by`; `profile` is what the pass
    of a few examples told.
    """

    measures: Mapping[str, float | None]
    called: tuple[tuple[str, float], ...]
    mismatches: tuple[Mismatch, ...]
    farthest: tuple[int, ...]
    by: str | None
    profile: Profile


def portray(
    backbone: Backbone,
    items: Sequence[Any],
    features_ND: Array,
    *,
    decode: Decode,
    placement: Placement,
    shapes: Mapping[str, Any],
    reference: LowRankMoments | None,
    rng: np.random.Generator,
    source_ND: Array | None = None,
) -> Portrait:
    """The portrait of a backbone by the target's `items` (N) and their last-stage features (N × D).

    `source_ND` are the features that the source's own head reads, where it is not the last stage's.

    A few of the items are decoded again, PASSED of them pass through the network; all else comes from the features.
    """
    many = LOOKED_AT if isinstance(backbone, TextBackbone) else PASSED
    some = np.linspace(0, len(items) - 1, min(len(items), many)).round().astype(int)
    decoded = [decode(items[row]) for row in some]
    prepared = [backbone.preprocess.prepare(raw) for raw in decoded]
    passed = profile(backbone, prepared, placement)
    measures: dict[str, float | None] = {"batch_norm": passed.divergence}
    called, far_N, by = _head(backbone, features_ND if source_ND is None else source_ND, measures)
    if reference is not None:
        far_N, by = _reference(features_ND, reference, measures, rng)
    if isinstance(backbone, TextBackbone):
        for describe in TEXT_MEASURES:
            measures |= describe(backbone, decoded, prepared)
    farthest = () if far_N is None else tuple(int(row) for row in np.argsort(-far_N)[:FARTHEST])
    form = Form(shapes, decoded, prepared)
    return Portrait(measures, called, mismatches(backbone, form), farthest, by, passed)


def _head(
    backbone: Backbone, features_ND: Array, measures: dict[str, float | None]
) -> tuple[tuple[tuple[str, float], ...], Array | None, str | None]:
    head = backbone.source_head
    if head is None:
        return (), None, None
    energy_N = energy(head.logits(features_ND).astype(np.float64))
    chance_NZ = head.probabilities(features_ND)
    measures["energy"], measures["confidence"] = float(energy_N.mean()), float(chance_NZ.max(1).mean())
    called = np.bincount(chance_NZ.argmax(1), minlength=chance_NZ.shape[1]) / len(features_ND)
    top = np.argsort(-called)[:TOP_CLASSES]
    names = [head.labels[z] if head.labels else f"class {z}" for z in top]
    return (
        tuple((name, float(called[z])) for name, z in zip(names, top, strict=True) if called[z] > 0),
        energy_N,
        "energy",
    )


def _reference(
    features_ND: Array, reference: LowRankMoments, measures: dict[str, float | None], rng: np.random.Generator
) -> tuple[Array, str]:
    rows_ND = features_ND.astype(np.float64)
    source = source_of(reference.mean_D.astype(np.float64), reference.factor_DR.astype(np.float64), reference.trace)
    covariance_DD = np.cov(rows_ND.T) if len(rows_ND) > 1 else np.zeros((rows_ND.shape[1],) * 2)
    measures["frechet"] = frechet(rows_ND.mean(0), covariance_DD, source.mean_D, reference.covariance())
    measures["kid"] = kid(rows_ND, source.draw(len(rows_ND), rng)) if len(rows_ND) > 1 else None
    measures["coverage"] = coverage(rows_ND, source)
    return source.distance(rows_ND), "distance from the source's reference statistics"


def _fertility(backbone: TextBackbone, decoded: Sequence[Any], prepared: Sequence[Any]) -> dict[str, float | None]:
    """Tokens per word, and the share of tokens that stand for something the vocabulary lacks."""
    words = sum(len(_text(raw).split()) for raw in decoded)
    unknown = backbone.preprocess.tokenizer.unk_token_id
    special = set(backbone.preprocess.tokenizer.all_special_ids) - {unknown}
    ids = [number for tokens in prepared for number in tokens.ids.tolist() if number not in special]
    lacking = sum(number == unknown for number in ids) / max(1, len(ids)) if unknown is not None else 0.0
    return {"fertility": len(ids) / max(1, words), "unknown": lacking}


def _bits_per_byte(backbone: TextBackbone, decoded: Sequence[Any], prepared: Sequence[Any]) -> dict[str, float | None]:
    """How many bits a causal language model needs for a byte of the target's texts; less is more familiar."""
    if backbone.next_token_VD is None:
        return {}
    whole = [_text(raw) for raw, tokens in zip(decoded, prepared, strict=True) if not tokens.truncated][:PASSED]
    if not whole:
        return {}
    nats, _ = backbone.next_token_nats(whole)
    return {"bits_per_byte": nats / np.log(2) / max(1, sum(len(text.encode()) for text in whole))}


def _text(raw: Any) -> str:
    return raw if isinstance(raw, str) else " ".join(raw)


TEXT_MEASURES = (_fertility, _bits_per_byte)
