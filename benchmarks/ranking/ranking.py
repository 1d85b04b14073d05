"""How well candidates are ordered: weighted Kendall τ and regret, leave one data set out, beside single scores.

    python benchmarks/ranking/ranking.py                 on this project's own measurements (tables/)
    python benchmarks/ranking/ranking.py --published     on published tables of a zoo of one kind

Reads tables/truth.jsonl and tables/evidence.json; nothing is trained. What a candidate is worth is the best of its
strategies that were measured with all candidates of the data set, answers of all draws pooled. For each data set the prior is learned from the other data sets alone, and so is the
share of evidence. Intervals are paired bootstraps over data sets.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from truth import rows
from zoo import DRAWS, IMAGE_SETS, TESTED, TEXT_SETS

from headstart.choose.fusion import Case, earned_share, fuse, weighted_tau
from headstart.choose.knowledge import SHARE_ONE_KIND, SHARE_SEVERAL
from headstart.choose.potential import GAIN, log_error, potential
from headstart.choose.prior import Candidate, Result, centred_ranks, strengths

TABLES = Path(__file__).parent / "tables"
USED = ("ridge", "logme", "knn", "lda")
PARAMETERS = {
    **dict.fromkeys(("mnv2-imagenet-a", "mnv2-imagenet-b", "mnv2-birds", "mnv2-insects"), 2_223_872),
    "mnv1-100": 3_206_976,
    "mnv1-075": 1_816_560,
    "mnv1-025": 213_072,
    "natural": 1_653_376,
    "glyph": 1_263_032,
    "cifar-20": 269_072,
    "cifar-32": 463_504,
    "cifar-44": 657_936,
    "cifar-56": 852_368,
    "minilm": 22_565_376,
    "llama-260k": 260_032,
}
"""As their source cards count them."""
SOURCE_ACCURACY = {
    "mnv2-imagenet-a": 71.8,
    "mnv2-imagenet-b": 71.8,
    "mnv1-100": 70.9,
    "mnv1-075": 68.4,
    "mnv1-025": 49.8,
}
"""ImageNet top-1 in per cent as the architectures' authors state it (Sandler et al. 2018, table 4; Howard et al. 2017, tables
6 and 7); those trained on something else have none and come last."""
Order = Callable[[str, str], np.ndarray]
DRAWN = tuple(map(str, range(DRAWS)))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--probe-only", action="store_true", help="worth by the probe alone")
    chosen = parser.parse_args()
    if chosen.published:
        published()
        return
    strategies = ("probe",) if chosen.probe_only else ("probe", "partial", "full")
    for title, sets in (("pictures", IMAGE_SETS), ("texts", TEXT_SETS)):
        own(title, sets, strategies)


def worth(strategies: Sequence[str]) -> dict[str, dict[str, float]]:
    """Accuracy of the best strategy by data set and candidate, draws pooled.

    A strategy counts on a data set where it was measured with every candidate: else who was measured more would seem better.
    """
    right: dict[tuple[str, str, str], list[tuple[float, int]]] = defaultdict(list)
    for row in rows():
        if row["strategy"] in strategies and "(random)" not in row["backbone"]:
            right[row["data"], row["backbone"], row["strategy"]].append((row["accuracy"], row["tested"]))
    tried: dict[tuple[str, str], set[str]] = defaultdict(set)
    for data, model, strategy in right:
        tried[data, strategy].add(model)
    best: dict[str, dict[str, float]] = defaultdict(dict)
    for (data, model, strategy), found in right.items():
        if tried[data, strategy] != tried[data, "probe"]:
            continue
        value = sum(share * tested for share, tested in found) / sum(tested for _, tested in found)
        best[data][model] = max(best[data].get(model, 0.0), value)
    return best


class Ground:
    """The measured ground truth of one modality, and every way to order its candidates."""

    def __init__(self, sets: Sequence[str], strategies: Sequence[str]) -> None:
        evidence = json.loads((TABLES / "evidence.json").read_text())
        values = worth(strategies)
        self.sets = [name for name in sets if name in evidence and evidence[name]["candidates"]]
        self.models = {
            name: [model for model in sorted(values[name]) if model in evidence[name]["candidates"]]
            for name in self.sets
        }
        self.worth = {name: np.array([values[name][model] for model in self.models[name]]) for name in self.sets}
        self.evidence = evidence

    def score(self, kind: str) -> Order:
        """One score alone, above chance."""

        def order(name: str, draw: str) -> np.ndarray:
            found = [self.evidence[name]["candidates"][model][draw]["scores"][kind] for model in self.models[name]]
            return np.array([value - chance for value, chance, _ in found])

        return order

    def prior(self, name: str, without: Sequence[str] = ()) -> np.ndarray:
        """The prior on one data set, learned from all others but those in `without`."""
        results = [
            Result("own", other, model, float(value))
            for other in self.sets
            if other != name and other not in without
            for model, value in zip(self.models[other], self.worth[other], strict=True)
        ]
        candidates = [Candidate((model,)) for model in self.models[name]]
        return np.array([one.value for one in strengths(candidates, results)])

    def errors(self, name: str, draw: str) -> np.ndarray:
        """The mean log error of the left-out ridge probe and the nearest neighbours."""
        found, count = self.evidence[name]["candidates"], self.evidence[name]["examples"][draw]
        right = [(found[m][draw]["right"], found[m][draw]["scores"]["knn"][0]) for m in self.models[name]]
        return log_error(np.array(right), count).mean(1)

    def gained(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The log size of each candidate and what adapting it gained in log error, both centred on the data set."""
        size = np.log10([PARAMETERS[model] for model in self.models[name]])
        before = np.mean([self.errors(name, draw) for draw in DRAWN], axis=0)
        gained = before - log_error(self.worth[name], TESTED)
        return size - size.mean(), gained - gained.mean()

    def gain(self, *without: str) -> float:
        """What size is worth when weights move: the slope over all data sets but those in `without`."""
        found = [self.gained(name) for name in self.sets if name not in without]
        size, gained = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return float(size @ gained / (size @ size))

    def spread(self) -> float:
        """How far candidates' gains lie from that slope: the median over data sets of the standard deviation."""
        slope, found = self.gain(), [self.gained(name) for name in self.sets]
        return float(np.median([(gained - slope * size).std() for size, gained in found]))

    def potential(self, *without: str, gain: float | None = None) -> Order:
        """What frozen features get wrong, and what moving weights is expected to gain; `gain` learned unless given."""
        known: dict[str, float] = {}

        def order(name: str, draw: str) -> np.ndarray:
            if name not in known:
                known[name] = self.gain(name, *without) if gain is None else gain
            sizes = [PARAMETERS[model] for model in self.models[name]]
            return potential(self.errors(name, draw), sizes, gain=known[name])

        return order

    def by_rank(self, kinds: Sequence[str]) -> Order:
        """The mean rank by several scores."""
        return lambda name, draw: by_rank(np.array([self.score(kind)(name, draw) for kind in kinds]))

    def cases(self, evidence: Order, without: str) -> list[Case]:
        """All other data sets as cases; their priors do not know `without` either."""
        return [
            Case(
                self.prior(other, [without]),
                np.mean([evidence(other, draw) for draw in DRAWN], axis=0),
                self.worth[other],
            )
            for other in self.sets
            if other != without
        ]

    def fused(self, evidence: Order | None = None, share: float | None = None) -> Order:
        """Prior and evidence, by default the potential; the share earned on the other data sets, or given."""
        known: dict[str, float] = {}

        def order(name: str, draw: str) -> np.ndarray:
            if name not in known:
                others = self.cases(evidence or self.potential(name), name)
                known[name] = earned_share(others, default=SHARE_SEVERAL) if share is None else share
            return fuse(self.prior(name), (evidence or self.potential())(name, draw), known[name])

        return order

    def measure(self, order: Order) -> tuple[np.ndarray, np.ndarray]:
        """τ and regret in points by data set, means over draws."""
        taus, regrets = [], []
        for name in self.sets:
            found = [order(name, draw) for draw in DRAWN]
            taus.append(np.mean([weighted_tau(one, self.worth[name]) for one in found]))
            best = self.worth[name].max()
            regrets.append(np.mean([100 * (best - self.worth[name][one.argmax()]) for one in found]))
        return np.array(taus), np.array(regrets)


