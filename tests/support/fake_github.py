"""A local server that speaks the calls of GitHub's REST API for issues: list by label, open, change, comment, label."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .fake_webhook import listening

__all__ = ["TOKEN", "GitHub", "github"]

TOKEN = "ghs_a_token_of_this_job"
REPOSITORY = "someone/tubes"


@dataclass
class GitHub:
    """The issues of one repository, and how it answers."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]] | str | None] = field(default_factory=list)
    """For the next calls: a status with headers instead of doing it; "lost": done, and answered with 502; "garbled";
    None: as usual."""
    drops_labels: bool = False
    """As for a token that may not label a new issue."""
    environ: dict[str, str] = field(default_factory=dict)

    def open(self, body: str = "", *, labels: tuple[str, ...] = ("maia-stale",), **more: Any) -> int:
        """Open an issue, as another run or a person does; return its number."""
        number = len(self.issues) + 1
        url = f"https://github.com/{REPOSITORY}/issues/{number}"
        named = [{"name": label} for label in labels]
        self.issues.append(
            {"number": number, "state": "open", "title": "t", "body": body, "labels": named, "html_url": url} | more
        )
        return number

    @property
    def states(self) -> list[str]:
        return [issue["state"] for issue in self.issues]

    def does(self, method: str, path: str, given: dict[str, Any]) -> tuple[int, Any]:
        """Do what a request asks; return the status and the answer."""
        parts, asked = urlsplit(path), parse_qs(urlsplit(path).query)
        match = re.fullmatch(rf"/repos/{REPOSITORY}/issues(?:/(\d+)(/\w+)?)?", parts.path)
        if match is None:
            return 404, {"message": "Not Found"}
        if match[1] is None and method == "GET":
            label, state = asked["labels"][0], asked["state"][0]
            named = [i for i in self.issues if label in [one["name"] for one in i["labels"]] and i["state"] == state]
            return 200, named
        if match[1] is None and method == "POST":
            labels = () if self.drops_labels else tuple(given["labels"])
            return 201, self.issues[self.open(given["body"], labels=labels, title=given["title"]) - 1]
        issue = self.issues[int(match[1]) - 1]
        if match[2] is None and method == "PATCH":
            issue.update(given)
            return 200, issue
        if match[2] == "/comments" and method == "POST":
            self.comments.append((issue["number"], given["body"]))
            return 201, {}
        if match[2] == "/labels" and method == "POST":
            issue["labels"] += [{"name": label} for label in given["labels"]]
            return 200, issue["labels"]
        return 404, {}


@contextlib.contextmanager
def github() -> Iterator[GitHub]:
    """A GitHub that is there until the block ends."""
    state = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            state.calls.append(f"{self.command} {self.path.removeprefix(f'/repos/{REPOSITORY}')}")
            given = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            how = state.answers.pop(0) if state.answers else None
            headers: dict[str, str] = {}
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, answer = 401, {"message": "Bad credentials"}
            elif isinstance(how, tuple):
                (status, headers), answer = how, {"message": "refused"}
            else:
                status, answer = state.does(self.command, self.path, given)
                status = 502 if how == "lost" else status
            content = b"<html>" if how == "garbled" else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def do_PATCH(self) -> None:
            self.do_GET()

    with listening(Handler) as port:
        state.environ = {
            "GITHUB_API_URL": f"http://127.0.0.1:{port}",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_TOKEN": TOKEN,
        }
        yield state
