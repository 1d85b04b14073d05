"""How a ranking is put into words, on the terminal and on the page alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MEASURES: Mapping[str, tuple[str, str]] = {
    "coverage": ("covered by the source", "share of your examples that lie where the source's own do"),
    "batch_norm": (
        "shift of activations",
        "divergence from the source's running statistics, nats per channel; 0 is none",
    ),
    "confidence": ("source head's confidence", "mean probability of the source's best class"),
    "energy": ("source head's energy", "nats; lower is more familiar"),
    "frechet": ("Fréchet distance", "squared, from the source card's reference statistics"),
    "kid": ("kernel distance", "squared, from the source card's reference statistics; 0 is none"),
    "fertility": ("tokens per word", "nearer to 1 is more familiar"),
    "unknown": ("unknown tokens", "share of tokens that the vocabulary lacks"),
    "bits_per_byte": ("bits per byte", "what a language model finds surprising; lower is more familiar"),
}
"""Measures of nearness: what they are called, and how to read them."""
SHARES = {"coverage", "confidence", "unknown"}


def headline(result: Mapping[str, Any]) -> str:
    """The answer in one sentence."""
    entries = result["ranking"]
    best = entries[0]
    level = [entry["backbone"] for entry in entries[1:] if entry["place"] == best["place"]]
    if len(entries) == 1:
        if result["data"]["kind"] == "quantity":
            told = f"{best['score']:.0%} of the variance of the training examples explained"
        else:
            told = f"{best['score']:.0%} of the training examples right"
        return f"{best['backbone']} is the only candidate: {told} when left out."
    if level:
        return f"Reuse {best['backbone']}; level with it, as far as {result['data']['looked_at']} examples can tell: {listed(level)}."
    often = "nearly all" if best["chance_of_first"] > 0.99 else f"{best['chance_of_first']:.0%} of"
    return f"Reuse {best['backbone']}: it comes first in {often} resamples of your data."


def place(entry: Mapping[str, Any]) -> str:
    """A place, with = where it is shared."""
    return f"{entry['place']}{'=' if entry['tied'] else ''}"


def places(entry: Mapping[str, Any]) -> str:
    """The interval of places."""
    low, high = entry["places"]
    return str(low) if low == high else f"{low}–{high}"


def cut(entry: Mapping[str, Any]) -> str:
    """Where to cut, in words."""
    return "last stage" if entry["cut"]["number"] == len(entry["cuts"]) - 1 else str(entry["cut"]["stage"])


def measure(name: str, value: float) -> str:
    """A measure of nearness as people read it."""
    return f"{100 * value:.0f} %" if name in SHARES else f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """About how long something takes."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def size(parameters: int | None) -> str:
    """A number of parameters."""
    if parameters is None:
        return "–"
    return f"{parameters / 1e6:.1f} M" if parameters < 1e9 else f"{parameters / 1e9:.1f} B"


def listed(names: Sequence[str]) -> str:
    """Names in a row."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
