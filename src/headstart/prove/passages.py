"""Texts to learn a language from: a stretch of a document, or a conversation of which the answers are learned (pure)."""

from __future__ import annotations

from collections.abc import Sequence

ANSWERS = "assistant"
"""Whose turns are learned."""


class Passage(str):
    """A stretch of a document; `ends` says whether the document ends with it. What is no `Passage` is taken to go on."""

    ends: bool = False

    @classmethod
    def of(cls, text: str, *, ends: bool) -> Passage:
        """The text with that."""
        made = cls(text)
        made.ends = ends
        return made


class Conversation(str):
    """Turns, each with the role of who speaks; as a text it reads as people would write it down."""

    turns: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, turns: Sequence[tuple[str, str]]) -> Conversation:
        """A conversation of these turns (role, what is said)."""
        made = cls("\n\n".join(f"{role}: {said}" for role, said in turns))
        made.turns = tuple(turns)
        return made
