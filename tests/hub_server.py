"""A small model hub on loopback: the part of the Hugging Face API that downloads need."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """Repositories by name: commits with their files, and which commit a branch names. `asked` are the paths requested."""

    url: str = ""
    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def push(self, repository: str, files: dict[str, bytes], branch: str = "main") -> str:
        """A new commit with these files, which `branch` then names."""
        told = "".join(f"{name}{hashlib.sha256(content).hexdigest()}" for name, content in sorted(files.items()))
        commit = hashlib.sha1(f"{repository}{branch}{told}".encode()).hexdigest()
        self.commits.setdefault(repository, {})[commit] = dict(files)
        self.branches.setdefault(repository, {})[branch] = commit
        return commit

    def push_folder(self, repository: str, folder: str | Path) -> str:
        """A new commit with the files of a folder."""
        paths = [path for path in Path(folder).rglob("*") if path.is_file()]
        return self.push(repository, {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers on a free port for as long as the context is open."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, *told: object) -> None:
            """Keep quiet."""

        def _answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path).strip("/")
            hub.asked.append(path)
            status, headers, content = _found(hub, path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

    return Handler


def _found(hub: Hub, path: str) -> tuple[int, dict[str, str], bytes]:
    parts = path.split("/")
    if parts[:2] == ["api", "models"]:
        repository, revision = "/".join(parts[2:4]), "/".join(parts[5:]) or "main"
        commit = _commit(hub, repository, revision)
        if commit is None:
            return _missing(hub, repository)
        siblings = [{"rfilename": name} for name in sorted(hub.commits[repository][commit])]
        told = {"id": repository, "modelId": repository, "sha": commit, "siblings": siblings, "private": False}
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()
    repository, revision, name = "/".join(parts[:2]), parts[3] if len(parts) > 3 else "", "/".join(parts[4:])
    commit = _commit(hub, repository, revision)
    if commit is None:
        return _missing(hub, repository)
    content = hub.commits[repository][commit].get(name)
    if content is None:
        return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    return 200, {"ETag": etag, "X-Repo-Commit": commit, "Accept-Ranges": "none"}, content


def _commit(hub: Hub, repository: str, revision: str) -> str | None:
    if revision in hub.commits.get(repository, {}):
        return revision
    return hub.branches.get(repository, {}).get(revision)


def _missing(hub: Hub, repository: str) -> tuple[int, dict[str, str], bytes]:
    return 404, {"X-Error-Code": "RevisionNotFound" if repository in hub.commits else "RepoNotFound"}, b""
