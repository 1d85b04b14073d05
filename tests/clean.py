"""Headstart as a stranger runs it: in a process of its own, with an empty home and nothing inherited."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")

BLOCK = """\
import errno, socket

def _refuse(self, *args, **kwargs):
    if self.family == getattr(socket, "AF_UNIX", None):
        return _kept(self, *args, **kwargs)
    raise OSError(errno.ENETUNREACH, "Network is unreachable")

def _no_names(*args, **kwargs):
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

_kept = socket.socket.connect
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = _refuse
socket.getaddrinfo = socket.gethostbyname = _no_names
"""
"""A sitecustomize.py that takes the network from every Python process that finds it."""


def run(
    command: Sequence[str | Path], *, home: Path, cwd: Path, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `command` with `home` as its home and only what every machine has in its environment, plus `more`."""
    home.mkdir(parents=True, exist_ok=True)
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1", **(more or {})}
    return subprocess.run([*map(str, command)], env=environment, cwd=cwd, capture_output=True, text=True, check=False)


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Everything a finished command said, for the message of a failed assertion."""
    return f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"


def can_unshare() -> bool:
    """Whether this machine lets an ordinary process give up its network; containers often do not."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    return subprocess.run([unshare, "-rn", sys.executable, "-c", ""], capture_output=True, check=False).returncode == 0


def without_network(folder: Path, *, by_kernel: bool) -> tuple[list[str], dict[str, str]]:
    """What to put before a command and into its environment so that it has no network.

    Taken away by the kernel, or by a sitecustomize.py written to `folder`, with proxies that lead nowhere for clients
    that are not written in Python.
    """
    if by_kernel:
        return ["unshare", "-rn"], {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(BLOCK)
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    return [], {"PYTHONPATH": str(folder), **nowhere}
