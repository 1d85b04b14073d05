"""What a run leaves in its folder."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.adapt.proving import Final, Proved
from headstart.adapt.strategies import strategy_named
from headstart.adapt.trial import Spec, Trial
from headstart.adapt.workbench import Workbench
from headstart.choose.outlook import Outlook
from headstart.choose.ranking import Ranked, Ranking
from headstart.choose.reading import Reading
from headstart.data.audit_result import Audit
from headstart.data.modality import MODALITIES
from headstart.data.split import Splits
from headstart.evidence import Tested
from headstart.evidence_tags import tag_rows
from headstart.files import read_json, write_json, write_text
from headstart.model import Model
from headstart.options import Options
from headstart.predicted import confidence, found_in
from headstart.prove.metrics import METRICS
from headstart.report.card import model_card
from headstart.report.page import write_report
from headstart.report.words import IN_UNITS, number
from headstart.run.answers import AnswerRow, write_answers
from headstart.run.folder import Run
from headstart.run.losses import LossRow, write_losses
from headstart.run.predictions import NumberRow, PredictionRow, number_row, write_numbers, write_predictions
from headstart.run.result import Result
from headstart.run.tags import TagRow, write_tags
from headstart.sampled import samples_of

if TYPE_CHECKING:
    from headstart.choosing import Material

PACKAGES = ("torch", "torchvision", "timm", "transformers", "numpy", "scikit-learn", "pillow")
THUMBNAIL_PX = 96


def write_audit(folder: Path, found: Audit, readings: Sequence[Reading] = ()) -> None:
    """Write `audit.json`, with how the backbones that will be tried read texts once that is known."""
    write_json(folder / "audit.json", {**found.to_dict(), "reading": [one.to_dict() for one in readings]})


def write_splits(folder: Path, parts: Splits) -> None:
    """Write `splits.json`: which example is on which side."""
    write_json(folder / "splits.json", parts.to_dict())


def save_model(run: Run, bench: Workbench, final: Final, material: Material) -> Model:
    """Write weights, labels and preprocessing."""
    spec = final.trial.spec
    backbone = bench.backbones[spec.backbone]
    moves = strategy_named(spec.strategy).first(backbone) < len(backbone.stages)
    model = Model(
        final.network,
        classes=bench.classes,
        kind=bench.task.kind,
        temperature=final.temperature,
        placement=bench.placement_of(spec.backbone, training=moves),
        folder=run.folder,
    )
    model.save(run.folder)
    return model


def result_of(
    run: Run,
    bench: Workbench,
    material: Material,
    ranking: Ranking,
    final: Final,
    trials: Sequence[Trial],
    proved: Sequence[Proved],
    found: Mapping[str, Any],
    options: Options,
) -> Result:
    """Everything as `result.json` holds it."""
    metric = METRICS[bench.metric]
    winners = {(trial.fold, trial.spec.key(trial.fold)) for split in proved for trial in split.winners.values()}
    winners.add((final.trial.fold, final.trial.spec.key(final.trial.fold)))
    return Result(
        task={
            "name": bench.task.name,
            "modality": material.dataset.modality,
            "kind": bench.task.kind,
            "classes": list(bench.classes),
            "metric": bench.metric,
            "higher_is_better": metric.higher_is_better,
            "labels_without_figures": list(material.splits.unmeasured),
            "panels": list(bench.task.panels),
        },
        data=data_of(material),
        ranking=ranking_of(ranking),
        trials=[trial_of(trial, (trial.fold, trial.spec.key(trial.fold)) in winners) for trial in trials],
        chosen=chosen_of(bench, ranking, final, trials),
        test=found["test"],
        floor_names={
            "floor-majority": bench.task.guess_name,
            "floor-classical": bench.task.floor_name
            or f"{MODALITIES[material.dataset.modality].floor_name} with {bench.task.solver.name}",
        },
        verdict=found["verdict"],
        calibration={bench.task.calibrated_by: final.temperature, **found["calibration"]},
        confusion=found["confusion"],
        gap=found["gap"],
        foresight=found["foresight"],
        head_start=found["head_start"],
        continued=found["continued"],
        forgetting=found["forgetting"],
        concepts=found["concepts"],
        language=samples_of(material, bench, proved),
        spans=found.get("spans"),
        phases=run.phases,
        seed=options.seed,
        versions=versions(),
        options=options.to_dict(),
        machine={
            "platform": platform.platform(),
            "device": bench.placement.device,
            "threads": bench.placement.threads,
            "reduced_precision": bench.placement.low,
            "in_full_precision": [f"{name}: its {why}" for name, why in bench.inexact.items()],
        },
    )


def data_of(material: Material) -> dict[str, Any]:
    """The data in figures."""
    splits = material.splits
    return {
        "name": material.dataset.name,
        "fingerprint": material.fingerprint,
        "examples": len(material.dataset),
        "set_aside": len(material.dataset) - len(material.audit.keep),
        "train": len(splits.train),
        "val": len(splits.val or ()),
        "test": len(splits.test) or len(splits.train),
        "scheme": splits.scheme,
        "groups": material.dataset.groups is not None,
    }


def ranking_of(ranking: Ranking) -> list[dict[str, Any]]:
    """The ranking as rows."""
    return [
        {
            **candidate_of(candidate, ranking.prior_sha256),
            "chosen": position == 0,
            "why": ranking.why() if position == 0 else "",
        }
        for position, candidate in enumerate(ranking.candidates)
    ]


def candidate_of(candidate: Ranked, prior_sha256: str) -> dict[str, Any]:
    """One candidate as a row; `prior_sha256` is the hash of what the prior was learned from."""
    standing, cut = candidate.standing, candidate.evidence.cuts[candidate.evidence.cut]
    return {
        "backbone": candidate.card.name,
        "place": standing.place,
        "tied": standing.tied,
        "places": [standing.best_place, standing.worst_place],
        "chance_of_first": round(standing.chance_of_first, 3),
        "score": candidate.score.value,
        "low": candidate.score.low,
        "high": candidate.score.high,
        "examples": len(candidate.rows),
        "scores": {
            name: {"value": found.value, "chance": found.chance, "spread": found.spread}
            for name, found in candidate.evidence.scores.items()
        },
        "prior": {
            "value": candidate.prior.value,
            "error": candidate.prior.error,
            "sets": candidate.prior.sets,
            "sha256": prior_sha256,
        },
        "cut": {
            "stage": cut.name,
            "number": candidate.evidence.cut,
            "explained": cut.explained,
            "gain": cut.gain,
            "error": cut.error,
        },
        "cuts": [{"stage": one.name, "explained": one.explained} for one in candidate.evidence.cuts],
        "domain": candidate.card.domain,
        "parameters": candidate.card.parameters,
        "licence": candidate.card.licence,
        "input": candidate.card.input,
        "seconds": round(candidate.seconds, 3),
    }


def foresight_of(
    ranking: Ranking, ahead: Sequence[Outlook], told: Sequence[str], shipped: Spec, verdict: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """What was foreseen for the backbone that is shipped, beside what was found; None where nothing was foreseen."""
    found = {one.card.name: outlook for one, outlook in zip(ranking.candidates, ahead, strict=False)}.get(
        shipped.backbone
    )
    if found is None:
        return None
    expected, word = found.forecast, verdict["word"] if verdict else None
    return {
        "advice": found.advice.strategy,
        "reason": found.advice.reason,
        "strategy": shipped.strategy,
        "advice_held": _is_alike(found.advice.strategy, shipped.strategy),
        "forecast": expected.word if expected else None,
        "chance": expected.chances[expected.word] if expected else None,
        "difference": expected.difference if expected else None,
        "low": expected.low if expected else None,
        "high": expected.high if expected else None,
        "verdict": word,
        "forecast_held": expected.word == word if expected and word else None,
        "notes": list(told),
    }


def _is_alike(advised: str, shipped: str) -> bool:
    """Whether one strategy is as deep as another was advised to be: of those that move no weights any will do."""
    return advised == shipped or all(strategy_named(name).schedule(1) is None for name in (advised, shipped))


def _settings(trial: Trial) -> dict[str, Any]:
    """What a trial was given and what validation found, but for its curve, which is the search's."""
    found = trial.validated.found if trial.validated else {}
    return {**trial.spec.settings, **{name: value for name, value in found.items() if name != "curve"}}


