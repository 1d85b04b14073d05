"""Every trick of the training loop on and off, on real data: same seeds, same draws of few labelled examples.

    python benchmarks/adapt/ablation.py --data DATA --weights WEIGHTS --work WORK

Each case is a data set, a backbone, a depth (`partial` on stored activations, or `full`) and a draw. The same training, of EPOCHS
epochs without validation, is made with each trick of VARIANTS and without any. Its test logits are judged by accuracy and by log
loss at the temperature that suits each best; both with the head as it was trained and with one solved exactly on the features in the
end, which is what a search mostly ships. Each trick, and doing without, is judged at the learning rate that suits it best over all
cases of a backbone, which is mildly optimistic for both sides alike. The table shows means of the paired differences over cases; the
interval draws data sets anew, and of each its cases. Cases that are in WORK already are not run again: `--print` shows what is there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tricks

from headstart.adapt.carried import VIEWS
from headstart.adapt.finetune import Recipe, predict_features
from headstart.adapt.gradual import SLOWEST, unfreeze_gradually
from headstart.adapt.heads import solve_head
from headstart.adapt.hooks import Trick
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.trial import Spec
from headstart.adapt.workbench import Workbench
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.data.split import inner_folds
from headstart.models.resolve import load_backbone
from headstart.prove.calibrate import fit_temperature
from headstart.prove.metrics import losses_N
from headstart.runtime import generator, place
from headstart.solvers import logistic_path
from headstart.tasks import TASKS
from headstart.tasks.solver import SETTLED_C

PICTURES = {"sign_digits": 12, "orl_faces": 4, "brain_tumor_mri": 24, "hymenoptera": 32, "bccd_cells": 24}
TEXTS = {"trec6": 16, "sst2": 24}
"""Data sets with how many examples of each class are drawn to train on."""
SMALL, NATURAL, MINILM = "mobilenet_v1_0.25_128_imagenet", "starter:natural", "minilm"
EPOCHS, TESTED, RESAMPLED = 20, 250, 4000
HEADS, SOFT = ("trained", "solved"), "C = 1"
"""How the head ends; the last is a solved one with ten times the regularisation, to see whether `SETTLED_C` is right."""
LONG_TAIL = 8
"""How many times as many examples the most frequent class has as the rarest, where frequencies are unequal."""
RATES = {SMALL: (1e-3, 3e-4), NATURAL: (1e-3, 3e-4), MINILM: (3e-4, 1e-4)}
"""Peak learning rates of the backbone that every variant is given; it is judged at the one that suits it best over all cases."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A trick to try: other settings of the recipe, hooks, and where it makes sense."""

    tricks: tuple[Trick, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    slowest: float = 1.0
    """The rate of the first stage as a share of the last one's."""
    texts: bool = True
    pictures: bool = True
    stored: bool = True
    long_tail: bool = False


BASE = "none"
VARIANTS: dict[str, Variant] = {
    BASE: Variant(),
    "head from zero": Variant((tricks.head_from_zero(),)),
    "layer-wise decay 0.75": Variant(settings={"rate_decay": 0.75}),
    "layer-wise decay 0.5": Variant(settings={"rate_decay": 0.5}),
    "L2-SP 0.01": Variant((tricks.l2_sp(0.01),)),
    "L2-SP 0.1": Variant((tricks.l2_sp(0.1),)),
    "EMA of weights": Variant((tricks.averaged(),)),
    "label smoothing 0.1": Variant((tricks.smooth_labels(0.1),)),
    "mixup 0.2": Variant((tricks.mixup(0.2),), texts=False),
    "cutmix 1.0": Variant((tricks.cutmix(1.0),), texts=False),
    "RandAugment": Variant((tricks.rand_augment(),), texts=False, stored=False),
    "re-initialised top layer": Variant((tricks.fresh_top(1),), pictures=False),
    "discriminative rates": Variant(slowest=SLOWEST, stored=False),
    "gradual": Variant((unfreeze_gradually,), slowest=SLOWEST, stored=False),
    "long tail": Variant(long_tail=True),
    "class-balanced loss": Variant((tricks.class_balanced(),), long_tail=True),
}
AGAINST = {"class-balanced loss": "long tail"}
"""What a trick is compared with where it is not the base."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a trick is tried on."""

    data: str
    backbone: str
    strategy: str
    draw: int
    rate: float

    @property
    def is_text(self) -> bool:
        """Whether it is about texts."""
        return self.data in TEXTS


def cases(draws: int, strategies: Sequence[str], rates: int) -> Iterator[Case]:
    """Rate by rate and draw by draw, so that an early stop leaves whole numbers of them."""
    for number in range(rates):
        for draw in range(draws):
            for strategy in strategies:
                for data in (*PICTURES, *TEXTS):
                    for backbone in (
                        (MINILM,) if data in TEXTS else (SMALL,) if strategy == "full" else (SMALL, NATURAL)
                    ):
                        yield Case(data, backbone, strategy, draw, RATES[backbone][number])


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=120.0, help="begin no case after so many")
    parser.add_argument("--rates", type=int, default=2, help="how many learning rates each variant is given")
    parser.add_argument("--sets", nargs="+", default=[*PICTURES, *TEXTS])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), help="try just these")
    parser.add_argument("--strategies", nargs="+", default=["partial", "full"])
    parser.add_argument("--print", action="store_true", help="run nothing")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    table, began = chosen.work / "ablation.jsonl", time.monotonic()
    done = {(Case(*(row[name] for name in Case.__slots__)), row["variant"]) for row in rows(table)}
    for case in [] if chosen.print else cases(chosen.draws, chosen.strategies, chosen.rates):
        if case.data not in chosen.sets:
            continue
        wanted = [name for name in variants(case) if name in chosen.variants and (case, name) not in done]
        if wanted and time.monotonic() - began < 60 * chosen.minutes:
            for row in run(case, wanted, chosen):
                with table.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    for strategy in chosen.strategies:
        for texts in (False, True):
            show([row for row in rows(table) if row["strategy"] == strategy and (row["data"] in TEXTS) == texts])


