"""Commands whose output goes to a terminal or pipe that is not UTF-8, is closed, full, or nobody reads."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from atlas import events
from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from atlas.streams import BROKEN_PIPE

from ..support.child_processes import finished
from ..support.commands import ATLAS, MAIA
from ..support.documents import CHECKOUT
from ..support.forked_commands import run_forked

pytestmark = pytest.mark.integration

TEXT = "日本の音楽 😀 café"
ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
COMMANDS = {
    "list": ("maia", "queue", "list"),
    "refused": ("maia", "queue", "remove", TEXT + "!"),
    "plan": ("maia", "plan", "hunter"),
    "hunter": ("maia", "hunter", "-v"),
    "json-logs": ("maia", "hunter", "--json-logs"),
    "status": ("atlas", "status"),
    "events": ("atlas", "events"),
    "json": ("atlas", "events", "--json"),
    "queue-json": ("maia", "queue", "list", "--json"),
    "export": ("atlas", "export", "--table", "search_queue"),
    "help": ("maia", "sandbox", "--help"),
    "wrong": ("maia", "plan", TEXT),
}
ENDS = {"refused": 1, "hunter": 1, "json-logs": 1, "wrong": 2}


@pytest.fixture
async def environment(db: Database, dsn: str, tmp_path: Path) -> dict[str, str | None]:
    """The settings of a command whose database holds text that no small encoding has."""
    await QueueDAO().add([TEXT])
    await events.emit(events.EventType.ARCHIVE_FAILED, failed=1, error=TEXT)
    removed = dict.fromkeys(os.environ.keys() - {"PATH", "TMPDIR", "PYTHONWARNINGS"})
    return removed | {
        "HOME": str(tmp_path), "COLUMNS": "100", "DATABASE_URL": dsn, "VAULT_PROVIDER": "off",
        "YOUTUBE_API_KEY_POOL_JSON": '{"hunting": ["one-hunting-key"], "tracking": ["one-tracking-key"]}',
        "YOUTUBE_API_BASE_URL": "http://127.0.0.1:1",
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_no_encoding_ends_in_a_traceback(environment: dict[str, str | None], encoding: str) -> None:
    ended = await run_forked(*COMMANDS.values(), at_once=1, **environment | ENCODINGS[encoding])
    done = dict(zip(COMMANDS, ended, strict=True))
    # what was typed is no text in ASCII: a usage error
    ends = ENDS | ({"refused": 2} if encoding == "C" else {})
    assert {name: each.code for name, each in done.items()} == dict.fromkeys(COMMANDS, 0) | ends
    for each in ended:
        assert "UnicodeEncodeError" not in each.stderr
        assert b"UnicodeEncodeError" not in each.stdout
    # programs read JSON as UTF-8, and ASCII is a part of it
    objects = [json.loads(line) for line in done["json"].stdout.decode("ascii").splitlines()]
    assert TEXT in {each["payload"].get("error") for each in objects}
    assert [row["display_term"] for row in json.loads(done["queue-json"].stdout.decode("ascii"))] == [TEXT]
    lines = done["json-logs"].stderr.splitlines()[:-1]
    assert "".join(lines).isascii()
    assert any(TEXT in json.loads(line)["message"] for line in lines), lines


STREAMS = {
    "closed": ">&-",
    "closed-both": ">&- 2>&-",
    "all-closed": "<&- >&- 2>&-",
    "nobody-reads": "| true",
    "one-line-is-read": "| head -n 1 >/dev/null",
    "full": "> /dev/full",
}


@pytest.mark.parametrize("stream", STREAMS)
async def test_no_stream_ends_in_a_traceback(environment: dict[str, str | None], stream: str) -> None:
    # bash's PIPESTATUS is the command's own exit code
    line = f'"$@" {STREAMS[stream]}; exit ${{PIPESTATUS[0]}}'
    env = {name: text for name, text in environment.items() if text is not None}

    async def ended(name: str) -> tuple[str, int, bytes, bytes]:
        program, *words = COMMANDS[name]
        start = {"maia": MAIA, "atlas": ATLAS}[program]
        return name, *await finished("bash", "-c", line, "bash", *start, *words, env=env, cwd=CHECKOUT)

    for name, code, out, err in await asyncio.gather(*map(ended, ("list", "help", "plan"))):
        assert out == b"", name
        for sign in (b"Traceback", b"Exception ignored", b"Error: "):
            assert sign not in err, (name, err)
        if stream == "full" and name != "plan":
            assert code == 1, name
            assert b"No space left on device" in err, name
        else:
            assert code in ({0, BROKEN_PIPE} if "read" in stream else {0}), name
        if stream.endswith("closed-both") or stream == "all-closed":
            assert err == b"", name
