"""What a new user gets wrong: one clear line and exit code 2, or set aside, said, and the run goes on."""

from __future__ import annotations

import csv
import json
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.pictures import class_folders, picture, save
from tests.tiny_models import timm_folder

import headstart
from headstart.cli import main
from headstart.events import Event, Said


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str | Path
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the program."""
    monkeypatch.setattr(sys, "argv", ["headstart", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def nowhere(root: Path) -> list[str | Path]:
    return [root / "nowhere"]


def empty(root: Path) -> list[str | Path]:
    (root / "empty").mkdir()
    return [root / "empty"]


def one_class(root: Path) -> list[str | Path]:
    return [class_folders(root / "one", classes=("ants",))]


def one_usable_class(root: Path) -> list[str | Path]:
    folder = class_folders(root / "photos")
    for path in (folder / "bees").iterdir():
        path.write_bytes(b"no picture")
    return [folder]


def no_such_label(root: Path) -> list[str | Path]:
    (root / "table.csv").write_text("text,label\n" + "".join(f"some words {n},{'ab'[n % 2]}\n" for n in range(8)))
    return [root / "table.csv", "--label", "stars"]


def climbing_zip(root: Path) -> list[str | Path]:
    with zipfile.ZipFile(root / "climbing.zip", "w") as archive:
        archive.writestr("../../ants/a.png", b"x")
    return [root / "climbing.zip"]


def exploding_zip(root: Path) -> list[str | Path]:
    with zipfile.ZipFile(root / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ants/a.png", bytes(60 * 2**20))
    return [root / "bomb.zip"]


def huge_picture(root: Path) -> list[str | Path]:
    """A PNG that says 60,000 × 60,000 in its head and has next to nothing behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    for name in ("ants", "bees"):
        (root / "huge" / name).mkdir(parents=True)
        (root / "huge" / name / "a.png").write_bytes(whole)
    return [root / "huge"]


def long_fields(root: Path) -> list[str | Path]:
    rows = "".join(f"{'word ' * 40_000},{'ab'[n % 2]}\n" for n in range(4))
    (root / "long.csv").write_text("text,label\n" + rows)
    return [root / "long.csv"]


def broken_weights(root: Path) -> list[str | Path]:
    model = timm_folder(root / "model")
    whole = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    return [class_folders(root / "photos"), "--model", model]


def pickled_weights(root: Path) -> list[str | Path]:
    model = timm_folder(root / "model")
    (model / "model.safetensors").unlink()
    torch.save({}, model / "pytorch_model.bin")
    return [class_folders(root / "photos"), "--model", model]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (nowhere, "nowhere"), (empty, "empty"), (one_class, "class"), (one_usable_class, "class"),
        (no_such_label, "stars"), (climbing_zip, "climbing.zip"), (exploding_zip, "bomb.zip"),
        (huge_picture, "pixel"), (long_fields, "long.csv"), (broken_weights, "safetensors"),
        (pickled_weights, "pickled weights"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_ends_in_one_line(make, says, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options: list[str | Path] = make(tmp_path)
    code, _, told = run(capsys, monkeypatch, "fit", *options, "--trials", "1", "--out", tmp_path / "run")
    assert code == 2
    last = told.strip().splitlines()[-1]
    assert last.startswith("headstart: ")
    assert says in last
    assert "Traceback" not in told
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """Photographs with everything wrong that a folder of them can have, and a run on them."""
    root = tmp_path_factory.mktemp("messy")
    photos = class_folders(root / "photos", each=12)
    ants, bees = photos / "ants", photos / "bees"
    (ants / "junk.jpg").write_bytes(b"no picture")
    (ants / "nothing.png").touch()
    frames = [picture(seed) for seed in (900, 901)]
    frames[0].save(ants / "moving.gif", save_all=True, append_images=frames[1:])
    save(ants / "print.jpg", picture(902).convert("CMYK"))
    deep = np.linspace(0, 60_000, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(deep).save(bees / "deep.png")
    save(bees / "point.png", Image.new("RGB", (1, 1), (9, 90, 200)))
    turned = Image.Exif()
    turned[0x0112] = 6
    save(bees / "turned.jpg", picture(903), exif=turned)
    save(bees / "wrong.png", picture(904), format="JPEG")
    (bees / "copy of 1.png").write_bytes((bees / "1.png").read_bytes())
    save(bees / "nearly 2.jpg", picture(1002), quality=80)
    (ants / "also a bee.png").write_bytes((bees / "3.png").read_bytes())
    save(photos / "wasps" / "only.png", picture(905))
    out = root / "run"
    said: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    headstart.fit(photos, models=timm_folder(root / "model"), trials=1, control="none", out=out, listener=listen)
    return photos, out, "\n".join(said)


def test_bad_examples_are_set_aside_and_listed_and_the_run_goes_on(messy):
    _, out, told = messy
    found = json.loads((out / "audit.json").read_text())
    text = json.dumps(found)
    aside = json.dumps(found["set_aside"])
    for name in ("junk.jpg", "nothing.png", "also a bee.png", "copy of 1.png"):
        assert name in aside, name
    for name in ("moving.gif", "print.jpg", "deep.png", "point.png", "turned.jpg", "wrong.png", "nearly 2.jpg"):
        assert name in text, name
        assert name not in aside, name
    assert "wasps" in told, "a class of one is said"
    result = json.loads((out / "result.json").read_text())
    assert "wasps" in result["task"]["classes"], "and kept for training"
    predicted = {row["id"] for row in csv.DictReader((out / "predictions.csv").read_text().splitlines())}
    assert not any("junk" in name or "only" in name for name in predicted)


def test_predict_gives_a_junk_file_an_error_and_no_score(messy, capsys, monkeypatch, tmp_path):
    photos, out, _ = messy
    code, _, _ = run(
        capsys, monkeypatch, "predict", out, photos / "ants" / "0.png", photos / "ants" / "junk.jpg",
        "--out", tmp_path / "found.csv",
    )  # fmt: skip
    assert code == 0
    good, junk = csv.DictReader((tmp_path / "found.csv").read_text().splitlines())
    assert good["predicted"]
    assert not good["error"]
    assert {name for name, value in junk.items() if value} == {"id", "error"}