def variants(case: Case) -> Iterator[str]:
    """The variants that make sense for a case."""
    for name, variant in VARIANTS.items():
        fits = variant.texts if case.is_text else variant.pictures
        if fits and (variant.stored or case.strategy == "full"):
            yield name


def rows(table: Path) -> list[dict[str, Any]]:
    """What has been measured."""
    return [json.loads(line) for line in table.read_text().splitlines()] if table.is_file() else []


def run(case: Case, wanted: Sequence[str], chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row for each variant."""
    bench, name, evenly, unevenly, test = bench_of(case, chosen)
    for called in wanted:
        variant, began = VARIANTS[called], time.perf_counter()
        train = unevenly if variant.long_tail else evenly
        strategy = replace(STRATEGIES[case.strategy], tricks=variant.tricks)
        decay = variant.slowest ** (1 / (len(bench.backbones[name].stages) - 1))
        given = {**settings(case, bench, len(train)), "rate_decay": decay, **variant.settings}
        spec = Spec("transfer", name, case.strategy, given)
        folds = [(inner, held) for inner, held in inner_folds(bench.targets[train], bench.groups[train], k=4, seed=0)]
        end = {"best_epoch": EPOCHS, "head": "trained"}
        network = strategy.refit(spec, end, bench, train, folds, seed=case.draw)
        seconds = time.perf_counter() - began
        found = {"trained": judged(bench, test, strategy.logits(network, spec, bench, test))}
        solve_head(network, name, bench, train)
        found["solved"] = judged(bench, test, strategy.logits(network, spec, bench, test))
        features_ND = predict_features(network, bench.prepared(name), train, bench.placement)
        path = logistic_path(features_ND, bench.targets[train], Cs=[SETTLED_C / 10], classes=len(bench.classes))
        network.set_head(path.weight_CKD[0], path.bias_CK[0])
        found[SOFT] = judged(bench, test, strategy.logits(network, spec, bench, test))
        row = {
            **{name: getattr(case, name) for name in Case.__slots__}, "variant": called,
            "n": len(train), "tested": len(test), "seconds": round(seconds, 2), **found,
        }  # fmt: skip
        print(case, called, found, row["seconds"], flush=True)
        yield row


def settings(case: Case, bench: Workbench, examples: int) -> dict[str, Any]:
    """The settings of the base."""
    recipe = Recipe(
        epochs=EPOCHS,
        learning_rate=case.rate,
        head_learning_rate=10 * case.rate,
        batch_size=32 if examples >= 64 else 16,
    )
    stored = None if case.strategy == "full" else 0 if case.is_text else VIEWS
    return {**recipe.to_dict(), "folds": 1, "views": stored}


def judged(bench: Workbench, test: np.ndarray, logits_NK: np.ndarray) -> dict[str, float]:
    """Accuracy, accuracy of the mean class, and log loss at the best temperature."""
    targets = bench.targets[test]
    right = bench.right(test, logits_NK)
    temperature = fit_temperature(logits_NK, targets)
    answers = bench.task.answers(targets, bench.task.probabilities(logits_NK, temperature))
    by_class = [right[targets == number].mean() for number in np.unique(targets)]
    return {
        "accuracy": round(float(right.mean()), 5),
        "balanced": round(float(np.mean(by_class)), 5),
        "log_loss": round(float(losses_N(answers).mean()), 5),
    }


def bench_of(case: Case, chosen: argparse.Namespace) -> tuple[Workbench, str, np.ndarray, np.ndarray, np.ndarray]:
    """A workbench over what a case needs, its backbone's name, and the rows of both trainings and of the test."""
    source = chosen.data / case.data / f"{case.data}.zip"
    data = read(str(source if source.is_file() else chosen.data / case.data), columns=Columns())
    assert data.labels is not None
    assert data.parts is not None
    labels = np.array([data.classes.index(names[0]) for names in data.labels])
    is_test = np.array([part == "test" for part in data.parts])
    even, uneven = drawn(case, np.where(is_test, -1, labels), len(data.classes))
    test = np.sort(generator(0, "test", case.data).permutation(np.flatnonzero(is_test))[:TESTED])
    kept = np.concatenate([np.union1d(even, uneven), test])
    place_of = {int(row): number for number, row in enumerate(kept)}
    folder = chosen.weights / case.backbone
    backbone = load_backbone(str(folder) if folder.is_dir() else case.backbone)
    modality, task = MODALITIES[data.modality], TASKS["single"]
    bench = Workbench(
        items=data.take(kept.tolist()).items,
        contents=[f"{case.data}/{row}" for row in kept],
        targets=labels[kept],
        groups=np.arange(len(kept)),
        task=task,
        classes=tuple(data.classes),
        metric=task.default_metric,
        decode=modality.decode,
        augment=modality.augment,
        placement=place(),
        cache=chosen.work / "cache",
        seed=0,
        backbones={backbone.card.name: backbone},
    )
    at = [np.array([place_of[int(row)] for row in rows_of]) for rows_of in (even, uneven, test)]
    return bench, backbone.card.name, at[0], at[1], at[2]


def drawn(case: Case, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """As many rows of each class, and about as many with unequal frequencies; `labels` are −1 where nothing may be drawn."""
    each = PICTURES.get(case.data) or TEXTS[case.data]
    rng, even, uneven = generator(case.draw, "draw", case.data), [], []
    for rank, number in enumerate(rng.permutation(classes)):
        order = rng.permutation(np.flatnonzero(labels == number))
        even.append(order[:each])
        uneven.append(order[: max(2, round(2 * each * LONG_TAIL ** (-rank / (classes - 1))))])
    return np.sort(np.concatenate(even)), np.sort(np.concatenate(uneven))


def show(measured: Sequence[Mapping[str, Any]]) -> None:
    """The table of one strategy on pictures or texts."""
    if not measured:
        return
    kind = "texts" if measured[0]["data"] in TEXTS else "pictures"
    base = {head: at_best_rate(measured, BASE, head) for head in HEADS}
    sets = {data for data, _, _ in base["solved"]}
    print(f"\n{measured[0]['strategy']}, {kind}: {len(base['solved'])} cases, {len(sets)} data sets")
    print(f"{'':26} {'':5} " + " ".join(f"{head + ' head: points, then thousandths of a nat':>55}" for head in HEADS))
    for name in (name for name in VARIANTS if name not in (BASE, *AGAINST.values())):
        cells, count = [], 0
        for head in HEADS:
            own = at_best_rate(measured, name, head)
            other = at_best_rate(measured, AGAINST.get(name, BASE), head)
            metric = "balanced" if name in AGAINST else "accuracy"
            count = len(own.keys() & other.keys())
            for what, scale in ((metric, 100), ("log_loss", 1000)):
                gains: dict[str, list[float]] = {}
                for key in sorted(own.keys() & other.keys()):
                    gains.setdefault(key[0], []).append(scale * (own[key][what] - other[key][what]))
                cells.append("{:+.2f} ({:+.2f} to {:+.2f})".format(*interval(gains)) if gains else "")
        if count:
            print(f"{name:26} {count:5} " + " ".join(f"{cell:>27}" for cell in cells))
    for name in (BASE, "long tail"):
        show_sharper(name, [row for row in measured if row["variant"] == name and SOFT in row])
    for head in HEADS:
        accuracy, loss = (np.mean([row[what] for row in base[head].values()]) for what in ("accuracy", "log_loss"))
        print(f"without any, {head} head: accuracy {accuracy:.4f}, log loss {loss:.4f}")


def show_sharper(variant: str, of: Sequence[Mapping[str, Any]]) -> None:
    """A solved head with more regularisation beside the one that ships, by the mean class."""
    cells = []
    for what, scale in (("balanced", 100), ("log_loss", 1000)):
        gains: dict[str, list[float]] = {}
        for row in of:
            gains.setdefault(row["data"], []).append(scale * (row[SOFT][what] - row["solved"][what]))
        cells.append("{:+.2f} ({:+.2f} to {:+.2f})".format(*interval(gains)) if gains else "")
    if of:
        print(f"{SOFT} in the solved head, {variant}, {len(of)} cases: {cells[0]} points, {cells[1]}")


def at_best_rate(measured: Sequence[Mapping[str, Any]], variant: str, head: str) -> dict[tuple[str, str, int], Any]:
    """What was found by data set, backbone and draw, at the best of the rates that each backbone has the most cases of, by log loss."""
    found: dict[tuple[str, str, int], Any] = {}
    for backbone in dict.fromkeys(row["backbone"] for row in measured):
        of: dict[float, dict[tuple[str, str, int], Any]] = {}
        for row in measured:
            if row["backbone"] == backbone and row["variant"] == variant:
                of.setdefault(row["rate"], {})[row["data"], backbone, row["draw"]] = row[head]
        most = max(map(len, of.values()), default=0)
        whole = [rows_of for rows_of in of.values() if len(rows_of) == most]
        if whole:
            found |= min(whole, key=lambda rows_of: np.mean([row["log_loss"] for row in rows_of.values()]))
    return found


def interval(gains: Mapping[str, Sequence[float]]) -> tuple[float, float, float]:
    """Mean over cases, and where 95 % of such means lie when data sets are drawn anew, and of each one its cases."""
    values = [np.array(some) for some in gains.values()]
    rng = generator(0, "interval")
    means = [
        np.concatenate([rng.choice(values[number], len(values[number])) for number in drawn]).mean()
        for drawn in rng.integers(len(values), size=(RESAMPLED, len(values)))
    ]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(np.concatenate(values).mean()), float(low), float(high)


if __name__ == "__main__":
    main()
