"""Decoding, looking at, augmenting and describing pictures."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.pictures import picture, png_header_only, save

from headstart.data import image_augment, image_floor, images
from headstart.data.image_look import audit_one, describe, same
from headstart.errors import DataError


def test_rgb_is_left_as_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", picture(1))
    assert np.array_equal(images.decode(path), picture(1))


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.png", picture(1, size=(30, 20)), exif=exif)
    assert images.decode(path).size == (20, 30)
    assert np.array_equal(images.decode(path), picture(1, size=(30, 20)).transpose(Image.Transpose.ROTATE_270))
    look = audit_one(path)
    assert look.shape == (20, 30)
    assert "EXIF-rotated, turned upright" in look.notes


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("LA", (0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0)),
        ("L", 7, (7, 7, 7)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_every_mode_becomes_rgb(mode: str, value: object, expected: tuple[int, int, int]) -> None:
    decoded = images.decode(Image.new(mode, (3, 2), value))
    assert decoded.mode == "RGB"
    assert decoded.getpixel((1, 1)) == expected


def test_palette_with_transparency_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((0, 0), 1)
    path = save(tmp_path / "p.png", image, transparency=0)
    assert images.decode(path).getpixel((2, 2)) == (255, 255, 255)
    assert images.decode(path).getpixel((0, 0)) == (0, 255, 0)
    assert "transparent, laid on white" in audit_one(path).notes


def test_16_bit_is_scaled_by_its_own_range_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(1000, 5000, 64 * 64).reshape(64, 64).astype(np.uint16)
    path = save(tmp_path / "deep.png", Image.fromarray(ramp))
    grey = np.asarray(images.decode(path))[:, :, 0]
    assert (grey.min(), grey.max()) == (0, 255)
    assert np.all(np.diff(grey.reshape(-1).astype(int)) >= 0)
    assert len(np.unique(grey)) == 256
    assert "16-bit greyscale, scaled by its own range" in audit_one(path).notes


def test_a_16_bit_picture_of_one_value_keeps_its_share() -> None:
    assert images.scaled(np.full((2, 2), 65535, dtype=np.uint16)).tolist() == [[255, 255], [255, 255]]


def test_first_frame_of_an_animation_and_a_note(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert images.decode(path).getpixel((0, 0)) == (255, 0, 0)
    assert any("the first of 2 is used" in note for note in audit_one(path).notes)


def test_wrong_suffix_one_pixel_and_one_colour_are_noted(tmp_path: Path) -> None:
    buffer = BytesIO()
    picture(1).save(buffer, "JPEG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert "suffix .png holds JPEG" in audit_one(tmp_path / "a.png").notes
    assert audit_one(Image.new("RGB", (1, 1))).notes == ("1 pixel",)
    assert audit_one(Image.new("RGB", (1, 5))).notes == ("1 pixel wide or high", "one colour only")
    cmyk = save(tmp_path / "c.jpg", picture(1).convert("CMYK"))
    assert "CMYK, converted to RGB" in audit_one(cmyk).notes


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty (0 bytes)"), (b"hello", "not a picture"), (b"\x89PNG\r\n\x1a\nbroken", "not a picture")],
)
def test_what_is_no_picture_is_an_error_never_an_input(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    for reader in (images.decode, audit_one):
        with pytest.raises(DataError) as caught:
            reader(path)
        assert str(path) in str(caught.value)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif", ".gif"])
def test_a_picture_cut_short_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"whole{suffix}", picture(3, size=(200, 200)))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    for reader in (images.decode, audit_one):
        with pytest.raises(DataError, match=r"broken picture|not a picture"):
            reader(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        images.decode(tmp_path / "none.png")


@pytest.mark.parametrize("size", [(9500, 9500), (50_000, 50_000)])
def test_beyond_the_pixel_limit_is_an_error_before_anything_is_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    path = png_header_only(tmp_path / "bomb.png", width=size[0], height=size[1])
    for reader in (images.decode, audit_one):
        with pytest.raises(DataError, match="megapixels"):
            reader(path)


def test_arrays() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert images.decode(grey).size == (4, 3)
    assert images.decode(grey[:, :, None]).getpixel((1, 0)) == (1, 1, 1)
    assert images.decode(np.ones((2, 2, 3), dtype=np.float32)).getpixel((0, 0)) == (255, 255, 255)
    assert images.decode(np.ones((2, 2), dtype=bool)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.full((2, 2), 16.0), "outside 0 to 1"),
        (np.full((2, 2), np.nan), "outside 0 to 1"),
        (np.zeros((3, 8, 8), dtype=np.uint8), "shape"),
        (np.zeros((2, 2), dtype=np.int64), "int64"),
        (np.zeros((0, 2), dtype=np.uint8), "shape"),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        images.decode(array)


def test_looking_does_not_change_the_users_picture() -> None:
    image = picture(1)
    before = image.tobytes()
    audit_one(image)
    assert image.tobytes() == before
    assert image.size == (64, 64)


def test_same_tells_equal_pixels_from_equal_thumbnails(tmp_path: Path) -> None:
    one = save(tmp_path / "a.png", picture(1))
    other = save(tmp_path / "a.bmp", picture(1))
    assert same(one, other)
    assert audit_one(one).key == audit_one(other).key
    assert audit_one(one).content != audit_one(other).content
    assert not same(one, save(tmp_path / "b.png", picture(2)))


def test_describe_counts_sizes_and_modes() -> None:
    told = describe(np.array([[10, 20], [30, 40], [30, 40]]), {"RGB": 2, "L": 1})
    assert told["width"] == {"min": 10, "median": 30, "max": 30}
    assert told["modes"] == {"RGB": 2, "L": 1}
    assert "10 to 30 pixels wide" in told["line"]


def test_thumbnail_is_a_small_jpeg_and_enlarges_tiny_pictures() -> None:
    shown = Image.open(BytesIO(images.thumbnail(picture(1, size=(300, 200)), 90)))
    assert shown.format == "JPEG"
    assert shown.size == (90, 60)
    assert Image.open(BytesIO(images.thumbnail(Image.new("L", (8, 8)), 64))).size == (64, 64)


def test_augmentation_depends_on_the_generator_alone() -> None:
    batch = torch.from_numpy(np.stack([np.asarray(picture(n)) for n in range(4)])).permute(0, 3, 1, 2).contiguous()
    before = batch.clone()
    first = image_augment.augment(batch, np.random.default_rng(5))
    again = image_augment.augment(batch, np.random.default_rng(5))
    other = image_augment.augment(batch, np.random.default_rng(6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(batch, before)
    assert (first.shape, first.dtype) == (batch.shape, torch.uint8)


def test_augmentation_that_does_nothing_gives_the_picture_back() -> None:
    batch = torch.from_numpy(np.array(picture(1))).permute(2, 0, 1)[None].contiguous()
    how = image_augment.Augmentation(smallest_area=1.0, flip=0.0, colour=0.0)
    # The shape still changes a little (ratio), so compare coarsely.
    changed = image_augment.augment(batch, np.random.default_rng(0), how).float()
    assert (changed - batch.float()).abs().mean() < 12
    flipped = image_augment.augment(batch, np.random.default_rng(0), image_augment.Augmentation(1.0, 1.0, 0.0)).float()
    assert (flipped.flip(3) - changed).abs().mean() < 2


def test_floor_features_see_colour_and_direction() -> None:
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::8] = 255
    upright, lying = image_floor.floor_features([stripes, stripes.T.copy()])
    red, blue = image_floor.floor_features([Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")])
    cut = image_floor.WIDTH - 3 * image_floor.COLOUR_BINS
    assert np.abs(upright[:cut] - lying[:cut]).max() > 0.1
    assert np.allclose(upright[cut:], lying[cut:])
    assert np.allclose(red[:cut], blue[:cut])
    assert not np.allclose(red[cut:], blue[cut:])
    assert image_floor.floor_features([]).shape == (0, image_floor.WIDTH)
