"""docs/prefect.md, followed from its top: every command, in order, against a real server and real workers.

The worker of a docker pool needs an engine: tests/e2e/test_prefect.py runs that part.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from maia.runtime.exitcodes import Outcome
from youtube_sandbox import RunningSandbox

from ...support.agents import fetch
from ...support.child_processes import child, finished
from ...support.documents import CHECKOUT, document, needs_documents, sections, table
from ...support.event_loop import PATIENCE
from ...support.secrets_plugin import shown

pytestmark = [pytest.mark.integration, needs_documents]

PAGE = "docs/prefect.md"
SERVERS = ("prefect server start", "prefect worker start --pool maia-process", "maia.flows.hunter.serve(")
"""What runs until it is stopped."""
ELSEWHERE = ("prefect worker start --pool maia-docker", "prefect deployment run tracker/docker")
"""What needs a Docker engine."""
KUBECTL = '#!/bin/sh\ntest "$*" = "create secret generic maia --from-env-file=.env" && test -f .env\n'


def test_the_outcomes_are_those_of_the_code() -> None:
    rows = table(document(PAGE), "outcome", "state", "message, for example")
    assert {outcome.strip("`") for outcome, _, _ in rows} == {str(outcome) for outcome in Outcome}


async def test_the_page_can_be_followed(db: Database, api: RunningSandbox, tmp_path: Path) -> None:
    await QueueDAO().add(["python", "guitar", "rust"])
    here = tmp_path / "checkout"
    here.mkdir()
    for name in ("prefect.yaml", "container"):
        (here / name).symlink_to(CHECKOUT / name)
    given = {
        name: text for name, text in os.environ.items()
        if re.match(r"(DATABASE|YOUTUBE|VAULT|ATLAS|HUNTER|TRACKER)_", name)
    }  # fmt: skip
    given["HUNTER_MAX_SEARCHES_PER_RUN"] = "2"  # the tags of what is found are enough for minutes
    (here / ".env").write_text("".join(f"{name}={shlex.quote(text)}\n" for name, text in given.items()))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubectl").write_text(KUBECTL)
    (programs / "kubectl").chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {
        name: text for name, text in os.environ.items() if name not in given and not name.startswith("PREFECT_")
    } | {
        "PATH": f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_HOME": str(tmp_path / "home"), "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_API_PORT": port, "PREFECT_SERVER_UI_ENABLED": "false", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    log = tmp_path / "servers.log"
    exported = ""
    async with contextlib.AsyncExitStack() as running:
        output = running.enter_context(log.open("ab"))
        for block in blocks():
            script = f"{exported}set -e\n{block.replace(':4200/', f':{port}/')}"
            if block.startswith("export "):
                exported = f"{block.replace(':4200/', f':{port}/')}\n"
            elif any(server in block for server in SERVERS):
                await running.enter_async_context(
                    child(
                        "bash", "-c", script.replace("\nprefect worker", "\nexec prefect worker"), cwd=here,
                        env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                        start_new_session=True, stop=signal.SIGINT,
                    )
                )  # fmt: skip
                await ready(block, port)
            elif not any(each in block for each in ELSEWHERE):
                code, out, err = await finished(
                    "bash", "-c", script, cwd=here, env=environment, timeout=PATIENCE * 2, start_new_session=True
                )
                assert code == 0, f"{block}\n{(out + err).decode()[-3000:]}\n{log.read_text()[-3000:]}"
    rows = await fetch(db, "SELECT agent, shard, outcome FROM runs ORDER BY started_at")
    assert [(row["agent"], row["shard"]) for row in rows] == [("hunter", "0/4"), ("hunter", "0/1")]
    assert {row["outcome"] for row in rows} == {"ok"}
    for file in (log, *(tmp_path / "home").glob("prefect.db*")):
        shown(file.name, file.read_bytes())


def blocks() -> list[str]:
    """The shell blocks of the page, in order."""
    found = ["\n".join(b.lines) for each in sections(document(PAGE)) for b in each.blocks if b.language == "bash"]
    assert all(any(words in block for block in found) for words in (*SERVERS, *ELSEWHERE))
    return found


async def ready(block: str, port: str) -> None:
    """Wait until what the block has started can be used."""
    if "server start" in block:
        address, wanted = f"http://127.0.0.1:{port}/api/health", b"true"
    elif "serve(" in block:
        address, wanted = f"http://127.0.0.1:{port}/api/deployments/name/hunter/here", b'"here"'
    else:
        return  # its runs wait for a worker
    for _ in range(int(PATIENCE / 0.2)):
        with contextlib.suppress(OSError):
            if wanted in await asyncio.to_thread(lambda: urllib.request.urlopen(address, timeout=5).read()):
                return
        await asyncio.sleep(0.2)  # polling: a server tells nobody when it is ready
    pytest.fail(f"{block}: not ready")
