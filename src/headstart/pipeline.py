"""The main job, read top to bottom: audit → rank → adapt → prove → save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import saving
from headstart.adapt.curves import Curves, Points, learning_curves
from headstart.adapt.ledger import Ledger
from headstart.adapt.proving import Final, Proved, prove_split, refit_best
from headstart.adapt.search import Plan, failed, search
from headstart.adapt.space import pinned
from headstart.adapt.strategies import CONTROLS, DEFAULT_STRATEGIES, STRATEGIES, strategy_named
from headstart.adapt.trial import Trial
from headstart.adapt.workbench import Workbench
from headstart.choose.history import is_off
from headstart.choose.outlook import Outlook
from headstart.choose.ranking import Ranking
from headstart.choose.reading import reading
from headstart.choosing import (
    Given,
    Material,
    known,
    learn,
    load_candidates,
    material_of,
    outlooks,
    rank_again,
    rank_candidates,
    stories,
    way_chooser,
    workbench_of,
)
from headstart.concepts import check_answers, checks_share
from headstart.continued import beside, check_unlabelled, continued_of, go_on
from headstart.data.dataset import Dataset
from headstart.data.fingerprint import fingerprint
from headstart.data.modality import MODALITIES
from headstart.data.options import Columns
from headstart.data.read import read
from headstart.errors import HeadstartError, OptionError
from headstart.events import Listener, Said, silent
from headstart.evidence import Tested, evidence, gather
from headstart.forgetting import forgetting_of, look_for_sources
from headstart.model import Model, load
from headstart.models.backbone import Backbone
from headstart.options import Options
from headstart.outers import all_of, outer_splits, searches
from headstart.protocols import Clock, Executor
from headstart.rank_record import record_of, write_record
from headstart.registry import pick
from headstart.run.clock import AtLeast, Slice
from headstart.run.executors import executing
from headstart.run.folder import Run
from headstart.run.interrupt import finishing_early
from headstart.run.journal import Journal
from headstart.runtime import Placement, place, seed_everything
from headstart.sampled import sampler
from headstart.worth import worth

CANDIDATES_TO_PROBE = 2
"""How many of the best ranked backbones the search tries."""
GRACE_S = 10.0
"""What all searches together may take beyond a budget that is too short for them."""
RANKING_SHARE = 1 / 3
"""Share of the time that looking at candidates may take; the first is always looked at."""
CURVES_SHARE = 0.12
"""Share of the time after it that is kept for the learning curves of both sides; what the search leaves is added."""
CURVES_GRACE_S = 5.0
"""What the learning curves may take beyond a budget that the search has used up: the smallest sizes take little."""
ENDING_SHARE = 0.03
"""Share of the budget that the learning curves leave for figures, saving and report."""


def fit(
    data: Any,
    *,
    out: str | Path | None = None,
    models: Sequence[str | Path | Backbone] | str | Path | Backbone = (),
    budget: str | float | None = None,
    trials: int | None = None,
    strategies: Sequence[str] = (),
    backbone: str | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int = 1,
    control: str = "scratch",
    metric: str | None = None,
    text: Sequence[str] | str = (),
    image: str | None = None,
    label: str | None = None,
    split: str | None = None,
    group: str | None = None,
    task: str | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    offline: bool = False,
    history: bool = True,
    unlabelled: Sequence[str | Path] | str | Path = (),
    source_sample: str | Path | None = None,
    replay: str | Path | None = None,
    listener: Listener = silent,
) -> Model:
    """Find the pre-trained model that transfers best to `data`, adapt it, prove it, and write a run folder to `out`.

    `data` is a folder, zip, table, `builtin:digits`, data frame, Hugging Face data set, or a pair (examples, labels);
    `models` are backbone names, folders or `Backbone` objects, by default those that come with the package;
    `task` says what labels are (`classification`, `ordinal`, `regression`), by default that is guessed; `budget` is
    a time such as `5m`, or `trials` a number of trials, which repeats bit for bit on CPU; `strategies` narrows the
    search, `backbone` to one of the models whatever the ranking says, `settings` (such as `{"learning_rate": 3e-4}`) what is tuned; `workers` trials
    run at a time, each in a process of its own; `control="none"` leaves out training from scratch, and with it the verdict; `history=False` neither learns from finished
    runs on this machine nor adds to them; `unlabelled` are files or folders of texts that the best ranked backbone goes on learning from first, and `source_sample`
    texts of what models were pre-trained on, to say what was forgotten; `replay` repeats the journal of another run. A run that was interrupted goes on when called again with the same `out` and options.

    Raises HeadstartError (see `headstart.errors`) for anything that the caller can mend.
    """
    given: Given = [models] if isinstance(models, str | Path | Backbone) else list(models)
    given = given or ([backbone] if backbone else [])
    options = Options.checked(
        columns=Columns(
            text=(text,) if isinstance(text, str) else tuple(text),
            image=image,
            label=label,
            split=split,
            group=group,
            task=task,
        ),
        budget=budget,
        trials=trials,
        strategies=strategies,
        backbone=backbone,
        settings=settings or {},
        workers=workers,
        control=control,
        metric=metric,
        models=[model.card.spec if isinstance(model, Backbone) else str(model) for model in given],
        seed=seed,
        device=device,
        precision=precision,
        offline=offline,
        history=history,
        unlabelled=[str(one) for one in ([unlabelled] if isinstance(unlabelled, str | Path) else unlabelled)],
        source_sample=None if source_sample is None else str(source_sample),
    )
    placement = place(device, precision=precision)
    seed_everything(seed)
    dataset = read(data, columns=options.columns)
    check_unlabelled(options.unlabelled, dataset.modality)
    run = Run(
        Path(out) if out else None,
        {"data": dataset.name, **options.to_dict()},
        budget_s=options.budget_s,
        listener=listener,
    )
    if run.is_finished:
        run.hold_to(fingerprint(dataset))
        run.listener(Said(f"{run.folder}: this run is finished; nothing to do."))
        return load(run.folder, device=device, precision=precision)

    with run.phase("audit"):
        material = look_at(dataset, options, run)
        run.hold_to(material.fingerprint)
    with run.phase("rank"):
        bench, ranking = choose(material, given, options, placement, run, Journal(Path(replay)) if replay else None)
        ahead, told = foresee(material, bench, ranking, options, run)
    replayed = Journal(Path(replay)) if replay else None
    bases = list(dict.fromkeys(named_first(options, run.journal, outer.number)[0] for outer in searches(material, bench)))
    look_for_sources(bench, list(bench.backbones), options, run.listener)
    if options.unlabelled:
        with run.phase("continue"):
            go_on(material, bench, bases, options, run, replayed)
    with finishing_early(run.clock, run.listener):
        with run.phase("adapt"):
            own = MODALITIES[material.dataset.modality].strategies
            numbers = [outer.number for outer in searches(material, bench)]
            plans = {
                number: plan_of(options, run.journal, number, bench, own=own, grace_s=GRACE_S / len(numbers))
                for number in numbers
            }
            ledger = Ledger(run.journal, run.folder / "trials", replay=replayed)
            with executing(options.workers) as executor, bench.shared_with(executor):
                proved, final, trials_run = adapt(material, bench, plans, ledger, run, executor)
            if bench.saved_s >= 1:
                run.listener(
                    Said(f"Stored activations saved {bench.saved_s:.0f} s of passes through stages that do not move.")
                )
        curves = learn_curves(material, bench, proved, replayed, options, run)
        with run.phase("prove"):
            found, tested = prove(material, bench, proved, curves, options, run)
        concepts = check_answers(material, bench, proved, tested, options, run)
        with run.phase("save"):
            model = saving.save_model(run, bench, final, material)
        guarded = {
            "foresight": saving.foresight_of(ranking, ahead, told, final.trial.spec, found["verdict"]),
            "continued": continued_of(bench, trials_run, final.trial, options, run),
            "forgetting": forgetting_of(bench, trials_run, final.trial, final.network, options.seed),
        }
        model.result = saving.result_of(
            run, bench, material, ranking, final, trials_run, proved, {**found, **guarded, "concepts": concepts}, options
        )
        with run.phase("report"):
            saving.save_evidence(run, material, bench, tested, model.result)
    if options.history and not is_off():
        learn(material, bench, ranking, trials_run)
    return model


def look_at(dataset: Dataset, options: Options, run: Run) -> Material:
    """Audit the examples, set the bad ones aside, split, and lock the test labels away; noted in the run folder."""
    material = material_of(dataset, metric=options.metric, seed=options.seed, listener=run.listener)
    saving.write_audit(run.folder, material.audit)
    saving.write_splits(run.folder, material.splits)
    return material


def choose(
    material: Material, given: Given, options: Options, placement: Placement, run: Run, replay: Journal | None = None
) -> tuple[Workbench, Ranking]:
    """Load the candidates, extract their features, and order them, for each search on its own rows alone: what an outer split
    tests has no say in what it tries. The orders are noted in the journal.
    """
    backbones, lost = load_candidates(given, material.dataset.modality, offline=options.offline, listener=run.listener)
    bench = workbench_of(material, backbones, placement=placement, seed=options.seed, listener=run.listener)
    bench.choose_way = way_chooser(options, run, replay)
    clock = Slice(run.clock, RANKING_SHARE * run.clock.seconds_left()) if options.budget_s else run.clock
    learned = known(options.history)
    ranking = rank_candidates(material, bench, learned=learned, clock=clock, listener=run.listener)
    ranking = replace(ranking, dropped=(*lost, *ranking.dropped))
    for outer in searches(material, bench):
        if not run.journal.of("ranking", fold=outer.number):
            own = ranking if outer.number == 0 else rank_again(material, bench, ranking, outer.rows, learned=learned)
            names = [candidate.card.name for candidate in own.candidates]
            told = {"share": own.share, "prior_sha256": own.prior_sha256}
            run.journal.append("ranking", fold=outer.number, backbones=names, **told)
    names = [candidate.card.name for candidate in ranking.candidates[:CANDIDATES_TO_PROBE]]
    read_by = [found for name in names if (found := reading(bench.backbones[name], bench.items, bench.decode)) is not None]
    for line in dict.fromkeys(line for found in read_by for line in found.lines()):
        run.listener(Said(line, warning=True))
    saving.write_audit(run.folder, material.audit, read_by)
    return bench, ranking


def foresee(
    material: Material, bench: Workbench, ranking: Ranking, options: Options, run: Run
) -> tuple[list[Outlook], list[str]]:
    """What lies ahead of each candidate, on a page beside the report; nothing where no control will be trained."""
    if options.control != "scratch" or bench.reads == "tokens":  # what is foreseen is read off the features of whole examples
        return [], []
    ahead = outlooks(material, bench, ranking, control=True)
    told = stories(material, bench, ranking, ahead)
    for line in told:
        run.listener(Said(line, warning=True))
    write_record(run.folder, record_of(material, bench, ranking, ahead, told, seconds=run.clock.now()), material)
    return ahead, told


def named_first(options: Options, journal: Journal, fold: int) -> list[str]:
    """The backbones that a search tries: the best of the ranking that the journal holds, whatever another ranking would say now."""
    names: list[str] = journal.of("ranking", fold=fold)[0]["backbones"]
    if options.backbone and len(names) > 1:
        names = [pick({name: name for name in names}, options.backbone, what="backbone")]
    return names[:CANDIDATES_TO_PROBE]


def plan_of(options: Options, journal: Journal, fold: int, bench: Workbench, *, own: Sequence[str], grace_s: float) -> Plan:
    """What a search may try.

    Where the user named no strategies, the modality's `own` join the usual ones. Those that do not serve a head of the task, by what it
    reads, are left out; raises OptionError where none is left.
    """
    names, reads = beside(named_first(options, journal, fold), bench), bench.reads
    unasked = own if options.strategies == DEFAULT_STRATEGIES else ()
    named = [name for name in STRATEGIES if name in (*options.strategies, *unasked)]
    strategies = [name for name in named if reads in STRATEGIES[name].serves]
    if not strategies:
        others = ", ".join(name for name, one in STRATEGIES.items() if reads in one.serves)
        raise OptionError(f"--strategy {named[0]}: not for a task that reads {reads}. Choose from: {others}.")
    spaces = {name: strategy_named(name).space for name in (*strategies, *CONTROLS)}
    settings = pinned(options.settings, spaces)
    return Plan(names, strategies, options.control == "scratch", options.trials, settings, reads, grace_s)


def adapt(
    material: Material, bench: Workbench, plans: Mapping[int, Plan], ledger: Ledger, run: Run, executor: Executor
) -> tuple[list[Proved], Final, list[Trial]]:
    """Prove each outer split; ship the winner of the only one, or of a last search on everything."""

    def temperature(trial: Trial) -> float:
        seen = trial.validated
        assert seen is not None
        return bench.task.calibrate(seen.logits, bench.targets[seen.rows])

    show = sampler(material, bench) if bench.task.kind == "language" else None
    outers = outer_splits(material, bench)
    nested = bool(material.splits.outer)
    proved: list[Proved] = []
    searching: Clock = run.clock
    later = checks_share(material, bench) + (CURVES_SHARE if plans[outers[0].number].control else 0.0)
    if later and plans[outers[0].number].trials is None:
        searching = Slice(run.clock, (1 - later) * run.clock.seconds_left())
    for position, outer in enumerate(outers):
        left = len(outers) - position + (1 if nested else 0)
        clock = Slice(searching, searching.seconds_left() / left) if left > 1 else searching
        proved.append(
            prove_split(
                outer,
                bench,
                plans[outer.number],
                ledger=ledger,
                clock=clock,
                executor=executor,
                modality=MODALITIES[material.dataset.modality],
                temperature=temperature,
                show=show,
            )
        )
    trials = [trial for split_proved in proved for trial in split_proved.trials]
    if not nested:
        only = proved[0]
        if only.network is None:
            raise HeadstartError("no way to adapt fits into the time that is left. Give it a longer --budget.")
        return proved, Final(only.winners["transfer"], only.network, only.temperatures["transfer"]), trials
    everything = all_of(material, bench)
    plan = replace(plans[0], control=False)
    last = search(
        bench, everything.rows, everything.folds, plan, ledger=ledger, clock=searching, executor=executor, fold=0
    )
    refitted = refit_best(last, "transfer", everything, bench)
    if refitted is None:
        raise failed(last, "transfer") or HeadstartError("no transfer trial finished. Give it a longer --budget.")
    best, network, _ = refitted
    return proved, Final(best, network, temperature(best)), [*trials, *last]


def learn_curves(
    material: Material,
    bench: Workbench,
    proved: Sequence[Proved],
    replayed: Journal | None,
    options: Options,
    run: Run,
) -> Curves | None:
    """Train both sides on parts of the training examples, within the time that is left; None where no control was asked for."""
    if options.control != "scratch":
        return None
    if not all("scratch" in split.winners for split in proved):
        return Curves([], "no trial from scratch finished")
    with run.phase("curves"):
        points = Points(run.journal, run.folder / "curves", replay=replayed)
        clock: Clock = run.clock
        if options.budget_s:
            ending_s = (ENDING_SHARE + checks_share(material, bench)) * options.budget_s
            clock = Slice(run.clock, run.clock.seconds_left() - ending_s)
            clock = AtLeast(clock, CURVES_GRACE_S)
        return learning_curves(bench, outer_splits(material, bench), proved, points=points, clock=clock)


def prove(
    material: Material, bench: Workbench, proved: Sequence[Proved], curves: Curves | None, options: Options, run: Run
) -> tuple[dict[str, Any], Tested]:
    """Open the test labels, once, and measure."""
    targets, measurable = bench.targets.copy(), np.ones(len(bench.targets), dtype=bool)
    if material.locked is not None:
        labels = material.locked.open("the final figures")
        known = [bench.task.knows(names, bench.classes) for names in labels]
        first = len(material.splits.train)
        measurable[first:] = known
        places = np.flatnonzero(known).tolist()
        targets[first + np.array(places, dtype=np.int64)] = bench.task.encode(
            [labels[place] for place in places], bench.classes, (bench.decode(bench.items[first + place]) for place in places)
        )
        if not all(known):
            run.listener(
                Said(
                    f"{known.count(False)} test examples have a class that training lacks: left out of the figures.",
                    warning=True,
                )
            )
    groups = bench.groups if material.dataset.groups else None
    tested = gather(proved, targets, measurable, bench.task, groups)
    found = evidence(
        tested,
        bench.task,
        classes=bench.classes,
        training=[(split_proved.train_rows, split_proved.train_worth) for split_proved in proved],
        train_count=len(material.splits.train),
        seed=options.seed,
    )
    if curves is None:
        return {**found, "head_start": None}, tested
    told = worth(curves, proved, targets, measurable, bench.task, groups, options.seed)
    return {**found, "head_start": told}, tested
