"""A name for what a data set holds, wherever it lies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from headstart.data.dataset import Dataset
from headstart.data.modality import MODALITIES
from headstart.errors import DataError
from headstart.registry import pick

CHUNK = 512


def fingerprint(dataset: Dataset, contents: Sequence[bytes] | None = None) -> str:
    """The SHA-256 over every example's content, labels and part, whatever its place, name and order.

    `contents` are the SHA-256 digests of the items, in order, where the audit has taken them already; those that are
    empty are taken here. The same data as a folder and as a zip have the same fingerprint.
    """
    digests = list(contents) if contents is not None else [b""] * len(dataset)
    missing = [row for row, digest in enumerate(digests) if not digest]
    for row, digest in zip(missing, _contents(dataset.take(missing)), strict=True):
        digests[row] = digest
    whole = hashlib.sha256(f"{dataset.modality} {dataset.kind}".encode())
    entries = []
    for row, digest in enumerate(digests):
        labels = () if dataset.labels is None else dataset.labels[row]
        about = "\x1f".join((dataset.parts[row], *labels))
        entries.append(hashlib.sha256(digest + about.encode(errors="surrogatepass")).digest())
    for entry in sorted(entries):
        whole.update(entry)
    return whole.hexdigest()


def _contents(dataset: Dataset) -> list[bytes]:
    look = pick(MODALITIES, dataset.modality, what="modality").content

    def digest(item: object) -> bytes:
        try:
            return hashlib.sha256(look(item)).digest()
        except DataError:
            return b""  # what cannot be read has no content; the audit lists it

    found: list[bytes] = []
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        for start in range(0, len(dataset), CHUNK):
            found.extend(pool.map(digest, dataset.items[start : start + CHUNK]))
    return found
