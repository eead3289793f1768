"""The top of a process, where no child process of the integration tests goes."""

import json
import subprocess
import sys

SCRIPT = """
import asyncio, sys
from pathlib import Path
from maia.resilience import run_agent
async def main():
    {body}
run_agent("tracker", "1/2", main, result_file=Path({path!r}))
"""


def run(body: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body=body, path=path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_config_error_is_one_line_that_says_itself_how_to_fix_it(tmp_path):
    body = "from atlas.errors import EmptyKeyRing; raise EmptyKeyRing('tracking')"
    done = run(body, str(tmp_path / "r.json"))
    assert done.returncode == 78
    assert done.stderr.startswith("maia tracker: Empty KeyRing: no keys for 'tracking' in YOUTUBE_API_KEY_POOL_JSON")
    assert done.stderr.count("\n") == 1
    assert json.loads((tmp_path / "r.json").read_text())["outcome"] == "config"


def test_a_failure_says_where_and_keeps_secrets(tmp_path):
    done = run("raise OSError('no way to postgresql://u:hidden@h/db')", str(tmp_path / "r.json"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "hidden" not in done.stderr
    assert "hidden" not in (tmp_path / "r.json").read_text()


def test_a_result_file_that_cannot_be_written_does_not_change_the_code(tmp_path):
    (tmp_path / "file").touch()
    done = run("return {'outcome': 'idle'}", str(tmp_path / "file" / "r.json"))
    assert done.returncode == 0
    assert "cannot be written" in done.stderr


def test_an_exit_handler_cannot_change_the_code(tmp_path):
    body = "import atexit, os; atexit.register(os._exit, 5); return {}"
    assert run(body, str(tmp_path / "r.json")).returncode == 0
