"""A finished run is a source: what it learned is the start of the next one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from tests.tiny_models import timm_folder
from typer.testing import CliRunner

import headstart
from headstart.cli import app
from headstart.errors import ModelError


def pictures(folder, classes, seed):
    """Pictures of a colour per class, under noise, in a folder per class."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for row in range(12):
            colour = np.roll([200, 90, 60], number) + rng.normal(0, 40, (24, 24, 3))
            Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8)).save(folder / name / f"{row}.png")
    return folder


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run that moved weights."""
    folder = tmp_path_factory.mktemp("first")
    model = timm_folder(folder / "net")
    data = pictures(folder / "colours", ("blue", "green", "red"), 0)
    given = {"strategies": ["full"], "control": "none", "trials": 1, "history": False, "device": "cpu"}
    return headstart.fit(data, out=folder / "run", models=model, **given)


def test_the_next_run_starts_from_what_the_first_learned(first, tmp_path):
    data = pictures(tmp_path / "more", ("green", "red"), 1)
    command = [
        "fit",
        str(data),
        "--from",
        str(first.folder),
        "--strategy",
        "probe",
        "--control",
        "none",
        "--trials",
        "1",
    ]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "run"), "--no-history"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["card"]["name"] == "run"
    assert config["card"]["domain"].startswith("colours, 36 examples")
    assert config["card"]["pretraining"]["classes"] == ["blue", "green", "red"]
    again = headstart.load(tmp_path / "run")
    for one, other in zip(first.backbone.net.parameters(), again.backbone.net.parameters(), strict=True):
        assert one.equal(other)


def test_it_is_a_source_with_a_head_of_its_own(first, tmp_path):
    data = pictures(tmp_path / "more", ("green", "red"), 1)
    found = headstart.rank(data, models=[first.folder], history=False, device="cpu")
    (entry,) = found.ranking
    assert {one["class"] for one in entry["outlook"]["called"]} <= {"blue", "green", "red"}


def test_half_a_run_is_no_source(first, tmp_path):
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text((first.folder / "config.json").read_text())
    with pytest.raises(ModelError, match="not a whole run"):
        headstart.rank(pictures(tmp_path / "data", ("a", "b"), 2), models=[tmp_path / "half"], device="cpu")