def trial_of(trial: Trial, chosen: bool) -> dict[str, Any]:
    """One trial as a row."""
    return {
        "number": trial.number,
        "fold": trial.fold,
        "role": trial.spec.role,
        "backbone": trial.spec.backbone,
        "strategy": trial.spec.strategy,
        "settings": _settings(trial),
        "validation": dict(trial.values),
        "seconds": round(trial.seconds, 3),
        "chosen": chosen,
        "pruned": trial.validated is not None and trial.validated.pruned,
        "error": trial.error,
    }


def chosen_of(bench: Workbench, ranking: Ranking, final: Final, trials: Sequence[Trial]) -> dict[str, Any]:
    """What is shipped, and why."""
    spec = final.trial.spec
    strategy = strategy_named(spec.strategy)
    rivals = [trial for trial in trials if trial.spec.role == "transfer" and trial.fold == final.trial.fold]
    value, sign = final.trial.values[bench.metric], 1 if METRICS[bench.metric].higher_is_better else -1
    told = number(value) if bench.metric in IN_UNITS else f"{value:.3f}"
    why = f"{strategy.summary}; {bench.metric} {told} on validation, the best of {len(rivals)} transfer trials"
    if any(sign * trial.values.get(bench.metric, value) > sign * value for trial in rivals):
        why = (
            f"{strategy.summary}; {bench.metric} {told} on validation, and no deeper one of {len(rivals)} transfer "
            "trials was better by more than a standard error"
        )
    return {
        "backbone": spec.backbone,
        "strategy": spec.strategy,
        "settings": _settings(final.trial),
        "why": why,
        "card": bench.backbones[spec.backbone].card.to_dict(),
    }


