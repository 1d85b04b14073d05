"""What is done with trained networks in the end, on real data: WiSE-FT interpolation and a greedy soup, chosen on validation.

    python benchmarks/adapt/ends.py --data DATA --weights WEIGHTS --work WORK

The cases are those of `ablation.py`, but a case has several learning rates. On each of FOLDS folds a network is trained at each rate,
and all that follows is chosen on what the folds held out, then repeated on all training rows and judged on the test rows:

- one: the best rate, which is what a search ships;
- WiSE-FT: its weights between start and end, at the share that is better than the end by more than chance (Wortsman et al. 2022a);
- soup: the mean of the weights of several rates, added greedily while the value does not fall (Wortsman et al. 2022b);
- a fixed share of the way, the same everywhere.

Each with the head as it was trained (and averaged) and with one solved on the features in the end.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ablation import (
    EPOCHS,
    HEADS,
    NATURAL,
    PICTURES,
    TEXTS,
    Case,
    bench_of,
    cases,
    interval,
    judged,
    rows,
    settings,
)
from torch import Tensor

from headstart.adapt.finetune import predict_features, predict_logits
from headstart.adapt.judge import Judge
from headstart.adapt.moved import FineTune
from headstart.adapt.network import Network
from headstart.adapt.strategies import STRATEGIES
from headstart.adapt.trial import Spec
from headstart.adapt.workbench import Workbench
from headstart.data.split import inner_folds
from headstart.solvers import logistic_path
from headstart.tasks.solver import SETTLED_C

FOLDS, SHARES, FACTORS = 3, (0.25, 0.5, 0.75), (0.3, 1.0, 2.0)
State = dict[str, Tensor]


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=120.0, help="begin no case after so many")
    parser.add_argument("--sets", nargs="+", default=[*PICTURES, *TEXTS])
    parser.add_argument("--strategies", nargs="+", default=["partial"])
    parser.add_argument("--print", action="store_true", help="run nothing")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    table, began = chosen.work / "ends.jsonl", time.monotonic()
    done = {Case(*(row[name] for name in Case.__slots__)) for row in rows(table)}

    for case in [] if chosen.print else cases(chosen.draws, chosen.strategies, 1):
        fits = case.data in chosen.sets and case.backbone != NATURAL
        if fits and case not in done and time.monotonic() - began < 60 * chosen.minutes:
            row = {name: getattr(case, name) for name in Case.__slots__} | run(case, chosen)
            with table.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    show(rows(table))


class Members:
    """The networks trained at each rate on some rows, all from one start, and what averages of their weights say of other rows."""

    def __init__(self, case: Case, bench: Workbench, name: str, train: np.ndarray, seed: int) -> None:
        self._bench, self._name, self._train = bench, name, train
        self._strategy: FineTune = STRATEGIES[case.strategy]  # type: ignore[assignment]
        self.states: list[State] = []
        folds = inner_folds(bench.targets[train], bench.groups[train], k=4, seed=0)
        for factor in FACTORS:
            given = settings(case, bench, len(train))
            rates = {key: factor * given[key] for key in ("learning_rate", "head_learning_rate")}
            self._spec = Spec("transfer", name, case.strategy, {**given, **rates})
            end = {"best_epoch": EPOCHS, "head": "trained"}
            self._network: Network = self._strategy.refit(self._spec, end, bench, train, folds, seed=seed)
            self.states.append(copy.deepcopy(dict(self._network.state_dict())))
        begun = {"best_epoch": 0, "head": "trained"}
        start = self._strategy.refit(self._spec, begun, bench, train, folds, seed=seed)
        self.start = copy.deepcopy(dict(start.state_dict()))

    def logits(self, weights: Sequence[float], other: np.ndarray) -> dict[str, np.ndarray]:
        """Logits of `other` rows by head, for the start plus so much of the way to each member."""
        self._network.load_state_dict(
            {
                name: begun + sum(w * (end[name] - begun) for w, end in zip(weights, self.states, strict=True) if w)
                if begun.is_floating_point()
                else begun
                for name, begun in self.start.items()
            }
        )
        bench = self._bench
        moving, examples, _ = self._strategy._moving(self._network, self._spec, bench)
        found = {"trained": predict_logits(moving, examples, other, bench.placement)}
        features_ND = predict_features(moving, examples, self._train, bench.placement)
        others_ND = predict_features(moving, examples, other, bench.placement)
        path = logistic_path(features_ND, bench.targets[self._train], Cs=[SETTLED_C], classes=len(bench.classes))
        found["solved"] = others_ND @ path.weight_CKD[0].T + path.bias_CK[0]
        return found


def run(case: Case, chosen: argparse.Namespace) -> dict[str, Any]:
    """What each end says of the test rows, by head."""
    began = time.perf_counter()
    bench, name, train, _, test = bench_of(case, chosen)
    folds = inner_folds(bench.targets[train], bench.groups[train], k=4, seed=0)[:FOLDS]
    held = np.concatenate([train[held_out] for _, held_out in folds])
    judge = bench.judge(held)
    members = [Members(case, bench, name, train[inner], case.draw) for inner, _ in folds]

    known: dict[tuple[float, ...], dict[str, np.ndarray]] = {}

    def on_held(weights: tuple[float, ...]) -> dict[str, np.ndarray]:
        if weights not in known:
            parted = [one.logits(weights, train[out]) for one, (_, out) in zip(members, folds, strict=True)]
            known[weights] = {head: np.concatenate([part[head] for part in parted]) for head in HEADS}
        return known[weights]

    final, tested = Members(case, bench, name, train, case.draw), {}
    found: dict[str, Any] = {"n": len(train), "tested": len(test)}

    def on_test(weights: tuple[float, ...], head: str) -> dict[str, float]:
        if weights not in tested:
            tested[weights] = final.logits(weights, test)
        return judged(bench, test, tested[weights][head])

    for head in HEADS:
        best, share, soup = choices(lambda weights, head=head: on_held(weights)[head], judge)
        ends = {"one": only(best), "WiSE-FT": only(best, share), "soup": soup}
        ends |= {f"share {share}": only(best, share) for share in SHARES}
        found[head] = {called: on_test(weights, head) for called, weights in ends.items()}
        found[head]["chosen"] = {"rate": best, "share": share, "soup": soup}
    return found | {"seconds": round(time.perf_counter() - began, 1)}


def choices(logits: Any, judge: Judge) -> tuple[int, float, tuple[float, ...]]:
    """The best member, the share of its way to go, and the soup, by logits on validation for any weights of the members."""
    value = [judge.value(logits(only(member))) for member in range(len(FACTORS))]
    order = sorted(range(len(FACTORS)), key=lambda member: value[member], reverse=True)
    best = order[0]
    some = [logits(only(best, share)) for share in SHARES]
    winner = judge.best(some)
    better = judge.prefers(some[winner], logits(only(best)), tried=len(SHARES))
    inside = [best]
    for member in order[1:]:
        if judge.value(logits(mean([*inside, member]))) >= judge.value(logits(mean(inside))):
            inside.append(member)
    return best, SHARES[winner] if better else 1.0, mean(inside)


def only(member: int, share: float = 1.0) -> tuple[float, ...]:
    """Weights for a share of the way to one member."""
    return tuple(share if number == member else 0.0 for number in range(len(FACTORS)))


def mean(members: Sequence[int]) -> tuple[float, ...]:
    """Weights for the mean of some."""
    return tuple(1 / len(members) if number in members else 0.0 for number in range(len(FACTORS)))


def show(measured: Sequence[Mapping[str, Any]]) -> None:
    """One table for each strategy."""
    for strategy in dict.fromkeys(row["strategy"] for row in measured):
        of = [row for row in measured if row["strategy"] == strategy]
        print(f"\n{strategy}: {len(of)} cases, {len({row['data'] for row in of})} data sets; beside the one best rate")
        for called in [name for name in of[0]["solved"] if name not in ("one", "chosen")]:
            cells = []
            for head in HEADS:
                for what, scale in (("accuracy", 100), ("log_loss", 1000)):
                    gains: dict[str, list[float]] = {}
                    for row in of:
                        gain = scale * (row[head][called][what] - row[head]["one"][what])
                        gains.setdefault(row["data"], []).append(gain)
                    middle, low, high = interval(gains)
                    cells.append(f"{middle:+7.2f} ({low:+.2f} to {high:+.2f})")
            print(f"{called:12} " + " ".join(f"{cell:>26}" for cell in cells))
        for head in HEADS:
            one = [[row[head]["one"][what] for row in of] for what in ("accuracy", "log_loss")]
            moved = np.mean([row[head]["chosen"]["share"] < 1 for row in of])
            more = np.mean([sum(w > 0 for w in row[head]["chosen"]["soup"]) > 1 for row in of])
            print(
                f"one, {head} head: accuracy {np.mean(one[0]):.4f}, log loss {np.mean(one[1]):.4f}; "
                f"a share was chosen in {moved:.0%} of the cases, a soup of several in {more:.0%}"
            )


if __name__ == "__main__":
    main()
