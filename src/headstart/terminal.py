"""The terminal: a listener that shows phases, progress with time left, what was said and every trial; and tables.

What happens goes to standard error, results to standard output, so that results can be piped. Where standard error is
no terminal there are no bars, no colours and no cursor movements: one plain line per event. Where standard output is
none, tables are neither cut nor folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from headstart import events
from headstart.report.words import number

if TYPE_CHECKING:
    from headstart.doctor import Finding
    from headstart.model import Evaluation, Prediction, Predictions
    from headstart.models.card import SourceCard

ROWS_SHOWN = 50
"""Of a long table on a terminal; a pipe gets all."""
UNFOLDED = 10_000
"""Columns of a pipe."""
STRATEGY, BACKBONE, VALUE = 14, 32, 24
"""Columns of the parts of a line about a trial."""


def write(*parts: RenderableType) -> None:
    """Print to standard output."""
    console = _output()
    if console.is_terminal:
        for part in parts:
            console.print(part)
        return
    with console.capture() as captured:
        console.print(*parts, sep="\n")
    for line in captured.get().splitlines():
        console.out(line.rstrip(), highlight=False)


def write_lines(lines: Iterable[str]) -> None:
    """Print lines of plain text to standard output; nothing in them is read as markup."""
    write(*(Text(line) for line in lines))


def width() -> int:
    """Columns that a text made for one screen may use."""
    return min(100, Console().width)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something is being done, until it is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} …"):
        yield


class Terminal:
    """A listener that writes to standard error."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` is for tests."""
        self._console = console or Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[counted]}{task.fields[left]}", markup=False),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bar: TaskID | None = None
        self._trials_told = 0
        self._first = ""
        self._trial = ""

    def __enter__(self) -> Self:
        """Begin to show progress."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the progress away."""
        self._progress.stop()

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        if self._first:
            self.say(self._first)
            self._first = ""
        if isinstance(event, events.Progress):
            self._show(event)
            return
        if isinstance(event, events.PhaseEnded):
            self._trial = ""
        if self._bar is not None:
            self._progress.remove_task(self._bar)
            self._bar = None
        if isinstance(event, events.TrialBegan):
            self._trial = under_way(event)
            self._bar = self._progress.add_task(self._trial, total=None, counted="", left="")
            return
        if isinstance(event, events.TrialEnded):
            self._trial = ""
            self._trials_told += 1
            if self._trials_told == 1:
                self._print(Text(trial_line("trial", "backbone", f"validation {event.metric}", "time"), style="dim"))
        line = sentence(event)
        if line is not None:
            self._print(line)

    def before_first_event(self, line: str) -> None:
        """Print this line when the first event comes: what fails before has begun nothing."""
        self._first = line

    def say(self, line: str) -> None:
        """Print one line."""
        self._print(Text(line))

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _show(self, event: events.Progress) -> None:
        told: dict[str, Any] = {
            "counted": f"{event.done:.0f} of {event.total:.0f}",
            "left": "" if event.seconds_left is None else f", {clock(event.seconds_left)} left",
        }
        what = f"{self._trial}: {event.what}" if self._trial else event.what
        if self._bar is None:
            self._bar = self._progress.add_task(what, total=event.total, completed=event.done, **told)
        self._progress.update(self._bar, description=what, completed=event.done, total=event.total, **told)


def sentence(event: events.Event) -> Text | None:
    """An event as one line; None for those that need none."""
    match event:
        case events.PhaseStarted(name, detail):
            return Text(f"{name} {detail}".rstrip(), style="bold")
        case events.PhaseEnded(name, seconds, _) if seconds >= 1:
            return Text(f"  {name} took {clock(seconds)}", style="dim")
        case events.Said(text, warning):
            return Text(f"  {text}", style="yellow" if warning else "")
        case events.Scored(backbone, score):
            return Text(f"  {backbone}  {score:.3f}")
        case events.TrialEnded(strategy, backbone, _, value, seconds, detail, pruned):
            told = f"{_number(value)}, given up" if pruned else _number(value)
            return Text(f"{trial_line(strategy, backbone, told, clock(seconds))}  {detail}".rstrip())
    return None


def under_way(event: events.TrialBegan) -> str:
    """What is tried now, the best so far, and the time left."""
    parts = [f"trying {event.strategy} on {event.backbone}" + (f" ({event.detail})" if event.detail else "")]
    if event.best is not None:
        parts.append(f"best {event.metric.replace('_', ' ')} {event.best:.3f}")
    if event.seconds_left is not None:
        parts.append(f"{clock(event.seconds_left)} left")
    return ", ".join(parts)


