"""The commands that choose: `rank`, and `models` with what it lists and keeps. Nothing heavy is imported before one runs."""

from __future__ import annotations

from dataclasses import asdict

import typer

from headstart import cli_options as o
from headstart.cli_parts import columns, examples, open_page

BESIDES = (
    "Besides, --model takes a folder of timm's, transformers' or `headstart pretrain`, timm:NAME, hf-hub:ORG/NAME, "
    "hf:ORG/NAME[@REVISION], and torchvision:NAME=FILE.safetensors."
)

models_app = typer.Typer(
    invoke_without_command=True,
    subcommand_metavar="[add FOLDER | remove FOLDER]",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    short_help="Which backbones there are, and a place for your own.",
    epilog=examples(
        "headstart models",
        "headstart models --task classification --max-size 30M --licence apache-2.0",
        "headstart models add my-backbone/",
    ),
)


@models_app.callback()
def models(
    context: typer.Context,
    modality: o.OfModality = None,
    task: o.ForTask = None,
    max_size: o.MaxSize = None,
    licence: o.OfLicence = None,
) -> None:
    """List the backbones that can be used here without a download; with a filter, those of the hub as well."""
    if context.invoked_subcommand is not None:
        return
    from headstart.terminal import hub_table, models_table, working, write

    with working("Looking for backbones"):
        from headstart.models.catalogue import hub_models, select
        from headstart.models.catalogue import models as usable

        kind = modality.value if modality else None
        here = usable(kind)
        hub = select(hub_models(), modality=kind, task=task, max_size=max_size, licence=licence)
        if max_size is not None or licence is not None:
            here = select(here, max_size=max_size, licence=licence)
    if here:
        write(models_table(here))
    else:
        typer.echo("None of those installed fits. `headstart doctor` says what to install.")
    if task is None and max_size is None and licence is None:
        typer.echo(f"{len(hub)} more are known on the hub: filter them with --task, --max-size or --licence.")
    elif hub:
        typer.echo("\nOn the hub, fetched when named with --model:")
        write(hub_table(hub))
    else:
        typer.echo("None of those known on the hub fits.")
    typer.echo(BESIDES)


@models_app.command("add", short_help="Keep a model of your own among the candidates.")
def add(folder: o.ModelFolder) -> None:
    """Register a model folder: `rank` and `fit` then look at it whenever no --model is named."""
    from headstart.terminal import working

    with working("Loading it once"):
        from headstart.models.catalogue import register

        card = register(folder)
    typer.echo(f"Added: {card.name} for {card.modality}, {(card.parameters or 0) / 1e6:.1f} M parameters.")


@models_app.command("remove", short_help="Take it out again; the folder stays.")
def remove(folder: o.ModelFolder) -> None:
    """Take a model folder out of the candidates. Nothing is deleted."""
    from headstart.models.catalogue import unregister

    unregister(folder)
    typer.echo(f"Removed: {folder}")


def rank_command(app: typer.Typer) -> None:
    """Add the command `rank` to `app`."""
    app.command(
        short_help="Which pre-trained model to reuse, and will it transfer?",
        epilog=examples(
            "headstart rank photos/",
            "headstart rank photos/ --model timm:resnet18.a1_in1k --model my-backbone/ --budget 60s",
            "headstart rank reviews.csv --text review --label stars --json",
        ),
    )(rank)


def rank(
    data: o.Data,
    out: o.RankOut = None,
    budget: o.RankBudget = None,
    model: o.Models = None,
    text: o.Text = None,
    image: o.Image = None,
    label: o.Label = None,
    split: o.SplitColumn = None,
    group: o.Group = None,
    task: o.LabelsAre = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    precision: o.InPrecision = o.Precision.auto,
    offline: o.Offline = False,
    history: o.History = True,
    as_json: o.AsJson = False,
    open_report: o.OpenPage = False,
) -> None:
    """Order pre-trained models for your data by what their frozen features say, and tell what lies ahead.

    Nothing is trained. Features are kept, so that the same command, or a `fit` after it, does not compute them again.
    """
    from headstart.terminal import Terminal, width, write

    with Terminal() as terminal:
        from headstart.ranker import rank as run
        from headstart.report.rank_summary import rank_text
        from headstart.run.default_folder import name_of, rank_folder

        folder = out or rank_folder(name_of(data))
        chosen = columns(text, image, label, split, group, task)
        result = run(
            data,
            models=named(model),
            budget=budget,
            out=folder,
            text=chosen.text,
            image=image,
            label=label,
            split=split,
            group=group,
            task=chosen.task,
            seed=seed,
            device=device,
            precision=precision.value,
            offline=offline,
            history=history,
            listener=terminal,
        )
    if as_json:
        import json

        typer.echo(json.dumps(asdict(result), ensure_ascii=False, indent=1))
    else:
        write(rank_text(asdict(result), page=str(folder / "ranking.html"), width=width()))
    if open_report:
        open_page(folder / "ranking.html")


def named(given: list[str] | None) -> list[str]:
    """Models as given: repeated, or several with commas between; a folder's name may hold a comma."""
    from pathlib import Path

    out: list[str] = []
    for text in given or ():
        out += [text] if Path(text).expanduser().exists() else [part for part in text.split(",") if part]
    return out
