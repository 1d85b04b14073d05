"""What every modality must do; a modality without an example here fails."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import issparse
from tests.pictures import picture, save

from headstart.data.look import SKETCH_BYTES
from headstart.data.modality import MODALITIES, Modality
from headstart.errors import DataError

SENTENCE = "the {} keeper climbed the winding stairs every evening to light the great lamp above the dark northern sea"


def pictures(folder: Path) -> dict[str, Any]:
    """A picture, a different one, a copy that is nearly the same, and what is no picture."""
    (folder / "junk.png").write_bytes(b"junk")
    return {
        "good": save(folder / "a.png", picture(1, size=(128, 128))),
        "other": save(folder / "b.png", picture(2, size=(128, 128))),
        "near": save(folder / "c.jpg", picture(1, size=(128, 128)), quality=70),
        "equal": picture(1, size=(128, 128)),
        "broken": [folder / "junk.png", folder / "none.png"],
    }


def sentences(folder: Path) -> dict[str, Any]:
    """The same for texts."""
    (folder / "junk.txt").write_bytes(b"\0junk")
    return {
        "good": SENTENCE.format("old"),
        "other": "a wholly different story about trains and stations",
        "near": SENTENCE.format("old").upper() + "!",
        "equal": SENTENCE.format("old") + " ",
        "broken": [folder / "junk.txt", folder / "none.txt", ""],
    }


EXAMPLES = {"image": pictures, "text": sentences}


@pytest.fixture(params=sorted(MODALITIES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Modality, dict[str, Any]]:
    """A modality with its examples."""
    return MODALITIES[request.param], EXAMPLES[request.param](tmp_path)


def test_every_modality_has_examples_and_its_own_name() -> None:
    assert set(EXAMPLES) == set(MODALITIES)
    assert all(modality.name == name for name, modality in MODALITIES.items())


def test_broken_items_raise_one_line_and_are_never_made_up(case: tuple[Modality, dict[str, Any]]) -> None:
    modality, examples = case
    for item in examples["broken"]:
        for reader in (modality.decode, modality.audit_one):
            with pytest.raises(DataError) as caught:
                reader(item)
            assert "\n" not in str(caught.value)


def test_looks_tell_equal_from_different(case: tuple[Modality, dict[str, Any]]) -> None:
    modality, examples = case
    good, other = modality.audit_one(examples["good"]), modality.audit_one(examples["other"])
    assert good.key != other.key
    assert good.content != other.content
    assert len(good.content) == 32
    assert good.key == modality.audit_one(examples["equal"]).key
    assert modality.same(examples["good"], examples["equal"])
    assert not modality.same(examples["good"], examples["other"])
    assert good == good
    assert good.sketch is not None
    assert (good.sketch.shape, good.sketch.dtype) == ((SKETCH_BYTES,), np.uint8)


def test_near_duplicates_are_found_and_nothing_else(case: tuple[Modality, dict[str, Any]]) -> None:
    modality, examples = case
    items = [examples["good"], examples["other"], examples["near"]]
    sketches = np.stack([look.sketch for look in map(modality.audit_one, items) if look.sketch is not None])
    assert list(modality.near(sketches, items.__getitem__)) == [(0, 2)]


def test_descriptions_thumbnails_and_floor(case: tuple[Modality, dict[str, Any]]) -> None:
    modality, examples = case
    look = modality.audit_one(examples["good"])
    assert isinstance(modality.describe(np.array([look.shape]), {look.kind: 1})["line"], str)
    assert isinstance(modality.thumbnail(examples["good"], 64), bytes | str)
    features = modality.floor_features([examples["good"], examples["other"]])
    assert len(features) == 2
    assert not issparse(features)


def test_decoding_is_repeatable_and_items_can_be_sent_to_other_processes(case: tuple[Modality, dict[str, Any]]) -> None:
    modality, examples = case
    sent = pickle.loads(pickle.dumps(examples["good"]))
    assert modality.decode(sent) == modality.decode(examples["good"])
    assert modality.content(sent) == modality.content(examples["good"])
