"""What a model and its predictions show of themselves in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.report.cautions import cautions
from headstart.report.page import answer, environment
from headstart.run.result import Result

if TYPE_CHECKING:
    from headstart.model import Predictions

ROWS_SHOWN = 20


def html_summary(result: Result) -> str:
    """The answer of a run in short: the sentence, the comparison, what to watch out for."""
    return (
        environment()
        .get_template("notebook.html.jinja")
        .render(answer=answer(result), result=result, cautions=cautions(result, {}))
    )


def html_predictions(predictions: Predictions) -> str:
    """The first predictions as a table; what could not be read stands there with its reason."""
    shown = predictions.rows[:ROWS_SHOWN]
    return (
        environment().get_template("predictions.html.jinja").render(rows=shown, rest=len(predictions.rows) - len(shown), are_numbers=any(row.value is not None for row in shown))
    )
