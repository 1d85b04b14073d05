"""Going on with unlabelled texts: heads for tokens, the same weights after a kill, what is kept, and what cannot be done."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from tests.fakes import TinyBackbone, folds_of, workbench
from tests.families import TEXTS
from tests.unit.adapt.reading import SIZES, TINY, books, sentences, text_teacher

from headstart.adapt.asked_source import SourceAsker, SourceTexts, carried_sample, sample_of
from headstart.adapt.head_kinds import HEADS
from headstart.adapt.network import Network
from headstart.adapt.pretraining import continuing
from headstart.adapt.pretraining.continuing import Setting, check_sources, continue_texts, restored
from headstart.adapt.pretraining.job import pretrain
from headstart.adapt.pretraining.reading import IGNORED, following, token_nats
from headstart.adapt.pretraining.telling import telling_of
from headstart.adapt.trial import Spec, Trial, Validated
from headstart.adapt.winner import winner
from headstart.errors import DataError, ModelError, OptionError
from headstart.events import Progress, silent
from headstart.features.extract import weights_hash
from headstart.models.resolve import load_backbone
from headstart.runtime import place
from headstart.tasks import TASKS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An encoder without a head for tokens, one with it, a decoder, and texts."""
    folder = tmp_path_factory.mktemp("made")
    text_teacher(folder / "plain")
    books(folder / "books", count=120, seed=5)
    for objective in ("masked", "causal"):
        given = {**TINY, "length": 32}
        pretrain([folder / "books"], out=folder / objective, objective=objective, model_args=SIZES[objective], epochs=2, device="cpu", **given)
    books(folder / "more", count=900, seed=8)
    return folder


def setting(folder, **changes):
    return replace(Setting(folder / "work", folder / "kept", place("cpu", precision="fp32"), 0, None, 6, silent), **changes)


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_only_told_tokens_are_scored_and_scores_are_those_of_the_whole_network(family, tmp_path):
    folder = TEXTS[family](tmp_path / "net")
    auto = transformers.AutoModelForMaskedLM if family == "bert" else transformers.AutoModelForCausalLM
    net = auto.from_pretrained(folder).eval()
    ids_BT = np.random.default_rng(0).integers(6, 40, size=(3, 9))
    mask_BT = np.ones_like(ids_BT)
    labels_BT = np.where(np.random.default_rng(1).random(ids_BT.shape) < 0.4, ids_BT, IGNORED) if family == "bert" else following(ids_BT, mask_BT)
    with torch.no_grad():
        found = token_nats(net, ids_BT, mask_BT, labels_BT, "cpu")
        chances = net(input_ids=torch.from_numpy(ids_BT), attention_mask=torch.from_numpy(mask_BT)).logits.log_softmax(-1)
    by_hand = [-float(chances[row, place, labels_BT[row, place]]) for row, place in np.argwhere(labels_BT != IGNORED)]
    np.testing.assert_allclose(found.numpy(), by_hand, rtol=1e-4, atol=1e-5)


def test_the_head_is_the_checkpoints_where_it_was_saved_else_fresh_and_tied(made):
    fresh, saved, causal = (telling_of(load_backbone(made / name)) for name in ("plain", "masked", "causal"))
    assert [one.objective for one in (fresh, saved, causal)] == ["masked", "masked", "causal"]
    assert [one.is_saved for one in (fresh, saved, causal)] == [False, True, True]
    assert fresh.tokens_VD() is fresh.net.get_input_embeddings().weight
    auto = transformers.AutoModelForMaskedLM.from_pretrained(made / "masked")
    ours, theirs = saved.net.state_dict(), auto.state_dict()
    assert all(torch.equal(ours[name], theirs[name].float()) for name in theirs)


def test_what_went_on_tells_more_and_killed_ends_with_the_same_weights(made, tmp_path):
    backbone = load_backbone(made / "masked")
    whole = continue_texts(backbone, [made / "more"], [], setting(tmp_path / "a", steps=12))
    assert weights_hash(backbone) != weights_hash(whole.backbone)
    before, after = (whole.facts[name]["held-out loss per hidden token"]["value"] for name in ("before", "after"))
    assert after < before
    assert whole.facts["head"] == "saved"
    assert whole.facts["steps"] == 12

    class Killed(Exception):
        pass

    def killer(event):
        if isinstance(event, Progress) and event.what.startswith("pre-training"):
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.adapt.pretraining.steps.TOLD_EVERY", 7)
        with pytest.raises(Killed):
            continue_texts(backbone, [made / "more"], [], setting(tmp_path / "b", steps=12, listener=killer, checkpoint_s=0.0))
    assert (tmp_path / "b" / "work" / "checkpoint.pt").is_file()
    again = continue_texts(backbone, [made / "more"], [], setting(tmp_path / "b", steps=12))
    assert weights_hash(again.backbone) == weights_hash(whole.backbone)
    assert not (tmp_path / "b" / "work").exists()


def test_it_is_taken_from_the_cache_by_its_content(made, tmp_path, monkeypatch):
    backbone = load_backbone(made / "causal")
    first = continue_texts(backbone, [made / "more"], [], setting(tmp_path))
    assert first.facts["objective"] == "causal"
    monkeypatch.setattr(continuing, "tell", None)
    again = continue_texts(backbone, [made / "more"], [], setting(tmp_path))
    assert weights_hash(again.backbone) == weights_hash(first.backbone)
    found = restored(backbone, tmp_path / "kept", first.facts["address"], 6)
    assert found is not None
    assert torch.equal(found.backbone.next_token_VD, first.backbone.next_token_VD)
    assert restored(backbone, tmp_path / "kept", first.facts["address"], 7) is None
    with pytest.raises(TypeError):  # other texts are another content: it would have to be trained
        continue_texts(backbone, [made / "more"], sentences(900, seed=8)[:40], setting(tmp_path))


