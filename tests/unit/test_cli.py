"""The command line: what it hands on, what it says, and how it ends. Nothing is trained here."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from headstart import cli, cli_choose, cli_options
from headstart.adapt.pretraining.asked import Asked
from headstart.adapt.pretraining.from_pictures import OBJECTIVES
from headstart.adapt.pretraining.job import pretrain
from headstart.adapt.pretraining.reading import READINGS
from headstart.adapt.pretraining.tokens import KINDS
from headstart.adapt.strategies import STRATEGIES
from headstart.cli import app, main
from headstart.data.modality import MODALITIES
from headstart.errors import DataError, NothingReadable
from headstart.model import Model
from headstart.models.resolve import LOADERS
from headstart.options import CONTROLS
from headstart.pipeline import fit
from headstart.prove.metrics import METRICS
from tests.unit.report.runs import bees

COMMANDS = ("check", "models", "fit", "demo", "evaluate", "predict", "doctor", "pretrain")
HEAVY = ("torch", "numpy", "sklearn", "transformers", "timm", "scipy", "pandas", "PIL", "rich")


def ends(monkeypatch, capsys, *arguments):
    """Run `main`; returns the exit code, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["headstart", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    return ended.value.code, told.out, told.err


def told_by_help(*arguments):
    done = CliRunner().invoke(app, [*arguments, "--help"])
    assert done.exit_code == 0
    return re.sub(r"\s+", " ", done.output)


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["--version"], [], ["ift"]])
def test_nothing_heavy_is_imported_before_a_command_runs(arguments):
    code = (
        "import sys\n"
        "from headstart.cli import main\n"
        f"sys.argv = ['headstart', *{arguments!r}]\n"
        "try:\n    main()\n"
        f"except SystemExit:\n    print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained_and_every_command_has_an_example(command):
    found = typer.main.get_command(app).commands[command]
    assert found.short_help
    assert "Examples:" in told_by_help(command)
    silent = [parameter.name for parameter in found.params if not parameter.help]
    assert not silent


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_the_help_are_commands_that_exist(command):
    group = typer.main.get_command(app)
    lines = re.findall(r"^  (headstart .+)$", group.commands[command].epilog, re.MULTILINE)
    assert lines
    for line in lines:
        name, *words = shlex.split(line)[1:]
        group.commands[name].make_context(name, words)


def test_no_arguments_show_the_help(monkeypatch, capsys):
    code, out, _ = ends(monkeypatch, capsys)
    assert code == 0
    assert "fit" in out
    assert "Usage: headstart" in out


def test_version(monkeypatch, capsys):
    code, out, _ = ends(monkeypatch, capsys, "--version")
    assert (code, out) == (0, "headstart 0.1.0\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ift"], ["'ift'", "Did you mean 'fit'?", "headstart --help"]),
        (["fit", "x", "--budgt", "5m"], ["--budgt", "--budget", "headstart fit --help"]),
        (["fit"], ["Missing argument 'DATA'."]),
        (["fit", "x", "--control", "scrach"], ["'scrach'", "'scratch', 'none'"]),
        (["fit", "x", "--trials", "0"], ["--trials"]),
        (["fit", "x", "--budget", "soon"], ["--budget soon", "5m"]),
        (["fit", "x", "--budget", "5m", "--trials", "6"], ["--trials and --budget exclude each other"]),
        (["fit", "x", "--strategy", "prob"], ["'prob'", "Did you mean 'probe'?"]),
        (["fit", "x", "--metric", "acuracy"], ["Did you mean 'accuracy'?"]),
        (["fit", "no-such-folder"], ["no-such-folder: no such file or folder"]),
        (["check", "no-such-folder"], ["no-such-folder: no such file or folder"]),
        (["predict", "no-such-run", "a.png"], ["no-such-run: no model here"]),
        (["evaluate", "no-such-run", "photos"], ["no-such-run: no model here"]),
        (["models", "--modality", "smell"], ["'smell'", "'image', 'text'"]),
        (["pretrain", "photos", "--out", "made", "--model-args", "{"], ["--model-args {", "not JSON"]),
        (["pretrain", "photos", "--out", "made", "--model-args", "[1]"], ["not a JSON object"]),
        (["pretrain", "photos", "--out", "made", "--views", "1,many"], ["--views 1,many", "40,1"]),
        (["pretrain", "photos"], ["Missing option '--out'"]),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, words, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, out, err = ends(monkeypatch, capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("headstart: ")
    assert err.count("\n") == 1
    assert all(word in err for word in words), err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DataError("photos/: empty.\nPut something in."), 2, "headstart: photos/: empty. Put something in.\n"),
        (NothingReadable("a.png: broken."), 1, "headstart: a.png: broken.\n"),
        (KeyboardInterrupt(), 130, "headstart: stopped.\n"),
        (PermissionError(13, "Permission denied", "/runs"), 2, "headstart: /runs: Permission denied. Choose another"),
        (OSError(28, "No space left on device"), 2, "headstart: disk: No space left on device. Make room"),
    ],
)
def test_what_a_user_can_mend_ends_in_one_line(error, code, words, monkeypatch, capsys):
    def wrong(*arguments, **options):
        raise error

    monkeypatch.setattr("headstart.doctor.findings", wrong)
    found, _, err = ends(monkeypatch, capsys, "doctor")
    assert found == code
    assert words in err
    assert err.count("\n") - err.count("\n\n") <= 2  # typer puts an empty line before what it makes of Ctrl-C
    assert "Traceback" not in err


