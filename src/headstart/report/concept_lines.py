"""What answers rest on, for the terminal: findings with their figures, and words coloured by how much they spoke."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from headstart.report import words
from headstart.report.concepts import SHADES
from headstart.report.terminal_summary import STYLES, cut, strip_lines

if TYPE_CHECKING:
    from rich.text import Text

STRONGEST = 6
"""Words told with their weights under a text."""


def findings_text(found: Mapping[str, Any], *, width: int) -> Text:
    """Every finding: title, sentence, figures, on which data; then what was left out."""
    from rich.text import Text

    text = Text(no_wrap=True)
    for one in found["findings"]:
        text.append(f"{one['title']}\n", style="bold")
        for line in wrap(words.clean(one["sentence"]), width):
            text.append(f"{line}\n")
        names = [words.clean(row["name"]) for row in one["rows"]]
        for drawn in strip_lines(names, [row["figure"] for row in one["rows"]], width, axis=True):
            text.append(f"{cut(drawn.text, width)}\n", style=STYLES[drawn.tone])
        for line in wrap(f"On {words.clean(one['on'])}; intervals at 95 %.", width):
            text.append(f"{line}\n", style="dim")
        text.append("\n")
    for line in found["left_out"]:
        text.append(f"Not looked at: {words.clean(line)}\n", style="yellow")
    text.rstrip()
    return text


def explained_text(name: str, label: str, confidence: float | None, explanation: Mapping[str, Any]) -> Text:
    """A text with its words coloured, and the strongest of them with their weights, which a plain terminal can show too."""
    from rich.text import Text

    sure = "" if confidence is None else f", {100 * confidence:.0f} % sure"
    text = Text(f"{words.clean(label)}{sure}\n", style="")
    text.stylize("bold", 0, len(words.clean(label)))
    weighed = explanation["words"]
    most = max((abs(weight) for _, weight in weighed), default=0.0) or 1.0
    for word, weight in weighed:
        shade = round(SHADES * abs(weight) / most)
        style = "" if not shade else f"{'bold ' if shade == SHADES else ''}{'blue' if weight > 0 else 'red'}"
        text.append(words.clean(word), style=style)
        text.append(" ")
    text.append("\n")
    strongest = sorted(weighed, key=lambda one: -abs(one[1]))[:STRONGEST]
    told = ", ".join(f"{words.clean(word)} {weight:+.2f}".replace("-", "−") for word, weight in strongest if weight)
    text.append(f"strongest: {told}; all words together {explanation['changed']:+.2f}".replace("-", "−"), style="dim")
    if explanation["truncated"]:
        text.append("; not the whole text", style="dim")
    text.append("\n")
    return text
