"""Zip files are read in place: nothing is unpacked, and each member can be read by any thread or process."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from headstart.data.options import Limits
from headstart.data.tree import Tree, is_litter
from headstart.errors import DataError

LOCAL_HEADER = struct.Struct("<4s22xHH")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One member of a zip file. It opens the archive by itself, so it needs no lock and can be pickled."""

    archive: str
    member: str
    offset: int
    stored_bytes: int
    size: int
    checksum: int
    deflated: bool

    @property
    def name(self) -> str:
        """Archive and member."""
        return f"{self.archive}/{self.member}"

    def read(self) -> bytes:
        """The unpacked bytes, never more than the archive said; raises DataError when they do not match."""
        try:
            return self._read()
        except (OSError, struct.error, zlib.error) as error:
            raise DataError(f"{self.name}: broken in its archive ({error}). Make the zip again.") from error

    def _read(self) -> bytes:
        with Path(self.archive).open("rb") as file:
            file.seek(self.offset)
            magic, name_length, extra_length = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
            file.seek(name_length + extra_length, 1)
            content = file.read(self.stored_bytes)
        if self.deflated:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, self.size + 1)
        if magic != b"PK\x03\x04" or len(content) != self.size or zlib.crc32(content) != self.checksum:
            raise DataError(f"{self.name}: does not match its checksum. Make the zip again.")
        return content


def zip_tree(path: Path, limits: Limits) -> Tree:
    """The members of a zip as a tree; raises DataError for one that is broken, climbs out, links or explodes."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path}: not a whole zip file ({error}). Download or make it again.") from error
    _refuse_bombs(path, infos, limits)
    members, archive_name = {}, str(path)
    for info in infos:
        _refuse_tricks(path, info)
        if not is_litter(info.filename):
            deflated = info.compress_type == zipfile.ZIP_DEFLATED
            members[info.filename] = ZipMember(
                archive_name, info.filename, info.header_offset, info.compress_size, info.file_size, info.CRC, deflated
            )
    if not members:
        raise DataError(f"{path}: the zip holds no files. Put one folder of examples per class into it.")
    return Tree(str(path), dict(sorted(members.items())))


def _refuse_tricks(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.filename
    # zipfile turns the system's separator into "/" only; the other kind is checked by name.
    climbs = ".." in PurePosixPath(name).parts or ".." in PureWindowsPath(name).parts
    if climbs or name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
        raise DataError(
            f"{path}: member '{name}' climbs out of its folder. Make the zip again with plain relative names."
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DataError(f"{path}: member '{name}' is a symbolic link. Put the file itself into the zip.")
    if info.flag_bits & ENCRYPTED:
        raise DataError(f"{path}: member '{name}' is encrypted. Make the zip again without a password.")
    if info.compress_type not in METHODS:
        raise DataError(f"{path}: member '{name}' is packed by method {info.compress_type}. Use plain deflate.")


def _refuse_bombs(path: Path, infos: list[zipfile.ZipInfo], limits: Limits) -> None:
    remedy = "Unpack it yourself if you trust it, and give the folder."
    total = sum(info.file_size for info in infos)
    if total > limits.zip_bytes:
        raise DataError(f"{path}: unpacks to {_size(total)}, over the limit of {_size(limits.zip_bytes)}. {remedy}")
    if total > limits.zip_ratio_from_bytes and total > limits.zip_ratio * path.stat().st_size:
        raise DataError(f"{path}: explodes {total // path.stat().st_size}-fold to {_size(total)}. {remedy}")
    for info in infos:
        if info.file_size > limits.member_bytes:
            raise DataError(f"{path}: member '{info.filename}' unpacks to {_size(info.file_size)}. {remedy}")
        if info.file_size > limits.zip_ratio_from_bytes and info.file_size > limits.zip_ratio * info.compress_size:
            raise DataError(f"{path}: member '{info.filename}' explodes to {_size(info.file_size)}. {remedy}")


def _size(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
