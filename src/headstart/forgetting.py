"""What adapting made a model forget of its source: the loss on text of the source's domain before and after, by the head that it was pre-trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from headstart.adapt.network import Network
from headstart.adapt.trial import Trial
from headstart.adapt.workbench import SOURCE_BITS, Workbench
from headstart.errors import ModelError
from headstart.events import Listener, Said
from headstart.options import Options
from headstart.prove.estimate import Estimate, bootstrap
from headstart.prove.losses import Losses, bits_per_byte
from headstart.prove.metrics import METRICS, estimate
from headstart.runtime import generator


def look_for_sources(bench: Workbench, names: Sequence[str], options: Options, listener: Listener) -> None:
    """Put into the workbench what texts of their sources these backbones can be asked about: the user's sample, or the one that a source card carries.

    A backbone without a head that could be asked is said to have none where a sample was given. Raises DataError for a sample without text, ModelError for
    a card's that is another.
    """
    if bench.backbones[names[0]].card.modality != "text":
        return
    from headstart.adapt.asked_source import carried_sample, sample_of

    given = None if options.source_sample is None else sample_of(options.source_sample)
    for name in names:
        found = given or carried_sample(bench.backbones[name])
        if found is None:
            continue
        bench.source_texts[name] = found
        try:
            bench.asker(name)
        except ModelError as problem:
            del bench.source_texts[name]
            listener(Said(f"What is forgotten is not measured: {problem}", warning=True))


def forgetting_of(bench: Workbench, trials: Sequence[Trial], shipped: Trial, network: Network, seed: int) -> dict[str, Any] | None:
    """What `result.json` holds under `forgetting`; None where the shipped model's source could not be asked."""
    asker = bench.asker(shipped.spec.backbone)
    if asker is None:
        return None
    before, after = asker.before(), asker.after(network.backbone.net, getattr(network.head, "tokens_VD", None))
    metric = METRICS["bits_per_byte"]
    figures = {name: asdict(estimate(metric, said, rng=generator(seed, "forgetting"))) for name, said in (("before", before), ("after", after))}
    return {
        "sample": asker.sample.name,
        "texts": len(before),
        "objective": asker.objective,
        **figures,
        "difference": asdict(more(before, after, seed)),
        "strategies": by_strategy(bench, trials, shipped),
    }


def more(before: Losses, after: Losses, seed: int) -> Estimate:
    """How many more bits per byte the same texts take after than before, with a paired bootstrap over them."""
    return bootstrap(
        lambda counts_bN: bits_per_byte(after, counts_bN) - bits_per_byte(before, counts_bN), len(before), rng=generator(seed, "forgotten")
    )


def by_strategy(bench: Workbench, trials: Sequence[Trial], shipped: Trial) -> list[dict[str, Any]]:
    """Of each strategy that moved weights its best trial in the search that shipped: what validation said, and what its network said of the source's texts."""
    sign = 1 if METRICS[bench.metric].higher_is_better else -1
    best: dict[str, Trial] = {}
    for trial in trials:
        if trial.fold != shipped.fold or trial.spec.role != "transfer" or not trial.finished or trial.validated is None:
            continue
        name = trial.spec.strategy
        if SOURCE_BITS in trial.validated.found and (name not in best or sign * trial.values[bench.metric] > sign * best[name].values[bench.metric]):
            best[name] = trial
    return [
        {"strategy": name, "backbone": trial.spec.backbone, "validation": trial.values[bench.metric], "source": trial.validated.found[SOURCE_BITS]}
        for name, trial in best.items()
        if trial.validated is not None
    ]
