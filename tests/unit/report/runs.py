"""Finished runs as a real fit would leave them, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

from tests.unit.report.made import Run, jpeg, rng, run

SKILLS = {"floor-majority": -1.0, "floor-classical": 1.6, "transfer": 3.3, "random-frozen": 2.1, "scratch": 1.9}
STARTERS = [("starter:glyph", "handwriting and glyphs", 0.954), ("starter:natural", "natural pictures", 0.812)]


def digits() -> Run:
    """Ten classes, one label each, held out."""
    from sklearn.datasets import load_digits

    found = load_digits()
    truth, images = found.target[:600], found.images[:600]
    ids = [f"digit {number}" for number in range(600)]

    def picture(name: str) -> bytes:
        pixels = 255 - images[int(name.split()[1])] * 15.9
        out = BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).resize((96, 96), Image.Resampling.NEAREST).save(out, "PNG")
        return out.getvalue()

    return run(name="builtin:digits", modality="image", classes=[str(k) for k in range(10)], truth=truth, skills=SKILLS,
               ids=ids, ranking=STARTERS, scheme="held out", thumbnails=picture)  # fmt: skip


def bees() -> Run:
    """Two classes, few examples, a test folder."""
    truth = rng().integers(0, 2, size=153)
    ids = [f"val/{'bees' if label else 'ants'}/{number:04d}_9a1c5e4f.jpg" for number, label in enumerate(truth)]
    return run(name="hymenoptera.zip", modality="image", classes=["ants", "bees"], truth=truth, skills={**SKILLS, "transfer": 2.6, "scratch": 0.4, "floor-classical": 0.5, "random-frozen": 0.6},
               ids=ids, ranking=[("mobilenetv2_100", "ImageNet-1k, natural photographs", 0.947), ("starter:natural", "natural pictures", 0.812), ("starter:glyph", "handwriting and glyphs", 0.704)], strategy="probe", thumbnails=jpeg)  # fmt: skip


INTENTS = [
    f"{verb}_{thing}"
    for verb in (
        "activate",
        "cancel",
        "lost_or_stolen",
        "verify",
        "unable_to_change",
        "why_was_I_charged_for",
        "exchange",
    )
    for thing in (
        "my_card",
        "transfer",
        "top_up_by_bank_transfer_charge",
        "pin",
        "refund",
        "cash_withdrawal",
        "identity",
        "direct_debit_payment_not_recognised",
        "exchange_rate",
        "receiving_money",
        "apple_pay_or_google_pay",
    )
]


LOSS = {"held-out loss per hidden token": {"value": 3.4, "unit": "nats", "source": "64 held-out pieces of text, 9,000 bytes"}}
CONTINUED = {
    "backbone": "minilm, continued", "base": "minilm", "kept": False, "metric": "accuracy", "value": 0.701, "plain": 0.724,
    "difference": {"value": -0.023, "low": -0.048, "high": 0.002, "n": 616, "method": "percentile bootstrap of groups, 2000 resamples"},
    "objective": "masked", "head": "fresh", "texts": 9412, "tokens": 124_031, "steps": 1212, "passes": 4.1, "seconds": 70.2, "same": 31, "held_out": 64,
    "before": None, "after": LOSS, "missing": None,
}  # fmt: skip
BITS = {"value": 0.64, "low": 0.6, "high": 0.69, "n": 32, "method": "percentile bootstrap of examples, 2000 resamples"}
FORGETTING = {
    "sample": "held-out texts of stories", "texts": 32, "objective": "masked", "before": BITS, "after": {**BITS, "value": 1.92, "low": 1.8, "high": 2.1},
    "difference": {**BITS, "value": 1.28, "low": 1.21, "high": 1.36},
    "strategies": [
        {"strategy": "full", "backbone": "minilm", "validation": 0.724, "source": 1.92},
        {"strategy": "lora", "backbone": "minilm", "validation": 0.69, "source": 0.71},
    ],
}  # fmt: skip
SHARE = {"value": 0.845, "low": 0.79, "high": 0.89, "n": 200, "method": "exact binomial"}
CONCEPTS = {
    "findings": [
        {
            "name": "ladder",
            "title": "When texts are corrupted",
            "sentence": "Of the texts as they are 84.5 % (79–89) are answered right.",
            "on": "200 test texts, drawn at random",
            "rows": [
                {"name": "as they are", "figure": SHARE, "note": "", "strong": True},
                {"name": "20 % of letters mistyped", "figure": {**SHARE, "value": 0.8}, "note": "keeps 90.0 %", "strong": False},
            ],
            "examples": ["20 % of letters mistyped: I wnated to cnacel"],
            "warning": "",
        }
    ],
    "words": {
        "missing": "",
        "examples": [
            {"id": "test.csv row 2", "true": ["a"], "predicted": ["b"], "right": False, "for": "b", "target": 1, "changed": 2.0,
             "missing": 0.004, "truncated": False, "words": [["I", 0.1], ["wanted", -1.2], ["to", 0.0], ["cancel", 3.1]]}
        ],
    },
    "left_out": [],
}  # fmt: skip
"""What a text's answers rest on, as a fit notes it."""


