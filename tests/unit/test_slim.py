"""What the image's build takes out of the environment."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path
from types import ModuleType

import pytest

from ..support.documents import CHECKOUT, needs_documents

pytestmark = needs_documents


@pytest.fixture(scope="module")
def slim() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slim", CHECKOUT / "container" / "slim.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def library() -> Path:
    """A compiled module with debugging symbols."""
    (found,) = [file for file in files("asyncpg") or () if file.match("protocol/protocol.*.so")]
    return Path(str(found.locate()))


@pytest.mark.skipif(sys.platform != "linux", reason="the image is one of Linux")
def test_a_stripped_library_is_smaller_and_can_be_loaded(slim: ModuleType, tmp_path: Path) -> None:
    package = tmp_path / "asyncpg"
    shutil.copytree(library().parent.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    copy = package / "protocol" / library().name
    before = copy.stat().st_size
    slim.strip(copy)
    once = copy.read_bytes()
    assert len(once) < before / 2
    slim.strip(copy)
    assert copy.read_bytes() == once
    code = "import asyncpg.protocol.protocol as p; print(p.__file__); p.BaseProtocol"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(copy)


@pytest.mark.parametrize(
    "content", [b"", b"not a library", b"\x7fELF\x01\x01 a 32-bit one", b"\xcf\xfa\xed\xfe of another system"]
)
def test_a_file_of_another_kind_is_left_alone(slim: ModuleType, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.so"
    file.write_bytes(content)
    slim.strip(file)
    assert file.read_bytes() == content


def test_each_step_says_what_it_gives(slim: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "lib" / "python3.13" / "site-packages"
    kept, dropped = "kept/code.py", ["kept/tests/test_x.py", "kept/x.pyi", "kept/x.c", "prefect/server/ui/x.js"]
    for name in (kept, *dropped, "prefect/server/ui-v2/x.js", "sqlalchemy/testing/x.py"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("x" * 1000)
    for name in slim.SERVER_ONLY:
        folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("")
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (folder / "RECORD").write_text(f"{name}/__init__.py,,\n{folder.name}/METADATA,,\n{folder.name}/RECORD,,\n")
    slim.main(tmp_path)
    figures = json.loads((tmp_path / "slim.json").read_text())
    assert set(figures) == set(slim.STEPS)
    assert {path.relative_to(site).as_posix() for path in slim.files(site)} == {kept}
    assert figures["the web pages of a Prefect server"] == 2000
    assert capsys.readouterr().out.count(" MB ") == len(figures)


def test_what_is_dropped_is_locked_and_nothing_of_ours_imports_it(slim: ModuleType) -> None:
    locked = set(
        re.findall(r"^([a-z0-9.-]+)(?:\[[^\]]+\])?==", (CHECKOUT / "requirements.txt").read_text(), re.MULTILINE)
    )
    assert set(slim.SERVER_ONLY) <= locked
    names = "|".join(re.escape(name.replace("-", "_")) for name in (*slim.SERVER_ONLY, "docket", "key_value"))
    for package in ("maia", "atlas"):
        for path in (CHECKOUT / package).rglob("*.py"):
            assert not re.search(rf"^\s*(?:import|from) (?:{names})\b", path.read_text(), re.MULTILINE), path
