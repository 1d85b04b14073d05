"""How a conversation is written down for a model: by its tokenizer's chat template, or plainly where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.prove.passages import ANSWERS

Turns = Sequence[tuple[str, str]]
Span = tuple[int, int]
"""Begin and end of an answer in a written conversation, in characters."""
TRIED: Turns = (("user", "one"), (ANSWERS, "two"), ("user", "three"), (ANSWERS, "four"))


def plainly(turns: Turns, end: str) -> tuple[str, list[Span]]:
    """`User: …`, a line for each turn; what is learned of an answer is its text and the sign that ends it."""
    text, spans = "", []
    for role, said in turns:
        text += f"{role.capitalize()}: "
        if role == ANSWERS:
            spans.append((len(text), len(text) + len(said) + len(end)))
        text += f"{said}{end if role == ANSWERS else ''}\n"
    return text.removesuffix("\n"), spans


def question(turns: Turns) -> str:
    """Turns written plainly, up to where an answer begins."""
    return plainly((*turns, (ANSWERS, "")), "")[0].rstrip(" ")


def by_template(tokenizer: Any, turns: Turns) -> tuple[str, list[Span]] | None:
    """As the chat template of a tokenizer writes it; None where it refuses these turns, or writes earlier ones otherwise once later ones are
    known, so that it is not to be told where an answer begins. Templates run in the sandbox that transformers has for them.
    """
    try:
        whole = _rendered(tokenizer, turns, asks=False)
        spans = []
        for number, (role, _) in enumerate(turns):
            if role != ANSWERS:
                continue
            before = _rendered(tokenizer, turns[:number], asks=True)
            after = _rendered(tokenizer, turns[: number + 1], asks=False)
            if not (whole.startswith(after) and after.startswith(before)):
                return None
            spans.append((len(before), len(after)))
    except Exception:  # noqa: BLE001  a template may raise whatever its author liked
        return None
    return whole, spans


def follows_template(tokenizer: Any) -> bool:
    """Whether a tokenizer has a chat template of which answers can be told apart."""
    return bool(getattr(tokenizer, "chat_template", None)) and by_template(tokenizer, TRIED) is not None


def asked(tokenizer: Any, turns: Turns) -> str:
    """Turns as the template writes them, up to where an answer begins."""
    return _rendered(tokenizer, turns, asks=True)


def _rendered(tokenizer: Any, turns: Turns, *, asks: bool) -> str:
    messages = [{"role": role, "content": said} for role, said in turns]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)) if messages else ""
