"""The command line. Nothing heavy is imported before a command runs, so that `--help` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Never

import typer

from headstart import cli_options as o
from headstart.cli_ask import ask_command
from headstart.cli_choose import models_app, named, rank_command
from headstart.cli_concepts import concept_commands
from headstart.cli_errors import STOPPED, ending_in_one_line
from headstart.cli_generate import generate_command
from headstart.cli_parts import COLUMN_OPTIONS, columns, examples, open_page, settings
from headstart.cli_pretrain import pretrain_command

if TYPE_CHECKING:
    from headstart.data.options import Columns
    from headstart.model import Model

app = typer.Typer(
    name="headstart",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Shown(NamedTuple):
    """A demo: its data, the models that it looks at (all that are there where none are named), and its run folder."""

    data: str
    models: tuple[str, ...]
    folder: str


DEMOS = {
    o.Demo.pictures: Shown("builtin:digits", (), "demo"),
    o.Demo.text: Shown("builtin:requests", ("starter:words",), "demo-text"),
}


@app.callback(
    invoke_without_command=True,
    epilog=examples(
        "headstart demo                          the whole story on built-in data",
        "headstart fit photos/ --budget 5m       a proven model in runs/photos",
        "headstart predict runs/photos new/*.jpg",
    ),
)
def top(context: typer.Context, version: o.Version = False) -> None:
    """Choose a pre-trained model, adapt it as deep as your data allows, prove that it helped."""
    if version:
        from headstart import __version__

        typer.echo(f"headstart {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


concept_commands(app)
rank_command(app)
ask_command(app)
app.add_typer(models_app, name="models")


@app.command(
    short_help="From labelled data to a proven model.",
    epilog=examples(
        "headstart fit photos/ --budget 5m --out runs/bees",
        "headstart fit reviews.csv --text review --label stars --trials 6",
        "headstart fit cells.csv --label diameter --task regression",
        "headstart fit photos/ --model timm:resnet18.a1_in1k --strategy probe --control none",
    ),
)
def fit(
    data: o.Data,
    out: o.Out = None,
    budget: o.Budget = None,
    trials: o.Trials = None,
    model: o.Models = None,
    strategy: o.Strategies = None,
    backbone: o.Backbone = None,
    set_: o.Settings = None,
    workers: o.Workers = 1,
    control: o.Against = o.Control.scratch,
    metric: o.Metric = None,
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
    unlabelled: o.Unlabelled = None,
    source_sample: o.SourceSample = None,
    replay: o.Replay = None,
    open_report: o.OpenReport = False,
) -> None:
    """Choose the backbone that transfers best, adapt it, prove it, and leave a run folder with a report.

    Ctrl-C ends it with the best so far; twice leaves at once. The same command goes on with an unfinished run.
    """
    options = {
        "models": tuple(named(model)),
        "budget": budget,
        "trials": trials,
        "strategies": tuple(strategy or ()),
        "backbone": backbone,
        "settings": settings(set_) or None,
        "workers": workers,
        "control": control.value,
        "metric": metric,
        "seed": seed,
        "device": device,
        "precision": precision.value,
        "offline": offline,
        "history": history,
        "unlabelled": tuple(unlabelled or ()),
        "source_sample": source_sample,
    }
    journal = replay / "journal.jsonl" if replay and replay.is_dir() else replay
    chosen = columns(text, image, label, split, group, task)
    _fit(data, out, options, columns=chosen, replay=journal, open_report=open_report)


@app.command(
    short_help="The main job on built-in data, with its report.",
    epilog=examples("headstart demo", "headstart demo text", "headstart demo --budget 20s --no-open"),
)
def demo(
    of: o.DemoOf = o.Demo.pictures,
    out: o.Out = None,
    budget: o.DemoBudget = None,
    trials: o.Trials = None,
    seed: o.Seed = 0,
    open_report: o.OpenDemo = None,
) -> None:
    """Run the main job on scikit-learn's handwritten digits, or on requests to a library, ten labels per class, and open the report.

    Nothing is downloaded.
    """
    chosen, time = DEMOS[of], budget or (None if trials else "45s")
    options = {"models": chosen.models, "budget": time, "trials": trials, "strategies": (), "seed": seed, "offline": True}
    defaults = {"control": "scratch", "metric": None, "device": "auto", "precision": "auto", "history": False}
    shown = sys.stdout.isatty() if open_report is None else open_report
    _fit(chosen.data, out, {**options, **defaults}, columns=columns(), name=chosen.folder, open_report=shown)


@app.command(
    short_help="Measure a finished model on other labelled data.",
    epilog=examples("headstart evaluate runs/bees more-photos/"),
)
def evaluate(
    run: o.RunFolder,
    data: o.Data,
    text: o.Text = None,
    image: o.Image = None,
    label: o.Label = None,
    device: o.Device = "auto",
    precision: o.InPrecision = o.Precision.auto,
) -> None:
    """Measure a finished model on labelled data that it has not seen: metrics with 95 % intervals."""
    from headstart.terminal import evaluation_parts, working, write

    with working("Evaluating"):
        model = _load(run, device, precision)
        found = model.evaluate(data, columns=columns(text, image, label))
    write(*evaluation_parts(found))


@app.command(
    short_help="Labels and confidences, or numbers, for new pictures or texts.",
    epilog=examples(
        "headstart predict runs/bees new/*.jpg", 'headstart predict runs/moods "what a day" --out predictions.csv'
    ),
)
def predict(
    run: o.RunFolder,
    inputs: o.Inputs,
    out: o.TableOut = None,
    device: o.Device = "auto",
    precision: o.InPrecision = o.Precision.auto,
) -> None:
    """Predict pictures or texts: label and confidence of each, or a number with its interval. An input that cannot be read gets its
    error, no label.

    The exit code is 1 where nothing could be predicted.
    """
    from headstart.terminal import predictions_parts, working, write

    with working("Predicting"):
        model = _load(run, device, precision)
        found = model.predict(inputs)
    write(*predictions_parts(found))
    if out:
        found.to_csv(out)
        typer.echo(f"Written: {out}")


generate_command(app)


@app.command(short_help="How deep a model can be adapted, each way in a line.", epilog=examples("headstart strategies"))
def strategies() -> None:
    """List the ways to adapt a backbone and the controls that they are judged against."""
    from headstart.options import described_strategies
    from headstart.terminal import strategies_table, write

    write(strategies_table(described_strategies()))
    typer.echo("`headstart fit` tries those with data beside their name by itself; name others with --strategy.")


@app.command(short_help="What is installed, and what to install for what.", epilog=examples("headstart doctor"))
def doctor() -> None:
    """Show what Headstart finds on this machine, and what to install for what."""
    from headstart.terminal import findings_table, working, write

    with working("Looking around"):
        from headstart.doctor import findings

        found = findings()
    write(findings_table(found))


pretrain_command(app)


def main() -> Never:
    """Run the program. What a user can mend becomes one line and exit code 2; a mistake of ours keeps its traceback."""
    with ending_in_one_line():
        status = app(prog_name="headstart", standalone_mode=False)
        if status == STOPPED:  # this is what typer makes of Ctrl-C
            raise KeyboardInterrupt
    sys.exit(status if isinstance(status, int) else 0)


def _fit(
    data: str,
    out: Path | None,
    options: Mapping[str, Any],
    *,
    columns: Columns,
    name: str | None = None,
    replay: Path | None = None,
    open_report: bool,
) -> None:
    from headstart.terminal import Terminal, width, write

    with Terminal() as terminal:
        from headstart.options import Options
        from headstart.pipeline import fit as run
        from headstart.run.default_folder import default_folder, name_of

        checked = Options.checked(columns=columns, **options)
        folder = out or default_folder(name or name_of(data), data, checked.to_dict())
        terminal.before_first_event(f"run folder: {folder}")
        named: dict[str, Any] = {**options, **dict(zip(COLUMN_OPTIONS, astuple(columns), strict=True))}
        try:
            model = run(data, out=folder, replay=replay, listener=terminal, **named)
        except KeyboardInterrupt:
            terminal.say("The same command goes on from here.")
            raise
    if model.result is None:
        raise AssertionError("fit left no result")
    from headstart.report.terminal_summary import summary_text

    report = folder / "report.html"
    write(summary_text(model.result, report=str(report), width=width()))
    if open_report:
        open_page(report)


def _load(run: Path, device: str, precision: o.Precision) -> Model:
    from headstart.model import load

    return load(run, device=device, precision=precision.value)
