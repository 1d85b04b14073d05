"""Finished runs as a real fit would leave them: figures from simulated answers, through the real metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from headstart.prove.answers import Answers, probabilities
from headstart.prove.calibrate import calibration
from headstart.prove.compare import compare
from headstart.prove.estimate import proportion
from headstart.prove.evidence import confusion_counts
from headstart.prove.generalise import gap
from headstart.prove.metrics import evaluate
from headstart.run.predictions import PredictionRow
from headstart.run.result import Result

ROLES = ("floor-majority", "floor-classical", "transfer", "random-frozen", "scratch")


@dataclass(frozen=True)
class Run:
    """What `write_report` is given."""

    result: Result
    rows: list[PredictionRow]
    audit: dict[str, Any]
    thumbnails: Callable[[str], bytes | str | None]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def simulated(truth: np.ndarray, count: int, skills: Mapping[str, float]) -> dict[str, Answers]:
    """Answers of every role: the higher its skill, the larger the logit of the truth."""
    draw = rng()
    several = truth.ndim == 2
    target_NK = truth if several else np.eye(count)[truth]
    noise_NK = draw.normal(size=target_NK.shape)
    found = {}
    for role, skill in skills.items():
        own_NK = 0.8 * noise_NK + 0.6 * draw.normal(size=target_NK.shape)
        logits_NK = 2.2 * (own_NK + skill * (target_NK - (0.5 if several else 0.0)))
        if role == "floor-majority":
            logits_NK = np.tile(np.log((target_NK.mean(0) + 0.01) / (1.01 - target_NK.mean(0))), (len(truth), 1))
        chances_NK = probabilities(logits_NK, several=several)
        found[role] = Answers.multi(truth, chances_NK) if several else Answers.single(truth, chances_NK)
    return found


def evidence(answers: Mapping[str, Answers], sharper: Answers, count: int) -> dict[str, Any]:
    """The parts of a Result that depend on the answers."""
    transfer, scratch = answers["transfer"], answers.get("scratch")
    found = None
    if scratch is not None:
        verdict = compare(transfer.correct_N, scratch.correct_N, rng=rng())
        found = {name: getattr(verdict, name) for name in ("word", "p_value", "better", "worse", "n")}
        found |= {
            "difference": asdict(verdict.difference),
            "against": "scratch",
            "sentence": f"In short: {verdict.reason}.",
        }
    before, after = calibration(sharper, rng=rng()), calibration(transfer, rng=rng())
    single = transfer.kind == "single"
    counts = confusion_counts(transfer.labels_N, transfer.predicted_NK.argmax(1), count) if single else None
    test = proportion(int(transfer.correct_N.sum()), len(transfer))
    train = proportion(98, 100)
    return {
        "test": {
            role: {name: asdict(value) for name, value in evaluate(given, rng=rng(), resamples=200).items()}
            for role, given in answers.items()
        },
        "verdict": found,
        "calibration": {
            "temperature": 1.43,
            "ece_before": asdict(before.ece),
            "ece_after": asdict(after.ece),
            "bins": [asdict(item) for item in after.bins],
            "bins_before": [asdict(item) for item in before.bins],
        },
        "gap": {"train": asdict(train), "test": asdict(test), "difference": asdict(gap(train, test))},
        "confusion_counts": counts,
    }


def run(
    *,
    name: str,
    modality: str,
    classes: Sequence[str],
    truth: np.ndarray,
    skills: Mapping[str, float],
    ids: Sequence[str],
    ranking: Sequence[tuple[str, str, float]],
    scheme: str = "given test",
    strategy: str = "partial",
    thumbnails: Callable[[str], bytes | str | None],
) -> Run:
    """A finished run on `truth` (N,) or (N × K)."""
    count, several = len(classes), truth.ndim == 2
    answers = simulated(truth, count, skills)
    sharpened = answers["transfer"].scores_NK ** 2.5
    sharper_NK = sharpened if several else sharpened / sharpened.sum(1, keepdims=True)
    sharper = Answers.multi(truth, sharper_NK) if several else Answers.single(truth, sharper_NK)
    found = evidence(answers, sharper, count)
    counts = found.pop("confusion_counts")
    result = Result(
        task={
            "name": "several labels" if several else "single label",
            "modality": modality,
            "kind": "multi" if several else "single",
            "classes": list(classes),
            "metric": "macro_f1" if several else "accuracy",
            "higher_is_better": True,
            "labels_without_figures": [],
        },
        data={
            "name": name,
            "fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "examples": 3 * len(truth),
            "set_aside": 7,
            "train": 2 * len(truth) - 7,
            "val": 0,
            "test": len(truth),
            "scheme": scheme,
            "groups": False,
        },
        ranking=[ranked(place, *entry) for place, entry in enumerate(ranking)],
        trials=trials([entry[0] for entry in ranking], scheme),
        chosen={
            "backbone": ranking[0][0],
            "strategy": strategy,
            "settings": {"learning_rate": 3e-4, "epochs": 12, "depth": 2},
            "why": "head first, then the last stages; accuracy 0.962 on validation, the best of 5 transfer trials",
            "card": {
                "spec": ranking[0][0],
                "name": ranking[0][0],
                "domain": ranking[0][1],
                "data": ["cifar100", "imagenet_samples"],
                "licence": "Apache-2.0",
                "parameters": 950_000,
                "weights_sha256": "ab" * 32,
            },
        },
        floor_names={"floor-majority": "always the most frequent class", "floor-classical": CLASSICAL[modality]},
        confusion=None if counts is None else {"classes": list(classes), "counts": counts},
        phases=[
            {"name": phase, "seconds": seconds, "peak_mib": peak}
            for phase, seconds, peak in (
                ("audit", 1.9, 310.0),
                ("rank", 6.2, 640.5),
                ("adapt", 58.4, 912.3),
                ("prove", 1.2, 912.3),
                ("save", 0.3, 912.3),
            )
        ],
        seed=0,
        versions={"headstart": "0.1.0", "python": "3.11.9", "torch": "2.11.0", "timm": "1.0.20"},
        options={
            "budget_s": 75.0,
            "trials": None,
            "strategies": ["probe", "partial"],
            "control": "scratch",
            "models": [],
            "columns": {"text": [], "image": None, "label": "kind", "split": None, "group": None},
        },
        machine={"platform": "Linux-6.1-x86_64", "device": "cpu", "threads": 2, "reduced_precision": True},
        **found,
    )
    return Run(
        result, prediction_rows(answers["transfer"], classes, ids), audit_of(name, classes, len(truth)), thumbnails
    )


CLASSICAL = {
    "image": "colour and gradient histograms with logistic regression",
    "text": "TF-IDF with logistic regression",
}


def ranked(place: int, backbone: str, domain: str, score: float) -> dict[str, Any]:
    ends = proportion(round(score * 240), 240)
    return {
        "backbone": backbone,
        "score": score,
        "low": ends.low,
        "high": ends.high,
        "domain": domain,
        "parameters": 950_000,
        "licence": "Apache-2.0",
        "input": "32 px RGB",
        "seconds": 1.2,
        "chosen": place == 0,
        "why": f"a ridge probe on its features gets {score:.1%} of 240 training examples right, each left out once, clearly more than the next"
        if place == 0
        else "",
    }


def trials(backbones: Sequence[str], scheme: str) -> list[dict[str, Any]]:
    """A few trials, one of which failed; for nested cross-validation in six searches."""
    plan = [
        ("transfer", backbones[0], "probe", 0.941, 1.2, None),
        ("transfer", backbones[-1], "probe", 0.873, 1.3, None),
        ("random-frozen", backbones[0], "random-frozen", 0.702, 1.1, None),
        ("scratch", backbones[0], "scratch", 0.611, 12.5, None),
        ("transfer", backbones[0], "partial", 0.962, 9.8, None),
        ("transfer", backbones[0], "full", None, 4.1, "the loss is not finite at step 12"),
    ]
    folds = range(6) if scheme == "nested cross-validation" else range(1)
    return [
        {
            "number": number,
            "fold": fold,
            "role": role,
            "backbone": backbone,
            "strategy": strategy,
            "settings": {"learning_rate": 3e-4, "epochs": 12} if seconds > 2 else {"C": 0.316},
            "validation": {} if value is None else {"accuracy": value, "macro_f1": value - 0.01},
            "seconds": seconds,
            "chosen": strategy in ("partial", "scratch", "random-frozen"),
            "error": error,
        }
        for fold in folds
        for number, (role, backbone, strategy, value, seconds, error) in enumerate(plan)
    ]


def prediction_rows(answers: Answers, classes: Sequence[str], ids: Sequence[str]) -> list[PredictionRow]:
    def named(flags: np.ndarray) -> tuple[str, ...]:
        return tuple(classes[k] for k in np.flatnonzero(flags))

    rows = []
    for number, name in enumerate(ids):
        scores_K = answers.scores_NK[number]
        sure = scores_K.max() if answers.kind == "single" else np.maximum(scores_K, 1 - scores_K).min()
        predicted = named(answers.predicted_NK[number])
        rows.append(
            PredictionRow(name, named(answers.truth_NK[number]), predicted, float(sure), 0, tuple(map(float, scores_K)))
        )
    return rows


def audit_of(name: str, classes: Sequence[str], count: int) -> dict[str, Any]:
    """An `audit.json` with a little of everything."""
    return {
        "name": name,
        "examples": {"found": 3 * count, "kept": 3 * count - 7, "set_aside": 7},
        "guesses": ["label column: kind (guessed from its name)"],
        "parts": {"train": 2 * count - 7, "test": count},
        "classes": {label: 40 + (13 * place) % 29 for place, label in enumerate(classes)},
        "classes_with_one_example": [],
        "shapes": {"line": "120 to 500 pixels wide, typically 320"},
        "reasons": {"unreadable": 2, "exact duplicate": 5},
        "set_aside": [
            {
                "id": "train/broken.jpg",
                "reason": "unreadable",
                "detail": "train/broken.jpg: empty (0 bytes). Replace or remove it.",
            },
            {
                "id": "train/notes.txt",
                "reason": "unreadable",
                "detail": "train/notes.txt: not a picture in a known format.",
            },
            *(
                {"id": f"train/copy{i}.jpg", "reason": "exact duplicate", "detail": f"of train/{i}.jpg"}
                for i in range(5)
            ),
        ],
        "odd": [{"id": "train/12.png", "note": "CMYK"}, {"id": "train/13.png", "note": "CMYK"}],
        "exact_duplicates": [[f"train/{i}.jpg", f"train/copy{i}.jpg"] for i in range(5)],
        "near_duplicates": [["train/40.jpg", "train/41.jpg", "train/42.jpg"]],
        "label_conflicts": [],
        "label_conflicts_among_near_duplicates": [
            [{"id": "a.jpg", "labels": [classes[0]]}, {"id": "b.jpg", "labels": [classes[1]]}]
        ],
        "leaks": [{"train": "train/9.jpg", "test": "test/3.jpg", "kind": "near"}],
    }


CLEAN_AUDIT: dict[str, Any] = {
    "name": "photos",
    "examples": {"found": 100, "kept": 100, "set_aside": 0},
    "guesses": [],
    "parts": {"": 100},
    "classes": {},
    "shapes": {},
    "reasons": {},
    "set_aside": [],
    "odd": [],
    "exact_duplicates": [],
    "near_duplicates": [],
    "label_conflicts": [],
    "label_conflicts_among_near_duplicates": [],
    "leaks": [],
}


def jpeg(name: str) -> bytes:
    """A small picture that depends on the name."""
    draw = np.random.default_rng(sum(map(ord, name)))
    small = Image.fromarray(draw.integers(40, 230, size=(6, 8, 3), dtype=np.uint8))
    out = BytesIO()
    small.resize((96, 72), Image.Resampling.BICUBIC).save(out, "JPEG", quality=80)
    return out.getvalue()


SKILLS = {"floor-majority": -1.0, "floor-classical": 1.6, "transfer": 4.2, "random-frozen": 2.1, "scratch": 1.9}
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
               ids=ids, ranking=[("mobilenetv2_100", "ImageNet-1k, natural photographs", 0.947), *STARTERS], strategy="probe", thumbnails=jpeg)  # fmt: skip


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


def intents() -> Run:
    """Seventy-seven classes of texts with long names."""
    truth = np.repeat(np.arange(77), 20)
    ids = [f"test.csv row {number + 2}" for number in range(len(truth))]

    def excerpt(name: str) -> str:
        return f"I wanted to {INTENTS[truth[int(name.split()[-1]) - 2]].replace('_', ' ')} but the app keeps telling me to wait. What can I do?"

    return run(name="banking77", modality="text", classes=INTENTS, truth=truth, skills={**SKILLS, "transfer": 5.4, "floor-classical": 4.4, "random-frozen": 2.9, "scratch": 3.1},
               ids=ids, ranking=[("minilm", "sentence pairs from the web", 0.884)], strategy="probe", thumbnails=excerpt)  # fmt: skip


def tags() -> Run:
    """Several labels per example, nested cross-validation, no from-scratch control, no calibration."""
    classes = ["indoors", "people", "animal", "vehicle", "night, or very dark", "food"]
    truth = (rng().random((120, 6)) < 0.35).astype(int)
    ids = [f"photos/{number:03d}.jpg" for number in range(120)]
    skills = {name: skill for name, skill in SKILLS.items() if name not in ("scratch", "random-frozen")}
    made = run(name="photos", modality="image", classes=classes, truth=truth, skills=skills, ids=ids, ranking=STARTERS[::-1], scheme="nested cross-validation", strategy="probe", thumbnails=jpeg)  # fmt: skip
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
