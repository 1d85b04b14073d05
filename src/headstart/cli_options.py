"""Options and arguments of the command line, each with its one line of help. Nothing heavy is imported here."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Control(StrEnum):
    """What transfer is compared with."""

    scratch = "scratch"
    none = "none"


class Precision(StrEnum):
    """In which numbers networks run."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class Modality(StrEnum):
    """What an example is."""

    image = "image"
    text = "text"


class Demo(StrEnum):
    """What the demo shows."""

    pictures = "pictures"
    text = "text"


class LabelTask(StrEnum):
    """What labels are."""

    classification = "classification"
    ordinal = "ordinal"
    regression = "regression"
    qa = "qa"
    lm = "lm"
    tokens = "tokens"


class Objective(StrEnum):
    """What pre-training learns from."""

    distil = "distil"
    supervised = "supervised"
    masked = "masked"
    causal = "causal"


class TokenizerKind(StrEnum):
    """How text is cut into tokens."""

    wordpiece = "wordpiece"
    bpe = "bpe"


Unlabelled = Annotated[
    list[str] | None,
    typer.Option(metavar="SOURCE", help="Texts without labels (file, folder, zip or table) that the best ranked model goes on learning from first. Repeatable."),
]
SourceSample = Annotated[
    str | None,
    typer.Option(metavar="SOURCE", help="Texts of what the model was pre-trained on: how much of it is forgotten is said. [default: what its source card carries]"),
]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA", show_default=False, help="Folder, zip, .csv, .tsv, .jsonl or .parquet file, or builtin:digits."
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", show_default=False, help="Folder of a finished run.")]
DataOrRun = Annotated[
    str,
    typer.Argument(metavar="DATA", show_default=False, help="Folder, zip, table or builtin:digits; or the folder of a finished run."),
]
CheckedOn = Annotated[
    str | None,
    typer.Argument(metavar="[DATA]", show_default=False, help="After a run folder: labelled texts on which to check its model."),
]
Question = Annotated[str | None, typer.Option(metavar="TEXT", help="What to ask. [default: asked for, line by line]")]
Context = Annotated[
    str | None, typer.Option(metavar="TEXT|FILE", help="Where to look for answers: a text, or a text file. [default: the first line]")
]
Best = Annotated[int, typer.Option(metavar="N", min=1, help="How many answers to show.")]
Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT", show_default=False, help="Files, folders, zips, tables, or texts in quotes."),
]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE", show_default=False, help="Folders, zips or tables of pictures or of texts, text files, or builtin:glyphs."
    ),
]

Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        file_okay=False,
        help="Run folder. [default: runs/NAME, then runs/NAME-2, …; the same command goes on with an unfinished one]",
    ),
]
BackboneOut = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        file_okay=False,
        help="Backbone folder to write; the same command goes on where a killed one stopped.",
    ),
]
TableOut = Annotated[
    Path | None,
    typer.Option(metavar="FILE", dir_okay=False, help="Also write a CSV file, with one probability per class, or the ends of each number's interval."),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "--models",
        "--from",
        metavar="NAME",
        help="Backbone: a name from `headstart models`, a folder, or that of a finished run. Repeatable, or several with commas.",
    ),
]
Budget = Annotated[
    str | None, typer.Option(metavar="TIME", help="Time for the whole run, such as 90s, 5m or 1h30m. [default: 5m]")
]
RankBudget = Annotated[
    str | None, typer.Option(metavar="TIME", help="Time for looking at candidates, such as 60s. [default: no limit]")
]
RankOut = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", file_okay=False, help="Folder for ranking.json and ranking.html. [default: ranks/NAME]"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what ranking.json holds instead of the summary.")]
OpenPage = Annotated[bool, typer.Option("--open/--no-open", help="Show the page in a browser at the end.")]
ForTask = Annotated[str | None, typer.Option(metavar="TASK", help="Only usual starts for this task.")]
MaxSize = Annotated[str | None, typer.Option(metavar="SIZE", help="Only up to so many parameters, such as 30M.")]
OfLicence = Annotated[str | None, typer.Option(metavar="NAME", help="Only this licence, such as apache-2.0.")]
ModelFolder = Annotated[
    Path, typer.Argument(metavar="FOLDER", show_default=False, help="Folder of a model of your own.")
]
DemoOf = Annotated[Demo, typer.Argument(show_default=False, help="pictures (the default) or text.")]
DemoBudget = Annotated[
    str | None, typer.Option(metavar="TIME", help="Time for the whole run, such as 90s or 5m. [default: 45s]")
]
Trials = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Number of trials instead of a budget; repeats bit for bit on CPU."),
]
Strategies = Annotated[
    list[str] | None,
    typer.Option("--strategy", metavar="NAME", help="Only this one: `headstart strategies` lists them. Repeatable."),
]
Backbone = Annotated[
    str | None,
    typer.Option("--backbone", metavar="NAME", help="Only this one of the models, whatever the ranking says."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting that is not searched, such as lr=3e-4. Repeatable."),
]
Workers = Annotated[int, typer.Option(metavar="N", min=1, help="Trials at a time, each in a process of its own.")]
Against = Annotated[Control, typer.Option(help="What transfer is compared with; none means no verdict.")]
Metric = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="What validation selects on: accuracy, balanced_accuracy, macro_f1, auroc, log_loss, mae, r2, …"
    ),
]
Text = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Column with the text; twice for a pair of texts.")
]
Image = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column with the path of the picture.")]
Label = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column with the label; several 0/1 columns with commas.")
]
SplitColumn = Annotated[
    str | None, typer.Option("--split", metavar="COLUMN", help="Column that says train, val or test.")
]
Group = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column whose equal values stay on one side, such as a patient.")
]
LabelsAre = Annotated[
    LabelTask | None,
    typer.Option(
        "--task",
        help="What labels are: names, an order of classes by the numbers their names begin with, numbers to predict, answers in a context (qa), labels of words (tokens), or none: texts to be learned themselves (lm). [default: guessed]",
    ),
]
Prompt = Annotated[str, typer.Option(metavar="TEXT", help="What to go on from, or a question to a model that learned from conversations.")]
Temperature = Annotated[float, typer.Option(metavar="T", help="Higher is more varied; 0 always takes the most probable token.")]
TopK = Annotated[int | None, typer.Option(metavar="K", help="Draw among the K most probable tokens. [default: among all]")]
TopP = Annotated[float, typer.Option(metavar="P", help="Draw among the most probable tokens that together have this probability.")]
RepetitionPenalty = Annotated[float, typer.Option(metavar="X", help="Above 1 makes tokens that were there less probable.")]
MaxTokens = Annotated[int, typer.Option(metavar="N", help="Tokens to add at most.")]
Stop = Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Text that ends it, and is left out. Repeatable.")]
Chat = Annotated[
    bool | None,
    typer.Option("--chat/--no-chat", help="Take the prompt as a question. [default: where the model learned from conversations]"),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")]
InPrecision = Annotated[Precision, typer.Option("--precision", help="Numbers that networks compute in.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the model hub.")]
History = Annotated[
    bool,
    typer.Option("--history/--no-history", help="Learn from finished runs on this machine; nothing leaves it."),
]
Replay = Annotated[
    Path | None,
    typer.Option(metavar="RUN", exists=True, help="Repeat what another run chose: its folder, or its journal.jsonl."),
]
OpenReport = Annotated[bool, typer.Option("--open/--no-open", help="Show the report in a browser at the end.")]
OpenDemo = Annotated[
    bool | None,
    typer.Option("--open/--no-open", help="Show the report in a browser at the end. [default: on a terminal]"),
]
OfModality = Annotated[Modality | None, typer.Option(help="Only backbones for this kind of example.")]
Version = Annotated[bool, typer.Option("--version", help="Show the version and exit.")]

HowToLearn = Annotated[
    Objective | None,
    typer.Option(
        help="distil learns a teacher's features, supervised the labels of pictures, masked hidden tokens of texts, causal the "
        "next token. [default: distil for pictures and with a --teacher, else masked]"
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Backbone to distil from, named as in `headstart models`, or a folder."),
]
Architecture = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Of timm's for pictures; bert, electra, llama or gpt2 for texts. [default: resnet10t; bert, distilled electra, causal llama]",
    ),
]
ModelArgs = Annotated[str, typer.Option(metavar="JSON", help="Arguments of the architecture, as a JSON object.")]
Size = Annotated[
    int | None, typer.Option(metavar="PX", min=8, help="Side of a training view, in pixels. [default: 112]")
]
InputSize = Annotated[
    int | None,
    typer.Option(metavar="PX", help="Side of the pictures that the backbone will ask for. [default: --size]"),
]
PassageColumn = Annotated[
    str | None, typer.Option("--text", metavar="COLUMN", help="Column of tables with the text. [default: guessed]")
]
OwnTokenizer = Annotated[
    TokenizerKind | None,
    typer.Option("--tokenizer", help="Kind of tokenizer to train on the texts. [default: wordpiece, causal bpe]"),
]
Vocabulary = Annotated[
    int | None, typer.Option(metavar="N", help="Tokens in the tokenizer's vocabulary, at most. [default: 8000]")
]
Length = Annotated[int | None, typer.Option(metavar="N", help="Tokens in a sequence, at most. [default: 128]")]
Epochs = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Passes over views or texts. [default: 14; texts 10]")
]
PretrainBudget = Annotated[
    str | None,
    typer.Option("--budget", metavar="TIME", help="Time for all of it, such as 30m; cuts the passes to what fits."),
]
Views = Annotated[
    str | None,
    typer.Option(metavar="N,N…", help="Views per picture, one number or one per source. [default: 40,000 per source]"),
]
BatchSize = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Views or sequences per step. [default: 128; texts 64]")
]
LearningRate = Annotated[
    float | None, typer.Option(metavar="RATE", help="Peak learning rate. [default: 0.003; texts 0.001]")
]
WeightDecay = Annotated[float, typer.Option(metavar="RATE", help="Weight decay of matrices and kernels.")]
ProbeOn = Annotated[
    str | None,
    typer.Option("--probe", metavar="DATA", help="Labelled data for figures of transfer on the source card."),
]
CardName = Annotated[str | None, typer.Option(metavar="NAME", help="Name on the source card. [default: the folder's]")]
Domain = Annotated[str | None, typer.Option(metavar="TEXT", help="What the sources show, in words, for the card.")]
Licences = Annotated[
    list[str] | None,
    typer.Option("--licence", metavar="NAME", help="Licence of a source; repeat it in the order of the sources."),
]
WeightsLicence = Annotated[str | None, typer.Option(metavar="NAME", help="Licence of the finished weights.")]
KeepWork = Annotated[bool, typer.Option("--keep-work", help="Keep prepared views and checkpoints at the end.")]
