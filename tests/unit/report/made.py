"""How a finished run is made for a test: figures from simulated answers, through the real metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.evidence import Tested, calibrated, fit_gap, verdict
from headstart.models.card import SourceCard
from headstart.options import Options
from headstart.prove.answers import Answers
from headstart.prove.calibrate import fit_temperature
from headstart.prove.estimate import proportion
from headstart.prove.evidence import confusion_counts
from headstart.prove.head_start import Curve
from headstart.prove.metrics import evaluate
from headstart.run.predictions import PredictionRow
from headstart.run.result import Result
from headstart.tasks import TASKS, Task
from headstart.worth import told_of

TOO_SURE = 1.6
"""How many times too large the simulated logits are before calibration."""


@dataclass(frozen=True)
class Run:
    """What `write_report` is given."""

    result: Result
    rows: list[PredictionRow]
    audit: dict[str, Any]
    thumbnails: Callable[[str], bytes | str | None]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def simulated(truth: np.ndarray, count: int, skills: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Logits of every role: the higher its skill, the larger the logit of the truth."""
    draw = rng()
    several = truth.ndim == 2
    target_NK = truth if several else np.eye(count)[truth]
    noise_NK = draw.normal(size=target_NK.shape)
    found = {}
    for role, skill in skills.items():
        own_NK = 0.8 * noise_NK + 0.6 * draw.normal(size=target_NK.shape)
        found[role] = TOO_SURE * max(skill, 0.5) * (own_NK + skill * (target_NK - (0.5 if several else 0.0)))
        if role == "floor-majority":
            share_K = target_NK.mean(0)
            found[role] = np.tile(np.log((share_K + 0.01) / (1.01 - share_K)), (len(truth), 1))
    return found


def evidence(logits: Mapping[str, np.ndarray], truth: np.ndarray, task: Task, classes: Sequence[str]) -> dict[str, Any]:
    """The parts of a Result that the answers decide, as a run makes them, but with fewer resamples."""
    temperatures = {role: fit_temperature(values, truth) for role, values in logits.items()}
    tested = Tested(
        rows=np.arange(len(truth)),
        targets=truth,
        probabilities={role: task.probabilities(values, temperatures[role]) for role, values in logits.items()},
        uncalibrated=task.probabilities(logits["transfer"]),
        folds=np.zeros(len(truth), dtype=int),
        groups=None,
    )
    answers = {role: task.answers(truth, chances) for role, chances in tested.probabilities.items()}
    counts = confusion_counts(truth, task.decide(tested.probabilities["transfer"]), len(classes))
    return {
        "test": {
            role: {name: asdict(value) for name, value in evaluate(given, rng=rng(), resamples=200).items()}
            for role, given in answers.items()
        },
        "verdict": verdict(answers, None, 0),
        "calibration": {"temperature": temperatures["transfer"], **calibrated(tested, task, 0)},
        "confusion": None if counts is None else {"classes": list(classes), "counts": counts},
        "gap": fit_gap(answers["transfer"], 0.99, 100),
        "answers": answers["transfer"],
    }


