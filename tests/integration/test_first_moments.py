"""A signal in the first moments of a process, while it is still importing or connecting."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from ..support.child_processes import popen

pytestmark = [pytest.mark.integration, pytest.mark.wheel]

# the import of the command line takes for ever here, so that the signal certainly comes in the middle of it
SLOW_IMPORT = """
import importlib.abc, runpy, sys, time
class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "maia.cli":
            print("importing", flush=True)
            time.sleep(300)
sys.meta_path.insert(0, Slow())
"""
ENTRIES = {
    "python -m maia": "runpy.run_module('maia', run_name='__main__')",
    "maia": "from maia.__main__ import main; main()",
    "maia-hunter": "from maia.__main__ import hunter; hunter()",
    "maia-tracker": "from maia.__main__ import tracker; tracker()",
}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_signal_ends_a_process_that_is_still_importing(entry: str, signum: signal.Signals) -> None:
    command = [sys.executable, "-c", f"{SLOW_IMPORT}\n{ENTRIES[entry]}"]
    pipe = subprocess.PIPE
    with popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signum)
        _, errors = process.communicate(timeout=60)
    # its own code, not the kernel's: the first process of a container has only that
    assert (process.returncode, errors) == (128 + signum, "")


# sends this process the signal when the module is about to be imported
SIGNALLED = """
import importlib.abc, os, runpy, sys
class Signal(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {signum})
sys.meta_path.insert(0, Signal())
sys.argv[1:] = {arguments!r}
runpy.run_module("maia", run_name="__main__")
"""
MODULES = [
    # by which maia.runtime.early_result itself is imported
    "maia.runtime.early_result", "json", "json.decoder", "atlas.result_path",
    "maia.cli", "typer", "atlas.config", "pydantic", "aiohttp", "atlas.notifier.dispatcher", "maia.youtube",
    "maia.cycles",
    "maia.commands.running",
]  # fmt: skip
COMMANDS = {
    "hunter": ["hunter", "--shard", "2/4"],
    "tracker": ["tracker", "--shard=2/4"],
    "janitor": ["janitor", "--dry-run"],
    "plan": ["plan", "hunter"],
    "verdict": ["verdict", "tracker"],
}


def environ(folder: Path, **more: str) -> dict[str, str]:
    given = {"DATABASE_URL": "postgresql://maia@127.0.0.1:1/maia", "YOUTUBE_API_KEY_POOL_JSON": '["a-key-of-a-test"]'}
    return {"PATH": os.environ["PATH"], "HOME": str(folder), **given, **more}


def check(path: Path, agent: str, shard: str, signum: signal.Signals) -> None:
    result = json.loads(path.read_text())
    began, ended = (datetime.fromisoformat(result.pop(name)) for name in ("started_at", "finished_at"))
    assert began <= ended
    assert began.tzinfo is not None
    assert result == {
        "agent": agent,
        "shard": shard,
        "outcome": "cancelled",
        "exit_code": 128 + signum,
        "stats": {},
        "error": f"stopped by {signum.name}",
    }
    assert [entry.name for entry in path.parent.iterdir() if "result" in entry.name] == ["result.json"]


def signalled(folder: Path, module: str, arguments: list[str], signum: int = signal.SIGTERM, **more: str) -> None:
    """Run `maia` in a folder, with a signal when it is about to import the module."""
    script = SIGNALLED.format(module=module, signum=int(signum), arguments=arguments)
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=environ(folder, **more), cwd=folder, capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + signum, b"", b"")


@pytest.mark.parametrize(
    ("command", "module", "signum"),
    [
        *(("hunter", module, signal.SIGTERM) for module in MODULES),
        *(("hunter", module, signal.SIGINT) for module in ("maia.runtime.early_result", "maia.cli", "aiohttp")),
        *((command, "atlas.notifier.dispatcher", signal.SIGTERM) for command in list(COMMANDS)[1:]),
    ],
)
def test_a_process_that_is_still_importing_leaves_a_result_file(
    tmp_path: Path, command: str, module: str, signum: signal.Signals
) -> None:
    path = tmp_path / "a folder" / "result.json"
    signalled(tmp_path, module, [*COMMANDS[command], "--result-file", str(path)], signum)
    check(path, command, "2/4" if command in {"hunter", "tracker"} else "0/1", signum)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("value", ["{path}", "'{path}'", ' "{path}" '])
def test_the_path_may_come_from_the_environment(tmp_path: Path, value: str) -> None:
    path = tmp_path / "result.json"
    signalled(tmp_path, "maia.cli", ["hunter"], MAIA_RESULT_FILE=value.format(path=path))
    check(path, "hunter", "0/1", signal.SIGTERM)


@pytest.mark.parametrize("arguments", [["queue", "list"], [], ["hunter"]])
def test_a_command_without_a_result_file_ends_all_the_same(tmp_path: Path, arguments: list[str]) -> None:
    more = {} if arguments == ["hunter"] else {"MAIA_RESULT_FILE": str(tmp_path / "r.json")}
    signalled(tmp_path, "maia.cli", arguments, **more)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def silent() -> Iterator[tuple[int, threading.Event]]:
    """A server that takes connections and never answers: its port, and whether one has come."""
    came = threading.Event()
    held = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                while True:
                    held.append(server.accept()[0])
                    came.set()
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in held:
        connection.close()


@pytest.mark.parametrize(
    ("command", "where"),
    [*((name, "database") for name in COMMANDS), *((name, "Prefect") for name in ("hunter", "tracker", "janitor"))],
)
def test_a_process_that_is_still_connecting_leaves_a_result_file_and_ends_at_once(
    tmp_path: Path, silent: tuple[int, threading.Event], command: str, where: str
) -> None:
    port, came = silent
    given = environ(tmp_path, DATABASE_URL=f"postgresql://maia@127.0.0.1:{port}/maia", VAULT_PROVIDER="off")
    given |= {"MAIA_RUN_ID": "1", "NO_PROXY": "*"}
    if where == "Prefect":
        given["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    path = tmp_path / "result.json"
    (tmp_path / ".env").write_text(f"MAIA_RESULT_FILE={path}\n")
    words = [sys.executable, "-m", "maia", *COMMANDS[command]]
    with popen(words, env=given, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert came.wait(120)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.communicate(timeout=60)
    # neither the 5 s of grace, since nothing is at work, nor the seconds that Prefect or a database may take
    assert time.monotonic() - began < 4.5
    assert process.returncode == 143
    check(path, command, "2/4" if command in {"hunter", "tracker"} else "0/1", signal.SIGTERM)
