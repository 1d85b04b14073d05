"""Generated pictures and folders of them, for the tests of the data part."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, *, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A smooth random picture in colour: seeds differ clearly, and JPEG hardly changes it."""
    blocks = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    """Save `image` to `path`, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def class_folders(root: Path, *, classes: tuple[str, ...] = ("ants", "bees"), each: int = 4, start: int = 0) -> Path:
    """`each` different pictures in a folder per class."""
    for number, name in enumerate(classes):
        for count in range(each):
            seed = start + number * 1000 + count
            save(root / name / f"{count}.png", picture(seed))
    return root


def zipped(folder: Path, archive: Path, *, prefix: str = "") -> Path:
    """The files below `folder` in a zip."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, prefix + path.relative_to(folder).as_posix())
    return archive


def png_header_only(path: Path, *, width: int, height: int) -> Path:
    """A PNG that claims a size and holds nothing."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def smooth_sketches(count: int, rng: np.random.Generator) -> np.ndarray:
    """Grey levels (count × 256) of pictures of 16 × 16 pixels whose amplitudes fall with frequency, as those of photographs do."""
    waves = np.hypot(np.fft.fftfreq(16)[:, None], np.fft.fftfreq(16)[None])
    spectra = np.fft.fft2(rng.normal(size=(count, 16, 16)), axes=(1, 2)) / np.maximum(waves, 1 / 16)
    fields = np.fft.ifft2(spectra, axes=(1, 2)).real
    return np.clip(128 + 40 * fields / fields.std(axis=(1, 2), keepdims=True), 0, 255).reshape(count, 256)