def head_start(
    truth: np.ndarray, task: Task, count: int, skills: Mapping[str, float], labels: int
) -> dict[str, Any] | None:
    """Learning curves of sides that learn alike, but one of them from a better start; None without scratch."""
    if "scratch" not in skills:
        return None
    sizes = np.array([labels // 8, labels // 4, labels // 2, labels])
    curves = {}
    for side, seconds in (("transfer", 6.0), ("scratch", 67.0)):
        right = [
            task.correct(task.probabilities(simulated(truth, count, {side: part * skills[side]})[side]), truth)
            for part in (0.55, 0.7, 0.85, 1.0)
        ]
        curves[side] = Curve(sizes, seconds * sizes / labels, np.stack(right, axis=1).astype(float))
    told = told_of(curves["transfer"], curves["scratch"], right=True, everything=labels, groups=None, seed=0)
    return {**told, "folds": [0], "missing": None}


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
    several = truth.ndim == 2
    task = TASKS["multi" if several else "single"]
    found = evidence(simulated(truth, len(classes), skills), truth, task, classes)
    answers = found.pop("answers")
    result = Result(
        task={
            "name": task.name,
            "modality": modality,
            "kind": task.kind,
            "classes": list(classes),
            "metric": task.default_metric,
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
        ranking=[ranked(place, modality, *entry) for place, entry in enumerate(ranking)],
        trials=trials([entry[0] for entry in ranking], scheme, strategy),
        chosen={
            "backbone": ranking[0][0],
            "strategy": strategy,
            "settings": {"learning_rate": 3e-4, "epochs": 12, "depth": 2},
            "why": CHOSEN_WHY[strategy],
            "card": SourceCard(
                spec=ranking[0][0],
                name=ranking[0][0],
                modality=modality,
                family="headstart",
                architecture="small",
                domain=ranking[0][1],
                data=("cifar100", "imagenet_samples"),
                licence="Apache-2.0",
                parameters=950_000,
                weights_sha256="ab" * 32,
            ).to_dict(),
        },
        floor_names={
            "floor-majority": "always the most frequent class",
            "floor-classical": MODALITIES[modality].floor_name,
        },
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
        options=Options.checked(
            columns=Columns(label="kind"),
            budget="75s",
            trials=None,
            strategies=["probe", "partial"],
            control="scratch",
            metric=None,
            models=[],
            seed=0,
            device="auto",
            precision="auto",
            offline=False,
        ).to_dict(),
        machine={
            "platform": "Linux-6.1-x86_64",
            "device": "cpu",
            "threads": 2,
            "reduced_precision": "bfloat16",
            "in_full_precision": [],
        },
        foresight=FORESIGHT,
        head_start=head_start(truth, task, len(classes), skills, 2 * len(truth) - 7),
        **found,
    )
    audit = audit_of(name, modality, classes, len(truth))
    return Run(result, prediction_rows(answers, classes, ids), audit, thumbnails)


WHY = (
    "a ridge probe on its features gets {:.1%} of 240 training examples right, each left out once, clearly more than 81.2% "
    "with starter:natural"
)
CHOSEN_WHY = {
    "probe": "backbone frozen, a linear head solved exactly; accuracy 0.941 on validation, the best of 4 transfer trials",
    "partial": "head first, then the last stages; accuracy 0.962 on validation, the best of 4 transfer trials",
}
FORESIGHT = {
    "advice": "partial",
    "reason": "features fit well (95%), 12 examples per class can sharpen the last stages",
    "strategy": "partial",
    "advice_held": True,
    "forecast": "helped",
    "chance": 0.91,
    "difference": 0.12,
    "low": 0.01,
    "high": 0.23,
    "verdict": "helped",
    "forecast_held": True,
    "notes": [],
}
INPUTS = {"image": "32 px RGB", "text": "128 tokens"}
SIZES = {"image": "120 to 500 pixels wide, typically 320", "text": "4 to 79 words long, typically 12"}


def ranked(place: int, modality: str, backbone: str, domain: str, score: float) -> dict[str, Any]:
    ends = proportion(round(score * 240), 240)
    return {
        "backbone": backbone,
        "place": place + 1,
        "tied": False,
        "places": [place + 1, place + 2],
        "chance_of_first": 0.9 if place == 0 else 0.1,
        "score": score,
        "low": ends.low,
        "high": ends.high,
        "examples": 240,
        "scores": {"ridge": {"value": 0.7, "chance": -0.01, "spread": 0.004}},
        "prior": {"value": 0.1, "error": 0.29, "sets": 0},
        "cut": {"stage": "blocks.3", "number": 1, "explained": 0.7, "gain": 0.02, "error": 0.004},
        "cuts": [{"stage": "stem", "explained": 0.2}, {"stage": "blocks.3", "explained": 0.7}],
        "domain": domain,
        "parameters": 950_000,
        "licence": "Apache-2.0",
        "input": INPUTS[modality],
        "seconds": 1.2,
        "chosen": place == 0,
        "why": WHY.format(score) if place == 0 else "",
    }


def trials(backbones: Sequence[str], scheme: str, best: str) -> list[dict[str, Any]]:
    """A few trials, one of which failed; for nested cross-validation in six searches."""
    plan = [
        ("transfer", backbones[0], "probe", 0.941, 1.2, None),
        ("transfer", backbones[-1], "probe", 0.873, 1.3, None),
        ("random-frozen", backbones[0], "random-frozen", 0.702, 1.1, None),
        ("scratch", backbones[0], "scratch", 0.611, 12.5, None),
        ("transfer", backbones[0], "partial", 0.962 if best == "partial" else 0.938, 9.8, None),
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
            "chosen": strategy in (best, "scratch", "random-frozen") and value != 0.873,
            "pruned": False,
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


def audit_of(name: str, modality: str, classes: Sequence[str], count: int) -> dict[str, Any]:
    """An `audit.json` with a little of everything."""
    return {
        "name": name,
        "examples": {"found": 3 * count, "kept": 3 * count - 7, "set_aside": 7},
        "guesses": ["label column: kind (guessed from its name)"],
        "parts": {"train": 2 * count - 7, "test": count},
        "classes": {label: 40 + (13 * place) % 29 for place, label in enumerate(classes)},
        "classes_with_one_example": [],
        "shapes": {"line": SIZES[modality]},
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
