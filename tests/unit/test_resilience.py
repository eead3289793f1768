"""The top of a process, where no child process of the integration tests goes."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import asyncio, sys
from pathlib import Path
from maia.resilience import run_agent
async def main():
    BODY
run_agent("tracker", "1/2", main, result_file=Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("body", "place", "code", "said", "written"),
    [
        (
            "from atlas.errors import EmptyKeyRing; raise EmptyKeyRing('tracking')", "r.json", 78,
            "maia tracker: Empty KeyRing: no keys for 'tracking' in YOUTUBE_API_KEY_POOL_JSON", '"config"',
        ),
        ("raise OSError('no way to postgresql://u:hidden@h/db')", "r.json", 1, "Traceback", '"failure"'),
        ("return {'outcome': 'idle'}", "file/r.json", 0, "cannot be written", None),
        ("import atexit, os; atexit.register(os._exit, 5); return {}", "r.json", 0, "", '"ok"'),
    ],
    ids=["says itself how to fix it", "keeps secrets", "no result file", "an exit handler"],
)  # fmt: skip
def test_an_end_has_its_code_its_line_and_its_result_file(
    tmp_path: Path, body: str, place: str, code: int, said: str, written: str | None
) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, "-c", SCRIPT.replace("BODY", body), tmp_path / place]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert said in done.stderr
    assert "hidden" not in done.stderr
    if code == 78:
        assert done.stderr.count("\n") == 1
    if written is not None:
        text = (tmp_path / place).read_text()
        assert written in text
        assert "hidden" not in text
