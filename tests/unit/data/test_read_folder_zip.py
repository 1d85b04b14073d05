"""Folders and zips: every layout, what is ignored, and every archive that is refused."""

from __future__ import annotations

import pickle
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.pictures import class_folders, picture, save, zipped

from headstart.data.audit import audit
from headstart.data.fingerprint import fingerprint
from headstart.data.options import Columns, Limits
from headstart.data.read import read, read_inputs
from headstart.data.read_zip import zip_tree
from headstart.errors import DataError


def test_a_folder_per_class(tmp_path: Path) -> None:
    data = read(class_folders(tmp_path / "photos"))
    assert (data.modality, data.kind, len(data), data.classes) == ("image", "single", 8, ("ants", "bees"))
    assert data.ids[0] == "ants/0.png"
    assert set(data.parts) == {""}


@pytest.mark.parametrize(
    ("folder", "part"), [("val", "val"), ("Valid", "val"), ("dev", "val"), ("TEST", "test"), ("testing", "test")]
)
def test_part_folders(tmp_path: Path, folder: str, part: str) -> None:
    class_folders(tmp_path / "train")
    class_folders(tmp_path / folder, each=2, start=50)
    data = read(tmp_path)
    assert {p: data.parts.count(p) for p in set(data.parts)} == {"train": 8, part: 4}
    assert data.classes == ("ants", "bees")


