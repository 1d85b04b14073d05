"""Continued pre-training: a backbone goes on learning from unlabelled examples, as it was pre-trained, before any label is looked at.

Source: Gururangan et al. 2020, Don't Stop Pretraining, sections 3 and 4. The objective, the loop and the checkpoints are those of pre-training.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart.adapt.carried import make_room
from headstart.adapt.memory import in_plain_words
from headstart.adapt.pretraining.bank import Cut, TextBank, TextSource, read_text_sources
from headstart.adapt.pretraining.network import Desk, TextRecipe, held_out_figures, tell
from headstart.adapt.pretraining.sources import names_of
from headstart.adapt.pretraining.steps import CHECKPOINT_S, same_recipe
from headstart.adapt.pretraining.telling import Telling, telling_of
from headstart.adapt.pretraining.texts import CHARACTERS_PER_TOKEN, SEQUENCES_PER_PIECE
from headstart.adapt.stopwatch import Stopwatch
from headstart.data.labelled_texts import SAME, LabelledTexts
from headstart.data.passages import Document, SetAside, holds_texts
from headstart.errors import DataError, OptionError
from headstart.events import Listener
from headstart.features.extract import weights_hash
from headstart.files import read_json, read_tensors, sha256_text, write_json, write_tensors
from headstart.models.backbone import Backbone
from headstart.models.text_backbone import TextBackbone
from headstart.runtime import Placement, child_seed, random_state_kept, seed_everything

LENGTH, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 128, 32, 1e-4, 0.01
"""Tokens in a sequence at most, sequences in a step, the peak rate, and the decay of matrices."""
PASSES, PASSES_UNTIMED = 10, 3
"""Passes over the texts at most: within a budget as many of them as fit, without a clock fewer."""
MOST_HELD_OUT = 64
"""Pieces that the loss before and after is taken on."""
FEWEST = 16
"""Pieces of text below which there is nothing to learn from."""
EMBEDDINGS, FACTS = "next_token", "facts.json"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how long a backbone goes on: working files, where finished ones are kept, the seconds there are and when they are used up,
    and the steps where they are settled (a run that is taken up again, or replayed).
    """

    work: Path
    kept: Path
    placement: Placement
    seed: int
    seconds: float | None
    steps: int | None
    listener: Listener
    checkpoint_s: float = CHECKPOINT_S


@dataclass(frozen=True, slots=True)
class Continued:
    """A backbone that went on, and what is known of that, JSON-ready."""

    backbone: Backbone
    facts: Mapping[str, Any]


@dataclass(slots=True)
class _Counted:
    """Clears documents of labelled texts, and counts those of which nothing was left."""

    known: LabelledTexts
    aside: int = 0

    def __call__(self, document: Document) -> Document | SetAside:
        found = self.known.cleared(document)
        self.aside += isinstance(found, SetAside) and found.reason == SAME
        return found


def continue_texts(backbone: Backbone, sources: Sequence[str | Path], labelled: Iterable[Any], setting: Setting) -> Continued:
    """The backbone after it went on with the texts in `sources`, cleared of the `labelled` (decoded) examples; killed at any moment, the same call goes on.

    What is there already under its content is taken from there. Raises ModelError for a network that cannot tell tokens, DataError for texts that are none
    or too few, FloatingPointError where training diverges, OutOfMemory.
    """
    watch = Stopwatch(setting.work / "seconds.json")
    with random_state_kept(setting.placement.device):
        seed_everything(child_seed(setting.seed, "continued", backbone.card.name) % 2**32)
        telling = telling_of(backbone)
    bank, read, same = _texts(sources, LabelledTexts.of(labelled), setting)
    recipe = _recipe(backbone, telling, setting)
    address = _address(backbone, telling, bank, recipe, setting.placement)
    found = _kept(setting.kept / address, setting.steps)
    if found is None:
        facts = _trained(telling, bank, recipe, address, watch, setting)
        about = {"texts": sum(one.documents for one in read), "same": same, "sources": [one.facts() for one in read]}
        found = _keep(setting.kept / address, telling, {**facts, **about})
    shutil.rmtree(setting.work, ignore_errors=True)
    return Continued(_with_weights(backbone, found), read_json(found / FACTS))


def restored(backbone: Backbone, kept: Path, address: str, steps: int) -> Continued | None:
    """What an earlier call came to, by its `address` and number of steps in `facts`; None where it is no longer there."""
    found = _kept(kept / address, steps)
    return None if found is None else Continued(_with_weights(backbone, found), read_json(found / FACTS))


def _texts(sources: Sequence[str | Path], known: LabelledTexts, setting: Setting) -> tuple[TextBank, list[TextSource], int]:
    """The texts in pieces, what each source holds, and how many were set aside because they are labelled."""
    cut, through = Cut(SEQUENCES_PER_PIECE * CHARACTERS_PER_TOKEN * LENGTH, joined=True), _Counted(known)
    read = read_text_sources(sources, names_of(sources), cut, column=None, licences=(), listener=setting.listener, through=through)
    setting.work.mkdir(parents=True, exist_ok=True)
    bank = TextBank.write(setting.work, read, cut, None, through=known.cleared, most_held_out=MOST_HELD_OUT)
    if len(bank.learned) < FEWEST:
        raise DataError(f"--unlabelled {sources[0]}: {len(bank.learned)} pieces of text, too few to learn from. Give {FEWEST} or more, or leave it out.")
    return bank, read, through.aside


