"""Language models the whole way through the command line: fitted, read again, measured, and going on with a text."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from tests.families import BERT, text_model
from typer.testing import CliRunner

from headstart.cli import app
from headstart.errors import OptionError
from headstart.model import load

KINDS = ("old", "new", "great", "dark", "northern", "winding")
THINGS = ("lamp", "station", "train", "story", "sea", "keeper")


def run(*arguments):
    found = CliRunner().invoke(app, list(map(str, arguments)))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def sentences(count, seed):
    rng = np.random.default_rng(seed)
    return [f"the {rng.choice(KINDS)} {rng.choice(THINGS)} above the {rng.choice(KINDS)} {rng.choice(THINGS)}" for _ in range(count)]


@pytest.fixture(scope="module")
def plays(tmp_path_factory):
    """A run of a tiny GPT-2 on a folder of plain text."""
    folder = tmp_path_factory.mktemp("plays")
    for name, count in (("train", 240), ("val", 60), ("test", 120)):
        (folder / f"{name}.txt").write_text(". ".join(sentences(count, seed=count)))
    net = text_model(folder / "net", "GPT2LMHeadModel", "GPT2Config", bpe=True, n_positions=40, n_embd=16, n_layer=2, n_head=2)
    texts = folder / "texts"
    texts.mkdir()
    for name in ("train", "val", "test"):
        (folder / f"{name}.txt").rename(texts / f"{name}.txt")
    out = folder / "run"
    told = run("fit", texts, "--model", net, "--strategy", "full", "--set", "lr=1e-2", "--trials", 2, "--out", out, "--no-history", "--device", "cpu")
    return told.output, out, texts


def test_a_folder_of_text_is_learned_proved_and_told(plays):
    _, out, _ = plays
    result = json.loads((out / "result.json").read_text())
    assert result["task"]["kind"] == "language"
    test = result["test"]
    assert test["transfer"]["bits_per_byte"]["value"] < test["floor-majority"]["bits_per_byte"]["value"]
    assert test["transfer"]["perplexity"]["low"] < test["transfer"]["perplexity"]["value"] < test["transfer"]["perplexity"]["high"]
    assert set(test) == {"transfer", "scratch", "floor-majority", "floor-classical"}
    assert result["verdict"]["against"] == "scratch"
    sample = result["language"]["samples"][0]
    assert sample["transfer"]
    assert sample["scratch"] is not None
    page = (out / "report.html").read_text()
    assert "How it goes on" in page
    assert "bits per byte" in page
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    nats, tokens, size = (sum(float(row[name]) for row in rows) for name in ("nats", "tokens", "bytes"))
    assert test["transfer"]["nats_per_token"]["value"] == pytest.approx(nats / tokens, rel=1e-4)
    assert test["transfer"]["bits_per_byte"]["value"] == pytest.approx(nats / size / np.log(2), rel=1e-4)


def test_a_saved_model_measures_and_predicts_as_it_was_proved(plays):
    _, out, texts = plays
    result, model = json.loads((out / "result.json").read_text()), load(out, device="cpu", precision="fp32")
    found = model.evaluate(texts / "test.txt")
    assert found.metrics["bits_per_byte"].value == pytest.approx(result["test"]["transfer"]["bits_per_byte"]["value"], rel=0.02)
    likely, unlikely = model.predict(["the old lamp above the dark sea", "qqq zzz xxx vvv"]).rows
    assert likely.loss.bits_per_byte < unlikely.loss.bits_per_byte
    table = run("predict", out, "the old lamp above the dark sea", "--out", out / "said.csv")
    assert "perplexity" in table.output
    assert (out / "said.csv").read_text().startswith("id,tokens,nats_per_token,perplexity,bits_per_byte,error")


def test_it_goes_on_with_a_text_under_the_usual_controls(plays):
    model, again = load(plays[1], device="cpu"), {"temperature": 0.9, "top_k": 20, "max_tokens": 12}
    assert model.generate("the old", seed=3, **again) == model.generate("the old", seed=3, **again)
    assert len({model.generate("the old", seed=seed, **again) for seed in range(4)}) > 1
    greedy = model.generate("the old", temperature=0, max_tokens=12)
    assert greedy == model.generate("the old", temperature=0, max_tokens=12, seed=9)
    assert model.generate("the old", top_k=1, max_tokens=12) == greedy
    word = greedy.split()[1]
    assert model.generate("the old", temperature=0, max_tokens=12, stop=word) == greedy[: greedy.index(word)]
    pieces: list[str] = []
    assert model.generate("the old", temperature=0, max_tokens=12, stop=word, say=pieces.append) == "".join(pieces)
    for wrong in ({"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"repetition_penalty": 0}, {"max_tokens": 0}, {"stop": ("",)}):
        with pytest.raises(OptionError, match="--"):
            model.generate("the old", **wrong)
    with pytest.raises(OptionError, match="--prompt"):
        model.generate("the old lamp " * 40)
    told = run("generate", plays[1], "--prompt", "the old", "--temperature", 0, "--max-tokens", 12, "--device", "cpu")
    assert told.output.strip() == greedy.strip()


def test_answers_are_learned_from_conversations_by_low_rank_additions(tmp_path):
    rng = np.random.default_rng(0)
    lines = []
    for number in range(60):
        thing, kind = rng.choice(THINGS), rng.choice(KINDS)
        talk = {"prompt": f"the {thing} {number}", "completion": f"a {kind} {thing}"}
        lines.append(json.dumps(talk | {"split": ("test", "val", "train", "train")[number % 4]}))
    lines.append(json.dumps({"prompt": "nothing", "completion": "", "split": "train"}))
    (tmp_path / "talk.jsonl").write_text("\n".join(lines))
    net = text_model(
        tmp_path / "net", "LlamaForCausalLM", "LlamaConfig", bpe=True, max_position_embeddings=40, num_key_value_heads=1, **BERT
    )
    out = tmp_path / "run"
    run(
        "fit", tmp_path / "talk.jsonl", "--model", net, "--strategy", "lora", "--trials", 1, "--control", "none", "--out", out, "--no-history",
        "--device", "cpu",
    )  # fmt: skip
    result, checked = json.loads((out / "result.json").read_text()), json.loads((out / "audit.json").read_text())
    assert result["language"]["conversations"]
    assert result["chosen"]["strategy"] == "lora"
    assert "is empty" in json.dumps(checked["set_aside"])
    assert result["verdict"] is None
    assert "User:" not in load(out, device="cpu").generate("the lamp 3", max_tokens=8)
