"""Keep one issue in the user's repository, by GitHub's REST API.

The issue is found by its label and a mark in its body, so that issues of people are never touched. GitHub has no
transaction for "open it unless there is one": after opening it, all are read again, and the lowest number stays.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from action.errors import ActionError, SettingError
from action.text import one_line

LABEL: Final = "maia-stale"
MARK: Final = "<!-- maia: kept by the stale check -->"
TRIES: Final = 4

_API = "https://api.github.com"
_SECONDS = 20.0  # for one request
_LONGEST_WAIT = 60.0
_PAUSES = (2.0, 6.0, 18.0)
_LARGEST = 10_000_000  # bytes of an answer
_LONGEST_BODY = 60_000  # characters; GitHub takes 65,536


class GitHubError(ActionError):
    """GitHub refused what the job asked for; the message says what to do."""

    title = "Maia: the issue"


class _PermissionError(SettingError):
    title = "Maia: the issue"


class _Transient(Exception):
    """The request may succeed later."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Done(StrEnum):
    """What became of the issue."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"
    NONE = "none"


@dataclass(frozen=True)
class Kept:
    """What was done, and to which issue."""

    done: Done
    number: int | None = None
    url: str = ""


@dataclass(frozen=True)
class _Issue:
    number: int
    labels: frozenset[str]
    url: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another place."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Issues:
    """The issues of one repository. `wait` pauses for so many seconds, and may raise."""

    def __init__(self, environ: Mapping[str, str], wait: Callable[[float], None]) -> None:
        self._token = environ.get("GITHUB_TOKEN", "").strip()
        repository = environ.get("GITHUB_REPOSITORY", "").strip()
        self._base = f"{(environ.get('GITHUB_API_URL') or _API).rstrip('/')}/repos/{repository}"
        self._wait = wait
        self._opened: _Issue | None = None  # by this step; remembered, as are the comments, for a repetition
        self._commented: set[int] = set()
        self._opener = urllib.request.build_opener(_NoRedirect)
        if repository.count("/") != 1:
            raise SettingError("GITHUB_REPOSITORY is not OWNER/NAME: the issue can only be kept in a workflow.")

    def keep(self, title: str, body: str) -> Kept:
        """Open the issue, or update the one that is open. Raises ActionError."""
        given = {"title": title, "body": f"{body[:_LONGEST_BODY]}\n\n{MARK}\n"}
        return self._repeated(lambda: self._keep(given))

    def close(self, comment: str) -> Kept:
        """Close the issue with a comment; do nothing where none is open. Raises ActionError."""
        return self._repeated(lambda: self._close(comment))

    def _keep(self, given: Mapping[str, str]) -> Kept:
        found = self._open()
        if found and self._opened is None:
            self._call("PATCH", f"/issues/{found[0].number}", given)
            self._end_duplicates(found)
            return Kept(Done.UPDATED, found[0].number, found[0].url)
        if self._opened is None:
            self._opened = _issue(self._call("POST", "/issues", {**given, "labels": [LABEL]}))
            if self._opened is None:
                raise GitHubError("GitHub's answer to a new issue is not one; look at the repository's issues.")
        opened = self._opened
        if LABEL not in opened.labels:
            # without it the next check would not find the issue, and open another one
            self._call("POST", f"/issues/{opened.number}/labels", {"labels": [LABEL]})
        both = self._open()
        self._end_duplicates(both)
        if both and both[0].number < opened.number:
            return Kept(Done.UPDATED, both[0].number, both[0].url)
        return Kept(Done.OPENED, opened.number, opened.url)

    def _close(self, comment: str) -> Kept:
        found = self._open()
        for issue in found:
            if issue.number not in self._commented:
                self._call("POST", f"/issues/{issue.number}/comments", {"body": comment})
                self._commented.add(issue.number)
            self._call("PATCH", f"/issues/{issue.number}", {"state": "closed", "state_reason": "completed"})
        return Kept(Done.CLOSED, found[0].number, found[0].url) if found else Kept(Done.NONE)

    def _end_duplicates(self, found: list[_Issue]) -> None:
        for issue in found[1:]:
            self._call("PATCH", f"/issues/{issue.number}", {"state": "closed", "state_reason": "not_planned"})

    def _open(self) -> list[_Issue]:
        """Return the open issues of the check, the oldest first."""
        listed = self._call("GET", f"/issues?labels={LABEL}&state=open&sort=created&direction=asc&per_page=100")
        found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        own = (one for one in found if "pull_request" not in one and MARK in str(one.get("body")))
        return sorted((issue for one in own if (issue := _issue(one))), key=lambda issue: issue.number)

    def _repeated(self, work: Callable[[], Kept]) -> Kept:
        """Do the work from its start again after an error that may pass: it looks first what is there."""
        for number in range(TRIES):
            try:
                return work()
            except _Transient as error:
                if number == TRIES - 1 or (error.wait or 0) > _LONGEST_WAIT:
                    raise GitHubError(f"GitHub's API failed {number + 1} times, the last time with: {error}.") from None
                self._wait(error.wait if error.wait is not None else _PAUSES[number])
        raise AssertionError

    def _call(self, method: str, path: str, content: Mapping[str, object] | None = None) -> Any:
        """Return the decoded answer. Raises _Transient, SettingError and GitHubError."""
        request = urllib.request.Request(  # noqa: S310  the runner's own address
            self._base + path,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "User-Agent": "pleiades-maia",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                data = answer.read(_LARGEST + 1)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, method)
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            raise _Transient(one_line(str(getattr(error, "reason", error)) or type(error).__name__, 200)) from None
        if len(data) > _LARGEST:
            raise GitHubError("GitHub's answer is too large.")
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise _Transient("an answer that is not JSON") from None

    def _refused(self, error: urllib.error.HTTPError, method: str) -> None:
        code, wait = error.code, _seconds(error.headers.get("Retry-After"))
        if code == 429 or (code == 403 and (wait is not None or error.headers.get("X-RateLimit-Remaining") == "0")):
            raise _Transient(f"a rate limit ({code})", wait)
        if code >= 500:
            raise _Transient(f"status {code}", wait)
        if code in {401, 403}:
            raise _PermissionError(
                f"GitHub refused the token ({code}). The job needs `permissions: issues: write`, and the step "
                "`GITHUB_TOKEN: ${{ github.token }}` by `env:`. An organization may restrict its workflows to reading."
            )
        if code in {404, 410}:
            raise _PermissionError(
                f"GitHub knows no issues here ({code}). Switch them on under Settings, General, Features, Issues; or "
                "remove the variable MAIA_STALE_ISSUE. The job needs `permissions: issues: write`."
            )
        raise GitHubError(f"GitHub refused to {method} the issue: status {code}.")


def _issue(found: object) -> _Issue | None:
    if not isinstance(found, dict) or type(number := found.get("number")) is not int:
        return None
    labels, url = found.get("labels"), found.get("html_url")
    names = (one.get("name") for one in labels if isinstance(one, dict)) if isinstance(labels, list) else ()
    shown = url if isinstance(url, str) and url.startswith("https://") else ""
    return _Issue(number, frozenset(name for name in names if isinstance(name, str)), one_line(shown, 300))


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 8 else None
