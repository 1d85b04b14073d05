"""Texts go the whole way on the command line with checkpoints that transformers itself saved: one label, several, and pairs."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.families import TEXTS
from tests.unit.models.test_windows import text_of

from headstart.cli import main

FAMILIES = ("bert", "roberta", "deberta-v2", "gpt2", "llama")
SEA, TRAIN = ["dark", "northern", "sea", "light", "lamp"], ["old", "train", "station", "story", "stairs"]


def run(capsys, monkeypatch, *words: str | Path) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["headstart", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def table(path: Path, kind: str, count: int = 40) -> Path:
    """Texts whose words give their labels away; one in four is longer than the networks take at once."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        sea = number % 2 == 0
        words = " ".join(rng.choice(SEA if sea else TRAIN, 8 if number % 4 else 40)) + f" {'abcdefgh'[number // 8]}"
        about = {"text": words, "label": "sea" if sea else "train"}
        if kind == "several":
            about = {"text": words, "wet": int(sea), "long": int(number % 4 == 0)}
        if kind == "pair":
            other = sea if number % 3 else not sea
            about = {"one": words, "two": " ".join(rng.choice(SEA if other else TRAIN, 6)), "label": "same" if other == sea else "other"}
        rows.append({**about, "split": "test" if number % 4 >= 2 else "train"})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


COLUMNS = {
    "one": ["--text", "text", "--label", "label"],
    "several": ["--text", "text", "--label", "wet,long"],
    "pair": ["--text", "one", "--text", "two", "--label", "label"],
}


def test_every_family_has_a_maker():
    assert set(FAMILIES) <= set(TEXTS)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_checkpoint_goes_all_the_way(family, kind, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("headstart.concepts.MOST_TEXTS", 8)
    monkeypatch.setattr("headstart.concepts.FEWEST_TEXTS", 4)
    monkeypatch.setattr("headstart.concepts.EXPLAINED", 1)
    model, data, out = TEXTS[family](tmp_path / "model"), table(tmp_path / "data.csv", kind), tmp_path / "run"
    # All weights move once for each family, for a few steps; the other kinds of labels differ at the head alone.
    strategy = "contrastive" if kind == "one" else "probe"
    code, _, said = run(
        capsys, monkeypatch, "fit", data, *COLUMNS[kind], "--split", "split", "--model", model, "--strategy", strategy,
        "--control", "none", "--trials", "1", "--out", out, "--device", "cpu",
    )  # fmt: skip
    assert code == 0, said
    assert "longer than the 32 tokens" in said
    result = json.loads((out / "result.json").read_text())
    assert {found["name"] for found in result["concepts"]["findings"]} >= {"ladder", "memorisation", "random-labels", "shortcuts"}
    assert result["concepts"]["left_out"] == []
    assert all(one["words"] for one in result["concepts"]["words"]["examples"])
    assert all(one["missing"] < 0.05 for one in result["concepts"]["words"]["examples"])
    assert json.loads((out / "audit.json").read_text())["reading"][0]["windowed"] > 0

    columns = "one,two" if kind == "pair" else "text"
    rows = [f"{text},old train" if kind == "pair" else text for text in ("dark sea", text_of(60))]
    (tmp_path / "new.csv").write_text("\n".join([columns, *rows]) + "\n")
    code, _, said = run(capsys, monkeypatch, "predict", out, tmp_path / "new.csv", "--out", tmp_path / "said.csv")
    assert code == 0, said
    with (tmp_path / "said.csv").open() as file:
        predicted = list(csv.DictReader(file))
    assert len(predicted) == 2
    assert not any(row["error"] for row in predicted)