def intents() -> Run:
    """Seventy-seven classes of texts with long names, their answers looked into."""
    truth = np.repeat(np.arange(77), 20)
    ids = [f"test.csv row {number + 2}" for number in range(len(truth))]

    def excerpt(name: str) -> str:
        return f"I wanted to {INTENTS[truth[int(name.split()[-1]) - 2]].replace('_', ' ')} but the app keeps telling me to wait. What can I do?"

    made = run(name="banking77", modality="text", classes=INTENTS, truth=truth, skills={**SKILLS, "transfer": 4.4, "floor-classical": 3.9, "random-frozen": 2.9, "scratch": 3.1},
               ids=ids, ranking=[("minilm", "sentence pairs from the web", 0.884)], strategy="probe", thumbnails=excerpt)  # fmt: skip
    return replace(made, result=replace(made.result, concepts=CONCEPTS, continued=CONTINUED, forgetting=FORGETTING))


def tags() -> Run:
    """Several labels per example, nested cross-validation, no from-scratch control, no calibration."""
    classes = ["indoors", "people", "animal", "vehicle", "night, or very dark", "food"]
    truth = (rng().random((120, 6)) < 0.35).astype(int)
    ids = [f"photos/{number:03d}.jpg" for number in range(120)]
    skills = {name: skill for name, skill in SKILLS.items() if name not in ("scratch", "random-frozen")}
    made = run(name="photos", modality="image", classes=classes, truth=truth, skills=skills, ids=ids, ranking=[(STARTERS[1][0], STARTERS[1][1], 0.812), (STARTERS[0][0], STARTERS[0][1], 0.627)], scheme="nested cross-validation", strategy="probe", thumbnails=jpeg)  # fmt: skip
    result = replace(
        made.result,
        calibration=None,
        options={**made.result.options, "control": "none"},
        task={**made.result.task, "labels_without_figures": ["food"]},
        trials=[trial for trial in made.result.trials if trial["role"] != "scratch"],
    )
    return replace(made, result=result)


HOSTILE = '<script>alert("x")</script>'


def hostile() -> Run:
    """Names that are markup, formulas and control characters."""
    classes = [HOSTILE, "=cmd|' /C calc'!A0", '"><img src=x onerror=alert(1)>', "a;b\\c", "{{ 7 * 7 }}\x1b[2J"]
    truth = np.arange(60) % 5
    ids = [f"{HOSTILE}/{number}\n@evil\udce9" for number in range(60)]
    return run(name=HOSTILE, modality="text", classes=classes, truth=truth, skills=SKILLS, ids=ids, ranking=[(HOSTILE, HOSTILE, 0.8)], thumbnails=lambda name: f"{HOSTILE} {name}")  # fmt: skip


RUNS: dict[str, Callable[[], Run]] = {
    "digits": digits,
    "bees": bees,
    "intents": intents,
    "tags": tags,
    "hostile": hostile,
}


@cache
def sample(name: str) -> Run:
    """A run of RUNS, made once; do not change it."""
    return RUNS[name]()