@pytest.mark.parametrize("error", [ValueError("ours"), FileNotFoundError(2, "No such file", "x")])
def test_a_mistake_of_ours_keeps_its_traceback(error, monkeypatch):
    def wrong():
        raise error

    monkeypatch.setattr("headstart.doctor.findings", wrong)
    monkeypatch.setattr(sys, "argv", ["headstart", "doctor"])
    with pytest.raises(type(error)):
        main()


@pytest.fixture
def fitted(monkeypatch, tmp_path):
    """A `fit` that trains nothing and notes what it was asked; returns the notes."""
    asked = []

    def fake(data, **options):
        asked.append({"data": data, **options})
        model = Model.__new__(Model)
        model.result = bees().result
        return model

    monkeypatch.setattr("headstart.pipeline.fit", fake)
    monkeypatch.chdir(tmp_path)
    return asked


def test_fit_hands_every_option_on(fitted):
    words = (
        "fit photos --model a --model b --budget 90s --strategy probe --strategy full --control none --metric auroc "
        "--text q --text a --image file --label y --split part --group patient --task ordinal --seed 3 --device cpu "
        "--precision fp32 --offline --no-history --out here --backbone a --set lr=3e-4 --set wd=0.1 --workers 2 "
        "--unlabelled more --unlabelled others --source-sample stories"
    )
    done = CliRunner().invoke(app, words.split(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    asked = fitted[0]
    assert callable(asked.pop("listener"))
    assert str(asked.pop("out")) == "here"
    assert asked == {
        "unlabelled": ("more", "others"), "source_sample": "stories",
        "data": "photos", "models": ("a", "b"), "budget": "90s", "trials": None, "strategies": ("probe", "full"),
        "control": "none", "metric": "auroc", "text": ("q", "a"), "image": "file", "label": "y", "split": "part",
        "group": "patient", "seed": 3, "device": "cpu", "precision": "fp32", "offline": True, "history": False,
        "replay": None, "task": "ordinal", "backbone": "a", "settings": {"lr": "3e-4", "wd": "0.1"}, "workers": 2,
    }  # fmt: skip
    assert set(asked) | {"listener", "out"} == set(inspect.signature(fit).parameters)


def test_fit_without_options_asks_for_the_defaults(fitted):
    CliRunner().invoke(app, ["fit", "photos"], catch_exceptions=False)
    asked = {name: value for name, value in fitted[0].items() if name not in ("data", "out", "listener")}
    usual = {name: parameter.default for name, parameter in inspect.signature(fit).parameters.items() if name in asked}
    assert asked == usual


def test_fit_ends_with_the_summary_and_the_place_of_the_report(fitted):
    done = CliRunner().invoke(app, ["fit", "photos/"], catch_exceptions=False)
    assert "Sources" in done.stdout
    assert "runs/photos/report.html" in done.stdout


def test_a_replay_takes_a_run_folder_or_its_journal(fitted, tmp_path):
    run = tmp_path / "old"
    run.mkdir()
    journal = run / "journal.jsonl"
    journal.write_text("")
    for given in (run, journal):
        CliRunner().invoke(app, ["fit", "photos", "--replay", str(given)], catch_exceptions=False)
    assert [asked["replay"] for asked in fitted] == [journal, journal]


@pytest.mark.parametrize(
    ("words", "opened"),
    [(["fit", "x"], False), (["fit", "x", "--open"], True), (["demo"], False), (["demo", "--open"], True)],
)
def test_a_browser_opens_only_where_it_is_asked_for_or_somebody_looks(words, opened, fitted, monkeypatch):
    pages = []
    monkeypatch.setattr("webbrowser.open", lambda page: pages.append(page) or True)
    CliRunner().invoke(app, words, catch_exceptions=False)
    assert bool(pages) is opened
    assert all(page.startswith("file:///") and page.endswith("/report.html") for page in pages)


def test_without_a_browser_it_says_so(fitted, monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda page: False)
    done = CliRunner().invoke(app, ["fit", "x", "--open"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "No browser" in done.output


def test_the_demo_stays_at_home_and_has_a_budget_unless_trials_are_counted(fitted):
    CliRunner().invoke(app, ["demo"], catch_exceptions=False)
    CliRunner().invoke(app, ["demo", "--trials", "4"], catch_exceptions=False)
    CliRunner().invoke(app, ["demo", "text"], catch_exceptions=False)
    assert [(asked["data"], asked["offline"], asked["budget"], asked["trials"]) for asked in fitted] == [
        ("builtin:digits", True, "45s", None),
        ("builtin:digits", True, None, 4),
        ("builtin:requests", True, "45s", None),
    ]
    assert [str(asked["out"]) for asked in fitted] == ["runs/demo", "runs/demo", "runs/demo-text"]
    assert [asked["models"] for asked in fitted] == [(), (), ("starter:words",)]


def test_pretrain_takes_the_command_that_stands_on_a_source_card(monkeypatch):
    asked = []
    given = {
        "objective": "supervised", "teacher": "timm:resnet18", "architecture": "resnet18",
        "model_args": {"channels": [8, 16], "stem_width": 8}, "size": 64, "input_size": 96, "epochs": 3,
        "text": "body", "tokenizer": "bpe", "vocabulary": 500, "length": 64, "budget": 90.5, "probe": "labelled.csv",
        "views": [40, 1], "batch_size": 32, "learning_rate": 0.001, "weight_decay": 0.1,
        "seed": 5, "name": "mine", "domain": "broad pictures, and signs", "licences": ["MIT", "CC BY 4.0"],
        "weights_licence": "Apache-2.0", "device": "cpu", "precision": "fp32",
    }  # fmt: skip
    words = shlex.split(Asked(["a b", "builtin:glyphs"], cli.Path("made"), **given).command_line({}))
    taken = set(inspect.signature(pretrain).parameters)
    monkeypatch.setattr(
        "headstart.adapt.pretraining.job.pretrain", lambda sources, **options: asked.append((sources, options))
    )
    done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    sources, options = asked[0]
    assert sources == ["a b", "builtin:glyphs"]
    assert str(options.pop("out")) == "made"
    assert not options.pop("keep_work")
    assert callable(options.pop("listener"))
    assert options == given
    assert set(given) | {"sources", "out", "keep_work", "listener", "checkpoint_s"} == taken


def test_one_number_of_views_counts_for_every_source(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "headstart.adapt.pretraining.job.pretrain", lambda sources, **options: asked.append(options["views"])
    )
    CliRunner().invoke(app, ["pretrain", "a", "b", "--out", "made", "--views", "3"], catch_exceptions=False)
    CliRunner().invoke(app, ["pretrain", "a", "b", "--out", "made"], catch_exceptions=False)
    assert asked == [3, None]


def test_choices_are_those_of_the_tables():
    assert set(cli_options.Control) == set(CONTROLS)
    assert set(cli_options.Modality) == set(MODALITIES)
    assert set(cli_options.Objective) == {*OBJECTIVES, *READINGS}
    assert set(cli_options.TokenizerKind) == set(KINDS)
    listed = CliRunner().invoke(app, ["strategies"], catch_exceptions=False).output
    assert all(name in listed for name in (*STRATEGIES, "scratch", "random-frozen"))
    named = re.search(r"validation selects on: ([\w, ]+), …", told_by_help("fit"))
    assert named is not None
    assert set(named[1].split(", ")) <= set(METRICS)


def test_models_says_what_else_can_be_named():
    inside = {"starter", "minilm", "local-dir"}  # those that have something stand in its table
    assert all(f"{prefix}:" in cli_choose.BESIDES for prefix in set(LOADERS) - inside)
