"""Unlabelled examples in a run: the best ranked backbone goes on learning from them, and validation says whether that helped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.adapt.trial import Trial
from headstart.adapt.winner import logits_on, shared_rows, winner
from headstart.adapt.workbench import Workbench
from headstart.choosing import Material
from headstart.errors import OutOfMemory
from headstart.events import Said
from headstart.options import Options
from headstart.prove.estimate import Estimate, bootstrap
from headstart.prove.metrics import METRICS, strata_of
from headstart.report.words import count
from headstart.run.folder import Run
from headstart.run.journal import Journal
from headstart.runtime import cache_dir, generator

if TYPE_CHECKING:
    from headstart.adapt.pretraining.continuing import Continued

SHARE = 0.25
"""Of the time that is left after the ranking, what going on with unlabelled examples gets before transfer and scratch share the rest."""
LEAST_S = 2.0
"""What it may take however short the budget is."""
ENTRY = "continued"


def check_unlabelled(sources: Sequence[str], modality: str) -> None:
    """Raise OptionError or DataError, as `check_sources` does, for what cannot be gone on with."""
    if sources:
        from headstart.adapt.pretraining.continuing import check_sources

        check_sources(sources, modality)


def go_on(material: Material, bench: Workbench, bases: Sequence[str], options: Options, run: Run, replay: Journal | None) -> None:
    """Let each of these backbones go on with the unlabelled examples, and put what comes of it beside them into the workbench.

    How many steps there were is noted in the journal: a run that is taken up again, or replayed, takes as many. One that diverges or runs out of memory
    is left out, which is said. Raises what `continue_texts` raises otherwise.
    """
    from headstart.adapt.pretraining.continuing import CONTINUES, Setting, restored

    kept = cache_dir() / "continued"
    seconds = None if options.budget_s is None else max(LEAST_S, SHARE * run.clock.seconds_left() / len(bases))
    labelled = [bench.items[row] for row in range(len(bench.items))]
    for number, base in enumerate(bases):
        known = run.journal.of(ENTRY, base=base)
        if known and known[-1]["error"]:
            continue
        noted = known[-1] if known else next(iter([] if replay is None else replay.of(ENTRY, base=base)), None)
        steps = None if noted is None else noted["steps"]
        setting = Setting(
            run.folder / "continued" / str(number), kept, bench.placement_of(base, training=True), options.seed, seconds, steps, run.listener
        )  # fmt: skip
        found = restored(bench.backbones[base], kept, known[-1]["address"], known[-1]["steps"]) if known else None
        if found is None:
            try:
                found = CONTINUES[material.dataset.modality](
                    bench.backbones[base], options.unlabelled, map(bench.decode, labelled), setting
                )
            except (FloatingPointError, OutOfMemory) as problem:
                run.listener(Said(f"{base} does not go on with the unlabelled examples: {problem}", warning=True))
                run.journal.append(ENTRY, base=base, address=None, steps=None, error=str(problem))
                continue
        if not known:
            run.journal.append(ENTRY, base=base, address=found.facts["address"], steps=found.facts["steps"], error=None)
        take_in(bench, base, found)
        run.listener(Said(told(found)))


def take_in(bench: Workbench, base: str, found: Continued) -> None:
    """Put a backbone that went on beside the one that it came from."""
    name = found.backbone.card.name
    bench.backbones[name] = found.backbone
    bench.continued[name] = base
    if base in bench.source_texts:
        bench.source_texts[name] = bench.source_texts[base]


def told(found: Continued) -> str:
    """What was done, in a line."""
    facts = found.facts
    return (
        f"{found.backbone.card.name}: {facts['steps']:,} steps of {facts['batch_size']} on {count(facts['texts'], 'text', 'texts')} "
        f"({facts['tokens']:,} tokens), {facts['seconds']:.0f} s"
    )


def beside(names: Sequence[str], bench: Workbench) -> list[str]:
    """Backbones of a plan with those that went on right behind what they were before."""
    return [one for name in names for one in (name, *(new for new, base in bench.continued.items() if base == name))]


def continued_of(bench: Workbench, trials: Sequence[Trial], shipped: Trial, options: Options, run: Run) -> dict[str, Any] | None:
    """What `result.json` holds under `continued`: what was done, and what validation said of it in the search that shipped; None where nothing was asked for."""
    if not options.unlabelled:
        return None
    own = [trial for trial in trials if trial.fold == shipped.fold and trial.spec.role == "transfer" and trial.finished]
    failed = next((entry["error"] for entry in run.journal.of(ENTRY) if entry["error"]), None)
    pairs = [(name, base) for name, base in bench.continued.items() if any(trial.spec.backbone == name for trial in own)]
    if not pairs:
        return {"backbone": None, "kept": False, "missing": failed or "no trial on it finished"}
    name, base = pairs[0]
    facts: Mapping[str, Any] = bench.backbones[name].card.pretraining["continued"]
    judged = compared(bench, *([trial for trial in own if trial.spec.backbone == one] for one in (name, base)), seed=options.seed)
    return {
        "backbone": name,
        "base": base,
        "kept": shipped.spec.backbone == name,
        **judged,
        **{key: facts[key] for key in ("objective", "head", "texts", "tokens", "steps", "passes", "seconds", "same", "held_out", "before", "after")},
        "missing": None,
    }


def compared(bench: Workbench, ours: Sequence[Trial], others: Sequence[Trial], *, seed: int) -> dict[str, Any]:
    """The best trial on the backbone that went on against the best on what it was before, on the validation examples that both were judged on."""
    one, other = (winner(trials, "transfer", bench) for trials in (ours, others))
    if one is None or other is None:
        return {"metric": bench.metric, "value": None, "plain": None, "difference": None}
    rows = shared_rows([one, other])
    targets, task, metric = bench.targets[rows], bench.task, METRICS[bench.metric]
    both = [task.answers(targets, task.said(logits_on(trial, rows), targets)) for trial in (one, other)]

    def gain(counts_bN: np.ndarray) -> np.ndarray:
        return np.asarray(metric.values(both[0], counts_bN) - metric.values(both[1], counts_bN))

    found: Estimate = bootstrap(gain, len(rows), rng=generator(seed, "continued"), strata=strata_of(metric, both[0]), groups=bench.groups[rows])
    every = np.ones((1, len(rows)), np.float32)
    values = [float(metric.values(answers, every)[0]) for answers in both]
    return {"metric": bench.metric, "value": values[0], "plain": values[1], "difference": asdict(found)}
