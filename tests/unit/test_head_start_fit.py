"""What the head start is worth over the whole way where it is not plain: numbers, orders, and a budget that is too short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import headstart
from headstart import pipeline
from headstart.adapt import moved
from headstart.adapt.moved import FineTune
from headstart.adapt.strategy import Effort, Proposal
from tests.fakes import SIZE, TinyBackbone, stripes

TRAIN = 48
OPTIONS: dict[str, Any] = {"trials": 3, "strategies": ["probe"], "device": "cpu", "history": False}


def shades(count: int, seed: int = 0) -> tuple[list[Image.Image], np.ndarray]:
    """Pictures whose number is how red they are, from 0 to 100, under noise."""
    draw = np.random.default_rng(seed)
    numbers = draw.uniform(0, 100, count)
    shown = numbers + draw.normal(0, 20, count)
    pixels = draw.normal(120, 25, (count, SIZE, SIZE, 3)) + (shown[:, None, None, None] - 50) * np.array([1, 0, 0])
    return [Image.fromarray(np.clip(one, 0, 255).astype(np.uint8)) for one in pixels], numbers


def fitted(folder: Path, labels: list[str], pictures: list[Image.Image], **options: Any) -> dict[str, Any]:
    """The result of a run that learns from the first 48 and is tested on the others."""
    parts = ["train" if place < TRAIN else "test" for place in range(len(labels))]
    table = pd.DataFrame({"image": pictures, "label": labels, "split": parts})
    headstart.fit(table, label="label", split="split", image="image", models=TinyBackbone(), out=folder, **{**OPTIONS, **options})
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


@pytest.mark.parametrize(("task", "metric"), [("regression", "mae"), ("ordinal", "rank_mae")])
def test_numbers_and_orders_have_curves_of_their_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, metric: str
) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    pictures, numbers = shades(60)
    labels = [f"{number:.3f}" if task == "regression" else f"{number // 34:.0f}" for number in numbers]
    result = fitted(tmp_path / "run", labels, pictures, task=task)
    found = result["head_start"]
    assert found["labels"] is not None
    assert (found["folds"], found["missing"]) == ([0], None)
    assert found["seen"] == {"transfer": 48, "scratch": 48, "all": 48}
    for role in ("transfer", "scratch"):
        last, curve = found["points"][-1], [point[f"{role}_curve"] for point in found["points"]]
        assert last[role]["value"] == pytest.approx(result["test"][role][metric]["value"])
        assert last[role]["low"] <= last[role]["value"] <= last[role]["high"]
        assert curve == sorted(curve, reverse=True)  # more labels, a smaller error
    assert "two made up" in found["labels"]["method"]
    page, card = ((tmp_path / "run" / name).read_text() for name in ("report.html", "README.md"))
    assert 'id="head-start"' in page
    assert "Mean absolute error, in" in page[page.index('id="head-start"') :]
    assert "head start is worth" in card or "Training from scratch is ahead" in card


def test_where_time_was_short_the_curve_ends_with_what_there_was_time_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock would make it another number on every machine: the control's proposal is cut as a short budget cuts it."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    honest = FineTune.propose

    def short(self: FineTune, *given: Any, seconds: float | None, effort: Effort) -> Proposal | None:
        proposal = honest(self, *given, seconds=seconds, effort=effort)
        if proposal is None or self.role != "scratch":
            return proposal
        return Proposal({**proposal.settings, "epochs": moved.MIN_EPOCHS, "examples": 24}, proposal.seconds)

    monkeypatch.setattr(FineTune, "propose", short)
    pictures, numbers = stripes(60)
    result = fitted(tmp_path / "run", [f"colour {number}" for number in numbers], pictures)
    found = result["head_start"]
    assert found["seen"] == {"transfer": 48, "scratch": 24, "all": 48}
    assert [point["labels"] for point in found["points"] if point["scratch"]] == [6, 12, 24]
    assert [point["labels"] for point in found["points"] if point["transfer"]] == [6, 12, 24, 48]
    assert found["missing"] == "training from scratch had time for 24 of 48 training examples; a longer --budget would do"
    last = next(point for point in found["points"] if point["labels"] == 24)
    assert last["scratch"]["value"] == result["test"]["scratch"]["accuracy"]["value"]
    card = (tmp_path / "run" / "README.md").read_text()
    assert "the 24 of 48 it had time for" in card
    assert "within your data" not in card


def test_a_budget_that_is_used_up_leaves_a_head_start_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of a second: the search takes its grace, and the curves theirs, here a long one for a slow machine."""
    monkeypatch.setattr(pipeline, "CURVES_GRACE_S", 600.0)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    pictures, numbers = stripes(60)
    result = fitted(tmp_path / "run", [f"colour {number}" for number in numbers], pictures, trials=None, budget=0.1)
    found = result["head_start"]
    assert found["labels"] is not None, found["missing"]
    assert found["seen"]["transfer"] == TRAIN
    assert len([point for point in found["points"] if point["transfer"]]) > 2