def by_rank(evidence_SM: np.ndarray) -> np.ndarray:
    """Several scores (S × M models) as one: the mean of their ranks. By rank, because scores have no common unit."""
    return np.mean([centred_ranks(score_M) for score_M in evidence_SM], axis=0)


def own(title: str, sets: Sequence[str], strategies: Sequence[str]) -> None:
    """The table of this project's own measurements."""
    ground = Ground(sets, strategies)
    if not ground.sets:
        return
    kinds = ("ridge", "logme", "knn", "lda", "h", "nleep")
    orders: dict[str, Order] = {"headstart": ground.fused()}
    orders["as shipped"] = ground.fused(ground.potential(gain=GAIN), SHARE_SEVERAL)
    orders["evidence alone"] = ground.potential()
    orders["without gain"] = ground.fused(ground.potential(gain=0.0))
    orders["scores by rank"] = ground.fused(ground.by_rank(USED))
    orders["prior alone"] = ground.fused(share=0.0)
    orders |= {f"{kind} alone": ground.score(kind) for kind in kinds}
    orders["source accuracy"] = lambda name, draw: np.array([SOURCE_ACCURACY.get(m, 0.0) for m in ground.models[name]])
    found = {called: ground.measure(order) for called, order in orders.items()}
    taus, regrets = found["headstart"]
    table = Table(
        title=f"{title}: {len(ground.sets)} data sets, {max(map(len, ground.models.values()))} candidates, worth by {', '.join(strategies)}"
    )
    for heading in ("order", "weighted τ", "headstart ahead by", "top-1 regret, points"):
        table.add_column(heading, justify="left" if heading == "order" else "right", no_wrap=True)
    for called, (tau, regret) in found.items():
        told = bool(np.isfinite(tau).all())  # an order that is all ties is none
        ahead = "" if called == "headstart" or not told else interval(taus - tau)
        table.add_row(called, f"{tau.mean():.3f}" if told else "–", ahead, f"{regret.mean():.2f}" if told else "–")
    Console(width=110).print(table)
    curve = {share: ground.measure(ground.fused(share=share)) for share in (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}
    told_curve = ", ".join(
        f"{share}: {tau.mean():.3f} and {regret.mean():.2f}" for share, (tau, regret) in curve.items()
    )
    print(f"τ and regret by share of evidence: {told_curve}")
    by_set = ", ".join(f"{name} {t:.2f} and {r:.2f}" for name, t, r in zip(ground.sets, taus, regrets, strict=True))
    print(f"by data set: {by_set}")
    print(f"what a backbone gains lies {ground.spread():.2f} nats from what its size says (median over data sets)")
    print(f"gain by ten times the parameters, learned on all data sets: {ground.gain():.2f} nats")


def interval(differences: np.ndarray) -> str:
    """Mean and 95 % bootstrap interval over data sets."""
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (4000, len(differences))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


NAMES = {
    "Aircraft": "aircraft",
    "Cars": "cars",
    "Caltech101": "caltech101",
    "CIFAR10": "cifar10",
    "CIFAR100": "cifar100",
    "DTD": "dtd",
    "Pet": "pets",
    "SUN397": "sun397",
}
KINDS = ("H-Score", "LEEP", "LogME", "NCE", "NLEEP", "PACTranDirichlet", "GBC", "LFC", "OTCE")
OURS = ("H-Score", "LogME", "NLEEP")
"""Those of the published scores that Headstart computes as well."""


def published() -> None:
    """Zoos of one kind: the prior by itself, and what fusing makes of it with published scores."""
    with (TABLES / "finetuned.csv").open(newline="") as file:
        facts = list(csv.DictReader(file))
    table = Table(title="published fine-tuned accuracies: the prior, leave one data set out")
    for heading in ("zoo", "data sets", "models", "weighted τ"):
        table.add_column(heading)
    for zoo in sorted({row["zoo"] for row in facts}):
        results = [
            Result(zoo, row["data_set"], row["model"], float(row["accuracy"])) for row in facts if row["zoo"] == zoo
        ]
        models = sorted({result.model for result in results})
        sets = sorted({result.data for result in results})
        value = {(result.data, result.model): result.value for result in results}
        taus = [
            weighted_tau(prior_of(models, results, data), np.array([value[data, model] for model in models]))
            for data in sets
        ]
        table.add_row(zoo, str(len(sets)), str(len(models)), f"{np.mean(taus):.3f}")
    Console(width=110).print(table)
    fuse_published(facts)


def prior_of(models: Sequence[str], results: Sequence[Result], *without: str) -> np.ndarray:
    """The prior of models without some data sets."""
    found = strengths([Candidate((model,)) for model in models], results, without=frozenset(without))
    return np.array([one.value for one in found])


def fuse_published(facts: Sequence[Mapping[str, str]]) -> None:
    """Ten CNNs on eight data sets: every published score alone, half of it, and with the share it has earned."""
    with (TABLES / "published_scores.csv").open(newline="") as file:
        scored = list(csv.DictReader(file))
    models = sorted({row["Model"] for row in scored})
    results = [
        Result("cnn", row["data_set"], row["model"], float(row["accuracy"]))
        for row in facts
        if row["zoo"] == "cnn11" and row["model"] in models
    ]
    value = {(result.data, result.model): result.value for result in results}
    sets = sorted(NAMES.values())
    score = {(NAMES[row["Dataset"]], row["Model"], kind): float(row[kind]) for row in scored for kind in KINDS}

    def evidence(data: str, kinds: Sequence[str]) -> np.ndarray:
        return np.array([[score[data, model, kind] for model in models] for kind in kinds])

    def truth(data: str) -> np.ndarray:
        return np.array([value[data, model] for model in models])

    table = Table(
        title=f"{len(models)} CNNs of one kind on {len(sets)} data sets: weighted τ; prior alone {np.mean([weighted_tau(prior_of(models, results, d), truth(d)) for d in sets]):.3f}"
    )
    for heading in ("evidence", "alone", "half and half", "share earned", "fused"):
        table.add_column(heading)
    for kinds in [(kind,) for kind in KINDS] + [OURS]:
        alone = np.mean([weighted_tau(by_rank(evidence(data, kinds)), truth(data)) for data in sets])
        half = np.mean(
            [weighted_tau(fuse(prior_of(models, results, d), by_rank(evidence(d, kinds)), 0.5), truth(d)) for d in sets]
        )
        taus, shares = [], []
        for data in sets:
            cases = [
                Case(prior_of(models, results, data, other), by_rank(evidence(other, kinds)), truth(other))
                for other in sets
                if other != data
            ]
            share = earned_share(cases, default=SHARE_ONE_KIND)
            shares.append(share)
            taus.append(
                weighted_tau(fuse(prior_of(models, results, data), by_rank(evidence(data, kinds)), share), truth(data))
            )
        table.add_row(
            " + ".join(kinds), f"{alone:.3f}", f"{half:.3f}", f"{np.mean(shares):.2f}", f"{np.mean(taus):.3f}"
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
