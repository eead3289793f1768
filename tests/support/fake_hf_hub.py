"""A local server that speaks the Hugging Face Hub's protocol for a dataset, as far as the real huggingface_hub asks.

Commits with their refusals, Git LFS (no Xet), the tree with its pages, downloads by way of another host, squashing and
the large files that squashing leaves. It is given out by ``running_hub``; ``HF_ENDPOINT`` names it to a process.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from huggingface_hub import close_session

from .fake_secrets import HF_TOKEN as TOKEN

DATASET = "me/maia-archive"
PAGE = 1_000
SIGNED = "?X-Amz-Signature=unitTestsSignature"  # an address that lets anybody in
_LARGE = (".zst", ".parquet", ".gz")  # as a new dataset's .gitattributes has it


class Blob(NamedTuple):
    """A file of a tree: its content, or for a large one the object that it points to."""

    oid: str
    size: int
    body: bytes | None


class Change(NamedTuple):
    """One commit."""

    added: dict[str, bytes]
    deleted: tuple[str, ...]


@dataclass
class Fault:
    """What a request gets instead of its answer.

    Attributes:
        status: the answer's status, with ``headers`` and ``text``.
        way: ``cut`` (the connection is closed before anything is done), ``hang`` (no answer until the test is over),
            ``lost`` (done, then cut), ``stall`` (done, then as ``hang``), ``half`` (done, then half of the answer) or
            ``garbage`` (done, then no JSON).
    """

    status: int = 0
    way: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None


@dataclass
class Hub:
    """What the server holds and was asked, and what it is to do wrong.

    Attributes:
        tree: the newest commit's files; None where the dataset is missing.
        history: the trees of all commits that the branch still has.
        objects: large files by SHA-256, with a name and the time of their upload.
        commits: what each commit changed, squashed or not.
        requests: the kinds of requests, as in ``_ROUTES``.
        faults: per kind of request what the next ones get: a ``Fault``, a status or a way.
        waiting: counts the requests that hang or stall.
        ignored: paths that the dataset's .gitignore names.
        hidden: large files that their list leaves out.
    """

    endpoint: str = ""
    token: str = TOKEN
    private: bool | None = None
    tree: dict[str, Blob] | None = field(default_factory=dict)
    history: list[dict[str, Blob]] = field(default_factory=list)
    objects: dict[str, tuple[bytes, str, datetime]] = field(default_factory=dict)
    commits: list[Change] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    faults: dict[str, list[Fault | int | str]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    folder_limit: int = 10_000
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def calls(self, kind: str) -> int:
        return self.requests.count(kind)

    def asked(self) -> None:
        """Somebody waits now for an answer that does not come."""
        self.waiting.release()

    def wait_until_asked(self) -> None:
        """Waits for that."""
        assert self.waiting.acquire(timeout=90)

    @property
    def files(self) -> dict[str, bytes]:
        """The archive's files, without the dataset's card."""
        held = {path: self.body(blob) for path, blob in sorted((self.tree or {}).items())}
        held.pop("README.md", None)
        return held

    def body(self, blob: Blob) -> bytes:
        return self.objects[blob.oid][0] if blob.body is None else blob.body

    def says(self, text: bytes) -> list[str]:
        """Where a text stands that the Hub still has: in a tree of the history or in a large file."""
        found = [path for tree in self.history for path, blob in tree.items() if blob.body and text in blob.body]
        return found + [name for body, name, _ in self.objects.values() if text in body]

    def age(self, hours: float) -> None:
        """Makes every upload so much older."""
        past = datetime.fromtimestamp(datetime.now(UTC).timestamp() - hours * 3600, UTC)
        self.objects = {oid: (body, name, past) for oid, (body, name, _) in self.objects.items()}


class _Answer(Exception):
    def __init__(self, status: int, error: str, code: str | None = None) -> None:
        self.status, self.error, self.code = status, error, code


_REPO = rf"/api/datasets/{DATASET}"
_ROUTES = {
    "create": r"POST /api/repos/create",
    "card": r"POST /api/validate-yaml",
    "preupload": rf"POST {_REPO}/preupload/main",
    "batch": rf"POST /datasets/{DATASET}\.git/info/lfs/objects/batch",
    "upload": r"PUT /storage/(\w+)",
    "verify": r"POST /verify",
    "commit": rf"POST {_REPO}/commit/main",
    "writable": rf"GET {_REPO}/auth-check/write",
    "info": rf"GET {_REPO}(?:/revision/main)?",
    "paths": rf"POST {_REPO}/paths-info/main",
    "tree": rf"GET {_REPO}/tree/main(?:/(.+))?",
    "read": rf"GET /datasets/{DATASET}/resolve/main/(.+)",
    "download": r"GET /cdn/(\w+)",
    "squash": rf"POST {_REPO}/super-squash/main",
    "large": rf"GET {_REPO}/lfs-files",
    "sweep": rf"POST {_REPO}/lfs-files/batch",
}
_OPEN = {"upload", "download"}  # signed addresses of a storage that must never see the token


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the acknowledgement of its headers
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._route(b"")

    def do_POST(self) -> None:
        self._route(self.rfile.read(int(self.headers["Content-Length"])))

    def do_PUT(self) -> None:
        self.do_POST()

    def _route(self, body: bytes) -> None:
        address = urlsplit(self.path)
        self.query = parse_qs(address.query)
        asked = f"{self.command} {unquote(address.path)}"
        matches = ((kind, re.fullmatch(pattern, asked)) for kind, pattern in _ROUTES.items())
        kind, match = next(((kind, match) for kind, match in matches if match), ("", None))
        if match is None:
            self._send(404, {"error": f"Cannot {asked}"})
            return
        given = self.headers["Authorization"]
        if kind in _OPEN:
            assert given is None, f"the token travels to {self.path}"
        else:
            self.hub.agents.add(self.headers["User-Agent"])
            if given != f"Bearer {self.hub.token}":
                self._send(401, {"error": f"Invalid credentials: {given}"})
                return
        self.hub.requests.append(kind)
        faults = self.hub.faults.get(kind)
        fault = faults.pop(0) if faults else Fault()
        if not isinstance(fault, Fault):
            fault = Fault(status=fault) if isinstance(fault, int) else Fault(way=fault)
        if fault.status:
            # an error page that repeats what it was sent, as careless proxies do
            text = fault.text or f"fault {fault.status} for {given}"
            self._send(fault.status, {"error": text}, fault.headers)
        elif fault.way in {"cut", "hang"}:
            if fault.way == "hang":
                self.hub.asked()
                self.hub.over.wait(30)
            self.close_connection = True
        else:
            self._do(kind, match[1] if match.groups() else None, body, fault.way)

    def _do(self, kind: str, name: str | None, body: bytes, way: str) -> None:
        if self.hub.tree is None and kind not in {"create", "card", *_OPEN}:
            self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return
        try:
            answer = getattr(self, f"_{kind}")(name, body)
        except _Answer as refusal:
            told = {"error": refusal.error, "url": f"{self.hub.endpoint}/datasets/{DATASET}"}
            self._send(refusal.status, told, {"X-Error-Code": refusal.code or ""})
            return
        if way in {"lost", "stall"}:
            if way == "stall":
                self.hub.asked()
                self.hub.over.wait(30)
            self.close_connection = True
        elif answer is not None:
            self._send(200, b"<html>" if way == "garbage" else answer, half=way == "half")

    def _send(self, status: int, value: object, headers: dict[str, str] | None = None, *, half: bool = False) -> None:
        payload = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            if text:
                self.send_header(name, text)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload[: len(payload) // 2] if half else payload)
        self.close_connection = self.close_connection or half

    @property
    def tree(self) -> dict[str, Blob]:
        assert self.hub.tree is not None
        return self.hub.tree

    def _create(self, _: object, body: bytes) -> object:
        asked = json.loads(body)
        assert (asked["organization"], asked["name"], asked["type"]) == (*DATASET.split("/"), "dataset")
        if self.hub.tree is not None:
            raise _Answer(409, "You already created this dataset repo")
        self.hub.tree, self.hub.private = {}, asked["visibility"] == "private"
        return {"url": f"{self.hub.endpoint}/datasets/{DATASET}", "name": DATASET}

    def _card(self, _: object, body: bytes) -> object:
        assert json.loads(body)["repoType"] == "dataset"
        return {"errors": [], "warnings": []}

    def _preupload(self, _: object, body: bytes) -> object:
        def told(file: dict[str, Any]) -> dict[str, object]:
            path, held = file["path"], self.tree.get(file["path"])
            large = path.endswith(_LARGE) or file["size"] > 10_000_000
            mode = "lfs" if large else "regular"
            ignored = path in self.hub.ignored
            return {"path": path, "uploadMode": mode, "shouldIgnore": ignored, "oid": held.oid if held else None}

        return {"files": [told(file) for file in json.loads(body)["files"]]}

    def _batch(self, _: object, body: bytes) -> object:
        asked = json.loads(body)
        assert asked["operation"] == "upload"
        assert "xet" not in asked["transfers"]

        def told(large: dict[str, Any]) -> dict[str, Any]:
            if large["oid"] in self.hub.objects:
                return large
            upload = {"href": f"{self.hub.endpoint}/storage/{large['oid']}{SIGNED}"}
            return large | {"actions": {"upload": upload, "verify": {"href": f"{self.hub.endpoint}/verify"}}}

        return {"transfer": "basic", "objects": [told(large) for large in asked["objects"]]}

    def _upload(self, oid: str, body: bytes) -> object:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.objects[oid] = (body, "", datetime.now(UTC))
        return b""

    def _verify(self, _: object, body: bytes) -> object:
        asked = json.loads(body)
        assert len(self.hub.objects[asked["oid"]][0]) == asked["size"]
        return {}

    def _commit(self, _: object, body: bytes) -> object:
        lines = [(line["key"], line["value"]) for line in map(json.loads, body.splitlines())]
        assert lines[0][0] == "header"
        # the Hub takes one commit at a time, and refuses who comes while it works
        if not self.hub.lock.acquire(blocking=False):
            raise _Answer(412, "A commit has happened since. Please refresh and try again.")
        try:
            return self._commit_alone(lines[1:])
        finally:
            self.hub.lock.release()

    def _commit_alone(self, lines: list[tuple[str, dict[str, Any]]]) -> object:
        tree, added, deleted = dict(self.tree), {}, []
        for key, value in lines:
            path = value["path"]
            if key == "deletedFile":
                if path not in tree:
                    raise _Answer(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
                del tree[path]
                deleted.append(path)
            elif key == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    raise _Answer(400, "LFS pointer pointed to a file that does not exist")
                content, _, pushed = self.hub.objects[value["oid"]]
                self.hub.objects[value["oid"]] = (content, path, pushed)
                tree[path] = Blob(value["oid"], value["size"], None)
                added[path] = content
            else:
                assert key == "file"
                content = base64.b64decode(value["content"])
                git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                tree[path] = Blob(git, len(content), content)
                added[path] = content
        held = Counter(path.rpartition("/")[0] for path in tree)
        full = [folder for folder, number in held.items() if number > self.hub.folder_limit]
        if full:
            raise _Answer(
                400,
                "Your push was rejected because it contains too many files per directory. Each directory in your git "
                f"repo can only contain up to {self.hub.folder_limit} files. Offending reference: refs/heads/main "
                f"Offending directories: {' '.join(f'/{folder}/' for folder in full)}",
            )
        self.hub.tree = tree
        self.hub.history.append(tree)
        self.hub.commits.append(Change(added, tuple(deleted)))
        return {"commitUrl": f"{self.hub.endpoint}/datasets/{DATASET}/commit/{self._sha()}", "commitOid": self._sha()}

    def _sha(self) -> str:
        return f"{len(self.hub.commits):040x}"

    def _writable(self, *_: object) -> object:
        return {}

    def _info(self, *_: object) -> object:
        return {"id": DATASET, "sha": self._sha(), "private": self.hub.private, "downloads": 0, "likes": 0, "tags": []}

    def _entry(self, path: str, blob: Blob) -> dict[str, object]:
        if blob.body is not None:
            return {"type": "file", "path": path, "size": blob.size, "oid": blob.oid}
        pointer = hashlib.sha1(blob.oid.encode()).hexdigest()
        large = {"oid": blob.oid, "size": blob.size, "pointerSize": 130}
        return {"type": "file", "path": path, "size": blob.size, "oid": pointer, "lfs": large}

    def _paths(self, _: object, body: bytes) -> object:
        asked = parse_qs(body.decode())["paths"]
        return [self._entry(path, self.tree[path]) for path in asked if path in self.tree]

    def _tree(self, folder: str | None, _: bytes) -> None:
        assert self.query["recursive"] == ["true"]
        below = f"{folder}/" if folder else ""
        # folders stand among them, and no order is promised
        paths = sorted((path for path in self.tree if path.startswith(below)), key=lambda path: path[::-1])
        if folder and not paths:
            raise _Answer(404, f"{folder} does not exist on main", "EntryNotFound")
        start = int(self.query.get("cursor", ["0"])[0])
        page: list[object] = [self._entry(path, self.tree[path]) for path in paths[start : start + PAGE]]
        folders = {path.rpartition("/")[0] for path in paths[start : start + PAGE] if path.rpartition("/")[0] != folder}
        page += [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders if path]
        more = start + PAGE < len(paths)
        address = f"{self.hub.endpoint}{quote(self.path.partition('?')[0], safe='/%')}"
        link = f'<{address}?recursive=true&cursor={start + PAGE}>; rel="next"' if more else ""
        self._send(200, page, {"Link": link})

    def _read(self, path: str, _: bytes) -> object:
        blob = self.tree.get(path)
        if blob is None:
            raise _Answer(404, "Entry not found", "EntryNotFound")
        if blob.body is not None:
            return blob.body
        self._send(
            302, b"", {"Location": f"{self.hub.endpoint.replace('127.0.0.1', 'localhost')}/cdn/{blob.oid}{SIGNED}"}
        )
        return None

    def _download(self, oid: str, _: bytes) -> object:
        return self.hub.objects[oid][0]

    def _squash(self, *_: object) -> object:
        self.hub.history = [self.tree]
        return {}

    def _large(self, *_: object) -> object:
        return [
            {"fileOid": oid, "oid": oid, "filename": name, "pushedAt": f"{at:%Y-%m-%dT%H:%M:%S.000Z}", "ref": "main",
             "size": len(body)}
            for oid, (body, name, at) in self.hub.objects.items()
            if oid not in self.hub.hidden
        ]  # fmt: skip

    def _sweep(self, _: object, body: bytes) -> object:
        for oid in json.loads(body)["deletions"]["sha"]:
            del self.hub.objects[oid]
        return {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A running Hub with one empty dataset, me/maia-archive."""
    hub = Hub()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.over.set()
        close_session()  # the client keeps connections for the whole process
        server.shutdown()
        thread.join()
        server.server_close()
