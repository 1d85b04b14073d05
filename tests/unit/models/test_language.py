"""Losses of texts against transformers' own, packed and alone, and what counts of a conversation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from headstart.adapt.head_kinds import HEADS
from headstart.adapt.network import Moving, Network
from headstart.errors import ModelError
from headstart.models.chat import by_template, plainly
from headstart.models.packing import dealt, packed_states
from headstart.models.resolve import load_backbone
from headstart.models.resume import CARRIED
from headstart.prove.passages import Conversation, Passage
from headstart.tasks import TASKS
from tests.families import BERT, SENTENCES, text_model

SIZES = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {"n_positions": 40, "n_embd": 16, "n_layer": 2, "n_head": 2}),
    "llama": ("LlamaForCausalLM", "LlamaConfig", {"max_position_embeddings": 40, "num_key_value_heads": 1, **BERT}),
}
END = 1
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
TALK = Conversation.of([("user", "the sea"), ("assistant", "a dark sea"), ("user", "light"), ("assistant", "a lamp")])


@pytest.fixture(scope="module", params=SIZES)
def case(request, tmp_path_factory):
    """A folder, the network on it, and transformers' own model from it: one tied to its embeddings, the other not."""
    net, config, sizes = SIZES[request.param]
    folder = text_model(tmp_path_factory.mktemp("model") / request.param, net, config, bpe=True, initializer_range=0.2, **sizes)
    backbone = TASKS["language"].reading(load_backbone(folder))
    network = Network(backbone, 1, head=HEADS["next token"].start(backbone, 1)).eval()
    return network, AutoModelForCausalLM.from_pretrained(folder).eval()


def rows(network, texts):
    preprocess = network.backbone.preprocess
    with torch.inference_mode():
        return network(preprocess.collate([preprocess.prepare(text) for text in texts])).double().numpy()


def by_hand(model, ids, counts):
    """The nats of the ids that count, each told by all before it."""
    with torch.inference_mode():
        logs = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0], -1)
    return -sum(float(logs[place - 1, ids[place]]) for place in range(1, len(ids)) if counts[place])


def test_a_document_costs_what_transformers_says(case):
    network, model = case
    tokenizer = network.backbone.preprocess.whole.tokenizer
    for sentence in SENTENCES:
        ids = [END, *tokenizer(sentence)["input_ids"], END]
        found = rows(network, [Passage.of(sentence, ends=True)])[0]
        np.testing.assert_allclose(found, [by_hand(model, ids, [1] * len(ids)), len(ids) - 1, len(sentence)], rtol=1e-5)


def test_a_text_longer_than_the_context_counts_every_token_once(case):
    network, model = case
    preprocess = network.backbone.preprocess
    text = " ".join(SENTENCES * 2)
    ids = [END, *preprocess.whole.tokenizer(text)["input_ids"]]
    step = preprocess.longest - 1
    windows = [ids[begin : begin + preprocess.longest] for begin in range(0, len(ids) - 1, step)]
    assert len(windows) > 1
    wanted = sum(by_hand(model, window, [1] * len(window)) for window in windows)
    np.testing.assert_allclose(rows(network, [text])[0], [wanted, len(ids) - 1, len(text)], rtol=1e-5)


def test_a_document_packed_with_others_costs_what_it_costs_alone(case):
    network, _ = case
    assert network.backbone.preprocess.packs
    batch = network.backbone.preprocess.collate([network.backbone.preprocess.prepare(text) for text in SENTENCES])
    assert packed_states(network.backbone.net, batch["input_ids"], batch["attention_mask"]) is not None
    together, alone = rows(network, SENTENCES), np.concatenate([rows(network, [text]) for text in SENTENCES])
    np.testing.assert_allclose(together[:, 0] / together[:, 1], alone[:, 0] / alone[:, 1], atol=1e-5)
    others = rows(network, [SENTENCES[0], *("the light above the dark lamp", "a", "sea")])
    assert others[0, 0] / others[0, 1] == pytest.approx(alone[0, 0] / alone[0, 1], abs=1e-5)


def test_going_on_from_stored_activations_costs_the_same_though_nothing_is_packed_there(case):
    network, _ = case
    batch = network.backbone.preprocess.collate([network.backbone.preprocess.prepare(text) for text in SENTENCES])
    moving = Moving(network, len(network.backbone.stages) - 1, batch)
    with torch.inference_mode():
        again = moving({**batch, CARRIED: moving.backbone.carry(batch)}).numpy()
    np.testing.assert_allclose(again, rows(network, SENTENCES), rtol=1e-5)


