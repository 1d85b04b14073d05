"""The audit: broken, doubled, leaking and odd examples, and what is done about each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from tests.pictures import class_folders, picture, png_header_only, save

from headstart.data.audit import audit
from headstart.data.audit_looks import CHUNK
from headstart.data.check import check
from headstart.data.dataset import Dataset
from headstart.data.read import read
from headstart.errors import DataError
from headstart.events import Event, Progress


def texts(items: list[str], labels: list[str] | None, parts: list[str] | None = None) -> Dataset:
    """A data set of texts."""
    return Dataset(
        name="texts",
        modality="text",
        kind="single",
        items=items,
        ids=[f"t{row}" for row in range(len(items))],
        labels=None if labels is None else [(label,) for label in labels],
        parts=parts or [""] * len(items),  # type: ignore[arg-type]
    )


def reasons(found: object) -> dict[str, str]:
    """The reason by id of what was set aside."""
    return {name: reason for name, reason, _ in found.aside}  # type: ignore[attr-defined]


def test_a_clean_folder_is_kept_whole(tmp_path: Path) -> None:
    events: list[Event] = []
    found = check(class_folders(tmp_path / "photos"), listener=events.append)
    assert found.keep == list(range(8))
    assert found.near == list(range(8))
    assert (found.counts, found.aside) == ({"ants": 4, "bees": 4}, ())
    assert events[-1] == Progress("audit", 8, 8, events[-1].seconds_left)  # type: ignore[union-attr]
    assert "8 of 8 pictures can be used" in found.lines()[0]


def test_broken_examples_are_set_aside_and_listed(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    (root / "ants" / "junk.jpg").write_bytes(b"junk")
    (root / "ants" / "empty.png").write_bytes(b"")
    png_header_only(root / "bees" / "bomb.png", width=60_000, height=60_000)
    found = check(root)
    assert reasons(found) == dict.fromkeys(("ants/junk.jpg", "ants/empty.png", "bees/bomb.png"), "unreadable")
    assert len(found.keep) == 8
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["examples"] == {"found": 11, "kept": 8, "set_aside": 3}
    assert any("set aside 3, unreadable" in line for line in found.lines())


def test_odd_examples_are_kept_and_listed(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    save(root / "ants" / "cmyk.jpg", picture(70).convert("CMYK"))
    save(root / "ants" / "dot.png", Image.new("RGB", (1, 1)))
    found = check(root)
    assert len(found.keep) == 10
    assert dict(found.notes) == {"ants/cmyk.jpg": "CMYK, converted to RGB", "ants/dot.png": "1 pixel"}


def test_exact_duplicates_in_training_are_kept_once(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    shutil.copy(root / "ants" / "0.png", root / "ants" / "copy.png")
    save(root / "ants" / "same.bmp", picture(0))
    found = check(root)
    assert reasons(found) == {"ants/copy.png": "exact duplicate", "ants/same.bmp": "exact duplicate"}
    assert found.exact == (("ants/0.png", "ants/copy.png", "ants/same.bmp"),)
    assert found.alike == ()


def test_jpegs_that_differ_in_their_tags_only_are_exact_duplicates(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    exif = Image.Exif()
    exif[0x010E] = "a description"
    save(root / "ants" / "one.jpg", picture(9, size=(256, 256)), quality=90)
    save(root / "ants" / "two.jpg", picture(9, size=(256, 256)), quality=90, exif=exif)
    save(root / "ants" / "worse.jpg", picture(9, size=(256, 256)), quality=60)
    found = check(root)
    assert reasons(found) == {"ants/two.jpg": "exact duplicate"}
    assert found.alike == (("ants/one.jpg", "ants/two.jpg", "ants/worse.jpg"),)


def test_equal_examples_under_different_labels_are_all_set_aside(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    shutil.copy(root / "ants" / "0.png", root / "bees" / "ant.png")
    found = check(root)
    assert set(reasons(found)) == {"ants/0.png", "bees/ant.png"}
    assert set(reasons(found).values()) == {"same example under different labels"}
    assert found.to_dict()["label_conflicts"] == [
        [{"id": "ants/0.png", "labels": ["ants"]}, {"id": "bees/ant.png", "labels": ["bees"]}]
    ]


def test_leaks_cost_the_training_example_never_the_test_one(tmp_path: Path) -> None:
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test", start=500)
    class_folders(tmp_path / "val", start=700, each=2)
    shutil.copy(tmp_path / "test/ants/0.png", tmp_path / "train/ants/leak.png")
    shutil.copy(tmp_path / "test/ants/1.png", tmp_path / "val/bees/leak.png")
    save(tmp_path / "train/bees/near.png", picture(1500).resize((48, 48), Image.Resampling.BILINEAR))
    shutil.copy(tmp_path / "val/ants/0.png", tmp_path / "train/ants/from_val.png")
    shutil.copy(tmp_path / "test/ants/2.png", tmp_path / "test/ants/double.png")
    found = check(tmp_path)
    assert set(reasons(found)) == {
        "train/ants/leak.png",
        "val/bees/leak.png",
        "train/bees/near.png",
        "train/ants/from_val.png",
    }
    kinds = {train: (test, kind) for train, test, kind in found.leaks}
    assert kinds["train/bees/near.png"] == ("test/bees/0.png", "near")
    assert kinds["train/ants/leak.png"] == ("test/ants/0.png", "exact")
    assert found.parts == {"train": 8, "val": 4, "test": 9}


def test_test_labels_are_never_looked_at() -> None:
    items = ["one thing", "another thing", "one thing", "a third one"]
    parts = ["train", "train", "test", "test"]
    one = audit(texts([*items, "x y"], ["a", "b", "b", "b", "c"], [*parts, "train"]))
    other = audit(texts([*items, "x y"], ["a", "b", "zzz", "new", "c"], [*parts, "train"]))
    assert one.to_dict() == other.to_dict()
    assert one.counts == {"b": 1, "c": 1}
    assert one.conflicts == ()


def test_near_duplicates_are_kept_together_and_their_labels_compared(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos", each=3)
    base = picture(0, size=(128, 128))
    save(root / "ants" / "0.png", base)
    save(root / "ants" / "small.png", base.resize((64, 64), Image.Resampling.BILINEAR))
    save(root / "bees" / "pressed.jpg", base, quality=70)
    save(root / "ants" / "bright.png", ImageEnhance.Brightness(base).enhance(1.08))
    found = check(root)
    assert found.aside == ()
    cluster = {found.near[place] for place, row in enumerate(found.keep) if read(root).ids[row][-5:] == "0.png"}
    group = ("ants/0.png", "ants/bright.png", "ants/small.png", "bees/pressed.jpg")
    assert found.alike == (group,)
    assert len(cluster) == 2
    assert len(set(found.near)) == len(found.near) - 3
    assert {name for name, _ in found.alike_conflicts[0]} == set(group)


def test_pictures_alike_in_shape_but_not_in_colour_are_different(tmp_path: Path) -> None:
    ramp = np.linspace(0, 250, 64).astype(np.uint8)[None].repeat(64, axis=0)
    for channel, name in enumerate(("red", "green", "blue")):
        pixels = np.zeros((64, 64, 3), dtype=np.uint8)
        pixels[:, :, channel] = ramp
        save(tmp_path / name / "0.png", Image.fromarray(pixels))
        save(tmp_path / name / "1.png", Image.fromarray(pixels // 3))
    found = check(tmp_path)
    assert found.alike == ()


def test_plain_pictures_are_told_apart_by_equality_only(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / "ab"[number % 2] / f"{number}.png", Image.new("RGB", (16, 16), (number, 0, 0)))
    found = check(tmp_path)
    assert (len(found.keep), found.alike) == (6, ())


def test_texts_near_and_exact() -> None:
    long = "the old lighthouse keeper climbed the winding stairs every evening to light the great lamp above the sea"
    items = [long, long + " !", "  " + long, "an entirely different story about trains", "short"]
    found = audit(texts(items, ["a", "a", "a", "b", "b"]))
    assert reasons(found) == {"t2": "exact duplicate"}
    assert found.alike == (("t0", "t1", "t2"),)
    assert found.near[0] == found.near[1]
    assert found.shapes["languages"]["English"] == 3


def test_a_class_with_one_example_is_kept_and_said() -> None:
    found = audit(texts(["one", "two", "three"], ["a", "a", "b"]))
    assert found.single_classes == ("b",)
    assert any("one example only" in line and "b" in line for line in found.lines())


@pytest.mark.parametrize("broken", ["second class", "everything", "bomb alone"])
def test_fewer_than_two_usable_classes_stops_in_one_line(tmp_path: Path, broken: str) -> None:
    save(tmp_path / "cat" / "0.png", picture(1))
    if broken == "everything":
        (tmp_path / "cat" / "0.png").write_bytes(b"junk")
    if broken == "bomb alone":
        shutil.rmtree(tmp_path / "cat")
        png_header_only(tmp_path / "dog" / "0.png", width=20_000, height=20_000)
    else:
        (tmp_path / "dog").mkdir()
        (tmp_path / "dog" / "0.png").write_bytes(b"junk")
    says = {
        "second class": "one class only, 'cat'",
        "everything": "none of 2 examples can be read",
        "bomb alone": "megapixels",
    }
    with pytest.raises(DataError, match=says[broken]) as caught:
        check(tmp_path)
    assert "\n" not in str(caught.value)
    assert "0.png" in str(caught.value)


def test_one_class_only_stops(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one class only, 'ants'.*second class"):
        check(class_folders(tmp_path, classes=("ants",)))
    assert len(audit(read(tmp_path), for_training=False).keep) == 4


def test_without_labels_or_training_only_the_unreadable_go() -> None:
    found = audit(texts(["one", "one", ""], None))
    assert reasons(found) == {"t2": "unreadable"}
    assert (found.counts, len(found.exact)) == ({}, 1)
    kept = audit(texts(["one", "one"], ["a", "b"]), for_training=False)
    assert kept.keep == [0, 1]


def test_more_than_a_chunk_keeps_the_order() -> None:
    items = [f"sentence number {n} of many, {n * 7919 % 1000}" for n in range(2 * CHUNK + 5)]
    found = audit(texts(items, [str(n % 3) for n in range(len(items))]))
    assert found.keep == list(range(len(items)))