def trial_line(strategy: str, backbone: str, value: str, time: str) -> str:
    """A trial in columns."""
    return f"  {strategy:<{STRATEGY}} {backbone:<{BACKBONE}} {value:<{VALUE}} {time:>6}"


def clock(seconds: float) -> str:
    """Seconds as 0.4 s, 45 s, 3:05 or 1:02:00."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 9.95 else f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def models_table(cards: Sequence[SourceCard]) -> Table:
    """Backbones with their source, size and licence."""
    return _table(
        ["backbone", "for", "learned from", "parameters", "input", "licence"],
        (
            [
                card.spec,
                card.modality,
                card.domain or "not stated",
                "" if card.parameters is None else f"{card.parameters / 1e6:.1f} M",
                card.input or "",
                card.licence or "not stated",
            ]
            for card in cards
        ),
    )


def hub_table(cards: Sequence[SourceCard]) -> Table:
    """Models on the hub with what decides between them."""
    return _table(
        ["backbone", "for", "learned from", "parameters", "year", "published", "licence"],
        (
            [
                card.spec,
                card.modality,
                card.domain or "not stated",
                "" if card.parameters is None else f"{card.parameters / 1e6:.1f} M",
                card.year or "",
                _figure(card),
                card.licence or "not stated",
            ]
            for card in cards
        ),
    )


def _figure(card: SourceCard) -> str:
    """The first published figure."""
    for name, figure in card.figures.items():
        if isinstance(figure, dict):
            return f"{name} {figure['value']:g}{' %' if figure.get('unit') == '%' else ''}"
    return ""


def predictions_parts(found: Predictions) -> list[RenderableType]:
    """A table of predictions with their confidence; an input that could not be read with its reason instead."""
    shown = found.rows[:ROWS_SHOWN] if _output().is_terminal else found.rows
    headers = {"quantity": ["input", "value", "90 % interval"], "span": ["question", "answer", "confidence"], "language": ["input", "perplexity", "bits per byte"], "tags": ["input", "spans", "confidence"]}
    header = headers.get(found.kind, ["input", "label", "confidence"])
    table = _table(header, (_prediction(row) for row in shown))
    if len(shown) == len(found.rows):
        return [table]
    return [table, Text(f"and {len(found.rows) - len(shown)} more: --out FILE writes all", style="dim")]


def _prediction(row: Prediction) -> list[str]:
    if row.error is not None:
        return [row.id, f"not read: {row.error}", ""]
    if row.loss is not None:
        return [row.id, _number(row.loss.perplexity), _number(row.loss.bits_per_byte)]
    if row.spans is not None:
        return [row.id, ", ".join(f"{one.label} {one.text}" for one in row.spans) or "none", "" if row.confidence is None else f"{row.confidence:.3f}"]
    if row.value is not None:
        return [row.id, number(row.value), f"{number(row.low)} to {number(row.high)}"]
    return [row.id, ", ".join(row.labels) or "none", f"{row.confidence:.3f}"]


def evaluation_parts(found: Evaluation) -> list[RenderableType]:
    """A table of metrics with their intervals, and on what they were measured."""
    table = _table(
        ["metric", "value", "95 % interval"],
        (
            [name.replace("_", " "), _number(figure.value), _interval(figure.low, figure.high)]
            for name, figure in found.metrics.items()
        ),
    )
    notes = [f"{found.n} examples"]
    if found.set_aside:
        notes.append(f"{len(found.set_aside)} could not be read, the first: {found.set_aside[0]}")
    if found.unknown_labels:
        notes.append(f"left out, labels that the model does not know: {', '.join(found.unknown_labels[:5])}")
    return [table, *(Text(note) for note in notes)]


def strategies_table(strategies: Iterable[tuple[str, str, str]]) -> Table:
    """Ways to adapt by name, with what each does and for which data a search tries it unasked."""
    return _table(
        ["strategy", "tried for", "what it does"], ([name, tried, summary] for name, summary, tried in strategies)
    )


def findings_table(found: Iterable[Finding]) -> Table:
    """What the doctor found."""
    return _table(["", "found", "what to do"], ([item.subject, item.found, item.advice] for item in found))


def _number(value: float | None) -> str:
    if value is None:
        return "not defined"
    return f"{value:.3f}" if not value or 0.01 <= abs(value) < 1000 else number(value)


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{_number(low)} to {_number(high)}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    table = Table(*columns, box=None, pad_edge=False, header_style="bold", caption_justify="left")
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def _output() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNFOLDED
    return console
