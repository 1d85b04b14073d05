"""What a model's README.md states in its header: licence and data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import metadata_load


def front_matter(path: Path) -> dict[str, Any]:
    """The source card's `licence` and `data` as far as the header of a hub README states them."""
    if not path.is_file():
        return {}
    try:
        values = metadata_load(path)
    except ValueError:
        return {}  # not YAML: the card then says that it is not known
    if not isinstance(values, dict):
        return {}
    data, licence = values.get("datasets") or (), values.get("license")
    names = (data,) if isinstance(data, str) else tuple(str(name) for name in data if isinstance(name, str))
    return {"licence": licence if isinstance(licence, str) else None, "data": names}
