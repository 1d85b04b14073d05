"""The terminal: a listener that shows phases, progress with time left and what was said; and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from headstart import events

if TYPE_CHECKING:
    from headstart.doctor import Finding
    from headstart.model import Evaluation, Predictions
    from headstart.models.card import SourceCard

ROWS_SHOWN = 50


def write(what: RenderableType) -> None:
    """Print to standard output."""
    _console().print(what)


def width() -> int:
    """Columns that text may use."""
    return min(100, _console().width)


class Terminal:
    """A listener that writes to standard error, so that results on standard output can be piped."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` is for tests."""
        self._console = console or Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total} {task.fields[left]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bar: TaskID | None = None

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
        if isinstance(event, events.Progress):
            self._show(event)
            return
        if self._bar is not None:
            self._progress.remove_task(self._bar)
            self._bar = None
        line = sentence(event)
        if line is not None:
            self._console.print(line, soft_wrap=True)

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(Text(line), soft_wrap=True)

    def _show(self, event: events.Progress) -> None:
        left = "" if event.seconds_left is None else f"{clock(event.seconds_left)} left"
        if self._bar is None:
            self._bar = self._progress.add_task(event.what, total=event.total, left=left)
        self._progress.update(self._bar, description=event.what, completed=event.done, total=event.total, left=left)


def sentence(event: events.Event) -> Text | None:
    """An event as one line; None for those that need none."""
    match event:
        case events.PhaseStarted(name, detail):
            return Text(f"{name} {detail}".rstrip(), style="bold")
        case events.Said(text, warning):
            return Text(f"  {text}", style="yellow" if warning else "")
        case events.Scored(backbone, score):
            return Text(f"  {backbone}  {score:.3f}")
        case events.TrialEnded(strategy, backbone, metric, value, seconds):
            return Text(f"  {strategy:<14} {backbone}  {metric} {value:.3f}  {seconds:.1f} s")
    return None


def clock(seconds: float) -> str:
    """Seconds as 45 s or 3:05."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02d}"


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


def predictions_table(found: Predictions) -> Table:
    """The first predictions; what could not be read with its reason."""
    table = _table(
        ["input", "label", "confidence"],
        (
            [row.id, "", row.error] if row.error else [row.id, ", ".join(row.labels) or "none", f"{row.confidence:.3f}"]
            for row in found.rows[:ROWS_SHOWN]
        ),
    )
    if len(found.rows) > ROWS_SHOWN:
        table.caption = f"and {len(found.rows) - ROWS_SHOWN} more: --out FILE.csv writes all"
    return table


def evaluation_table(found: Evaluation) -> Table:
    """Metrics with their intervals."""
    table = _table(
        ["metric", "value", "95 % interval"],
        (
            [name.replace("_", " "), _number(figure.value), f"{_number(figure.low)} to {_number(figure.high)}"]
            for name, figure in found.metrics.items()
        ),
    )
    notes = [f"{found.n} examples"]
    if found.set_aside:
        notes.append(f"{len(found.set_aside)} could not be read: {found.set_aside[0]}")
    if found.unknown_labels:
        notes.append(f"left out, unknown labels: {', '.join(found.unknown_labels[:5])}")
    table.caption = "; ".join(notes)
    return table


def findings_table(found: Iterable[Finding]) -> Table:
    """What the doctor found."""
    return _table(["", "found", "what to do"], ([item.subject, item.found, item.advice] for item in found))


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    table = Table(*columns, box=None, pad_edge=False, header_style="bold", caption_justify="left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def _console() -> Console:
    return Console(highlight=False)