def versions() -> dict[str, str]:
    """Versions of Headstart, Python and the packages that decide results."""
    found = {"headstart": version("headstart"), "python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def rows_of(tested: Tested, bench: Workbench, ids: Sequence[str]) -> list[PredictionRow]:
    """The test predictions, one row per example."""
    chances_NK = tested.probabilities["transfer"]
    truth, predicted = (
        bench.task.names(values, bench.classes) for values in (tested.targets, bench.task.decide(chances_NK))
    )
    return [
        PredictionRow(
            id=ids[row],
            true=truth[number],
            predicted=predicted[number],
            confidence=confidence(chances_NK[number], bench.task.kind),
            fold=int(tested.folds[number]),
            probabilities=tuple(map(float, chances_NK[number])),
        )
        for number, row in enumerate(tested.rows)
    ]


def numbers_of(tested: Tested, ids: Sequence[str]) -> list[NumberRow]:
    """The test predictions of a quantity, one row per example."""
    said_N3 = tested.probabilities["transfer"]
    return [
        number_row(ids[row], (tested.targets[number], *said_N3[number]), int(tested.folds[number]))
        for number, row in enumerate(tested.rows)
    ]


def losses_of(tested: Tested, ids: Sequence[str]) -> list[LossRow]:
    """What each test text costs, one row per text."""
    transfer_N3, scratch_N3 = tested.probabilities["transfer"], tested.probabilities.get("scratch")
    return [
        LossRow(
            id=ids[row],
            nats=float(transfer_N3[place, 0]),
            tokens=int(transfer_N3[place, 1]),
            bytes=int(transfer_N3[place, 2]),
            from_scratch=None if scratch_N3 is None else float(scratch_N3[place, 0]),
            fold=int(tested.folds[place]),
        )
        for place, row in enumerate(tested.rows)
    ]


def answers_of(tested: Tested, bench: Workbench, ids: Sequence[str]) -> list[AnswerRow]:
    """The test answers, one row per question."""
    said_NR = tested.probabilities["transfer"]
    judged = bench.task.answers(tested.targets, said_NR)
    rows = []
    for place, row in enumerate(tested.rows):
        question, context = bench.decode(bench.items[row])
        found = found_in(context, said_NR[place])
        rows.append(
            AnswerRow(
                id=ids[row],
                question=question,
                context=context,
                true=tested.targets[place].answers,
                predicted=found[0].text,
                confidence=found[0].probability,
                f1=float(judged.f1_N[place]),
                exact=bool(judged.exact_N[place]),
                begin=found[0].begin,
                end=found[0].end,
                fold=int(tested.folds[place]),
            )
        )
    return rows


def thumbnails_of(material: Material) -> Callable[[str], bytes | str | None]:
    """From an example's id to its picture or excerpt."""
    dataset = material.dataset
    place = {name: number for number, name in enumerate(dataset.ids)}
    modality = MODALITIES[dataset.modality]

    def thumbnail(name: str) -> bytes | str | None:
        return modality.thumbnail(dataset.items[place[name]], THUMBNAIL_PX) if name in place else None

    return thumbnail


def save_evidence(run: Run, material: Material, bench: Workbench, tested: Tested, result: Result) -> None:
    """Write predictions, model card and report; `result.json` comes last and makes the run finished."""
    ids = [material.dataset.ids[row] for row in (*material.splits.train, *material.splits.test)]
    rows: list[PredictionRow] = []
    numbers: list[NumberRow] = []
    answers: list[AnswerRow] = []
    tagged: list[TagRow] = []
    if bench.task.kind == "span":
        answers = answers_of(tested, bench, ids)
        write_answers(run.folder / "predictions.csv", answers)
    elif bench.task.kind == "tags":
        tagged = tag_rows(tested, bench, ids)
        write_tags(run.folder / "predictions.csv", tagged)
    elif bench.task.kind == "language":
        write_losses(run.folder / "predictions.csv", losses_of(tested, ids))
    elif bench.task.kind == "quantity":
        numbers = numbers_of(tested, ids)
        write_numbers(run.folder / "predictions.csv", numbers)
    else:
        rows = rows_of(tested, bench, ids)
        write_predictions(run.folder / "predictions.csv", rows, bench.classes)
    write_text(run.folder / "README.md", model_card(result))
    audit, thumbnails = read_json(run.folder / "audit.json"), thumbnails_of(material)
    write_report(run.folder, result, rows, audit, thumbnails, numbers=numbers, answers=answers, tagged=tagged)
    result.write(run.folder / "result.json")
