"""The head start over the whole way: measured with a control, the same again after a kill and in a replay, and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import TinyBackbone
from tests.pictures import class_folders

import headstart
from headstart.files import sha256_file
from headstart.run.journal import Journal

OPTIONS = {"trials": 3, "strategies": ["probe"], "device": "cpu", "history": False}


def result_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "result.json").read_text())
    return found


def without_seconds(value: Any) -> Any:
    """What must repeat: everything but timings."""
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if "seconds" not in key}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures in a training and a test part, and a finished run on them."""
    root = tmp_path_factory.mktemp("first")
    class_folders(root / "parts" / "train", each=16)
    class_folders(root / "parts" / "test", each=10, start=500)
    headstart.fit(root / "parts", models=TinyBackbone(), out=root / "run", **OPTIONS)
    return root


def test_it_is_measured_at_four_sizes_with_the_figures_of_the_run(first: Path) -> None:
    result = result_of(first / "run")
    found = result["head_start"]
    train = result["data"]["train"]
    assert [point["labels"] for point in found["points"]] == [train // 8, train // 4, train // 2, train]
    for role in ("transfer", "scratch"):
        assert found["points"][-1][role]["value"] == result["test"][role]["accuracy"]["value"]
        assert found["points"][-1][role]["n"] == result["data"]["test"]
        assert all(point[f"{role}_seconds"] > 0 for point in found["points"])
    assert (found["folds"], found["missing"]) == ([0], None)
    assert [phase["name"] for phase in result["phases"]][:5] == ["audit", "rank", "adapt", "curves", "prove"]
    assert "head start" in (first / "run" / "README.md").read_text()


def test_a_replay_gives_the_same(first: Path, tmp_path: Path) -> None:
    replay = {**OPTIONS, "trials": None, "replay": first / "run" / "journal.jsonl"}
    headstart.fit(first / "parts", models=TinyBackbone(), out=tmp_path / "run", **replay)
    ours, theirs = (without_seconds(result_of(run)["head_start"]) for run in (tmp_path / "run", first / "run"))
    assert ours == theirs


def test_a_run_that_was_killed_in_its_curves_goes_on_to_the_same(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, third = tmp_path / "run", 3
    append = Journal.append

    def killed(self: Journal, kind: str, **values: Any) -> None:
        append(self, kind, **values)
        if kind == "point" and len(self.of("point")) == third:
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", killed)
        with pytest.raises(SystemExit):
            headstart.fit(first / "parts", models=TinyBackbone(), out=run, **OPTIONS)
    before = Journal(run / "journal.jsonl").of("point")
    assert len(before) == third
    headstart.fit(first / "parts", models=TinyBackbone(), out=run, **OPTIONS)
    after = Journal(run / "journal.jsonl").of("point")
    assert after[:third] == before
    assert len(after) == 6
    assert without_seconds(result_of(run)["head_start"]) == without_seconds(result_of(first / "run")["head_start"])
    assert sha256_file(run / "predictions.csv") == sha256_file(first / "run" / "predictions.csv")


def test_without_a_control_nothing_is_trained_for_it(first: Path, tmp_path: Path) -> None:
    options = {**OPTIONS, "trials": 1, "control": "none"}
    headstart.fit(first / "parts", models=TinyBackbone(), out=tmp_path / "run", **options)
    result = result_of(tmp_path / "run")
    assert result["head_start"] is None
    assert "curves" not in [phase["name"] for phase in result["phases"]]
    assert not Journal(tmp_path / "run" / "journal.jsonl").of("point")
    assert not (tmp_path / "run" / "curves").exists()


def test_little_data_are_measured_in_every_fold_where_no_clock_counts(tmp_path: Path) -> None:
    class_folders(tmp_path / "photos", each=12)
    headstart.fit(tmp_path / "photos", models=TinyBackbone(), out=tmp_path / "run", **OPTIONS)
    result = result_of(tmp_path / "run")
    found = result["head_start"]
    assert found["folds"] == [1, 2, 3, 4, 5]
    assert found["points"][-1]["scratch"]["n"] == result["data"]["test"]
    assert found["points"][-1]["scratch"]["value"] == result["test"]["scratch"]["accuracy"]["value"]
