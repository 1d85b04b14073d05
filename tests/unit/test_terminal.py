"""The terminal: what each event looks like, and that a pipe gets plain whole lines."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from headstart import terminal
from headstart.doctor import Finding
from headstart.events import PhaseEnded, PhaseStarted, Progress, Said, Scored, TrialEnded
from headstart.model import Evaluation, Prediction, Predictions
from headstart.models.card import SourceCard
from headstart.prove.estimate import Estimate
from headstart.terminal import Terminal, clock, width, working, write, write_lines

STORY = (
    PhaseStarted("audit"),
    Said("layout: a folder per class"),
    Said("3 [b]broken[/b] pictures", warning=True),
    PhaseEnded("audit", 0.2, 300.0),
    PhaseStarted("rank", "2 candidates"),
    Progress("features", 5, 10, 7.4),
    Scored("starter:glyph", 0.91234),
    PhaseEnded("rank", 75.0, 300.0),
    TrialEnded("probe", "glyph", "accuracy", 0.9, 0.44),
    TrialEnded("full", "glyph", "accuracy", 0.95, 3725.0),
)


def told(events, *, is_terminal=False, columns=80):
    """What a terminal, or a file, gets to see of `events`."""
    out = StringIO()
    console = Console(
        file=out,
        force_terminal=is_terminal,
        width=columns,
        highlight=False,
        color_system="standard" if is_terminal else None,
        legacy_windows=False,
    )
    with Terminal(console) as listener:
        listener.before_first_event("run folder: runs/bees")
        for event in events:
            listener(event)
    return out.getvalue()


def test_a_file_gets_one_plain_line_per_event():
    assert told(STORY).splitlines() == [
        "run folder: runs/bees",
        "audit",
        "  layout: a folder per class",
        "  3 [b]broken[/b] pictures",
        "rank 2 candidates",
        "  starter:glyph  0.912",
        "  rank took 1:15",
        "  trial          backbone                         validation accuracy        time",
        "  probe          glyph                            0.900                     0.4 s",
        "  full           glyph                            0.950                    1:02:05",
    ]


def test_a_long_line_is_not_broken_in_a_file():
    text = "x" * 300
    assert told([Said(text)]).splitlines()[1] == f"  {text}"


def test_without_an_event_nothing_is_said():
    assert told([]) == ""


def test_a_terminal_shows_progress_with_the_time_left():
    seen = told([Progress("features of [glyph]", 5, 10, 74.0)], is_terminal=True)
    assert "features of [glyph]" in seen
    assert "5 of 10, 1:14 left" in seen


def test_a_terminal_shows_progress_before_its_end_is_known():
    seen = told([Progress("views", 1, 4), Progress("views", 2, 4), Said("done")], is_terminal=True)
    assert "1 of 4" in seen
    assert "left" not in seen


def test_warnings_have_a_colour_on_a_terminal_only():
    assert "\x1b[33m" in told([Said("careful", warning=True)], is_terminal=True)
    assert "\x1b" not in told([Said("careful", warning=True)])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.44, "0.4 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1:00"), (185, "3:05"), (3725, "1:02:05")],
)
def test_clock(seconds, words):
    assert clock(seconds) == words


def test_lines_are_not_read_as_markup(capsys):
    write_lines(["[red]a[/red]", "b" * 200])
    assert capsys.readouterr().out == f"[red]a[/red]\n{'b' * 200}\n"


def test_working_says_nothing_in_a_file(capsys):
    with working("Evaluating"):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_piped_table_is_whole_and_without_trailing_blanks(capsys):
    rows = tuple(Prediction(f"{'long/' * 30}{n}.png", ("ant",), 0.98765, {"ant": 0.98765}) for n in range(70))
    bad = Prediction("bad.png", (), None, {}, "bad.png: empty (0 bytes).")
    write(*terminal.predictions_parts(Predictions((*rows, bad), ("ant", "bee"))))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 72
    assert lines[1].split() == [f"{'long/' * 30}0.png", "ant", "0.988"]
    assert lines[-1].split(maxsplit=1) == ["bad.png", "not read: bad.png: empty (0 bytes)."]
    assert lines == [line.rstrip() for line in lines]


def test_a_terminal_gets_the_first_rows_and_where_the_others_are(monkeypatch):
    shown = Console(force_terminal=True, file=StringIO(), width=80)
    monkeypatch.setattr(terminal, "_output", lambda: shown)
    rows = tuple(Prediction(str(n), (), 0.5, {"ant": 0.5}) for n in range(70))
    table, more = terminal.predictions_parts(Predictions(rows, ("ant",)))
    assert table.row_count == 50
    write(table, more)
    seen = shown.file.getvalue()
    assert "none" in seen
    assert "and 20 more: --out FILE writes all" in seen


def test_an_evaluation_says_on_how_many_and_what_was_left_out(capsys):
    metrics = {
        "accuracy": Estimate(0.9, 0.8, 0.95, 40, "Wilson"),
        "auroc": Estimate(None, None, None, 40, "undefined"),
    }
    write(*terminal.evaluation_parts(Evaluation(40, metrics, None, ("a.png: empty.",), ("wasp",))))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["accuracy", "0.900", "0.800", "to", "0.950"]
    assert lines[2] == ["auroc", "not", "defined"]
    assert [" ".join(line) for line in lines[3:]] == [
        "40 examples",
        "1 could not be read, the first: a.png: empty.",
        "left out, labels that the model does not know: wasp",
    ]


def test_models_and_findings_have_a_row_each(capsys):
    card = SourceCard(spec="timm:x", name="x", modality="image", family="timm", architecture="x", parameters=1_250_000)
    write(terminal.models_table([card]))
    write(terminal.findings_table([Finding("torch", "2.11", "nothing")]))
    out = capsys.readouterr().out
    assert "1.2 M" in out
    assert out.count("not stated") == 2
    assert out.splitlines()[-1].split() == ["torch", "2.11", "nothing"]


def test_the_width_is_that_of_a_page_at_most(monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    assert width() == 100
    monkeypatch.setenv("COLUMNS", "60")
    assert width() == 60
