"""Commands whose output goes to a terminal or pipe that is not UTF-8, is closed, full, or nobody reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from atlas import events
from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from atlas.streams import BROKEN_PIPE

from ..support.child_processes import popen
from ..support.documents import CHECKOUT
from ..support.event_loop import PATIENCE

pytestmark = pytest.mark.integration

TEXT = "日本の音楽 😀 café"
MAIA, ATLAS = ("-m", "maia"), ("-c", "from atlas.cli import main; main()")
ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
COMMANDS = {
    "list": (*MAIA, "queue", "list"),
    "refused": (*MAIA, "queue", "remove", TEXT + "!"),
    "plan": (*MAIA, "plan", "hunter"),
    "hunter": (*MAIA, "hunter", "-v"),
    "json-logs": (*MAIA, "hunter", "--json-logs"),
    "status": (*ATLAS, "status"),
    "events": (*ATLAS, "events"),
    "json": (*ATLAS, "events", "--json"),
    "queue-json": (*MAIA, "queue", "list", "--json"),
    "export": (*ATLAS, "export", "--table", "search_queue"),
    "help": (*MAIA, "sandbox", "--help"),
    "wrong": (*MAIA, "plan", TEXT),
}
ENDS = {"refused": 1, "hunter": 1, "json-logs": 1, "wrong": 2}


@pytest.fixture
async def environment(db: Database, dsn: str, tmp_path: Path) -> dict[str, str]:
    """The settings of a command whose database holds text that no small encoding has."""
    await QueueDAO().add([TEXT])
    await events.emit(events.EventType.ARCHIVE_FAILED, failed=1, error=TEXT)
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "TMPDIR", "PYTHONWARNINGS"}}
    return kept | {
        "HOME": str(tmp_path), "COLUMNS": "100", "DATABASE_URL": dsn, "VAULT_PROVIDER": "off",
        "YOUTUBE_API_KEY_POOL_JSON": '{"hunting": ["one-hunting-key"], "tracking": ["one-tracking-key"]}',
        "YOUTUBE_API_BASE_URL": "http://127.0.0.1:1",
    }  # fmt: skip


def start(
    command: tuple[str, ...], environment: dict[str, str], **streams: object
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    # the words are given as they would be typed, whatever the encoding of the child
    words = [word.encode() for word in (sys.executable, *command)]
    return popen(words, env=environment, cwd=CHECKOUT, stdin=subprocess.DEVNULL, **streams)


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_no_encoding_ends_in_a_traceback(environment: dict[str, str], encoding: str) -> None:
    for name, command in COMMANDS.items():
        with start(command, environment | ENCODINGS[encoding], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            out, err = child.communicate(timeout=PATIENCE)
        said = f"{name}, {encoding}: {out!r} {err!r}"
        assert b"Traceback" not in err, said
        assert b"UnicodeEncodeError" not in out + err, said
        # what was typed is no text in ASCII: a usage error
        assert child.returncode == (2 if (name, encoding) == ("refused", "C") else ENDS.get(name, 0)), said
        if name == "json":
            # programs read JSON as UTF-8, and ASCII is a part of it
            objects = [json.loads(line) for line in out.decode("ascii").splitlines()]
            assert TEXT in {each["payload"].get("error") for each in objects}
        if name == "queue-json":
            assert [row["display_term"] for row in json.loads(out.decode("ascii"))] == [TEXT]
        if name == "json-logs":
            lines = err.decode("ascii").splitlines()[:-1]
            assert any(TEXT in json.loads(line)["message"] for line in lines), said


STREAMS = {
    "closed": ">&-",
    "closed-both": ">&- 2>&-",
    "all-closed": "<&- >&- 2>&-",
    "nobody-reads": "| true",
    "one-line-is-read": "| head -n 1 >/dev/null",
    "full": "> /dev/full",
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("name", ["list", "json", "help", "plan"])
async def test_no_stream_ends_in_a_traceback(environment: dict[str, str], name: str, stream: str) -> None:
    # bash's PIPESTATUS is the command's own exit code
    line = f'"$@" {STREAMS[stream]}; exit ${{PIPESTATUS[0]}}'
    with popen(
        ["bash", "-c", line, "bash", sys.executable, *COMMANDS[name]],
        env=environment, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        out, err = child.communicate(timeout=PATIENCE)
    assert out == b""
    for sign in (b"Traceback", b"Exception ignored", b"Error: "):
        assert sign not in err, err
    if stream == "full" and name != "plan":
        assert child.returncode == 1
        assert b"No space left on device" in err
    else:
        assert child.returncode in {0, BROKEN_PIPE} if "read" in stream else child.returncode == 0
    if stream.endswith("closed-both") or stream == "all-closed":
        assert err == b""
