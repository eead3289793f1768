"""A local server that speaks as much of the Hub's protocol as the real client needs for a commit to a dataset."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import close_session

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "hf_" + "unitTestsOnly" * 2
DATASET = "me/maia-archive"


@dataclass
class Hub:
    """What the server holds and was asked, and what it is to do wrong.

    Attributes:
        faults: per kind of request ("preupload", "commit"), what the next ones get: a status, "cut" (the connection is
            closed), "hang" (no answer until the test is over) or "lost" (done, and then cut).
    """

    endpoint: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[dict[str, bytes]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    faults: dict[str, list[int | str]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    token: str = TOKEN
    over: threading.Event = field(default_factory=threading.Event)

    def calls(self, kind: str) -> int:
        return self.requests.count(kind)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._route("")

    def do_POST(self) -> None:
        self._route(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _route(self, body: str) -> None:
        match = re.fullmatch(rf"/api/datasets/{DATASET}/(preupload|commit|revision)/main", self.path.partition("?")[0])
        self.hub.agents.add(self.headers["User-Agent"])
        if self.headers["Authorization"] != f"Bearer {self.hub.token}":
            self._answer(401, {"error": f"Invalid credentials: {self.headers['Authorization']}"})
            return
        if not match:
            self._answer(404, {"error": "Repository not found"})
            return
        kind = match[1]
        self.hub.requests.append(kind)
        faults = self.hub.faults.get(kind)
        fault = faults.pop(0) if faults else None
        if isinstance(fault, int):
            # an error page that repeats what it was sent, as careless proxies do
            self._answer(fault, {"error": f"fault {fault} for {self.headers['Authorization']}"})
        elif fault == "hang":
            self.hub.over.wait(30)
            self.close_connection = True
        elif fault == "cut":
            self.close_connection = True
        else:
            answer = getattr(self, f"_{kind}")(body)
            if fault == "lost":
                self.close_connection = True
            else:
                self._answer(200, answer)

    def _preupload(self, body: str) -> object:
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "regular",
                    "shouldIgnore": file["path"] in self.hub.ignored,
                    "oid": self._oid(file["path"]),
                }
                for file in json.loads(body)["files"]
            ]
        }

    def _oid(self, path: str) -> str | None:
        """As git names a blob."""
        held = self.hub.files.get(path)
        return None if held is None else hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()

    def _commit(self, body: str) -> object:
        lines = [json.loads(line) for line in body.splitlines()]
        assert lines[0]["key"] == "header"
        assert all(line["key"] == "file" for line in lines[1:])
        added = {line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines[1:]}
        self.hub.commits.append(added)
        self.hub.files.update(added)
        return {"commitUrl": f"{self.hub.endpoint}/datasets/{DATASET}/commit/{self._sha()}", "commitOid": self._sha()}

    def _revision(self, _body: str) -> object:
        return {"id": DATASET, "sha": self._sha(), "private": True, "downloads": 0, "likes": 0, "tags": []}

    def _sha(self) -> str:
        return f"{len(self.hub.commits):040x}"

    def _answer(self, status: int, value: object) -> None:
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A running Hub with one empty dataset, me/maia-archive."""
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": state}))
    server.daemon_threads = True
    state.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.over.set()
    close_session()  # the client keeps connections for the whole process
    server.shutdown()
    thread.join()
    server.server_close()
