"""The same command gives the same weights, bit for bit, and so does a replay of its journal."""

from __future__ import annotations

import json

import pytest
from tests.pictures import class_folders
from tests.tiny_models import timm_folder

import headstart
from headstart.files import sha256_file


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    root = tmp_path_factory.mktemp("first")
    photos, model = class_folders(root / "photos", each=10), timm_folder(root / "model")
    for part in ("train", "test"):  # parts of its own: no nested cross-validation, so that six trials are six
        class_folders(root / "parts" / part, each=10, start=0 if part == "train" else 500)
    options = {"models": model, "seed": 0, "strategies": ["probe", "partial", "full"]}
    headstart.fit(root / "parts", out=root / "run", trials=6, **options)
    return root, options, photos


def test_the_same_trials_and_seed_give_the_same_weights(first, tmp_path):
    root, options, _ = first
    headstart.fit(root / "parts", out=tmp_path / "again", trials=6, **options)
    for name in ("model.safetensors", "predictions.csv", "splits.json"):
        assert sha256_file(tmp_path / "again" / name) == sha256_file(root / "run" / name)


def test_a_replayed_journal_gives_the_same_weights(first, tmp_path):
    root, options, _ = first
    headstart.fit(root / "parts", out=tmp_path / "replayed", replay=root / "run" / "journal.jsonl", **options)
    assert sha256_file(tmp_path / "replayed" / "model.safetensors") == sha256_file(root / "run" / "model.safetensors")
    ours, theirs = (
        [(trial["strategy"], trial["settings"]) for trial in json.loads((run / "result.json").read_text())["trials"]]
        for run in (tmp_path / "replayed", root / "run")
    )
    assert ours == theirs
    assert len(ours) == 6


def test_another_seed_gives_another_model(first, tmp_path):
    root, options, _ = first
    headstart.fit(root / "parts", out=tmp_path / "other", trials=6, **{**options, "seed": 1})
    other, same = (
        [trial["validation"] for trial in json.loads((run / "result.json").read_text())["trials"]]
        for run in (tmp_path / "other", root / "run")
    )
    assert other != same


def test_a_run_that_lost_its_end_goes_on_to_the_same_weights(first, tmp_path):
    root, options, _ = first
    run = tmp_path / "cut"
    headstart.fit(root / "parts", out=run, trials=6, **options)
    whole = sha256_file(run / "model.safetensors")
    # As if it had been killed after its third trial: the journal ends there, and nothing after it was written.
    lines = (run / "journal.jsonl").read_text().splitlines(keepends=True)
    third = [number for number, line in enumerate(lines) if json.loads(line)["kind"] == "trial"][2]
    (run / "journal.jsonl").write_text("".join(lines[: third + 1]))
    for name in ("result.json", "model.safetensors", "report.html", "predictions.csv"):
        (run / name).unlink()
    headstart.fit(root / "parts", out=run, trials=6, **options)
    assert sha256_file(run / "model.safetensors") == whole
