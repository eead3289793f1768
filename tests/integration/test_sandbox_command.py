"""`maia sandbox` as a process, and what it says before it starts."""

import asyncio
import contextlib
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import typer
from aiohttp import ClientSession
from typer.testing import CliRunner

from maia.commands.sandbox import EPILOG, sandbox

from ..support.child_processes import child
from ..support.clock_settings import running_from
from ..support.ignored_signals import ignoring

pytestmark = [pytest.mark.integration, pytest.mark.wheel]

PROGRAM = """
import typer
from maia.commands.sandbox import EPILOG, sandbox
app = typer.Typer(pretty_exceptions_enable=False)
app.command("sandbox", epilog=EPILOG)(sandbox)
app()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_prints_its_base_url_first_answers_and_stops_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    begin = datetime(2026, 11, 23, 9, tzinfo=UTC)  # an hour after a Pacific midnight: a quota day has begun
    options = [
        "--port", "0", "--key", "one=p", "--key", "two", "--quota-search", "1",
        "--clock", running_from(begin, speed=3600), "--log", str(log), "--fault", "backend-error:videos",
    ]  # fmt: skip
    pipe = asyncio.subprocess.PIPE
    # a background job of a script ignores SIGINT, and goes on doing so
    ignored = ignoring(signal.SIGINT) if number is signal.SIGTERM else contextlib.nullcontext()
    async with contextlib.AsyncExitStack() as opened:
        command = (sys.executable, "-c", PROGRAM, *options)
        with ignored:
            process = await opened.enter_async_context(child(*command, stdout=pipe, stderr=pipe))
        assert process.stdout is not None
        base = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        assert base.startswith("http://127.0.0.1:")
        assert base.endswith("/youtube/v3")
        if number is signal.SIGTERM:
            process.send_signal(signal.SIGINT)
        statuses = []
        async with ClientSession() as http:
            calls = ("search?part=id&key=one", "search?part=id&key=one", "search?part=id&key=two")
            for path in (*calls, "videos?part=id&id=x&key=two"):
                async with http.get(f"{base}/{path}") as answer:
                    statuses.append(answer.status)
        assert statuses == [200, 429, 200, 500]
        process.send_signal(number)
        _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert [orjson.loads(line)["status"] for line in log.read_bytes().splitlines()] == statuses


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--fault", "explode"], 2, "there is no kind 'explode'"),
        (["--key", "=p"], 2, "a key is empty"),
        (["--dataset", "none.csv"], 1, "data set none.csv cannot be read"),
        (["--clock", "fast"], 1, "'fast' is not a clock"),
        (["--host", "192.0.2.1"], 1, "cannot listen on 192.0.2.1:8080"),
        (["--help"], 0, "YOUTUBE_API_BASE_URL"),
        *(
            (["--help"], 0, word)
            for word in ("--dataset", "rate-limit ", "after=N", "KEY[=PROJECT]", "/_sandbox/state")
        ),
    ],
)
def test_what_it_says_before_it_starts(options: list[str], code: int, message: str) -> None:
    app = typer.Typer(rich_markup_mode=None)
    app.command("sandbox", epilog=EPILOG)(sandbox)
    done = CliRunner().invoke(app, options)
    assert done.exit_code == code
    assert message in " ".join(f"{done.output} {done.exception}".split())
