"""Which words decided: completeness, randomised weights, sub-words and windows."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
import torch
from tests.families import TEXTS
from tests.unit.models.test_windows import text_of

from headstart.adapt.head_kinds import NeighbourHead
from headstart.adapt.network import Network
from headstart.checks.words import explain
from headstart.errors import MissingExtra, OptionError
from headstart.models.resolve import load_backbone

SENTENCE = "the old keeper climbed the winding stairs, above the Sea"


@pytest.fixture(scope="module", params=["bert", "roberta", "deberta-v2", "gpt2", "llama"])
def network(request, tmp_path_factory):
    backbone = load_backbone(TEXTS[request.param](tmp_path_factory.mktemp("words") / "model"))
    torch.manual_seed(0)
    made = Network(backbone, 3)
    torch.nn.init.normal_(made.head.weight)
    # The tiny checkpoints begin with weights so small that nothing depends on a word.
    with torch.no_grad():
        made.backbone.net.get_input_embeddings().weight.mul_(20)
    return made.eval()


def odds(network, text, target):
    with torch.inference_mode():
        logits = network(network.backbone.preprocess.collate([network.backbone.preprocess.prepare(text)]))[0]
    return float(logits[target] - torch.logsumexp(torch.cat([logits[:target], logits[target + 1 :]]), 0))


@pytest.mark.parametrize("text", [SENTENCE, ("the old keeper", "a story"), text_of(50)])
def test_words_together_account_for_what_the_text_changed(network, text):
    found = explain(network, text, kind="single")
    assert sum(word.weight for word in found.words) == pytest.approx(found.changed, abs=0.02 * abs(found.changed) + 1e-3)
    assert found.missing < 0.02 or abs(found.changed) < 0.05
    whole = text if isinstance(text, str) else " ".join(text)
    assert [word.text for word in found.words] == whole.split()


def test_the_explained_answer_is_the_one_that_is_said(network):
    found = explain(network, SENTENCE, kind="single")
    assert all(odds(network, SENTENCE, found.target) >= odds(network, SENTENCE, other) for other in range(3))
    assert explain(network, SENTENCE, kind="single", target=1).target == 1


def test_weights_that_are_random_explain_otherwise(network):
    """Model randomisation (Adebayo et al. 2018): an explanation that ignores the weights would stay."""
    before = np.array([word.weight for word in explain(network, SENTENCE, kind="single", target=0).words])
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(9)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter[..., torch.randperm(parameter.shape[-1])])
    after = np.array([word.weight for word in explain(network, SENTENCE, kind="single", target=0).words])
    network.load_state_dict(state)
    assert np.abs(after - before).max() > 0.1 * np.abs(before).max()
    again = np.array([word.weight for word in explain(network, SENTENCE, kind="single", target=0).words])
    np.testing.assert_allclose(again, before, rtol=1e-4, atol=1e-6)


def test_what_moves_and_what_does_not_is_left_as_it_was(network):
    was = [parameter.requires_grad for parameter in network.parameters()]
    explain(network, SENTENCE, kind="multi")
    assert [parameter.requires_grad for parameter in network.parameters()] == was
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_head_of_neighbours_has_no_gradient(network):
    voting = Network(network.backbone, 3, head=NeighbourHead(network.backbone.width, 3, 5, 2, 0.1, "single"))
    with pytest.raises(OptionError, match="nearest examples"):
        explain(voting, SENTENCE, kind="single")
    with pytest.raises(OptionError, match="ordinal"):
        explain(network, SENTENCE, kind="ordinal")


def test_without_captum_one_line_says_what_to_install(network, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("captum"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match=r"headstart\[explain\]"):
        explain(network, SENTENCE, kind="single")
