"""The commands that look at data, and at what a model's answers rest on. Nothing heavy is imported before one runs."""

from __future__ import annotations

from pathlib import Path

import typer

from headstart import cli_options as o
from headstart.cli_parts import columns, examples


def concept_commands(app: typer.Typer) -> None:
    """Add `check` and `explain`."""

    @app.command(
        short_help="What is in the data, and what is wrong with it.",
        epilog=examples(
            "headstart check photos/",
            "headstart check reviews.csv --text review --label stars",
            "headstart check runs/moods more-reviews.csv",
        ),
    )
    def check(
        data: o.DataOrRun,
        on: o.CheckedOn = None,
        text: o.Text = None,
        image: o.Image = None,
        label: o.Label = None,
        split: o.SplitColumn = None,
        group: o.Group = None,
        task: o.LabelsAre = None,
    ) -> None:
        """Show what is in the data and what is wrong with it. Nothing is trained and nothing is changed.

        Given the folder of a finished run on texts, and labelled texts, show what the model's answers rest on: what it keeps of them
        when texts are corrupted, what it remembers, and how far shortcuts get.
        """
        from headstart.data.check import check as look
        from headstart.terminal import Terminal, width, write, write_lines

        if on is not None:
            with Terminal() as terminal:
                from headstart.concepts import check_model
                from headstart.model import load
                from headstart.report.concept_lines import findings_text

                found_out = check_model(
                    load(Path(data)), on, columns=columns(text, image, label, split, group, task), listener=terminal
                )
            write(findings_text(found_out, width=width()))
            return
        with Terminal() as terminal:
            found = look(data, columns=columns(text, image, label, split, group, task), listener=terminal)
        write_lines(found.lines())

    @app.command(
        short_help="Which words of a text decided.",
        epilog=examples('headstart explain runs/moods "what a day"', "headstart explain runs/moods more.txt"),
    )
    def explain(run: o.RunFolder, inputs: o.Inputs) -> None:
        """Predict texts and show how much each word spoke for the answer, or against it. Needs the extra `explain`."""
        from headstart.terminal import working, write

        with working("Explaining"):
            from headstart.model import load
            from headstart.report.concept_lines import explained_text

            found = load(run).explain(inputs)
        for answer, explanation in found:
            write(explained_text(answer.id, ", ".join(answer.labels) or "none", answer.confidence, explanation.to_dict()))
