"""The command that lets a language model go on from a text. Nothing heavy is imported before it runs."""

from __future__ import annotations

import typer

from headstart import cli_options as o
from headstart.cli_parts import examples


def generate_command(app: typer.Typer) -> None:
    """Add the command `generate` to `app`."""
    app.command(
        short_help="Let a language model go on from a text.",
        epilog=examples(
            'headstart generate runs/plays --prompt "To be or" --temperature 0.8',
            'headstart generate runs/helper --prompt "How do I reset it?" --top-p 0.9 --stop "###"',
        ),
    )(generate)


def generate(
    run: o.RunFolder,
    prompt: o.Prompt,
    temperature: o.Temperature = 1.0,
    top_k: o.TopK = None,
    top_p: o.TopP = 1.0,
    repetition_penalty: o.RepetitionPenalty = 1.0,
    max_tokens: o.MaxTokens = 200,
    stop: o.Stop = None,
    chat: o.Chat = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    precision: o.InPrecision = o.Precision.auto,
) -> None:
    """Go on from a prompt with a model that was fitted with --task lm; the text appears as it is drawn."""
    from headstart.terminal import working

    with working("Loading"):
        from headstart.model import load

        model = load(run, device=device, precision=precision.value)
    model.generate(
        prompt,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        max_tokens=max_tokens,
        stop=stop or (),
        seed=seed,
        chat=chat,
        say=lambda piece: typer.echo(piece, nl=False),
    )
    typer.echo()
