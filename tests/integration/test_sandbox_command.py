"""`maia sandbox` as a process."""

import asyncio
import contextlib
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from aiohttp import ClientSession

from ..support.child_processes import child, finished
from ..support.clock_settings import running_from
from ..support.ignored_signals import ignoring

pytestmark = [pytest.mark.integration, pytest.mark.wheel]

PROGRAM = """
import typer
from maia.commands.sandbox import EPILOG, sandbox
app = typer.Typer(pretty_exceptions_enable=False)
app.command("sandbox", epilog=EPILOG)(sandbox)
app.callback()(lambda: None)
app()
"""


COMMAND = (sys.executable, "-c", PROGRAM, "sandbox")


async def test_a_background_job_of_a_script_keeps_ignoring_sigint() -> None:
    pipe = asyncio.subprocess.PIPE
    async with contextlib.AsyncExitStack() as opened:
        with ignoring(signal.SIGINT):
            process = await opened.enter_async_context(child(*COMMAND, "--port", "0", stdout=pipe, stderr=pipe))
        assert process.stdout is not None
        base = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        process.send_signal(signal.SIGINT)
        async with ClientSession() as http, http.get(f"{base}/search") as answer:
            assert answer.status == 403  # it answers: no key
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_prints_its_base_url_first_answers_and_stops_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    begin = datetime(2026, 11, 23, 9, tzinfo=UTC)  # an hour after a Pacific midnight: a quota day has begun
    options = [
        "--port",
        "0",
        "--key",
        "one=p",
        "--key",
        "two",
        "--quota-search",
        "1",
        "--clock",
        running_from(begin, speed=3600),
        "--log",
        str(log),
    ]
    pipe = asyncio.subprocess.PIPE
    async with child(*COMMAND, *options, "--fault", "backend-error:videos", stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        base = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        assert base.startswith("http://127.0.0.1:")
        assert base.endswith("/youtube/v3")
        async with ClientSession() as http:
            statuses = []
            for path, key in (("search?part=id", "one"), ("search?part=id", "one"), ("search?part=id", "two")):
                async with http.get(f"{base}/{path}", headers={"X-Goog-Api-Key": key}) as answer:
                    statuses.append(answer.status)
            async with http.get(f"{base}/videos?part=id&id=x&key=two") as answer:
                statuses.append(answer.status)
        assert statuses == [200, 429, 200, 500]
        process.send_signal(number)
        _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert [orjson.loads(line)["status"] for line in log.read_bytes().splitlines()] == statuses


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--fault", "explode"], 2, "there is no kind 'explode'"),
        (["--key", "=p"], 2, "a key is empty"),
        (["--dataset", "none.csv"], 1, "ConfigError: data set none.csv cannot be read"),
        (["--clock", "fast"], 1, "'fast' is not a clock"),
        (["--host", "192.0.2.1"], 1, "cannot listen on 192.0.2.1:8080"),
    ],
)
async def test_what_is_wrong_is_said(options: list[str], code: int, said: str) -> None:
    ended, _, errors = await finished(*COMMAND, *options)
    assert ended == code
    assert said in " ".join(errors.decode().replace("│", " ").split())


async def test_help_teaches() -> None:
    _, output, _ = await finished(*COMMAND, "--help")
    text = output.decode()
    for word in ("YOUTUBE_API_BASE_URL", "--dataset", "rate-limit  ", "after=N", "KEY[=PROJECT]", "/_sandbox/state"):
        assert word in text
