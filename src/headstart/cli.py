"""The command line. Nothing heavy is imported before a command runs, so that `--help` answers at once."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Never

import typer

from headstart.errors import HeadstartError, OptionError

if TYPE_CHECKING:
    from headstart.data.options import Columns
    from headstart.model import Evaluation, Model, Predictions

app = typer.Typer(
    name="headstart",
    help="Choose a pre-trained model, adapt it as deep as your data allows, prove that it helped.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Control(StrEnum):
    """What transfer is compared with."""

    scratch = "scratch"
    none = "none"


Data = Annotated[str, typer.Argument(help="Folder, zip, CSV, TSV, JSONL, Parquet, or builtin:digits.")]
Out = Annotated[Path | None, typer.Option(help="Run folder. [default: runs/NAME of the data]")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", help="Backbone: a name of `headstart models`, a folder, hf:ORG/NAME, timm:NAME. Repeatable."
    ),
]
Budget = Annotated[str | None, typer.Option(help="Time for the whole run: 90s, 5m, 1h30m. [default: 5m]")]
Trials = Annotated[int | None, typer.Option(help="Number of trials instead of a budget; repeats bit for bit on CPU.")]
Strategies = Annotated[
    list[str] | None, typer.Option("--strategy", help="Only this strategy: probe, partial, full. Repeatable.")
]
Against = Annotated[Control, typer.Option(help="What transfer is compared with; none gives no verdict.")]
Metric = Annotated[
    str | None, typer.Option(help="What validation selects on: accuracy, balanced_accuracy, macro_f1, auroc, log_loss.")
]
Text = Annotated[list[str] | None, typer.Option(help="Column with the text; twice for a pair of texts.")]
Image = Annotated[str | None, typer.Option(help="Column with the path of the picture.")]
Label = Annotated[str | None, typer.Option(help="Column with the label, or labels.")]
SplitColumn = Annotated[str | None, typer.Option("--split", help="Column that says train, val or test.")]
Group = Annotated[str | None, typer.Option(help="Column whose equal values stay on one side (patient, speaker).")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the model hub.")]
Replay = Annotated[Path | None, typer.Option(help="Repeat the journal.jsonl of another run.")]
Open = Annotated[
    bool | None,
    typer.Option("--open/--no-open", help="Show the report in a browser. [default: only for demo, on a terminal]"),
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a finished run.")]


@app.callback(invoke_without_command=True)
def top(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Options of the program itself."""
    if version:
        from headstart import __version__

        typer.echo(f"headstart {__version__}")
        raise typer.Exit


@app.command()
def check(
    data: Data,
    text: Text = None,
    image: Image = None,
    label: Label = None,
    split: SplitColumn = None,
    group: Group = None,
) -> None:
    """Show what is in the data and what is wrong with it; nothing is trained."""
    from headstart.data.check import check as look
    from headstart.data.read import read
    from headstart.terminal import Terminal

    columns = _columns(text, image, label, split, group)
    with Terminal() as terminal:
        for guess in read(data, columns=columns).guesses:
            terminal.say(guess)
        found = look(data, columns=columns, listener=terminal)
        for line in found.lines():
            terminal.say(line)


@app.command()
def models(modality: Annotated[str | None, typer.Option(help="Only image or text.")] = None) -> None:
    """List the backbones that can be used here: source, size, licence."""
    from headstart.models.catalogue import models as usable
    from headstart.terminal import models_table, write

    cards = usable(modality)
    write(models_table(cards))
    typer.echo(
        "Besides: a local folder of timm or transformers, timm:NAME, torchvision:NAME, hf:ORG/NAME, hf-hub:ORG/NAME."
    )


@app.command()
def fit(
    data: Data,
    out: Out = None,
    model: Models = None,
    budget: Budget = None,
    trials: Trials = None,
    strategy: Strategies = None,
    control: Against = Control.scratch,
    metric: Metric = None,
    text: Text = None,
    image: Image = None,
    label: Label = None,
    split: SplitColumn = None,
    group: Group = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    offline: Offline = False,
    replay: Replay = None,
    open_report: Open = None,
) -> None:
    """Choose the backbone that transfers best, adapt it, prove it; leaves a run folder. Ctrl-C keeps the best so far."""
    options = {
        "models": model or (),
        "budget": budget,
        "trials": trials,
        "strategies": strategy or (),
        "control": control.value,
        "metric": metric,
        "text": text or (),
        "image": image,
        "label": label,
        "split": split,
        "group": group,
        "seed": seed,
        "device": device,
        "precision": precision,
        "offline": offline,
        "replay": replay,
    }
    _fit(data, out or default_out(data), options, open_report=bool(open_report))


@app.command()
def demo(
    out: Out = None,
    budget: Budget = None,
    trials: Trials = None,
    seed: Seed = 0,
    open_report: Open = None,
) -> None:
    """Run the main job on scikit-learn's handwritten digits, ten labels per class, and open the report."""
    options = {"budget": budget or (None if trials else "45s"), "trials": trials, "seed": seed, "offline": True}
    shown = sys.stdout.isatty() if open_report is None else open_report
    _fit("builtin:digits", out or unused(Path("runs/demo")), options, open_report=shown)


@app.command()
def evaluate(
    run: RunFolder,
    data: Data,
    text: Text = None,
    image: Image = None,
    label: Label = None,
    device: Device = "auto",
) -> None:
    """Measure a finished model on labelled data that it has not seen."""
    from headstart.terminal import Terminal, evaluation_table, write

    with Terminal():
        found: Evaluation = _load(run, device).evaluate(data, columns=_columns(text, image, label, None, None))
    write(evaluation_table(found))


