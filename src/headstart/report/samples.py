"""The panel of a language model: how it goes on from the beginnings of test texts, beside the same network trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.report.story import Story


def samples(story: Story) -> Mapping[str, Any] | None:
    """The samples with what the texts say themselves; None where none were drawn."""
    found = story.result.language
    return {"samples": found["samples"], "how": found["how"]} if found and found["samples"] else None