def test_part_folders_inside_class_folders(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("ants", "bees"):
            save(tmp_path / name / part / "0.png", picture(len(part + name)))
    data = read(tmp_path)
    assert sorted(zip(data.parts, data.labels or (), strict=True)) == [
        ("test", ("ants",)),
        ("test", ("bees",)),
        ("train", ("ants",)),
        ("train", ("bees",)),
    ]


def test_a_class_may_be_called_test_and_have_folders_inside(tmp_path: Path) -> None:
    for name in ("test/a", "other/b", "other/c"):
        save(tmp_path / name / "0.png", picture(len(name)))
    assert read(tmp_path).classes == ("other", "test")


def test_wrapping_folders_are_passed_through(tmp_path: Path) -> None:
    class_folders(tmp_path / "outer" / "photos" / "train")
    data = read(tmp_path)
    assert data.classes == ("ants", "bees")
    assert set(data.parts) == {"train"}


def test_texts_in_class_folders(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text(f"a {name} film")
    data = read(tmp_path)
    assert (data.modality, data.classes) == ("text", ("bad", "good"))


def test_litter_is_passed_over_and_other_files_are_named(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    for name in (".DS_Store", "ants/.hidden.png", "ants/Thumbs.db", "__MACOSX/ants/x.png", "notes.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    save(root / "loose.png", picture(9))
    data = read(root)
    assert len(data) == 8
    assert data.aside == (("loose.png", "in no class folder"),)
    told = " ".join(data.guesses)
    assert "ignored 1 other file: notes.md" in told
    assert "loose.png" in told


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    class_folders(tmp_path / "real")
    root = tmp_path / "photos"
    root.mkdir()
    for name in ("ants", "bees"):
        (root / name).symlink_to(tmp_path / "real" / name)
    (root / "ants" / "again").symlink_to(root)
    assert len(read(root)) == 8


@pytest.mark.parametrize("make", ["nothing", "hidden", "other", "flat"])
def test_folders_with_nothing_to_learn_from(tmp_path: Path, make: str) -> None:
    if make == "hidden":
        (tmp_path / ".x").write_text("x")
    if make == "other":
        (tmp_path / "x.pdf").write_text("x")
    if make == "flat":
        save(tmp_path / "x.png", picture(1))
    says = {"nothing": "empty folder", "hidden": "empty folder", "other": r"only \.pdf", "flat": "no class folders"}
    with pytest.raises(DataError, match=says[make]):
        read(tmp_path)


def test_no_such_path_and_unknown_kinds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read(tmp_path / "none")
    (tmp_path / "x.tar.gz").write_text("x")
    with pytest.raises(DataError, match="cannot be read as labelled data"):
        read(str(tmp_path / "x.tar.gz"))
    with pytest.raises(DataError, match="holds no table"):
        read(class_folders(tmp_path / "photos"), columns=Columns(label="species"))


def test_a_zip_is_the_folder_it_was_made_of(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos")
    archive = zipped(root, tmp_path / "photos.zip", prefix="photos/")
    folder, inside = read(root), read(archive)
    assert inside.classes == folder.classes
    assert inside.labels == folder.labels
    assert fingerprint(inside) == fingerprint(folder) == fingerprint(inside, audit(inside).contents)
    with zipfile.ZipFile(archive) as file:
        expected = [file.read(name) for name in inside.ids]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda item: pickle.loads(pickle.dumps(item)).read(), inside.items)) == expected
    (tmp_path / "only").mkdir()
    archive.rename(tmp_path / "only" / "photos.zip")
    assert len(read(tmp_path / "only")) == 8


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "a\\..\\..\\x.png", "\\x.png"])
def test_zips_that_climb_out_are_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("a/1.png", b"x")
        file.writestr(name, b"x")
    with pytest.raises(DataError, match="climbs out"):
        read(tmp_path / "evil.zip")


def test_zips_with_links_passwords_or_odd_packing_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with zipfile.ZipFile(tmp_path / "lzma.zip", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a/1.png", b"x")
    with zipfile.ZipFile(tmp_path / "locked.zip", "w") as file:
        file.writestr("a/1.png", b"x")
    content = bytearray((tmp_path / "locked.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(content)
    for name, says in (("link", "symbolic link"), ("lzma", "method 14"), ("locked", "encrypted")):
        with pytest.raises(DataError, match=says):
            read(tmp_path / f"{name}.zip")


def test_exploding_zips_are_refused_by_size_and_by_ratio(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/1.png", bytes(20 * 2**20))
    with pytest.raises(DataError, match="explodes"):
        read(tmp_path / "bomb.zip")
    plain = zipped(class_folders(tmp_path / "photos"), tmp_path / "plain.zip")
    with pytest.raises(DataError, match="over the limit"):
        zip_tree(plain, replace(Limits(), zip_bytes=100))
    with pytest.raises(DataError, match="unpacks to"):
        zip_tree(plain, replace(Limits(), member_bytes=10))


def test_a_member_that_lies_about_its_size_or_is_damaged(tmp_path: Path) -> None:
    archive = zipped(class_folders(tmp_path / "photos"), tmp_path / "photos.zip")
    member = read(archive).items[0]
    with pytest.raises(DataError, match="checksum"):
        replace(member, size=3).read()
    with pytest.raises(DataError, match=r"broken in its archive|checksum"):
        replace(member, offset=member.offset + 7).read()
    content = bytearray(archive.read_bytes())
    content[len(content) // 8] ^= 0xFF
    archive.write_bytes(content)
    assert len(audit(read(archive)).aside) == 1


def test_broken_and_empty_zips(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"not a zip")
    with pytest.raises(DataError, match="not a whole zip"):
        read(tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "e.zip", "w"):
        pass
    with pytest.raises(DataError, match="holds no files"):
        read(tmp_path / "e.zip")


def test_inputs_for_prediction(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "photos", each=1)
    archive = zipped(root, tmp_path / "photos.zip")
    missing = tmp_path / "none.png"
    data = read_inputs([root, str(archive), missing, root / "ants" / "0.png"])
    assert (data.modality, len(data), data.labels) == ("image", 6, None)
    assert data.ids[4] == str(missing)
    flat = tmp_path / "flat"
    save(flat / "1.png", picture(1))
    assert read_inputs([flat]).ids == ["1.png"]
    assert read_inputs([flat], modality="image").modality == "image"
    with pytest.raises(DataError, match="no files given"):
        read_inputs([])
