"""Where the data differ in form from what a backbone takes, and what will be done about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.models.backbone import Backbone

ENLARGED, REDUCED, CUT_OFF = 2.0, 4.0, 0.15
"""Factors of the shorter side, and the share of a typical picture that is cropped away, from which it is said."""
MOSTLY, SOME = 0.5, 0.05
"""Shares of the examples from which a difference is said."""
PROBE = "The Quick Brown Fox"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference between the data and what the backbone was made for, and what will be done about it."""

    what: str
    done: str


@dataclass(frozen=True, slots=True)
class Form:
    """What is known of the data's form: what the audit says of shapes, and some decoded and prepared examples."""

    shapes: Mapping[str, Any]
    decoded: Sequence[Any]
    prepared: Sequence[Any]


def mismatches(backbone: Backbone, form: Form) -> tuple[Mismatch, ...]:
    """All differences worth saying, for the backbone's modality."""
    return tuple(found for check in CHECKS.get(backbone.card.modality, ()) for found in check(backbone, form))


def channels(backbone: Backbone, form: Form) -> list[Mismatch]:
    """Grey pictures for a network that saw colour."""
    modes = form.shapes.get("modes") or {}
    grey = sum(count for mode, count in modes.items() if mode.split(";")[0] in ("1", "L", "LA", "I", "F", "grey"))
    total = sum(modes.values())
    if not total or grey / total < MOSTLY:
        return []
    return [
        Mismatch(f"{grey} of {total} pictures are grey, the source takes colour", "grey is repeated on three channels")
    ]


def resolution(backbone: Backbone, form: Form) -> list[Mismatch]:
    """Pictures much smaller or larger than the network's input."""
    width, height = _median(form, "width"), _median(form, "height")
    side = _input_side(form)
    if not width or not height or not side:
        return []
    factor = side / min(width, height)
    size = f"{width:.0f} × {height:.0f} pixels"
    if factor >= ENLARGED:
        return [
            Mismatch(
                f"pictures are typically {size}, the input is {side} px",
                f"enlarged {factor:.1f} times, which adds no detail",
            )
        ]
    if factor <= 1 / REDUCED:
        return [
            Mismatch(
                f"pictures are typically {size}, the input is {side} px",
                f"reduced {1 / factor:.1f} times: small details are lost",
            )
        ]
    return []


def aspect(backbone: Backbone, form: Form) -> list[Mismatch]:
    """Long pictures for a network that sees the middle square."""
    width, height = _median(form, "width"), _median(form, "height")
    described = backbone.preprocess.to_dict()
    if not width or not height or described.get("fit") != "shortest":
        return []
    lost = 1 - min(width, height) / max(width, height)
    if lost < CUT_OFF:
        return []
    return [
        Mismatch(
            f"pictures are typically {width:.0f} × {height:.0f} pixels",
            f"{lost:.0%} at the ends is cut off: the source sees the middle square",
        )
    ]


def length(backbone: Backbone, form: Form) -> list[Mismatch]:
    """Texts longer than the network takes."""
    long = [len(getattr(tokens, "windows", ())) > 1 or bool(getattr(tokens, "truncated", False)) for tokens in form.prepared]
    if not long or np.mean(long) < SOME:
        return []
    described = backbone.preprocess.to_dict()
    what = f"{np.mean(long):.0%} of the texts are longer than {described.get('max_length')} tokens"
    most = described.get("windows", 1)
    if most == 1:
        return [Mismatch(what, "the rest of them is not read")]
    lost = np.mean([tokens.truncated for tokens in form.prepared])
    missed = f"; {lost:.0%} have more than {most} windows and are not read whole" if lost else ""
    return [Mismatch(what, f"read in overlapping windows, whose features are averaged{missed}")]


def case(backbone: Backbone, form: Form) -> list[Mismatch]:
    """Capital letters for a tokenizer that knows none."""
    one, other = (backbone.preprocess.prepare(text) for text in (PROBE, PROBE.lower()))
    if not np.array_equal(one.ids, other.ids):
        return []
    shouting = [any(word.isupper() and len(word) > 1 for word in _text(raw).split()) for raw in form.decoded]
    if not shouting or np.mean(shouting) < SOME:
        return []
    return [
        Mismatch(
            f"{np.mean(shouting):.0%} of the texts have words in capitals",
            "the source's tokenizer makes all letters small",
        )
    ]


def language(backbone: Backbone, form: Form) -> list[Mismatch]:
    """Texts in another language than the source says it was made from."""
    languages = {name: count for name, count in (form.shapes.get("languages") or {}).items() if name != "unsure"}
    card = backbone.card
    told = " ".join(filter(None, (card.domain, card.name, *card.data))).lower()
    total = sum(languages.values())
    if not total or "english" not in told or "multilingual" in told:
        return []
    main, count = max(languages.items(), key=lambda item: item[1])
    if main == "English" or count / total < MOSTLY:
        return []
    return [
        Mismatch(
            f"{count} of {total} texts look {main}, the source is English",
            "read as they are; a multilingual source may suit better",
        )
    ]


def _median(form: Form, name: str) -> float | None:
    found = form.shapes.get(name)
    return float(found["median"]) if isinstance(found, Mapping) else None


def _input_side(form: Form) -> int | None:
    shapes = [np.shape(one) for one in form.prepared]
    return min(shapes[0][0], shapes[0][1]) if shapes and len(shapes[0]) == 3 and shapes[0][2] == 3 else None


def _text(raw: Any) -> str:
    return raw if isinstance(raw, str) else " ".join(raw)


Check = Callable[[Backbone, Form], list[Mismatch]]
CHECKS: Mapping[str, Sequence[Check]] = {"image": (channels, resolution, aspect), "text": (length, case, language)}
"""What is compared, by modality."""