def _recipe(backbone: Backbone, telling: Telling, setting: Setting) -> TextRecipe:
    return TextRecipe(
        backbone.card.architecture,
        {},
        telling.objective,
        "the checkpoint's",
        len(telling.tokenizer),
        min(LENGTH, telling.whole.max_length),
        PASSES if setting.seconds is not None else PASSES_UNTIMED,
        BATCH_SIZE,
        LEARNING_RATE,
        WEIGHT_DECAY,
        setting.seed,
    )


def _address(backbone: Backbone, telling: Telling, bank: TextBank, recipe: TextRecipe, placement: Placement) -> str:
    """Everything that decides the weights but for the number of steps."""
    texts = sha256_text(*map(str, np.sort(bank.hashes).tolist()))
    known = (weights_hash(backbone), repr(telling.whole.to_dict()), str(telling.is_saved), texts)
    return sha256_text(*known, repr(asdict(recipe)), placement.device.split(":")[0], str(placement.low))


def _kept(folder: Path, steps: int | None) -> Path | None:
    """Where what was finished lies: after so many steps, or where that is not settled after all passes."""
    for path in sorted(folder.glob(f"*/{FACTS}")):
        facts = read_json(path)
        if facts["steps"] == steps if steps is not None else facts["whole"]:
            path.parent.parent.touch()  # what was used longest ago goes first
            return path.parent
    return None


def _trained(
    telling: Telling, bank: TextBank, recipe: TextRecipe, address: str, watch: Stopwatch, setting: Setting
) -> dict[str, Any]:
    """Train; returns what is known of it."""
    same_recipe(setting.work, recipe)
    if setting.steps is not None:
        write_json(setting.work / "steps.json", {"steps": setting.steps})
    budget = setting.seconds

    def left() -> float:
        assert budget is not None
        return budget - watch.seconds()

    desk = Desk(
        bank, telling.tokenizer, telling.fast, telling.around, setting.work, setting.placement, watch.listening(setting.listener),
        setting.checkpoint_s, None if budget is None else left,
    )  # fmt: skip
    before = held_out_figures(telling.net.to(setting.placement.torch_device), recipe, desk) if telling.is_saved else None
    with in_plain_words("continued pre-training"):
        trained = tell(telling.net, recipe, desk)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in trained.net.state_dict().values()):
        raise FloatingPointError("continued pre-training diverged: its weights are not finite")
    per_pass = max(1, trained.counts["sequences"] // recipe.batch_size)
    return {
        "address": address,
        "objective": recipe.objective,
        "head": "saved" if telling.is_saved else "fresh",
        **trained.counts,
        "pieces": len(bank.learned),
        "held_out": len(bank.held_out),
        "passes": round(trained.counts["steps"] / per_pass, 2),
        "whole": trained.counts["steps"] == recipe.epochs * per_pass,
        "batch_size": recipe.batch_size,
        "seconds": round(watch.seconds(), 3),
        "before": before,
        "after": dict(trained.figures),
    }


def _keep(folder: Path, telling: Telling, facts: Mapping[str, Any]) -> Path:
    """Write the weights under their address, and last what is known of them."""
    tied = telling.net.config.tie_word_embeddings
    own = {} if telling.objective == "masked" or tied else {EMBEDDINGS: telling.tokens_VD()}
    path = folder / str(facts["steps"])
    make_room(folder.parent, keep=folder)
    write_tensors(path / "model.safetensors", {f"net.{name}": value for name, value in telling.net.base_model.state_dict().items()} | own, {"format": "pt"})
    write_json(path / FACTS, dict(facts))
    return path


def _with_weights(backbone: Backbone, path: Path) -> Backbone:
    """A copy of the backbone with the weights that lie in `path`, and a card that says so."""
    assert isinstance(backbone, TextBackbone)
    tensors, facts = read_tensors(path / "model.safetensors"), read_json(path / FACTS)
    other = copy.deepcopy(backbone)
    other.net.load_state_dict({name.removeprefix("net."): value for name, value in tensors.items() if name.startswith("net.")})
    other.folder = None
    if backbone.next_token_VD is not None:
        net: Any = other.net
        other.next_token_VD = tensors[EMBEDDINGS] if EMBEDDINGS in tensors else net.get_input_embeddings().weight.detach()
    names = [source["name"] for source in facts["sources"]]
    other.card = replace(
        backbone.card,
        name=f"{backbone.card.name}, continued",
        domain="; then unlabelled texts of ".join([backbone.card.domain or "not stated", ", ".join(names)]),
        revision=None,
        weights_sha256=sha256_text(path.parent.name, path.name),
        url=None,
        figures={},
        pretraining={"from": backbone.card.spec, "continued": facts},
    )
    return other


CONTINUES: Mapping[str, Callable[[Backbone, Sequence[str | Path], Iterable[Any], Setting], Continued]] = {"text": continue_texts}
"""How a backbone goes on without labels, by modality."""
HOLDS: Mapping[str, Callable[[str | Path], bool]] = {"text": holds_texts}
"""Whether a source holds examples of a modality."""


def check_sources(sources: Sequence[str | Path], modality: str) -> None:
    """Raise OptionError where nothing goes on without labels for this modality yet, DataError for a source that is not there or of another kind."""
    if sources and modality not in CONTINUES:
        raise OptionError(f"--unlabelled {sources[0]}: going on without labels is there for {', '.join(CONTINUES)}, the data are {modality}. Leave it out.")
    for source in sources:
        if not HOLDS[modality](source):
            raise DataError(f"--unlabelled {source}: holds no {modality} examples, which the labelled data are. Give a file or folder of those.")
