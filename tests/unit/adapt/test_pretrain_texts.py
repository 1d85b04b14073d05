"""Pre-training on texts as a whole: it learns, goes on after a kill to the same bits, loads everywhere, refuses what cannot be."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from tests.unit.adapt.pretraining import Ear, Killed, stripes_folder
from tests.unit.adapt.reading import SIZES, TINY, books, sentences, text_teacher

from headstart.adapt.pretraining.bank import Cut, TextBank, read_text_sources
from headstart.adapt.pretraining.job import pretrain
from headstart.adapt.pretraining.tokens import Around, batches, in_sequences, train_tokenizer
from headstart.errors import DataError, OptionError, RunError
from headstart.events import silent
from headstart.files import read_json, sha256_file
from headstart.models.resolve import load_backbone

OBJECTIVES = tuple(SIZES)


def _options(tmp_path, objective, **changed):
    options = {**TINY, "objective": objective, "model_args": SIZES[objective], "epochs": 2, **changed}
    if objective == "distil":
        teacher = tmp_path / "teacher"
        options |= {"teacher": teacher if teacher.is_dir() else text_teacher(teacher)}
    return options


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One folder for each objective, and what was said while the first was made."""
    root = tmp_path_factory.mktemp("made")
    found, ear = {}, Ear()
    for objective in OBJECTIVES:
        options = _options(root, objective, epochs=16)
        found[objective] = pretrain(
            [books(root / "books")], out=root / objective, listener=ear, name="Reader", domain="animals",
            licences=["CC0-1.0"], weights_licence="apache-2.0", **options,
        )  # fmt: skip
    return found, ear


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_transformers_itself_loads_it_with_equal_features(made, objective):
    folder = made[0][objective]
    net = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    backbone = load_backbone(folder)
    texts = ["The cat sees the bee.", "ants"]
    padded = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states_BTD = net(**padded).last_hidden_state
        ours = backbone(backbone.preprocess.collate([backbone.preprocess.prepare(text) for text in texts]))
    mask_BT = padded["attention_mask"].float()
    theirs = (states_BTD * mask_BT[..., None]).sum(1) / mask_BT.sum(1, keepdim=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert len(backbone.stages) == 2
    assert backbone.twin().card.pretraining == {}


def test_a_masked_network_tells_hidden_words_better_than_chance(made):
    figures = read_json(made[0]["masked"] / "card.json")["figures"]
    assert figures["held-out loss per hidden token"]["value"] < 0.7 * np.log(300)
    assert 0 < figures["held-out bits per byte of hidden tokens"]["value"] < 8


def test_a_causal_network_says_bits_per_byte_as_counted_from_its_own_answers(made):
    folder = made[0]["causal"]
    figures = read_json(folder / "card.json")["figures"]
    net = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    # The same pieces of the same texts, tokenised and told one by one.
    source = read_text_sources([folder.parent / "books"], ["books"], CUT, column=None, licences=(), listener=silent)
    bank = TextBank.write(folder.parent / "again", source, CUT, None)
    nats, count, size = 0.0, 0, 0
    for row in bank.held_out:
        text = bank[int(row)]
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        for part in in_sequences(ids, Around.of_kind("bpe", tokenizer.backend_tokenizer), 16, whole=True):
            with torch.inference_mode():
                logits_TV = net(torch.tensor([part])).logits[0]
            nats += float(torch.nn.functional.cross_entropy(logits_TV[:-1], torch.tensor(part[1:]), reduction="sum"))
            count += len(part) - 1
        size += len(text.encode())
    assert figures["held-out loss per token"]["value"] == pytest.approx(nats / count, rel=0.01)
    assert figures["held-out bits per byte"]["value"] == pytest.approx(nats / np.log(2) / size, rel=0.01)
    assert figures["held-out bits per byte"]["value"] < 3


CUT = Cut(128, joined=True)
"""What sequences of 16 tokens make of texts: two sequences of four characters a token."""


def test_a_distilled_encoder_is_like_its_teacher_on_texts_it_has_not_read(made):
    figures = read_json(made[0]["distil"] / "card.json")["figures"]
    assert figures["held-out cosine to the teacher"]["value"] > 0.5


def test_the_cards_say_how_it_was_made(made):
    folders, _ = made
    card = load_backbone(folders["causal"]).card
    assert (card.name, card.domain, card.licence, card.data) == ("Reader", "animals", "apache-2.0", ("books",))
    assert card.weights_sha256 == sha256_file(folders["causal"] / "model.safetensors")
    facts = card.pretraining
    source = facts["sources"][0]
    assert (source["documents"], source["set_aside"], source["licence"]) == (2, 0, "CC0-1.0")
    assert facts["objective"] == "causal"
    assert facts["steps"] == 16 * (facts["sequences"] // 8)
    assert facts["held_out"] >= 1
    assert "--objective causal" in card.made_with
    text = (folders["distil"] / "README.md").read_text()
    for words in ("# Reader", "Teacher: teacher", "CC0-1.0", "AutoModel", "held-out cosine", "16 tokens"):
        assert words in text
    names = {path.name for path in folders["distil"].iterdir()}
    assert names == {
        "model.safetensors", "config.json", "card.json", "reference.safetensors", "README.md", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip


def test_progress_tells_the_time_left(made):
    told = [event for event in made[1].heard if getattr(event, "what", "").startswith("pre-training")]
    assert told
    assert all(event.seconds_left is not None and event.seconds_left >= 0 for event in told)


@pytest.mark.parametrize(
    ("objective", "kill"),
    [("masked", ("pre-training", 20)), ("causal", ("pre-training", 20)), ("distil", ("pre-training", 20)),
     ("masked", ("tokens", 1)), ("distil", ("features of", 1))],
)  # fmt: skip
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, objective, kill):
    texts, options = books(tmp_path / "books"), _options(tmp_path, objective, epochs=3)
    whole = pretrain([texts], out=tmp_path / "whole", **options)
    with pytest.raises(Killed):
        pretrain([texts], out=tmp_path / "killed", listener=Ear(kill=kill), checkpoint_s=0, **options)
    assert not (tmp_path / "killed" / "card.json").exists()

    ear = Ear()
    again = pretrain([texts], out=tmp_path / "killed", listener=ear, **options)
    assert ("Going on" in ear.words) == (kill[0] == "pre-training")
    for name in ("model.safetensors", "tokenizer.json", "reference.safetensors", "config.json"):
        assert sha256_file(again / name) == sha256_file(whole / name)
    before = {path.name: path.stat().st_mtime_ns for path in again.iterdir()}
    pretrain([texts], out=again, listener=ear, **options)
    assert "finished already" in ear.words
    assert {path.name: path.stat().st_mtime_ns for path in again.iterdir()} == before
    with pytest.raises(RunError, match="another seed"):
        pretrain([texts], out=again, **{**options, "seed": 1})


@pytest.mark.parametrize("objective", ["masked", "distil"])
def test_a_budget_cuts_the_steps_and_a_run_that_goes_on_keeps_to_it(tmp_path, objective):
    texts, options = books(tmp_path / "books"), _options(tmp_path, objective, epochs=1_000_000, budget=1e-6)
    with pytest.raises(Killed):
        pretrain([texts], out=tmp_path / "out", listener=Ear(kill=("pre-training", 1)), checkpoint_s=0, **{**options, "budget": 3600})
    planned = read_json(tmp_path / "out" / "work" / "steps.json")["steps"]
    assert planned < 1_000_000
    out = pretrain([texts], out=tmp_path / "short", **options)
    assert read_json(out / "card.json")["pretraining"]["steps"] < 30


def test_what_was_read_oddly_or_not_at_all_is_said(tmp_path):
    texts, ear = books(tmp_path / "books"), Ear()
    (texts / "latin.txt").write_bytes("Café für die Katze. ".encode("cp1252") * 3)
    (texts / "binary.txt").write_bytes(b"\0\1\2" * 9)
    (texts / "again.txt").write_text((texts / "one.txt").read_text())
    out = pretrain([texts], out=tmp_path / "out", listener=ear, **_options(tmp_path, "masked", epochs=1))
    assert "odd, 1, not UTF-8, read as Windows-1252; the first: latin.txt" in ear.words
    assert "set aside 1, not a text file (it holds zero bytes); the first: binary.txt" in ear.words
    assert "were there before and are left out" in ear.words
    source = read_json(out / "card.json")["pretraining"]["sources"][0]
    assert (source["set_aside"], source["documents"]) == (1, 4)
    assert source["repeated"] > 0


def test_the_objective_follows_from_sources_and_teacher(tmp_path):
    options = {name: value for name, value in _options(tmp_path, "masked", epochs=1).items() if name != "objective"}
    out = pretrain([books(tmp_path / "books") / "one.txt"], out=tmp_path / "masked", **options)
    assert read_json(out / "card.json")["pretraining"]["objective"] == "masked"
    options |= {"teacher": text_teacher(tmp_path / "teacher"), "model_args": SIZES["distil"]}
    out = pretrain([tmp_path / "books"], out=tmp_path / "distil", **options)
    assert read_json(out / "card.json")["architecture"] == "ElectraModel"


def test_labelled_texts_give_figures_of_transfer(tmp_path):
    table = tmp_path / "labelled.csv"
    rows = [f'"{text}",{"cat" if "cat" in text else "none"}' for text in sentences(80, seed=5)]
    table.write_text("text,label\n" + "\n".join(rows))
    out = pretrain([books(tmp_path / "books")], out=tmp_path / "out", probe=table, **_options(tmp_path, "distil"))
    figures = read_json(out / "card.json")["figures"]
    assert 0.5 < figures["linear probe on labelled, cross-validated"]["value"] <= 1
    assert "linear probe on random weights, labelled, cross-validated" in figures
    assert "linear probe on labelled" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"objective": "distil"}, OptionError, "needs a --teacher"),
        ({"teacher": "minilm"}, OptionError, "--teacher"),
        ({"architecture": "resnet10t"}, OptionError, "bert, electra"),
        ({"architecture": "llama"}, OptionError, "bert, electra"),
        ({"model_args": {"hidden_size": 30, "num_attention_heads": 7}}, OptionError, "--model-args"),
        ({"tokenizer": "letters"}, OptionError, "wordpiece, bpe"),
        ({"vocabulary": 10}, OptionError, "--vocabulary 10"),
        ({"length": 2}, OptionError, "--length 2"),
        ({"epochs": 0}, OptionError, "--epochs 0"),
        ({"size": 64}, OptionError, "--size: means nothing for texts"),
        ({"licences": ["mit", "mit"]}, OptionError, "--licence"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(tmp_path, changed, error, words):
    texts = books(tmp_path / "books", count=10)
    with pytest.raises(error, match=words) as caught:
        pretrain([texts], out=tmp_path / "out", **{**_options(tmp_path, "masked"), **changed})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_sources_that_cannot_be_are_refused_in_one_line(tmp_path):
    def attempt(*sources, **changed):
        pretrain(list(sources), out=tmp_path / "out", **{**_options(tmp_path, "masked"), **changed})

    (tmp_path / "empty").mkdir()
    binary = tmp_path / "binary"
    binary.mkdir()
    (binary / "a.txt").write_bytes(b"\0\1\2")
    photos = stripes_folder(tmp_path / "photos", each=2)
    with pytest.raises(DataError, match="no sources"):
        attempt()
    with pytest.raises(DataError, match="empty folder"):
        attempt(tmp_path / "empty")
    with pytest.raises(DataError, match=r"no usable text: a\.txt, not a text file"):
        attempt(binary)
    with pytest.raises(DataError, match="holds no texts"):
        attempt(photos)
    with pytest.raises(DataError, match="holds pictures, unlike"):
        attempt(books(tmp_path / "books"), photos, objective=None)
    with pytest.raises(DataError, match="no such file"):
        attempt(tmp_path / "nowhere")
    with pytest.raises(OptionError, match="--tokenizer: means nothing for pictures"):
        pretrain([photos], out=tmp_path / "out", objective="supervised", tokenizer="bpe")
    assert not (tmp_path / "out").exists()


def test_held_out_pieces_do_not_depend_on_where_and_in_which_order_texts_lie(tmp_path):
    one, other = books(tmp_path / "one"), tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text((one / "two.md").read_text())
    (other / "b.txt").write_text((one / "one.txt").read_text())
    cut, held, prints = Cut(200, joined=False), [], []
    for folder in (one, other):
        sources = read_text_sources([folder], ["texts"], cut, column=None, licences=(), listener=silent)
        bank = TextBank.write(tmp_path / f"bank {folder.name}", sources, cut, None)
        held.append({bank[int(row)] for row in bank.held_out})
        prints.append(sources[0].fingerprint)
        assert sorted([*bank.held_out, *bank.learned]) == list(range(len(bank)))
    assert held[0] == held[1]
    assert prints[0] == prints[1]


def test_batches_hold_each_row_once_and_rows_of_like_length():
    lengths_N = np.random.default_rng(0).integers(3, 60, 1003)
    found = batches(lengths_N, 10, np.random.default_rng(1))
    assert len(found) == 100
    rows = np.concatenate(found)
    assert len(set(rows.tolist())) == 1000
    apart = np.mean([np.ptp(lengths_N[batch]) for batch in found])
    assert apart < 0.2 * np.mean([np.ptp(lengths_N[rows[start : start + 10]]) for start in range(1000 - 10)]) + 5


def test_byte_pairs_leave_nothing_of_a_text_out():
    tokenizer = train_tokenizer(lambda: iter(sentences(50)), "bpe", 400, 32)
    text = "Größe\tund  Maß 猫\n"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    assert json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"] == "BPE"