def test_a_tied_head_has_no_weights_of_its_own_and_another_moves_with_the_embeddings(case):
    network, model = case
    tied = model.config.tie_word_embeddings
    assert (len(list(network.head.parameters())) == 0) == tied
    embeddings = network.backbone.net.get_input_embeddings().weight
    assert (network.head.tokens_VD is embeddings) == tied
    embeddings.requires_grad_(False)
    network.follow()
    assert not network.head.tokens_VD.requires_grad
    embeddings.requires_grad_(True)
    network.follow()
    assert network.head.tokens_VD.requires_grad
    twin = network.backbone.twin()
    other = HEADS["next token"].start(twin, 1)
    other.attach(twin)
    assert other.tied == tied
    assert not torch.equal(other.tokens_VD, network.head.tokens_VD)


def test_gradients_of_packed_texts_are_those_of_each_alone(case):
    network, _ = case

    def slope(batches):
        network.zero_grad()
        for texts in batches:
            network(network.backbone.preprocess.collate([network.backbone.preprocess.prepare(text) for text in texts]))[:, 0].sum().backward()
        return network.backbone.net.get_input_embeddings().weight.grad.clone()

    torch.testing.assert_close(slope([SENTENCES]), slope([[text] for text in SENTENCES]), rtol=1e-4, atol=1e-4)


def test_rows_are_filled_and_hold_every_text_once():
    row_of, begin_of, count = dealt([3, 7, 4, 2, 5])
    assert count == 3
    places = {(row, begin + place) for row, begin, length in zip(row_of, begin_of, [3, 7, 4, 2, 5], strict=True) for place in range(length)}
    assert len(places) == 21
    assert max(place for _, place in places) == 6


def test_of_a_conversation_the_answers_count_and_nothing_else(case):
    network, model = case
    tokenizer = network.backbone.preprocess.whole.tokenizer
    text, _ = plainly(TALK.turns, "<end>")
    assert text == "User: the sea\nAssistant: a dark sea<end>\nUser: light\nAssistant: a lamp<end>"
    encoded = tokenizer(text, return_offsets_mapping=True)
    answers = [(text.index(one), text.index(one) + len(one)) for one in ("a dark sea<end>", "a lamp<end>")]
    counts = [any(end > begin_a and begin < end_a for begin_a, end_a in answers) for begin, end in encoded["offset_mapping"]]
    ids = [END, *encoded["input_ids"]]
    short = network.backbone.preprocess.longest
    if len(ids) > short:  # the context is 32 tokens: by windows, as above
        step, wanted = short - 1, 0.0
        for begin in range(0, len(ids) - 1, step):
            wanted += by_hand(model, ids[begin : begin + short], [False, *counts][begin : begin + short])
    else:
        wanted = by_hand(model, ids, [False, *counts])
    np.testing.assert_allclose(rows(network, [TALK])[0], [wanted, sum(counts), len("a dark seaa lamp")], rtol=1e-5)


def test_a_chat_template_writes_the_conversation_where_answers_can_be_told_apart(case):
    tokenizer = case[0].backbone.preprocess.whole.tokenizer
    tokenizer.chat_template = TEMPLATE
    try:
        text, spans = by_template(tokenizer, TALK.turns)
        assert text == "<user>the sea<end><assistant>a dark sea<end><user>light<end><assistant>a lamp<end>"
        assert [text[begin:end] for begin, end in spans] == ["a dark sea<end>", "a lamp<end>"]
        tokenizer.chat_template = "{{ messages | length }}" + TEMPLATE  # earlier text changes with later turns
        assert by_template(tokenizer, TALK.turns) is None
        tokenizer.chat_template = "{{ raise_exception('no') }}"
        assert by_template(tokenizer, TALK.turns) is None
    finally:
        tokenizer.chat_template = None


def test_scores_in_pieces_have_the_same_loss_and_gradient(case, monkeypatch):
    network, _ = case
    states = torch.randn(50, network.head.in_features, generator=torch.Generator().manual_seed(0), requires_grad=True)
    told = torch.arange(50) % 7
    whole = network.head.nats(states, told)
    slope = torch.autograd.grad(whole.sum(), states)[0]
    monkeypatch.setattr("headstart.adapt.language_head.AT_ONCE", 10 * network.head.vocabulary)
    pieces = network.head.nats(states, told)
    torch.testing.assert_close(pieces, whole)
    torch.testing.assert_close(torch.autograd.grad(pieces.sum(), states)[0], slope)


def test_a_model_that_tells_no_next_token_is_refused_in_one_line(tmp_path):
    folder = text_model(tmp_path / "bert", "BertModel", "BertConfig", bpe=False, max_position_embeddings=40, **BERT)
    with pytest.raises(ModelError, match="tells no next token"):
        TASKS["language"].reading(load_backbone(folder))