@app.command()
def predict(
    run: RunFolder,
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, zips or tables.")],
    out: Annotated[Path | None, typer.Option(help="Write a CSV with a probability per class.")] = None,
    device: Device = "auto",
) -> None:
    """Predict pictures or texts. An input that cannot be read gets its error, never a label."""
    from headstart.terminal import predictions_table, write

    found: Predictions = _load(run, device).predict(inputs)
    write(predictions_table(found))
    if out:
        found.to_csv(out)
        typer.echo(f"Written: {out}")


@app.command()
def doctor() -> None:
    """Show what Headstart finds on this machine, and what to install for what."""
    from headstart.doctor import findings
    from headstart.terminal import findings_table, write

    write(findings_table(findings()))


@app.command()
def pretrain(
    sources: Annotated[list[str], typer.Argument(help="Folders, zips or tables of pictures, or builtin:glyphs.")],
    out: Annotated[
        Path, typer.Option(help="Backbone folder to write; the same command goes on where a killed one stopped.")
    ],
    objective: Annotated[str, typer.Option(help="distil (from --teacher) or supervised (labels).")] = "distil",
    teacher: Annotated[str | None, typer.Option(help="Larger model to distil from.")] = None,
    architecture: Annotated[str, typer.Option(help="timm architecture.")] = "resnet10t",
    model_args: Annotated[str, typer.Option(help="Arguments of the architecture, as JSON.")] = "{}",
    size: Annotated[int, typer.Option(help="Pixels of a training view.")] = 112,
    input_size: Annotated[
        int | None, typer.Option(help="Pixels that the finished backbone asks for. [default: --size]")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the views.")] = 14,
    views: Annotated[str | None, typer.Option(help="Views per picture, one number or one per source: 40,1.")] = None,
    batch_size: Annotated[int, typer.Option(help="Views per step.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of AdamW.")] = 3e-3,
    weight_decay: Annotated[float, typer.Option(help="Weight decay of matrices.")] = 0.02,
    teacher_size: Annotated[int, typer.Option(help="Pixels of a view for the teacher.")] = 160,
    seed: Seed = 0,
    name: Annotated[str | None, typer.Option(help="Name on the source card.")] = None,
    domain: Annotated[str | None, typer.Option(help="What the sources show, in words.")] = None,
    licence: Annotated[
        list[str] | None, typer.Option(help="Licence of a source, in the order of the sources. Repeatable.")
    ] = None,
    weights_licence: Annotated[str | None, typer.Option(help="Licence of the finished weights.")] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    keep_work: Annotated[bool, typer.Option("--keep-work", help="Keep views and checkpoints.")] = False,
) -> None:
    """Pre-train a backbone of your own on broad pictures; writes a folder with weights and a source card."""
    import json

    from headstart.adapt.pretrain_job import pretrain as run
    from headstart.terminal import Terminal

    try:
        arguments = json.loads(model_args)
        counts = [int(number) for number in views.split(",")] if views else None
    except ValueError as error:
        raise OptionError(
            f"--model-args {model_args} --views {views}: not understood ({error}). Write JSON, and numbers with commas."
        ) from error
    with Terminal() as terminal:
        folder = run(
            sources,
            out=out,
            objective=objective,
            teacher=teacher,
            architecture=architecture,
            model_args=arguments,
            size=size,
            input_size=input_size,
            epochs=epochs,
            views=counts,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            teacher_size=teacher_size,
            seed=seed,
            name=name,
            domain=domain,
            licences=licence or (),
            weights_licence=weights_licence,
            device=device,
            precision=precision,
            keep_work=keep_work,
            listener=terminal,
        )
    typer.echo(f"Backbone: {folder}  (use it with: headstart fit DATA --model {folder})")


def main() -> Never:
    """Run the program; a HeadstartError becomes one line and exit code 2."""
    try:
        app(standalone_mode=False)
    except HeadstartError as error:
        typer.secho(f"headstart: {error}", err=True, fg="red")
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        typer.secho("headstart: stopped.", err=True)
        sys.exit(130)
    except Exception as error:
        # Mistakes on the command line know how to show themselves.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        sys.exit(2)
    sys.exit(0)


def default_out(data: str) -> Path:
    """runs/NAME for a data set's path, with a number behind it where that is taken."""
    name = data.rsplit(":", 1)[-1] if data.startswith("builtin:") else Path(data).resolve().stem
    return unused(Path("runs") / name)


def unused(folder: Path) -> Path:
    """`folder`, or with the next number behind its name where it exists."""
    number, free = 2, folder
    while free.exists():
        free = folder.with_name(f"{folder.name}-{number}")
        number += 1
    return free


def _fit(data: str, out: Path, options: dict[str, Any], *, open_report: bool) -> None:
    from headstart.pipeline import fit as run
    from headstart.report.terminal_summary import summary_text
    from headstart.terminal import Terminal, width, write

    with Terminal() as terminal:
        model: Model = run(data, out=out, listener=terminal, **options)
    assert model.result is not None
    report = out / "report.html"
    write(summary_text(model.result, report=str(report), width=width()))
    if open_report:
        typer.launch(report.resolve().as_uri())


def _load(run: Path, device: str) -> Model:
    from headstart.model import load

    return load(run, device=device)


def _columns(
    text: list[str] | None, image: str | None, label: str | None, split: str | None, group: str | None
) -> Columns:
    from headstart.data.options import Columns

    return Columns(text=tuple(text or ()), image=image, label=label, split=split, group=group)