def test_labelled_texts_are_not_read(made, tmp_path):
    labelled = sentences(900, seed=8)[:40]
    found = continue_texts(load_backbone(made / "plain"), [made / "more"], labelled, setting(tmp_path))
    alone = continue_texts(load_backbone(made / "plain"), [made / "more"], [], setting(tmp_path))
    assert found.facts["tokens"] < alone.facts["tokens"]
    assert found.facts["head"] == "fresh"
    assert found.facts["before"] is None
    (tmp_path / "one.txt").write_text(labelled[0])
    with pytest.raises(DataError, match="the same as a labelled example"):
        continue_texts(load_backbone(made / "plain"), [tmp_path / "one.txt"], labelled, setting(tmp_path / "c"))


def test_what_does_not_fit_ends_in_one_line(made, tmp_path):
    with pytest.raises(ModelError, match="no mask token"):
        continue_texts(load_backbone(TEXTS["bert"](tmp_path / "bert")), [made / "more"], [], setting(tmp_path))
    with pytest.raises(ModelError, match="no tokenizer"):
        continue_texts(TinyBackbone(), [made / "more"], [], setting(tmp_path))
    (tmp_path / "little.txt").write_text("One line.\n\nAnother one.")
    with pytest.raises(DataError, match="Give"):
        continue_texts(load_backbone(made / "plain"), [tmp_path / "little.txt"], [], setting(tmp_path))
    (tmp_path / "odd.txt").write_bytes(b"\x00\x01\x02" * 50)
    with pytest.raises(DataError, match="zero bytes"):
        continue_texts(load_backbone(made / "plain"), [tmp_path / "odd.txt"], [], setting(tmp_path))
    with pytest.raises(OptionError, match="the data are image"):
        check_sources(["photos/"], "image")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="holds no text examples"):
        check_sources([str(tmp_path / "pictures")], "text")
    with pytest.raises(DataError, match="no such file or folder"):
        check_sources([str(tmp_path / "nowhere")], "text")


def test_the_plain_backbone_stays_unless_the_other_is_better_beyond_chance(tmp_path):
    bench = workbench(tmp_path, names=("tiny", "tiny, continued"))
    bench.continued["tiny, continued"] = "tiny"
    rows = np.concatenate([held for _, held in folds_of(48)])

    def trial(number, backbone, wrong):
        logits = np.eye(2)[bench.targets[rows]] * 4.0
        logits[:wrong] = logits[:wrong, ::-1]
        return Trial(number, 0, Spec("transfer", backbone, "probe"), 1.0, {}, Validated(rows, logits, {}))

    plain = trial(0, "tiny", 12)
    assert winner([plain, trial(1, "tiny, continued", 11)], "transfer", bench) is plain
    better = trial(1, "tiny, continued", 2)
    assert winner([plain, better], "transfer", bench) is better
    assert winner([better], "transfer", bench) is better


@pytest.mark.parametrize("name", ["masked", "causal"])
def test_a_source_is_asked_the_same_of_the_same_and_more_where_it_forgot(made, name):
    backbone = load_backbone(made / name)
    sample = carried_sample(backbone)
    assert sample is not None
    assert sample.name == "held-out texts of books"
    asker = SourceAsker.of(backbone, sample)
    before = asker.before()
    assert np.array_equal(asker.after(backbone.net).nats_N, before.nats_N)
    other = backbone.twin()
    assert asker.after(other.net).nats_N.sum() > before.nats_N.sum()
    assert np.array_equal(asker.before().nats_N, before.nats_N)


def test_what_a_language_model_forgets_is_what_its_own_head_says(made):
    """The nats of a text by `LanguageHead` on the same sequences."""
    backbone = load_backbone(made / "causal")
    text = " ".join(sentences(1, seed=3))
    reader = TASKS["language"].reading(backbone)
    told = reader.preprocess.prepare(text)
    network = Network(reader, 1, head=HEADS["next token"].start(reader, 1)).eval()
    with torch.no_grad():
        nats, tokens, size = network(reader.preprocess.collate([told]))[0].tolist()
    found = SourceAsker.of(backbone, SourceTexts("one", (text,))).before()
    assert size == found.bytes_N[0]
    assert found.tokens_N[0] - tokens in (0, 1)  # its end is told as well, where there is room
    assert nats <= found.nats_N[0] + 1e-3


def test_a_sample_that_was_exchanged_and_a_source_without_a_head_are_refused(made, tmp_path):
    shutil.copytree(made / "masked", tmp_path / "net")
    (tmp_path / "net" / "source-sample.json").write_text('["another"]')
    with pytest.raises(ModelError, match="not the sample"):
        carried_sample(load_backbone(tmp_path / "net"))
    (tmp_path / "net" / "source-sample.json").unlink()
    assert carried_sample(load_backbone(tmp_path / "net")) is None
    with pytest.raises(ModelError, match="no head for tokens"):
        SourceAsker.of(load_backbone(made / "plain"), sample_of(made / "books"))
    (tmp_path / "empty.txt").write_text(" ")
    with pytest.raises(DataError, match="no usable text"):
        sample_of(tmp_path / "empty.txt")
